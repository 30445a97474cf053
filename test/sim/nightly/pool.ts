// Threads that compute: each takes the next task when it has done one.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { shares, type Contest } from '../fairness/shares.js';
import { runSchedule, type Verdict } from '../faults/run.js';
import { measure, type Cell } from '../golden/table.js';

/** The seed of a fault schedule, a cell of the golden table, or a contest of flows. */
export type Task = number | Cell | Contest;
type Outcome<T extends Task> = T extends number ? Verdict : T extends Cell ? number : number[];

function compute(module: WebAssembly.Module, task: Task): Promise<Verdict | number | number[]> {
  return typeof task === 'number' ? runSchedule(task, { module }) : 'loss' in task ? measure(module, task) : shares(module, task);
}

/** Compute all of them on so many threads; `done` is told of each as it ends, in whatever order. */
export async function computeAll<T extends Task>(module: WebAssembly.Module, tasks: readonly T[], threads: number, done: (outcome: Outcome<T>, index: number) => void): Promise<void> {
  let next = 0;
  const thread = async (): Promise<void> => {
    const worker = new Worker(new URL(import.meta.url), { workerData: module });
    try {
      while (next < tasks.length) {
        const index = next++;
        done(await answer(worker, tasks[index]) as Outcome<T>, index);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, tasks.length) }, thread));
}
function answer(worker: Worker, task: Task): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.removeAllListeners();
    worker.once('message', resolve).once('error', (e: Error) => reject(new Error(`${JSON.stringify(task)}: ${e.message}`, { cause: e })));
    worker.postMessage(task);
  });
}

if (!isMainThread && parentPort && workerData instanceof WebAssembly.Module) {
  const port = parentPort, module = workerData;
  // What is thrown ends the thread: nobody takes it for an outcome.
  port.on('message', (task: Task) => void compute(module, task).then((outcome) => { port.postMessage(outcome); }));
}
