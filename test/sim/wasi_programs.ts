// The WASI programs that `npm run build:wasi` makes, prepared once for each process, and runs of them on two nodes.
import { readFileSync } from 'node:fs';
import { CORE_WASM } from '../../host/cli/install.js';
import { AppFiles } from '../../host/cli/sim_apps.js';
import { ScenarioRun, type RunResult } from '../../host/sim/run.js';
import type { ScenarioInput } from '../../host/sim/scenario.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';

export const BUILD = new URL('../../../wasi/', import.meta.url);
export const EXAMPLES = new URL('../../../../examples/sim/wasi/', import.meta.url);
export const module = new WebAssembly.Module(readFileSync(CORE_WASM));
export const loader = new AppFiles(new URL('scenario.yaml', BUILD).pathname);

/** One link, a to b, and these applications. */
export async function runApps(apps: ScenarioInput['apps'], more: Partial<ScenarioInput> = {}): Promise<RunResult> {
  const run = await ScenarioRun.create(scenarioOf({ duration: '60s', links: [{ between: ['a', 'b'], rate: '10Mbit', delay: '1ms' }], ...more, apps }), { module, loader });
  run.finish();
  return run.result();
}
