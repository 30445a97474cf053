// `nuse sim FILE`: run a scenario and tell what came of it. 0: all expectations were met; 1: one was not.
import { readFileSync } from 'node:fs';
import { linkName, nodeNames } from '../sim/names.js';
import type { Scenario } from '../sim/scenario.js';
import { parseScenario } from '../sim/scenario_file.js';
import { partition } from '../sim/partition.js';
import { ScenarioRun, type RunOptions, type RunResult } from '../sim/run.js';
import { SpinError } from '../sim/simulation.js';
import { runInParts } from '../sim/split_run.js';
import { compareRuns, type ScenarioLoader } from './compare.js';
import type { SimDebugOptions } from './debug_options.js';
import { CliError, tell } from './fail.js';
import { figure } from './figure.js';
import { partThread } from './part_threads.js';
import { AppFiles } from './sim_apps.js';
import { SimDebug } from './sim_debug.js';
import { runInRealTime, type Lateness } from './sim_realtime.js';
import { TraceFolder } from './sim_trace.js';
import { scalar } from './sweep_points.js';

export interface SimOptions extends SimDebugOptions {
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
  const out: Record<string, unknown> = options.seed === undefined ? {} : { seed: scalar(options.seed) };
  for (const s of options.set ?? []) {
    const at = s.indexOf('=');
    if (at < 1) throw new CliError(`\`${s}\` sets nothing`, 'write for example --set links.0.loss=0.01');
    out[s.slice(0, at)] = scalar(s.slice(at + 1));
  }
  return out;
}

export async function simulate(file: string, options: SimOptions): Promise<number> {
  const load: ScenarioLoader = async (path, set) => {
    const loader = new AppFiles(path, options.realtime), scenario = parseScenario(read(path), path, overrides({ ...options, set: [...(options.set ?? []), ...set] }), loader);
    await loader.prepare(scenario);
    return { loader, scenario };
  };
  if (options.compare !== undefined) return compareRuns(file, options.compare, options, load);
  const { loader, scenario } = await load(file, []), workers = threads(options.workers), debug = new SimDebug(options, `nuse sim ${file}`, nodeNames(scenario)), start = process.hrtime.bigint();
  try {
    // Promises are of one thread.
    const split = workers > 1 && !scenario.apps.some((a) => a.type === 'module'), whole = new WholeRun(file, scenario, loader, debug, options);
    const result = split ? await runInParts(scenario, debug.core.module, partition(scenario, workers), partThread, loader) : await whole.finish(), { late } = whole;
    const wall = Number(process.hrtime.bigint() - start) / 1e9;
    process.stdout.write(options.json ? `${JSON.stringify({ ...result, late })}\n` : report(file, result, wall));
    if (late && !options.json) process.stdout.write(`behind the clock by ${figure('clock.delay.p50', late.p50)} (median), ${figure('clock.delay.p95', late.p95)} (95 %), ${figure('clock.delay.max', late.max)} (most)\n`);
    return await whole.end() && result.expectations.every((e) => e.met) ? 0 : 1;
  } catch (error) {
    // An application that does not stop would keep the process from ending.
    if (error instanceof SpinError) process.exit(spun(error, scenario, !!options.json));
    throw error;
  }
}

/** Tell of an application, or a network, that lets no time pass; the exit code. */
function spun(error: SpinError, { links }: Scenario, json: boolean): number {
  const code = tell(error, json), at = links.findIndex((l) => !l.rate && !l.delay);
  if (at >= 0 && !json) process.stderr.write(`      link ${linkName(links[at], at)} has neither rate nor delay: a transfer over such links goes on without end at one instant; give it one of them\n`);
  return code;
}

/** A run in this thread, which can be debugged. */
class WholeRun {
  /** How late a run by the wall clock was. */
  late?: Lateness;
  private run?: ScenarioRun;
  private readonly make = (o: RunOptions): Promise<ScenarioRun> => ScenarioRun.create(this.scenario, { ...o, loader: this.loader, realtime: this.options.realtime });
  constructor(private readonly file: string, private readonly scenario: Scenario, private readonly loader: AppFiles, private readonly debug: SimDebug, private readonly options: SimOptions) {}

  async finish(): Promise<RunResult> {
    const { out, pcap, realtime } = this.options, run = this.run = await this.make(this.debug.runOptions), folder = out === undefined ? undefined : new TraceFolder(out, run, pcap ?? true);
    try {
      if (realtime) this.late = await runInRealTime(run, (line) => { console.error(`nuse: ${line}`); });
      else await this.debug.finish(run);
    } finally {
      folder?.close();
    }
    const result = run.result();
    await folder?.finish(this.file, result);
    return result;
  }
  /** After the report: what has trapped, and with which record; whether all was well, or as the scenario expects. */
  async end(): Promise<boolean> {
    const clean = !this.run || await this.debug.end(this.run, this.options.realtime ? undefined : this.make);
    return clean || this.scenario.expect.some((e) => e.metric === 'nodes.trapped');
  }
}
/** Most threads of one run. */
const MAX_WORKERS = 64;
function threads(option: string | undefined): number {
  const n = Number(option ?? 1);
  if (!Number.isInteger(n) || n < 1 || n > MAX_WORKERS) throw new CliError(`--workers ${option} is no number from 1 to ${MAX_WORKERS}`);
  return n;
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
