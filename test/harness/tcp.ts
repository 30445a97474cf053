// A TCP peer made of bytes: sends segments, reads those of the core, with sequence numbers relative to both ISNs.
import * as assert from 'uvu/assert';
import { AF_INET, AF_INET6, PEER, PEER6, SOCK_STREAM, US, US6, type TestHost } from './host.js';
import { be16, be32, cat, checksum, pseudo, readIpv4, readIpv6, u16, u32, type Bytes } from './packet.js';

export const FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128, AE = 256;
const LETTERS: [string, number][] = [['S', SYN], ['F', FIN], ['R', RST], ['P', PSH], ['U', URG], ['E', ECE], ['W', CWR], ['A', AE], ['.', ACK]];
export const flagsOf = (s: string): number => LETTERS.reduce((f, [c, bit]) => (s.includes(c) ? f | bit : f), 0);
export const flagText = (f: number): string => LETTERS.filter(([, bit]) => f & bit).map(([c]) => c).join('');

export interface TcpOpts {
  mss?: number;
  wscale?: number;
  sackOk?: boolean;
  ts?: [number, number];
  sack?: [number, number][];
  /** Fast Open: the cookie, empty to ask for one. */
  fo?: number[];
  raw?: number[];
  /** AccECN: the order, then up to three counters. */
  acc?: number[];
}
export interface Segment {
  flags: string;
  sport: number;
  dport: number;
  /** Absolute. */
  seq: number;
  ack: number;
  win: number;
  urg: number;
  opts: TcpOpts;
  data: Bytes;
  /** GSO size, 0 for a plain frame. */
  gso: number;
}

export function tcpBytes(src: string, sport: number, dst: string, dport: number, flags: number, seq: number, ack: number, win: number, o: TcpOpts = {}, data: Bytes | number[] = [], urg = 0, csum?: number): Bytes {
  const opt: number[] = [];
  if (o.mss !== undefined) opt.push(2, 4, ...be16(o.mss));
  if (o.sackOk) opt.push(4, 2, 1, 1);
  if (o.ts) opt.push(1, 1, 8, 10, ...be32(o.ts[0] >>> 0), ...be32(o.ts[1] >>> 0));
  if (o.wscale !== undefined) opt.push(1, 3, 3, o.wscale);
  if (o.sack?.length) opt.push(1, 1, 5, 2 + 8 * o.sack.length, ...o.sack.flatMap(([a, b]) => [...be32(a >>> 0), ...be32(b >>> 0)]));
  if (o.fo) opt.push(34, 2 + o.fo.length, ...o.fo, ...(o.fo.length % 4 ? [] : [1, 1]));
  if (o.acc) opt.push(172 + 2 * o.acc[0], 2 + 3 * (o.acc.length - 1), ...o.acc.slice(1).flatMap((v) => [(v >> 16) & 255, (v >> 8) & 255, v & 255]));
  if (o.raw) opt.push(...o.raw);
  while (opt.length % 4) opt.push(0);
  const b = cat(be16(sport), be16(dport), be32(seq >>> 0), be32(ack >>> 0), [((20 + opt.length) << 2) | (flags >> 8), flags & 255], be16(win), [0, 0], be16(urg), opt, data);
  b.set(be16(csum ?? checksum(pseudo(src, dst, 6, b.length), b)), 16);
  return b;
}

export function readTcp(b: Bytes): Segment {
  const hlen = (b[12] >> 4) * 4;
  const opts: TcpOpts = {};
  for (let p = 20; p < hlen;) {
    const kind = b[p];
    if (kind === 0) break;
    if (kind === 1) {
      p++;
      continue;
    }
    const len = b[p + 1];
    if (kind === 2) opts.mss = u16(b, p + 2);
    if (kind === 3) opts.wscale = b[p + 2];
    if (kind === 4) opts.sackOk = true;
    if (kind === 5) opts.sack = Array.from({ length: (len - 2) / 8 }, (_, i) => [u32(b, p + 2 + i * 8), u32(b, p + 6 + i * 8)]);
    if (kind === 8) opts.ts = [u32(b, p + 2), u32(b, p + 6)];
    if (kind === 172 || kind === 174) opts.acc = [(kind - 172) / 2, ...Array.from({ length: (len - 2) / 3 }, (_, i) => (b[p + 2 + i * 3] << 16) | u16(b, p + 3 + i * 3))];
    if (kind === 34) opts.fo = [...b.subarray(p + 2, p + len)];
    p += len;
  }
  return { flags: flagText(u16(b, 12) & 511), sport: u16(b, 0), dport: u16(b, 2), seq: u32(b, 4), ack: u32(b, 8), win: u16(b, 14), urg: u16(b, 18), opts, data: b.slice(hlen), gso: 0 };
}

