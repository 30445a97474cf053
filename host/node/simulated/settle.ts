// Lets applications that use promises do all they can while virtual time stands still.
import type { SimNode } from '../../sim/node.js';
import { SpinError, type Entity, type Simulation } from '../../sim/simulation.js';
import { virtualGlobals } from './virtual_globals.js';

/** Rounds of the event loop at one instant: more, and an application goes round in circles. */
const SPIN_ROUNDS = 100_000;
/** What an application may await besides promises, ticks and immediates: files, which are read before time goes on. */
const AWAITED = /^Immediate$|Req/;

/** What an application has thrown where nobody catches it: in a timer, an event, a promise. */
class AppError extends Error {
  readonly code = 'ERR_NUSE_SIM_APP';
  constructor(node: string, time: number, cause: unknown) {
    const e = cause instanceof Error ? cause : new Error(String(cause));
    // What has a code comes from below, where its place says nothing to whoever wrote the application.
    const place = 'code' in e ? undefined : /(file:\/\/\S+:\d+):\d+/.exec(e.stack ?? '')?.[1];
    super(`an application of node ${node} has failed at ${(time / 1e9).toFixed(9)} s: ${e.name}: ${e.message}${place ? ` (${place.replace('file://', '')})` : ''}`, { cause });
  }
}
/** Errors of the run itself, which say all. */
const isOwn = (e: unknown): boolean => /^ERR_NUSE/.test(String((e as { code?: unknown } | undefined)?.code));

const round = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

let running = false;

/** Run `run` with what drains the event loop of this thread, and the globals of applications in virtual time meanwhile. One run at a time. */
export async function settle(sim: Simulation, run: (drain: (entity: Entity) => Promise<void>) => Promise<void>): Promise<void> {
  if (running) throw new Error('another simulation with promises runs in this thread: let it finish first');
  running = true;
  let settling: Entity | undefined;
  const restore = virtualGlobals(sim, () => (settling ?? sim.unsettled) as SimNode | undefined);
  // What nobody catches would end the process, and say neither whose it is nor when.
  const uncaught: unknown[] = [], caught = (error: unknown): void => { uncaught.push(error); };
  process.on('uncaughtException', caught).on('unhandledRejection', caught);
  try {
    await run(async (entity) => {
      settling = entity;
      for (let i = 0; ; i++) {
        await round();
        if (uncaught.length) throw uncaught[0];
        if (!process.getActiveResourcesInfo().some((r) => AWAITED.test(r))) break;
        if (i > SPIN_ROUNDS) throw new SpinError(`an application of node ${entity.name}`, sim.now, `${SPIN_ROUNDS} rounds of setImmediate`);
      }
      settling = undefined;
    });
    if (uncaught.length) throw uncaught[0];
  } catch (error) {
    const node = settling ?? sim.unsettled;
    throw node && !isOwn(error) ? new AppError(node.name, sim.now, error) : error;
  } finally {
    running = false;
    process.off('uncaughtException', caught).off('unhandledRejection', caught);
    restore();
  }
}
