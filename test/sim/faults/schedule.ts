// Fault schedules: from a seed a path, two programs that talk over it, and what befalls both. Two hosts, `a` and `b`, behind one router or
// two; all that goes wrong is over a while before the end of a run, so that whoever does not stall ends.
import { RandomStream } from '../../../host/sim/random.js';
import type { LinkSpec, Scenario, ScenarioInput, SettingsSpec } from '../../../host/sim/scenario.js';
import { scenarioOf } from '../../../host/sim/scenario_file.js';

/** One end of the connection: how its program writes and reads, and its options. */
export interface EndPlan {
  /** Bytes that it sends. */
  bytes: number;
  /** Bytes of one write and ms to the next; 0: all that there is room for, at once. */
  write: { bytes: number; pause: number };
  /** As above, of reads. */
  read: { bytes: number; pause: number };
  /** [level, name, value] as of setsockopt. */
  options: [number, number, number][];
}

/** What goes wrong, from `at` for `ms`, after the connection was established. */
export type Fault = { at: number; ms: number } & (
  /** Other parameters of a link, and for its other direction. */
  | { kind: 'link'; link: string; set: SettingsSpec; reverse: SettingsSpec; back: SettingsSpec; backReverse: SettingsSpec }
  /** The link is down. */
  | { kind: 'down'; link: string }
  /** The middle link's devices take packets of at most so many bytes; with `silent` no router's ICMP arrives. */
  | { kind: 'mtu'; bytes: number; silent: boolean }
  /** An end's program stops reading. */
  | { kind: 'deaf'; end: 0 | 1 }
  /** An end makes its receive buffer smaller; it stays so. */
  | { kind: 'rcvbuf'; end: 0 | 1; bytes: number });

export interface Schedule {
  seed: number;
  scenario: Scenario;
  family: 4 | 6;
  /** The client's, on `a`, and the server's, on `b`. */
  ends: [EndPlan, EndPlan];
  faults: Fault[];
  /** Since the connection was established, ms: all faults are over. */
  calm: number;
}

const SOL_SOCKET = 1, TCP = 6;
const SO_SNDBUF = 7, SO_RCVBUF = 8, SO_MAX_PACING_RATE = 47, TCP_NODELAY = 1, TCP_MAXSEG = 2, TCP_NOTSENT_LOWAT = 25;
/** Most bytes of a direction, and least ones. */
const MOST_BYTES = 600_000, LEAST_BYTES = 1000;
/** No program takes longer to write or read all than this, ms. */
const SLOW = 8000;
/** Longest blackout, ms; only one of a schedule is longer than this part of it. */
const BLACKOUT = 30_000, SHORT = 3000;

class Dice {
  private readonly stream: RandomStream;
  constructor(seed: number) { this.stream = new RandomStream(seed, 'fault schedule'); }
  chance(p: number): boolean { return this.stream.chance(p); }
  /** A whole number from `a` to `b`. */
  whole(a: number, b: number): number { return a + Math.floor(this.stream.uniform() * (b - a + 1)); }
  /** Between the two, each order of magnitude as likely; six digits, whatever the engine's functions give. */
  spread(a: number, b: number): number { return Number((a * (b / a) ** this.stream.uniform()).toPrecision(6)); }
  wide(a: number, b: number): number { return Math.round(this.spread(a, b)); }
  pick<T>(list: readonly T[]): T { return list[this.stream.below(list.length)]; }
}

type LinkInput = NonNullable<ScenarioInput['links']>[number];

/** Settings of TCP, as different as two machines' can be. */
function sysctls(d: Dice, silent: boolean): Record<string, string | number> {
  const s: Record<string, string | number> = { 'net.ipv4.tcp_congestion_control': d.pick(['cubic', 'reno', 'bbr', 'cubic', 'reno', 'bbr', 'dctcp']) };
  const sometimes = (name: string, p: number, value: number): void => { if (d.chance(p)) s[`net.ipv4.${name}`] = value; };
  sometimes('tcp_sack', 0.15, 0);
  sometimes('tcp_dsack', 0.1, 0);
  sometimes('tcp_timestamps', 0.15, 0);
  sometimes('tcp_window_scaling', 0.15, 0);
  sometimes('tcp_ecn', 0.3, d.whole(0, 1));
  sometimes('tcp_early_retrans', 0.1, 0);
  sometimes('tcp_recovery', 0.2, d.pick([0, 2, 4]));
  sometimes('tcp_slow_start_after_idle', 0.2, 0);
  sometimes('tcp_moderate_rcvbuf', 0.1, 0);
  sometimes('tcp_mtu_probing', 0.25, d.whole(1, 2));
  // Who hears of no narrow link has to find it.
  if (silent) s['net.ipv4.tcp_mtu_probing'] = d.whole(1, 2);
  return s;
}

