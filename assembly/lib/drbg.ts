// Randomness of the core: a ChaCha20 DRBG (RFC 8439 2.3 block function) keyed by the 32-byte seed given to
// init, with fast key erasure: each refill's first 32 bytes become the next key.

@unmanaged @final class DrbgState {
  pos: u32;
  counter: u64;
}
const S = changetype<DrbgState>(memory.data(offsetof<DrbgState>(), 8));
const KEY: usize = memory.data(32, 16);
/** 4 blocks of output. */
const OUT: usize = memory.data(256, 16);
const OUT_SIZE: u32 = 256;
const X: usize = memory.data(64, 16);

function quarter(a: usize, b: usize, c: usize, d: usize): void {
  let va = load<u32>(X + a), vb = load<u32>(X + b), vc = load<u32>(X + c), vd = load<u32>(X + d);
  va += vb; vd = rotl<u32>(vd ^ va, 16);
  vc += vd; vb = rotl<u32>(vb ^ vc, 12);
  va += vb; vd = rotl<u32>(vd ^ va, 8);
  vc += vd; vb = rotl<u32>(vb ^ vc, 7);
  store<u32>(X + a, va); store<u32>(X + b, vb); store<u32>(X + c, vc); store<u32>(X + d, vd);
}

/** RFC 8439 2.3: one 64-byte block at `out`; key 32 bytes, nonce 12 bytes in memory. */
export function chacha20Block(out: usize, key: usize, counter: u32, nonce: usize): void {
  store<u32>(X, 0x61707865); store<u32>(X, 0x3320646e, 4); store<u32>(X, 0x79622d32, 8); store<u32>(X, 0x6b206574, 12);
  memory.copy(X + 16, key, 32);
  store<u32>(X, counter, 48);
  memory.copy(X + 52, nonce, 12);
  for (let i = 0; i < 10; i++) {
    quarter(0, 16, 32, 48); quarter(4, 20, 36, 52); quarter(8, 24, 40, 56); quarter(12, 28, 44, 60);
    quarter(0, 20, 40, 60); quarter(4, 24, 44, 48); quarter(8, 28, 32, 52); quarter(12, 16, 36, 56);
  }
  for (let i: usize = 0; i < 64; i += 4) {
    let w: u32;
    if (i < 16) w = i == 0 ? 0x61707865 : i == 4 ? 0x3320646e : i == 8 ? 0x79622d32 : 0x6b206574;
    else if (i < 48) w = load<u32>(key + i - 16);
    else if (i == 48) w = counter;
    else w = load<u32>(nonce + i - 52);
    store<u32>(out + i, load<u32>(X + i) + w);
  }
}

const NONCE: usize = memory.data(12, 4);

function refill(): void {
  store<u64>(NONCE, S.counter++);
  for (let i: u32 = 0; i < OUT_SIZE / 64; i++) chacha20Block(OUT + (i << 6), KEY, i, NONCE);
  memory.copy(KEY, OUT, 32);
  memory.fill(OUT, 0, 32);
  S.pos = 32;
}

/** Key the generator with the 32 bytes at `seed`. */
export function drbgInit(seed: usize): void {
  memory.copy(KEY, seed, 32);
  S.counter = 0;
  refill();
}

export function randU32(): u32 {
  if (S.pos > OUT_SIZE - 4) refill();
  const v = load<u32>(OUT + S.pos);
  S.pos += 4;
  return v;
}
export function randU64(): u64 { return (<u64>randU32() << 32) | randU32(); }
/** Uniform in 0 .. n-1 (n > 0), by multiplication; the bias is below 2^-32 * n. */
export function randBelow(n: u32): u32 { return <u32>((<u64>randU32() * n) >> 32); }
/** Fill `n` bytes at `p`. */
export function randBytes(p: usize, n: usize): void {
  for (let i: usize = 0; i < n; i++) {
    if (S.pos >= OUT_SIZE) refill();
    store<u8>(p + i, load<u8>(OUT + S.pos++));
  }
}
