// Sweeps by the command: the same rows however many threads, in however many parts, interrupted or not; each row's command repeats it.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PACKAGE_ROOT } from '../../host/cli/install.js';
import type { Column, Row } from '../../host/cli/sweep_rows.js';
import { statistics, t975, type SummaryRow } from '../../host/cli/sweep_summary.js';

const test = suite('sim: sweeps'), folder = mkdtempSync(join(tmpdir(), 'nuse-sweep-'));
test.after(() => { rmSync(folder, { recursive: true }); });

const NUSE = join(PACKAGE_ROOT, 'bin/nuse.mjs');
const SCENARIO = `duration: 2s
parameters:
  loss: links.0.loss
  control: [nodes.a.sysctl.net.ipv4.tcp_congestion_control, nodes.b.sysctl.net.ipv4.tcp_congestion_control]
nodes: { a: { memory: 16MiB } }
links:
  - { name: wire, between: [a, b], rate: 4Mbit, delay: 5ms, reverse: { loss: 0 } }
apps:
  - { type: bulk, from: a, to: b }
expect:
  - { metric: bulk.goodput, min: 100kbit }
`;
writeFileSync(join(folder, 's.yaml'), SCENARIO);

/** Run the command in the folder. */
function nuse(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [NUSE, 'sim', ...args], { cwd: folder, maxBuffer: 1 << 26 }, (e, out, err) => resolve({ code: e ? Number(e.code) : 0, out, err }));
  });
}
const text = (...path: string[]): string => readFileSync(join(folder, ...path), 'utf8');
const rowsOf = (out: string): Row[] => text(out, 'rows.jsonl').trim().split('\n').map((l) => JSON.parse(l) as Row);
const SWEEP = ['s.yaml', '--sweep', 'loss=0.1,0,0.02', '--sweep', 'control=reno,cubic', '--seeds', '1..3'];

test('the same rows whatever -j, each repeated by its command', async () => {
  const [one, three] = [await nuse(...SWEEP, '--out', 'one', '-j', '1'), await nuse(...SWEEP, '--out', 'three', '-j', '3')];
  assert.equal([one.code, three.code], [0, 0], one.err + three.err);
  assert.is(one.err, '', 'no progress bar where there is no terminal');
  for (const file of ['rows.jsonl', 'rows.csv', 'summary.csv', 'schema.json']) assert.is(text('one', file), text('three', file), file);
  const rows = rowsOf('one');
  assert.equal(rows.map((r) => [r.param_loss, r.param_control, r.seed]), [0, 0.02, 0.1].flatMap((l) => ['cubic', 'reno'].flatMap((c) => [1, 2, 3].map((s) => [l, c, s]))));
  assert.ok(new Set(rows.map((r) => r.hash)).size >= 15, 'hardly two runs are the same');
  for (const r of [rows[4], rows[13]]) {
    const { out } = await nuse(...r.command.split(' ').slice(2), '--json'), result = JSON.parse(out) as { hash: string; metrics: Record<string, number> };
    assert.is(result.hash, r.hash, r.command);
    assert.is(result.metrics['bulk.goodput'], r.metric_bulk_goodput);
  }
});

test('columns are flat and typed, and CSV has what JSON lines have', () => {
  const rows = rowsOf('one'), columns = JSON.parse(text('one', 'schema.json')) as Column[], lines = text('one', 'rows.csv').trim().split('\n');
  assert.equal(lines[0].split(','), columns.map((c) => c.name));
  for (const c of columns) {
    assert.match(c.name, /^[a-z][A-Za-z0-9_]*$/);
    for (const r of rows) {
      assert.ok(Object.hasOwn(r, c.name));
      if (r[c.name] !== null) assert.type(r[c.name], c.type === 'int64' || c.type === 'double' ? 'number' : c.type);
      else assert.ok(c.nullable, c.name);
    }
  }
  lines.slice(1).forEach((l, i) => assert.equal(l.split(','), columns.map((c) => String(rows[i][c.name] ?? ''))));
});

