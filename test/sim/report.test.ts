// Reports: one file that needs nothing else, with a plot of what was measured and a table beside each.
import { readFileSync } from 'node:fs';
import { parseHTML } from 'linkedom';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../host/cli/install.js';
import { runReport, sweepReport } from '../../host/cli/sim_report.js';
import { rowOf, type Row } from '../../host/cli/sweep_rows.js';
import { statistics } from '../../host/cli/sweep_summary.js';
import { ScenarioRun, type RunResult } from '../../host/sim/run.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';
import type { QueueSample, TcpSample } from '../../host/sim/trace/series.js';
import { Trace } from '../../host/sim/trace/trace.js';

const test = suite('sim: reports');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));

/** The parts of a page, which must stand alone and have a table for each plot. */
function read(html: string): { title: string; svg: Element; table: string[][] }[] {
  assert.not.match(html.replaceAll(/xmlns(:\w+)?="[^"]*"/g, ''), /https?:|<script|<link|<img|@import|url\((?!#)/, 'it needs nothing from elsewhere');
  assert.match(html, /@media \(prefers-color-scheme: dark\)/);
  const { document } = parseHTML(html), sections = [...document.querySelectorAll('section')].filter((s) => s.querySelector('svg'));
  assert.is(document.querySelectorAll('svg[role=img]').length, sections.length);
  return sections.map((s) => {
    const svg = s.querySelector('svg[role=img]')!;
    assert.ok(svg.getAttribute('aria-label'));
    const table = [...s.querySelectorAll('details table tr')].map((r) => [...r.querySelectorAll('th, td')].map((c) => c.textContent));
    assert.ok(table.length > 1);
    return { title: s.querySelector('h2')!.textContent, svg, table };
  });
}
/** Corners of the lines of a plot, by line. */
const lines = (svg: Element): [number, number][][] => [...svg.querySelectorAll('g[aria-label=line] path')].map((p) => {
  let x = NaN, y = NaN;
  return [...p.getAttribute('d')!.matchAll(/([MLHV])(-?[\d.]+)(?:,(-?[\d.]+))?/g)].map(([, command, a, b]): [number, number] => {
    if (command !== 'V') x = Number(a);
    if (command === 'V') y = Number(a);
    else if (command !== 'H') y = Number(b);
    return [x, y];
  });
});

test('a run: what is plotted is what was sampled', async () => {
  const r = await ScenarioRun.create(scenarioOf({
      duration: '3s', sample: '50ms', links: [{ name: 'l1', between: ['a', 'b'], rate: '10Mbit', delay: '10ms' }], apps: [{ type: 'bulk', from: 'a', to: 'b' }],
    }), { module }), tcp: TcpSample[] = [], queues: QueueSample[] = [];
  const trace = new Trace(r, { tcp: (s) => tcp.push(s), queue: (s) => queues.push(s) });
  r.finish();
  const figures = read(runReport('a <b> & "c".yaml', r.result(), { tcp, queues, flows: trace.flows() }));
  assert.equal(figures.map((f) => f.title), ['Congestion window', 'Round trip time', 'In flight', 'Queues']);
  const forward = queues.filter((q) => q.direction === 'forward'), queue = figures[3];
  assert.equal(queue.table[0].slice(0, 2), ['s', 'l1 forward, packets']);
  for (const [time, packets] of queue.table.slice(1)) assert.is(Number(packets), forward.find((q) => q.time_ns / 1e9 === Number(time))!.packets);
  // The plot is the same series on two linear scales: the highest corner is the largest queue, the lowest an empty one.
  const heights = [...new Set(lines(queue.svg)[0].map(([, y]) => y))].sort((a, b) => b - a), lengths = [...new Set(forward.map((q) => q.packets))].sort((a, b) => a - b);
  assert.is(heights.length, lengths.length);
  const scale = (heights[0] - heights.at(-1)!) / (lengths.at(-1)! - lengths[0]);
  lengths.forEach((n, i) => assert.ok(Math.abs(heights[0] - heights[i] - n * scale) < 0.01, `${n} packets at ${heights[i]}`));
});

test('a sweep: means, intervals, and a line for each second parameter', () => {
  const result = (goodput: number): RunResult => ({ seed: 1, duration: 1e9, events: 1, hash: 'h', nodes: {}, metrics: { 'bulk.goodput': goodput, same: 1 }, expectations: [], log: [] }) as unknown as RunResult;
  const rows: Row[] = [];
  const seeds = [1, 2, 3];
  for (const loss of [0, 0.1]) for (const cc of ['reno', 'cubic']) for (const seed of seeds)
    rows.push(rowOf({ parameters: { loss, cc }, seed }, result((cc === 'reno' ? 10 : 12) * 1e6 + (seed - 50 * loss) * 1e6), 'again'));
  rows.push(rowOf({ parameters: { loss: 0.1, cc: 'reno' }, seed: 4 }, { error: 'a <bad> thing' }, 'nuse sim x'));
  const html = sweepReport('s.yaml', rows, ['loss', 'cc'], []), figures = read(html);
  assert.equal(figures.map((f) => f.title), ['bulk_goodput, Mbit/s'], 'what never changes is not plotted');
  assert.is(figures[0].table.length, 5);
  const { mean, sd, ci95_low } = statistics([14, 15, 13]);
  assert.equal(figures[0].table[2].slice(0, 4), ['0', 'cubic', '3', String(mean)]);
  assert.ok(Math.abs(Number(figures[0].table[2][4]) - sd!) < 1e-6 && Math.abs(Number(figures[0].table[2][5]) - ci95_low!) < 1e-5);
  assert.is(lines(figures[0].svg).length, 2);
  assert.is(figures[0].svg.querySelectorAll('g[aria-label=dot] circle').length, 12, 'a ring for each run');
  assert.match(html, /a &lt;bad&gt; thing/);
});

test.run();
