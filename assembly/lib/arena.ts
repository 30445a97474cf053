// The arena: every table and pool is carved from linear memory once, at init, from sizes in the
// configuration. Nothing is ever given back and nothing is carved after init.
import { panic } from "./panic";
import { alignUp } from "./bytes";

@unmanaged @final class ArenaState {
  next: usize;
  end: usize;
  sealed: u32;
}
const A = changetype<ArenaState>(memory.data(offsetof<ArenaState>(), 8));

export function arenaInit(base: usize, end: usize): void {
  A.next = alignUp(base, 64);
  A.end = end;
  A.sealed = 0;
}

/** `size` zeroed bytes aligned to `align`, a power of two; traps when memory is too small or init is over. */
export function carve(size: usize, align: usize = 16): usize {
  assert(!A.sealed, "carve after init");
  const p = alignUp(A.next, align);
  if (size > A.end - p || p > A.end) panic("linear memory too small for the configured tables");
  A.next = p + size;
  memory.fill(p, 0, size);
  return p;
}

export function arenaSeal(): void { A.sealed = 1; }
/** Bytes not carved yet. */
export function arenaLeft(): usize { return A.end - A.next; }
/** Bytes carved so far, counted from address 0. */
export function arenaUsed(): usize { return A.next; }
