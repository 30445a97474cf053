// Debugging options of `nuse sim`: records of nodes, also of those that trap.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Option, type Command } from 'commander';
import { LiveRun } from '../sim/divergence.js';
import { NodeRecords } from '../sim/recording.js';
import type { RunOptions, ScenarioRun } from '../sim/run.js';
import { FrameLog } from './compare.js';
import { CoreFile } from './cores.js';
import { CoverageReport } from './coverage.js';
import { CliError } from './fail.js';
import { RecordOut } from './record_out.js';

export interface SimDebugOptions {
  core?: string;
  record?: string[];
  stopOnTrap?: boolean;
  coverage?: string;
  compare?: string;
  frameLog?: string;
}

const list = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** Add the options to a command. */
export function simDebugOptions(command: Command): Command {
  return command
    .option('--core <wasm>', 'the core of every node, instead of the installed one')
    .addOption(new Option('--record <node=file>', 'record what enters a node, for nuse replay; repeatable').argParser(list))
    .option('--stop-on-trap', 'the first node whose core traps ends the run')
    .option('--compare <other>', 'the first event that differs in another run: a scenario, a log, core=FILE, or a field such as seed=2')
    .option('--frame-log <file>', 'every frame and log line of the run, for --compare')
    .option('--coverage <folder>', 'what the run reaches of the core\'s sources, as lcov and pages; on the coverage build');
}

/** `NODE=FILE` of each --record. */
function recordsOf(options: SimDebugOptions): Map<string, string> {
  return new Map((options.record ?? []).map((text) => {
    const at = text.indexOf('=');
    if (at < 1 || at === text.length - 1) throw new CliError(`\`--record ${text}\` names no node and file`, 'write for example --record b=b.rec');
    return [text.slice(0, at), text.slice(at + 1)];
  }));
}

/** Makes the run anew, with these options. */
export type RunMaker = (options: RunOptions) => Promise<ScenarioRun>;

/** A path as one would type it. */
const short = (path: string): string => {
  const r = relative('', path);
  return r && !r.startsWith('..') ? r : path;
};

export class SimDebug {
  readonly core: CoreFile;
  /** What ScenarioRun.create is to be given. */
  readonly runOptions: RunOptions;
  private readonly coverage?: CoverageReport;
  private readonly wanted: Map<string, string>;
  private readonly records: NodeRecords;
  private readonly traps = new Map<string, { time: number; error: Error }>();

  /** `text`: what the record files say about themselves. Throws CliError. */
  constructor(private readonly options: SimDebugOptions, private readonly text: string) {
    this.coverage = options.coverage === undefined ? undefined : new CoverageReport(options.coverage);
    this.core = this.coverage?.core ?? CoreFile.named(options.core);
    this.wanted = recordsOf(options);
    this.records = this.recorder(this.wanted);
    this.runOptions = {
      module: this.core.module, layer: this.wanted.size ? this.records.layer : undefined, stopOnTrap: options.stopOnTrap,
      ontrap: (node, error) => {
        this.traps.set(node.name, { time: node.sim.now, error });
        this.records.trapped(node.name, this.core.explain(error));
      },
    };
  }

  /** The run stands. Throws CliError when an option names a node that is none. */
  ready(run: ScenarioRun): void {
    for (const node of this.wanted.keys()) checkNode(run, node);
  }

  /** Run to the end. */
  finish(run: ScenarioRun): void {
    if (this.options.frameLog === undefined) run.finish();
    else new FrameLog(this.options.frameLog, new LiveRun(run)).finish();
  }

  /** The run is over: records are closed, traps told on stderr, each with its record. Whether a node has trapped. */
  async end(run: ScenarioRun, make: RunMaker): Promise<boolean> {
    this.records.close();
    if (this.coverage) await reportCoverage(this.coverage, run);
    const files = new Map(this.wanted), missing = [...this.traps.keys()].filter((n) => !files.has(n));
    if (missing.length) for (const [node, file] of await this.recordAgain(make, missing)) files.set(node, file);
    const core = this.core.found ? '' : ` --core ${short(this.core.path)}`;
    for (const [node, { time, error }] of this.traps)
      process.stderr.write(`nuse: node ${node} has trapped at ${(time / 1e9).toFixed(9)} s: ${this.core.explain(error)}; its record: nuse replay ${short(files.get(node)!)}${core}\n`);
    return this.traps.size > 0;
  }

  /** A run depends on its scenario alone, so the record of a node that has trapped is made by running once more, up to there. */
  private async recordAgain(make: RunMaker, nodes: readonly string[]): Promise<Map<string, string>> {
    const folder = mkdtempSync(join(tmpdir(), 'nuse-trap-')), files = new Map(nodes.map((n) => [n, join(folder, `${n}.rec`)]));
    const records = this.recorder(files), left = new Set(nodes);
    const run = await make({
      ...this.runOptions, layer: records.layer, stopOnTrap: false, ontrap: (node, error) => {
        records.trapped(node.name, this.core.explain(error));
        left.delete(node.name);
        if (!left.size) node.sim.stop();
      },
    });
    run.finish();
    records.close();
    if (left.size) throw new CliError(`node ${[...left].join(', ')} has trapped, but not when the run was repeated`, 'an application of the scenario depends on more than its seed: record with --record');
    return files;
  }
  private recorder(files: ReadonlyMap<string, string>): NodeRecords {
    return new NodeRecords((node) => {
      const path = files.get(node);
      return path === undefined ? undefined : new RecordOut(path);
    }, { identity: this.core.identity, text: this.text });
  }
}

async function reportCoverage(report: CoverageReport, run: ScenarioRun): Promise<void> {
  for (const node of run.nodes.values()) report.add(node.core);
  process.stderr.write(`${await report.write()}\n`);
}

function checkNode(run: ScenarioRun, name: string): void {
  if (run.nodes.has(name)) return;
  const names = [...run.nodes.keys()];
  throw new CliError(`there is no node \`${name}\``, `use one of ${names.slice(0, 20).join(', ')}${names.length > 20 ? ' ...' : ''}`);
}
