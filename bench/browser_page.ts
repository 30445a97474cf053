// Starts the worker of the benchmark and hands its figure on.
export default async function run(seconds: number): Promise<number> {
  const worker = new Worker(new URL('./browser_worker.js', import.meta.url), { type: 'module' });
  try {
    return await new Promise<number>((resolve, reject) => {
      worker.onmessage = (e) => resolve(e.data as number);
      worker.onerror = (e) => reject(new Error(e.message));
      worker.postMessage(seconds);
    });
  } finally {
    worker.terminate();
  }
}
