// What a core has put into its transmit rings: the frames that each call produced.
import * as A from '../abi/constants.js';
import type { CoreMemory } from '../memory.js';

/** Words of a frame's first piece that count in its sum: the headers. */
const SUM_WORDS = 20;

/** One step of a running sum (the mixing of MurmurHash3_x86_32). */
function mix(h: number, w: number): number {
  w = Math.imul(w, 0xcc9e2d51);
  h ^= Math.imul((w << 15) | (w >>> 17), 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/**
 * A cheap sum of one frame for comparing a replay with what really happened, at the speed of a live run: length, offload
 * fields, and the headers (the first 80 bytes from the first word boundary on), in which the transport's checksum stands
 * for the rest where the core computes it.
 */
function frameSum(m: CoreMemory, d: number, h: number): number {
  const { u32 } = m;
  const q = d >>> 2;
  h = mix(h, u32[q + (A.TXD_LEN >>> 2)]);
  // flags, gso type and size, header length, checksum start and offset: from the pieces' number on
  for (let i = A.TXD_NFRAGS >>> 2; i < A.TXD_SKB >>> 2; i++) h = mix(h, u32[q + i]);
  const p = u32[q + (A.TXD_FRAGS >>> 2)], start = (p + 3) >>> 2;
  const end = Math.min(start + SUM_WORDS, (p + u32[q + (A.TXD_FRAGS >>> 2) + 1]) >>> 2);
  for (let i = start; i < end; i++) h = mix(h, u32[i]);
  return h;
}

/** A vif slot's ring. */
class Ring {
  /** Producer index up to which frames have been seen. */
  head: number;
  constructor(readonly slot: number, readonly base: number, head: number) { this.head = head; }
}

/** Told of the frames of a call: `count` frames of `slot` from producer index `first` on. */
export type OnFrames = (slot: number, first: number, count: number) => void;

export class Rings {
  /** The slots that are known. */
  readonly slots: number[] = [];
  private readonly rings: Ring[] = [];
  /** Takes up the rings as they are. */
  constructor(private readonly m: CoreMemory) { this.discover(); }

  /** Look for slots in use that are not known yet: after dev_register. */
  discover(): void {
    const { u32 } = this.m;
    for (let slot = 0; slot < A.VIF_MAX; slot++) {
      const base = (A.VIF + slot * A.VIF_STRIDE) >>> 2;
      if (!u32[base + (A.VIF_IFINDEX >>> 2)] || this.slots.includes(slot)) continue;
      this.rings.push(new Ring(slot, base, u32[base + (A.VIF_TX_HEAD >>> 2)]));
      this.slots.push(slot);
    }
  }

  /** Tell of what is new in each ring. */
  produced(fn: OnFrames): void {
    const { u32 } = this.m;
    for (const r of this.rings) {
      const head = u32[r.base + (A.VIF_TX_HEAD >>> 2)];
      if (head === r.head) continue;
      const first = r.head, count = (head - first) >>> 0;
      r.head = head;
      fn(r.slot, first, count);
    }
  }
  /** Address of the descriptor with this producer index. */
  descriptor(slot: number, index: number): number {
    const { u32 } = this.m, h = (A.VIF + slot * A.VIF_STRIDE) >>> 2;
    return u32[h + (A.VIF_TX_RING >>> 2)] + (index & (u32[h + (A.VIF_TX_SIZE >>> 2)] - 1)) * A.TX_DESC_SIZE;
  }
  /** The sum of these frames. */
  sum(slot: number, first: number, count: number): number {
    let h = slot;
    for (let i = 0; i < count; i++) h = frameSum(this.m, this.descriptor(slot, first + i), h);
    return h >>> 0;
  }
}
