// Keyed hash of values a remote peer can choose: SipHash-2-4 (Aumasson and Bernstein 2012), so that
// nobody can aim at one bucket.
import { randU64 } from "./drbg";

@unmanaged @final class SipKey {
  k0: u64;
  k1: u64;
}
const K = changetype<SipKey>(memory.data(16, 8));

/** Draw the table key from the DRBG. */
export function hashInit(): void {
  K.k0 = randU64();
  K.k1 = randU64();
}

/** SipHash-2-4 of `n` bytes (any length) at `p` under the 16-byte key (k0, k1). */
export function sipHash(p: usize, n: usize, k0: u64, k1: u64): u64 {
  let v0 = k0 ^ 0x736f6d6570736575, v1 = k1 ^ 0x646f72616e646f6d, v2 = k0 ^ 0x6c7967656e657261, v3 = k1 ^ 0x7465646279746573;
  const end = p + (n & ~7);
  let last = (<u64>n) << 56;
  for (let i: usize = 0; i < (n & 7); i++) last |= (<u64>load<u8>(end + i)) << (i << 3);
  // Two rounds for each word and for the last one, then twice two with nothing to take in.
  let left = 3;
  while (left) {
    let m: u64 = 0;
    if (p < end) {
      m = load<u64>(p);
      p += 8;
    } else {
      if (left == 3) m = last;
      else if (left == 2) v2 ^= 0xff;
      left--;
    }
    v3 ^= m;
    v0 += v1; v1 = rotl<u64>(v1, 13); v1 ^= v0; v0 = rotl<u64>(v0, 32);
    v2 += v3; v3 = rotl<u64>(v3, 16); v3 ^= v2;
    v0 += v3; v3 = rotl<u64>(v3, 21); v3 ^= v0;
    v2 += v1; v1 = rotl<u64>(v1, 17); v1 ^= v2; v2 = rotl<u64>(v2, 32);
    v0 += v1; v1 = rotl<u64>(v1, 13); v1 ^= v0; v0 = rotl<u64>(v0, 32);
    v2 += v3; v3 = rotl<u64>(v3, 16); v3 ^= v2;
    v0 += v3; v3 = rotl<u64>(v3, 21); v3 ^= v0;
    v2 += v1; v1 = rotl<u64>(v1, 17); v1 ^= v2; v2 = rotl<u64>(v2, 32);
    v0 ^= m;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}

/** 32-bit table hash of `n` bytes at `p` under this instance's key. */
export function hashBytes(p: usize, n: usize): u32 { return <u32>sipHash(p, n, K.k0, K.k1); }
