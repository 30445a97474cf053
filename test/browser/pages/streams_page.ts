// The cases of the streams API in a page: in its own thread, or in a worker.
import { CASES, runCase } from '../streams_cases.js';

export type Outcome = Record<string, string>;

export async function runAll(): Promise<Outcome> {
  const module = await WebAssembly.compileStreaming(fetch('/nuse/core.wasm')), out: Outcome = {};
  for (const name of Object.keys(CASES)) out[name] = await runCase(name, module);
  return out;
}

export default async function run(where: 'page' | 'worker'): Promise<Outcome> {
  if (where === 'page') return runAll();
  const worker = new Worker(new URL('./streams_worker.js', import.meta.url), { type: 'module' });
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      worker.onmessage = (e) => resolve(e.data as Outcome);
      worker.onerror = (e) => reject(new Error(e.message));
    });
  } finally {
    worker.terminate();
  }
}
