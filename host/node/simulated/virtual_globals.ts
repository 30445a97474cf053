// The clock, the timers and the random numbers of a run under the names by which programs know them.
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers';
import timersPromises from 'node:timers/promises';
import { promisify } from 'node:util';
import { WALL_START, type SimNode } from '../../sim/node.js';
import { RandomStream } from '../../sim/random.js';
import type { Simulation } from '../../sim/simulation.js';
import { SimTimer } from './timers.js';

type Setter = (fn: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => unknown;

/**
 * Replace what tells time or chance, as globals and in node:timers: `current` is the node whose applications run; a call from elsewhere
 * gets the real thing. The way back.
 */
export function virtualGlobals(sim: Simulation, current: () => SimNode | undefined): () => void {
  const restores = [timerGlobals(current), clocks(sim, current), chance(sim, current)];
  return () => { for (const restore of restores) restore(); };
}

/** Assign properties; the way back. */
function replace(target: object, by: Record<string, unknown>): () => void {
  const own = Object.fromEntries(Object.keys(by).map((k) => [k, Object.getOwnPropertyDescriptor(target, k)]));
  for (const [k, value] of Object.entries(by)) Object.defineProperty(target, k, { value, configurable: true, writable: true, enumerable: own[k]?.enumerable ?? true });
  return () => {
    for (const [k, was] of Object.entries(own)) {
      if (was) Object.defineProperty(target, k, was);
      else delete (target as Record<string, unknown>)[k];
    }
  };
}

function timerGlobals(current: () => SimNode | undefined): () => void {
  const real = { setTimeout, setInterval, clearTimeout, clearInterval }, realWait = timersPromises.setTimeout, realEvery = timersPromises.setInterval, realSignal = AbortSignal.timeout.bind(AbortSignal);
  const setter = (repeat: boolean, otherwise: Setter): Setter => (fn, ms = 0, ...args) => {
    const node = current();
    return node ? new SimTimer(node, () => fn(...args), ms, repeat) : otherwise(fn, ms, ...args);
  };
  const set = setter(false, real.setTimeout as Setter);
  const clear = (otherwise: (t: never) => void) => (t: unknown): void => {
    if (t instanceof SimTimer) t.close();
    else otherwise(t as never);
  };
  const wait = (ms = 1, value?: unknown, options?: { signal?: AbortSignal }): Promise<unknown> => {
    if (!current()) return realWait(ms, value, options);
    return new Promise((resolve, reject) => {
      const signal = options?.signal, abort = (): void => reject(Object.assign(new Error('The operation was aborted', { cause: signal!.reason }), { name: 'AbortError', code: 'ABORT_ERR' }));
      if (signal?.aborted) return abort();
      const t = set(() => {
        signal?.removeEventListener('abort', abort);
        resolve(value);
      }, ms) as SimTimer;
      signal?.addEventListener('abort', () => {
        t.close();
        abort();
      }, { once: true });
    });
  };
  const signal = (ms: number): AbortSignal => {
    if (!current()) return realSignal(ms);
    const c = new AbortController();
    set(() => c.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms);
    return c.signal;
  };
  async function* every(ms = 1, value?: unknown, options?: { signal?: AbortSignal }): AsyncGenerator<unknown> {
    if (!current()) return yield* realEvery(ms, value, options);
    for (;;) {
      await wait(ms, undefined, options);
      yield value;
    }
  }
  const named = {
    setTimeout: Object.assign(set, { [promisify.custom]: wait }), setInterval: setter(true, real.setInterval as Setter),
    clearTimeout: clear(real.clearTimeout), clearInterval: clear(real.clearInterval),
  };
  const restores = [
    replace(globalThis, named), replace(timers, named), replace(timersPromises, { setTimeout: wait, setInterval: every }),
    replace(timersPromises.scheduler, { wait: (ms: number, options?: { signal?: AbortSignal }) => wait(ms, undefined, options) }), replace(AbortSignal, { timeout: signal }),
  ];
  syncBuiltinESMExports();
  return () => {
    for (const restore of restores) restore();
    syncBuiltinESMExports();
  };
}

function clocks(sim: Simulation, current: () => SimNode | undefined): () => void {
  const RealDate = Date, now = performance.now.bind(performance);
  const wall = (): number => Number(WALL_START / 1_000_000n) + Math.floor(sim.now / 1e6);
  const restores = [
    replace(globalThis, {
      Date: new Proxy(RealDate, {
        construct: (target, args, self) => Reflect.construct(target, args.length || !current() ? args : [wall()], self) as Date,
        apply: () => new RealDate(current() ? wall() : RealDate.now()).toString(),
        get: (target, key) => (key === 'now' ? () => (current() ? wall() : target.now()) : Reflect.get(target, key) as unknown),
      }),
    }),
    replace(performance, { now: () => (current() ? sim.now / 1e6 : now()) }),
  ];
  return () => { for (const restore of restores) restore(); };
}

function chance(sim: Simulation, current: () => SimNode | undefined): () => void {
  const { random } = Math, streams = new Map<SimNode, RandomStream>();
  return replace(Math, {
    random: () => {
      const node = current();
      if (!node) return random();
      if (!streams.has(node)) streams.set(node, new RandomStream(sim.seed, `node ${node.name} Math.random`));
      return streams.get(node)!.uniform();
    },
  });
}
