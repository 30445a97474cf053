// limit: 240 s
// `nuse bench slides` once, as short as it can be: every experiment gives a figure for every back end, and what is written can be read.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseXml, XmlElement } from '@rgrove/parse-xml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SlidesResult } from '../../bench/slides.js';
import { NUSE } from '../interop/lab.js';

const test = suite('bench: slides');
const dir = mkdtempSync(join(tmpdir(), 'nuse-slides-'));
const nuse = (args: string[], prefix: string[] = []): ReturnType<typeof spawnSync> & { stdout: string; stderr: string } => {
  const [command, ...rest] = [...prefix, ...NUSE, 'bench', ...args];
  return spawnSync(command, rest, { encoding: 'utf8', timeout: 200_000, cwd: dir, env: { ...process.env, TMPDIR: dir } });
};
test.after(() => rmSync(dir, { recursive: true, force: true }));

const EXPERIMENTS = ['ping', 'udp-tx', 'udp-rx', 'routing-ping', 'routing-udp'];
let result: SlidesResult;

test('tap and the kernel: a table, slides.json, slides.svg', () => {
  const r = nuse(['slides', '--backends', 'tap', '--rounds', '1', '--seconds', '0.1', '--out', 'results']);
  assert.is(r.status, 0, r.stderr);
  const lines = r.stdout.split('\n');
  assert.match(lines[0], /^ +kernel +tap +NUSE 2014$/);
  assert.match(r.stdout, /^ping min\/avg\/max, ms +[\d.]+\/[\d.]+\/[\d.]+ +[\d.]+\/[\d.]+\/[\d.]+ +tap 0\.397, raw 0\.396$/m);
  assert.match(r.stdout, /^UDP 1024 B through the router, Mbit\/s +\d+ +\d+ +below 500$/m);
  assert.match(r.stdout, /^netmap: not part of this build$/m);
  result = JSON.parse(readFileSync(join(dir, 'results/slides.json'), 'utf8')) as SlidesResult;
  assert.equal(result.rows.map((x) => `${x.experiment} ${x.backEnd}`), EXPERIMENTS.flatMap((e) => [`${e} kernel`, `${e} tap`]));
  for (const x of result.rows) {
    assert.ok(x.value > 0, JSON.stringify(x));
    if (x.unit === 'ms') assert.ok(0 < x.min! && x.min! <= x.value && x.value <= x.max!, JSON.stringify(x));
  }
  assert.equal(readdirSync(dir).filter((f) => f.startsWith('nuse-lab-')), [], 'the laboratory is gone');
});

test('the plot is one SVG, with a bar for every row and for each figure of 2014', () => {
  const root = parseXml(readFileSync(join(dir, 'results/slides.svg'), 'utf8')).root!;
  assert.is(root.name, 'svg');
  const all = (e: XmlElement): XmlElement[] => [e, ...e.children.filter((c) => c instanceof XmlElement).flatMap(all)];
  const bars = all(root).filter((e) => e.name === 'g' && e.attributes['aria-label'] === 'bar').flatMap((g) => all(g).filter((e) => e.name === 'rect'));
  assert.is(bars.length, result.rows.length + 4);
  for (const b of bars) assert.ok(Number(b.attributes.height) > 0, JSON.stringify(b.attributes));
});

test('what it cannot do is told in a line', () => {
  if (existsSync('/usr/bin/setpriv')) {
    const r = nuse(['slides'], ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']);
    assert.is(r.status, 125);
    assert.match(r.stderr, /^nuse: bench makes network namespaces and devices: it needs root\n/);
  }
  for (const [args, message] of [[['slides', '--backends', 'carrier-pigeon'], /--backends: carrier-pigeon is none/], [['slides', '--rounds', '0'], /--rounds 0/]] as const) {
    const r = nuse([...args]);
    assert.is(r.status, 125);
    assert.match(r.stderr, message);
  }
});

test.run();
