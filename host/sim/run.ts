// A scenario, run: nodes, media, applications and changes put together, and what came of it.
//
//   const run = await ScenarioRun.create(parseScenario(text, 'a.yaml'), { module });
//   run.finish();
//   run.result().hash
import { ConfigError } from '../config/errors.js';
import type { App, AppNode, AppOutput, Metrics, SeparableApp } from './apps.js';
import type { Arrivals } from './channel.js';
import { Elsewhere } from './elsewhere.js';
import { makeApp, type AppLoader } from './make_app.js';
import { Medium, type End } from './medium.js';
import { appNodes, nodeNames, tapDevice } from './names.js';
import { OutsideEnd } from './outside.js';
import { SimNode, type NodeOptions } from './node.js';
import { planNetwork, type Plan } from './plan.js';
import { conclude, type LogEntry, type Outcome, type RunResult } from './result.js';
export type { Expectation, LogEntry, RunResult } from './result.js';
import type { AppSpec, ChangeSpec, LinkSpec, Mistake, Scenario } from './scenario.js';
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
  /** Where the programs of `wasi` and `module` applications come from. */
  loader?: AppLoader;
  /** Whoever runs it does so by the clock and serves `outside`; else a link to a device is a mistake. */
  realtime?: boolean;
  /** Only this part of the network is run here. */
  part?: RunPart;
}

/** A part of a split run, and the way to the others. */
export interface RunPart {
  has(node: string): boolean;
  /** Where the frames go that leave this part by a direction (0: from the first end to the second) of a link, by its number. */
  leaving(link: number, direction: number, node: string): Arrivals;
}

/** Who looks on: between events, so that a run is the same without. */
export interface RunObserver {
  /** When to look, ns; later after each look(). */
  readonly nextLook: number;
  look(): void;
  /** There is a new line in the log. */
  noted(entry: LogEntry): void;
}

export class ScenarioRun {
  /** Those that run here: all of them, unless the run is split. */
  readonly nodes = new Map<string, SimNode>();
  readonly media = new Map<string, Medium>();
  /** Ends of links outside of the simulation, by device. */
  readonly outside = new Map<string, OutsideEnd>();
  readonly apps: App[] = [];
  readonly log: LogEntry[] = [];
  observer?: RunObserver;
  private readonly director: Entity;
  /** A trap has ended it. */
  private over = false;
  /** Nodes of other parts; who wrote the lines of the log. */
  private readonly elsewhere = new Map<string, AppNode>();
  readonly authors: number[] = [];
  /** Applications that have one end here, by their number. */
  readonly apart = new Map<number, SeparableApp>();
  /** Events of the schedule, which is followed in every part. */
  private directed = 0;

  private constructor(readonly scenario: Scenario, readonly sim: Simulation, readonly plan: Plan, private readonly options: RunOptions) {
    // Its changes come before all else that happens at the same time.
    this.director = { id: sim.register(), name: 'the schedule' };
  }

  /** Everything in place at time 0. Throws ConfigError, and what a core refuses. */
  static async create(scenario: Scenario, options: RunOptions): Promise<ScenarioRun> {
    const mistakes: Mistake[] = [], plan = planNetwork(scenario);
    if (!options.realtime) for (const [i, l] of plan.links.entries()) if (l.outside) mistakes.push({ path: ['links', i], message: `it leads to \`tap:${l.outside.device}\`, where time is real: run it with --realtime` });
    if (mistakes.length) throw new ConfigError(mistakes.map((m) => ({ file: 'scenario', line: 0, key: m.path.join('.'), message: m.message, remedy: 'see docs/simulator.md' })));
    const run = new ScenarioRun(scenario, new Simulation(scenario.seed), plan, options);
    await run.build();
    return run;
  }

  private async build(): Promise<void> {
    const { scenario, plan, sim, options } = this;
    const vifs = new Map<string, SimVif[]>();
    for (const name of nodeNames(scenario)) {
      if (this.options.part?.has(name) === false) {
        this.elsewhere.set(name, new Elsewhere(sim, name));
        continue;
      }
      const planned = plan.nodes.get(name)!;
      const own = planned.ports.map((p) => new SimVif({ name: p.name, mac: p.mac, mtu: scenario.links[p.link].mtu }));
      vifs.set(name, own);
      this.nodes.set(name, await SimNode.create(sim, {
        module: options.moduleOf?.(name) ?? options.module, name, config: planned.config, vifs: own, layer: options.layer, ontrap: (node, error) => this.trapped(node, error),
      }));
    }
    for (const [i, spec] of scenario.links.entries()) this.connect(spec, i, vifs);
    for (const [i, spec] of scenario.apps.entries()) await this.place(spec, i);
    for (const app of this.apps) app.start();
    for (const change of scenario.schedule) {
      sim.at(this.director, change.at, () => {
        this.directed++;
        this.change(change);
      });
    }
  }

  private node(name: string): AppNode { return this.nodes.get(name) ?? this.elsewhere.get(name)!; }

  /** An application that has an end here. */
  private async place(spec: AppSpec, index: number): Promise<void> {
    const here = appNodes(spec).map(([, node]) => this.nodes.has(node));
    if (!here.includes(true)) return;
    const app = await makeApp(spec, index, { node: (name) => this.node(name), own: this.nodes, plan: this.plan, loader: this.options.loader ?? {} });
    this.apps.push(app);
    if (here.includes(false)) this.apart.set(index, app as SeparableApp);
  }

