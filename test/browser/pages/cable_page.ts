// Two workers with a stack each, and a cable between them.
import { portCable } from 'nuse/browser';
import type { CableOutcome, CableStart } from './cable_worker.js';

function start(start: CableStart): { worker: Worker; answer: Promise<unknown> } {
  const worker = new Worker(new URL('./cable_worker.js', import.meta.url), { type: 'module' });
  const answer = new Promise<unknown>((resolve, reject) => {
    worker.onmessage = (e) => resolve(e.data);
    worker.onerror = (e) => reject(new Error(e.message));
  });
  worker.postMessage(start, [start.end.port]);
  return { worker, answer };
}

export default async function run(bytes: number): Promise<CableOutcome> {
  const [near, far] = portCable(), server = start({ role: 'server', end: far, bytes });
  await server.answer;
  const client = start({ role: 'client', end: near, bytes });
  try {
    return await client.answer as CableOutcome;
  } finally {
    for (const { worker } of [server, client]) worker.terminate();
  }
}