export interface ConnectOptions {
  /** The peer's SYN or SYN-ACK options; default MSS 1460, SACK, no timestamps, scale 7. */
  opts?: TcpOpts;
  win?: number;
  v6?: boolean;
  port?: number;
  peerPort?: number;
  /** Round trip of the handshake, ms; default 0. */
  rtt?: number;
}

const rel = (v: number, base: number): number => (v - base) >>> 0;

export class TcpPeer {
  /** Initial sequence numbers: ours (the core's) and the peer's. */
  iss = 0;
  irs = 7000;
  port = 8080;
  peerPort = 50000;
  /** What every segment of the peer advertises unless it says otherwise (not scaled). */
  win = 32792;
  /** Peer's TSval when timestamps are on; the core's last TSval. */
  ts = 0;
  tsRecent = 0;
  tsOn = false;
  v6 = false;
  listener = -1;
  socket = -1;
  private pending: Segment[] = [];

  constructor(readonly h: TestHost) {}

  /** Deliver one segment; seq and ack relative (SYN = 0). `ack` undefined: what `flags` allow. */
  tx(flags: string, seq: number, ack = 0, data: Bytes | number[] | number = [], o: { win?: number; opts?: TcpOpts; urg?: number; csum?: number; abs?: boolean } = {}): void {
    const bytes = typeof data === 'number' ? new Uint8Array(data).map((_, i) => (seq + i) & 255) : data;
    const opts: TcpOpts = { ...o.opts };
    if (opts.sack) opts.sack = opts.sack.map(([a, b]) => [this.iss + a, this.iss + b]);
    if (this.tsOn && !opts.ts && !flags.includes('S')) opts.ts = [this.ts, this.tsRecent];
    const f = flagsOf(flags);
    const [src, dst] = this.v6 ? [PEER6, US6] : [PEER, US];
    const seg = tcpBytes(src, this.peerPort, dst, this.port, f, o.abs ? seq : this.irs + seq, f & ACK ? (o.abs ? ack : this.iss + ack) : 0, o.win ?? this.win, opts, bytes, o.urg ?? 0, o.csum);
    if (this.v6) this.h.in6({ next: 6 }, seg);
    else this.h.in4({ proto: 6 }, seg);
  }

  private collect(): void {
    for (const f of this.h.sent(this.v6 ? 0x86dd : 0x0800)) {
      const ip = this.v6 ? readIpv6(f.bytes) : readIpv4(f.bytes);
      const payload = ip.payload;
      if (('proto' in ip ? ip.proto : ip.next) !== 6) continue;
      if (!f.gsoSize && !(f.flags & 1)) assert.is(checksum(pseudo(this.v6 ? US6 : US, this.v6 ? PEER6 : PEER, 6, payload.length), payload), 0, 'TCP checksum');
      const s = readTcp(payload);
      s.gso = f.gsoSize;
      if (s.flags.includes('S')) this.iss = s.seq;
      if (s.opts.ts) this.tsRecent = s.opts.ts[0];
      this.pending.push(s);
    }
  }
  /** The next segment of the core, or undefined. */
  next(): Segment | undefined {
    if (!this.pending.length) this.collect();
    return this.pending.shift();
  }
  all(): Segment[] {
    this.collect();
    return this.pending.splice(0);
  }
  text(s: Segment): string {
    const base = `${s.flags} ${rel(s.seq, this.iss)}:${rel(s.seq, this.iss) + s.data.length}(${s.data.length})`;
    return s.flags.includes('.') ? `${base} ack ${rel(s.ack, this.irs)}` : base;
  }
  /** Assert what the core sends next, as "flags seq:end(len) ack n" in relative numbers; all of it, and nothing else. */
  expect(...lines: string[]): Segment[] {
    const got = this.all();
    assert.equal(got.map((s) => this.text(s)), lines);
    return got;
  }
  /** Nothing was sent. */
  quiet(): void { this.expect(); }

