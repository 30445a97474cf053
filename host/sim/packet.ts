// A frame on its way through the network, with its digest: computed once, by whoever made the frame, and taken over by every trace
// that sees it. Frames are never changed; a corrupted one is another.

/** Frames are cut out of pieces of this many bytes: one allocation for many. */
const SLAB = 256 << 10;
/** Frames begin at multiples of this: a block of the digest. */
const BLOCK = 16;
const C1 = 0x239b961b, C2 = 0xab0e9789 | 0, C3 = 0x38b34ae5, C4 = 0xa1e38b93 | 0;

let slab = new ArrayBuffer(SLAB), words = new Int32Array(slab), used = 0;

/** Room for a frame of so many bytes, all zero; filled by the caller before the next frame is made. */
export function frameRoom(length: number): Uint8Array {
  const size = Math.ceil(length / BLOCK) * BLOCK;
  if (size > SLAB - used) {
    slab = new ArrayBuffer(Math.max(SLAB, size));
    words = new Int32Array(slab);
    used = 0;
  }
  const room = new Uint8Array(slab, used, length);
  used += size;
  return room;
}

export class Packet {
  /** When it came into the queue that it is in, ns. */
  enqueued = 0;

  /** `frame` with its digest, 128 bits. */
  constructor(readonly frame: Uint8Array, readonly d1: number, readonly d2: number, readonly d3: number, readonly d4: number) {}

  /** The frame that has just been written into frameRoom(). */
  static of(frame: Uint8Array): Packet {
    // Four lanes that do not wait for each other. Not cryptographic: every change of one word changes the digest, for certain.
    const w = words, first = frame.byteOffset >>> 2, end = first + (Math.ceil(frame.length / BLOCK) * BLOCK >>> 2);
    let a = frame.length, b = C2, c = C3, d = C4;
    for (let i = first; i < end; i += 4) {
      a = Math.imul(a ^ w[i], C1);
      b = Math.imul(b ^ w[i + 1], C2);
      c = Math.imul(c ^ w[i + 2], C3);
      d = Math.imul(d ^ w[i + 3], C4);
      a ^= a >>> 15;
      b ^= b >>> 15;
      c ^= c >>> 15;
      d ^= d >>> 15;
    }
    return new Packet(frame, a, b, c, d);
  }
  static copy(bytes: Uint8Array): Packet {
    const frame = frameRoom(bytes.length);
    frame.set(bytes);
    return Packet.of(frame);
  }
  /** The same frame, to wait in another queue. */
  again(): Packet { return new Packet(this.frame, this.d1, this.d2, this.d3, this.d4); }
}