test('the summary: means and intervals of the rows, by known vectors', () => {
  assert.equal(statistics([5]), { n: 1, mean: 5, sd: null, ci95_low: null, ci95_high: null });
  const s = statistics([1, 2, 3, 4, 5]);
  for (const [got, known] of [[s.mean, 3], [s.sd!, 1.581139], [s.ci95_low!, 1.036757], [s.ci95_high!, 4.963243], [t975(31), 2.039513], [t975(60), 2.000298], [t975(1000), 1.962339]])
    assert.ok(Math.abs(got - known) < 1e-4, `${got} is not ${known}`);
  const rows = rowsOf('one').filter((r) => r.param_loss === 0.02 && r.param_control === 'reno').map((r) => r.metric_bulk_goodput as number);
  const summary = JSON.parse(text('one', 'summary.json')) as (SummaryRow & { param_loss: number; param_control: string })[];
  const line = summary.find((x) => x.param_loss === 0.02 && x.param_control === 'reno' && x.metric === 'bulk_goodput')!;
  assert.is(line.n, 3);
  assert.ok(Math.abs(line.mean - (rows[0] + rows[1] + rows[2]) / 3) < 1e-6);
  assert.ok(line.ci95_low! < line.mean && line.sd! > 0);
});

test('a sweep that is killed goes on where it was; a line that was being written is computed again', async () => {
  const p = spawn(process.execPath, [NUSE, 'sim', ...SWEEP, '--out', 'killed', '-j', '1'], { cwd: folder, stdio: 'ignore' }), file = join(folder, 'killed/rows.jsonl');
  const ended = new Promise((resolve) => { p.once('exit', (_code, signal) => resolve(signal)); });
  while (p.exitCode === null && !(existsSync(file) && readFileSync(file, 'utf8').split('\n').length > 3)) await sleep(5);
  p.kill('SIGKILL');
  assert.is(await ended, 'SIGKILL', 'it was killed before its end');
  const done = text('killed', 'rows.jsonl').split('\n').length - 1;
  assert.ok(done >= 3 && done < 18, `${done} runs were done`);
  appendFileSync(file, '{"param_loss":0.02,"se');
  const again = await nuse(...SWEEP, '--out', 'killed');
  assert.match(again.out, new RegExp(`^s\\.yaml: ${18 - done} of 18 runs`));
  assert.is(text('killed', 'rows.jsonl'), text('one', 'rows.jsonl'));
  assert.match((await nuse(...SWEEP, '--out', 'killed')).out, /^s\.yaml: 0 of 18 runs/);
});

