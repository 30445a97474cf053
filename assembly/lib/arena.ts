// The arena: every table and pool is carved from linear memory once, at init, from sizes in the
// configuration. Nothing is ever given back and nothing is carved after init.
// In the sanitizer build (`SANITIZE`) every piece is followed by a red zone: the address of the zone before it, then poison.
import { panic } from "./panic";
import { alignUp } from "./bytes";

/** What freed slots and red zones are filled with in the sanitizer build. */
export const POISON: u8 = 0xa5;
const POISON_WORD: u64 = 0xa5a5a5a5a5a5a5a5;
const RED_ZONE: usize = isDefined(SANITIZE) ? 32 : 0;

@unmanaged @final class ArenaState {
  next: usize;
  end: usize;
  sealed: u32;
  /** The last red zone. */
  zones: usize;
}
const A = changetype<ArenaState>(memory.data(offsetof<ArenaState>(), 8));

export function arenaInit(base: usize, end: usize): void {
  A.next = alignUp(base, 64);
  A.end = end;
  A.sealed = 0;
  A.zones = 0;
}

/** `size` zeroed bytes aligned to `align`, a power of two; traps when memory is too small or init is over. */
export function carve(size: usize, align: usize = 16): usize {
  const p = carveRaw(size, align);
  memory.fill(p, 0, size);
  return p;
}

/** As carve, but the bytes are whatever they were, and are not touched: memory that is never used costs the machine nothing. */
export function carveRaw(size: usize, align: usize): usize {
  assert(!A.sealed, "carve after init");
  const p = alignUp(A.next, align);
  if (size + RED_ZONE > A.end - p || p > A.end) panic("linear memory too small for the configured tables");
  A.next = p + size;
  if (isDefined(SANITIZE)) redZone();
  return p;
}

function redZone(): void {
  const z = alignUp(A.next, 8);
  memory.fill(z, POISON, RED_ZONE);
  store<usize>(z, A.zones);
  A.zones = z;
  A.next = z + RED_ZONE;
}

/** Is [from, to) as the sanitizer build left it? */
export function poisoned(from: usize, to: usize): bool {
  while (from + 32 <= to) {
    const a = (load<u64>(from) ^ POISON_WORD) | (load<u64>(from, 8) ^ POISON_WORD), b = (load<u64>(from, 16) ^ POISON_WORD) | (load<u64>(from, 24) ^ POISON_WORD);
    if (a | b) return false;
    from += 32;
  }
  while (from + 8 <= to) {
    if (load<u64>(from) != POISON_WORD) return false;
    from += 8;
  }
  while (from < to) if (load<u8>(from++) != POISON) return false;
  return true;
}

/** Sanitizer build: nothing was written between the pieces. */
export function arenaCheck(): void {
  for (let z = A.zones; z; z = load<usize>(z)) {
    if (z >= A.next || !poisoned(z + 8, z + RED_ZONE)) panic("arena: write past a table");
  }
}

export function arenaSeal(): void { A.sealed = 1; }
/** Whether the memory has room for tables of full size: in a smaller one they would take the place of too many buffers. */
export function arenaIsLarge(): bool { return A.end >= 32 << 20; }
/** Bytes not carved yet. */
export function arenaLeft(): usize { return A.end - A.next; }
/** Bytes carved so far, counted from address 0. */
export function arenaUsed(): usize { return A.next; }
