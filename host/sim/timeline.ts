// A run that goes back as well as forth. What applications and links hold lives in closures, which nobody can copy; but a run depends on
// its scenario alone, so an earlier moment is the same run made anew and stopped there. Going back costs what it took to come so far.
//
//   const t = await Timeline.open(() => ScenarioRun.create(scenario, { module }));
//   await t.until((run) => run.nodes.get('b')!.trap !== undefined);
//   await t.stepBack();                                     // the moment before it trapped
import { laneSum } from '../debug/lanesum.js';
import type { ScenarioRun } from './run.js';

/** A moment of a run, and what it looked like. */
export interface Moment {
  /** Events run before it. */
  readonly events: number;
  /** ns. */
  readonly time: number;
  /** Of each node: hash of its frames, and a sum of its core's memory. */
  readonly nodes: Readonly<Record<string, string>>;
}

/** The run came out differently: something in it depends on more than the scenario. */
export class TimelineError extends Error {
  readonly code = 'ERR_NUSE_SIM_TIMELINE';
}

export class Timeline {
  private constructor(private readonly make: () => Promise<ScenarioRun>, private current: ScenarioRun) {}

  /** `make`: the run at its beginning, with all that is added to it; called again for each way back. */
  static async open(make: () => Promise<ScenarioRun>): Promise<Timeline> { return new Timeline(make, await make()); }

  /** The run as it is now. After a way back, it and all its nodes are other objects. */
  get run(): ScenarioRun { return this.current; }
  /** Events run so far. */
  get events(): number { return this.current.sim.events; }

  /** Run so many events; false when the run ended before. */
  async step(n = 1): Promise<boolean> {
    for (; n > 0; n--) if (!await this.current.step()) return false;
    return true;
  }
  /** Run until `holds`, looked at after each event; false when it never does. */
  async until(holds: (run: ScenarioRun) => boolean): Promise<boolean> {
    while (await this.current.step()) if (holds(this.current)) return true;
    return false;
  }

  /** Go so many events back, at most to the beginning. */
  stepBack(n = 1): Promise<void> { return this.goTo(Math.max(0, this.events - n)); }
  /** Go back to the last moment before this one at which `holds`; false, and at the beginning, when there is none. */
  async backUntil(holds: (run: ScenarioRun) => boolean): Promise<boolean> {
    const end = this.events - 1, earlier = await this.make();
    let last = -1;
    while (earlier.sim.events < end && await earlier.step()) if (holds(earlier)) last = earlier.sim.events;
    await this.goTo(Math.max(0, last));
    return last >= 0;
  }
  /** Go to the moment after so many events. Throws RangeError when the run is shorter. */
  async goTo(events: number): Promise<void> {
    if (events < this.events) this.current = await this.make();
    if (!await this.step(events - this.events)) throw new RangeError(`the run has ${this.events} events, ${events} are wanted`);
  }

  /** This moment. Reads the memory of every core: about 10 ms a node. */
  snapshot(): Moment {
    const { sim, nodes } = this.current;
    return { events: sim.events, time: sim.now, nodes: Object.fromEntries([...nodes].map(([name, n]) => [name, `${n.digest} ${laneSum(n.core.mem.u8)}`])) };
  }
  /** Go to a moment, before or after this one. Throws TimelineError when it does not look as it did. */
  async restore(moment: Moment): Promise<void> {
    await this.goTo(moment.events);
    const now = this.snapshot(), node = Object.keys(moment.nodes).find((n) => now.nodes[n] !== moment.nodes[n]);
    if (now.time !== moment.time || node !== undefined)
      throw new TimelineError(`after ${moment.events} events, ${node === undefined ? 'the time' : `node ${node}`} is not as it was: an application depends on more than its scenario and seed`);
  }
}
