// Which nodes of a scenario run together when a run is split over threads. Parts are independent for as long as the shortest delay of
// the links between them (conservative parallel simulation: Chandy, Misra 1979), so links that are cut should be long, and parts
// should have about as much to do.
import { appNodes, endsOf, linkName, nodeNames } from './names.js';
import type { Scenario } from './scenario.js';

export interface Partition {
  /** The part of each node, from 0. */
  readonly of: ReadonlyMap<string, number>;
  /** How many there are: as many as were wanted, or fewer when the network does not come apart like that. */
  readonly parts: number;
  /** The shortest delay of a link that is cut, ns; Infinity when none is. */
  readonly lookahead: number;
}

/** Applications whose two ends share nothing but the network. */
const SEPARABLE = new Set(['bulk', 'datagrams', 'synflood']);

/** The shortest delay that a link has at any time, in either direction, ns. */
function leastDelay(s: Scenario, index: number): number {
  const l = s.links[index], name = linkName(l, index), delays = [l.delay ?? 0, l.reverse?.delay ?? l.delay ?? 0];
  for (const c of s.schedule) if (c.link === undefined || c.link === name) for (const set of [c.set, c.reverse]) if (set?.delay !== undefined) delays.push(set.delay);
  return Math.min(...delays);
}

/** Nodes that are together, by union and find. */
class Groups {
  private readonly up = new Map<string, string>();
  find(n: string): string {
    let root = n;
    for (let next = this.up.get(root); next !== undefined; next = this.up.get(root)) root = next;
    if (root !== n) this.up.set(n, root);
    return root;
  }
  join(names: readonly string[]): void {
    for (const n of names.slice(1)) {
      const [a, b] = [this.find(names[0]), this.find(n)];
      if (a !== b) this.up.set(b, a);
    }
  }
}

/** Split a scenario's nodes into `wanted` parts, at most. */
export function partition(s: Scenario, wanted: number): Partition {
  const delays = s.links.map((l, i) => (l.between ? leastDelay(s, i) : 0));
  const thresholds = [...new Set(delays)].filter((d) => d > 0).sort((a, b) => b - a);
  let best: { of: Map<string, number>; parts: number; load: number } | undefined;
  for (const threshold of wanted > 1 ? thresholds : []) {
    const found = assign(s, wanted, delays, threshold);
    if (found.parts > 1 && (!best || found.parts > best.parts || (found.parts === best.parts && found.load < 0.8 * best.load))) best = found;
    // As even as it need be: shorter links would only bring shorter windows.
    if (best && best.parts === wanted && best.load < 1.5 / wanted) break;
  }
  const of = best?.of ?? new Map(nodeNames(s).map((n) => [n, 0]));
  const cut = s.links.flatMap((l, i) => (new Set(endsOf(l).map((n) => of.get(n))).size > 1 ? [delays[i]] : []));
  return { of, parts: best?.parts ?? 1, lookahead: Math.min(Infinity, ...cut) };
}

/** Parts that are cut at links of at least `threshold` ns; `load`: the share of the largest. */
function assign(s: Scenario, wanted: number, delays: readonly number[], threshold: number): { of: Map<string, number>; parts: number; load: number } {
  const groups = new Groups(), names = nodeNames(s), weight = new Map<string, number>(), near = new Map<string, string[]>();
  s.links.forEach((l, i) => { if (delays[i] < threshold) groups.join(endsOf(l)); });
  for (const a of s.apps) if (!SEPARABLE.has(a.type)) groups.join(appNodes(a).map(([, node]) => node));
  const add = (n: string, more: number): void => { weight.set(groups.find(n), (weight.get(groups.find(n)) ?? 0) + more); };
  for (const n of names) add(n, 1);
  // What forwards and what has applications has more to do.
  for (const l of s.links) for (const n of endsOf(l)) add(n, 1);
  for (const a of s.apps) for (const [, n] of appNodes(a)) add(n, 5);
  for (const l of s.links) {
    const [a, b] = endsOf(l).map((n) => groups.find(n));
    if (!l.between || a === b) continue;
    for (const [x, y] of [[a, b], [b, a]]) near.set(x, [...(near.get(x) ?? []), y]);
  }
  const total = [...weight.values()].reduce((x, y) => x + y, 0), part = new Map<string, number>(), loads = [0];
  for (const group of neighbourly(names.map((n) => groups.find(n)), near)) {
    const w = weight.get(group)!, now = loads.length - 1;
    // Over the share of the parts so far by more than it would lack: the next part begins.
    if (now + 1 < wanted && loads[now] > 0 && sum(loads) + w / 2 > total * (now + 1) / wanted) loads.push(0);
    part.set(group, loads.length - 1);
    loads[loads.length - 1] += w;
  }
  return { of: new Map(names.map((n) => [n, part.get(groups.find(n))!])), parts: loads.length, load: Math.max(...loads) / total };
}
const sum = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0);

/** Groups so that neighbours are close to each other: depth first from the first one that ends a branch, as far as the network reaches. */
function neighbourly(roots: readonly string[], near: ReadonlyMap<string, readonly string[]>): string[] {
  const seen = new Set<string>(), degree = (g: string): number => near.get(g)?.length ?? 0;
  for (const root of [...new Set(roots)].sort((a, b) => degree(a) - degree(b))) {
    const stack = [root];
    for (let g = stack.pop(); g !== undefined; g = stack.pop()) {
      if (seen.has(g)) continue;
      seen.add(g);
      for (const n of near.get(g) ?? []) if (!seen.has(n)) stack.push(n);
    }
  }
  return [...seen];
}
