// Plots of reports as SVG, drawn without a browser.
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

/** A point of a line over time. */
export interface TimePoint {
  /** s */
  time: number;
  series: string;
  value: number | null;
}
/** A run of a sweep, or the mean of some with the ends of its confidence interval. */
export interface SweepPoint {
  x: string;
  series: string;
  value: number;
  low?: number | null;
  high?: number | null;
}

const WIDTH = 860, HEIGHT = 300, APART = 9;
const { document } = parseHTML('<!doctype html><html><body></body></html>');

/** The SVG, or a figure of it with its legend, that says what it is to who cannot see it. */
function drawn(label: string, options: Plot.PlotOptions): string {
  const element = Plot.plot({ document: document as unknown as Document, width: WIDTH, height: HEIGHT, marginLeft: 60, grid: true, ...options });
  const all = element.localName === 'svg' ? [element] : [...element.querySelectorAll('svg')];
  const svg = all.at(-1)!;
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return element.outerHTML;
}

/** Lines over time; `dashed`: further ones, of the same series. */
export function timePlot(label: string, unit: string, points: readonly TimePoint[], dashed: readonly TimePoint[] = []): string {
  const line = { x: 'time', y: 'value', stroke: 'series', z: 'series', strokeWidth: 1.5, curve: 'step-after' } as const;
  return drawn(label, {
    x: { label: 's' }, y: { label: unit, zero: true }, color: { legend: true, scheme: 'observable10' },
    marks: [Plot.ruleY([0]), Plot.lineY(points, line), Plot.lineY(dashed, { ...line, strokeDasharray: '3 4' })],
  });
}

/** Means with their intervals over equally spaced values of a parameter, and every run beside them. */
export function sweepPlot(label: string, axis: string, unit: string, means: readonly SweepPoint[], runs: readonly SweepPoint[]): string {
  const x = [...new Set(means.map((m) => m.x))], series = [...new Set(means.map((m) => m.series))];
  // A little beside each other, so that no interval hides another.
  const marks = series.flatMap((name, i): Plot.Markish[] => {
    const own = means.filter((m) => m.series === name), dx = (i - (series.length - 1) / 2) * APART;
    return [
      Plot.dot(runs.filter((r) => r.series === name), { x: 'x', y: 'value', stroke: 'series', r: 2, strokeOpacity: 0.4, dx }),
      Plot.ruleX(own.filter((m) => typeof m.low === 'number'), { x: 'x', y1: 'low', y2: 'high', stroke: 'series', strokeWidth: 2, dx }),
      Plot.lineY(own, { x: 'x', y: 'value', stroke: 'series', dx }), Plot.dot(own, { x: 'x', y: 'value', fill: 'series', symbol: 'series', r: 5, dx }),
    ];
  });
  return drawn(label, {
    x: { label: axis, domain: x, type: 'point', grid: false }, y: { label: unit, zero: true, nice: true }, color: { domain: series, scheme: 'observable10' }, symbol: { domain: series, legend: true },
    marks: [Plot.ruleY([0]), ...marks],
  });
}

/** A bar among those of its group, with the ends of its range. */
export interface Bar {
  group: string;
  name: string;
  value: number;
  low?: number;
  high?: number;
}

/** Bars by group, each group with the same names, as one SVG. `line`: a value to compare with. */
export function barPlot(label: string, unit: string, bars: readonly Bar[], line?: number): string {
  const ranged = bars.filter((b) => b.low !== undefined), domain = [...new Set(bars.map((b) => b.name))];
  return drawn(label, {
    fx: { label: null, domain: [...new Set(bars.map((b) => b.group))] }, x: { label: null, domain, tickRotate: -20 },
    y: { label: unit, zero: true, nice: true }, color: { domain, scheme: 'observable10' }, marginBottom: 50,
    marks: [
      Plot.barY(bars, { fx: 'group', x: 'name', y: 'value', fill: 'name' }), Plot.ruleX(ranged, { fx: 'group', x: 'name', y1: 'low', y2: 'high' }),
      Plot.text(bars, { fx: 'group', x: 'name', y: 'value', text: (b: Bar) => Number(b.value.toPrecision(3)).toLocaleString('en'), dy: -6, fontSize: 9 }),
      Plot.ruleY(line === undefined ? [] : [line], { strokeDasharray: '3 4' }), Plot.ruleY([0]),
    ],
  });
}

/** SVGs of the same size below each other, as one file. */
export function stacked(svgs: readonly string[]): string {
  const parts = svgs.map((svg, i) => svg.replace('<svg', `<svg y="${i * HEIGHT}"`)), height = HEIGHT * svgs.length;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"><rect width="100%" height="100%" fill="white"/>${parts.join('')}</svg>\n`;
}
