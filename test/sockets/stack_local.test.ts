// Stacks in this thread, two of them at the ends of a memory cable, by the shapes of Node's net, dgram and dns.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryVif, Stack } from '../../host/index.js';
import { apiTests } from './api.js';
import { A4, B4, confOf } from './local.js';
import type { Job } from './sync_worker.js';

const test = suite('stacks in this thread');

async function stacks(): Promise<[Stack, Stack]> {
  const [x, y] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
  return Promise.all([Stack.create({ text: confOf(1), vifs: { eth0: x } }), Stack.create({ text: confOf(2), vifs: { eth0: y } })]);
}
const [client, server] = await stacks();
apiTests(test, () => ({ client, server, to: B4, from: A4 }));

test('the end of a stack ends its sockets, and they do not hang', async () => {
  const [a, b] = await stacks();
  let far: Promise<unknown[]> | undefined;
  const s = b.createServer((x) => { far = once(x, 'error'); }).listen(80);
  await once(s, 'listening');
  const c = a.connect(80, B4);
  await once(c, 'connect');
  const broken = once(c, 'error');
  await a.close();
  assert.is((await broken as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
  assert.is((await far as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
  assert.is(await a.ended, undefined);
  assert.throws(() => a.createSocket('udp4'), /ECONNRESET/);
  const late = a.connect(80, B4);
  assert.is((await once(late, 'error') as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
  const closed = once(s, 'error');
  await b.close();
  assert.is((await closed as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
});

test('a stack that is slow to look: the room of a closed socket is there for the next one all the same', async () => {
  const { channel, close } = await client.channel({ sockets: 1 });
  const w = new Worker(new URL('./sync_worker.js', import.meta.url), { workerData: { channel, job: { kind: 'slots', rounds: 5 } satisfies Job }, transferList: [channel.port!] });
  // This thread, which is the stack's, is busy 20 ms at a time: longer than a closing socket is waited for when it depends on its peer.
  const busy = setInterval(() => { for (const end = performance.now() + 20; performance.now() < end;) continue; }, 0);
  try {
    assert.equal((await once(w, 'message'))[0], { rounds: 5, full: 'EMFILE' });
  } finally {
    clearInterval(busy);
    await w.terminate();
    await close();
  }
});

test.after(async () => { await client.close(); await server.close(); });
test.run();
