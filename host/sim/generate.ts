// Topologies by rule: what `generate` in a scenario stands for, as links. Names are those that applications use.
import { RandomStream } from './random.js';
import type { DirectionSpec, GenerateSpec, LinkSpec, Scenario } from './scenario.js';

const MTU = 1500;
const link = (a: string, b: string, d: DirectionSpec): LinkSpec => ({ between: [a, b], mtu: MTU, ...d });

function dumbbell(g: Extract<GenerateSpec, { kind: 'dumbbell' }>): LinkSpec[] {
  const pairs = Array.from({ length: g.pairs }, (_, i) => i + 1);
  const side = (name: string): LinkSpec => ({ name: `${name}-side`, switch: [`${name}-router`, ...pairs.map((i) => `${name}${i}`)], mtu: MTU, ...g.edge });
  return [{ ...link('left-router', 'right-router', g.bottleneck), name: 'bottleneck' }, side('left'), side('right')];
}

/** Al-Fares et al. 2008: k pods of k/2 edge and k/2 aggregation switches (routers here), (k/2)^2 cores, k^3/4 hosts. */
function fatTree(k: number, edge: DirectionSpec): LinkSpec[] {
  const half = k / 2, out: LinkSpec[] = [];
  for (let p = 0; p < k; p++) {
    for (let e = 0; e < half; e++) {
      for (let h = 0; h < half; h++) out.push(link(`edge${p}.${e}`, `host${p}.${e}.${h}`, edge));
      for (let a = 0; a < half; a++) out.push(link(`edge${p}.${e}`, `agg${p}.${a}`, edge));
    }
    for (let a = 0; a < half; a++) for (let c = 0; c < half; c++) out.push(link(`agg${p}.${a}`, `core${a * half + c}`, edge));
  }
  return out;
}

/** A random tree, so that all is connected, and further links until the mean degree is reached. */
function random(g: Extract<GenerateSpec, { kind: 'random' }>, seed: number): LinkSpec[] {
  const stream = new RandomStream(seed, 'topology'), out: LinkSpec[] = [], seen = new Set<string>();
  const join = (a: number, b: number): void => {
    const [x, y] = a < b ? [a, b] : [b, a], key = `${x} ${y}`;
    if (x === y || seen.has(key)) return;
    seen.add(key);
    out.push(link(`node${x}`, `node${y}`, g.edge));
  };
  for (let i = 1; i < g.nodes; i++) join(i, stream.below(i));
  for (let tries = 0; out.length < g.nodes * g.degree / 2 && tries < 20 * g.nodes; tries++) join(stream.below(g.nodes), stream.below(g.nodes));
  return out;
}

function grid(g: Extract<GenerateSpec, { kind: 'grid' }>): LinkSpec[] {
  const out: LinkSpec[] = [];
  for (let r = 0; r < g.rows; r++) {
    for (let c = 0; c < g.columns; c++) {
      if (c + 1 < g.columns) out.push(link(`node${r}.${c}`, `node${r}.${c + 1}`, g.edge));
      if (r + 1 < g.rows) out.push(link(`node${r}.${c}`, `node${r + 1}.${c}`, g.edge));
    }
  }
  return out;
}

function links(g: GenerateSpec, seed: number): LinkSpec[] {
  switch (g.kind) {
    case 'dumbbell': return dumbbell(g);
    case 'star': return Array.from({ length: g.leaves }, (_, i) => link('hub', `leaf${i + 1}`, g.edge));
    case 'chain': return Array.from({ length: g.nodes - 1 }, (_, i) => link(`node${i + 1}`, `node${i + 2}`, g.edge));
    case 'grid': return grid(g);
    case 'fat-tree': return fatTree(g.k, g.edge);
    case 'random': return random(g, seed);
  }
}

/** The scenario with its generated links after its own. */
export function generate(s: Scenario): Scenario {
  return s.generate ? { ...s, links: [...s.links, ...links(s.generate, s.seed)] } : s;
}
