// One part of a split run, and what its thread answers to the one that leads them all.
import type { AppCount } from './apps.js';
import { Outlet, takeIn } from './crossing.js';
import type { Outcome } from './result.js';
import { ScenarioRun } from './run.js';
import type { Scenario } from './scenario.js';

export interface PartSetup {
  scenario: Scenario;
  module: WebAssembly.Module;
  /** The programs of `wasi` applications, by their files. */
  programs: ReadonlyMap<string, WebAssembly.Module>;
  /** The part of each node, and which one this is. */
  of: ReadonlyMap<string, number>;
  part: number;
}

/** Frames for other parts, by their numbers; a part that gets none is not there. */
export type Messages = Map<number, Uint8Array<ArrayBuffer>>;

export interface Step {
  /** When something is due here next, ns. */
  next: number;
  leaving: Messages;
}

/** What a part has counted, and what only all parts together can tell. */
export interface PartOutcome extends Outcome {
  /** By the number of the application. */
  apart: Map<number, AppCount>;
  /** Who wrote the lines of the log. */
  authors: number[];
}

/** A part, wherever it runs. Its methods reject with what the run throws. */
export interface PartLink {
  /** Take in frames from other parts, then run all that comes before `until`, ns. */
  step(until: number, arriving: Uint8Array<ArrayBuffer>[]): Promise<Step>;
  outcome(): Promise<PartOutcome>;
  end(): Promise<void>;
}

export class Part implements PartLink {
  private readonly links: string[];

  private constructor(readonly run: ScenarioRun, private readonly outlets: ReadonlyMap<number, Outlet>) {
    this.links = run.plan.links.map((l) => l.name);
  }

  static async create({ scenario, module, programs, of, part }: PartSetup): Promise<Part> {
    const outlets = new Map<number, Outlet>();
    const leaving = (link: number, direction: number, node: string): ReturnType<Outlet['arrivals']> => {
      const to = of.get(node)!;
      if (!outlets.has(to)) outlets.set(to, new Outlet());
      return outlets.get(to)!.arrivals(link, direction);
    };
    return new Part(await ScenarioRun.create(scenario, { module, loader: { wasi: (file) => Promise.resolve(programs.get(file)!) }, part: { has: (n) => of.get(n) === part, leaving } }), outlets);
  }

  step(until: number, arriving: Uint8Array<ArrayBuffer>[]): Promise<Step> {
    const { run, links } = this;
    for (const m of arriving) takeIn(m, (link, direction) => run.media.get(links[link])!.inlets[direction]);
    // Times are whole nanoseconds.
    if (until > 0) run.advance(until - 1);
    const messages: Messages = new Map();
    for (const [to, outlet] of this.outlets) {
      const m = outlet.take();
      if (m.length) messages.set(to, m);
    }
    return Promise.resolve({ next: run.sim.nextTime, leaving: messages });
  }

  outcome(): Promise<PartOutcome> {
    const { run } = this;
    return Promise.resolve({ ...run.outcome(), apart: new Map([...run.apart].map(([i, app]) => [i, app.counted()])), authors: run.authors });
  }
  end(): Promise<void> { return Promise.resolve(); }
}
