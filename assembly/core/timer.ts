// Hierarchical timing wheels (Varghese and Lauck 1987, scheme 7): 6 levels of 64 slots, the finest tick
// 65.536 us. A timer fires at the first poll whose `now` reaches its expiry, never early; poll learns the
// earliest deadline from the slot bitmaps, so an idle stack sleeps until something is due.
import { ListNode } from "../lib/list";
import { now } from "./time";

const TICK_SHIFT: u64 = 16;
const SLOT_BITS: u64 = 6;
const SLOTS: u32 = 64;
const LEVELS: u32 = 6;

/** Called with the timer's `arg`; the timer is no longer armed and may be armed again. */
export type TimerFn = (arg: usize) => void;

/** 32 bytes, embedded in the object it belongs to. */
@unmanaged @final export class Timer {
  next: usize;
  prev: usize;
  /** ns. */
  expires: u64;
  fn: u32;
  arg: usize;
  /** level * 64 + slot while armed. */
  where: u32;

  /** Bind to a handler (`fnIndex` = someFunction.index) once, before the first arm. */
  @inline init(fnIndex: u32, arg: usize): void {
    this.next = 0;
    this.prev = 0;
    this.fn = fnIndex;
    this.arg = arg;
  }
  @inline get armed(): bool { return this.next != 0; }
  /** Fire at `at` ns (a past time fires at the next poll); re-arming moves the timer. */
  arm(at: u64): void {
    if (this.armed) this.cancel();
    this.expires = at;
    place(this);
    W.count++;
  }
  /** arm(now + delay ns). */
  @inline armIn(delay: u64): void { this.arm(now() + delay); }
  cancel(): void {
    if (!this.armed) return;
    unplace(this);
    W.count--;
  }
}

@unmanaged @final class Wheel {
  /** Ticks up to and including this one have been processed. */
  tick: u64;
  count: u32;
}
const W = changetype<Wheel>(memory.data(offsetof<Wheel>(), 8));
const HEADS: usize = memory.data(6 * 64 * 8, 8);
const MAPS: usize = memory.data(6 * 8, 8);

@inline function head(where: u32): ListNode { return changetype<ListNode>(HEADS + (<usize>where << 3)); }

export function timerInit(): void {
  W.tick = now() >> TICK_SHIFT;
  W.count = 0;
  for (let i: u32 = 0; i < LEVELS * SLOTS; i++) head(i).init();
  memory.fill(MAPS, 0, 6 * 8);
}

// A timer goes to the level whose span covers its distance, in the slot of its expiry's digit there.
// Rounding the expiry up to a tick keeps it from firing early.
function place(t: Timer): void {
  let tick = (t.expires + ((1 << TICK_SHIFT) - 1)) >> TICK_SHIFT;
  if (tick <= W.tick) tick = W.tick + 1;
  let level: u32 = 0;
  let distance = tick ^ W.tick;
  while (level < LEVELS - 1 && distance >= SLOTS) {
    distance >>= SLOT_BITS;
    level++;
  }
  if (distance >= SLOTS) tick = W.tick + ((<u64>SLOTS - 1) << (SLOT_BITS * (LEVELS - 1))); // beyond the horizon (52 days): looked at again there
  const slot = <u32>(tick >> (SLOT_BITS * level)) & (SLOTS - 1);
  t.where = level * SLOTS + slot;
  changetype<ListNode>(t).insertBefore(head(t.where));
  const m = MAPS + (level << 3);
  store<u64>(m, load<u64>(m) | (<u64>1 << slot));
}

function unplace(t: Timer): void {
  changetype<ListNode>(t).unlink();
  t.next = 0;
  if (head(t.where).empty) {
    const m = MAPS + ((t.where / SLOTS) << 3);
    store<u64>(m, load<u64>(m) & ~(<u64>1 << (t.where & (SLOTS - 1))));
  }
}

// Move the timers of one slot down to the levels they now belong to.
function cascade(level: u32): void {
  const where = level * SLOTS + (<u32>(W.tick >> (SLOT_BITS * level)) & (SLOTS - 1));
  const h = head(where);
  // Timers re-placed into the same slot (beyond the horizon) go behind `last` and are not seen again.
  const last = h.prev;
  if (h.empty) return;
  let more = true;
  while (more) {
    const n = h.next;
    more = n !== last;
    const t = changetype<Timer>(n);
    unplace(t);
    placeAt(t);
  }
}

// As place, but a timer due at the very tick being entered belongs in that tick's level-0 slot.
function placeAt(t: Timer): void {
  const tick = (t.expires + ((1 << TICK_SHIFT) - 1)) >> TICK_SHIFT;
  if (tick > W.tick) {
    place(t);
    return;
  }
  const slot = <u32>W.tick & (SLOTS - 1);
  t.where = slot;
  changetype<ListNode>(t).insertBefore(head(slot));
  store<u64>(MAPS, load<u64>(MAPS) | (<u64>1 << slot));
}

/** The next tick at which a slot is occupied, searching level by level; u64.MAX_VALUE when none. */
function nextTick(): u64 {
  let best = u64.MAX_VALUE;
  for (let level: u32 = 0; level < LEVELS; level++) {
    const map = load<u64>(MAPS + (level << 3));
    if (!map) continue;
    const shift = SLOT_BITS * level;
    const cur = <u32>(W.tick >> shift) & (SLOTS - 1);
    // Slots after `cur` lie in this turn of the level, those up to and including `cur` in the next.
    const rotated = rotr<u64>(map, <u64>((cur + 1) & (SLOTS - 1)));
    const tick = ((W.tick >> shift) + 1 + ctz<u64>(rotated)) << shift;
    if (tick < best) best = tick;
  }
  return best;
}

/** Fire everything due at now(). */
export function timerRun(): void {
  const target = now() >> TICK_SHIFT;
  while (W.tick < target) {
    const next = W.count ? nextTick() : u64.MAX_VALUE;
    if (next > target) {
      // Entering a new slot of a higher level cascades it; none is occupied before `next`, so skipping is safe.
      W.tick = target;
      break;
    }
    W.tick = next;
    for (let level: u32 = LEVELS - 1; level > 0; level--) {
      if (W.tick & ((<u64>1 << (SLOT_BITS * level)) - 1)) continue;
      cascade(level);
    }
    const h = head(<u32>W.tick & (SLOTS - 1));
    while (!h.empty) {
      const t = changetype<Timer>(h.next);
      unplace(t);
      W.count--;
      call_indirect<void>(t.fn, t.arg);
    }
  }
}

/** When poll must run next, ns; u64.MAX_VALUE when no timer is armed. Exact to a tick, or earlier (a cascade). */
export function timerDeadline(): u64 {
  if (!W.count) return u64.MAX_VALUE;
  return nextTick() << TICK_SHIFT;
}
/** Sanitizer build: `each` is called with every armed timer. */
export function timerCheck(each: (timer: usize) => void): void {
  let n: u32 = 0;
  for (let where: u32 = 0; where < LEVELS * SLOTS; where++) {
    const h = head(where);
    for (let t = h.next; t !== h; t = t.next) {
      each(changetype<usize>(t));
      assert(t.next.prev === t && changetype<Timer>(t).where == where, "timer: corrupt wheel");
      n++;
    }
  }
  assert(n == W.count, "timer: armed timers miscounted");
}
/** Armed timers. */
export function timerCount(): u32 { return W.count; }
