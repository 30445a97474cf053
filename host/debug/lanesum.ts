// The check of record files: sixteen lanes of 32 bits, taken in C while the bytes are copied (io-backends/native/record_sum.h
// computes the same). Every change of a single bit alters it, and hardly any changed order does not; it is no protection
// against intent.
//
// Stripe by stripe of 64 bytes: lane[i] += word[i] ^ k, then k += GOLDEN. The last stripe is padded with zeros; the length
// goes into the result.

const LANES = 16;
/** Bytes of a stripe: record files are made of whole ones. */
export const STRIPE = 4 * LANES;
const GOLDEN = 0x9e3779b9;
const FOLD = 0x85ebca6b;

/** n, rounded up to whole stripes. */
export const stripes = (n: number): number => n + (-n & (STRIPE - 1));

export class LaneSum {
  private readonly lanes = new Int32Array(LANES);
  private readonly partial = new Uint8Array(STRIPE);
  private readonly words = new Int32Array(this.partial.buffer);
  private fill = 0;
  private length = 0;
  private k = GOLDEN | 0;

  /** Take the bytes [from, to). */
  add(bytes: Uint8Array, from = 0, to = bytes.length): this {
    this.length = (this.length + to - from) >>> 0;
    while (from < to) {
      const n = Math.min(STRIPE - this.fill, to - from);
      if (n === 1) this.partial[this.fill] = bytes[from];
      else this.partial.set(bytes.subarray(from, from + n), this.fill);
      this.fill += n;
      from += n;
      if (this.fill === STRIPE) this.stripe();
      // Whole stripes that lie on a word boundary need no copy.
      if (!this.fill && to - from >= STRIPE && !((bytes.byteOffset + from) & 3)) from = this.whole(bytes, from, to);
    }
    return this;
  }

  /** The check of all bytes so far. */
  get value(): number {
    const copy = new LaneSum();
    copy.lanes.set(this.lanes);
    copy.k = this.k;
    copy.partial.set(this.partial.subarray(0, this.fill));
    if (this.fill) copy.stripe();
    let h = this.length | 0;
    for (const lane of copy.lanes) {
      h ^= lane;
      h = Math.imul((h << 15) | (h >>> 17), FOLD);
    }
    return (h ^ (h >>> 16)) >>> 0;
  }

  private stripe(): void {
    const { lanes, words, k } = this;
    for (let i = 0; i < LANES; i++) lanes[i] += words[i] ^ k;
    this.k = (k + GOLDEN) | 0;
    this.fill = 0;
  }

  private whole(bytes: Uint8Array, from: number, to: number): number {
    const { lanes } = this;
    const w = new Int32Array(bytes.buffer, bytes.byteOffset + from, ((to - from) >>> 6) << 4);
    let k = this.k;
    for (let i = 0; i < w.length; i += LANES) {
      for (let j = 0; j < LANES; j++) lanes[j] += w[i + j] ^ k;
      k = (k + GOLDEN) | 0;
    }
    this.k = k;
    return from + 4 * w.length;
  }
}

/** The check of these bytes. */
export const laneSum = (bytes: Uint8Array): number => new LaneSum().add(bytes).value;
