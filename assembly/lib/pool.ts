// Fixed pools of equal slots. A free slot's first word links the free list; the slot is zeroed on allocation.
//
// In the sanitizer build (`SANITIZE`) a freed slot is poisoned and a red zone lies before the first slot and after each,
// so that use after free, double free and writes outside a slot trap where they can be blamed; poolCheck looks at all of them.
import { Usage } from "../abi";
import { panic } from "./panic";
import { POISON, carve, carveRaw, poisoned } from "./arena";
import { alignUp } from "./bytes";

const RED_ZONE: usize = isDefined(SANITIZE) ? 32 : 0;
const FREE_MARK: u32 = 0xf4eef4ee;
/** Usage -> Pool. */
const POOLS: usize = memory.data(64 * 4, 4);

@unmanaged @final export class Pool {
  base: usize;
  stride: usize;
  /** Payload bytes of a slot. */
  size: usize;
  capacity: u32;
  used: u32;
  /** Most slots ever in use at once. */
  peak: u32;
  /** Allocations refused because the pool was empty. */
  failed: u32;
  free: usize;
  /** Slots from here on were never used: their memory has not been touched, and costs the machine nothing. */
  fresh: usize;
  /** One bit per slot: allocated. */
  map: usize;

  /** Carve `capacity` slots of `size` bytes; usage(`kind`) tells how many are in use. */
  init(kind: Usage, size: usize, capacity: u32, align: usize = 16): void {
    store<usize>(POOLS + (<usize>kind << 2), changetype<usize>(this));
    this.size = size;
    this.stride = alignUp(size + RED_ZONE, align);
    this.capacity = capacity;
    this.base = carveSlots(this.stride * capacity, align);
    this.map = carve(((capacity + 31) >> 5) << 2, 4);
    this.used = 0;
    this.free = 0;
    this.fresh = isDefined(SANITIZE) ? this.end : this.base;
    if (isDefined(SANITIZE)) this.poisonAll();
  }
  private poisonAll(): void {
    for (let p = this.end; p > this.base;) {
      p -= this.stride;
      memory.fill(p, POISON, this.stride);
      store<u32>(p, FREE_MARK, 4);
      store<usize>(p, this.free);
      this.free = p;
    }
  }
  @inline private get end(): usize { return this.base + this.stride * this.capacity; }

  /** A zeroed slot, or 0 when the pool is exhausted (counted in `failed`). */
  alloc(): usize {
    const p = this.allocRaw();
    if (p) memory.fill(p, 0, this.size);
    return p;
  }

  /** As alloc, but the slot's bytes are whatever they were: for buffers that are filled at once. */
  allocRaw(): usize {
    let p = this.free;
    if (p) {
      if (isDefined(SANITIZE)) this.checkFree(p);
      this.free = load<usize>(p);
    } else {
      p = this.fresh;
      if (p == this.end) {
        this.failed++;
        return 0;
      }
      this.fresh = p + this.stride;
    }
    this.used++;
    if (this.used > this.peak) this.peak = this.used;
    this.mark(this.indexOf(p), true);
    return p;
  }

  release(p: usize): void {
    if (isDefined(SANITIZE)) {
      const off = p - this.base;
      if (p < this.base || off >= this.stride * this.capacity || off % this.stride != 0) panic("pool: release of a foreign pointer");
      if (!this.live(this.indexOf(p))) panic("pool: double free");
      if (!poisoned(p + this.size, p + this.stride)) panic("pool: write past a slot");
      memory.fill(p, POISON, this.size);
      store<u32>(p, FREE_MARK, 4);
    }
    this.mark(this.indexOf(p), false);
    store<usize>(p, this.free);
    this.free = p;
    this.used--;
  }

  /** Slot number of `p`. */
  @inline indexOf(p: usize): u32 { return <u32>((p - this.base) / this.stride); }
  @inline at(index: u32): usize { return this.base + <usize>index * this.stride; }
  @inline get left(): u32 { return this.capacity - this.used; }

  /** Is slot `index` allocated? False also past the end. */
  live(index: u32): bool {
    return index < this.capacity && ((load<u32>(this.map + ((index >> 5) << 2)) >> (index & 31)) & 1) != 0;
  }

  private mark(index: u32, on: bool): void {
    const w = this.map + ((index >> 5) << 2);
    const bit = <u32>1 << (index & 31);
    store<u32>(w, on ? load<u32>(w) | bit : load<u32>(w) & ~bit);
  }
  private checkFree(p: usize): void {
    if (load<u32>(p, 4) != FREE_MARK || !poisoned(p + 8, p + this.size)) panic("pool: a free slot was written (use after free)");
  }
  /** Sanitizer build: red zones of all slots are whole, free slots untouched. */
  check(): void {
    if (!poisoned(this.base - RED_ZONE, this.base)) panic("pool: write before a slot");
    for (let i: u32 = 0; i < this.capacity; i++) {
      const p = this.at(i);
      if (!poisoned(p + this.size, p + this.stride)) panic("pool: write past a slot");
      if (!this.live(i)) this.checkFree(p);
    }
  }
  @inline owns(p: usize): bool { return p >= this.base && p < this.base + this.stride * this.capacity; }
}

function carveSlots(size: usize, align: usize): usize {
  if (!isDefined(SANITIZE)) return carveRaw(size, align);
  const zone = alignUp(RED_ZONE, align), p = carveRaw(zone + size, align);
  memory.fill(p, POISON, zone);
  return p + zone;
}

@inline function poolOf(kind: u32): Pool | null { return kind < <u32>Usage.COUNT ? changetype<Pool | null>(load<usize>(POOLS + (<usize>kind << 2))) : null; }

/** Slots in use of the pool of this Usage, 0 when there is none. */
export function poolUsed(kind: u32): u32 {
  const pool = poolOf(kind);
  return pool ? pool.used : 0;
}

/** Sanitizer build: Pool.check of every pool. */
export function poolCheck(): void {
  for (let kind: u32 = 0; kind < <u32>Usage.COUNT; kind++) {
    const pool = poolOf(kind);
    if (pool) pool.check();
  }
}

/** Sanitizer build: `p` lies in no slot that is free. */
export function poolCheckLive(p: usize): void {
  for (let kind: u32 = 0; kind < <u32>Usage.COUNT; kind++) {
    const pool = poolOf(kind);
    if (pool && pool.owns(p) && !pool.live(pool.indexOf(p))) panic("pool: a freed slot is still on a list (use after free)");
  }
}
