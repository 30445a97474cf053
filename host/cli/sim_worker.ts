// A thread that runs one scenario after another, for sweeps.
import { parentPort, workerData } from 'node:worker_threads';
import { parseScenario } from '../sim/scenario_file.js';
import { ScenarioRun, type RunResult } from '../sim/run.js';
import { AppFiles } from './sim_apps.js';

/** What all runs of a thread share. */
export interface SimWorkerData {
  text: string;
  file: string;
  module: WebAssembly.Module;
  /** Applications are modules of JavaScript, which keep state: each run gets a thread of its own. */
  fresh: boolean;
}
/** What to set, by parameter or way; and what came of it. */
export type SimTask = Record<string, unknown>;
export type SimOutcome = RunResult | { error: string };

const { text, file, module } = workerData as SimWorkerData, loader = new AppFiles(file);

async function outcome(override: SimTask): Promise<SimOutcome> {
  try {
    const run = await ScenarioRun.create(parseScenario(text, file, override, loader), { module, loader });
    await run.finishAsync();
    return run.result();
  } catch (e) {
    // Told in the run's row: the other runs go on.
    return { error: e instanceof Error ? e.message : String(e) };
  }
}

parentPort!.on('message', (override: SimTask) => {
  void outcome(override).then((o) => parentPort!.postMessage(o));
});
