// `nuse bench peers`: what nuse is to be measured by, beside the kernel and the stacks of others in the same run.
import type { Lab } from '../test/interop/lab.js';
import { apiInThread } from './api.js';
import { LOSSES, goodput, longPath, smallBuffers, type Control, type End } from './goodput.js';
import { idleMemory } from './idle.js';
import { datagrams, exchanges, median, tcpBulk } from './measures.js';
import { kernelRelay, kernelRoute, nuse, nuseRoute, onOneProcessor, processorSeconds, type Scenario } from './scenarios.js';
import { forwarded, machine, type SlidesResult } from './slides.js';
import { installedPeers, type Missing } from './stacks.js';
import { nodeTime, startMemory, startTime } from './start.js';
import { userNetwork, type UserFigures } from './user.js';

const SIZE = 1024, GOODPUT_FACTOR = 5, IDLE_CONNECTIONS = 50_000, KIB = 1024;
const WINDOW = 'window, 100 Mbit/s, 10 ms, buffers of 64 KiB';

interface Measure {
  unit: string;
  run(lab: Lab, s: Scenario, seconds: number): Promise<number>;
}
/** Of every stack, by a program on the kernel at the other side. */
const MEASURES: Readonly<Record<string, Measure>> = {
  'tcp-in': { unit: 'Mbit/s', run: (lab, s, seconds) => tcpBulk(lab, s, 'in', seconds) },
  'tcp-out': { unit: 'Mbit/s', run: (lab, s, seconds) => tcpBulk(lab, s, 'out', seconds) },
  'udp-1024-in': { unit: 'datagrams/s', run: (lab, s, seconds) => datagrams(lab, s, 'in', SIZE, seconds) },
  'udp-1024-out': { unit: 'datagrams/s', run: (lab, s, seconds) => datagrams(lab, s, 'out', SIZE, seconds) },
  'tcp-rr': { unit: 'exchanges/s', run: (lab, s, seconds) => onOneProcessor(s, () => exchanges(lab, s, 'exchange', seconds)) },
  'connect': { unit: 'connections/s', run: (lab, s, seconds) => exchanges(lab, s, 'connect', seconds) },
};

/** A median, or why there is none. */
export interface Figure {
  value?: number;
  failed?: string;
  /** Share of one processor that the program had which carries the frames (kernel-tap-relay-vnet). */
  carrier?: number;
}

/** One line of the marks. `ratio`: ours to theirs must be at least `mark`; otherwise ours must be at most `mark`. */
export interface Mark {
  measure: string;
  unit: string;
  peer: string;
  ours?: number;
  theirs?: number;
  ratio: boolean;
  mark: number;
  aim: number;
  note?: string;
}

export interface PeersResult extends Pick<SlidesResult, 'date' | 'machine' | 'kernel' | 'node' | 'rounds' | 'seconds'> {
  marks: Mark[];
  /** By measure and stack. */
  stacks: Record<string, Record<string, Figure>>;
  units: Record<string, string>;
  /** The network without root against its likes (user.ts); absent when it was not asked for. */
  user?: Record<string, UserFigures>;
  /** What was wrong with it. */
  userFailed?: string;
  missing: Missing[];
}

export interface PeersOptions {
  rounds: number;
  seconds: number;
  /** Only measures that have one of these in their name; all when empty. */
  only: readonly string[];
  progress(text: string): void;
}

/** Rounds of one measure, the ways of measuring it in turn. What fails is told, and not tried again. */
async function inTurn(rounds: number, ways: Readonly<Record<string, () => Promise<{ value: number; carrier?: number }>>>): Promise<Record<string, Figure>> {
  const values = new Map<string, { value: number; carrier?: number }[]>(), failed = new Map<string, string>();
  for (let i = 0; i < rounds; i++) {
    for (const [name, way] of Object.entries(ways)) {
      if (failed.has(name)) continue;
      try {
        values.set(name, [...values.get(name) ?? [], await way()]);
      } catch (e) {
        failed.set(name, (e as Error).message.trim());
      }
    }
  }
  return Object.fromEntries(Object.keys(ways).map((name): [string, Figure] => {
    const all = values.get(name) ?? [], why = failed.get(name);
    if (why !== undefined) return [name, { failed: why }];
    return [name, { value: median(all.map((v) => v.value)), ...(all[0].carrier === undefined ? {} : { carrier: median(all.map((v) => v.carrier!)) }) }];
  }));
}

/** A figure, with the share of the processor that its carriers had meanwhile. */
async function withCarriers(s: Scenario, run: () => Promise<number>): Promise<{ value: number; carrier?: number }> {
  const used = (): number => s.carriers.reduce((sum, p) => sum + processorSeconds(p), 0), before = used(), start = performance.now();
  const value = await run();
  return s.carriers.length ? { value, carrier: (used() - before) / ((performance.now() - start) / 1000) } : { value };
}

