// The check of record files: eight lanes of 32 bits, fast in JavaScript and four times memory speed in C
// (io-backends/native/record.c computes the same). Every change of a single bit alters it, and so does a changed order;
// it is no protection against intent.
//
// Stripe by stripe of 32 bytes: lane[i] = rotl(lane[i], 5) + (word[i] ^ k), then k += GOLDEN. The last stripe is padded
// with zeros; the length goes into the result.

const LANES = 8;
const STRIPE = 4 * LANES;
const GOLDEN = 0x9e3779b9;
const FOLD = 0x85ebca6b;

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
    for (let i = 0; i < LANES; i++) lanes[i] = ((lanes[i] << 5) | (lanes[i] >>> 27)) + (words[i] ^ k);
    this.k = (k + GOLDEN) | 0;
    this.fill = 0;
  }

  private whole(bytes: Uint8Array, from: number, to: number): number {
    const { lanes } = this;
    const w = new Int32Array(bytes.buffer, bytes.byteOffset + from, ((to - from) >>> 5) << 3);
    let k = this.k;
    for (let i = 0; i < w.length; i += LANES) {
      for (let j = 0; j < LANES; j++) lanes[j] = ((lanes[j] << 5) | (lanes[j] >>> 27)) + (w[i + j] ^ k);
      k = (k + GOLDEN) | 0;
    }
    this.k = k;
    return from + 4 * w.length;
  }
}

/** The check of these bytes. */
export const laneSum = (bytes: Uint8Array): number => new LaneSum().add(bytes).value;
