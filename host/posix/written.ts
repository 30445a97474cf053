// What a program wrote natively to a socket of messages: many at a time from its pair to the core.
import { DATA, DATA_SIZE } from '../abi/constants.js';
import type { CoreMemory } from '../memory.js';
import type { PosixNative } from './native.js';

/** Messages of one call, and bytes of their slots together; a long one is put together behind these (native/written.c: LONG bytes at most). */
const MANY = 32, SLOTS = DATA_SIZE / 2;
/** The longest message that is whole here, bytes: no socket sends a longer one. */
export const LONGEST = SLOTS;
/** Slots are no smaller, bytes. */
const SLOT_MIN = 256;

/** The messages taken last; shared by the sockets, none of which leaves any here. */
export class Written {
  private readonly lengths = new Uint32Array(MANY + 1);
  private size = SLOT_MIN;
  /** There may be more. */
  more = false;

  constructor(private readonly native: PosixNative, private readonly mem: CoreMemory) {}

  /** Take at most `most` messages: how many, -EPIPE when there is none and the program has closed its end, or -errno. `expected`: their likely length, bytes. */
  take(fd: number, expected: number, most: number): number {
    // Slots of the length that the messages have: they are one behind the other, in the fewest lines of the cache.
    this.size = Math.min(SLOTS, Math.max(SLOT_MIN, (expected + 63) & ~63));
    const count = Math.min(MANY, most, Math.floor(SLOTS / this.size));
    const n = this.native.posixWritten(fd, this.mem.u8, DATA, this.size, count, this.lengths);
    // That the program has closed its end behind them, the next call tells.
    this.more = n === count || (n > 0 && this.lengths[count] === 1);
    return n;
  }
  /** Length of message i as it was written, bytes. */
  length(i: number): number { return this.lengths[i]; }
  /** Where message i is, until the next call of this or take(). */
  place(i: number): number {
    const slot = DATA + i * this.size;
    if (this.lengths[i] <= this.size) return slot;
    this.native.posixWrittenWhole(i, this.mem.u8, slot, DATA + SLOTS);
    return DATA + SLOTS;
  }
  /** Copies of messages [from, to). */
  copies(from: number, to: number): Uint8Array[] {
    const out: Uint8Array[] = [];
    for (let i = from; i < to; i++) {
      const at = this.place(i);
      out.push(this.mem.u8.slice(at, at + Math.min(this.lengths[i], SLOTS)));
    }
    return out;
  }
}
