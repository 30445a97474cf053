// `nuse bench slides`: the experiments of NUSE's slides (2014), with each back end that works here, against the kernel over veth, in one run.
import { cpus, release } from 'node:os';
import type { Lab } from '../test/interop/lab.js';
import { client, datagrams, median, nearPing, ping, type PingTimes } from './measures.js';
import { kernelRoute, kernelVeth, meter, nuse, nuseRoute, RECEIVER, type BackEnd, type Route, type Scenario } from './scenarios.js';

/** Bytes of a datagram. */
const SIZE = 1024;
/** Echo requests in a second of measuring. */
const PINGS = 100;

/** What the slides showed of NUSE: ms of a round trip. Of UDP they say that everything was below 500 Mbit/s. */
export const NUSE_2014 = { ping: { tap: 0.397, raw: 0.396 }, routing: { tap: 0.694, raw: 0.663 }, udpBelow: 500 };

export const EXPERIMENTS = {
  'ping': { title: 'ping', unit: 'ms' },
  'udp-tx': { title: 'UDP 1024 B, host sends', unit: 'Mbit/s' },
  'udp-rx': { title: 'UDP 1024 B, host receives', unit: 'Mbit/s' },
  'routing-ping': { title: 'ping through the router', unit: 'ms' },
  'routing-udp': { title: 'UDP 1024 B through the router', unit: 'Mbit/s' },
} as const;
export type Experiment = keyof typeof EXPERIMENTS;

/** Medians over the rounds. */
export interface SlidesRow {
  experiment: Experiment;
  backEnd: 'kernel' | BackEnd;
  unit: string;
  /** Of a round trip, its average. */
  value: number;
  /** Of round trips only. */
  min?: number;
  max?: number;
}
export interface SlidesResult {
  date: string;
  machine: string;
  kernel: string;
  node: string;
  rounds: number;
  seconds: number;
  nuse2014: typeof NUSE_2014;
  rows: SlidesRow[];
  /** Back ends that were not measured, and why. */
  missing: { backEnd: string; why: string }[];
}

export interface SlidesOptions {
  rounds: number;
  /** Of each figure. */
  seconds: number;
  backEnds: readonly BackEnd[];
  missing: SlidesResult['missing'];
  progress(text: string): void;
}

const mbit = (datagramsPerSecond: number): number => datagramsPerSecond * SIZE * 8 / 1e6;

type Figure = { [K in Experiment]?: number | PingTimes };

async function host(lab: Lab, s: Scenario, seconds: number): Promise<Figure> {
  return {
    'ping': await nearPing(s, Math.max(5, Math.round(seconds * PINGS))),
    'udp-tx': mbit(await datagrams(lab, s, 'out', SIZE, seconds)),
    'udp-rx': mbit(await datagrams(lab, s, 'in', SIZE, seconds)),
  };
}
async function routing(lab: Lab, r: Route, seconds: number): Promise<Figure> {
  const times = await ping(r.sender, RECEIVER, Math.max(5, Math.round(seconds * PINGS)));
  return { 'routing-ping': times, 'routing-udp': mbit(await forwarded(lab, r, seconds)) };
}
/** Datagrams/s that a router passes on and that arrive. */
export async function forwarded(lab: Lab, r: Route, seconds: number): Promise<number> {
  const sink = r.receiver([meter(lab), 'serve']);
  await sink.until(/listening/);
  const got = await client<{ received: number; seconds: number }>(lab, r.sender, 'udp-in', RECEIVER, seconds, SIZE);
  sink.kill();
  await sink.done;
  return got.received / got.seconds;
}

/** The machine, as every result names it. */
export const machine = (): Pick<SlidesResult, 'date' | 'machine' | 'kernel' | 'node'> => ({
  date: new Date().toISOString(), machine: `${cpus().length} x ${cpus()[0].model}`, kernel: release(), node: process.version,
});

/** All experiments, rounds of the back ends interleaved. */
export async function slides(lab: Lab, o: SlidesOptions): Promise<SlidesResult> {
  const names = ['kernel', ...o.backEnds] as const, figures = new Map<string, (number | PingTimes)[]>();
  const hosts = [kernelVeth(lab), ...o.backEnds.map((b) => nuse(lab, b))], routes = [kernelRoute(lab)];
  for (const b of o.backEnds) routes.push(await nuseRoute(lab, b));
  for (let round = 1; round <= o.rounds; round++) {
    for (const [i, name] of names.entries()) {
      o.progress(`round ${round} of ${o.rounds}: ${name}`);
      for (const [experiment, figure] of Object.entries({ ...await host(lab, hosts[i], o.seconds), ...await routing(lab, routes[i], o.seconds) })) {
        const key = `${experiment} ${name}`;
        figures.set(key, [...figures.get(key) ?? [], figure]);
      }
    }
  }
  const rows = (Object.keys(EXPERIMENTS) as Experiment[]).flatMap((experiment) => names.map((backEnd): SlidesRow => {
    const all = figures.get(`${experiment} ${backEnd}`)!, { unit } = EXPERIMENTS[experiment];
    const of = (part: keyof PingTimes): number => median(all.map((f) => (typeof f === 'number' ? f : f[part])));
    return typeof all[0] === 'number' ? { experiment, backEnd, unit, value: of('avg') } : { experiment, backEnd, unit, value: of('avg'), min: of('min'), max: of('max') };
  }));
  return { ...machine(), rounds: o.rounds, seconds: o.seconds, nuse2014: NUSE_2014, rows, missing: o.missing };
}

/** The table beside the figures of 2014. */
export function slidesTable(r: SlidesResult): { head: string[]; rows: string[][] } {
  const names = [...new Set(r.rows.map((x) => x.backEnd))];
  const of2014: Record<Experiment, string> = {
    'ping': `tap ${NUSE_2014.ping.tap}, raw ${NUSE_2014.ping.raw}`, 'routing-ping': `tap ${NUSE_2014.routing.tap}, raw ${NUSE_2014.routing.raw}`,
    'udp-tx': `below ${NUSE_2014.udpBelow}`, 'udp-rx': `below ${NUSE_2014.udpBelow}`, 'routing-udp': `below ${NUSE_2014.udpBelow}`,
  };
  const cell = (x: SlidesRow): string => (x.min === undefined || x.max === undefined ? x.value.toFixed(0) : [x.min, x.value, x.max].map((v) => v.toFixed(3)).join('/'));
  return {
    head: ['', ...names, 'NUSE 2014'],
    rows: (Object.keys(EXPERIMENTS) as Experiment[]).map((e) => {
      const { title, unit } = EXPERIMENTS[e];
      return [`${title}${unit === 'ms' ? ' min/avg/max' : ''}, ${unit}`, ...names.map((n) => cell(r.rows.find((x) => x.experiment === e && x.backEnd === n)!)), of2014[e]];
    }),
  };
}
