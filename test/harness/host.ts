// A configured core with one Ethernet interface, and a peer that is only bytes: the set-up of most protocol tests.
import * as A from '../../host/abi/constants.js';
import type { Core, CoreOptions } from '../../host/core.js';
import { parseIp } from '../../host/config/address.js';
import { emptyConfig, type StackConfig } from '../../host/config/config.js';
import { applyConfig } from '../../host/control/apply.js';
import { TestCore, type TxFrame } from './core.js';
import { arp, be16, ethernet, ipv4, ipv6, type Bytes, type Ip4, type Ip6 } from './packet.js';

export const OUR_MAC = '02:00:00:00:00:01', PEER_MAC = '02:00:00:00:00:02';
export const US = '10.0.0.1', PEER = '10.0.0.2', US6 = 'fd00::1', PEER6 = 'fd00::2';
export const AF_INET = 2, AF_INET6 = 10, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3;

export interface HostOptions {
  features?: number;
  mtu?: number;
  config?: Partial<StackConfig>;
  /** Leave neighbours to be resolved. */
  resolve?: boolean;
  seed?: number;
  /** Of eth0; default OUR_MAC. */
  mac?: string;
  addresses?: { address: string; prefix: number }[];
  slaac?: boolean;
  memoryBytes?: number;
  maxSockets?: number;
  /** As of TestCore.create. */
  layer?: (core: Core, options: CoreOptions) => Core;
}

export interface Received {
  n: number;
  data: Bytes;
  from?: { address: Bytes; port: number };
  flags: number;
  control: Bytes;
}

export class TestHost {
  ifindex = 1;
  private constructor(readonly core: TestCore) {}

  static async create(o: HostOptions = {}): Promise<TestHost> {
    const core = await TestCore.create({ seed: o.seed, memoryBytes: o.memoryBytes, maxSockets: o.maxSockets, layer: o.layer });
    const h = new TestHost(core);
    h.ifindex = core.addDevice(0, 'eth0', o.mac ?? OUR_MAC, o.mtu ?? 1500, o.features ?? 0);
    core.stamp();
    applyConfig(core.core, {
      ...emptyConfig(),
      interfaces: [{
        name: 'eth0', type: 'TAP', dev: 'x', slaac: o.slaac ?? false, offload: false,
        addresses: o.addresses ?? [{ address: US, prefix: 24 }, { address: US6, prefix: 64 }],
      }],
      neighbours: o.resolve ? [] : [{ dev: 'eth0', address: PEER, mac: PEER_MAC }, { dev: 'eth0', address: PEER6, mac: PEER_MAC }],
      ...o.config,
    });
    // Announcements, duplicate address detection and joins have their own tests.
    core.advance(6e9);
    core.tx();
    return h;
  }

