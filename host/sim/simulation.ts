// The kernel of the simulator: virtual time, and events in their order. Nothing here knows a clock, a random number or a network.
//
//   const sim = new Simulation(1);
//   const a = await SimNode.create(sim, { module, name: 'a', ... });
//   sim.run(10e9);
import { EventQueue } from './event_queue.js';

/** What makes events. Entities are numbered as they are made. */
export interface Entity {
  readonly id: number;
  readonly name: string;
}

/** More events of one entity than this at one instant: it goes round in circles. */
const SPIN_EVENTS = 100_000;
const NEVER = -1;

/** An entity does not let time pass. */
export class SpinError extends Error {
  readonly code = 'ERR_NUSE_SIM_SPIN';
  constructor(readonly entity: string, readonly time: number, what: string) {
    super(`${entity} spins: ${what} at ${(time / 1e9).toFixed(9)} s without waiting for anything`);
  }
}

export class Simulation {
  /** Virtual time, ns since the start of the run. */
  now = 0;
  /** Events run so far. */
  events = 0;
  /** Told of each event before it runs: the number of the entity that made it. */
  observer?: (origin: number) => void;
  private readonly queue = new EventQueue();
  private readonly sequences: number[] = [];
  /** How many events an entity made for the instant at which it made them. */
  private readonly immediate: number[] = [];
  private readonly immediateAt: number[] = [];
  private stopped = false;

  /** `seed`: of every stream of the run. */
  constructor(readonly seed: number) {}

  /** The number of a new entity. */
  register(): number {
    this.immediate.push(0);
    this.immediateAt.push(NEVER);
    return this.sequences.push(0) - 1;
  }

  /** Run `run` at a time, ns, not before now. `origin`: the entity that wants it. Throws SpinError. */
  at(origin: Entity, time: number, run: () => void): void {
    const { id } = origin;
    if (!(time >= this.now)) throw new RangeError(`${origin.name}: an event at ${time} ns, which is before ${this.now} ns`);
    if (time === this.now) this.countImmediate(origin);
    this.queue.push({ time, origin: id, sequence: this.sequences[id]++, run });
  }
  after(origin: Entity, ns: number, run: () => void): void { this.at(origin, this.now + ns, run); }

  private countImmediate({ id, name }: Entity): void {
    if (this.immediateAt[id] !== this.now) {
      this.immediateAt[id] = this.now;
      this.immediate[id] = 0;
    }
    if (++this.immediate[id] > SPIN_EVENTS) throw new SpinError(name, this.now, `${SPIN_EVENTS} events`);
  }

  /** Run what is due up to and including `until`, ns, which is then the time. Throws what an event throws. */
  run(until: number): void {
    const { queue } = this;
    this.stopped = false;
    while (queue.nextTime <= until) {
      const e = queue.pop()!;
      this.now = e.time;
      this.events++;
      this.observer?.(e.origin);
      e.run();
      if (this.stopped) return;
    }
    this.now = Math.max(this.now, until);
  }
  /** Let each run() return after one event, until the function returned is called. */
  singleStep(): () => void {
    const { observer } = this;
    this.observer = (origin) => {
      observer?.(origin);
      this.stopped = true;
    };
    return () => { this.observer = observer; };
  }
  /** Let run() return after the event that is running. */
  stop(): void { this.stopped = true; }
  /** When the next event is due, ns; Infinity when there is none. */
  get nextTime(): number { return this.queue.nextTime; }
}
