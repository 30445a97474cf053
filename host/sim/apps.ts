// Applications that a scenario can name: bulk transfers over TCP and streams of datagrams. They are ordinary users of the sockets
// that every application has; what they measure is in units of the run's clock.
import { IOV } from '../abi/constants.js';
import type { CoreStream } from '../sockets/core_stream.js';
import type { DatagramSocket, StreamSocket } from '../sockets/endpoints.js';
import { DurationHistogram, type HistogramCount } from './histogram.js';
import type { SimNode } from './node.js';
import type { AppSpec } from './scenario.js';
import { SynFlood } from './synflood.js';

/** name -> figure: bit/s, seconds, bytes or numbers. */
export type Metrics = Record<string, number>;

/** Text of standard output and standard error. */
export interface AppOutput {
  stdout: string;
  stderr: string;
}

/** What applications see of a node. */
export type AppNode = Pick<SimNode, 'id' | 'name' | 'sim' | 'sockets' | 'after'>;

export interface App {
  readonly name: string;
  start(): void;
  metrics(end: number): Metrics;
  /** What a program has written so far. */
  readonly output?: AppOutput;
  /** It uses promises: only a run that settles can have it. */
  readonly settles?: boolean;
}

/** An application whose two ends share nothing but the network, so that they can run in different threads: each counts its own, and one takes in what the other has counted. */
export interface SeparableApp extends App {
  counted(): AppCount;
  takeIn(other: AppCount): void;
}
/** Can be cloned from thread to thread. */
export type AppCount = Record<string, number | string | undefined | HistogramCount>;

/** Where an application runs, and where to. */
export interface Ends {
  from: AppNode;
  to: AppNode;
  /** Address of `to` on the link that the path ends with. */
  address: string;
  port: number;
}

const ANY = { 4: '0.0.0.0', 6: '::' } as const;
const BLOCK = new Uint8Array(256 << 10).fill(0x6e);

/** As much as TCP carries, or `bytes`. */
export class Bulk implements SeparableApp {
  private received = 0;
  private warm = 0;
  private finished?: number;
  private failure = '';
  private socket?: StreamSocket;
  private left: number;

  constructor(readonly name: string, private readonly spec: Extract<AppSpec, { type: 'bulk' }>, private readonly ends: Ends) { this.left = spec.bytes ?? Infinity; }

  start(): void {
    const { spec, ends: { from, to } } = this;
    to.after(0, () => this.serve());
    from.after(spec.start, () => this.connect());
    to.after(spec.start + spec.warmup, () => { this.warm = this.received; });
    if (spec.stop !== undefined) from.after(spec.stop, () => { this.left = 0; this.fill(); });
  }

  private serve(): void {
    const { to, port } = this.ends, listener = to.sockets.listener(this.spec.family);
    listener.listen(ANY[this.spec.family], port);
    listener.onconnection = () => {
      for (let s = listener.accept(); s; s = listener.accept()) {
        const peer = s;
        peer.onreadable = () => this.take(peer);
        peer.onend = () => {
          this.finished = to.sim.now;
          peer.close();
        };
        peer.onerror = (e) => { this.failure = e.code; };
        this.take(peer);
      }
    };
  }
  /** All that has come: nobody looks at it, so no view is made of it. */
  private take(peer: CoreStream): void {
    const { u32 } = this.ends.to.sockets.mem;
    let n = 1;
    while (n) {
      n = peer.drain(BLOCK.length, (pieces) => {
        let bytes = 0;
        for (let i = 0; i < pieces; i++) bytes += u32[(IOV >>> 2) + 2 * i + 1];
        return bytes;
      });
      this.received += n;
    }
  }
  private connect(): void {
    const { from, address, port } = this.ends, s = from.sockets.stream(this.spec.family);
    this.socket = s;
    s.onopen = s.onwritable = () => this.fill();
    s.onerror = (e) => {
      this.failure = e.code;
      this.socket = undefined;
    };
    s.connect(address, port);
  }
  private fill(): void {
    const { socket } = this;
    if (!socket) return;
    while (this.left > 0) {
      const n = socket.write(BLOCK.subarray(0, Math.min(this.left, BLOCK.length)));
      this.left -= n;
      if (n < BLOCK.length && this.left > 0) return;
    }
    this.socket = undefined;
    socket.onwritable = undefined;
    socket.shutdown();
  }

