// The results of a sweep as a flat table with typed columns of stable names (letters, digits, `_`), fit for Parquet: a row for each run.
import type { RunResult } from '../sim/run.js';
import { CliError } from './fail.js';
import type { Point, Value } from './sweep_points.js';

/** Columns of every sweep; those of parameters and figures begin with `param_` and `metric_`. */
export interface Row {
  seed: number;
  /** All expectations were met. Null, as all that follows, when the run ended with an error. */
  met: boolean | null;
  error: string | null;
  hash: string | null;
  events: number | null;
  /** Virtual time. */
  duration_ns: number | null;
  /** What repeats the run. */
  command: string;
  [column: string]: Value | null;
}

export interface Column {
  name: string;
  type: 'double' | 'int64' | 'string' | 'boolean';
  nullable: boolean;
  /** The parameter or figure behind it. */
  of?: string;
}

const FIXED: readonly Column[] = [
  { name: 'seed', type: 'int64', nullable: false }, { name: 'met', type: 'boolean', nullable: true }, { name: 'error', type: 'string', nullable: true },
  { name: 'hash', type: 'string', nullable: true }, { name: 'events', type: 'int64', nullable: true }, { name: 'duration_ns', type: 'int64', nullable: true },
];
const COMMAND: Column = { name: 'command', type: 'string', nullable: false };

const plain = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, '_');
export const parameterColumn = (name: string): string => `param_${plain(name)}`;
export const metricColumn = (name: string): string => `metric_${plain(name)}`;

/** The row of a run, which gave a result or an error. */
export function rowOf(point: Point, outcome: RunResult | { error: string }, command: string): Row {
  const failed = 'error' in outcome, row = {} as Row;
  for (const [name, value] of Object.entries(point.parameters)) row[parameterColumn(name)] = value;
  row.seed = point.seed;
  row.met = failed ? null : outcome.expectations.every((e) => e.met);
  row.error = failed ? outcome.error : null;
  row.hash = failed ? null : outcome.hash;
  row.events = failed ? null : outcome.events;
  row.duration_ns = failed ? null : outcome.duration;
  for (const [name, value] of Object.entries(failed ? {} : outcome.metrics)) {
    if (Object.hasOwn(row, metricColumn(name))) throw new CliError(`two figures would be in the column ${metricColumn(name)}`, `give what is behind ${name} another name`);
    row[metricColumn(name)] = value;
  }
  row.command = command;
  return row;
}

/** The columns of rows, in their order. `parameters`: names of the axes. */
export function columnsOf(rows: readonly Row[], parameters: readonly string[]): Column[] {
  const metrics = new Set<string>(), twice = parameters.find((p, i) => parameters.findIndex((q) => parameterColumn(q) === parameterColumn(p)) < i);
  if (twice !== undefined) throw new CliError(`two parameters would be in the column ${parameterColumn(twice)}`, 'give one a name under `parameters`');
  for (const r of rows) for (const k of Object.keys(r)) if (k.startsWith('metric_')) metrics.add(k);
  return [
    ...parameters.map((of) => ({ name: parameterColumn(of), type: typeOf(rows.map((r) => r[parameterColumn(of)])), nullable: false, of })), ...FIXED,
    ...[...metrics].map((name): Column => ({ name, type: 'double', nullable: true })), COMMAND,
  ];
}
function typeOf(values: readonly (Value | null)[]): Column['type'] {
  return values.every((v) => typeof v === 'number') ? 'double' : values.every((v) => typeof v === 'boolean') ? 'boolean' : 'string';
}

/** Rows with every column, each of its type. */
export function typed(rows: readonly Row[], columns: readonly Column[]): Row[] {
  return rows.map((r) => Object.fromEntries(columns.map((c) => [c.name, c.type === 'string' && (r[c.name] ?? null) !== null ? String(r[c.name]) : r[c.name] ?? null])) as Row);
}
