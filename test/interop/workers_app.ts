// A program with a stack of several workers, for workers.test.ts: commands come as lines of JSON, and so do their answers.
//   node workers_app.js FILE [misled|restarting]     FILE: a nuse.conf; misled: frames are led by another key than the cores expect;
//   restarting: a core that traps is started again
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { loadConfigFile } from '../../host/config/load.js';
import { Stack, type Socket, type StackThread } from '../../host/index.js';
import type { Counters } from '../../host/cli/counters.js';
import { SOCK_RAW } from '../../host/sockets/linux.js';
import { WorkerGroup } from '../../host/threads/worker_group.js';

const [, , file, mode] = process.argv;
const wasm = new URL(`../../../${process.env.NUSE_TEST_CORE ?? 'core.debug.wasm'}`, import.meta.url);
const say = (answer: unknown): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

interface Command { do: string; host: string; port: number; count: number; bytes: number; worker: number; localPort?: number; localAddress?: string }
type Code = { code?: string };

/** Whoever sends is answered with the SHA-256 of it. */
function digestServer(stack: Stack, open: Set<Socket>) {
  return stack.createServer({ allowHalfOpen: true }, (s) => {
    const h = createHash('sha256');
    open.add(s);
    s.on('data', (d: Buffer) => h.update(d)).on('end', () => s.end(h.digest('hex'))).on('error', () => undefined).on('close', () => open.delete(s));
  });
}

/** One connection out; whether the answer is the digest of what was sent. */
async function ask(stack: Stack, c: Command): Promise<boolean | string> {
  const data = randomBytes(c.bytes), s = stack.connect({ host: c.host, port: c.port, localPort: c.localPort, localAddress: c.localAddress });
  try {
    s.end(data);
    let got = '';
    for await (const piece of s) got += String(piece);
    return got === createHash('sha256').update(data).digest('hex');
  } catch (e) {
    return (e as Code).code ?? String(e);
  }
}

const counters = (threads: readonly StackThread[]): Promise<Counters[]> => Promise.all(threads.map((t) => t.request('counters') as Promise<Counters>));
const outcome = (emitter: { once(event: string, fn: (e?: Code) => void): unknown }): Promise<string> => new Promise((resolve) => {
  emitter.once('error', (e) => resolve(e?.code ?? 'error'));
  emitter.once('listening', () => resolve('listening'));
});

async function main(): Promise<void> {
  if (mode === 'misled') {
    const group = await WorkerGroup.start({
      entry: new URL('../../host/cli/stack_worker.js', import.meta.url), wasm: fileURLToPath(wasm), config: loadConfigFile(file), extensions: { counters: {} },
      steerKey: randomBytes(80).toString('hex'),
    });
    say('up');
    for await (const line of createInterface({ input: process.stdin })) say(line && await counters(group.threads));
    return group.close();
  }
  const stack = await Stack.create({ file, wasm, restarts: mode === 'restarting' ? 4 : 0, onrestart: (trap) => say({ restarted: trap.times }) }), open = new Set<Socket>();
  const servers = new Map<number, ReturnType<Stack['createServer']>>();
  say('up');
  void stack.ended.then((why) => say({ ended: why?.message ?? null }));
  const commands: Record<string, (c: Command) => unknown> = {
    listen: async (c) => {
      const s = digestServer(stack, open);
      servers.set(c.port, s);
      s.on('error', (e) => say({ server: (e as Code).code }));
      const o = outcome(s);
      s.listen(c.port, c.host);
      return [await o, s.address()?.port];
    },
    unlisten: async (c) => once(servers.get(c.port)!.close(), 'close'),
    ask: (c) => Promise.all(Array.from({ length: c.count }, () => ask(stack, c))),
    hold: async (c) => {
      const sockets = Array.from({ length: c.count }, () => stack.connect({ host: c.host, port: c.port }));
      await Promise.all(sockets.map((s) => once(s, 'connect')));
      for (const s of sockets) s.on('error', (e) => say({ socket: (e as Code).code }));
      return sockets.length;
    },
    udp: async (c) => {
      const s = stack.createSocket(c.host.includes(':') ? 'udp6' : 'udp4', (d, r) => s.send(d, r.port, r.address));
      s.on('error', (e) => say({ datagrams: (e as Code).code }));
      const o = outcome(s);
      s.bind(c.port, c.host);
      return o;
    },
    // Connected sockets, to a port that nobody has: what each is told.
    refused: (c) => Promise.all(Array.from({ length: c.count }, async () => {
      const s = stack.createSocket(c.host.includes(':') ? 'udp6' : 'udp4'), failed = once(s, 'error').catch((e: unknown) => [e]);
      s.connect(c.port, c.host, () => s.send('x'));
      const code = ((await failed)[0] as Code).code;
      s.close();
      return code;
    })),
    counters: () => counters(stack.threads),
    open: () => open.size,
    mac: () => stack.threads[1].interfaces[0].mac,
    // The trapping core's protocol, over the loopback interface of the worker that has raw sockets.
    trap: () => stack.sockets.datagram(4, SOCK_RAW, 253).send(new Uint8Array(8), '127.0.0.1', 0),
    kill: (c) => (stack.threads[c.worker] as unknown as { worker: Worker }).worker.terminate(),
    left: () => ({ fds: readdirSync('/proc/self/fd').length, threads: readdirSync('/proc/self/task').length }),
    close: () => stack.close(),
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const c = JSON.parse(line) as Command;
    say({ [c.do]: await commands[c.do](c) ?? null });
  }
  await stack.close();
}
await main();
