// What the shape of a scenario cannot say: that names refer to something, and that times fit.
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

export function checkNames(s: Scenario, mistakes: Mistake[]): void {
  const nodes = new Set(nodeNames(s)), links = new Set<string>(), taps = new Set<string>();
  const bad = (path: (string | number)[], message: string): void => { mistakes.push({ path, message }); };
  const known = (name: string, path: (string | number)[]): void => {
    if (!nodes.has(name)) bad(path, `there is no node \`${name}\`: use one of ${[...nodes].slice(0, 8).join(', ')}`);
  };
  const inCell = (l: Scenario['links'][number], cell: string | null, path: (string | number)[]): void => {
    const cells = Object.keys(l.wireless?.cells ?? {});
    if (cell !== null && !cells.includes(cell)) bad(path, `there is no cell \`${cell}\`: use one of ${cells.join(', ')}, or null for none`);
  };
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
    }
    for (const [station, cell] of Object.entries(l.wireless?.stations ?? {})) inCell(l, cell, ['links', i, 'wireless', 'stations', station]);
  });
  const apps = new Set<string>();
  s.apps.forEach((a, i) => {
    const name = appName(a, i);
    if (apps.has(name)) bad(['apps', i], `a second application \`${name}\`: give it a \`name\` of its own`);
    apps.add(name);
    for (const [end, node] of appNodes(a)) known(node, ['apps', i, end]);
    if (a.start >= s.duration) bad(['apps', i, 'start'], 'it starts after the end of the run: let `duration` be longer');
  });
  s.schedule.forEach((c, i) => {
    if (c.at > s.duration) bad(['schedule', i, 'at'], 'it comes after the end of the run: let `duration` be longer');
    if (c.link !== undefined && !links.has(c.link)) bad(['schedule', i, 'link'], `there is no link \`${c.link}\`: use one of ${[...links].slice(0, 8).join(', ')}`);
    for (const [station, cell] of Object.entries(c.associate ?? {})) {
      const l = s.links.find((x, k) => linkName(x, k) === c.link);
      if (!l?.wireless || !Object.hasOwn(l.wireless.stations, station)) bad(['schedule', i, 'associate'], `\`${station}\` is no station of a wireless \`link\``);
      else inCell(l, cell, ['schedule', i, 'associate', station]);
    }
    for (const [g, group] of (c.partition ?? []).entries()) group.forEach((n, k) => known(n, ['schedule', i, 'partition', g, k]));
  });
}
