// The digest of a frame, for hosts that compare runs: 128 bits that depend on its bytes alone. Not cryptographic: a change of one word
// changes it, for certain. host/sim/digest.ts computes the same.
//
// Stripe by stripe of 64 bytes, the last one padded with zeros: x = (lane[i] ^ word[i]) * PRIME, lane[i] = x ^ x >> 15, 16 lanes of
// 32 bits that begin as `length + i`. In the end four lanes that begin as 0 take in the four quarters in the same way.

const STRIPE: usize = 64;
const PRIME: u32 = 0x9e3779b1;
const SHIFT: i32 = 15;
const LANES: usize = memory.data(64, 16);

@inline function mix(h: u32, word: u32): u32 {
  const x = (h ^ word) * PRIME;
  return x ^ (x >> SHIFT);
}

// @ts-ignore: decorator
@inline function mix4(h: v128, at: usize): v128 {
  const x = i32x4.mul(v128.xor(h, v128.load(at)), i32x4.splat(PRIME));
  return v128.xor(x, i32x4.shr_u(x, SHIFT));
}

/** Write the digest of the `n` bytes at `p`, four words, at `out`. What follows them is overwritten up to a whole stripe. */
export function digest(p: usize, n: usize, out: usize): void {
  const rest = n & (STRIPE - 1), end = rest ? p + n - rest + STRIPE : p + n;
  memory.fill(p + n, 0, end - p - n);
  for (let i: usize = 0; i < 16; i++) store<u32>(LANES + (i << 2), <u32>(n + i));
  if (ASC_FEATURE_SIMD) {
    let a = v128.load(LANES), b = v128.load(LANES, 16), c = v128.load(LANES, 32), d = v128.load(LANES, 48);
    for (; p < end; p += STRIPE) {
      a = mix4(a, p);
      b = mix4(b, p + 16);
      c = mix4(c, p + 32);
      d = mix4(d, p + 48);
    }
    v128.store(LANES, a);
    v128.store(LANES, b, 16);
    v128.store(LANES, c, 32);
    v128.store(LANES, d, 48);
  } else {
    for (; p < end; p += STRIPE)
      for (let i: usize = 0; i < STRIPE; i += 4) store<u32>(LANES + i, mix(load<u32>(LANES + i), load<u32>(p + i)));
  }
  for (let i: usize = 0; i < 16; i += 4)
    store<u32>(out + i, mix(mix(mix(mix(0, load<u32>(LANES + i)), load<u32>(LANES + i, 16)), load<u32>(LANES + i, 32)), load<u32>(LANES + i, 48)));
}
