// limit: 300 s
// A web server and its client, in C and in AssemblyScript, exchange 10 MB over three routers and a lossy network: every byte is right,
// and every run gives the same hash, in processes whose addresses are random, while the machine is busy, and in a browser.
// NUSE_SIM_RUNS=20 npm test -- sim/wasi_http: more runs than the two of each pair.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RunResult } from '../../host/sim/run.js';
import { Chromium } from '../harness/chromium.js';
import { BUILD, EXAMPLES } from './wasi_programs.js';

const test = suite('sim: HTTP of WASI programs');
const NUSE = fileURLToPath(new URL('../../../../bin/nuse.mjs', import.meta.url));
const RUNS = Number(process.env.NUSE_SIM_RUNS ?? 2), BYTES = 10_000_000;
const folder = mkdtempSync(join(tmpdir(), 'nuse-wasi-'));
const busy: ChildProcess[] = [];
const hashes = new Map<string, string>();

function nuse(...args: string[]): string {
  const r = spawnSync(process.execPath, [NUSE, ...args], { encoding: 'utf8', maxBuffer: 1 << 26 });
  assert.is(r.status, 0, r.stderr + r.stdout.slice(-2000));
  return r.stdout;
}

/** The scenario, with its modules prepared. */
function prepared(name: string): { text: string; file: string; modules: string[] } {
  const text = readFileSync(new URL(name, EXAMPLES), 'utf8').replace(/\.\.\/\.\.\/\.\.\/build\/wasi\//g, ''), file = join(folder, name);
  const modules = [...text.matchAll(/module: (\S+\.wasm)/g)].map((m) => m[1]);
  for (const m of modules) if (!existsSync(join(folder, m))) nuse('sim-prepare', fileURLToPath(new URL(m, BUILD)), join(folder, m));
  writeFileSync(file, text);
  return { text, file, modules };
}

function quiet(): void { for (const p of busy.splice(0)) p.kill('SIGKILL'); }

test.before(() => {
  const aslr = readFileSync('/proc/sys/kernel/randomize_va_space', 'utf8').trim();
  assert.is(aslr, '2', 'addresses are not random on this machine');
  for (let i = 0; i < availableParallelism(); i++) busy.push(spawn(process.execPath, ['-e', 'for (;;) Buffer.alloc(1 << 20)'], { stdio: 'ignore' }));
});
test.after(() => {
  quiet();
  rmSync(folder, { recursive: true });
});

const simulate = (...args: string[]): RunResult => JSON.parse(nuse('sim', '--json', ...args)) as RunResult;

for (const name of ['http.yaml', 'http-as.yaml']) {
  test(`${name}: every byte arrives, and every run gives the same hash`, () => {
    const { file } = prepared(name), first = simulate(file);
    assert.match(first.output.client.stdout, new RegExp(`^${BYTES} of ${BYTES} bytes, 0 wrong, `));
    assert.is(first.metrics['client.exit'], 0);
    assert.ok(first.metrics['r1-r2.reverse.lost'] > 0 && first.metrics['r2-r3.reverse.lost'] > 0, 'nothing was lost');
    for (let i = 1; i < RUNS; i++) assert.is(simulate(file).hash, first.hash, `run ${i + 1}`);
    hashes.set(name, first.hash);
  });
}

test('prepared in the run or before, in one thread or two, the hash is the same; with another seed it is not', () => {
  quiet();
  assert.is(simulate('--workers', '2', join(folder, 'http.yaml')).hash, hashes.get('http.yaml'));
  assert.is(simulate(fileURLToPath(new URL('http.yaml', EXAMPLES))).hash, hashes.get('http.yaml'));
  assert.is.not(simulate('--seed', '2', join(folder, 'http.yaml')).hash, hashes.get('http.yaml'));
});

test('headless Chromium gives the same hash', async () => {
  const chromium = await Chromium.launch();
  try {
    const { text, modules } = prepared('http.yaml');
    const files = Object.fromEntries(modules.map((m) => [`/${m}`, pathToFileURL(join(folder, m))]));
    assert.is(await chromium.run<string>({ module: new URL('./pages/wasi_page.js', import.meta.url), args: text, files }), hashes.get('http.yaml'));
  } finally {
    await chromium.close();
  }
});

test.run();
