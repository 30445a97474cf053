// SHA-1 (RFC 3174).
import { be32, putBe32 } from "../bytes";

export const SHA1_LEN: u32 = 20;
export const SHA1_BLOCK: u32 = 64;
/** The message schedule of the block in hand. */
const W: usize = memory.data(80 * 4, 8);

/** A hash being computed: init, update any number of times, final. */
@unmanaged @final export class Sha1 {
  a: u32; b: u32; c: u32; d: u32; e: u32;
  /** Bytes taken in. */
  n: u64;
  // the block that is not full yet
  b0: u64; b1: u64; b2: u64; b3: u64; b4: u64; b5: u64; b6: u64; b7: u64;
  @inline private get block(): usize { return changetype<usize>(this) + offsetof<Sha1>("b0"); }

  init(): void {
    this.a = 0x67452301;
    this.b = 0xefcdab89;
    this.c = 0x98badcfe;
    this.d = 0x10325476;
    this.e = 0xc3d2e1f0;
    this.n = 0;
  }

  update(p: usize, n: u32): void {
    let have = <u32>this.n & (SHA1_BLOCK - 1);
    this.n += n;
    if (have) {
      const k = min(SHA1_BLOCK - have, n);
      memory.copy(this.block + have, p, k);
      have += k;
      if (have < SHA1_BLOCK) return;
      this.transform(this.block);
      p += k;
      n -= k;
    }
    for (; n >= SHA1_BLOCK; n -= SHA1_BLOCK, p += SHA1_BLOCK) this.transform(p);
    memory.copy(this.block, p, n);
  }

  /** The 20 bytes of the digest at `out`. */
  final(out: usize): void {
    const bits = this.n << 3, have = <u32>this.n & (SHA1_BLOCK - 1);
    store<u8>(this.block + have, 0x80);
    memory.fill(this.block + have + 1, 0, SHA1_BLOCK - 1 - have);
    if (have > SHA1_BLOCK - 9) {
      this.transform(this.block);
      memory.fill(this.block, 0, SHA1_BLOCK);
    }
    store<u64>(this.block, bswap<u64>(bits), 56);
    this.transform(this.block);
    putBe32(out, this.a);
    putBe32(out + 4, this.b);
    putBe32(out + 8, this.c);
    putBe32(out + 12, this.d);
    putBe32(out + 16, this.e);
  }

  private transform(p: usize): void {
    for (let i: usize = 0; i < 64; i += 4) store<u32>(W + i, be32(p + i));
    for (let q = W + 64; q < W + 320; q += 4) {
      store<u32>(q, rotl<u32>(load<u32>(q - 12) ^ load<u32>(q - 32) ^ load<u32>(q - 56) ^ load<u32>(q - 64), 1));
    }
    let a = this.a, b = this.b, c = this.c, d = this.d, e = this.e;
    for (let i: u32 = 0; i < 80; i++) {
      let f: u32;
      if (i < 20) f = (d ^ (b & (c ^ d))) + 0x5a827999;
      else if (i < 40) f = (b ^ c ^ d) + 0x6ed9eba1;
      else if (i < 60) f = ((b & c) | (d & (b | c))) + 0x8f1bbcdc;
      else f = (b ^ c ^ d) + 0xca62c1d6;
      const x = rotl<u32>(a, 5) + f + e + load<u32>(W + (<usize>i << 2));
      e = d;
      d = c;
      c = rotl<u32>(b, 30);
      b = a;
      a = x;
    }
    this.a += a;
    this.b += b;
    this.c += c;
    this.d += d;
    this.e += e;
  }
}
