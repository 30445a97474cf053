// The digest of a frame, for hosts that compare runs: 128 bits that depend on its bytes alone. Not cryptographic: a change of one word
// changes it, for certain. host/sim/digest.ts computes the same.
//
// Stripe by stripe of 64 bytes, the last one padded with zeros: x = (lane[i] ^ word[i]) * PRIME, lane[i] = x ^ x >> 15, 16 lanes of
// 32 bits that begin as `length + i`. In the end four lanes that begin as 0 take in the four quarters in the same way.

const STRIPE: usize = 64;
const PRIME: u32 = 0x9e3779b1;
const SHIFT: i32 = 15;

@inline function mix(h: u32, word: u32): u32 {
  const x = (h ^ word) * PRIME;
  return x ^ (x >> SHIFT);
}

// @ts-ignore: decorator
@inline function mix4(h: v128, words: v128): v128 {
  const x = i32x4.mul(v128.xor(h, words), i32x4.splat(PRIME));
  return v128.xor(x, i32x4.shr_u(x, SHIFT));
}

/** Write the digest of the `n` bytes at `p`, four words, at `out`. What follows them is overwritten up to a whole stripe, and for one stripe more. */
export function digest(p: usize, n: usize, out: usize): void {
  const end = p + ((n + STRIPE - 1) & ~(STRIPE - 1));
  memory.fill(p + n, 0, end - p - n);
  if (ASC_FEATURE_SIMD) {
    const length = i32x4.splat(<i32>n);
    let a = i32x4.add(length, i32x4(0, 1, 2, 3)), b = i32x4.add(length, i32x4(4, 5, 6, 7));
    let c = i32x4.add(length, i32x4(8, 9, 10, 11)), d = i32x4.add(length, i32x4(12, 13, 14, 15));
    for (; p < end; p += STRIPE) {
      a = mix4(a, v128.load(p));
      b = mix4(b, v128.load(p, 16));
      c = mix4(c, v128.load(p, 32));
      d = mix4(d, v128.load(p, 48));
    }
    v128.store(out, mix4(mix4(mix4(mix4(i32x4.splat(0), a), b), c), d));
  } else {
    for (let i: usize = 0; i < 16; i++) store<u32>(end + (i << 2), <u32>(n + i));
    for (; p < end; p += STRIPE)
      for (let i: usize = 0; i < STRIPE; i += 4) store<u32>(end + i, mix(load<u32>(end + i), load<u32>(p + i)));
    for (let i: usize = 0; i < 16; i += 4)
      store<u32>(out + i, mix(mix(mix(mix(0, load<u32>(end + i)), load<u32>(end + i, 16)), load<u32>(end + i, 32)), load<u32>(end + i, 48)));
  }
}
