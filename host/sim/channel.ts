// One direction of a medium: a queue, a transmitter of some rate, rules, and the way to the other end.
import { congestionExperienced } from './ecn.js';
import { SimEvent } from './event_queue.js';
import type { Flight } from './flight.js';
import { DurationHistogram } from './histogram.js';
import { Packet } from './packet.js';
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
/** Where frames arrive: a Flight, or the way to another part of the run. Arguments as of Flight. */
export type Arrivals = Pick<Flight, 'add' | 'overtake'>;

export class Channel {
  /** bit/s; 0: at once. */
  rate: number;
  /** Propagation, ns. */
  delay: number;
  /** So many packets waiting behind one make it say so, if it is ECN-capable (RFC 8257 3.1); 0: never. */
  mark = 0;
  /** Time that frames spent in the queue. */
  readonly waiting = new DurationHistogram();
  readonly stats: ChannelStats = { frames: 0, bytes: 0, lost: 0, down: 0, corrupted: 0, duplicated: 0 };
  private readonly rules: Rule[] = [];
  private readonly fate: Fate = { lost: false, copies: 0, corrupt: false, extra: 0, overtakes: false };
  private observer?: MishapObserver;
  /** The frame that is being sent, and the event of its end. */
  private sending?: Packet;
  private readonly sent: SimEvent;
  private isUp = true;
  /** When the latest frame arrives that none may pass. */
  private lastArrival = -0;

  constructor(
    private readonly sim: Simulation, private readonly owner: Entity, parameters: { rate: number; delay: number }, public queue: PacketQueue,
    private readonly random: RandomStream, private readonly arrivals: Arrivals,
  ) {
    this.rate = parameters.rate;
    this.delay = parameters.delay;
    this.sent = new SimEvent(-0, owner.id, 0, () => {
      this.propagate(this.sending!);
      this.next();
    });
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

  send(p: Packet): void {
    if (!this.isUp) {
      this.isDown(p.frame);
      return;
    }
    const { now } = this.sim;
    p.enqueued = now;
    this.queue.enqueue(p, now);
    if (!this.sending) this.next();
  }

  /** ns that a frame of so many bytes takes to be sent. */
  duration(bytes: number): number { return this.rate ? Math.ceil(bytes * 8e9 / this.rate) : 0; }

  private next(): void {
    const { sim } = this, p = this.queue.dequeue(sim.now);
    this.sending = p;
    if (!p) return;
    this.waiting.add(sim.now - p.enqueued);
    this.sent.time = sim.now + this.duration(p.frame.length);
    this.sent.sequence = sim.sequence(this.owner, this.sent.time);
    sim.post(this.sent);
  }

  private propagate(p: Packet): void {
    const { stats, sim, owner } = this;
    stats.frames++;
    stats.bytes += p.frame.length;
    if (!this.isUp) {
      this.isDown(p.frame);
      return;
    }
    if (this.rules.length) {
      this.befall(p);
      return;
    }
    const at = this.lastArrival = Math.max(sim.now + this.delay, this.lastArrival);
    this.arrivals.add(at, owner.id, sim.sequence(owner, at), this.marked(p));
  }
  /** The rules decide what becomes of a frame. */
  private befall(p: Packet): void {
    const { fate, stats, sim, owner, arrivals } = this;
    fate.lost = fate.corrupt = fate.overtakes = false;
    fate.copies = fate.extra = 0;
    for (const rule of this.rules) rule(fate, p.frame, sim.now);
    if (fate.lost) {
      stats.lost++;
      this.observer?.('lost', p.frame);
      return;
    }
    const sent = fate.corrupt ? this.corrupted(p.frame) : this.marked(p);
    let at = sim.now + this.delay + fate.extra;
    if (!fate.overtakes) this.lastArrival = at = Math.max(at, this.lastArrival);
    stats.duplicated += fate.copies;
    if (fate.copies) {
      sent.shared = true;
      this.observer?.('duplicated', p.frame);
    }
    for (let i = 0; i <= fate.copies; i++) {
      const sequence = sim.sequence(owner, at);
      if (fate.overtakes) arrivals.overtake(at, owner.id, sequence, sent);
      else arrivals.add(at, owner.id, sequence, sent);
    }
  }

  /** The frame that leaves so many behind says so. */
  private marked(p: Packet): Packet { return this.mark && this.queue.length >= this.mark ? congestionExperienced(p) : p; }

  /** A copy with one bit turned over; addresses and type are spared, which a bad frame check sequence would drop anyway. */
  private corrupted(frame: Uint8Array): Packet {
    this.stats.corrupted++;
    const out = frame.slice(), at = 14 + this.random.below(Math.max(frame.length - 14, 1));
    if (at < out.length) out[at] ^= 1 << this.random.below(8);
    const copy = Packet.copy(out);
    if (this.observer) {
      // It is known by its frame from now on, which must not be used for another.
      copy.shared = true;
      this.observer('corrupted', frame, copy.frame);
    }
    return copy;
  }
}
