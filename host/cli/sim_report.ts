// Reports of a run and of a sweep: plots and tables. Loaded only when one is written.
import type { RunResult } from '../sim/run.js';
import type { QueueSample, TcpSample } from '../sim/trace/series.js';
import { unitOf } from './figure.js';
import { figureHtml, page, tableHtml, type Cell, type Figure, type Table } from './report_page.js';
import { sweepPlot, timePlot, type TimePoint } from './report_plot.js';
import type { RunSeries } from './sim_trace.js';
import { metricColumn, parameterColumn, type Row } from './sweep_rows.js';
import { groupsOf, statistics } from './sweep_summary.js';

/** Lines in a plot, points of a line, rows of a table beside it: more cannot be read. */
const LINES = 8, POINTS = 1000, TABLE_ROWS = 50;
/** Plots of a sweep. */
const PLOTS = 24;

/** Of many things so many, evenly. */
function thinned<T>(all: readonly T[], most: number): T[] {
  const step = Math.max(1, (all.length - 1) / (most - 1));
  return all.length <= most ? [...all] : Array.from({ length: most }, (_, i) => all[Math.round(i * step)]);
}

/** Samples by series, those with the largest figure first, as many as a plot has room for. */
function busiest<T>(samples: readonly T[], name: (s: T) => string, size: (s: T) => number): Map<string, T[]> {
  const all = new Map<string, T[]>();
  for (const s of samples) {
    const list = all.get(name(s));
    if (list) list.push(s);
    else all.set(name(s), [s]);
  }
  const largest = (list: readonly T[]): number => list.reduce((n, s) => Math.max(n, size(s)), 0);
  return new Map([...all].map(([k, list]) => ({ k, list, n: largest(list) })).filter(({ n }) => n > 0).sort((a, b) => b.n - a.n).slice(0, LINES).map(({ k, list }) => [k, list]));
}

function timeFigure<T extends { time_ns: number }>(title: string, unit: string, caption: string, series: ReadonlyMap<string, T[]>, value: (s: T) => number | null, dashed?: (s: T) => number | null): Figure {
  const points = (of: (s: T) => number | null): TimePoint[] => [...series].flatMap(([name, list]) => thinned(list, POINTS).map((s) => ({ time: s.time_ns / 1e9, series: name, value: of(s) })));
  const times = thinned([...new Set([...series.values()].flatMap((list) => list.map((s) => s.time_ns)))].sort((a, b) => a - b), TABLE_ROWS);
  const byTime = [...series.values()].map((list) => new Map(list.map((s) => [s.time_ns, value(s)])));
  const table: Table = { head: ['s', ...[...series.keys()].map((k) => `${k}, ${unit}`)], rows: times.map((t): Cell[] => [t / 1e9, ...byTime.map((m) => m.get(t))]) };
  return { title, caption, plot: timePlot(`${title}: ${caption}`, unit, points(value), dashed ? points(dashed) : []), table };
}

/** The report of one run. */
export function runReport(file: string, result: RunResult, series: RunSeries): string {
  const tcp = busiest(series.tcp, (s: TcpSample) => `${s.node} ${s.local} > ${s.remote}`, (s) => s.acked_bytes - 1), queues = busiest(series.queues, (q: QueueSample) => `${q.link} ${q.direction}`, (q) => q.packets);
  const figures: Figure[] = [];
  if (tcp.size) {
    figures.push(
      timeFigure('Congestion window', 'segments', 'The congestion window of each sender, and its slow start threshold (dashed) once there was a loss.', tcp, (s) => s.cwnd, (s) => s.ssthresh),
      timeFigure('Round trip time', 'ms', 'The smoothed round trip time that each sender has measured.', tcp, (s) => s.srtt_us / 1e3),
      timeFigure('In flight', 'kB', 'What each sender has in the network.', tcp, (s) => s.in_flight_bytes / 1e3));
  }
  if (queues.size) figures.push(timeFigure('Queues', 'packets', 'Packets that wait in front of each link.', queues, (q) => q.packets));
  const flows: Table = {
    head: ['flow', 'from', 'to', 'segments', 'sent again', 'lost', 'delivered, bytes', 'goodput, Mbit/s', 'delay mean, ms', 'delay p95, ms'],
    rows: series.flows.map((f) => [`${f.protocol} ${f.source}:${f.source_port} > ${f.destination}:${f.destination_port}`, f.source_node, f.destination_node, f.segments, f.retransmits, f.lost, f.delivered_bytes,
      f.goodput_bps / 1e6, f.delay_mean_ns / 1e6, f.delay_p95_ns / 1e6]),
  };
  const expectations: Table = { head: ['figure', 'is', 'at least', 'at most', 'met'], rows: result.expectations.map((e) => [e.metric, e.value, e.min, e.max, e.met ? 'yes' : 'NO']) };
  return page(`${file}, seed ${result.seed}`, [`${Object.keys(result.nodes).length} nodes, ${result.duration / 1e9} s of virtual time, ${result.events} events. Hash ${result.hash}.`], [
    ...figures.map(figureHtml), section('Flows', flows), ...(expectations.rows.length ? [section('Expectations', expectations)] : []),
    section('Figures', { head: ['figure', 'value'], rows: Object.entries(result.metrics) }),
  ]);
}
const section = (title: string, table: Table): string => `<section><h2>${title}</h2>\n${tableHtml(table)}</section>`;

