// Virtual time paced by a clock: each event runs when its time has come by the clock, or after it when the machine is too slow; how late
// is counted. The run still sees virtual time alone: what is late is late by the clock, not in the simulation.
import { DurationHistogram } from './histogram.js';
import type { ScenarioRun } from './run.js';

export class RealTime {
  /** How late events ran, ns: one figure for each turn that ran any. */
  readonly late = new DurationHistogram();
  private readonly start: number;

  /** `clock`: monotonic, ns; the run begins now. `onlate` hears of every turn that ran events, with how late the first one was. */
  constructor(private readonly run: Pick<ScenarioRun, 'sim' | 'scenario' | 'advanceAsync'>, private readonly clock: () => number, private readonly onlate?: (ns: number) => void) {
    this.start = clock() - run.sim.now;
  }

  /** Run what is due by now. When to come back, ns of the clock. One turn at a time. */
  async turn(): Promise<number> {
    const { run: { sim, scenario }, start } = this, now = Math.max(this.clock() - start, sim.now);
    if (sim.nextTime <= Math.min(now, scenario.duration)) {
      const late = now - sim.nextTime;
      this.late.add(late);
      this.onlate?.(late);
    }
    await this.run.advanceAsync(now);
    return start + Math.min(sim.nextTime, scenario.duration);
  }
  /** The end of the scenario has come. */
  get over(): boolean { return this.run.sim.now >= this.run.scenario.duration; }
}