test('on a terminal there is a progress bar', () => {
  const out = execFileSync('script', ['-qec', `'${process.execPath}' '${NUSE}' sim s.yaml --seeds 1..30 -j 1`, '/dev/null'], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  assert.match(out, /[=-]{40} [1-9]\d*\/30 runs/); // drawn ten times a second: not every number is
});

test('a wider sweep computes what is new; another scenario or core is refused', async () => {
  assert.match((await nuse('s.yaml', '--sweep', 'loss=0,0.02,0.05,0.1', '--sweep', 'control=reno,cubic', '--seeds', '1..3', '--out', 'three')).out, /^s\.yaml: 6 of 24 runs/);
  writeFileSync(join(folder, 's.yaml'), `# only a comment\n${SCENARIO}`);
  assert.is((await nuse(...SWEEP, '--out', 'one')).code, 0);
  for (const [what, changed, args] of [['scenario', SCENARIO.replace('5ms', '6ms'), []], ['scenario', SCENARIO, ['--set', 'links.0.rate=5Mbit']]] as const) {
    writeFileSync(join(folder, 's.yaml'), changed);
    const r = await nuse(...SWEEP, ...args, '--out', 'one');
    assert.is(r.code, 125);
    assert.match(r.err, new RegExp(`one holds runs of another ${what}.*\n.*another folder`));
  }
  writeFileSync(join(folder, 's.yaml'), SCENARIO);
  const identity = text('three', 'sweep.json');
  writeFileSync(join(folder, 'three/sweep.json'), identity.replace(/"build": "./, '"build": "x'));
  assert.match((await nuse(...SWEEP, '--out', 'three')).err, /three holds runs of another build of nuse or its core/);
  assert.match((await nuse('s.yaml', '--sweep', 'loss=0', '--out', 'one')).err, /one holds a sweep over loss, control, not over loss\n/);
});

test('shards, merged, are the whole; what is missing is told', async () => {
  for (const i of [1, 2, 3]) assert.is((await nuse(...SWEEP, '--shard', `${i}/3`, '--out', `shard-${i}`)).code, 0);
  assert.equal([1, 2, 3].map((i) => rowsOf(`shard-${i}`).length), [6, 6, 6]);
  const part = await nuse(...SWEEP, '--merge', 'shard-1', 'shard-3', '--out', 'merged');
  assert.is(part.code, 125);
  assert.match(part.err, /6 of 18 runs are missing/);
  assert.is((await nuse(...SWEEP, '--merge', 'shard-1', 'shard-2', 'shard-3', '--out', 'merged')).code, 0);
  for (const file of ['rows.jsonl', 'rows.csv', 'summary.json']) assert.is(text('merged', file), text('one', file), file);
});

test('a run that fails is a row with its error, and harms no other', async () => {
  const r = await nuse('s.yaml', '--sweep', 'nodes.a.memory=16MiB,1kB', '--seeds', '1..2', '--out', 'failing');
  assert.is(r.code, 1);
  const rows = rowsOf('failing');
  assert.equal(rows.map((x) => [x.param_nodes_a_memory, x.met, x.metric_bulk_goodput === null]), [['1kB', null, true], ['1kB', null, true], ['16MiB', true, false], ['16MiB', true, false]]);
  assert.match(rows[0].error!, /node a: /);
  assert.match(r.out, /error: node a: .*\n +nuse sim s\.yaml --set nodes\.a\.memory=1kB --seed 1/);
});

const MISTAKES: [string, string[], RegExp][] = [
  ['a parameter that is none', ['s.yaml', '--sweep', 'los=1'], /s\.yaml: los: there is no such parameter or field; name a parameter \(loss, control\)/],
  ['a bad value among good ones', ['s.yaml', '--sweep', 'loss=0,2'], /^s\.yaml:7: links\.0\.loss: 2 is not a probability/],
  ['a link that is not there', ['s.yaml', '--sweep', 'links.1.loss=0'], /links\.1\.loss: there is no links\.1: use 0 to 0/],
  ['no values', ['s.yaml', '--sweep', 'loss='], /names no values\n +write for example/],
  ['a value twice', ['s.yaml', '--sweep', 'loss=0,0'], /has a value twice/],
  ['seeds backwards', ['s.yaml', '--seeds', '5..1'], /are no seeds\n +write for example --seeds 1\.\.20/],
  ['too many runs', ['s.yaml', '--sweep', 'loss=0,0.1', '--seeds', '1..900000'], /that would be 1800000 runs/],
  ['two ways to say the seed', ['s.yaml', '--seed', '1', '--seeds', '1..2'], /--seed and --seeds/],
  ['no shard', ['s.yaml', '--seeds', '1..2', '--shard', '3/2', '--out', 'x'], /is no shard/],
  ['a shard without a folder', ['s.yaml', '--seeds', '1..2', '--shard', '1/2'], /give --out/],
  ['no threads', ['s.yaml', '--seeds', '1..2', '-j', '0'], /is no number of threads/],
  ['a parameter of nothing', ['p.yaml'], /^p\.yaml:3: parameters\.loss: there is no links\.4: use 0 to 0/],
  ['a parameter named as a field', ['d.yaml'], /^d\.yaml:3: parameters\.duration: is the name of a field/],
];
writeFileSync(join(folder, 'p.yaml'), SCENARIO.replace('links.0', 'links.4'));
writeFileSync(join(folder, 'd.yaml'), SCENARIO.replace('loss:', 'duration:'));
for (const [what, args, message] of MISTAKES) {
  test(`a mistake: ${what}`, async () => {
    const r = await nuse(...args);
    assert.is(r.code, 125);
    assert.match(r.err, message);
  });
}

test.run();
