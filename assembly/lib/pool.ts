// Fixed pools of equal slots. A free slot's first word links the free list; the slot is zeroed on allocation.
//
// In the sanitizer build (`SANITIZE`) a freed slot is poisoned and each slot is followed by a red zone, so
// that use after free, double free and writes past a slot trap where they can be blamed.
import { panic } from "./panic";
import { carve } from "./arena";
import { alignUp } from "./bytes";

const POISON: u8 = 0xa5;
const RED_ZONE: usize = isDefined(SANITIZE) ? 32 : 0;
const FREE_MARK: u32 = 0xf4eef4ee;

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
  /** One bit per slot: allocated. */
  map: usize;

  /** Carve `capacity` slots of `size` bytes. */
  init(size: usize, capacity: u32, align: usize = 16): void {
    this.size = size;
    this.stride = alignUp(size + RED_ZONE, align);
    this.capacity = capacity;
    this.base = carve(this.stride * capacity, align);
    this.map = carve(((capacity + 31) >> 5) << 2, 4);
    this.used = 0;
    this.free = 0;
    let p = this.base + this.stride * capacity;
    for (let i: u32 = 0; i < capacity; i++) {
      p -= this.stride;
      if (isDefined(SANITIZE)) {
        memory.fill(p, POISON, this.stride);
        store<u32>(p, FREE_MARK, 4);
      }
      store<usize>(p, this.free);
      this.free = p;
    }
  }

  /** A zeroed slot, or 0 when the pool is exhausted (counted in `failed`). */
  alloc(): usize {
    const p = this.allocRaw();
    if (p) memory.fill(p, 0, this.size);
    return p;
  }

  /** As alloc, but the slot's bytes are whatever they were: for buffers that are filled at once. */
  allocRaw(): usize {
    const p = this.free;
    if (!p) {
      this.failed++;
      return 0;
    }
    if (isDefined(SANITIZE)) this.checkFree(p);
    this.free = load<usize>(p);
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
      for (let q = p + this.size; q < p + this.stride; q++) if (load<u8>(q) != POISON) panic("pool: write past a slot");
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
  private poisoned(p: usize): bool {
    for (let q = p + 8; q < p + this.size; q++) if (load<u8>(q) != POISON) return false;
    return true;
  }
  private checkFree(p: usize): void {
    if (load<u32>(p, 4) != FREE_MARK || !this.poisoned(p)) panic("pool: a free slot was written (use after free)");
  }
}
