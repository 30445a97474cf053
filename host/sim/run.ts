// A scenario, run: nodes, media, applications and changes put together, and what came of it.
//
//   const run = await ScenarioRun.create(parseScenario(text, 'a.yaml'), { module });
//   run.finish();
//   run.result().hash
import { ConfigError } from '../config/errors.js';
import { Murmur3 } from '../debug/murmur3.js';
import { Bulk, Datagrams, type App, type Ends, type Metrics } from './apps.js';
import { Medium } from './medium.js';
import { appName, nodeNames } from './names.js';
import { SimNode, type NodeOptions } from './node.js';
import { planNetwork, type Plan } from './plan.js';
import type { ChangeSpec, Mistake, Scenario } from './scenario.js';
import { Simulation, type Entity } from './simulation.js';
import { SimVif } from './vif.js';

export interface RunOptions {
  /** The core's module. */
  module: WebAssembly.Module;
  /** A module of its own for a node: the one to debug. */
  moduleOf?: (node: string) => WebAssembly.Module | undefined;
  /** As in NodeOptions. */
  layer?: NodeOptions['layer'];
  ontrap?: NodeOptions['ontrap'];
  /** The first node that traps ends the run. */
  stopOnTrap?: boolean;
}

/** One line of the event log. */
export interface LogEntry {
  /** ns of the run. */
  time: number;
  what: string;
}
/** One line of a time series. */
export interface Sample {
  /** ns of the run. */
  time: number;
  /** Application or link. */
  of: string;
  values: Metrics;
}

export interface Expectation {
  metric: string;
  value: number | undefined;
  min?: number;
  max?: number;
  met: boolean;
}

export interface RunResult {
  seed: number;
  /** ns. */
  duration: number;
  events: number;
  /** Hash of all nodes' frames with their times, and of the figures. */
  hash: string;
  nodes: Record<string, string>;
  metrics: Metrics;
  expectations: Expectation[];
  log: LogEntry[];
}

const FIRST_PORT = 5001;

export class ScenarioRun {
  readonly nodes = new Map<string, SimNode>();
  readonly media = new Map<string, Medium>();
  readonly apps: App[] = [];
  readonly log: LogEntry[] = [];
  readonly samples: Sample[] = [];
  private readonly director: Entity;
  /** A trap has ended it. */
  private over = false;

  private constructor(readonly scenario: Scenario, readonly sim: Simulation, readonly plan: Plan, private readonly options: RunOptions) {
    // Its changes come before all else that happens at the same time.
    this.director = { id: sim.register(), name: 'the schedule' };
  }

  /** Everything in place at time 0. Throws ConfigError, and what a core refuses. */
  static async create(scenario: Scenario, options: RunOptions): Promise<ScenarioRun> {
    const mistakes: Mistake[] = [], plan = planNetwork(scenario, mistakes);
    if (mistakes.length) throw new ConfigError(mistakes.map((m) => ({ file: 'scenario', line: 0, key: m.path.join('.'), message: m.message, remedy: 'see docs/simulator.md' })));
    const run = new ScenarioRun(scenario, new Simulation(scenario.seed), plan, options);
    await run.build();
    return run;
  }

  private async build(): Promise<void> {
    const { scenario, plan, sim, options } = this;
    const vifs = new Map<string, SimVif[]>();
    for (const name of nodeNames(scenario)) {
      const planned = plan.nodes.get(name)!;
      const own = planned.ports.map((p) => new SimVif({ name: p.name, mac: p.mac, mtu: scenario.links[p.link].mtu }));
      vifs.set(name, own);
      this.nodes.set(name, await SimNode.create(sim, {
        module: options.moduleOf?.(name) ?? options.module, name, config: planned.config, vifs: own, layer: options.layer, ontrap: (node, error) => this.trapped(node, error),
      }));
    }
    for (const [i, spec] of scenario.links.entries()) {
      const ends = plan.links[i].nodes.map((name) => {
        const slot = plan.nodes.get(name)!.ports.findIndex((p) => p.link === i);
        return { name, vif: vifs.get(name)![slot], entity: this.nodes.get(name)! };
      });
      const medium = Medium.of(sim, spec, i, ends);
      this.media.set(medium.name, medium);
    }
    scenario.apps.forEach((spec, i) => {
      const name = appName(spec, i), ends = this.ends(spec, i);
      const app = spec.type === 'bulk' ? new Bulk(name, spec, ends) : new Datagrams(name, spec, ends);
      this.apps.push(app);
      app.start();
    });
    for (const change of scenario.schedule) sim.at(this.director, change.at, () => this.change(change));
    if (scenario.sample !== undefined) this.sampleEvery(scenario.sample);
  }

  private ends(spec: Scenario['apps'][number], index: number): Ends {
    const to = this.plan.nodes.get(spec.to)!;
    const port = to.ports[0];
    return { from: this.nodes.get(spec.from)!, to: this.nodes.get(spec.to)!, address: spec.family === 4 ? port.ipv4 : port.ipv6, port: spec.port ?? FIRST_PORT + index };
  }

