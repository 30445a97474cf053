// Scenarios of the tests, as programs write them, and running them.
import { Murmur3 } from '../../host/debug/murmur3.js';
import type { RunResult } from '../../host/sim/run.js';
import { ScenarioRun } from '../../host/sim/run.js';
import type { ScenarioInput } from '../../host/sim/scenario.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';
import { Trace } from '../../host/sim/trace/trace.js';

/** The example of 500 nodes, which has its own place in some tests: it takes as long as all others together. */
export const LARGEST = 'internet.yaml';

/** Everything random at once: bursts of loss, jitter, reordering, duplicates and flipped bits, over a router. */
export const ROUGH: ScenarioInput = {
  duration: '8s',
  links: [
    { between: ['a', 'r'], rate: '20Mbit', delay: '5ms', queue: { type: 'fq_codel' } },
    {
      name: 'rough', between: ['r', 'b'], rate: '10Mbit', delay: '10ms', jitter: '1ms', bursts: { toBad: 0.001, toGood: 0.3 }, reorder: { probability: 0.01, delay: '5ms' },
      duplicate: 0.01, corrupt: 0.005, queue: { type: 'red' },
    },
  ],
  apps: [
    { type: 'bulk', from: 'a', to: 'b', bytes: '2MB' }, { type: 'bulk', from: 'b', to: 'a', bytes: '1MB', family: 6, start: '3s' },
    { type: 'datagrams', from: 'a', to: 'b', rate: '2Mbit' },
  ],
};

/** Hash of a run's captures, series, events and flows. */
export async function traceHash(module: WebAssembly.Module, input: ScenarioInput): Promise<string> {
  const r = await ScenarioRun.create(scenarioOf(input), { module }), hash = new Murmur3(), utf8 = new TextEncoder();
  const add = (x: unknown): void => hash.add(utf8.encode(JSON.stringify(x)));
  const trace = new Trace(r, { capture: (device, bytes) => { hash.add(utf8.encode(device)); hash.add(bytes); }, tcp: add, queue: add, event: add });
  r.finish();
  add(trace.flows());
  return hash.hex;
}

export async function run(module: WebAssembly.Module, input: ScenarioInput): Promise<RunResult> {
  const r = await ScenarioRun.create(scenarioOf(input), { module });
  r.finish();
  return r.result();
}
