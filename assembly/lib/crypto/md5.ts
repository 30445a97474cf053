// MD5 (RFC 1321), for what has not moved on yet (RFC 2385).

export const MD5_LEN: u32 = 16;
const BLOCK: u32 = 64;
/** T[i] = floor(2^32 * |sin(i + 1)|), RFC 1321 3.4. */
const T: usize = memory.data<u32>([
  0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
  0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
  0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
  0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
  0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
  0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
  0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
  0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
]);
/** Shifts of the four rounds, four each. */
const S: usize = memory.data<u8>([7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]);

/** A hash being computed: init, update any number of times, final. */
@unmanaged @final export class Md5 {
  a: u32; b: u32; c: u32; d: u32;
  /** Bytes taken in. */
  n: u64;
  // the block that is not full yet
  b0: u64; b1: u64; b2: u64; b3: u64; b4: u64; b5: u64; b6: u64; b7: u64;
  @inline private get block(): usize { return changetype<usize>(this) + offsetof<Md5>("b0"); }

  init(): void {
    this.a = 0x67452301;
    this.b = 0xefcdab89;
    this.c = 0x98badcfe;
    this.d = 0x10325476;
    this.n = 0;
  }

  update(p: usize, n: u32): void {
    let have = <u32>this.n & (BLOCK - 1);
    this.n += n;
    if (have) {
      const k = min(BLOCK - have, n);
      memory.copy(this.block + have, p, k);
      have += k;
      if (have < BLOCK) return;
      this.transform(this.block);
      p += k;
      n -= k;
    }
    for (; n >= BLOCK; n -= BLOCK, p += BLOCK) this.transform(p);
    memory.copy(this.block, p, n);
  }

  /** The 16 bytes of the digest at `out`. */
  final(out: usize): void {
    const bits = this.n << 3, have = <u32>this.n & (BLOCK - 1);
    store<u8>(this.block + have, 0x80);
    memory.fill(this.block + have + 1, 0, BLOCK - 1 - have);
    if (have > BLOCK - 9) {
      this.transform(this.block);
      memory.fill(this.block, 0, BLOCK);
    }
    store<u64>(this.block, bits, 56);
    this.transform(this.block);
    store<u32>(out, this.a);
    store<u32>(out, this.b, 4);
    store<u32>(out, this.c, 8);
    store<u32>(out, this.d, 12);
  }

  private transform(p: usize): void {
    let a = this.a, b = this.b, c = this.c, d = this.d;
    for (let i: u32 = 0; i < 64; i++) {
      let f: u32, k: u32;
      const round = i >> 4;
      if (round == 0) {
        f = d ^ (b & (c ^ d));
        k = i;
      } else if (round == 1) {
        f = c ^ (d & (b ^ c));
        k = (5 * i + 1) & 15;
      } else if (round == 2) {
        f = b ^ c ^ d;
        k = (3 * i + 5) & 15;
      } else {
        f = c ^ (b | ~d);
        k = (7 * i) & 15;
      }
      const x = a + f + load<u32>(T + (<usize>i << 2)) + load<u32>(p + (<usize>k << 2));
      a = d;
      d = c;
      c = b;
      b += rotl<u32>(x, load<u8>(S + (round << 2) + (i & 3)));
    }
    this.a += a;
    this.b += b;
    this.c += c;
    this.d += d;
  }
}
