// The threads of a sweep: each computes one run at a time, whichever is next.
import { Worker } from 'node:worker_threads';
import { entry } from './install.js';
import type { SimOutcome, SimTask, SimWorkerData } from './sim_worker.js';

const ENTRY = entry('sim_worker');

/** One run; a thread that dies (of too little memory, say) is an error of the run that it had. */
function compute(worker: Worker, task: SimTask): Promise<SimOutcome> {
  return new Promise((resolve) => {
    const failed = (e: Error): void => done({ error: e.message }), ended = (code: number): void => done({ error: `its thread has ended with ${code}` });
    const done = (outcome: SimOutcome): void => {
      worker.off('message', done).off('error', failed).off('exit', ended);
      resolve(outcome);
    };
    worker.on('message', done).on('error', failed).on('exit', ended);
    worker.postMessage(task);
  });
}

/** Run all tasks on so many threads; `done` is told of each as it ends, in whatever order. */
export async function computeAll(tasks: readonly SimTask[], threads: number, data: SimWorkerData, done: (index: number, outcome: SimOutcome) => void): Promise<void> {
  let next = 0;
  const thread = async (): Promise<void> => {
    let worker = new Worker(ENTRY, { workerData: data });
    try {
      while (next < tasks.length) {
        const index = next++, outcome = await compute(worker, tasks[index]);
        done(index, outcome);
        if (!data.fresh && !('error' in outcome)) continue;
        await worker.terminate();
        worker = new Worker(ENTRY, { workerData: data });
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, tasks.length) }, thread));
}
