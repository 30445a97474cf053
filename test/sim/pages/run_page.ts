// A scenario run in a page.
import type { ScenarioInput } from '../../../host/sim/scenario.js';
import { run } from '../scenarios.js';

export default async function page(input: ScenarioInput): Promise<string> {
  const module = await WebAssembly.compile(await (await fetch('/nuse/core.wasm')).arrayBuffer());
  return (await run(module, input)).hash;
}
