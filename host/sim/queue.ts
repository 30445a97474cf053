// Queues in front of a transmitter: what waits, in which order, and what is dropped. RFC 8289 (CoDel), RED (Floyd, Jacobson 1993).
import type { Packet } from './packet.js';
import type { RandomStream } from './random.js';

export interface PacketQueue {
  /** Take a packet, or drop one, this one or another. */
  enqueue(p: Packet, now: number): void;
  /** The packet to send now, undefined when there is none; may drop others. */
  dequeue(now: number): Packet | undefined;
  readonly length: number;
  readonly bytes: number;
  /** Packets dropped so far. */
  readonly dropped: number;
  /** Told of each. */
  ondrop?: (p: Packet) => void;
}

/** A first-in first-out list without shifting. */
export class Fifo {
  private items: (Packet | undefined)[] = [];
  private head = 0;
  bytes = 0;

  get length(): number { return this.items.length - this.head; }
  push(p: Packet): void {
    this.items.push(p);
    this.bytes += p.frame.length;
  }
  shift(): Packet | undefined {
    if (!this.length) return undefined;
    const p = this.items[this.head]!;
    this.items[this.head++] = undefined;
    this.bytes -= p.frame.length;
    if (this.head > 64 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return p;
  }
}

/** At most `limit` packets and `limitBytes` bytes; what would be too much is dropped as it comes. */
export class DropTail implements PacketQueue {
  private readonly fifo = new Fifo();
  dropped = 0;
  ondrop?: (p: Packet) => void;
  constructor(private readonly limit: number, private readonly limitBytes = Infinity) {}

  get length(): number { return this.fifo.length; }
  get bytes(): number { return this.fifo.bytes; }
  enqueue(p: Packet): void {
    if (this.fifo.length < this.limit && this.fifo.bytes + p.frame.length <= this.limitBytes) {
      this.fifo.push(p);
      return;
    }
    this.dropped++;
    this.ondrop?.(p);
  }
  dequeue(): Packet | undefined { return this.fifo.shift(); }
}

export interface RedOptions {
  limit: number;
  /** Average lengths, packets, at which dropping begins, and at which everything is dropped. */
  min: number;
  max: number;
  /** Probability just below `max`. */
  probability: number;
}

/** Weight of the newest length in the average. */
const RED_WEIGHT = 1 / 512;

/** Random early detection, with the count since the last drop, and an average that decays by the packets that could have been sent while idle. */
export class Red implements PacketQueue {
  private readonly fifo = new Fifo();
  private average = 0;
  private sinceDrop = -1;
  private idleSince = 0;
  dropped = 0;
  ondrop?: (p: Packet) => void;
  /** `typical`: ns that sending a packet takes. */
  constructor(private readonly o: RedOptions, private readonly random: RandomStream, private readonly typical: () => number) {}

  get length(): number { return this.fifo.length; }
  get bytes(): number { return this.fifo.bytes; }
  enqueue(p: Packet, now: number): void {
    this.updateAverage(now);
    if (this.fifo.length >= this.o.limit || this.marks()) {
      this.dropped++;
      this.ondrop?.(p);
      return;
    }
    this.fifo.push(p);
  }
  dequeue(now: number): Packet | undefined {
    const p = this.fifo.shift();
    if (!this.fifo.length) this.idleSince = now;
    return p;
  }

  private updateAverage(now: number): void {
    if (this.fifo.length) {
      this.average += (this.fifo.length - this.average) * RED_WEIGHT;
      return;
    }
    // One multiplication for each: no power function, whose last bits depend on the engine.
    let m = Math.min(Math.floor((now - this.idleSince) / Math.max(this.typical(), 1)), 4096);
    for (; m > 0; m--) this.average *= 1 - RED_WEIGHT;
    this.idleSince = now;
  }
  private marks(): boolean {
    const { min, max, probability } = this.o;
    if (this.average < min) {
      this.sinceDrop = -1;
      return false;
    }
    this.sinceDrop++;
    const base = probability * (this.average - min) / (max - min), left = 1 - this.sinceDrop * base;
    if (this.average < max && !(left <= 0 || this.random.chance(base / left))) return false;
    this.sinceDrop = 0;
    return true;
  }
}

export interface CodelOptions {
  limit: number;
  /** Acceptable standing delay, ns (RFC 8289: 5 ms). */
  target: number;
  /** About the worst round trip, ns (RFC 8289: 100 ms). */
  interval: number;
}

/** The largest frame: a queue with less is never too long (RFC 8289 5.4 MAXPACKET). */
const MAX_PACKET = 1514;

/** CoDel's law over one list: RFC 8289 5. */
export class CodelState {
  private firstAbove = 0;
  private dropNext = 0;
  private count = 0;
  private lastCount = 0;
  private dropping = false;
  constructor(private readonly o: CodelOptions) {}

  /** The next packet of `fifo`; `drop` is told of each that goes. */
  dequeue(fifo: Fifo, now: number, drop: (p: Packet) => void): Packet | undefined {
    let p = fifo.shift(), late = this.late(p, fifo, now);
    if (this.dropping) {
      if (!late) this.dropping = false;
      while (this.dropping && now >= this.dropNext) {
        drop(p!);
        this.count++;
        p = fifo.shift();
        late = this.late(p, fifo, now);
        if (late) this.dropNext = this.control(this.dropNext);
        else this.dropping = false;
      }
    } else if (late) {
      drop(p!);
      p = fifo.shift();
      this.late(p, fifo, now);
      this.dropping = true;
      // Where it left off, if that was a short while ago.
      const delta = this.count - this.lastCount;
      this.count = delta > 1 && now - this.dropNext < 16 * this.o.interval ? delta : 1;
      this.dropNext = this.control(now);
      this.lastCount = this.count;
    }
    return p;
  }

  private late(p: Packet | undefined, fifo: Fifo, now: number): boolean {
    if (!p || now - p.enqueued < this.o.target || fifo.bytes <= MAX_PACKET) {
      this.firstAbove = 0;
      return false;
    }
    if (!this.firstAbove) {
      this.firstAbove = now + this.o.interval;
      return false;
    }
    return now >= this.firstAbove;
  }
  /** Square roots are exact to the last bit in every engine (IEEE 754). */
  private control(t: number): number { return t + Math.floor(this.o.interval / Math.sqrt(this.count)); }
}

export class Codel implements PacketQueue {
  private readonly fifo = new Fifo();
  private readonly state: CodelState;
  dropped = 0;
  ondrop?: (p: Packet) => void;
  constructor(private readonly o: CodelOptions) { this.state = new CodelState(o); }

  get length(): number { return this.fifo.length; }
  get bytes(): number { return this.fifo.bytes; }
  enqueue(p: Packet): void {
    if (this.fifo.length >= this.o.limit) this.lost(p);
    else this.fifo.push(p);
  }
  dequeue(now: number): Packet | undefined { return this.state.dequeue(this.fifo, now, (p) => this.lost(p)); }
  private lost(p: Packet): void {
    this.dropped++;
    this.ondrop?.(p);
  }
}
