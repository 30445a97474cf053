// A split simulation's parts in threads of Node.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { PartLink, PartSetup } from '../sim/part.js';
import { RemotePart } from '../sim/remote_part.js';

/** The worker's entry beside this file: the bundle's .mjs, or tsc's .js. */
const ENTRY = ['./part_worker.mjs', './part_worker.js'].map((f) => new URL(f, import.meta.url)).find((u) => existsSync(fileURLToPath(u)))!;

export async function partThread(setup: PartSetup): Promise<PartLink> {
  const worker = new Worker(ENTRY), part = new RemotePart((message, transfer) => worker.postMessage(message, transfer), () => worker.terminate());
  worker.on('message', (message: unknown) => part.receive(message));
  worker.on('error', (e) => part.fail(e));
  worker.on('exit', (code) => part.fail(new Error(`the thread of part ${setup.part} has ended with code ${code}`)));
  try {
    await part.start(setup);
  } catch (e) {
    await part.end();
    throw e;
  }
  return part;
}
