// Frames in test language: builders with right lengths and checksums (unless a test says otherwise), and readers.
import { parseIp } from '../../host/config/address.js';

export type Bytes = Uint8Array;
export const cat = (...parts: (Bytes | number[])[]): Bytes => Uint8Array.from(parts.flatMap((p) => [...p]));
export const be16 = (v: number): number[] => [(v >>> 8) & 255, v & 255];
export const be32 = (v: number): number[] => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
export const u16 = (b: Bytes, p: number): number => (b[p] << 8) | b[p + 1];
export const u32 = (b: Bytes, p: number): number => ((b[p] << 24) | (b[p + 1] << 16) | (b[p + 2] << 8) | b[p + 3]) >>> 0;
export const mac = (s: string): number[] => s.split(':').map((h) => parseInt(h, 16));
export const hex = (b: Bytes): string => Buffer.from(b).toString('hex');

export function addr(text: string): Bytes {
  const a = parseIp(text);
  if (!a) throw new Error(`not an address: ${text}`);
  return a;
}

/** RFC 1071, over the concatenation. */
export function checksum(...parts: (Bytes | number[])[]): number {
  const b = cat(...parts);
  let s = 0;
  for (let i = 0; i < b.length; i += 2) s += (b[i] << 8) | (b[i + 1] ?? 0);
  while (s >> 16) s = (s & 0xffff) + (s >> 16);
  return ~s & 0xffff;
}

export function ethernet(dst: string, src: string, type: number, payload: Bytes): Bytes {
  return cat(mac(dst), mac(src), be16(type), payload);
}

export interface Ip4 {
  src: string;
  dst: string;
  proto: number;
  ttl?: number;
  tos?: number;
  id?: number;
  /** Flags and offset field. */
  frag?: number;
  options?: number[];
  /** Lies on purpose. */
  totalLen?: number;
  ihl?: number;
  csum?: number;
}
export function ipv4(o: Ip4, payload: Bytes | number[]): Bytes {
  const opt = o.options ?? [];
  const hlen = 20 + opt.length;
  const h = cat([0x40 | (o.ihl ?? hlen / 4), o.tos ?? 0], be16(o.totalLen ?? hlen + payload.length), be16(o.id ?? 1), be16(o.frag ?? 0), [o.ttl ?? 64, o.proto, 0, 0], addr(o.src), addr(o.dst), opt);
  const c = o.csum ?? checksum(h);
  h.set(be16(c), 10);
  return cat(h, payload);
}

export interface Ip6 {
  src: string;
  dst: string;
  next: number;
  hops?: number;
  tclass?: number;
  label?: number;
  payloadLen?: number;
}
export function ipv6(o: Ip6, payload: Bytes | number[]): Bytes {
  return cat(be32(((6 << 28) | ((o.tclass ?? 0) << 20) | (o.label ?? 0)) >>> 0), be16(o.payloadLen ?? payload.length), [o.next, o.hops ?? 64], addr(o.src), addr(o.dst), payload);
}

/** Pseudo-header of either family. */
export function pseudo(src: string, dst: string, proto: number, len: number): Bytes {
  const s = addr(src), d = addr(dst);
  return s.length === 4 ? cat(s, d, [0, proto], be16(len)) : cat(s, d, be32(len), [0, 0, 0, proto]);
}

export function udp(src: string, sport: number, dst: string, dport: number, data: Bytes | number[], o: { csum?: number; len?: number } = {}): Bytes {
  const len = 8 + data.length;
  const h = cat(be16(sport), be16(dport), be16(o.len ?? len), [0, 0], data);
  h.set(be16(o.csum ?? (checksum(pseudo(src, dst, 17, len), h) || 0xffff)), 6);
  return h;
}

/** An ICMP message: type, code, the second word, body. */
export function icmp(type: number, code: number, word: number, body: Bytes | number[] = [], csum?: number): Bytes {
  const m = cat([type, code, 0, 0], be32(word >>> 0), body);
  m.set(be16(csum ?? checksum(m)), 2);
  return m;
}
export function icmp6(src: string, dst: string, type: number, code: number, rest: Bytes | number[], csum?: number): Bytes {
  const m = cat([type, code, 0, 0], rest);
  m.set(be16(csum ?? checksum(pseudo(src, dst, 58, m.length), m)), 2);
  return m;
}

export function arp(op: number, sha: string, spa: string, tha: string, tpa: string): Bytes {
  return cat(be16(1), be16(0x0800), [6, 4], be16(op), mac(sha), addr(spa), mac(tha), addr(tpa));
}

/** An IPv4 packet taken apart; throws when lengths or the header checksum are wrong. */
export function readIpv4(frame: Bytes): { src: string; dst: string; proto: number; ttl: number; tos: number; id: number; frag: number; options: Bytes; payload: Bytes } {
  const b = frame.subarray(14);
  const hlen = (b[0] & 15) * 4;
  if (u16(frame, 12) !== 0x0800 || b[0] >> 4 !== 4) throw new Error(`not IPv4: ${hex(frame.subarray(0, 40))}`);
  if (checksum(b.subarray(0, hlen))) throw new Error('bad IPv4 header checksum');
  if (u16(b, 2) !== b.length) throw new Error(`IPv4 total length ${u16(b, 2)} in ${b.length} bytes`);
  return {
    src: [...b.subarray(12, 16)].join('.'), dst: [...b.subarray(16, 20)].join('.'), proto: b[9], ttl: b[8], tos: b[1], id: u16(b, 4), frag: u16(b, 6),
    options: b.slice(20, hlen), payload: b.slice(hlen),
  };
}

export function readIpv6(frame: Bytes): { src: string; dst: string; next: number; hops: number; payload: Bytes } {
  const b = frame.subarray(14);
  if (u16(frame, 12) !== 0x86dd || b[0] >> 4 !== 6) throw new Error(`not IPv6: ${hex(frame.subarray(0, 40))}`);
  if (u16(b, 4) !== b.length - 40) throw new Error(`IPv6 payload length ${u16(b, 4)} in ${b.length} bytes`);
  const text = (p: number): string => Array.from({ length: 8 }, (_, i) => u16(b, p + 2 * i).toString(16)).join(':');
  return { src: text(8), dst: text(24), next: b[6], hops: b[7], payload: b.slice(40) };
}
