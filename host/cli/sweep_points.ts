// What a sweep runs: every combination of the parameters' values, with every seed, in an order of its own.
import { parseFigure } from '../sim/units.js';
import { CliError } from './fail.js';

export type Value = number | string | boolean;

/** A parameter, or the way to a field, and what it is set to. */
export interface Axis {
  name: string;
  values: Value[];
}
/** One run. */
export interface Point {
  /** By the names of the axes. */
  parameters: Record<string, Value>;
  seed: number;
}

/** Most runs of a sweep. */
const MANY = 1_000_000;

/** A value as an option has it. */
export function scalar(text: string): Value {
  if (/^-?\d+(\.\d+)?(e-?\d+)?$/.test(text)) return Number(text);
  return text === 'true' ? true : text === 'false' ? false : text;
}

/** `loss=0,0.01,0.05`. Throws CliError. */
export function parseAxis(text: string): Axis {
  const at = text.indexOf('='), values = text.slice(at + 1).split(',');
  const scalars = values.map(scalar);
  if (at < 1 || values.some((v) => v === '')) throw new CliError(`\`--sweep ${text}\` names no values`, 'write for example --sweep loss=0,0.01,0.05');
  if (new Set(scalars).size < values.length) throw new CliError(`\`--sweep ${text}\` has a value twice`, 'write each once');
  return { name: text.slice(0, at), values: scalars };
}

/** `1..20`, `1,2,7..9`. Throws CliError. */
export function parseSeeds(text: string): number[] {
  const seeds = new Set<number>();
  for (const part of text.split(',')) {
    const m = /^(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(part), first = Number(m?.[1]), last = Number(m?.[2] ?? m?.[1]);
    if (!m || last < first || last - first >= MANY) throw new CliError(`\`--seeds ${text}\` are no seeds`, 'write for example --seeds 1..20');
    for (let s = first; s <= last; s++) seeds.add(s);
  }
  return [...seeds];
}

/** Quantities by their size, numbers before words. */
export function compareValues(a: Value, b: Value): number {
  const [x, y] = [parseFigure(String(a)), parseFigure(String(b))];
  if (x !== undefined && y !== undefined) return x - y;
  if (x !== undefined || y !== undefined) return x !== undefined ? -1 : 1;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}
export function comparePoints(axes: readonly string[], a: Point, b: Point): number {
  for (const name of axes) {
    const c = compareValues(a.parameters[name], b.parameters[name]);
    if (c) return c;
  }
  return a.seed - b.seed;
}
/** What tells a run from the others of its sweep. */
export const pointKey = (p: Point): string => JSON.stringify([p.seed, ...Object.entries(p.parameters).map(([k, v]) => [k, String(v)]).sort()]);

/** Every run, in order. Throws CliError. */
export function pointsOf(axes: readonly Axis[], seeds: readonly number[]): Point[] {
  const names = axes.map((a) => a.name), twice = names.find((n, i) => names.indexOf(n) < i);
  if (twice !== undefined) throw new CliError(`--sweep names ${twice} twice`, 'write all its values in one');
  const total = axes.reduce((n, a) => n * a.values.length, seeds.length);
  if (total > MANY) throw new CliError(`that would be ${total} runs`, `at most ${MANY} are possible: sweep over less`);
  let points: Point[] = seeds.map((seed) => ({ parameters: {}, seed }));
  for (const { name, values } of axes) points = points.flatMap((p) => values.map((v) => ({ ...p, parameters: { ...p.parameters, [name]: v } })));
  return points.sort((a, b) => comparePoints(names, a, b));
}

/** `3/10`: of ten shards the third. Throws CliError. */
export function parseShard(text: string): { index: number; of: number } {
  const m = /^(\d{1,6})\/(\d{1,6})$/.exec(text), index = Number(m?.[1]), of = Number(m?.[2]);
  if (!m || index < 1 || index > of) throw new CliError(`\`--shard ${text}\` is no shard`, 'write for example --shard 3/10: of ten the third');
  return { index, of };
}
/** The part of the runs that a shard computes: every so manyth. */
export const shardOf = (points: readonly Point[], { index, of }: { index: number; of: number }): Point[] => points.filter((_, i) => i % of === index - 1);