function endPlan(d: Dice, bytes: number, incoming: number): EndPlan {
  const options: EndPlan['options'] = [];
  if (d.chance(0.4)) options.push([SOL_SOCKET, SO_RCVBUF, d.wide(1500, 200_000)]);
  if (d.chance(0.3)) options.push([SOL_SOCKET, SO_SNDBUF, d.wide(2500, 200_000)]);
  if (d.chance(0.3)) options.push([TCP, TCP_NODELAY, 1]);
  if (d.chance(0.15)) options.push([TCP, TCP_MAXSEG, d.wide(88, 1400)]);
  if (d.chance(0.1)) options.push([SOL_SOCKET, SO_MAX_PACING_RATE, d.wide(50_000, 5e6)]);
  if (d.chance(0.1)) options.push([TCP, TCP_NOTSENT_LOWAT, d.wide(1, 30_000)]);
  const inPieces = (p: number, total: number): EndPlan['write'] => {
    if (!d.chance(p)) return { bytes: 0, pause: 0 };
    const pause = d.wide(1, 800);
    return { bytes: Math.max(d.wide(1, 20_000), Math.ceil(total * pause / SLOW)), pause };
  };
  return { bytes, write: inPieces(0.35, bytes), read: inPieces(0.3, incoming), options };
}

/**
 * What may befall the frames of one direction. Only one link of the path turns bits over: two such in one segment may make up for each other in
 * its checksum, and nobody would see them.
 */
function mishaps(d: Dice, { name }: LinkSpec): SettingsSpec {
  const once = name === 'middle';
  switch (d.whole(0, 6)) {
    case 0: return { loss: d.spread(0.02, 0.6) };
    case 1: return { bursts: { toBad: d.spread(0.002, 0.1), toGood: d.spread(0.05, 0.5), lossBad: 1, lossGood: 0 } };
    case 2: return { reorder: { probability: d.spread(0.01, 0.6), delay: d.spread(0.5, 150) * 1e6 } };
    case 3: return { duplicate: d.spread(0.02, 0.8) };
    case 4: return { [once ? 'corrupt' : 'loss']: d.spread(0.01, 0.4) };
    case 5: return { jitter: d.spread(1, 200) * 1e6 };
    default: return { loss: d.spread(0.02, 0.3), reorder: { probability: 0.2, delay: d.spread(1, 50) * 1e6 }, duplicate: 0.1, ...(once ? { corrupt: 0.05 } : {}) };
  }
}
/** What takes the settings back to those of the link. */
function undo(set: SettingsSpec, link: LinkSpec): SettingsSpec {
  const out: Record<string, unknown> = {}, base: Record<string, unknown> = link;
  // A rule set to 0 is removed (host/sim/medium.ts).
  for (const name of Object.keys(set)) out[name] = base[name] ?? 0;
  return out;
}

function linkFault(d: Dice, links: readonly LinkSpec[], time: { at: number; ms: number }): Fault {
  const link = d.pick(links), nothing = {};
  const made = (set: SettingsSpec, reverse: SettingsSpec): Fault => ({ ...time, kind: 'link', link: link.name!, set, reverse, back: undo(set, link), backReverse: undo(reverse, link) });
  switch (d.whole(0, 7)) {
    // A spike of delay, in one direction or both.
    case 0: {
      const set = { delay: (link.delay ?? 0) + d.spread(20, 3000) * 1e6 };
      return d.chance(0.5) ? made(set, set) : d.chance(0.5) ? made(set, nothing) : made(nothing, set);
    }
    // Acknowledgments are lost: all or many.
    case 1: return made(nothing, { loss: d.chance(0.3) ? 1 : d.spread(0.1, 0.9) });
    case 2: {
      const rate = Math.ceil((link.rate ?? 1e9) / d.spread(2, 20));
      return made({ rate }, { rate });
    }
    case 3: return made(nothing, mishaps(d, link));
    case 4: return made(mishaps(d, link), nothing);
    default: return made(mishaps(d, link), mishaps(d, link));
  }
}

