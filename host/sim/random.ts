// Streams of pseudo-random numbers, one for each purpose: a stream depends on the run's seed and its own label alone, so that one more
// node or link leaves all others as they were. xoshiro128** (Blackman, Vigna), seeded by MurmurHash3. Integers and exact divisions
// only: the functions of Math are not the same in all engines.
import { Murmur3 } from '../debug/murmur3.js';

const utf8 = new TextEncoder();
const rotl = (x: number, n: number): number => (x << n) | (x >>> (32 - n));

/** 32 hexadecimal digits out of the seed and a label. */
export function derive(seed: number, label: string): string {
  const h = new Murmur3(0, 64);
  h.add(utf8.encode(`${seed}/${label}`));
  return h.hex;
}

/** The 32 bytes that a core is seeded with. */
export function coreSeed(seed: number, node: string): Uint8Array {
  const hex = derive(seed, `node ${node} 0`) + derive(seed, `node ${node} 1`);
  return Uint8Array.from({ length: 32 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

export class RandomStream {
  private readonly s = new Int32Array(4);

  constructor(seed: number, label: string) {
    const hex = derive(seed, label);
    for (let i = 0; i < 4; i++) this.s[i] = parseInt(hex.slice(8 * i, 8 * i + 8), 16);
    // All zeros would stay so for ever.
    this.s[0] |= 1;
  }

  /** 0 to 2^32-1. */
  u32(): number {
    const { s } = this, t = s[1] << 9;
    const out = Math.imul(rotl(Math.imul(s[1], 5), 7), 9) >>> 0;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 11);
    return out;
  }
  /** In [0, 1), a multiple of 2^-32. */
  uniform(): number { return this.u32() / 4294967296; }
  /** True with probability p, exact to 2^-32. */
  chance(p: number): boolean { return p > 0 && this.uniform() < p; }
  /** A whole number in [0, n), n below 2^21. */
  below(n: number): number { return Math.floor(this.u32() * n / 4294967296); }
}
