// A split simulation's parts in threads of Node.
import { Worker } from 'node:worker_threads';
import type { PartLink, PartSetup } from '../sim/part.js';
import { RemotePart } from '../sim/remote_part.js';
import { entry } from './install.js';

const ENTRY = entry('part_worker');

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
