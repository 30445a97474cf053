// limit: 240 s
// Applications with promises on the Node-shaped API, in simulated time: Node's http, undici, datagrams, timers; the same run every time.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { get } from 'node:http';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scheduler, setImmediate as immediate, setInterval as every, setTimeout as wait } from 'node:timers/promises';
import { Client, fetch } from 'undici';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SimulatedNode } from '../../host/node/simulated/simulated_node.js';
import { ModuleApp, type AppMain } from '../../host/node/simulated/module_app.js';
import { settle } from '../../host/node/simulated/settle.js';
import { ScenarioRun, type RunResult } from '../../host/sim/run.js';
import type { ScenarioInput } from '../../host/sim/scenario.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';
import { loader, module } from './wasi_programs.js';

const test = suite('sim: applications with promises');
const NUSE = fileURLToPath(new URL('../../../../bin/nuse.mjs', import.meta.url));
const EXAMPLE = fileURLToPath(new URL('../../../../examples/sim/node/http.yaml', import.meta.url));
const RUNS = Number(process.env.NUSE_SIM_RUNS ?? 10);
const LOSSY: ScenarioInput['links'] = [
  { between: ['a', 'r1'], rate: '100Mbit', delay: '1ms' }, { between: ['r1', 'r2'], rate: '20Mbit', delay: '10ms', loss: 0.002, jitter: '1ms' },
  { between: ['r2', 'b'], rate: '50Mbit', delay: '2ms', loss: 0.001 },
];
const busy: ChildProcess[] = [];

/** These functions as applications: `NODE/whatever` runs on NODE. */
async function make(apps: Record<string, AppMain>, more: Partial<ScenarioInput> = {}, core = module): Promise<ScenarioRun> {
  const entries = Object.entries(apps).map(([key]) => ({ type: 'module' as const, name: key.replace('/', '-'), node: key.split('/')[0], file: key }));
  return ScenarioRun.create(scenarioOf({ duration: '60s', links: [{ between: ['a', 'b'], rate: '10Mbit', delay: '1ms' }], ...more, apps: [...entries, ...(more.apps ?? [])] }), {
    module: core, loader: { settle, wasi: (file) => loader.wasi(file), module: async (name, spec, node, lookup) => new ModuleApp(name, spec, node, lookup, apps[spec.file]) },
  });
}
async function runApps(apps: Record<string, AppMain>, more?: Partial<ScenarioInput>): Promise<RunResult> {
  const run = await make(apps, more);
  await run.finishAsync();
  return run.result();
}
const closed = (o: { once(event: 'close', fn: () => void): unknown }): Promise<void> => new Promise((resolve) => { o.once('close', resolve); });

test.after(() => { for (const p of busy) p.kill('SIGKILL'); });

/** GET /N gives N bytes; so many requests. */
const server = (requests: number) => async (node: SimulatedNode): Promise<void> => {
  const http = node.createHttpServer((request, response) => {
    response.end(Buffer.alloc(Number(request.url!.slice(1)), 'abcdefg'));
    response.once('close', () => { if (--requests === 0) http.close(); });
  }).listen(80);
  await closed(http);
};
const WANTED = createHash('sha256').update(Buffer.alloc(1_000_000, 'abcdefg')).digest('hex');

async function fetchHash(node: SimulatedNode): Promise<string> {
  const hash = createHash('sha256');
  const response = await new Promise<AsyncIterable<Buffer>>((resolve, reject) => { get({ agent: node.agent, host: 'b', path: '/1000000' }, resolve).on('error', reject); });
  for await (const piece of response) hash.update(piece);
  return hash.digest('hex');
}

test(`http over a lossy network: ${RUNS} runs, one hash, while the machine is busy`, async () => {
  for (let i = 0; i < availableParallelism(); i++) busy.push(spawn(process.execPath, ['-e', 'for (;;) Buffer.alloc(1 << 20)'], { stdio: 'ignore' }));
  const once = (seed = 1): Promise<RunResult> => runApps({
    'b/server': server(4),
    // Two at a time, on two connections; then again, on the same ones.
    'a/client': async (node) => {
      for (let i = 0; i < 2; i++) node.log((await Promise.all([fetchHash(node), fetchHash(node)])).join(' '));
    },
  }, { links: LOSSY, seed });
  const first = await once();
  assert.is(first.output['a-client'].stdout, `${WANTED} ${WANTED}\n`.repeat(2));
  assert.is(first.output['b-server'].stderr, '');
  assert.is(first.metrics['b-server.running'], 0);
  assert.ok(first.metrics['r1-r2.reverse.lost'] > 0);
  for (let i = 1; i < RUNS; i++) assert.equal(await once(), first, `run ${i + 1}`);
  assert.is.not((await once(2)).hash, first.hash);
});

test('the example gives the same hash in processes of their own', () => {
  const hashes = [1, 2].map(() => {
    const r = spawnSync(process.execPath, [NUSE, 'sim', '--json', EXAMPLE], { encoding: 'utf8', maxBuffer: 1 << 26 });
    assert.is(r.status, 0, r.stderr + r.stdout);
    return (JSON.parse(r.stdout) as RunResult).hash;
  });
  assert.is(hashes[0], hashes[1]);
});

