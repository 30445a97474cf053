// One measurement of the simulator in a process of its own, as bench/sim.ts starts it: `dumbbell PAIRS FLOWS SECONDS [THREADS]` or `idle NODES`.
// Prints one line of JSON.
import { readFileSync } from 'node:fs';
import { CORE_WASM } from '../host/cli/install.js';
import { partThread } from '../host/cli/part_threads.js';
import { partition } from '../host/sim/partition.js';
import { ScenarioRun } from '../host/sim/run.js';
import type { ScenarioInput } from '../host/sim/scenario.js';
import { scenarioOf } from '../host/sim/scenario_file.js';
import { runInParts } from '../host/sim/split_run.js';

/** Bytes of payload of a full segment: 1500 without the headers of IPv4 and TCP with time stamps. */
const MSS = 1448;
const module = new WebAssembly.Module(readFileSync(CORE_WASM));
const seconds = (start: bigint): number => Number(process.hrtime.bigint() - start) / 1e9;

/** The dumbbell of bench/ns3_dumbbell.cc. */
export function dumbbell(pairs: number, flows: number, duration: number): ScenarioInput {
  const numbers = Array.from({ length: pairs }, (_, i) => i), edge = { rate: '1Gbit', delay: '1ms', queue: { type: 'droptail' as const, limit: 1000 } };
  return {
    duration: `${duration}s`,
    links: [
      { between: ['left', 'right'], rate: `${10 * flows}Mbit`, delay: '20ms', queue: { type: 'droptail', limit: 100 * flows } },
      ...numbers.map((i) => ({ between: [`a${i}`, 'left'] as [string, string], ...edge })),
      ...numbers.map((i) => ({ between: ['right', `b${i}`] as [string, string], ...edge })),
    ],
    apps: Array.from({ length: flows }, (_, i) => ({ name: `f${i}`, type: 'bulk', from: `a${i % pairs}`, to: `b${i % pairs}`, start: `${7 * i % 1000}ms` })),
  };
}

async function speed(pairs: number, flows: number, duration: number, threads = 1): Promise<object> {
  const scenario = scenarioOf(dumbbell(pairs, flows, duration)), p = partition(scenario, threads);
  // Only the run counts on either side of the comparison; a split one is timed with the start of its threads.
  const whole = p.parts === 1 ? await ScenarioRun.create(scenario, { module }) : undefined, start = process.hrtime.bigint();
  whole?.finish();
  const { metrics, events } = whole?.result() ?? await runInParts(scenario, module, p, partThread), wall = seconds(start);
  const bytes = Array.from({ length: flows }, (_, i) => metrics[`f${i}.bytes`]).reduce((a, b) => a + b);
  return { packets: bytes / MSS, wall, events };
}

/** Nodes in pairs that do nothing but start, for 3 s: duplicate address detection and router solicitations are over. */
async function idle(nodes: number): Promise<object> {
  const links = Array.from({ length: nodes / 2 }, (_, i) => ({ between: [`a${i}`, `b${i}`] as [string, string], rate: '10Mbit' }));
  const scenario = scenarioOf({ duration: '3s', links }), before = process.memoryUsage.rss(), start = process.hrtime.bigint();
  const run = await ScenarioRun.create(scenario, { module }), made = seconds(start);
  run.finish();
  return { made, wall: seconds(start), rss: process.memoryUsage.rss(), each: (process.memoryUsage.rss() - before) / nodes, events: run.sim.events };
}

const [what, ...figures] = process.argv.slice(2), [a, b, c, d] = figures.map(Number);
console.log(JSON.stringify(what === 'idle' ? await idle(a) : await speed(a, b, c, d)));
