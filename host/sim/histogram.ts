// Durations, counted in buckets of 1/16 of their size: percentiles of any number of samples in fixed memory, by integers alone.
const SUB = 16, SUB_BITS = 4, BUCKETS = 32 * SUB;

/** What a histogram holds. */
export interface HistogramCount {
  counts: Float64Array;
  count: number;
  sum: number;
  longest: number;
}

export class DurationHistogram {
  private readonly counts = new Float64Array(BUCKETS);
  count = 0;
  private sum = -0;
  private longest = -0;

  /** `ns`: up to an hour; longer counts as that. */
  add(ns: number): void {
    const us = Math.min(Math.floor(ns / 1000), 0xffffffff);
    this.counts[bucket(us)]++;
    this.count++;
    this.sum += ns;
    this.longest = Math.max(this.longest, ns);
  }
  /** The duration, ns, that a part `p` (0 to 1) of the samples does not exceed, at most 1/16 too large; 0 without samples. */
  percentile(p: number): number {
    let left = Math.ceil(this.count * p);
    if (!this.count) return 0;
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.counts[i];
      if (left <= 0) return Math.min(upper(i) * 1000, this.longest);
    }
    return this.longest;
  }
  counted(): HistogramCount {
    const { counts, count, sum, longest } = this;
    return { counts, count, sum, longest };
  }
  /** Add what another one holds. */
  takeIn(o: HistogramCount): void {
    for (let i = 0; i < BUCKETS; i++) this.counts[i] += o.counts[i];
    this.count += o.count;
    this.sum += o.sum;
    this.longest = Math.max(this.longest, o.longest);
  }
  get mean(): number { return this.count ? this.sum / this.count : 0; }
  get max(): number { return this.longest; }
}

function bucket(us: number): number {
  if (us < SUB) return us;
  const shift = 31 - Math.clz32(us) - SUB_BITS;
  return (shift + 1) * SUB + ((us >>> shift) & (SUB - 1));
}
/** The end of a bucket, µs. */
function upper(i: number): number {
  if (i < SUB) return i + 1;
  const shift = Math.floor(i / SUB) - 1;
  return (SUB + (i & (SUB - 1)) + 1) * 2 ** shift;
}
