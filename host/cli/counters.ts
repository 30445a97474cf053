// Extension of the stack worker: the core's counters by name, and the thread's time.
import { readFileSync } from 'node:fs';
import { Drop, DropName, Mib, MibName } from '../abi/constants.js';
import type { CoreMemory } from '../memory.js';
import type { Extension, StackContext } from '../threads/stack_worker.js';

export interface Counters {
  /** Dropped packets by reason; those that are 0 are left out. */
  drops: Record<string, number>;
  /** SNMP counters; those that are 0 are left out. */
  mib: Record<string, number>;
  /** Time that the stack's thread has had a processor, ns. */
  processor: number;
}

function table(mem: CoreMemory, at: number, count: number, names: Readonly<Record<number, string>>): Record<string, number> {
  const out: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const n = Number(mem.u64[(at >>> 3) + i]);
    if (n) out[names[i]] = n;
  }
  return out;
}

/** Time that this thread has had a processor, ns; what the kernel has not yet booked, at most a tick, is missing. */
const threadTime = (): number => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]);

export function attachCounters(stack: StackContext): Extension {
  const { mem, exports } = stack.core;
  stack.handle('counters', (_, reply) => {
    const counters: Counters = {
      drops: table(mem, exports.drop_counters(), Drop.COUNT, DropName),
      mib: table(mem, exports.mib_counters(), Mib.COUNT, MibName),
      processor: threadTime(),
    };
    reply(counters);
  });
  return {};
}
