// Two cores that talk to each other over a bad wire: both hold real states of ARP, ND, TCP and UDP, which no script of single
// segments reaches. Each byte of a stream follows from its ports, direction and place, so that whoever reads knows what it must be.
import * as A from '../../host/abi/constants.js';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, TestHost, type HostOptions } from '../harness/host.js';
import { MS } from '../harness/core.js';
import { random } from '../harness/random.js';
import { Wire, type Manner } from './wire.js';

const SHUT_WR = 1, EPOLLIN = 1;
const PORT = 80, UDP_PORT = 53;
const SOL_SOCKET = 1, SO_LINGER = 13, IPPROTO_TCP = 6;
/** Of each side, as the other connects to it. */
const ADDRESSES = [['10.0.0.1', 'fd00::1'], ['10.0.0.2', 'fd00::2']];
/** Options of TCP that change what is sent: NODELAY, CORK, QUICKACK, MAXSEG, and values for them. */
const OPTIONS: [name: number, value: number][] = [[1, 1], [1, 0], [3, 1], [3, 0], [12, 1], [12, 0], [2, 536]];
/** Connections of one side at a time. */
const MOST = 6;
/** Longest write, bytes. */
const CHUNK = 6000;
/** Turns of `settle`: with 100 ms each, longer than the last retransmission of anything. */
const SETTLE = 6000;

interface Stream {
  socket: number;
  /** Names the connection: the port of the side that opened it, and which side that was. */
  key: number;
  opener: boolean;
  written: number;
  read: number;
  /** SHUT_WR was called. */
  ended: boolean;
  /** EOF was read. */
  finished: boolean;
  /** It ended otherwise. */
  failed: boolean;
}

/** Byte `i` of a direction of a connection. */
const byteAt = (s: Stream, ours: boolean, i: number): number => (Math.imul(i + 1, 31) ^ (i >> 8) ^ s.key ^ (s.opener === ours ? 0x55 : 0)) & 255;

class End {
  readonly streams: Stream[] = [];
  readonly listener: number;
  readonly datagrams: number;
  constructor(readonly host: TestHost, readonly side: 0 | 1) {
    this.listener = host.socket(AF_INET6, SOCK_STREAM);
    host.bind(this.listener, '::', PORT);
    host.core.x.sys_listen(this.listener, 8);
    this.datagrams = host.socket(AF_INET6, SOCK_DGRAM);
    host.bind(this.datagrams, '::', UDP_PORT);
  }
  add(socket: number, key: number, opener: boolean): void {
    this.streams.push({ socket, key, opener, written: 0, read: 0, ended: false, finished: false, failed: false });
  }
  drop(s: Stream): void {
    this.host.close(s.socket);
    this.streams.splice(this.streams.indexOf(s), 1);
  }
}

export interface PairResult { sent: number; touched: number; streams: number; bytes: number }

export class Pair {
  readonly ends: [End, End];
  readonly wire: Wire;
  private turn = 0;
  private opened = 0;
  private bytes = 0;
  private constructor(private readonly r: (n: number) => number, private readonly manner: Manner, hosts: TestHost[]) {
    this.ends = [new End(hosts[0], 0), new End(hosts[1], 1)];
    this.wire = new Wire(r, 'clean');
  }

  static async create(seed: number, manner: Manner, layers: (HostOptions['layer'])[] = []): Promise<Pair> {
    const hosts: TestHost[] = [];
    for (const side of [0, 1]) {
      const addresses = ADDRESSES[side].map((address) => ({ address, prefix: address.includes(':') ? 64 : 24 }));
      hosts.push(await TestHost.create({ seed: seed * 2 + side, mac: `02:00:00:00:00:0${side + 1}`, addresses, resolve: true, memoryBytes: 16 << 20, maxSockets: 64, layer: layers[side] }));
    }
    return new Pair(random(seed), manner, hosts);
  }

  /** Work and time, `turns` times; then a clean wire, on which all that was honestly sent must arrive (not after a hostile one). */
  run(turns: number): PairResult {
    this.wire.manner = this.manner;
    for (let i = 0; i < turns; i++) {
      for (const e of this.ends) if (this.r(3) === 0) this.act(e);
      this.step([0, 1, 5, 40, 300][this.r(5)] * MS);
    }
    this.wire.manner = 'clean';
    if (this.manner !== 'hostile') this.settle();
    return { sent: this.wire.sent, touched: this.wire.touched, streams: this.opened, bytes: this.bytes };
  }

  /** Frames across, what came is read, `ns` pass. */
  private step(ns: number): void {
    this.turn++;
    for (const e of this.ends) for (const f of e.host.core.tx()) this.wire.send(e.side ? 0 : 1, f.bytes, this.turn);
    for (const e of this.ends) {
      const frames = this.wire.arrived(e.side, this.turn).filter((f) => f.length >= 14);
      if (frames.length) e.host.core.rx(0, frames);
      e.host.core.advance(ns);
      this.accept(e);
      for (const s of [...e.streams]) this.read(e, s);
      if (typeof e.host.recv(e.datagrams) === 'object' && this.r(2)) this.datagram(e);
      while (e.host.core.x.events(64) === 64);
    }
  }

