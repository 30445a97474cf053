// `nuse sim FILE --sweep loss=0,0.01 --seeds 1..20`: the scenario with every combination of values and every seed, on all processors.
// What is done already stands in the folder and is not computed again. 0: all expectations of all runs were met; 1: not.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { SingleBar } from 'cli-progress';
import { appFile } from '../sim/names.js';
import { parseScenario } from '../sim/scenario_file.js';
import { CliError } from './fail.js';
import { figure } from './figure.js';
import { CORE_WASM, entry, load } from './install.js';
import { overrides, read, type SimOptions } from './sim.js';
import { AppFiles } from './sim_apps.js';
import type * as Report from './sim_report.js';
import { quoted } from './shell_words.js';
import { signalCode } from './signals.js';
import { computeAll } from './sim_workers.js';
import { emit } from './sweep_emit.js';
import { parseAxis, parseSeeds, parseShard, pointsOf, shardOf, type Axis, type Point } from './sweep_points.js';
import { SweepFolder } from './sweep_folder.js';
import { groupsOf, statistics } from './sweep_summary.js';
import { metricColumn, parameterColumn, rowOf, type Row } from './sweep_rows.js';

export interface SweepOptions extends SimOptions {
  sweep?: string[];
  seeds?: string;
  jobs?: string;
  shard?: string;
  merge?: string[];
  emit?: string;
  shards?: string;
  image?: string;
}

/** Are these options those of a sweep? */
export const isSweep = (o: SweepOptions): boolean => o.sweep !== undefined || o.seeds !== undefined;

/** A sweep, understood and checked. */
export interface Sweep {
  file: string;
  text: string;
  /** What holds for all runs: `--set`. */
  fixed: Record<string, unknown>;
  axes: Axis[];
  points: Point[];
  /** Figures that are worth a line: those with expectations. */
  figures: string[];
  /** Files beside the scenario: its topology, and applications; some are JavaScript, which keeps state from run to run. */
  files: string[];
  stateful: boolean;
  /** SHA-256 of the scenario as read, and of those files. */
  hash: string;
}

/** Throws CliError, and ConfigError for what no run could be started with. */
export function readSweep(file: string, options: SweepOptions): Sweep {
  if (options.seed !== undefined && options.seeds !== undefined) throw new CliError('--seed and --seeds both say which seeds', 'give one of them');
  const text = read(file), fixed = overrides({ set: options.set }), axes = (options.sweep ?? []).map(parseAxis), loader = new AppFiles(file);
  const scenario = parseScenario(text, file, fixed, loader), files = [...(scenario.topology ? [scenario.topology.file] : []), ...scenario.apps.flatMap((a) => appFile(a)?.file ?? [])];
  // Each value once, so that a mistake is told before anything runs.
  for (const a of axes) for (const v of a.values) parseScenario(text, file, { ...fixed, ...Object.fromEntries(axes.map((b) => [b.name, b.values[0]])), [a.name]: v }, loader);
  const points = pointsOf(axes, parseSeeds(options.seeds ?? options.seed ?? String(scenario.seed))), hash = createHash('sha256').update(JSON.stringify({ ...scenario, seed: 0, description: '' }));
  for (const f of files) hash.update(readFileSync(resolve(dirname(file), f)));
  return { file, text, fixed, axes, points, files, stateful: scenario.apps.some((a) => a.type === 'module'), figures: scenario.expect.map((e) => e.metric), hash: hash.digest('hex') };
}

/** The command that repeats a run. */
export function commandOf(s: Sweep, p: Point): string {
  const set = Object.entries({ ...s.fixed, ...p.parameters }).map(([k, v]) => `--set ${quoted(`${k}=${String(v)}`)}`);
  return ['nuse sim', quoted(s.file), ...set, `--seed ${p.seed}`].join(' ');
}