const plain = (run: () => Promise<number>) => async (): Promise<{ value: number }> => ({ value: await run() });

async function forwarding(lab: Lab, o: PeersOptions): Promise<Record<string, Figure>> {
  const routes = { 'kernel-veth': kernelRoute(lab), 'nuse-raw': await nuseRoute(lab, 'raw'), 'nuse-xdp': await nuseRoute(lab, 'xdp') };
  return inTurn(o.rounds, Object.fromEntries(Object.entries(routes).map(([name, r]) => [name, plain(() => forwarded(lab, r, o.seconds))])));
}
async function lossy(lab: Lab, o: PeersOptions, control: Control, loss: number): Promise<Record<string, Figure>> {
  let seed = 0;
  const way = (on: End) => plain(() => goodput(lab, on, 'kernel', control, longPath(loss), on === 'kernel' ? ++seed : seed, o.seconds * GOODPUT_FACTOR));
  return inTurn(o.rounds, { kernel: way('kernel'), nuse: way('nuse') });
}
async function windowed(lab: Lab, o: PeersOptions): Promise<Record<string, Figure>> {
  const way = (sender: End, receiver: End) => plain(() => goodput(lab, sender, receiver, 'cubic', smallBuffers, 1, o.seconds));
  return inTurn(o.rounds, { 'kernel': way('kernel', 'kernel'), 'nuse-sends': way('nuse', 'kernel'), 'nuse-receives': way('kernel', 'nuse'), 'nuse': way('nuse', 'nuse') });
}

/** The marks that are ratios; `figures`: all that was measured. */
function marksOf(figures: PeersResult['stacks'], units: PeersResult['units']): Mark[] {
  const marks: Mark[] = [];
  const ratio = (measure: string, ours: string, theirs: string, mark: number, aim: number): void => {
    const f = figures[measure];
    if (!f) return;
    const note = [f[ours]?.failed, f[theirs]?.failed].filter(Boolean).join('; ') || (f[theirs] ? '' : `${theirs} was not measured`), { carrier } = f[theirs] ?? {};
    marks.push({
      measure: `${measure}, ${ours}`, unit: units[measure], peer: theirs, ours: f[ours]?.value, theirs: f[theirs]?.value, ratio: true, mark, aim,
      note: note || (carrier === undefined ? undefined : `the relay had ${(carrier * 100).toFixed(0)} % of a processor`),
    });
  };
  for (const d of ['in', 'out']) ratio(`tcp-${d}`, 'nuse-tap', 'kernel-tap-relay-vnet', 0.4, 1);
  for (const d of ['in', 'out']) ratio(`tcp-${d}`, 'nuse-tap-1500', 'lwip', 1, 2);
  for (const d of ['in', 'out']) ratio(`udp-1024-${d}`, 'nuse-tap', 'lwip', 0.6, 1);
  ratio('forward-1024', 'nuse-raw', 'kernel-veth', 0.6, 1.5);
  ratio('forward-1024', 'nuse-xdp', 'kernel-veth', 0.6, 1.5);
  ratio('tcp-rr', 'nuse-tap', 'kernel-tap-relay-vnet', 0.7, 1.5);
  ratio('connect', 'nuse-tap', 'kernel-tap-relay-vnet', 0.3, 1);
  for (const measure of Object.keys(figures).filter((m) => m.startsWith('goodput'))) ratio(measure, 'nuse', 'kernel', 0.9, 1);
  for (const ours of ['nuse-sends', 'nuse-receives', 'nuse']) ratio(WINDOW, ours, 'kernel', 0.9, 1);
  return marks;
}

/** Marks that are not ratios within this run. tcpip.js has no package that npm's registry knows: its figures are those of another day, on a machine of two processors. */
async function ownMarks(lab: Lab, o: PeersOptions, wanted: (name: string) => boolean): Promise<Mark[]> {
  const marks: Mark[] = [], note = 'tcpip.js: of November 2026, not of this run';
  if (wanted('back-to-back')) {
    const rates: number[] = [];
    for (let i = 0; i < o.rounds; i++) rates.push(await apiInThread(o.seconds));
    marks.push({ measure: 'back-to-back, two stacks in one process', unit: 'Mbit/s', peer: 'tcpip.js', ours: median(rates), theirs: 187, ratio: true, mark: 25, aim: 100, note });
  }
  if (wanted('idle')) {
    const { sockets, each } = await idleMemory(IDLE_CONNECTIONS);
    marks.push({ measure: `idle, memory of each of ${sockets} connections`, unit: 'KiB', peer: 'Linux, 3 to 4 KiB', ours: each / KIB, ratio: false, mark: 2, aim: 1, note: 'resident; both ends of each' });
  }
  if (wanted('start')) {
    const bare = `${note}; node with an empty worker: ${nodeTime(o.rounds).toFixed(0)} ms`;
    marks.push({ measure: 'start, `nuse -- true`', unit: 'ms', peer: 'tcpip.js', ours: startTime(o.rounds), theirs: 109, ratio: false, mark: 150, aim: 100, note: bare });
    marks.push({ measure: 'start, resident memory', unit: 'MiB', peer: 'tcpip.js', ours: await startMemory(lab), theirs: 55, ratio: false, mark: 80, aim: 55, note });
  }
  return marks;
}

