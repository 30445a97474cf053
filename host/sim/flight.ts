// Frames under way to one end of a medium. Those that keep their order are one event, for the first of them, however many they are.
import { SimEvent } from './event_queue.js';
import type { Packet } from './packet.js';
import type { Simulation } from './simulation.js';

/** Arrivals with their keys, in parallel rings. */
export class Flight {
  /** The arrival of the first one. */
  private readonly event = new SimEvent(-0, 0, 0, () => this.arrive());
  private times = new Float64Array(0);
  private sequences = new Float64Array(0);
  private packets: (Packet | undefined)[] = [];
  /** The rings' length less one, a power of two less one; where the first one is; how many there are. */
  private mask = -1;
  private head = 0;
  private count = 0;

  constructor(private readonly sim: Simulation, private readonly deliver: (p: Packet) => void) {}

  /** A frame arrives at `time`, not before those added before it; `origin` and `sequence` as of Simulation.sequence(). */
  add(time: number, origin: number, sequence: number, p: Packet): void {
    if (this.count > this.mask) this.grow();
    const i = (this.head + this.count) & this.mask;
    this.event.origin = origin;
    this.times[i] = time;
    this.sequences[i] = sequence;
    this.packets[i] = p;
    if (this.count++ === 0) this.arm();
  }
  /** As add, for one that may pass others. */
  overtake(time: number, origin: number, sequence: number, p: Packet): void {
    this.sim.post(new SimEvent(time, origin, sequence, () => this.deliver(p)));
  }

  private arm(): void {
    this.event.time = this.times[this.head];
    this.event.sequence = this.sequences[this.head];
    this.sim.post(this.event);
  }

  private arrive(): void {
    const p = this.packets[this.head]!;
    this.packets[this.head] = undefined;
    this.head = (this.head + 1) & this.mask;
    if (--this.count > 0) this.arm();
    this.deliver(p);
  }

  private grow(): void {
    const { head, count, mask, times, sequences, packets } = this, size = Math.max(8, 2 * count), at = (i: number): number => (head + i) & mask;
    this.times = new Float64Array(size).map((_, i) => (i < count ? times[at(i)] : 0));
    this.sequences = new Float64Array(size).map((_, i) => (i < count ? sequences[at(i)] : 0));
    this.packets = Array.from({ length: size }, (_, i) => (i < count ? packets[at(i)] : undefined));
    this.head = 0;
    this.mask = size - 1;
  }
}
