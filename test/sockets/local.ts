// Two stacks in this thread, at the ends of a memory cable.
import { readFileSync } from 'node:fs';
import { parseConfig } from '../../host/config/parse.js';
import { LocalStack } from '../../host/sockets/local_stack.js';
import { MemoryVif } from '../../io-backends/memory/index.js';

export const MODULE = new WebAssembly.Module(readFileSync(new URL(`../../../${process.env.NUSE_TEST_CORE ?? 'core.debug.wasm'}`, import.meta.url)));
export const A4 = '192.0.2.1', B4 = '192.0.2.2', A6 = '2001:db8::1', B6 = '2001:db8::2';

export interface Pair {
  a: LocalStack;
  b: LocalStack;
  close(): void;
}

/** The configuration text of end `n`. */
export const confOf = (n: 1 | 2, extra = ''): string => `interface eth0\n address 192.0.2.${n}/24\n address6 2001:db8::${n}/64\n\n${extra}`;

export async function pair(onend?: (error: Error) => void): Promise<Pair> {
  const [x, y] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
  const make = (n: 1 | 2, vif: MemoryVif): Promise<LocalStack> =>
    LocalStack.create({ module: MODULE, config: parseConfig(confOf(n), `stack ${n}`), vifs: { eth0: vif }, onend });
  const a = await make(1, x), b = await make(2, y);
  return { a, b, close: () => { a.close(); b.close(); } };
}

/** A promise to be settled by callbacks; rejects after `ms`. */
export function eventually<T>(what: string, start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void, ms = 10000): Promise<T> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`${what}: nothing after ${ms} ms`)), ms);
    const done = <V>(fn: (v: V) => void) => (v: V): void => { clearTimeout(limit); fn(v); };
    start(done(resolve), done(reject));
  });
}
