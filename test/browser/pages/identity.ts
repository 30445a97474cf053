// In a page and in its worker: the core that was served, its hash, and what it answers.
import { createCore, monotonicNs, randomBytes } from 'nuse/browser';

export interface Identity {
  /** SHA-256 of the module's bytes, hexadecimal. */
  sha256: string;
  abi: number;
  isolated: boolean;
  worker: boolean;
  wholeNs: boolean;
  seedsDiffer: boolean;
}

export async function identity(): Promise<Identity> {
  const bytes = await (await fetch('/nuse/core.wasm')).arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const seed = randomBytes(32), { exports, mem } = await createCore(await WebAssembly.compile(bytes), { seed, now: monotonicNs() });
  exports.poll(0);
  const now = monotonicNs();
  return {
    sha256: Array.from(hash, (b) => b.toString(16).padStart(2, '0')).join(''), abi: mem.u32[(0x1000 + 4) >>> 2], isolated: crossOriginIsolated,
    worker: typeof document === 'undefined', wholeNs: Number.isInteger(now) && now > 0, seedsDiffer: seed.join() !== randomBytes(32).join(),
  };
}
