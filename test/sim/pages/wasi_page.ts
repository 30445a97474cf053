// A scenario with WASI programs, prepared and served beside the page.
import { ScenarioRun } from '../../../host/sim/run.js';
import { parseScenario } from '../../../host/sim/scenario_file.js';

async function compiled(url: string): Promise<WebAssembly.Module> { return WebAssembly.compile(await (await fetch(url)).arrayBuffer()); }

export default async function page(scenario: string): Promise<string> {
  const run = await ScenarioRun.create(parseScenario(scenario, 'scenario'), { module: await compiled('/nuse/core.wasm'), loader: { wasi: (file) => compiled(`/${file}`) } });
  run.finish();
  return run.result().hash;
}
