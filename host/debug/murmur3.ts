// MurmurHash3_x86_128 (Appleby), taken piece by piece: the hash of everything a core gives. Not cryptographic: it tells
// two runs apart, not an attacker's run from an honest one.

export const C1 = 0x239b961b, C2 = 0xab0e9789 | 0, C3 = 0x38b34ae5, C4 = 0xa1e38b93 | 0;
const BLOCK = 16;
/** Bytes kept before they are hashed, a multiple of the block, for those who do not say. */
const ROOM = 16384;

export const rotl = (x: number, n: number): number => (x << n) | (x >>> (32 - n));
export function mixed(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

export class Murmur3 {
  private readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  private readonly h = new Int32Array(4);
  private fill = 0;
  private length = 0;

  /** `room`: bytes kept before they are hashed, a multiple of 16. */
  constructor(seed = 0, private readonly room = ROOM) {
    this.bytes = new Uint8Array(room);
    this.words = new Int32Array(this.bytes.buffer);
    this.h.fill(seed);
  }

  u32(v: number): void {
    if (this.fill + 4 > this.room) this.drain();
    for (let i = 0; i < 32; i += 8) this.bytes[this.fill++] = v >>> i;
    this.length += 4;
  }
  add(b: Uint8Array): void {
    this.length += b.length;
    for (let at = 0; at < b.length;) {
      if (this.fill === this.room) this.drain();
      const n = Math.min(this.room - this.fill, b.length - at);
      this.bytes.set(n === b.length ? b : b.subarray(at, at + n), this.fill);
      this.fill += n;
      at += n;
    }
  }

  /** 32 hexadecimal digits; more may be added afterwards. */
  get hex(): string {
    this.drain();
    const [h1, h2, h3, h4] = this.finish();
    return [h1, h2, h3, h4].map((h) => (h >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** Hash whole blocks; what is left moves to the front. */
  private drain(): void {
    const { words, h } = this;
    const blocks = Math.floor(this.fill / BLOCK);
    let h1 = h[0], h2 = h[1], h3 = h[2], h4 = h[3];
    for (let i = 0; i < 4 * blocks; i += 4) {
      h1 ^= Math.imul(rotl(Math.imul(words[i], C1), 15), C2);
      h1 = (Math.imul(rotl(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
      h2 ^= Math.imul(rotl(Math.imul(words[i + 1], C2), 16), C3);
      h2 = (Math.imul(rotl(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
      h3 ^= Math.imul(rotl(Math.imul(words[i + 2], C3), 17), C4);
      h3 = (Math.imul(rotl(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
      h4 ^= Math.imul(rotl(Math.imul(words[i + 3], C4), 18), C1);
      h4 = (Math.imul(rotl(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
    }
    h[0] = h1; h[1] = h2; h[2] = h3; h[3] = h4;
    this.bytes.copyWithin(0, blocks * BLOCK, this.fill);
    this.fill -= blocks * BLOCK;
  }

  private finish(): number[] {
    const { bytes, fill } = this;
    bytes.fill(0, fill, BLOCK);
    const [k1, k2, k3, k4] = this.words;
    const n = this.length | 0;
    let [h1, h2, h3, h4] = this.h;
    if (fill > 12) h4 ^= Math.imul(rotl(Math.imul(k4, C4), 18), C1);
    if (fill > 8) h3 ^= Math.imul(rotl(Math.imul(k3, C3), 17), C4);
    if (fill > 4) h2 ^= Math.imul(rotl(Math.imul(k2, C2), 16), C3);
    if (fill > 0) h1 ^= Math.imul(rotl(Math.imul(k1, C1), 15), C2);
    [h1, h2, h3, h4] = [h1 ^ n, h2 ^ n, h3 ^ n, h4 ^ n];
    h1 = (h1 + h2 + h3 + h4) | 0;
    [h2, h3, h4] = [(h2 + h1) | 0, (h3 + h1) | 0, (h4 + h1) | 0];
    [h1, h2, h3, h4] = [mixed(h1), mixed(h2), mixed(h3), mixed(h4)];
    h1 = (h1 + h2 + h3 + h4) | 0;
    return [h1, h2 + h1, h3 + h1, h4 + h1];
  }
}