  // ---- set-ups ----
  listen(o: { backlog?: number; prepare?: (l: number) => void; v6?: boolean; port?: number } = {}): number {
    this.v6 = o.v6 ?? false;
    this.port = o.port ?? this.port;
    const l = this.h.socket(this.v6 ? AF_INET6 : AF_INET, SOCK_STREAM);
    o.prepare?.(l);
    assert.is(this.h.bind(l, this.v6 ? '::' : '0.0.0.0', this.port), 0);
    this.h.core.stamp();
    assert.is(this.h.core.x.sys_listen(l, o.backlog ?? 128), 0);
    this.listener = l;
    return l;
  }
  accept(): number {
    this.h.core.stamp();
    return this.h.core.x.sys_accept(this.listener);
  }
  /** A connection accepted by the core. */
  accepted(o: ConnectOptions & { prepare?: (l: number) => void } = {}): number {
    this.listen({ prepare: o.prepare, v6: o.v6, port: o.port });
    return this.open(o);
  }
  /** Handshake with the listener. */
  open(o: ConnectOptions = {}): number {
    const opts = o.opts ?? { mss: 1460, sackOk: true, wscale: 7 };
    this.tsOn = opts.ts !== undefined;
    this.ts = opts.ts?.[0] ?? 0;
    this.win = o.win ?? 32792;
    this.tx('S', 0, 0, [], { opts });
    this.expect('S. 0:0(0) ack 1');
    this.advance(o.rtt ?? 0);
    this.win = o.win ?? 257;
    this.tx('.', 1, 1);
    this.quiet();
    this.socket = this.accept();
    assert.ok(this.socket >= 0, `accept ${this.socket}`);
    return this.socket;
  }
  /** A connection the core opens. */
  connected(o: ConnectOptions & { prepare?: (s: number) => void } = {}): number {
    this.v6 = o.v6 ?? false;
    const s = this.h.socket(this.v6 ? AF_INET6 : AF_INET, SOCK_STREAM);
    o.prepare?.(s);
    this.peerPort = o.peerPort ?? 80;
    assert.is(this.h.connect(s, this.v6 ? PEER6 : PEER, this.peerPort), -115);
    const [syn] = this.all();
    assert.is(syn.flags, 'S');
    this.port = syn.sport;
    const opts = o.opts ?? { mss: 1460, sackOk: true, wscale: 7 };
    this.tsOn = opts.ts !== undefined;
    this.ts = opts.ts?.[0] ?? 0;
    if (opts.ts) opts.ts = [opts.ts[0], syn.opts.ts![0]];
    this.win = o.win ?? 32792;
    this.tx('S.', 0, 1, [], { opts });
    this.expect('. 1:1(0) ack 1');
    this.win = o.win ?? 257;
    this.socket = s;
    return s;
  }

  // ---- the application side of the core ----
  write(data: Bytes | number[] | number, flags = 0): number {
    const bytes = typeof data === 'number' ? new Uint8Array(data).map((_, i) => i & 255) : data;
    return this.h.send(this.socket, bytes, undefined, flags);
  }
  /** Bytes read, or -errno. */
  read(size = 65536, flags = 0): Bytes | number {
    const r = this.h.recv(this.socket, size, flags);
    return typeof r === 'number' ? r : r.data;
  }
  /** Read and count. */
  readLen(size = 65536, flags = 0): number {
    const r = this.read(size, flags);
    return typeof r === 'number' ? r : r.length;
  }
  poll(): number {
    this.h.core.stamp();
    return this.h.core.x.sys_poll(this.socket);
  }
  shutdown(how: number): number {
    this.h.core.stamp();
    return this.h.core.x.sys_shutdown(this.socket, how);
  }
  close(): void { this.h.close(this.socket); }
  /** A field of struct tcp_info, 32 bits. */
  info(offset: number, size: 1 | 4 = 4): number {
    const m = this.h.core.mem;
    this.h.core.stamp();
    const n = this.h.core.x.sys_getsockopt(this.socket, 6, 11, 0x3000 + 512, 512);
    assert.is(n, 280);
    return size === 1 ? m.u8[0x3200 + offset] : m.view.getUint32(0x3200 + offset, true);
  }
  get state(): number { return this.info(0, 1); }
  get cwnd(): number { return this.info(80); }
  /** Let time pass; the poll first takes in the timers that system calls have armed. */
  advance(ms: number): void {
    this.h.core.poll();
    this.h.core.advance(ms * 1e6);
  }
}
