// Debugging options of `nuse sim`: records of nodes, also of those that trap.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { LiveRun } from '../sim/divergence.js';
import { CoreTrap, type Core, type CoreOptions } from '../core.js';
import { LeakCheck } from '../debug/leak_check.js';
import { asCoreTrap } from '../stack.js';
import { NodeRecords } from '../sim/recording.js';
import type { RunOptions, ScenarioRun } from '../sim/run.js';
import { Breakpoints } from './breakpoints.js';
import { FrameLog } from './compare.js';
import { CoreFile } from './cores.js';
import { CoverageReport } from './coverage.js';
import type { SimDebugOptions } from './debug_options.js';
import { CliError } from './fail.js';
import { RecordOut } from './record_out.js';
import { Watchdog } from './watchdog.js';

/** `NODE=FILE` of each --record. */
function recordsOf(options: SimDebugOptions): Map<string, string> {
  const paths = new Set<string>();
  return new Map((options.record ?? []).map((text) => {
    const at = text.indexOf('=');
    if (at < 1 || at === text.length - 1) throw new CliError(`\`--record ${text}\` names no node and file`, 'write for example --record b=b.rec');
    const path = resolve(text.slice(at + 1));
    if (paths.has(path)) throw new CliError(`two nodes would be recorded in ${text.slice(at + 1)}`, 'give each a file of its own');
    paths.add(path);
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
  private readonly breakpoints?: Breakpoints;
  /** Nodes that run the core with the breakpoints. */
  private readonly debugged: readonly string[];
  private readonly wanted: Map<string, string>;
  private readonly records: NodeRecords;
  private readonly checks = new Map<string, LeakCheck>();
  private readonly traps = new Map<string, { time: number; error: Error }>();

  /** `text`: what the record files say about themselves. Throws CliError. */
  constructor(private readonly options: SimDebugOptions, private readonly text: string, nodes: readonly string[]) {
    this.coverage = options.coverage === undefined ? undefined : new CoverageReport(options.coverage);
    this.core = this.coverage?.core ?? (options.sanitizer && options.core === undefined ? CoreFile.build('sanitizer') : CoreFile.named(options.core));
    this.wanted = recordsOf(options);
    for (const node of this.wanted.keys()) named(nodes, node);
    this.debugged = (options.breakNode ?? []).map((n) => named(nodes, n));
    this.breakpoints = Breakpoints.of(options);
    if (this.breakpoints && !this.debugged.length) throw new CliError('no node to stop in', `add --break-node NODE: ${choice(nodes)}`);
    this.records = this.recorder(this.wanted);
    this.runOptions = {
      module: this.core.module, moduleOf: (node) => this.moduleOf(node), layer: (core, own, node) => this.layer(core, own, node), stopOnTrap: options.stopOnTrap,
      ontrap: (node, error) => {
        this.traps.set(node.name, { time: node.sim.now, error });
        this.records.trapped(node.name, this.coreOf(node.name).explain(error));
      },
    };
  }

  private layer(bare: Core, own: CoreOptions, node: string): Core {
    const core = this.records.layer(bare, own, node);
    if (!this.options.sanitizer) return core;
    const check = new LeakCheck(core);
    this.checks.set(node, check);
    return check.core;
  }
  private moduleOf(node: string): WebAssembly.Module | undefined { return this.debugged.includes(node) ? this.breakpoints?.module(node, `node ${node}`) : undefined; }
  private coreOf(node: string): CoreFile { return this.breakpoints && this.debugged.includes(node) ? this.breakpoints.core : this.core; }

  /** Run to the end. */
  async finish(run: ScenarioRun): Promise<void> {
    if (this.breakpoints) this.breakpoints.now = () => run.sim.now;
    // Under a debugger, events take as long as people think.
    const dog = this.breakpoints ? undefined : new Watchdog(run);
    if (this.options.frameLog === undefined) await run.finishAsync();
    else await new FrameLog(this.options.frameLog, new LiveRun(run)).finish();
    await dog?.end();
  }

  /** `make`: undefined when the run cannot be repeated. The run is over: records are closed, traps told on stderr, each with its record. False when a node has trapped or leaks. */
  async end(run: ScenarioRun, make: RunMaker | undefined): Promise<boolean> {
    const clean = this.retire(run);
    this.records.close();
    this.breakpoints?.end();
    if (this.coverage) await reportCoverage(this.coverage, run);
    const files = new Map(this.wanted), missing = [...this.traps.keys()].filter((n) => !files.has(n));
    if (make && missing.length) for (const [node, file] of await this.recordAgain(make, missing)) files.set(node, file);
    for (const [node, { time, error }] of this.traps) {
      const core = this.coreOf(node), option = core.found ? '' : ` --core ${short(core.path)}`, path = files.get(node);
      const told = path === undefined ? `to have its record next time: --record ${node}=FILE` : `its record: nuse replay ${short(path)}${option}`;
      process.stderr.write(`nuse: node ${node} has trapped at ${(time / 1e9).toFixed(9)} s: ${core.explain(error)}; ${told}\n`);
    }
    return clean && this.traps.size === 0;
  }

  /** Close every node that lives, and say on stderr what is left in it or what its sanitizer finds; whether all are clean. */
  private retire(run: ScenarioRun): boolean {
    let clean = true;
    for (const [name, check] of this.checks) {
      const node = run.nodes.get(name)!;
      if (node.trap) continue;
      node.stamp();
      const fault = faultOf(check, this.coreOf(name));
      if (fault === undefined) continue;
      clean = false;
      process.stderr.write(`nuse: node ${name}, closed at the end: ${fault}\n`);
    }
    return clean;
  }

  /** A run depends on its scenario alone, so the record of a node that has trapped is made by running once more, up to there. */
  private async recordAgain(make: RunMaker, nodes: readonly string[]): Promise<Map<string, string>> {
    const folder = mkdtempSync(join(tmpdir(), 'nuse-trap-')), files = new Map(nodes.map((n) => [n, join(folder, `${n}.rec`)]));
    const records = this.recorder(files), left = new Set(nodes);
    const run = await make({
      ...this.runOptions, moduleOf: (node) => this.coreOf(node).module, layer: records.layer, stopOnTrap: false, ontrap: (node, error) => {
        records.trapped(node.name, this.coreOf(node.name).explain(error));
        left.delete(node.name);
        if (!left.size) node.sim.stop();
      },
    });
    await run.finishAsync();
    records.close();
    if (left.size) throw new CliError(`node ${[...left].join(', ')} has trapped, but not when the run was repeated`, 'an application of the scenario depends on more than its seed: record with --record');
    return files;
  }
  private recorder(files: ReadonlyMap<string, string>): NodeRecords {
    return new NodeRecords((node) => {
      const path = files.get(node);
      return path === undefined ? undefined : new RecordOut(path);
    }, { identity: (node) => this.coreOf(node).identity, text: this.text });
  }
}

/** What is wrong with a core that is closed; undefined when nothing is. */
function faultOf(check: LeakCheck, core: CoreFile): string | undefined {
  try {
    const left = check.retire();
    return left.length ? `left in its pools: ${left.join('; ')}` : undefined;
  } catch (e) {
    const trap = asCoreTrap(e);
    if (!(trap instanceof CoreTrap)) throw e;
    return core.explain(trap);
  }
}

async function reportCoverage(report: CoverageReport, run: ScenarioRun): Promise<void> {
  for (const node of run.nodes.values()) report.add(node.core);
  process.stderr.write(`${await report.write()}\n`);
}

/** The node of this name or number. Throws CliError. */
function named(nodes: readonly string[], name: string): string {
  const node = /^\d+$/.test(name) ? nodes[Number(name) - 1] : nodes.find((n) => n === name);
  if (node === undefined) throw new CliError(`there is no node \`${name}\``, choice(nodes));
  return node;
}
const choice = (nodes: readonly string[]): string => `use one of ${nodes.slice(0, 20).join(', ')}${nodes.length > 20 ? ` ... (${nodes.length})` : ''}`;
