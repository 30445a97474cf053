// AES-128-CMAC (RFC 4493).
import { AES_BLOCK, Aes } from "./aes";

export const CMAC_LEN: u32 = 16;
const KEY = changetype<Aes>(memory.data(352, 8));
/** The chaining value, and the block that may be the last one. */
const X: usize = memory.data(16, 8);
const BLOCK: usize = memory.data(16, 8);

@unmanaged @final class State {
  /** Bytes in BLOCK. */
  have: u32;
}
const S = changetype<State>(memory.data(offsetof<State>(), 4));

/** Begin a MAC under the 16 bytes at `key`. One at a time. */
export function cmacInit(key: usize): void {
  KEY.init(key);
  memory.fill(X, 0, AES_BLOCK);
  S.have = 0;
}

// X = AES(X ^ the block at `p`)
@inline function chain(p: usize): void {
  store<u64>(X, load<u64>(X) ^ load<u64>(p));
  store<u64>(X, load<u64>(X, 8) ^ load<u64>(p, 8), 8);
  KEY.encrypt(X, X);
}

export function cmacUpdate(p: usize, n: u32): void {
  while (n) {
    if (S.have == AES_BLOCK) { // there is more: it was not the last
      chain(BLOCK);
      S.have = 0;
    }
    const k = min(AES_BLOCK - S.have, n);
    memory.copy(BLOCK + S.have, p, k);
    S.have += k;
    p += k;
    n -= k;
  }
}

// Doubling in GF(2^128) (RFC 4493 2.3).
function double(p: usize): void {
  const hi = bswap<u64>(load<u64>(p)), lo = bswap<u64>(load<u64>(p, 8));
  store<u64>(p, bswap<u64>((hi << 1) | (lo >> 63)));
  store<u64>(p, bswap<u64>((lo << 1) ^ ((hi >> 63) * 0x87)), 8);
}
const SUBKEY: usize = memory.data(16, 8);

/** The 16 bytes of the MAC at `out`. */
export function cmacFinal(out: usize): void {
  memory.fill(SUBKEY, 0, AES_BLOCK);
  KEY.encrypt(SUBKEY, SUBKEY);
  double(SUBKEY);
  if (S.have < AES_BLOCK) {
    double(SUBKEY);
    store<u8>(BLOCK + S.have, 0x80);
    memory.fill(BLOCK + S.have + 1, 0, AES_BLOCK - 1 - S.have);
  }
  store<u64>(X, load<u64>(X) ^ load<u64>(SUBKEY));
  store<u64>(X, load<u64>(X, 8) ^ load<u64>(SUBKEY, 8), 8);
  chain(BLOCK);
  memory.copy(out, X, CMAC_LEN);
}
