// `nuse sim FILE`: run a scenario and tell what came of it. 0: all expectations were met; 1: one was not.
import { readFileSync } from 'node:fs';
import type { Scenario } from '../sim/scenario.js';
import { parseScenario } from '../sim/scenario_file.js';
import { partition } from '../sim/partition.js';
import { ScenarioRun, type RunOptions, type RunResult } from '../sim/run.js';
import { SpinError } from '../sim/simulation.js';
import { runInParts } from '../sim/split_run.js';
import { CliError, tell } from './fail.js';
import { CORE_WASM } from './install.js';
import { partThread } from './part_threads.js';
import { AppFiles } from './sim_apps.js';
import { runInRealTime, type Lateness } from './sim_realtime.js';
import { TraceFolder } from './sim_trace.js';
import { scalar } from './sweep_points.js';

export interface SimOptions {
  json?: boolean;
  seed?: string;
  set?: string[];
  out?: string;
  /** --no-pcap */
  pcap?: boolean;
  realtime?: boolean;
  /** Threads to split the run over. */
  workers?: string;
}

/** The text of a file. Throws CliError. */
export function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (e) {
    throw new CliError(`cannot read ${path}: ${(e as Error).message}`);
  }
}

/** What options set: fields of the scenario by the way to them. */
export function overrides(options: SimOptions): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const s of options.set ?? []) {
    const at = s.indexOf('=');
    if (at < 1) throw new CliError(`\`${s}\` sets nothing`, 'write for example --set links.0.loss=0.01');
    out[s.slice(0, at)] = scalar(s.slice(at + 1));
  }
  if (options.seed !== undefined) out.seed = scalar(options.seed);
  return out;
}

export async function simulate(file: string, options: SimOptions): Promise<number> {
  const loader = new AppFiles(file), scenario = parseScenario(read(file), file, overrides(options), loader);
  await loader.prepare(scenario);
  const module = new WebAssembly.Module(readFileSync(CORE_WASM)), workers = threads(options.workers), start = process.hrtime.bigint();
  if (workers > 1 && (options.realtime || options.out !== undefined)) throw new CliError(`${options.realtime ? '--realtime' : '--out'} is of one thread`, 'leave --workers out');
  const late: { of?: Lateness } = {};
  try {
    // Promises are of one thread.
    const split = workers > 1 && !scenario.apps.some((a) => a.type === 'module');
    const result = split ? await runInParts(scenario, module, partition(scenario, workers), partThread, loader) : await runWhole(file, scenario, { module, loader, realtime: options.realtime }, options, late);
    const wall = Number(process.hrtime.bigint() - start) / 1e9;
    process.stdout.write(options.json ? `${JSON.stringify({ ...result, late: late.of })}\n` : report(file, result, wall));
    if (late.of && !options.json) process.stdout.write(`behind the clock by ${figure('delay', late.of.p50)} (median), ${figure('delay', late.of.p95)} (95 %), ${figure('delay', late.of.max)} (most)\n`);
    return result.expectations.every((e) => e.met) ? 0 : 1;
  } catch (error) {
    // An application that does not stop would keep the process from ending.
    if (error instanceof SpinError) process.exit(tell(error, !!options.json));
    throw error;
  }
}

/** `late`: where to say how late a run by the wall clock was. */
async function runWhole(file: string, scenario: Scenario, parts: RunOptions, { out, pcap }: SimOptions, late: { of?: Lateness }): Promise<RunResult> {
  const run = await ScenarioRun.create(scenario, parts), folder = out === undefined ? undefined : new TraceFolder(out, run, pcap ?? true);
  try {
    if (parts.realtime) late.of = await runInRealTime(run, (line) => { console.error(`nuse: ${line}`); });
    else await run.finishAsync();
  } finally {
    folder?.close();
  }
  const result = run.result();
  await folder?.finish(file, result);
  return result;
}
/** Most threads of one run. */
const MAX_WORKERS = 64;
function threads(option: string | undefined): number {
  const n = Number(option ?? 1);
  if (!Number.isInteger(n) || n < 1 || n > MAX_WORKERS) throw new CliError(`--workers ${option} is no number from 1 to ${MAX_WORKERS}`);
  return n;
}

/** A figure with its unit, which its name tells. */
export function figure(name: string, value: number): string {
  if (/goodput$/.test(name)) return value >= 1e6 ? `${(value / 1e6).toFixed(3)} Mbit/s` : `${(value / 1e3).toFixed(3)} kbit/s`;
  if (/delay|queue|rtt/.test(name)) return `${(value * 1e3).toFixed(3)} ms`;
  if (/time$/.test(name)) return `${value.toFixed(3)} s`;
  return Number.isInteger(value) ? String(value) : value.toPrecision(6);
}

function report(file: string, r: RunResult, wall: number): string {
  const seconds = r.duration / 1e9;
  const lines = [`${file}: ${Object.keys(r.nodes).length} nodes, ${seconds} s of virtual time in ${wall.toFixed(2)} s, ${r.events} events, seed ${r.seed}`];
  for (const l of r.log) lines.push(`  ${(l.time / 1e9).toFixed(6)} s  ${l.what}`);
  for (const [app, { stdout, stderr }] of Object.entries(r.output))
    for (const line of (stdout + stderr).split('\n').slice(0, -1)) lines.push(`  ${app}| ${line}`);
  for (const [k, v] of Object.entries(r.metrics)) if (v !== 0) lines.push(`  ${k.padEnd(32)} ${figure(k, v)}`);
  for (const e of r.expectations) {
    const range = [e.min === undefined ? '' : `at least ${figure(e.metric, e.min)}`, e.max === undefined ? '' : `at most ${figure(e.metric, e.max)}`].filter(Boolean).join(', ');
    lines.push(`${e.met ? 'ok  ' : 'FAIL'} ${e.metric}: ${e.value === undefined ? 'there is no such figure' : figure(e.metric, e.value)} (${range})`);
  }
  return `${lines.join('\n')}\nhash ${r.hash}\n`;
}
