// Super-segments for the tests, and a check of the checksums of what they were cut into.
import * as A from '../../host/abi/constants.js';
import { completeChecksum } from '../../host/debug/pcapng.js';
import type { Frame } from './rig.js';

const put16 = (b: Uint8Array, at: number, v: number): void => { b[at] = v >> 8; b[at + 1] = v & 255; };

function sum(bytes: Uint8Array): number {
  let s = 0;
  for (let i = 0; i < bytes.length; i += 2) s += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return s;
}

function pseudo(addresses: Uint8Array, proto: number, length: number): number {
  return sum(Uint8Array.of(...addresses, 0, 0, length >> 8, length & 255, 0, proto));
}

/** An IPv4 or IPv6 packet with TCP or UDP over Ethernet, its checksum left to the device. `payload` bytes of pattern. */
export function superFrame(v: 4 | 6, proto: 'tcp' | 'udp', payload: number, gsoSize: number, dst = [2, 0, 0, 0, 0, 2]): Frame {
  const ip = v === 4 ? 20 : 40, l4 = proto === 'tcp' ? 20 : 8, p = proto === 'tcp' ? 6 : 17;
  const bytes = new Uint8Array(14 + ip + l4 + payload), length = l4 + payload;
  bytes.set([...dst, 2, 0, 0, 0, 0, 1, ...(v === 4 ? [8, 0] : [0x86, 0xdd])]);
  const n = bytes.subarray(14);
  if (v === 4) {
    n.set([0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, p, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2]);
    put16(n, 2, 20 + length);
    put16(n, 10, ~sum(n.subarray(0, 20)) & 0xffff);
  } else {
    n.set([0x60, 0, 0, 0, 0, 0, p, 64]);
    put16(n, 4, length);
    n.set([0x20, 1, 0xd, 0xb8, ...new Array<number>(11).fill(0), 1, 0x20, 1, 0xd, 0xb8, ...new Array<number>(11).fill(0), 2], 8);
  }
  const t = n.subarray(ip);
  t.set(proto === 'tcp' ? [0, 9, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 255, 255, 0, 0, 0, 0] : [0, 9, 0, 9, length >> 8, length & 255, 0, 0]);
  for (let i = 0; i < payload; i++) t[l4 + i] = (i * 13 + (i >> 8)) & 255;
  const csumOffset = proto === 'tcp' ? 16 : 6;
  put16(t, csumOffset, pseudo(n.subarray(v === 4 ? 12 : 8, ip), p, length));
  return {
    bytes, flags: A.Vnet.F_NEEDS_CSUM, csumStart: 14 + ip, csumOffset, hdrLen: 14 + ip + l4, gsoSize,
    gsoType: !gsoSize ? 0 : proto === 'udp' ? A.Vnet.GSO_UDP_L4 : v === 4 ? A.Vnet.GSO_TCPV4 : A.Vnet.GSO_TCPV6,
  };
}

/** The transport payload, and whether the checksum (completed if it is partial) is right. */
export function inspect(f: Frame): { payload: Uint8Array; good: boolean } {
  const bytes = f.bytes.slice();
  if ((f.flags ?? 0) & A.Vnet.F_NEEDS_CSUM) completeChecksum(bytes, f.csumStart!, f.csumOffset!);
  const n = bytes.subarray(14), v4 = n[0] >> 4 === 4, ip = v4 ? 20 : 40, proto = v4 ? n[9] : n[6];
  const end = v4 ? (n[2] << 8) | n[3] : 40 + ((n[4] << 8) | n[5]), t = n.subarray(ip, end), l4 = proto === 6 ? 20 : 8;
  const total = sum(t) + pseudo(n.subarray(v4 ? 12 : 8, ip), proto, t.length);
  return { payload: t.subarray(l4), good: total % 0xffff === 0 };
}
