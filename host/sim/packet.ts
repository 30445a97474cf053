// A frame on its way through the network, with its digest: computed once, by whoever made the frame, and taken over by every trace
// that sees it. Nobody changes a frame: a corrupted one is another.

/** Frames are padded to multiples of this, bytes: a block of the digest. */
const BLOCK = 16;
/** Packets of one length kept for reuse, at most. */
const KEPT = 1024;
const C1 = 0x239b961b, C2 = 0xab0e9789 | 0, C3 = 0x38b34ae5, C4 = 0xa1e38b93 | 0;

/** Packets that nobody holds, by their length. */
const free: (Packet[] | undefined)[] = [];

export class Packet {
  readonly frame: Uint8Array;
  /** The frame and the zeros behind it. */
  private readonly words: Int32Array;
  /** When it came into the queue that it is in, ns. */
  enqueued = 0;
  /** More than one may hold it: it is not used again. */
  shared = false;
  /** 128 bits that depend on the frame alone. */
  d1 = 0;
  d2 = 0;
  d3 = 0;
  d4 = 0;

  private constructor(length: number, twin?: Packet) {
    const room = twin?.words.buffer as ArrayBuffer | undefined ?? new ArrayBuffer(Math.ceil(length / BLOCK) * BLOCK);
    this.frame = twin?.frame ?? new Uint8Array(room, 0, length);
    this.words = twin?.words ?? new Int32Array(room);
  }

  /** A packet of so many bytes, with anything in them: write all of them into `frame`, then seal() it. */
  static make(length: number): Packet { return free[length]?.pop() ?? new Packet(length); }
  static copy(bytes: Uint8Array): Packet {
    const p = Packet.make(bytes.length);
    p.frame.set(bytes);
    return p.seal();
  }

  /** The frame is complete. */
  seal(): this {
    // Four lanes that do not wait for each other. Not cryptographic: a change of one word changes the digest, for certain.
    const { words: w } = this, end = w.length;
    let a = this.frame.length, b = C2, c = C3, d = C4;
    for (let i = 0; i < end; i += 4) {
      a = Math.imul(a ^ w[i], C1);
      b = Math.imul(b ^ w[i + 1], C2);
      c = Math.imul(c ^ w[i + 2], C3);
      d = Math.imul(d ^ w[i + 3], C4);
      a = (a << 15) | (a >>> 17);
      b = (b << 16) | (b >>> 16);
      c = (c << 17) | (c >>> 15);
      d = (d << 18) | (d >>> 14);
    }
    this.d1 = a;
    this.d2 = b;
    this.d3 = c;
    this.d4 = d;
    return this;
  }
  /** The same frame, to wait in another queue. */
  again(): Packet {
    const twin = new Packet(this.frame.length, this);
    twin.shared = this.shared = true;
    twin.d1 = this.d1;
    twin.d2 = this.d2;
    twin.d3 = this.d3;
    twin.d4 = this.d4;
    return twin;
  }
  /** The holder needs it no more. Who forgets to say so leaves it to the garbage collector. */
  release(): void {
    if (this.shared) return;
    const list = free[this.frame.length] ??= [];
    if (list.length < KEPT) list.push(this);
  }
}