function faults(d: Dice, links: readonly LinkSpec[], span: number, family: 4 | 6, silent: boolean): Fault[] {
  const out: Fault[] = [], names = links.map((l) => l.name!), n = d.whole(1, 6);
  const soon = (): number => d.wide(1, span);
  for (let i = 0; i < n; i++) {
    const at = soon(), time = { at, ms: d.wide(20, Math.max(span, 200)) };
    switch (d.whole(0, 9)) {
      case 0: out.push({ at, ms: d.wide(50, 15_000), kind: 'deaf', end: d.pick([0, 1]) }); break;
      case 1: out.push({ at, ms: 0, kind: 'rcvbuf', end: d.pick([0, 1]), bytes: d.wide(1000, 20_000) }); break;
      case 2: out.push({ at, ms: d.wide(20, SHORT), kind: 'down', link: d.pick(names) }); break;
      case 3: {
        // A link that flaps.
        const link = d.pick(names), period = d.wide(40, 900), times = d.whole(2, 8);
        for (let k = 0; k < times; k++) out.push({ at: at + k * period, ms: Math.ceil(period * d.spread(0.1, 0.9)), kind: 'down', link });
        break;
      }
      default: out.push(linkFault(d, links, time));
    }
  }
  if (d.chance(0.25)) out.push({ at: soon(), ms: d.wide(SHORT, BLACKOUT), kind: 'down', link: d.pick(names) });
  if (silent || d.chance(0.25)) out.push({ at: soon(), ms: d.chance(0.3) ? d.wide(100, 5000) : Infinity, kind: 'mtu', bytes: family === 6 ? d.whole(1280, 1440) : d.whole(576, 1440), silent });
  return out.sort((x, y) => x.at - y.at);
}

/** The schedule of a seed. */
export function scheduleOf(seed: number): Schedule {
  const d = new Dice(seed), family = d.chance(0.35) ? 6 : 4, silent = family === 4 && d.chance(0.06);
  const rate = d.wide(300_000, 50e6), edge = d.pick([rate, 100e6, 1e9]), two = d.chance(0.4);
  const span = d.spread(200, 6000), whole = (share: number): number => Math.round(Math.min(Math.max(rate * span / 8000 * share, LEAST_BYTES), MOST_BYTES));
  const bytes: [number, number] = d.chance(0.4) ? [whole(0.5), whole(d.spread(0.05, 0.5))] : d.chance(0.5) ? [whole(1), 0] : [0, whole(1)];
  const queue = (): LinkInput['queue'] => d.pick([
    { type: 'droptail', limit: d.wide(4, 300) }, { type: 'droptail', limit: 100 }, { type: 'codel' }, { type: 'fq_codel' }, { type: 'red', limit: 300, min: 10, max: 60 },
  ]);
  const link = (name: string, between: [string, string], bits: number, delay: number): LinkInput =>
    ({ name, between, rate: `${bits}bit`, delay: `${Math.round(delay * 1000)}us`, queue: queue(), ...(d.chance(0.3) ? { loss: d.spread(0.0005, 0.05) } : {}) });
  const near = two ? 'r1' : 'r', far = two ? 'r2' : 'b';
  const scenario = scenarioOf({
    seed, duration: '7200s',
    nodes: { a: { sysctl: sysctls(d, silent) }, b: { sysctl: sysctls(d, silent) } },
    links: [
      link('left', ['a', near], edge, d.spread(0.01, 5)), link('middle', [near, far], rate, d.spread(0.05, 120)),
      ...(two ? [link('right', ['r2', 'b'], edge, d.spread(0.01, 20))] : []),
    ],
  }, `seed ${seed}`);
  const list = faults(d, scenario.links, span, family, silent);
  const calm = list.reduce((t, f) => Math.max(t, f.at + (f.ms === Infinity ? 0 : f.ms)), 0);
  return { seed, scenario, family, ends: [endPlan(d, bytes[0], bytes[1]), endPlan(d, bytes[1], bytes[0])], faults: list, calm };
}
