// What a sweep says: mean, standard deviation and the 95 % confidence interval of every figure for each set of parameters, over the seeds.
import { metricColumn, parameterColumn, type Row } from './sweep_rows.js';

export interface SummaryRow {
  /** Column of the figure, without `metric_`. */
  metric: string;
  /** Runs that gave it. */
  n: number;
  mean: number;
  /** Of the sample (n - 1), and the ends of the interval of the mean by Student's t; null when there is one run only. */
  sd: number | null;
  ci95_low: number | null;
  ci95_high: number | null;
  [parameter: `param_${string}`]: unknown;
}

/** 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom. */
const T975 = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.093, 2.086, 2.0796, 2.0739, 2.0687,
  2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
];
const Z975 = 1.959964;

/** The 97.5 % quantile of Student's t. Beyond the table by two terms of Cornish and Fisher's expansion: four digits. */
export function t975(degrees: number): number {
  return T975[degrees - 1] ?? Z975 + (Z975 ** 3 + Z975) / (4 * degrees) + (5 * Z975 ** 5 + 16 * Z975 ** 3 + 3 * Z975) / (96 * degrees ** 2);
}

export function statistics(values: readonly number[]): Pick<SummaryRow, 'n' | 'mean' | 'sd' | 'ci95_low' | 'ci95_high'> {
  const n = values.length, mean = values.reduce((s, v) => s + v, 0) / n;
  if (n < 2) return { n, mean, sd: null, ci95_low: null, ci95_high: null };
  const sd = Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / (n - 1)), half = t975(n - 1) * sd / Math.sqrt(n);
  return { n, mean, sd, ci95_low: mean - half, ci95_high: mean + half };
}

/** Rows with the same parameters, in the order of the rows. */
export function groupsOf(rows: readonly Row[], parameters: readonly string[]): Row[][] {
  const groups = new Map<string, Row[]>();
  for (const r of rows) {
    const key = JSON.stringify(parameters.map((p) => r[parameterColumn(p)]));
    groups.set(key, [...(groups.get(key) ?? []), r]);
  }
  return [...groups.values()];
}

/** One line for each set of parameters and figure. Runs with an error are left out. */
export function summarise(rows: readonly Row[], parameters: readonly string[]): SummaryRow[] {
  const prefix = metricColumn('');
  return groupsOf(rows.filter((r) => r.error === null), parameters).flatMap((group) => {
    const of = Object.fromEntries(parameters.map((p) => [parameterColumn(p), group[0][parameterColumn(p)]]));
    const metrics = new Set(group.flatMap((r) => Object.keys(r).filter((k) => k.startsWith(prefix))));
    return [...metrics].map((m): SummaryRow => ({ ...of, metric: m.slice(prefix.length), ...statistics(group.map((r) => r[m]).filter((v) => typeof v === 'number')) }));
  });
}
