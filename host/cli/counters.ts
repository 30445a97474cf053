// Extension of the stack worker: the core's counters by name.
import { Drop, DropName, Mib, MibName } from '../abi/constants.js';
import type { CoreMemory } from '../memory.js';
import type { Extension, StackContext } from '../threads/stack_worker.js';

export interface Counters {
  /** Dropped packets by reason; those that are 0 are left out. */
  drops: Record<string, number>;
  /** SNMP counters; those that are 0 are left out. */
  mib: Record<string, number>;
}

function table(mem: CoreMemory, at: number, count: number, names: Readonly<Record<number, string>>): Record<string, number> {
  const out: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const n = Number(mem.u64[(at >>> 3) + i]);
    if (n) out[names[i]] = n;
  }
  return out;
}

export function attachCounters(stack: StackContext): Extension {
  const { mem, exports } = stack.core;
  stack.handle('counters', (_, reply) => {
    const counters: Counters = {
      drops: table(mem, exports.drop_counters(), Drop.COUNT, DropName),
      mib: table(mem, exports.mib_counters(), Mib.COUNT, MibName),
    };
    reply(counters);
  });
  return {};
}
