// AES-128 (FIPS 197), encryption of single blocks. Nothing is looked up by secret data: a block is eight planes of 16 bits (bit j of plane i
// is bit i of byte j), and the S-box is the circuit of Boyar and Peralta (2010), 113 gates.

export const AES_BLOCK: u32 = 16;
const ROUNDS: u32 = 10;
/** A plane is a u32 of which 16 bits count; a set of eight takes so many bytes. */
const PLANES: u32 = 32;
const EVERY_BYTE: u64 = 0x0101010101010101;

/** The round keys, in planes. */
@unmanaged @final export class Aes {
  k: u32;
  @inline static get size(): u32 { return (ROUNDS + 1) * PLANES; }
  @inline round(i: u32): usize { return changetype<usize>(this) + i * PLANES; }

  /** Expand the 16 bytes at `key`. */
  init(key: usize): void {
    memory.copy(WORDS, key, 16);
    toPlanes(WORDS, this.round(0));
    let rcon: u32 = 1;
    for (let i: u32 = 1; i <= ROUNDS; i++) {
      // SubWord(RotWord(w)) ^ Rcon on the last word (FIPS 197 5.2)
      let t = subWord(rotr<u32>(load<u32>(WORDS, 12), 8)) ^ rcon;
      rcon = (rcon << 1) ^ ((rcon >> 7) * 0x11b);
      for (let j: usize = 0; j < 16; j += 4) {
        t ^= load<u32>(WORDS + j);
        store<u32>(WORDS + j, t);
      }
      toPlanes(WORDS, this.round(i));
    }
  }

  /** Encrypt the block at `p` into `out`, which may be the same. */
  encrypt(p: usize, out: usize): void {
    toPlanes(p, Q);
    this.addKey(0);
    for (let i: u32 = 1; i < ROUNDS; i++) {
      subBytes();
      shiftRows();
      mixColumns();
      this.addKey(i);
    }
    subBytes();
    shiftRows();
    this.addKey(ROUNDS);
    fromPlanes(out);
  }

  private addKey(i: u32): void {
    const k = this.round(i);
    for (let j: usize = 0; j < PLANES; j += 8) store<u64>(Q + j, load<u64>(Q + j) ^ load<u64>(k + j));
  }
}

/** The block in hand, in planes. */
const Q: usize = memory.data(32, 8);
const WORDS: usize = memory.data(16, 8);
const ONE: usize = memory.data(16, 8);

// Bit 0 of each byte of `x`, gathered.
@inline function gather(x: u64): u32 { return <u32>(((x & EVERY_BYTE) * 0x0102040810204080) >> 56); }
// The reverse.
@inline function scatter(bits: u32): u64 {
  const x = ((<u64>bits & 0xff) * EVERY_BYTE) & 0x8040201008040201;
  return ((x + 0x00406070787c7e7f) >> 7) & EVERY_BYTE;
}
function toPlanes(p: usize, q: usize): void {
  const lo = load<u64>(p), hi = load<u64>(p, 8);
  for (let i: u32 = 0; i < 8; i++) store<u32>(q + (i << 2), gather(lo >> i) | (gather(hi >> i) << 8));
}
function fromPlanes(out: usize): void {
  let lo: u64 = 0, hi: u64 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    const x = load<u32>(Q + (i << 2));
    lo |= scatter(x) << i;
    hi |= scatter(x >> 8) << i;
  }
  store<u64>(out, lo);
  store<u64>(out, hi, 8);
}

function subWord(w: u32): u32 {
  store<u64>(ONE, w);
  toPlanes(ONE, Q);
  subBytes();
  fromPlanes(ONE);
  return load<u32>(ONE);
}