test('undici and its fetch over a simulated node', async () => {
  const once = (): Promise<RunResult> => runApps({
    'b/server': server(3),
    'a/client': async (node) => {
      const client = new Client('http://b', { connect: (options, callback) => {
        const socket = node.connect({ host: options.hostname, port: Number(options.port || 80) });
        socket.once('connect', () => callback(null, socket as never)).once('error', (e) => callback(e, null));
      } });
      for (let i = 0; i < 2; i++) {
        const { body, headers } = await client.request({ path: '/1000', method: 'GET' });
        node.log(`${(await body.text()).length} ${String(headers.date)}`);
      }
      const response = await fetch('http://b/2000', { dispatcher: client });
      node.log(`${(await response.text()).length} by fetch`);
      await client.close();
    },
  });
  const r = await once();
  assert.is(r.output['a-client'].stdout, `${'1000 Thu, 01 Jan 2026 00:00:00 GMT\n'.repeat(2)}2000 by fetch\n`, r.output['a-client'].stderr);
  // Its timers live on in the process: there is one tick of them less in a second run, but no other frame.
  assert.equal((await once()).nodes, r.nodes);
});

test('datagrams, and names of nodes', async () => {
  const r = await runApps({
    'b/echo': (node) => new Promise<void>((resolve) => {
      const s = node.createSocket('udp4', (data, from) => s.send(data, from.port, from.address, () => { s.close(); resolve(); }));
      s.bind(7);
    }),
    'a/ask': async (node) => {
      const s = node.createSocket('udp4');
      s.send('hello', 7, 'b');
      const data = await new Promise<Buffer>((resolve) => { s.once('message', resolve); });
      node.log(`${data.toString()} after ${node.now} ns`);
      s.close();
      await new Promise((resolve) => { node.lookup('nobody', {}, (error) => resolve(node.log(error!.message))); });
    },
  });
  assert.match(r.output['a-ask'].stdout, /^hello after \d+ ns\ngetaddrinfo ENOTFOUND nobody\n$/);
  assert.is(r.metrics['b-echo.running'], 0);
});

test('time is the run\'s: timers, dates, timeouts of sockets; chance is the node\'s', async () => {
  const seen: number[] = [];
  const times = (): Promise<RunResult> => runApps({
    'b/silent': (node) => { node.createServer((s) => { s.on('error', () => undefined).resume(); }).listen(9); },
    'a/clocks': async (node) => {
      const note = (what: string): void => node.log(`${what} ${node.now / 1e6} ${Date.now()} ${new Date().toISOString()} ${performance.now()}`);
      await node.sleep(1000);
      note('slept');
      await promisify(setTimeout)(100);
      await wait(60, undefined, { signal: AbortSignal.timeout(70) });
      await wait(1e6, undefined, { signal: AbortSignal.timeout(40) }).catch((e: Error) => node.log(`${e.name} ${(e.cause as Error).name}`));
      await new Promise((resolve) => { setTimeout(resolve, 300); });
      note('global');
      let ticks = 0;
      await new Promise<void>((resolve) => { const t = setInterval(() => { if (++ticks === 3) { clearInterval(t); resolve(); } }, 100); });
      note('interval');
      const cancelled = node.setTimeout(() => node.log('cancelled'), 10);
      node.clearTimeout(cancelled);
      const s = node.connect(9, 'b').setTimeout(2000);
      await new Promise((resolve) => { s.once('timeout', resolve); });
      node.log(`idle ${Math.floor(node.now / 1e6)}`);
      s.destroy();
      node.log(String(Math.random()));
    },
  });
  const real = Date.now(), r = await times();
  seen.push(Date.now(), real);
  const [slept, aborted, global, interval, idle, chance] = r.output['a-clocks'].stdout.split('\n');
  assert.is(slept, 'slept 1000 1767225601000 2026-01-01T00:00:01.000Z 1000');
  assert.is(aborted, 'AbortError TimeoutError');
  assert.is(global, 'global 1500 1767225601500 2026-01-01T00:00:01.500Z 1500');
  assert.is(interval, 'interval 1800 1767225601800 2026-01-01T00:00:01.800Z 1800');
  // The connection takes one round trip of 2 ms and what the frames take.
  assert.match(idle, /^idle 380\d$/);
  assert.match(chance, /^0\.\d+$/);
  assert.is((await times()).hash, r.hash);
  assert.ok(Math.abs(seen[0] - seen[1]) < 3_600_000 && seen[1] > 1_767_225_600_000 + 10e6, 'the process has its own clock back');
});

test('immediates, ticks and files are waited for while time stands still', async () => {
  const r = await runApps({
    'a/loop': async (node) => {
      for (let i = 0; i < 50; i++) await immediate();
      await new Promise((resolve) => { process.nextTick(resolve); });
      node.log(`${(await readFile(EXAMPLE, 'utf8')).length > 100} ${node.now}`);
    },
  }, { links: LOSSY });
  assert.is(r.output['a-loop'].stdout, 'true 0\n', r.output['a-loop'].stderr);
});