  private accept(e: End): void {
    e.host.core.stamp();
    const s = e.host.core.x.sys_accept(e.listener);
    if (s < 0) return;
    const peer = e.host.sockname(s, true);
    if (typeof peer === 'number' || e.streams.length >= 2 * MOST) e.host.close(s);
    else e.add(s, peer.port * 2 + (e.side ? 0 : 1), false);
  }

  /** Something an application does. */
  private act(e: End): void {
    const { r } = this;
    const s = e.streams[r(Math.max(1, e.streams.length))];
    switch (s ? r(12) : r(2)) {
      case 0: this.datagram(e); break;
      case 1: this.open(e); break;
      case 2: e.host.setInt(s.socket, IPPROTO_TCP, ...OPTIONS[r(OPTIONS.length)]); break;
      case 3: if (!r(3)) this.end(e, s); break;
      case 4: if (this.manner === 'hostile' && !r(4)) this.abort(e, s); break;
      default: this.write(e, s, 1 + r(r(4) ? 200 : CHUNK));
    }
  }

  private datagram(e: End): void {
    const v6 = this.r(2) === 0, to = ADDRESSES[e.side ? 0 : 1][v6 ? 1 : 0];
    e.host.send(e.datagrams, new Uint8Array(this.r(4) ? this.r(200) : this.r(4000)), { address: v6 ? to : `::ffff:${to}`, port: this.r(8) ? UDP_PORT : 9 });
  }

  private open(e: End): void {
    if (e.streams.length >= MOST) return;
    const v6 = this.r(2) === 0;
    const s = e.host.socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM);
    if (s < 0) return;
    const port = this.r(12) ? PORT : 9;
    e.host.connect(s, ADDRESSES[e.side ? 0 : 1][v6 ? 1 : 0], port);
    const own = e.host.sockname(s);
    if (typeof own === 'number') {
      e.host.close(s);
      return;
    }
    this.opened++;
    e.add(s, own.port * 2 + e.side, true);
  }

  private write(e: End, s: Stream, n: number): void {
    if (s.ended || s.failed) return;
    const { core } = e.host;
    core.stamp();
    const pairs = core.x.sys_tx_reserve(s.socket, n);
    let room = 0;
    for (let i = 0; i < pairs; i++) {
      const p = core.mem.u32[(A.IOV + 8 * i) >>> 2], length = Math.min(core.mem.u32[(A.IOV + 8 * i + 4) >>> 2], n - room);
      for (let k = 0; k < length; k++) core.mem.u8[p + k] = byteAt(s, true, s.written + room + k);
      room += length;
    }
    const took = room ? core.x.sys_tx_commit(s.socket, room, 0) : 0;
    if (took > 0) s.written += took;
  }

  private end(e: End, s: Stream): void {
    if (s.ended || s.failed) return;
    e.host.core.stamp();
    if (e.host.core.x.sys_shutdown(s.socket, SHUT_WR) === 0) s.ended = true;
  }

  /** close() in the middle of things, sometimes with SO_LINGER 0. */
  private abort(e: End, s: Stream): void {
    if (this.r(2)) e.host.set(s.socket, SOL_SOCKET, SO_LINGER, [1, 0, 0, 0, 0, 0, 0, 0]);
    e.drop(s);
  }

  // Take what came and look at every byte of it.
  private read(e: End, s: Stream): void {
    if (s.finished || s.failed) return;
    const { core } = e.host;
    core.stamp();
    if (!(core.x.sys_poll(s.socket) & EPOLLIN)) return;
    const r = e.host.recv(s.socket);
    if (typeof r === 'number') {
      if (r === -11) return;
      s.failed = true;
      return;
    }
    if (!r.n) s.finished = true;
    if (this.manner !== 'hostile') for (let i = 0; i < r.data.length; i++) if (r.data[i] !== byteAt(s, false, s.read + i)) throw new Error(`byte ${s.read + i} of connection ${s.key} is wrong`);
    s.read += r.data.length;
    this.bytes += r.data.length;
  }

  /** Every stream ends; all that one side wrote the other has read. */
  private settle(): void {
    for (const e of this.ends) for (const s of e.streams) this.end(e, s);
    const [a, b] = this.ends;
    for (let i = 0; i < SETTLE; i++) {
      this.step(100 * MS);
      for (const e of this.ends) for (const s of e.streams) if (!s.ended) this.end(e, s);
      if (this.ends.every((e) => e.streams.every((s) => s.finished || s.failed)) && this.wire.empty) break;
    }
    for (const s of a.streams) {
      const other = b.streams.find((t) => t.key === s.key);
      if (!other) continue;
      if (s.failed !== other.failed) throw new Error(`connection ${s.key} failed on one side only`);
      if (!s.failed && (!s.finished || !other.finished || s.written !== other.read || other.written !== s.read))
        throw new Error(`connection ${s.key}: ${s.written} of a written, ${other.read} read by b; ${other.written} of b, ${s.read} by a; ends ${s.finished} ${other.finished}`);
    }
  }
}