  private trapped(node: SimNode, error: Error): void {
    this.note(`node ${node.name} has trapped: ${error.message}`);
    this.options.ontrap?.(node, error);
    if (!this.options.stopOnTrap) return;
    this.over = true;
    this.sim.stop();
  }
  private note(what: string): void { this.log.push({ time: this.sim.now, what }); }

  /** One entry of the schedule, now. */
  change(c: ChangeSpec): void {
    const chosen = c.link === undefined ? [...this.media.values()] : [this.media.get(c.link)!];
    if (c.set) for (const m of chosen) m.set(c.set, c.reverse);
    if (c.partition) this.partition(c.partition);
    if (c.heal) for (const m of this.media.values()) m.divide(undefined);
    for (const [station, cell] of Object.entries(c.associate ?? {})) this.media.get(c.link!)!.associate(station, cell);
    this.note(JSON.stringify({ ...c, at: undefined }));
  }
  /** Nodes of different groups do not reach each other over one link; a node in no group reaches all. */
  private partition(groups: readonly (readonly string[])[]): void {
    const group = new Map(groups.flatMap((names, i) => names.map((n) => [n, i])));
    const together = (a: string, b: string): boolean => !group.has(a) || !group.has(b) || group.get(a) === group.get(b);
    for (const m of this.media.values()) m.divide(together);
  }

  private sampleEvery(period: number): void {
    const { sim } = this;
    for (const app of this.apps) {
      const values = app.sample?.();
      if (values) this.samples.push({ time: sim.now, of: app.name, values });
    }
    for (const m of this.media.values()) {
      const [first] = m.forward;
      this.samples.push({ time: sim.now, of: m.name, values: { packets: first.channel.queue.length, queued: first.channel.queue.bytes } });
    }
    sim.after(this.director, period, () => this.sampleEvery(period));
  }

  /** Run on until this time, ns, at most to the end of the scenario. Throws SpinError and what applications throw. */
  advance(until: number): void { if (!this.over) this.sim.run(Math.min(until, this.scenario.duration)); }
  /** Run the next event; false when there is none before the end, which then is the time. Throws as advance() does. */
  step(): Promise<boolean> {
    const more = !this.over && this.sim.nextTime <= this.scenario.duration, leave = this.sim.singleStep();
    try {
      this.finish();
    } finally {
      leave();
    }
    return Promise.resolve(more);
  }
  /** Run to the end. */
  finish(): void { this.advance(this.scenario.duration); }

  /** Figures by name: `APP.goodput`, `LINK.queue.p95`, `LINK.reverse.lost` ... */
  metrics(): Metrics {
    const out: Metrics = {};
    for (const app of this.apps) for (const [k, v] of Object.entries(app.metrics(this.sim.now))) out[`${app.name}.${k}`] = v;
    for (const m of this.media.values()) {
      for (const [label, list] of [['', m.forward], ['.reverse', m.reverse]] as const) {
        const sum = (of: (c: Medium['forward'][number]['channel']) => number): number => list.reduce((n, d) => n + of(d.channel), 0);
        const most = (of: (c: Medium['forward'][number]['channel']) => number): number => list.reduce((n, d) => Math.max(n, of(d.channel)), 0);
        Object.assign(out, Object.fromEntries(Object.entries({
          frames: sum((c) => c.stats.frames), bytes: sum((c) => c.stats.bytes), lost: sum((c) => c.stats.lost), down: sum((c) => c.stats.down),
          corrupted: sum((c) => c.stats.corrupted), duplicated: sum((c) => c.stats.duplicated), dropped: sum((c) => c.queue.dropped),
          'queue.mean': most((c) => c.waiting.mean) / 1e9, 'queue.p95': most((c) => c.waiting.percentile(0.95)) / 1e9, 'queue.max': most((c) => c.waiting.max) / 1e9,
        }).map(([k, v]) => [`${m.name}${label}.${k}`, v])));
      }
    }
    out['nodes.trapped'] = [...this.nodes.values()].filter((n) => n.trap).length;
    return out;
  }

  result(): RunResult {
    const metrics = this.metrics(), hash = new Murmur3(), utf8 = new TextEncoder();
    const nodes = Object.fromEntries([...this.nodes].map(([name, n]) => [name, n.digest]));
    hash.add(utf8.encode(JSON.stringify([this.scenario.seed, this.sim.now, this.sim.events, nodes, metrics])));
    const expectations = this.scenario.expect.map(({ metric, min, max }) => {
      const value = Object.hasOwn(metrics, metric) ? metrics[metric] : undefined;
      return { metric, value, min, max, met: value !== undefined && value >= (min ?? -Infinity) && value <= (max ?? Infinity) };
    });
    return { seed: this.scenario.seed, duration: this.sim.now, events: this.sim.events, hash: hash.hex, nodes, metrics, expectations, log: this.log };
  }
}
