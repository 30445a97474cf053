// A thread that runs one scenario after another, for sweeps.
import { parentPort, workerData } from 'node:worker_threads';
import { parseScenario } from '../sim/scenario_file.js';
import { ScenarioRun, type RunResult } from '../sim/run.js';

/** What all runs of a thread share. */
export interface SimWorkerData {
  text: string;
  file: string;
  module: WebAssembly.Module;
}
/** What to set, by parameter or way; and what came of it. */
export type SimTask = Record<string, unknown>;
export type SimOutcome = RunResult | { error: string };

async function outcome({ text, file, module }: SimWorkerData, override: SimTask): Promise<SimOutcome> {
  try {
    const run = await ScenarioRun.create(parseScenario(text, file, override), { module });
    run.finish();
    return run.result();
  } catch (e) {
    // Told in the run's row: the other runs go on.
    return { error: e instanceof Error ? e.message : String(e) };
  }
}

parentPort!.on('message', (override: SimTask) => {
  void outcome(workerData as SimWorkerData, override).then((o) => parentPort!.postMessage(o));
});
