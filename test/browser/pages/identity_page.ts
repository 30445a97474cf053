// The core in the page's own thread and in a module worker.
import { identity, type Identity } from './identity.js';

export default async function run(): Promise<Identity[]> {
  const worker = new Worker(new URL('./identity_worker.js', import.meta.url), { type: 'module' });
  try {
    const theirs = await new Promise<Identity>((resolve, reject) => {
      worker.onmessage = (e) => resolve(e.data as Identity);
      worker.onerror = (e) => reject(new Error(e.message));
    });
    return [await identity(), theirs];
  } finally {
    worker.terminate();
  }
}