  /** Frames of one EtherType the core has sent since the last look (others are discarded). */
  sent(type?: number): TxFrame[] {
    return this.core.tx().filter((f) => type === undefined || ((f.bytes[12] << 8) | f.bytes[13]) === type);
  }
  in4(o: Partial<Ip4> & { proto: number }, payload: Bytes | number[]): void {
    this.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, ...o }, payload))]);
  }
  in6(o: Partial<Ip6> & { next: number }, payload: Bytes | number[]): void {
    this.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x86dd, ipv6({ src: PEER6, dst: US6, ...o }, payload))]);
  }
  arp(op: number, spa: string, tpa: string, dst = OUR_MAC): void {
    this.core.rx(0, [ethernet(dst, PEER_MAC, 0x0806, arp(op, PEER_MAC, spa, op === 1 ? '00:00:00:00:00:00' : OUR_MAC, tpa))]);
  }

  // ---- system calls; results as the core gives them ----
  socket(family: number, type: number, protocol = 0): number {
    this.core.stamp();
    return this.core.x.sys_socket(family, type, protocol);
  }
  private name(address: string, port: number, scope = 0): number {
    const a = parseIp(address), m = this.core.mem;
    if (!a) throw new Error(address);
    m.u8.fill(0, A.ARG + 256, A.ARG + 384);
    m.u8.set([a.length === 4 ? AF_INET : AF_INET6, 0, ...be16(port)], A.ARG + 256);
    m.u8.set(a, A.ARG + 256 + (a.length === 4 ? 4 : 8));
    if (a.length === 16) m.view.setUint32(A.ARG + 256 + 24, scope, true);
    return a.length === 4 ? 16 : 28;
  }
  bind(h: number, address: string, port: number, scope = 0): number {
    this.core.stamp();
    return this.core.x.sys_bind(h, A.ARG + 256, this.name(address, port, scope));
  }
  connect(h: number, address: string, port: number, scope = 0): number {
    this.core.stamp();
    return this.core.x.sys_connect(h, A.ARG + 256, this.name(address, port, scope));
  }
  close(h: number): number {
    this.core.stamp();
    return this.core.x.sys_close(h);
  }
  setInt(h: number, level: number, name: number, v: number): number {
    this.core.mem.view.setInt32(A.ARG + 512, v, true);
    this.core.stamp();
    return this.core.x.sys_setsockopt(h, level, name, A.ARG + 512, 4);
  }
  set(h: number, level: number, name: number, v: Bytes | number[]): number {
    this.core.mem.u8.set(v, A.ARG + 512);
    this.core.stamp();
    return this.core.x.sys_setsockopt(h, level, name, A.ARG + 512, v.length);
  }
  getInt(h: number, level: number, name: number): number {
    const r = this.core.x.sys_getsockopt(h, level, name, A.ARG + 512, 4);
    return r < 0 ? r : this.core.mem.view.getInt32(A.ARG + 512, true);
  }
  sockname(h: number, peer = false): { address: Bytes; port: number } | number {
    const n = peer ? this.core.x.sys_getpeername(h, A.ARG + 256) : this.core.x.sys_getsockname(h, A.ARG + 256);
    return n < 0 ? n : this.readName(A.ARG + 256);
  }
  private readName(p: number): { address: Bytes; port: number } {
    const m = this.core.mem;
    const v4 = m.u16[p >>> 1] === AF_INET;
    return { port: (m.u8[p + 2] << 8) | m.u8[p + 3], address: m.u8.slice(p + (v4 ? 4 : 8), p + (v4 ? 8 : 24)) };
  }
  send(h: number, data: Bytes | number[], to?: { address: string; port: number; scope?: number }, flags = 0, control?: Bytes): number {
    const m = this.core.mem, v = m.view;
    m.u8.fill(0, A.ARG, A.ARG + A.MSGHDR_SIZE);
    if (to) {
      v.setUint32(A.ARG + A.MSG_NAMELEN, this.name(to.address, to.port, to.scope), true);
      v.setUint32(A.ARG + A.MSG_NAME, A.ARG + 256, true);
    }
    m.u8.set(data, A.DATA);
    v.setUint32(A.ARG + A.MSG_DATA, A.DATA, true);
    v.setUint32(A.ARG + A.MSG_DATALEN, data.length, true);
    if (control) {
      m.u8.set(control, A.CONTROL);
      v.setUint32(A.ARG + A.MSG_CONTROL, A.CONTROL, true);
      v.setUint32(A.ARG + A.MSG_CONTROLLEN, control.length, true);
    }
    this.core.stamp();
    return this.core.x.sys_sendmsg(h, A.ARG, flags);
  }
  /** The next message, or -errno. */
  recv(h: number, size = 65536, flags = 0): Received | number {
    const m = this.core.mem, v = m.view;
    m.u8.fill(0, A.ARG, A.ARG + A.MSGHDR_SIZE);
    v.setUint32(A.ARG + A.MSG_NAME, A.ARG + 256, true);
    v.setUint32(A.ARG + A.MSG_NAMELEN, 128, true);
    v.setUint32(A.ARG + A.MSG_DATA, A.DATA, true);
    v.setUint32(A.ARG + A.MSG_DATALEN, size, true);
    v.setUint32(A.ARG + A.MSG_CONTROL, A.CONTROL, true);
    v.setUint32(A.ARG + A.MSG_CONTROLLEN, 1024, true);
    this.core.stamp();
    const n = this.core.x.sys_recvmsg(h, A.ARG, flags);
    if (n < 0) return n;
    const len = v.getUint32(A.ARG + A.MSG_DATALEN, true);
    return {
      n, data: m.u8.slice(A.DATA, A.DATA + Math.min(len, size)), flags: v.getUint32(A.ARG + A.MSG_FLAGS, true),
      from: v.getUint32(A.ARG + A.MSG_NAMELEN, true) ? this.readName(A.ARG + 256) : undefined,
      control: m.u8.slice(A.CONTROL, A.CONTROL + v.getUint32(A.ARG + A.MSG_CONTROLLEN, true)),
    };
  }
  /** Nothing may be left: sockets and stream chunks of a finished test. */
  leaks(): { sockets: number; chunks: number } { return { sockets: this.core.x.usage(0), chunks: this.core.x.usage(2) }; }
}
