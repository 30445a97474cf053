// The kernel of the simulator: virtual time, and events in their order. Nothing here knows a clock, a random number or a network.
//
//   const sim = new Simulation(1);
//   const a = await SimNode.create(sim, { module, name: 'a', ... });
//   sim.run(10e9);
import { EventQueue, SimEvent } from './event_queue.js';

/** What makes events. Entities are numbered as they are made. */
export interface Entity {
  readonly id: number;
  readonly name: string;
}

/** An entity with turns: work at an instant, after all that happens to it there. */
export interface Turner extends Entity {
  turn(): void;
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
  /** Virtual time, ns since the start of the run. -0, here and in other times: the engine then takes them for doubles from the start, not from 2^31 ns on. */
  now = -0;
  /** The entity whose applications the event that runs has woken, when they use promises. */
  unsettled?: Entity;
  /** Events run so far. */
  events = 0;
  /** Told of each event before it runs: the number of the entity that made it. */
  observer?: (origin: number) => void;
  private readonly queue = new EventQueue();
  private readonly sequences: number[] = [];
  /** How many events an entity made for the instant at which it made them. */
  private readonly immediate: number[] = [];
  private readonly immediateAt: number[] = [];
  /** Who wants a turn at this instant, by number; the first ones have had it. */
  private readonly ready: Turner[] = [];
  private readyHead = 0;
  private readyEnd = 0;
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
    this.queue.push(new SimEvent(time, origin.id, this.sequence(origin, time), run));
  }
  after(origin: Entity, ns: number, run: () => void): void { this.at(origin, this.now + ns, run); }

  /** The sequence number of an event that `origin` makes for `time`; post() it. Throws SpinError. */
  sequence(origin: Entity, time: number): number {
    if (!(time >= this.now)) throw new RangeError(`${origin.name}: an event at ${time} ns, which is before ${this.now} ns`);
    if (time === this.now) this.countImmediate(origin);
    return this.sequences[origin.id]++;
  }
  /** An event with its key. The object is the caller's again once it runs. */
  post(e: SimEvent): void { this.queue.push(e); }

  /** Give an entity a turn at this instant. It asks once. */
  wake(t: Turner): void {
    const { ready } = this;
    let i = this.readyEnd++;
    for (; i > this.readyHead && ready[i - 1].id > t.id; i--) ready[i] = ready[i - 1];
    ready[i] = t;
  }

  private countImmediate({ id, name }: Entity): void {
    if (this.immediateAt[id] !== this.now) {
      this.immediateAt[id] = this.now;
      this.immediate[id] = 0;
    }
    if (++this.immediate[id] > SPIN_EVENTS) throw new SpinError(name, this.now, `${SPIN_EVENTS} events`);
  }

  /** Run what is due up to and including `until`, ns, which is then the time. Throws what an event throws. */
  run(until: number): void {
    this.stopped = false;
    while (!this.stopped && this.step(until)) { /* One thing after the other. */ }
    if (this.stopped) return;
    this.now = Math.max(this.now, until);
  }
  /** The same where applications use promises: after an event that has woken one, time stands still until `settle` has let it do all it can. */
  async runAsync(until: number, settle: (entity: Entity) => Promise<void>): Promise<void> {
    this.stopped = false;
    while (!this.stopped && this.step(until)) {
      const { unsettled } = this;
      this.unsettled = undefined;
      if (unsettled) await settle(unsettled);
    }
    if (this.stopped) return;
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
  /** The next turn, or else the next event that is due up to `until`; false: there is none. */
  private step(until: number): boolean {
    const { queue } = this, next = queue.nextTime;
    if (this.readyHead < this.readyEnd && next > this.now) this.nextTurn();
    else if (next <= until) {
      const e = queue.pop()!;
      this.now = e.time;
      this.events++;
      this.observer?.(e.origin);
      e.run();
    } else return false;
    return true;
  }
  private nextTurn(): void {
    const t = this.ready[this.readyHead++];
    if (this.readyHead === this.readyEnd) this.readyHead = this.readyEnd = 0;
    this.events++;
    this.observer?.(t.id);
    t.turn();
  }
  /** Let run() return after the event that is running. */
  stop(): void { this.stopped = true; }
  /** When the next event is due, ns; Infinity when there is none. */
  get nextTime(): number { return this.readyHead < this.readyEnd ? this.now : this.queue.nextTime; }
}
