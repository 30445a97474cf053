// Lets applications that use promises do all they can while virtual time stands still.
import type { SimNode } from '../../sim/node.js';
import { SpinError, type Entity, type Simulation } from '../../sim/simulation.js';
import { virtualGlobals } from './virtual_globals.js';

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
