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

/** Run all tasks on so many threads; `done` is told of each as it ends, in whatever order. What it throws ends all threads and is thrown. */
export async function computeAll(tasks: readonly SimTask[], threads: number, data: SimWorkerData, done: (index: number, outcome: SimOutcome) => void): Promise<void> {
  const workers = new Set<Worker>();
  let next = 0, failed = false;
  const started = (): Worker => {
    const worker = new Worker(ENTRY, { workerData: data });
    workers.add(worker);
    return worker;
  };
  const ended = async (worker: Worker): Promise<void> => {
    workers.delete(worker);
    await worker.terminate();
  };
  const thread = async (): Promise<void> => {
    let worker: Worker | undefined;
    try {
      while (next < tasks.length) {
        const index = next++, outcome = await compute(worker ??= started(), tasks[index]);
        if (failed) break;
        done(index, outcome);
        if (!data.fresh && !('error' in outcome)) continue;
        await ended(worker);
        worker = undefined;
      }
    } catch (e) {
      failed = true;
      next = tasks.length;
      await Promise.all([...workers].map(ended));
      throw e;
    } finally {
      if (worker) await ended(worker);
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, tasks.length) }, thread));
}