export async function sweep(file: string, options: SweepOptions): Promise<number> {
  const s = readSweep(file, options);
  if (options.emit !== undefined) {
    process.stdout.write(emit(s, options));
    return 0;
  }
  const shard = options.shard === undefined ? undefined : parseShard(options.shard), threads = threadsOf(options.jobs);
  if ((shard || options.merge) && options.out === undefined) throw new CliError('shards and what is merged of them need a folder', 'give --out FOLDER');
  const path = options.out ?? mkdtempSync(join(tmpdir(), 'nuse-sweep-'));
  try {
    const core = readFileSync(CORE_WASM), build = createHash('sha256').update(core).update(readFileSync(entry('sim_worker'))).digest('hex');
    const parameters = s.axes.map((a) => a.name), folder = new SweepFolder(path, { scenario: s.hash, build, parameters });
    for (const other of options.merge ?? []) folder.merge(other);
    const wanted = shard ? shardOf(s.points, shard) : s.points, missing = wanted.filter((p) => !folder.has(p));
    if (options.merge && missing.length)
      throw new CliError(`${missing.length} of ${wanted.length} runs are missing in what is merged`, 'run the shards again that did not end, or give --out without --merge to compute the rest here');
    const start = process.hrtime.bigint();
    await compute(s, missing, threads, core, folder, () => {
      if (options.out === undefined) rmSync(path, { recursive: true });
      else process.stderr.write(`nuse: interrupted; what was done is in ${path}: the same command goes on from there\n`);
    });
    const wall = Number(process.hrtime.bigint() - start) / 1e9, rows = folder.finish();
    if (options.out !== undefined) folder.report((await load<typeof Report>('sim_report')).sweepReport(file, rows, parameters, s.figures));
    process.stdout.write(options.json ? `${JSON.stringify(rows)}\n` : report(s, rows, `${missing.length} of ${wanted.length} runs in ${wall.toFixed(1)} s on ${threads} threads`));
    return shard || rows.every((r) => r.met) ? 0 : 1;
  } finally {
    if (options.out === undefined) rmSync(path, { recursive: true });
  }
}

function threadsOf(jobs: string | undefined): number {
  const n = jobs === undefined ? availableParallelism() : Number(jobs);
  if (!Number.isInteger(n) || n < 1 || n > 1024) throw new CliError(`\`-j ${jobs}\` is no number of threads`, 'write 1 to 1024');
  return n;
}

/** `interrupted`: a signal ends the process after this. */
async function compute(s: Sweep, points: readonly Point[], threads: number, core: Uint8Array<ArrayBuffer>, folder: SweepFolder, interrupted: () => void): Promise<void> {
  // Draws on a terminal only.
  const bar = new SingleBar({ format: '{bar} {value}/{total} runs, {duration_formatted}, {eta_formatted} left', stream: process.stderr, hideCursor: true, clearOnComplete: true });
  bar.start(points.length, 0);
  const stop = (signal: 'SIGINT' | 'SIGTERM'): never => {
    bar.stop();
    interrupted();
    process.exit(signalCode(signal));
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    const tasks = points.map((p) => ({ ...s.fixed, ...p.parameters, seed: p.seed }));
    await computeAll(tasks, threads, { text: s.text, file: s.file, module: new WebAssembly.Module(core), fresh: s.stateful }, (i, outcome) => {
      folder.add(points[i], rowOf(points[i], outcome, commandOf(s, points[i])));
      bar.increment();
    });
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    bar.stop();
  }
}

/** Figures by parameters, for people. */
function report(s: Sweep, rows: readonly Row[], what: string): string {
  const names = s.axes.map((a) => a.name), lines = [`${s.file}: ${what}`], errors = rows.filter((r) => r.error !== null), good = rows.filter((r) => r.error === null);
  const figures = s.figures.length ? s.figures : [...new Set(good.flatMap((r) => Object.keys(r)))].filter((k) => /^metric_.*goodput$/.test(k)).map((k) => k.slice('metric_'.length));
  for (const group of groupsOf(good, names)) {
    lines.push(`  ${names.map((n) => `${n}=${String(group[0][parameterColumn(n)])}`).join(' ') || 'all seeds'}`);
    for (const f of new Set(figures)) {
      const values = group.map((r) => r[metricColumn(f)]).filter((v) => typeof v === 'number');
      if (!values.length) continue;
      const { n, mean, sd, ci95_high } = statistics(values);
      lines.push(`    ${f.padEnd(28)} ${figure(f, mean)}${sd === null ? '' : ` ± ${figure(f, ci95_high! - mean)} (95 %), sd ${figure(f, sd)}`}, ${n} runs`);
    }
  }
  for (const r of errors) lines.push(`  error: ${r.error!}\n    ${r.command}`);
  const unmet = good.filter((r) => !r.met);
  if (unmet.length) lines.push(`${unmet.length} of ${rows.length} runs were not as expected, the first: ${unmet[0].command}`);
  return `${lines.join('\n')}\n`;
}
