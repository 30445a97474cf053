// What the shape of a scenario cannot say: that names refer to something, and that times fit.
import { VIF_MAX } from '../abi/constants.js';
import { sysctlValues } from '../config/sysctl.js';
import type { Mistake, Scenario } from './scenario.js';

/** The device of an end outside of the simulation, `tap:DEVICE`. */
export const tapDevice = (end: string): string | undefined => (end.startsWith('tap:') ? end.slice(4) : undefined);

/** The nodes of a scenario, in order: those listed, then those that links name. */
export function nodeNames(s: Scenario): string[] {
  const names = new Set(Object.keys(s.nodes));
  for (const l of s.links) for (const n of endsOf(l)) if (tapDevice(n) === undefined) names.add(n);
  return [...names];
}
export function endsOf(l: Scenario['links'][number]): string[] {
  return l.between ?? l.switch ?? [...l.wireless!.wired, ...Object.keys(l.wireless!.stations)];
}
export const linkName = (l: Scenario['links'][number], index: number): string => l.name ?? (l.between ? l.between.join('-') : `link${index}`);
/** The fields of an application that name nodes. */
export const appNodes = (a: Scenario['apps'][number]): [string, string][] => ('node' in a ? [['node', a.node]] : [['from', a.from], ['to', a.to]]);
/** The field of an application that names a file, and the file. */
export function appFile(a: Scenario['apps'][number]): { field: string; file: string } | undefined {
  return a.type === 'wasi' ? { field: 'module', file: a.module } : a.type === 'module' ? { field: 'file', file: a.file } : undefined;
}
export const appName = (a: Scenario['apps'][number], index: number): string => a.name ?? (index ? `${a.type}${index + 1}` : a.type);

const FIRST_PORT = 5001;
/** The port that the application of this number uses when nothing is said. */
export const appPort = (a: { port?: number }, index: number): number => a.port ?? FIRST_PORT + index;

/** Samples of one run, in time. */
const SAMPLES_MAX = 1e6;

type Bad = (path: (string | number)[], message: string) => void;

/** What is wrong with the links: names, ends, stations. */
function checkLinks(s: Scenario, bad: Bad): void {
  const links = new Set<string>(), taps = new Set<string>(), ports = new Map<string, number>();
  s.links.forEach((l, i) => {
    const name = linkName(l, i), ends = endsOf(l);
    if (links.has(name)) bad(['links', i], `a second link \`${name}\`: give it a \`name\` of its own`);
    links.add(name);
    if (new Set(ends).size < ends.length) bad(['links', i], 'a node is on it twice');
    const outside = ends.filter((e) => tapDevice(e) !== undefined);
    if (outside.length > 1) bad(['links', i], 'two devices and no node: join one of them to a node');
    for (const e of outside) {
      if (taps.has(e)) bad(['links', i], `a second link to \`${e}\`: a device has one end`);
      taps.add(e);
      if (taps.size === VIF_MAX + 1) bad(['links', i], `more than ${VIF_MAX} devices: join them by a bridge of the host`);
    }
    for (const e of ends) {
      ports.set(e, (ports.get(e) ?? 0) + 1);
      if (ports.get(e) === VIF_MAX + 1) bad(['links', i], `node ${e} has more than ${VIF_MAX} links: use a \`switch\``);
    }
    for (const [station, cell] of Object.entries(l.wireless?.stations ?? {})) checkCell(l, cell, ['links', i, 'wireless', 'stations', station], bad);
  });
}
function checkCell(l: Scenario['links'][number], cell: string | null, path: (string | number)[], bad: Bad): void {
  const cells = Object.keys(l.wireless?.cells ?? {});
  if (cell !== null && !cells.includes(cell)) bad(path, `there is no cell \`${cell}\`: use one of ${cells.join(', ')}, or null for none`);
}

