// Frames under way to one end of a medium. Those that keep their order are one event, for the first of them, however many they are.
import type { Packet } from './packet.js';
import type { SimEvent, Simulation } from './simulation.js';

/** Arrivals with their keys, in parallel rings. */
export class Flight implements SimEvent {
  time = 0;
  origin = 0;
  sequence = 0;
  private times: number[] = [];
  private sequences: number[] = [];
  private packets: (Packet | undefined)[] = [];
  private head = 0;
  private armed = false;

  constructor(private readonly sim: Simulation, private readonly deliver: (p: Packet) => void) {}

  /** A frame arrives at `time`, not before those added before it; `origin` and `sequence` as of Simulation.sequence(). */
  add(time: number, origin: number, sequence: number, p: Packet): void {
    this.origin = origin;
    this.times.push(time);
    this.sequences.push(sequence);
    this.packets.push(p);
    if (!this.armed) this.arm();
  }
  /** As add, for one that may pass others. */
  overtake(time: number, origin: number, sequence: number, p: Packet): void {
    this.sim.post({ time, origin, sequence, run: () => this.deliver(p) });
  }

  private arm(): void {
    const { head } = this;
    this.armed = true;
    this.time = this.times[head];
    this.sequence = this.sequences[head];
    this.sim.post(this);
  }

  run(): void {
    const p = this.packets[this.head]!;
    this.packets[this.head++] = undefined;
    this.armed = false;
    if (this.head === this.packets.length) {
      this.times.length = this.sequences.length = this.packets.length = this.head = 0;
    } else {
      if (this.head > 64 && this.head * 2 > this.packets.length) this.shrink();
      this.arm();
    }
    this.deliver(p);
  }
  private shrink(): void {
    this.times = this.times.slice(this.head);
    this.sequences = this.sequences.slice(this.head);
    this.packets = this.packets.slice(this.head);
    this.head = 0;
  }
}
