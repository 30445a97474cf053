// Scenarios run in a page.
import type { ScenarioInput } from '../../../host/sim/scenario.js';
import { run } from '../scenarios.js';

export default async function page(inputs: ScenarioInput[]): Promise<string[]> {
  const module = await WebAssembly.compile(await (await fetch('/nuse/core.wasm')).arrayBuffer()), hashes: string[] = [];
  for (const input of inputs) hashes.push((await run(module, input)).hash);
  return hashes;
}
