// Flows of one congestion control that share a bottleneck: what each gets.
import { ScenarioRun } from '../../../host/sim/run.js';
import { scenarioOf } from '../../../host/sim/scenario_file.js';
import { mean } from '../faithful.js';

export const CONTROLS = ['reno', 'cubic', 'bbr'] as const;
export const FLOWS = [2, 4, 8, 16, 32, 64];
export interface Contest {
  control: typeof CONTROLS[number];
  flows: number;
  /** Default 1. */
  seed?: number;
}
export const CONTESTS: readonly Contest[] = CONTROLS.flatMap((control) => FLOWS.map((flows) => ({ control, flows })));

/** The bottleneck: bit/s for each flow, and in all at least; round trip, ms; a drop-tail queue of one bandwidth-delay product. */
const EACH = 0.75e6, LEAST = 6e6, ROUND_TRIP_MS = 40, FRAME = 1514;
/** Flows begin one after the other within `STARTS` s; measured are the `SECONDS` after `WARMUP`. */
const STARTS = 2, WARMUP = 10, SECONDS = 60;

/** Of the bottleneck, bit/s. */
export const rateOf = (c: Contest): number => Math.max(EACH * c.flows, LEAST);

/** bit/s of each flow. */
export async function shares(module: WebAssembly.Module, c: Contest): Promise<number[]> {
  const rate = rateOf(c), limit = Math.ceil(rate * ROUND_TRIP_MS / 1e3 / 8 / FRAME);
  const run = await ScenarioRun.create(scenarioOf({
    seed: c.seed ?? 1, duration: `${WARMUP + SECONDS}s`, nodes: { sender: { sysctl: { 'net.ipv4.tcp_congestion_control': c.control } } },
    links: [{ between: ['sender', 'receiver'], rate: `${rate}bit`, delay: `${ROUND_TRIP_MS / 2}ms`, queue: { type: 'droptail', limit } }],
    apps: Array.from({ length: c.flows }, (_, i) => {
      const start = Math.round(i * STARTS * 1e3 / c.flows);
      return { type: 'bulk' as const, name: `f${i}`, from: 'sender', to: 'receiver', start: `${start}ms`, warmup: `${WARMUP * 1e3 - start}ms` };
    }),
  }), { module });
  run.finish();
  const m = run.metrics();
  return Array.from({ length: c.flows }, (_, i) => m[`f${i}.goodput`]);
}

/** Jain, Chiu, Hawe 1984: 1 when all get the same, 1/n when one gets all. */
export function jain(x: readonly number[]): number {
  const sum = x.reduce((a, b) => a + b, 0), squares = x.reduce((a, b) => a + b * b, 0);
  return sum * sum / (x.length * squares);
}

/** The mean of the index over runs of several seeds: of many BBR flows it is 0.85 to 0.96 in single ones. */
export const index = (runs: readonly (readonly number[])[]): number => mean(runs.map(jain));

/**
 * What is wrong with the shares in these runs, if anything: fairness, use of the link, and what the poorest flow has, each in the mean: BBR keeps the
 * queue full, and a flow whose SYNs it drops six times in a row is a minute late.
 */
export function unfair(c: Contest, runs: readonly (readonly number[])[]): string | undefined {
  const fair = index(runs), sum = mean(runs.map((x) => mean(x) * x.length)), least = mean(runs.map((x) => Math.min(...x) / mean(x)));
  const told = `${c.flows} of ${c.control}: Jain's index ${fair.toFixed(4)}, ${(sum / 1e6).toFixed(2)} of ${(rateOf(c) / 1e6).toFixed(2)} Mbit/s, the least has ${least.toFixed(2)} of a fair share`;
  return fair >= 0.9 && sum >= 0.85 * rateOf(c) && least >= 0.25 ? undefined : told;
}
