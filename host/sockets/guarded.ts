// Calls into a core that come from whoever has a socket, not from the core's driver.
import type { CoreExports } from '../abi/exports.js';
import { stackGone } from './error.js';

/** The core's calls, such that a trap in one is told to `trapped`, and the call fails with ECONNRESET. */
export function guardedExports(exports: CoreExports, trapped: (error: unknown) => void): CoreExports {
  const entries = Object.entries(exports).filter(([, f]) => typeof f === 'function') as [string, (...args: number[]) => number][];
  return Object.fromEntries(entries.map(([name, f]) => [name, (a: number, b: number, c: number, d: number, e: number) => {
    try {
      return f(a, b, c, d, e);
    } catch (error) {
      trapped(error);
      throw stackGone(name.replace(/^sys_/, ''));
    }
  }])) as unknown as CoreExports;
}
