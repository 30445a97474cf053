// A core that traps under the sockets of the API: each of them fails with ECONNRESET, none hangs, and what comes after is told. On the
// test-only build that traps at packets of IP protocol 253 (test/assembly/trapping.ts), which the other stack sends.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryVif, Stack } from '../../host/index.js';
import type { StackRestart } from '../../host/node/engine.js';
import { A4, B4, confOf, eventually } from './local.js';
import type { Job } from './sync_worker.js';

const test = suite('sockets when the core traps');
const dir = mkdtempSync(join(tmpdir(), 'nuse-traps-'));
const wasm = new URL('../../../core.trapping.wasm', import.meta.url);
const SOCK_RAW = 3, TRAPPING = 253;

/** Make the stack at `to` trap, from another one. */
function trap(from: Stack, to: string): void {
  const raw = from.sockets.datagram(4, SOCK_RAW, TRAPPING);
  raw.send(Uint8Array.of(1), to);
  raw.close();
}
const codeOf = async (e: Promise<unknown[]>): Promise<unknown> => ((await e)[0] as NodeJS.ErrnoException).code;

/** Sockets of every kind of `victim`, and what has become of them when its core has trapped: codes. */
async function struck(victim: Stack, other: Stack, to: string, from: string): Promise<unknown> {
  const far = other.createServer((x) => { x.on('error', () => undefined).resume(); }).listen(0);
  const near = victim.createServer((x) => { accepted.push(codeOf(once(x, 'error'))); }).listen(81);
  const accepted: Promise<unknown>[] = [];
  const udp = victim.createSocket('udp4');
  udp.bind(0);
  await Promise.all([once(far, 'listening'), once(near, 'listening'), once(udp, 'listening')]);
  const { port } = far.address()!;
  const c = victim.connect(port, from), idle = other.connect(81, to).on('error', () => undefined);
  await Promise.all([once(c, 'connect'), once(far, 'connection'), once(idle, 'connect'), once(near, 'connection')]);
  // In the making when it happens: nobody answers there.
  const opening = victim.connect(9, '192.0.2.99');
  const { channel, close } = await victim.channel({ sockets: 4 }), arrived = once(far, 'connection');
  const w = new Worker(new URL('./sync_worker.js', import.meta.url), { workerData: { channel, job: { kind: 'wait', host: from, port } satisfies Job }, transferList: channel.port ? [channel.port] : [] });
  const waited = once(w, 'message');
  await arrived;
  const errors = [c, near, udp, opening].map((s) => codeOf(once(s, 'error')));
  trap(other, to);
  const codes = await eventually('errors of all sockets', (resolve: (v: unknown[]) => void, reject) => { Promise.all([...errors, ...accepted]).then(resolve, reject); }, 30000);
  const [blocked] = await eventually('the end of the blocking read', (resolve: (v: unknown[]) => void, reject) => { waited.then(resolve, reject); }, 30000) as [unknown];
  await w.terminate();
  await close();
  idle.destroy();
  far.close();
  return { codes, blocked };
}
const ALL_RESET = { codes: new Array<string>(5).fill('ECONNRESET'), blocked: { waited: 'ECONNRESET' } };

test('in this thread: the stack ends, and says why', async () => {
  const [x, y] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
  const other = await Stack.create({ wasm, text: confOf(1), vifs: { eth0: x } }), victim = await Stack.create({ wasm, text: confOf(2), vifs: { eth0: y } });
  assert.equal(await struck(victim, other, B4, A4), ALL_RESET);
  const why = await victim.ended as NodeJS.ErrnoException;
  assert.is(why.code, 'ERR_NUSE_CORE_TRAP');
  assert.match(why.message, /unreachable/);
  assert.throws(() => victim.createSocket('udp4'), /ECONNRESET/);
  assert.is(await codeOf(once(victim.connect(80, A4), 'error')), 'ECONNRESET');
  await victim.close();
  await other.close();
});

test('in a worker: started again with its addresses, and new sockets work; given up when that was enough', async () => {
  const open = (address: string, more = {}): Promise<Stack> =>
    Stack.create({ wasm, text: `interface eth0\n viftype PIPE\n pipepath ${join(dir, 'link')}\n address ${address}/24\n`, ...more });
  const restarts: StackRestart[] = [];
  const other = await open(A4), victim = await open(B4, { restarts: 1, onrestart: (r: StackRestart) => restarts.push(r) });
  assert.equal(await struck(victim, other, B4, A4), ALL_RESET);
  const s = victim.createServer((x) => { x.on('error', () => undefined).resume().end('again'); }).listen(80);
  await once(s, 'listening');
  const c = other.connect(80, B4), closed = once(c, 'close');
  assert.is(String((await once(c, 'data'))[0]), 'again');
  await closed;
  assert.equal(restarts.map((r) => r.times), [1]);
  assert.match(restarts[0].message, /unreachable at test\/assembly\/trapping\.ts/);
  const gone = codeOf(once(s, 'error'));
  trap(other, B4);
  assert.is(await gone, 'ECONNRESET');
  const why = await victim.ended as NodeJS.ErrnoException;
  assert.is(why.code, 'ERR_NUSE_CORE_TRAP');
  assert.throws(() => victim.createSocket('udp4'), /ECONNRESET/);
  rmSync(dirname(restarts[0].file), { recursive: true });
  await other.close();
});

test('in a worker, by a call of its own: that datagram is told to have failed', async () => {
  const restarts: StackRestart[] = [];
  const s = await Stack.create({ wasm, text: '', restarts: 1, onrestart: (r) => restarts.push(r) });
  const raw = s.sockets.datagram(4, SOCK_RAW, TRAPPING);
  const failed = eventually<string>('the error', (resolve) => { raw.onerror = (e) => resolve(e.code); });
  raw.send(Uint8Array.of(1), '127.0.0.1');
  assert.is(await failed, 'ECONNRESET');
  const udp = s.createSocket('udp4', (d) => udp.emit('back', String(d)));
  udp.bind(0);
  await once(udp, 'listening');
  udp.send('still here', udp.address().port);
  assert.equal(await once(udp, 'back'), ['still here']);
  udp.close();
  assert.is(restarts.length, 1);
  rmSync(dirname(restarts[0].file), { recursive: true });
  await s.close();
});

test.after(() => rmSync(dir, { recursive: true }));
test.run();
