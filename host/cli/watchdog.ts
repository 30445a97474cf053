// Tells which node it is whose application, or core, never returns from an event. The thread of the run cannot: it is busy. Another one sees
// that no event follows, stops the first by the engine's debugger, says where it is, and ends the process.
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { ScenarioRun } from '../sim/run.js';

/** What the watching thread gets. */
export interface WatchStart {
  /** Float64: events so far, number of the entity, time in ns. */
  progress: SharedArrayBuffer;
  /** Entities by their numbers. */
  names: Readonly<Record<number, string>>;
  /** An event may take so long, s. */
  limit: number;
}

/** Nothing that ends takes so long within one event, s. */
const LIMIT = 20;

/** Beside the bundle, or in the tree of modules. */
function entry(): URL {
  const bundled = new URL('./watchdog_worker.mjs', import.meta.url);
  return existsSync(bundled) ? bundled : new URL('./watchdog_worker.js', import.meta.url);
}

export class Watchdog {
  private readonly worker: Worker;

  /** Watch a run that is about to begin. */
  constructor(run: ScenarioRun, limit = LIMIT) {
    const progress = new Float64Array(new SharedArrayBuffer(24)), { sim } = run, { observer } = sim;
    const names = Object.fromEntries([...run.nodes.values()].map((n) => [n.id, n.name]));
    sim.observer = (origin) => {
      observer?.(origin);
      progress[0]++;
      progress[1] = origin;
      progress[2] = sim.now;
    };
    this.worker = new Worker(entry(), { workerData: { progress: progress.buffer as SharedArrayBuffer, names, limit } satisfies WatchStart });
    // A run that is over does not wait for it.
    this.worker.unref();
  }
  async end(): Promise<void> { await this.worker.terminate(); }
}