  private connect(spec: LinkSpec, index: number, vifs: ReadonlyMap<string, SimVif[]>): void {
    const ends = this.plan.links[index].nodes.map((name) => {
      const device = tapDevice(name);
      if (device !== undefined) return this.outsideEnd(name, device);
      const slot = this.plan.nodes.get(name)!.ports.findIndex((p) => p.link === index);
      return { name, vif: vifs.get(name)?.[slot], entity: this.node(name) };
    });
    if (ends.every((e) => !e.vif)) {
      // Its switch has a number here, too.
      if (!spec.between) this.sim.register();
      return;
    }
    const medium = Medium.of(this.sim, spec, index, ends, (direction) => this.options.part!.leaving(index, direction, ends[1 - direction].name));
    this.media.set(medium.name, medium);
  }

  private outsideEnd(name: string, device: string): End {
    const end = new OutsideEnd(this.sim, name);
    this.outside.set(device, end);
    return { name, vif: end, entity: end };
  }

  private trapped(node: SimNode, error: Error): void {
    this.note(`node ${node.name} has trapped: ${error.message}`, node);
    this.options.ontrap?.(node, error);
    if (!this.options.stopOnTrap) return;
    this.over = true;
    this.sim.stop();
  }
  private note(what: string, author: Entity = this.director): void {
    const entry = { time: this.sim.now, what };
    this.log.push(entry);
    this.authors.push(author.id);
    this.observer?.noted(entry);
  }

  /** One entry of the schedule, now. */
  change(c: ChangeSpec): void {
    const chosen = [...this.media.values()].filter((m) => c.link === undefined || m.name === c.link);
    if (c.set) for (const m of chosen) m.set(c.set, c.reverse);
    if (c.partition) this.partition(c.partition);
    if (c.heal) for (const m of this.media.values()) m.divide(undefined);
    for (const [station, cell] of Object.entries(c.associate ?? {})) for (const m of chosen) m.associate(station, cell);
    this.note(JSON.stringify({ ...c, at: undefined }));
  }
  /** Nodes of different groups do not reach each other over one link; a node in no group reaches all. */
  private partition(groups: readonly (readonly string[])[]): void {
    const group = new Map(groups.flatMap((names, i) => names.map((n) => [n, i])));
    const together = (a: string, b: string): boolean => !group.has(a) || !group.has(b) || group.get(a) === group.get(b);
    for (const m of this.media.values()) m.divide(together);
  }

  /** Run on until this time, ns, at most to the end of the scenario. Throws SpinError and what applications throw. */
  advance(until: number): void {
    const waits = this.apps.find((a) => a.settles);
    if (waits) throw new Error(`application ${waits.name} uses promises: this scenario is run by advanceAsync and finishAsync`);
    for (const stop of this.stops(until)) this.sim.run(stop);
  }
  /** Run the next event; false when there is none before the end, which then is the time. Throws as advance() does. */
  async step(): Promise<boolean> {
    const more = !this.over && this.sim.nextTime <= this.scenario.duration, leave = this.sim.singleStep();
    try {
      await this.finishAsync();
    } finally {
      leave();
    }
    return more;
  }
  /** Run to the end. */
  finish(): void { this.advance(this.scenario.duration); }
  /** As advance, also with applications that use promises: what they await happens in virtual time. */
  async advanceAsync(until: number): Promise<void> {
    const { settle } = this.options.loader ?? {};
    if (!settle || !this.apps.some((a) => a.settles)) this.advance(until);
    else {
      await settle(this.sim, async (drain) => {
        for (const stop of this.stops(until)) await this.sim.runAsync(stop, drain);
      });
    }
  }
  /** Times to run to one after the other: where somebody looks on, and the end. */
  private* stops(until: number): Generator<number> {
    if (this.over) return;
    const { sim, observer: o } = this, end = Math.min(until, this.scenario.duration);
    while (o && o.nextLook <= end) {
      yield o.nextLook;
      if (sim.now < o.nextLook) return;
      o.look();
    }
    yield end;
  }
  /** Run to the end, as advanceAsync. */
  async finishAsync(): Promise<void> { await this.advanceAsync(this.scenario.duration); }

  /** Figures by name: `APP.goodput`, `LINK.queue.p95`, `LINK.reverse.lost` ... Of a part: what is counted in it alone. */
  metrics(): Metrics {
    const out: Metrics = {};
    const apart = new Set<App>(this.apart.values());
    for (const app of this.apps) if (!apart.has(app)) for (const [k, v] of Object.entries(app.metrics(this.sim.now))) out[`${app.name}.${k}`] = v;
    for (const m of this.media.values()) {
      for (const [label, list] of [['', m.forward], ['.reverse', m.reverse]] as const) {
        if (!list[0].here) continue;
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

  /** What has been counted here. */
  outcome(): Outcome {
    const nodes = Object.fromEntries([...this.nodes].map(([name, n]) => [name, n.digest]));
    const output = Object.fromEntries(this.apps.flatMap((a) => (a.output ? [[a.name, a.output]] : [] as [string, AppOutput][])));
    return { duration: this.sim.now, events: this.sim.events - this.directed, nodes, metrics: this.metrics(), output, log: this.log };
  }
  result(): RunResult { return conclude(this.scenario, this.outcome()); }
}
