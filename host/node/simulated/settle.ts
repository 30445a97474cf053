// Lets applications that use promises do all they can while virtual time stands still, and gives them the run's clock and random numbers
// under the names that they know.
import type { SimNode } from '../../sim/node.js';
import { WALL_START } from '../../sim/node.js';
import { RandomStream } from '../../sim/random.js';
import { SpinError, type Entity, type Simulation } from '../../sim/simulation.js';
import { SimTimer } from './timers.js';

/** Rounds of the event loop at one instant: more, and an application goes round in circles. */
const SPIN_ROUNDS = 100_000;
/** What an application may await besides promises, ticks and immediates: files, which are read before time goes on. */
const AWAITED = /^Immediate$|Req/;

const round = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

let running = false;

/** Run `run` with what drains the event loop of this thread, and the globals of applications in virtual time meanwhile. One run at a time. */
export async function settle(sim: Simulation, run: (drain: (entity: Entity) => Promise<void>) => Promise<void>): Promise<void> {
  if (running) throw new Error('another simulation with promises runs in this thread: let it finish first');
  running = true;
  let settling: Entity | undefined;
  const restore = virtualGlobals(sim, () => (settling ?? sim.unsettled) as SimNode | undefined);
  try {
    await run(async (entity) => {
      settling = entity;
      for (let i = 0; ; i++) {
        await round();
        if (!process.getActiveResourcesInfo().some((r) => AWAITED.test(r))) break;
        if (i > SPIN_ROUNDS) throw new SpinError(`an application of node ${entity.name}`, sim.now, `${SPIN_ROUNDS} rounds of setImmediate`);
      }
      settling = undefined;
    });
  } finally {
    running = false;
    restore();
  }
}

/** Replace the globals that tell time or chance by those of the node that runs; a call from elsewhere gets the real ones. The way back. */
function virtualGlobals(sim: Simulation, current: () => SimNode | undefined): () => void {
  const real = { setTimeout, clearTimeout, setInterval, clearInterval, Date }, { random } = Math, now = performance.now.bind(performance);
  const streams = new Map<SimNode, RandomStream>();
  const wall = (): number => Number(WALL_START / 1_000_000n) + Math.floor(sim.now / 1e6);
  const timer = (repeat: boolean, otherwise: (...args: never[]) => unknown) => (fn: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): unknown => {
    const node = current();
    return node ? new SimTimer(node, () => fn(...args), ms, repeat) : otherwise(...[fn, ms, ...args] as never[]);
  };
  const clear = (otherwise: (t: never) => void) => (t: unknown): void => {
    if (t instanceof SimTimer) t.close();
    else otherwise(t as never);
  };
  Object.assign(globalThis, {
    setTimeout: timer(false, real.setTimeout), setInterval: timer(true, real.setInterval), clearTimeout: clear(real.clearTimeout), clearInterval: clear(real.clearInterval),
    Date: new Proxy(real.Date, {
      construct: (target, args, self) => Reflect.construct(target, args.length || !current() ? args : [wall()], self) as Date,
      apply: () => new real.Date(current() ? wall() : real.Date.now()).toString(),
      get: (target, key) => (key === 'now' ? () => (current() ? wall() : target.now()) : Reflect.get(target, key) as unknown),
    }),
  });
  performance.now = () => (current() ? sim.now / 1e6 : now());
  Math.random = () => {
    const node = current();
    if (!node) return random();
    if (!streams.has(node)) streams.set(node, new RandomStream(sim.seed, `node ${node.name} Math.random`));
    return streams.get(node)!.uniform();
  };
  return () => {
    Object.assign(globalThis, real);
    Math.random = random;
    delete (performance as { now?: unknown }).now;
  };
}