export async function peers(lab: Lab, o: PeersOptions): Promise<PeersResult> {
  const wanted = (name: string): boolean => !o.only.length || o.only.some((w) => name.includes(w));
  const found = installedPeers(), stacks: PeersResult['stacks'] = {}, units: PeersResult['units'] = {}, names = Object.keys(MEASURES).filter(wanted);
  const all = names.length ? [await kernelRelay(lab), nuse(lab, 'tap'), nuse(lab, 'tap', false), ...found.peers.map((p) => p.scenario(lab))] : [];
  for (const name of names) {
    o.progress(name);
    // Without offload only what offload changes.
    const ways = all.filter((s) => name.startsWith('tcp-in') || name.startsWith('tcp-out') || s.name !== 'nuse-tap-1500').map((s) => [s.name, () => withCarriers(s, () => MEASURES[name].run(lab, s, o.seconds))] as const);
    stacks[name] = await inTurn(o.rounds, Object.fromEntries(ways));
    units[name] = MEASURES[name].unit;
  }
  if (wanted('forward-1024')) {
    o.progress('forward-1024');
    stacks['forward-1024'] = await forwarding(lab, o);
    units['forward-1024'] = 'datagrams/s';
  }
  for (const control of ['cubic', 'bbr'] as const) {
    for (const loss of LOSSES) {
      const name = `goodput, 1 Gbit/s, 100 ms, ${loss * 100} % lost, ${control}`;
      if (!wanted(name)) continue;
      o.progress(name);
      stacks[name] = await lossy(lab, o, control, loss);
      units[name] = 'Mbit/s';
    }
  }
  if (wanted(WINDOW)) {
    o.progress(WINDOW);
    stacks[WINDOW] = await windowed(lab, o);
    units[WINDOW] = 'Mbit/s';
  }
  o.progress('nuse alone');
  const marks = [...marksOf(stacks, units), ...await ownMarks(lab, o, wanted)];
  if (wanted('user')) o.progress('user');
  const result = { ...machine(), rounds: o.rounds, seconds: o.seconds, marks, stacks, units, missing: found.missing };
  if (!wanted('user')) return result;
  try {
    return { ...result, user: await userNetwork(lab, o.rounds, o.seconds, found.user) };
  } catch (e) {
    return { ...result, userFailed: (e as Error).message.trim() };
  }
}

const number = (v: number | undefined): string => (v === undefined ? '-' : v >= 100 ? v.toFixed(0) : v.toPrecision(3));

/** Ours to theirs, or ours alone; whether it is enough. */
function judged(m: Mark): { figure: string; met: string } {
  if (m.ours === undefined || (m.ratio && m.theirs === undefined)) return { figure: '-', met: '-' };
  const v = m.ratio ? m.ours / m.theirs! : m.ours, reaches = (limit: number): boolean => (m.ratio ? v >= limit : v <= limit);
  return { figure: m.ratio ? v.toFixed(2) : number(v), met: reaches(m.aim) ? 'aim' : reaches(m.mark) ? 'mark' : 'no' };
}

export interface TextTable {
  head: string[];
  rows: string[][];
}
/** The marks; and all stacks by measure. */
export function peersTables(r: PeersResult): TextTable[] {
  const marks = r.marks.map((m) => {
    const { figure, met } = judged(m);
    return [m.measure, m.unit, number(m.ours), m.peer, number(m.theirs), figure, String(m.mark), String(m.aim), met, (m.note ?? '').split('\n')[0]];
  });
  const names = [...new Set(Object.values(r.stacks).flatMap((f) => Object.keys(f)))];
  const stacks = Object.entries(r.stacks).map(([measure, f]) => [`${measure}, ${r.units[measure]}`, ...names.map((n) => (f[n]?.failed === undefined ? number(f[n]?.value) : 'failed'))]);
  return [
    { head: ['measure', 'unit', 'nuse', 'peer', 'its', 'ours', 'mark', 'aim', 'met', ''], rows: marks },
    ...(stacks.length ? [{ head: ['all stacks', ...names], rows: stacks }] : []),
  ];
}