  counted(): AppCount { return { received: this.received, warm: this.warm, finished: this.finished, failure: this.failure }; }
  takeIn(o: AppCount): void {
    this.received += o.received as number;
    this.warm += o.warm as number;
    this.finished ??= o.finished as number | undefined;
    this.failure ||= o.failure as string;
  }
  metrics(end: number): Metrics {
    const { start, warmup, stop } = this.spec, until = this.finished ?? Math.min(end, stop ?? end), ns = until - start - warmup;
    return {
      bytes: this.received, goodput: ns > 0 ? (this.received - this.warm) * 8e9 / ns : 0, finished: this.finished === undefined ? 0 : 1,
      time: ((this.finished ?? end) - start) / 1e9, failed: this.failure ? 1 : 0,
    };
  }
}

/** Datagrams of one size at a constant rate, each with its number and time. */
export class Datagrams implements SeparableApp {
  private sent = 0;
  private refused = 0;
  private received = 0;
  private bytes = 0;
  private next = 0;
  private disordered = 0;
  private readonly delays = new DurationHistogram();
  private readonly payload: Uint8Array;
  private readonly view: DataView;

  constructor(readonly name: string, private readonly spec: Extract<AppSpec, { type: 'datagrams' }>, private readonly ends: Ends) {
    this.payload = new Uint8Array(spec.size);
    this.view = new DataView(this.payload.buffer);
  }

  start(): void {
    const { spec, ends: { from, to } } = this;
    to.after(0, () => this.serve());
    from.after(spec.start, () => {
      const s = from.sockets.datagram(spec.family);
      // An ICMP error of the way or the peer: taken, so that the next datagram is sent.
      s.onreadable = () => this.drain(s);
      this.send(s);
    });
  }
  private serve(): void {
    const { to, port } = this.ends, s = to.sockets.datagram(this.spec.family);
    s.bind(ANY[this.spec.family], port);
    s.onreadable = () => this.receive(s);
  }
  private drain(s: DatagramSocket): void { while (s.receive()); }
  private receive(s: DatagramSocket): void {
    for (let d = s.receive(); d; d = s.receive()) {
      // Not one of these: from another program, or from outside of the simulation.
      if (d.data.length !== this.spec.size) continue;
      const v = new DataView(d.data.buffer, d.data.byteOffset), number = v.getUint32(0), at = v.getUint32(4) * 2 ** 32 + v.getUint32(8);
      this.received++;
      this.bytes += d.data.length;
      this.delays.add(this.ends.to.sim.now - at);
      if (number < this.next) this.disordered++;
      else this.next = number + 1;
    }
  }
  private send(s: DatagramSocket): void {
    const { spec, view, ends: { from, address, port } } = this, { now } = from.sim;
    if (spec.stop !== undefined && now >= spec.stop) return;
    view.setUint32(0, this.sent++);
    view.setUint32(4, Math.floor(now / 2 ** 32));
    view.setUint32(8, now >>> 0);
    if (!s.send(this.payload, address, port)) this.refused++;
    from.after(Math.max(1, Math.round(spec.size * 8e9 / spec.rate)), () => this.send(s));
  }

  counted(): AppCount {
    const { sent, refused, received, bytes, disordered, delays } = this;
    return { sent, refused, received, bytes, disordered, delays: delays.counted() };
  }
  takeIn(o: AppCount): void {
    for (const k of ['sent', 'refused', 'received', 'bytes', 'disordered'] as const) this[k] += o[k] as number;
    this.delays.takeIn(o.delays as HistogramCount);
  }
  metrics(end: number): Metrics {
    const { start, stop } = this.spec, ns = Math.min(end, stop ?? end) - start;
    return {
      sent: this.sent, received: this.received, refused: this.refused, lost: this.sent - this.received, disordered: this.disordered, goodput: ns > 0 ? this.bytes * 8e9 / ns : 0,
      'delay.mean': this.delays.mean / 1e9, 'delay.p50': this.delays.percentile(0.5) / 1e9, 'delay.p95': this.delays.percentile(0.95) / 1e9, 'delay.max': this.delays.max / 1e9,
    };
  }
}

export function separableApp(name: string, spec: Exclude<AppSpec, { type: 'wasi' | 'module' }>, ends: Ends): SeparableApp {
  switch (spec.type) {
    case 'bulk': return new Bulk(name, spec, ends);
    case 'datagrams': return new Datagrams(name, spec, ends);
    case 'synflood': return new SynFlood(name, spec, ends);
  }
}