/** The figures of a sweep that differ between runs: rates and times first, counts after them. */
function varying(rows: readonly Row[]): string[] {
  const all = [...new Set(rows.flatMap((r) => Object.keys(r)))].filter((k) => k.startsWith('metric_') && new Set(rows.map((r) => r[k])).size > 1);
  const rank = (k: string): number => (/goodput$/.test(k) ? 0 : /delay|time$/.test(k) ? 1 : /queue/.test(k) ? 2 : 3);
  return all.sort((a, b) => rank(a) - rank(b)).slice(0, PLOTS);
}

/** One figure of a sweep, by its column. */
function sweepFigure(column: string, rows: readonly Row[], parameters: readonly string[]): Figure {
  const [axis, ...others] = parameters, name = column.slice('metric_'.length), { unit, scale } = unitOf(column), title = unit ? `${name}, ${unit}` : name;
  const has = (r: Row): boolean => typeof r[column] === 'number', value = (r: Row): number => r[column] as number * scale;
  const place = (r: Row) => ({ x: axis === undefined ? 'all seeds' : String(r[parameterColumn(axis)]), series: others.map((o) => `${o}=${String(r[parameterColumn(o)])}`).join(', ') || 'mean' });
  const groups = groupsOf(rows.filter(has), parameters).map((g) => ({ ...place(g[0]), of: parameters.map((p) => g[0][parameterColumn(p)]), s: statistics(g.map(value)) }));
  return {
    title, caption: 'Mean of the seeds with its 95 % confidence interval; small rings are single runs. Values of the parameter stand at equal distances.',
    plot: sweepPlot(`${title} by ${axis ?? 'seed'}`, axis ?? '', unit, groups.map(({ x, series, s }) => ({ x, series, value: s.mean, low: s.ci95_low, high: s.ci95_high })),
      rows.filter(has).map((r) => ({ ...place(r), value: value(r) }))),
    table: { head: [...parameters, 'runs', 'mean', 'sd', '95 % from', 'to'], rows: groups.map(({ of, s }) => [...of, s.n, s.mean, s.sd, s.ci95_low, s.ci95_high]) },
  };
}

/** The report of a sweep. `figures`: of its expectations, which come first. */
export function sweepReport(file: string, rows: readonly Row[], parameters: readonly string[], figures: readonly string[]): string {
  const good = rows.filter((r) => r.error === null), failed = rows.filter((r) => !r.met);
  const plots = [...new Set([...figures.map(metricColumn), ...varying(good)])].filter((c) => good.some((r) => typeof r[c] === 'number')).map((c) => sweepFigure(c, good, parameters));
  const about = [`${rows.length} runs: ${parameters.map((p) => `${p} x `).join('')}seeds. ${failed.length ? `${failed.length} failed or were not as expected.` : 'All were as expected.'}`];
  return page(`${file}: a sweep`, about, [...plots.map(figureHtml), ...(failed.length ? [section('Not as expected', { head: ['command', 'error'], rows: failed.map((r) => [r.command, r.error]) })] : [])]);
}
