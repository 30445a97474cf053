// The mark of the application API: TCP bulk between two stacks of one process, by connect() and createServer(), in this thread over a
// memory cable and in a worker each over a pipe.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CORE_WASM } from '../host/cli/install.js';
import { MemoryVif, Stack, type StackOptions } from '../host/index.js';

/** Bytes of each write. */
const CHUNK = 256 << 10;

/** Two stacks in this thread. */
async function inThread(): Promise<[Stack, Stack]> {
  const [x, y] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
  const make = (n: number, vif: MemoryVif): Promise<Stack> => Stack.create({ text: `interface eth0\n address 192.0.2.${n}/24\n`, vifs: { eth0: vif }, wasm: pathToFileURL(CORE_WASM) });
  return [await make(1, x), await make(2, y)];
}
/** Two stacks, each in a worker. */
async function inWorkers(dir: string): Promise<[Stack, Stack]> {
  const make = (n: number): Promise<Stack> => Stack.create({
    text: `interface eth0\n viftype PIPE\n pipepath ${join(dir, 'link')}\n address 192.0.2.${n}/24\n`, channel: { sockets: 16, ringBytes: 1 << 20 },
  } satisfies StackOptions);
  return [await make(1), await make(2)];
}

/** Mbit/s that arrive over `seconds`, after a tenth of it, in which the windows grow. */
async function bulk([client, server]: [Stack, Stack], seconds: number): Promise<number> {
  let from = 0, to = 0, bytes = 0;
  const start = performance.now();
  const s = server.createServer((x) => {
    x.on('data', (chunk: Buffer) => {
      to = performance.now();
      if (from) bytes += chunk.length;
      else if (to - start > seconds * 100) from = to;
    });
  }).listen(80);
  await once(s, 'listening');
  const c = client.connect(80, '192.0.2.2'), chunk = Buffer.alloc(CHUNK, 7), end = start + seconds * 1000;
  const give = (): void => {
    while (performance.now() < end) {
      if (c.write(chunk)) continue;
      c.once('drain', give);
      return;
    }
    c.end();
  };
  c.on('connect', give).resume();
  await once(c, 'close');
  s.close();
  await once(s, 'close');
  await client.close();
  await server.close();
  return bytes * 8 / 1000 / (to - from);
}

/** Mbit/s between two stacks of this thread. */
export const apiInThread = async (seconds: number): Promise<number> => bulk(await inThread(), seconds);

export interface ApiRates {
  oneThread: number;
  twoWorkers: number;
}
export async function apiBackToBack(seconds: number): Promise<ApiRates> {
  const dir = mkdtempSync(join(tmpdir(), 'nuse-bench-'));
  try {
    return { oneThread: await apiInThread(seconds), twoWorkers: await bulk(await inWorkers(dir), seconds) };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