test('a node whose core traps: its applications\' sockets fail with ECONNRESET, its WASI programs end, the others go on', async () => {
  const core = new WebAssembly.Module(await readFile(new URL('../../../core.trapping.wasm', import.meta.url)));
  const run = await make({
    'b/victim': (node) => new Promise((_, reject) => { node.createSocket('udp4').on('error', reject).bind(7); }),
    'a/killer': async (node) => {
      await node.sleep(100);
      node.sockets.datagram(4, 3, 253).send(Buffer.from('x'), '10.0.0.2', 0);
      await node.sleep(100);
      node.log(`lives at ${node.now}`);
    },
  }, { apps: [{ type: 'wasi', name: 'sleeper', node: 'b', module: 'basics.wasm', args: ['time'] }] }, core);
  await run.finishAsync();
  const { output, metrics, log } = run.result();
  assert.match(log[0].what, /^node b has trapped: unreachable/);
  assert.match(output['b-victim'].stderr, /ECONNRESET/);
  assert.is(output['a-killer'].stdout, 'lives at 200000000\n', output['a-killer'].stderr);
  assert.is(metrics['nodes.trapped'], 1);
  assert.is(output.sleeper.stderr, 'ended: its node has trapped\n');
  assert.is(metrics['sleeper.failed'], 1);
});

test('what goes wrong: a rejection, a refused connection, an application that lets no time pass, a run without promises', async () => {
  const r = await runApps({
    'a/bad': () => Promise.reject(new TypeError('broken')),
    'a/refused': (node) => new Promise((_, reject) => { node.connect(1, '10.0.0.2').once('error', reject); }),
  });
  assert.is(r.output['a-bad'].stderr, 'TypeError: broken\n');
  assert.is(r.metrics['a-bad.failed'], 1);
  assert.match(r.output['a-refused'].stderr, /ECONNREFUSED/);
  let spins = true;
  const spin = await runApps({ 'b/spin': async () => { while (spins) await immediate(); } }).catch((e: Error) => e);
  spins = false;
  assert.match((spin as Error).message, /an application of node b spins: 100000 rounds of setImmediate/);
  assert.throws(() => { throw spin; }, (e: { code?: string }) => e.code === 'ERR_NUSE_SIM_SPIN');
  const run = await make({ 'a/none': () => undefined });
  assert.throws(() => run.finish(), /application a-none uses promises: this scenario is run by advanceAsync/);
});

for (const [what, app, message] of [
  ['a timer', (node) => { node.setTimeout(() => { throw new TypeError('broken'); }, 5); return node.sleep(1000); },
    /^an application of node a has failed at 0\.005000000 s: TypeError: broken \(.*node_apps\.test\.js:\d+\)$/],
  ['a promise that nobody awaits', (node) => { void node.sleep(5).then(() => { throw new TypeError('broken'); }); return node.sleep(1000); },
    /^an application of node a has failed at 0\.005000000 s: TypeError: broken \(/],
  ['a socket\'s error that nobody takes', (node) => { node.connect(1, '10.0.0.2'); return node.sleep(1000); }, /^an application of node a has failed at 0\.00\d+ s: Error: connect ECONNREFUSED 10\.0\.0\.2:1$/],
] as [string, AppMain, RegExp][]) {
  test(`what nobody catches ends the run, with the node and the time: ${what}`, async () => {
    const listeners = (): number => process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection'), before = listeners();
    const error = await runApps({ 'a/bad': app }).catch((e: Error & { code?: string }) => e) as Error & { code?: string };
    assert.match(error.message, message);
    assert.is(error.code, 'ERR_NUSE_SIM_APP');
    assert.is(listeners(), before);
  });
}

test('intervals and waits of node:timers/promises are the run\'s', async () => {
  const r = await runApps({
    'a/ticks': async (node) => {
      let n = 0;
      for await (const x of every(100, 'tick')) {
        node.log(`${x} ${node.now / 1e6}`);
        if (++n === 3) break;
      }
      await scheduler.wait(700);
      node.log(String(node.now / 1e6));
    },
  });
  assert.is(r.output['a-ticks'].stdout, 'tick 100\ntick 200\ntick 300\n1000\n', r.output['a-ticks'].stderr);
});

test('what an application leaves open does not keep the command', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nuse-open-'));
  try {
    writeFileSync(join(dir, 'open.mjs'), "import { createServer } from 'node:net';\nexport default function () { createServer().listen(0); }\n");
    writeFileSync(join(dir, 's.yaml'), 'duration: 1s\nlinks: [{ between: [a, b] }]\napps: [{ type: module, node: a, file: open.mjs }]\n');
    const r = spawnSync(process.execPath, [NUSE, 'sim', join(dir, 's.yaml')], { encoding: 'utf8', timeout: 60_000 });
    assert.equal([r.status, r.stderr], [0, '']);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test.run();
