// Where two runs part: the first thing at a node, in order of time, that is in one of them and not in the other. A thing is a frame that
// a node sends or takes, or a line of the event log.
//
//   const d = await firstDivergence(new LiveRun(a), new LiveRun(b));
import { dissect } from '../debug/dissect.js';
import { Murmur3 } from '../debug/murmur3.js';
import type { ScenarioRun } from './run.js';

/** One thing that happens. */
export interface Happening {
  /** ns of the run. */
  time: number;
  /** Name of the node; of a line of the log: none. */
  node: string;
  link: string;
  /** sent, received or log. */
  what: 'sent' | 'received' | 'log';
  /** The frame in one line, or the line. */
  text: string;
  /** Of the frame's bytes. */
  sum: string;
}

/** What happens in a run, one thing after the other; undefined at its end. */
export interface Happenings {
  next(): Promise<Happening | undefined>;
}

export interface Divergence {
  /** How many things were the same before. */
  same: number;
  /** The last of them. */
  before?: Happening;
  /** What comes next in each; undefined: that run is over. */
  first?: Happening;
  second?: Happening;
}

function sumOf(bytes: Uint8Array): string {
  const h = new Murmur3();
  h.add(bytes);
  return h.hex;
}

/** A run that is made to go on, event by event, as its happenings are asked for. */
export class LiveRun implements Happenings {
  private readonly pending: Happening[] = [];
  private told = 0;

  /** `run` has not begun. */
  constructor(private readonly run: ScenarioRun) {
    for (const node of run.nodes.values()) {
      const links = run.plan.nodes.get(node.name)!.ports.map((p) => run.plan.links[p.link].name);
      const earlier = node.capture;
      node.capture = (slot, frame, sent) => {
        earlier?.(slot, frame, sent);
        this.pending.push({ time: run.sim.now, node: node.name, link: links[slot], what: sent ? 'sent' : 'received', text: dissect(frame), sum: sumOf(frame) });
      };
    }
  }

  async next(): Promise<Happening | undefined> {
    while (!this.pending.length && await this.run.step()) this.takeLog();
    return this.pending.shift();
  }
  private takeLog(): void {
    const { log } = this.run;
    for (; this.told < log.length; this.told++) this.pending.push({ time: log[this.told].time, node: '', link: '', what: 'log', text: log[this.told].what, sum: '' });
  }
}

const KEYS = ['time', 'node', 'link', 'what', 'sum', 'text'] as const;

/** The first difference; undefined when there is none. */
export async function firstDivergence(a: Happenings, b: Happenings): Promise<Divergence | undefined> {
  let before: Happening | undefined;
  for (let same = 0; ; same++) {
    const first = await a.next(), second = await b.next();
    if (!first && !second) return undefined;
    if (!first || !second || KEYS.some((k) => first[k] !== second[k])) return { same, before, first, second };
    before = first;
  }
}

/** A happening in one line. */
export function describeHappening(h: Happening | undefined): string {
  if (!h) return 'the run is over';
  const time = `${(h.time / 1e9).toFixed(9)} s`;
  return h.what === 'log' ? `${time}  ${h.text}` : `${time}  node ${h.node}, link ${h.link}, ${h.what}: ${h.text}`;
}
