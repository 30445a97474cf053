// HMAC-SHA-1 (RFC 2104), and the comparison of MACs.
import { SHA1_BLOCK, SHA1_LEN, Sha1 } from "./sha1";

const INNER = changetype<Sha1>(memory.data(offsetof<Sha1>(), 8));
const OUTER = changetype<Sha1>(memory.data(offsetof<Sha1>(), 8));
const PAD: usize = memory.data(64, 8);
const DIGEST: usize = memory.data(20, 4);

/** Begin a MAC under the `n` bytes at `key`. One at a time. */
export function hmacInit(key: usize, n: u32): void {
  memory.fill(PAD, 0, SHA1_BLOCK);
  if (n > SHA1_BLOCK) {
    OUTER.init();
    OUTER.update(key, n);
    OUTER.final(PAD);
  } else memory.copy(PAD, key, n);
  for (let i: usize = 0; i < SHA1_BLOCK; i += 8) store<u64>(PAD + i, load<u64>(PAD + i) ^ 0x3636363636363636);
  INNER.init();
  INNER.update(PAD, SHA1_BLOCK);
  for (let i: usize = 0; i < SHA1_BLOCK; i += 8) store<u64>(PAD + i, load<u64>(PAD + i) ^ 0x6a6a6a6a6a6a6a6a); // 0x36 ^ 0x5c
  OUTER.init();
  OUTER.update(PAD, SHA1_BLOCK);
}
export function hmacUpdate(p: usize, n: u32): void { INNER.update(p, n); }
/** The 20 bytes of the MAC at `out`. */
export function hmacFinal(out: usize): void {
  INNER.final(DIGEST);
  OUTER.update(DIGEST, SHA1_LEN);
  OUTER.final(out);
}

/** Are two MACs equal? In a time that does not depend on where they differ. */
export function macEqual(a: usize, b: usize, n: u32): bool {
  let diff: u32 = 0;
  for (let i: u32 = 0; i < n; i++) diff |= <u32>load<u8>(a + i) ^ <u32>load<u8>(b + i);
  return diff == 0;
}