/** What is wrong with the applications: their nodes, times and ports. */
function checkApps(s: Scenario, known: (name: string, path: (string | number)[]) => void, bad: Bad): void {
  const apps = new Set<string>(), joined = new Set(s.links.flatMap(endsOf)), taken = new Map<string, string>();
  s.apps.forEach((a, i) => {
    const name = appName(a, i);
    if (apps.has(name)) bad(['apps', i], `a second application \`${name}\`: give it a \`name\` of its own`);
    apps.add(name);
    for (const [end, node] of appNodes(a)) known(node, ['apps', i, end]);
    if (a.start >= s.duration) bad(['apps', i, 'start'], 'it starts after the end of the run: let `duration` be longer');
    if ('node' in a) return;
    const end = Math.min(a.stop ?? Infinity, s.duration);
    if (a.stop !== undefined && a.stop <= a.start) bad(['apps', i, 'stop'], 'it stops before it starts');
    else if (a.warmup && a.start + a.warmup >= end) bad(['apps', i, 'warmup'], 'nothing of its time is left to measure: let it be shorter');
    if (a.from === a.to) bad(['apps', i, 'to'], `it goes from \`${a.to}\` to itself: name another node`);
    for (const [field, node] of appNodes(a)) if (Object.hasOwn(s.nodes, node) && !joined.has(node)) bad(['apps', i, field], `node \`${node}\` is on no link`);
    if (a.type === 'synflood') return;
    const port = appPort(a, i), key = `${a.to} ${a.type} ${port}`, other = taken.get(key);
    if (other !== undefined) bad(['apps', i, a.port === undefined ? 'to' : 'port'], `port ${port} of node \`${a.to}\` is that of \`${other}\`: give it another \`port\``);
    taken.set(key, name);
  });
}

export function checkNames(s: Scenario, mistakes: Mistake[]): void {
  const nodes = new Set(nodeNames(s)), links = new Set(s.links.map(linkName));
  const bad: Bad = (path, message) => { mistakes.push({ path, message }); };
  const known = (name: string, path: (string | number)[]): void => {
    if (!nodes.has(name)) bad(path, `there is no node \`${name}\`: use one of ${[...nodes].slice(0, 8).join(', ')}`);
  };
  if (s.sample !== undefined && s.sample * SAMPLES_MAX < s.duration) bad(['sample'], `more than ${SAMPLES_MAX} samples in the run: let it be ${Math.ceil(s.duration / SAMPLES_MAX)}ns or longer`);
  for (const [name, node] of Object.entries(s.nodes)) {
    for (const [key, value] of Object.entries(node?.sysctl ?? {})) {
      const values = sysctlValues(key, value);
      if (typeof values === 'string') bad(['nodes', name, 'sysctl', key], values);
    }
  }
  checkLinks(s, bad);
  checkApps(s, known, bad);
  s.schedule.forEach((c, i) => {
    if (c.at > s.duration) bad(['schedule', i, 'at'], 'it comes after the end of the run: let `duration` be longer');
    if (!(c.set ?? c.partition ?? c.heal ?? c.associate)) bad(['schedule', i], c.reverse ? '`reverse` says what differs from `set`: give it, too' : 'it changes nothing: give `set`, `partition`, `heal` or `associate`');
    if (c.link !== undefined && !links.has(c.link)) bad(['schedule', i, 'link'], `there is no link \`${c.link}\`: use one of ${[...links].slice(0, 8).join(', ')}`);
    for (const [station, cell] of Object.entries(c.associate ?? {})) {
      const l = s.links.find((x, k) => linkName(x, k) === c.link);
      if (!l?.wireless || !Object.hasOwn(l.wireless.stations, station)) bad(['schedule', i, 'associate'], `\`${station}\` is no station of a wireless \`link\``);
      else checkCell(l, cell, ['schedule', i, 'associate', station], bad);
    }
    for (const [g, group] of (c.partition ?? []).entries()) group.forEach((n, k) => known(n, ['schedule', i, 'partition', g, k]));
  });
}
