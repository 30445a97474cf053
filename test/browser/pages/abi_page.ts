// What a page is told that is given a core of another ABI version.
import { createCore, monotonicNs, randomBytes } from 'nuse/browser';

export default async function run(): Promise<{ name: string; code?: string; message: string }> {
  const bytes = await (await fetch('/old.wasm')).arrayBuffer();
  try {
    await createCore(await WebAssembly.compile(bytes), { seed: randomBytes(32), now: monotonicNs() });
    return { name: 'none', message: 'it was taken' };
  } catch (e) {
    const { name, code, message } = e as Error & { code?: string };
    return { name, code, message };
  }
}