// Byte r + 4c stands in row r of column c: row r moves by r columns.
function shiftRows(): void {
  for (let q = Q; q < Q + PLANES; q += 4) {
    const x = <u32>load<u16>(q), xx = x | (x << 16); // subBytes leaves ones above
    store<u32>(q, (x & 0x1111) | ((xx >> 4) & 0x2222) | ((xx >> 8) & 0x4444) | ((xx >> 12) & 0x8888));
  }
}
// The next row but one, or but two, of the same column.
@inline function below(x: u32): u32 { return ((x >> 1) & 0x7777) | ((x << 3) & 0x8888); }
@inline function below2(x: u32): u32 { return ((x >> 2) & 0x3333) | ((x << 2) & 0xcccc); }
// 2 (a ^ b) ^ b ^ c ^ d for a byte a and those below it; doubling moves each plane up, the topmost into 0, 1, 3 and 4.
function mixColumns(): void {
  const top = load<u32>(Q, 28), carry = top ^ below(top);
  let lower = carry;
  for (let i: u32 = 0; i < 8; i++) {
    const x = load<u32>(Q + (i << 2)), b = below(x), t = x ^ b;
    let y = lower ^ b ^ below2(t);
    if (i == 1 || i == 3 || i == 4) y ^= carry;
    store<u32>(Q + (i << 2), y);
    lower = t;
  }
}

function subBytes(): void {
  const x0 = load<u32>(Q, 28), x1 = load<u32>(Q, 24), x2 = load<u32>(Q, 20), x3 = load<u32>(Q, 16);
  const x4 = load<u32>(Q, 12), x5 = load<u32>(Q, 8), x6 = load<u32>(Q, 4), x7 = load<u32>(Q);
  // into the tower field
  const y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5, t0 = x1 ^ x2, y1 = t0 ^ x7, y4 = y1 ^ x3, y12 = y13 ^ y14;
  const y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8, t1 = x4 ^ y12, y15 = t1 ^ x5, y20 = t1 ^ x1, y6 = y15 ^ x7, y10 = y15 ^ t0;
  const y11 = y20 ^ y9, y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8, y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;
  // inversion
  const t2 = y12 & y15, t4 = (y3 & y6) ^ t2, t6 = (y4 & x7) ^ t2, t7 = y13 & y16, t9 = (y5 & y1) ^ t7, t11 = (y2 & y7) ^ t7;
  const t12 = y9 & y11, t14 = (y14 & y17) ^ t12, t16 = (y8 & y10) ^ t12;
  const t21 = t4 ^ t14 ^ y20, t22 = t6 ^ t16 ^ y19, t23 = t9 ^ t14 ^ y21, t24 = t11 ^ t16 ^ y18;
  const t25 = t21 ^ t22, t26 = t21 & t23, t27 = t24 ^ t26, t29 = (t25 & t27) ^ t22, t33 = ((t22 ^ t26) & (t23 ^ t24)) ^ t24;
  const t36 = t24 & (t27 ^ t33), t37 = t36 ^ t23 ^ t33, t40 = t25 ^ (t29 & (t27 ^ t36));
  const t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37, t45 = t42 ^ t41;
  const z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1, z5 = t29 & y7, z6 = t42 & y11, z7 = t45 & y17;
  const z8 = t41 & y10, z9 = t44 & y12, z10 = t37 & y3, z11 = t33 & y4, z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2;
  const z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;
  // back, with the affine map
  const t46 = z15 ^ z16, t48 = z5 ^ z13, t50 = z2 ^ z12, t53 = z0 ^ z3, t57 = t50 ^ t53, t58 = z4 ^ t46, t59 = z3 ^ z6 ^ z7;
  const t62 = z7 ^ z8 ^ t58, t63 = z9 ^ z10 ^ t58, t64 = z4 ^ t59, t65 = z14 ^ t57 ^ t62, t66 = z1 ^ t63, s3 = t53 ^ t66;
  store<u32>(Q, t59 ^ t63, 28);
  store<u32>(Q, ~(t64 ^ s3), 24);
  store<u32>(Q, ~(z16 ^ z17 ^ t64 ^ t65), 20);
  store<u32>(Q, s3, 16);
  store<u32>(Q, z2 ^ z5 ^ t66, 12);
  store<u32>(Q, z10 ^ z11 ^ t65, 8);
  store<u32>(Q, ~(z12 ^ t48 ^ t62), 4);
  store<u32>(Q, ~(t48 ^ t46 ^ t57));
}
