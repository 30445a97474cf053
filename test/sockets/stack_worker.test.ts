// Stacks in workers of their own, reached through shared rings: two of them over PIPE, by the shapes of Node's net and dgram; blocking
// sockets in worker threads; and what is written into the rings by somebody hostile.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyConfig } from '../../host/config/config.js';
import { Stack, StackThread } from '../../host/index.js';
import type { Server } from '../../host/node/server.js';
import { ChannelOwner } from '../../host/threads/channel_owner.js';
import { apiTests } from './api.js';
import { A4, B4 } from './local.js';
import type { Job } from './sync_worker.js';

const test = suite('stacks in workers');
const dir = mkdtempSync(join(tmpdir(), 'nuse-rings-'));
const wasm = new URL(`../../../${process.env.NUSE_TEST_CORE ?? 'core.debug.wasm'}`, import.meta.url);
const open = (address: string, path: string, channel = {}): Promise<Stack> =>
  Stack.create({ wasm, channel, text: `interface eth0\n viftype PIPE\n pipepath ${join(dir, path)}\n address ${address}/24\n` });

const client = await open(A4, 'link'), server = await open(B4, 'link');
apiTests(test, () => ({ client, server, to: B4, from: A4 }));

/** Run a job of sync_worker.ts on a stack; what it answers. */
async function blocking(stack: Stack, job: Job): Promise<unknown> {
  const { channel, close } = await stack.channel({ sockets: 16 });
  const w = new Worker(new URL('./sync_worker.js', import.meta.url), { workerData: { channel, job }, transferList: channel.port ? [channel.port] : [] });
  try {
    return (await once(w, 'message'))[0];
  } finally {
    await w.terminate();
    await close();
  }
}
async function echo(stack: Stack): Promise<[Server, number]> {
  const s = stack.createServer((x) => { x.pipe(x).on('error', () => undefined); }).listen(0);
  await once(s, 'listening');
  return [s, s.address()!.port];
}

test('blocking: connect, bytes past a slow echo, names, the end, timeouts, refusals', async () => {
  const [s, port] = await echo(server);
  assert.equal(await blocking(client, { kind: 'client', host: B4, port }), {
    remote: { address: B4, family: 'IPv4', port }, from: A4, echoed: true, timeout: 'ETIMEDOUT', end: 0, refused: 'ECONNREFUSED', closed: 'EBADF',
  });
  s.close();
});

test('blocking: a server in a worker serves clients of the event loop; datagrams', async () => {
  const served = blocking(server, { kind: 'server', port: 8080, connections: 3 });
  const texts = await Promise.all(['a', 'b', 'c'].map(async (text) => {
    for (let i = 0; ; i++) {
      const c = client.connect(8080, B4);
      const outcome = await once(c, 'connect').then(() => 'open', () => 'refused');
      if (outcome === 'open') {
        c.end(text);
        return String((await once(c, 'data'))[0]);
      }
      assert.ok(i < 100, 'the server does not listen');
      await new Promise((r) => setTimeout(r, 20));
    }
  }));
  assert.equal(texts, ['A', 'B', 'C']);
  assert.equal(await served, { served: 3, none: 'ETIMEDOUT' });
  const udp = server.createSocket('udp4', (d, r) => udp.send(d, r.port, r.address));
  udp.bind(0);
  await once(udp, 'listening');
  assert.equal(await blocking(client, { kind: 'udp', host: B4, port: udp.address().port }), { echoed: 40, size: 20000, from: B4, timeout: 'ETIMEDOUT', refused: 'ECONNREFUSED' });
  udp.close();
});

test('more sockets than slots: EMFILE, and room again when some have closed', async () => {
  const few = await open('192.0.2.9', 'few', { sockets: 4 });
  const sockets = Array.from({ length: 4 }, () => few.createSocket('udp4'));
  assert.throws(() => few.createSocket('udp4'), (e: NodeJS.ErrnoException) => e.code === 'EMFILE');
  for (const s of sockets) s.close();
  for (let i = 0; i < 100; i++) few.createSocket('udp4').close();
  await few.close();
});

test('rings written by somebody hostile: that socket ends, the stack goes on', async () => {
  const { channel, close } = await client.channel({ sockets: 8 });
  const w = new Worker(new URL('./sync_worker.js', import.meta.url), { workerData: { channel, job: { kind: 'hostile', rounds: 3000 } satisfies Job } });
  const [answer] = await once(w, 'message') as [unknown];
  assert.equal(answer, { rounds: 3000 });
  await w.terminate();
  await close();
  const [s, port] = await echo(server);
  const c = client.connect(port, B4);
  c.write('still there');
  assert.is(String((await once(c, 'data'))[0]), 'still there');
  c.destroy();
  s.close();
});

test('a stack that ends leaves no thread waiting', async () => {
  const a = await open('192.0.2.1', 'ends'), b = await open('192.0.2.2', 'ends');
  const [s, port] = await echo(b);
  const first = once(s, 'connection'), c = a.connect(port, '192.0.2.2');
  await Promise.all([first, once(c, 'connect')]);
  const broken = once(c, 'error') as Promise<[NodeJS.ErrnoException]>;
  const second = once(s, 'connection');
  const waiting = blocking(a, { kind: 'wait', host: '192.0.2.2', port });
  await second;
  await new Promise((r) => setTimeout(r, 100));
  await a.close();
  assert.is((await broken)[0].code, 'ECONNRESET');
  assert.equal(await waiting, { waited: 'ECONNRESET' });
  assert.is(await a.ended, undefined);
  assert.throws(() => a.createSocket('udp4'), /ECONNRESET/);
  const closed = once(s, 'error') as Promise<[NodeJS.ErrnoException]>;
  await b.close();
  assert.is((await closed)[0].code, 'ECONNRESET');
});

test('a core that traps: the same', async () => {
  const thread = await StackThread.start({ entry: new URL('./trap_worker.js', import.meta.url), wasm: fileURLToPath(wasm), config: emptyConfig(), extensions: { channels: {}, trap: {} } });
  const provider = await new ChannelOwner(thread).own(), s = provider.listener(4), udp = provider.datagram(4);
  s.listen('127.0.0.1', 80);
  const errors = Promise.all([s, udp].map((x) => new Promise<string>((resolve) => { x.onerror = (e) => resolve(e.code); })));
  thread.request('trap').catch(() => undefined);
  assert.equal(await errors, ['ECONNRESET', 'ECONNRESET']);
  assert.is((await thread.ended as NodeJS.ErrnoException).code, 'ERR_NUSE_CORE_TRAP');
  assert.throws(() => provider.stream(4), /ECONNRESET/);
});

test.after(async () => {
  await server.close();
  await client.close();
  rmSync(dir, { recursive: true });
});
test.run();
