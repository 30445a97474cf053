// One direction of a medium: a queue, a transmitter of some rate, rules, and the way to the other end.
import { DurationHistogram } from './histogram.js';
import type { PacketQueue } from './queue.js';
import type { RandomStream } from './random.js';
import type { Fate, Rule } from './rules.js';
import type { Entity, Simulation } from './simulation.js';

export interface ChannelStats {
  /** Frames sent, and their bytes. */
  frames: number;
  bytes: number;
  /** Lost by rules, or because the link was down; queue drops are the queue's. */
  lost: number;
  down: number;
  corrupted: number;
  duplicated: number;
}

/** What befalls a frame that does not simply pass: the queue drops it, a rule loses it, the link is down, a bit is turned over, there are two of it. */
export type Mishap = 'dropped' | 'lost' | 'down' | 'corrupted' | 'duplicated';
/** `copy`: the corrupted frame, which goes on in its place. */
export type MishapObserver = (what: Mishap, frame: Uint8Array, copy?: Uint8Array) => void;

export class Channel {
  /** bit/s; 0: at once. */
  rate: number;
  /** Propagation, ns. */
  delay: number;
  /** Time that frames spent in the queue. */
  readonly waiting = new DurationHistogram();
  readonly stats: ChannelStats = { frames: 0, bytes: 0, lost: 0, down: 0, corrupted: 0, duplicated: 0 };
  private readonly rules: Rule[] = [];
  private readonly fate: Fate = { lost: false, copies: 0, corrupt: false, extra: 0, overtakes: false };
  private observer?: MishapObserver;
  private sending = false;
  private isUp = true;
  /** When the latest frame arrives that none may pass. */
  private lastArrival = 0;

  constructor(
    private readonly sim: Simulation, private readonly origin: Entity, parameters: { rate: number; delay: number }, public queue: PacketQueue,
    private readonly random: RandomStream, private readonly deliver: (frame: Uint8Array) => void,
  ) {
    this.rate = parameters.rate;
    this.delay = parameters.delay;
  }

  /** Down, a channel loses what it is given and what waits. */
  get up(): boolean { return this.isUp; }
  set up(up: boolean) {
    this.isUp = up;
    if (up) return;
    for (let p = this.queue.dequeue(this.sim.now); p; p = this.queue.dequeue(this.sim.now)) this.isDown(p.frame);
  }
  private isDown(frame: Uint8Array): void {
    this.stats.down++;
    this.observer?.('down', frame);
  }

  /** Tell what befalls frames from now on. */
  observe(observer: MishapObserver): void {
    this.observer = observer;
    this.queue.ondrop = (p) => observer('dropped', p.frame);
  }

  /** Add a rule; the function returned removes it. */
  add(rule: Rule): () => void {
    this.rules.push(rule);
    return () => {
      const i = this.rules.indexOf(rule);
      if (i >= 0) this.rules.splice(i, 1);
    };
  }

  send(frame: Uint8Array): void {
    if (!this.isUp) {
      this.isDown(frame);
      return;
    }
    const { now } = this.sim;
    this.queue.enqueue({ frame, enqueued: now }, now);
    if (!this.sending) this.next();
  }

  /** ns that a frame of so many bytes takes to be sent. */
  duration(bytes: number): number { return this.rate ? Math.ceil(bytes * 8e9 / this.rate) : 0; }

  private next(): void {
    const { sim } = this, p = this.queue.dequeue(sim.now);
    this.sending = p !== undefined;
    if (!p) return;
    this.waiting.add(sim.now - p.enqueued);
    sim.after(this.origin, this.duration(p.frame.length), () => {
      this.propagate(p.frame);
      this.next();
    });
  }

  private propagate(frame: Uint8Array): void {
    const { fate, stats, sim } = this;
    stats.frames++;
    stats.bytes += frame.length;
    if (!this.isUp) {
      this.isDown(frame);
      return;
    }
    fate.lost = fate.corrupt = fate.overtakes = false;
    fate.copies = fate.extra = 0;
    for (const rule of this.rules) rule(fate, frame, sim.now);
    if (fate.lost) {
      stats.lost++;
      this.observer?.('lost', frame);
      return;
    }
    const sent = fate.corrupt ? this.corrupted(frame) : frame;
    let at = sim.now + this.delay + fate.extra;
    if (!fate.overtakes) this.lastArrival = at = Math.max(at, this.lastArrival);
    stats.duplicated += fate.copies;
    if (fate.copies) this.observer?.('duplicated', frame);
    for (let i = 0; i <= fate.copies; i++) sim.at(this.origin, at, () => this.deliver(sent));
  }

  /** A copy with one bit turned over; addresses and type are spared, which a bad frame check sequence would drop anyway. */
  private corrupted(frame: Uint8Array): Uint8Array {
    this.stats.corrupted++;
    const out = frame.slice(), at = 14 + this.random.below(Math.max(frame.length - 14, 1));
    if (at < out.length) out[at] ^= 1 << this.random.below(8);
    this.observer?.('corrupted', frame, out);
    return out;
  }
}
