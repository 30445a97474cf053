// A frame on its way through the network, with its digest: computed once, by whoever made the frame, and taken over by every trace
// that sees it. Nobody changes a frame: a corrupted one is another.

import { HDR, HDR_DIGEST } from '../abi/constants.js';
import type { CoreMemory } from '../memory.js';
import { frameDigest } from './digest.js';

/** Packets of one length kept for reuse, at most. */
const KEPT = 1024;
const DIGEST = (HDR + HDR_DIGEST) >>> 2;

/** Packets that nobody holds, by their length. */
const free: (Packet[] | undefined)[] = [];
const words = new Int32Array(4);

export class Packet {
  readonly frame: Uint8Array;
  /** When it came into the queue that it is in, ns. */
  enqueued = -0;
  /** More than one may hold it: it is not used again. */
  shared = false;
  /** 128 bits that depend on the frame alone. */
  d1 = 0;
  d2 = 0;
  d3 = 0;
  d4 = 0;

  private constructor(frame: Uint8Array) { this.frame = frame; }

  /** A packet of so many bytes, with anything in them: write all of them into `frame`, and set its digest. */
  static make(length: number): Packet { return free[length]?.pop() ?? new Packet(new Uint8Array(length)); }
  /** The frame that a core's frame_take has left, whose bytes are `frame`. */
  static taken({ u32 }: CoreMemory, frame: Uint8Array): Packet {
    const p = Packet.make(frame.length);
    p.frame.set(frame);
    p.d1 = u32[DIGEST] | 0;
    p.d2 = u32[DIGEST + 1] | 0;
    p.d3 = u32[DIGEST + 2] | 0;
    p.d4 = u32[DIGEST + 3] | 0;
    return p;
  }
  static copy(bytes: Uint8Array): Packet {
    const p = Packet.make(bytes.length);
    p.frame.set(bytes);
    frameDigest(bytes, words);
    [p.d1, p.d2, p.d3, p.d4] = words;
    return p;
  }

  /** The same frame, to wait in another queue. */
  again(): Packet {
    const twin = new Packet(this.frame);
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
