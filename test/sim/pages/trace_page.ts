// All that a run's traces give, taken in a page, as one hash.
import type { ScenarioInput } from '../../../host/sim/scenario.js';
import { traceHash } from '../scenarios.js';

export default async function page(input: ScenarioInput): Promise<string> {
  return traceHash(await WebAssembly.compile(await (await fetch('/nuse/core.wasm')).arrayBuffer()), input);
}
