// Everything a core gives, as one hash: for each call its number and result, the memory it filled, and every frame it
// produced with its offload fields. Two runs with equal hashes gave the same, byte for byte.
import * as A from '../abi/constants.js';
import type { CoreMemory } from '../memory.js';
import type { CallShape, Outputs } from './calls.js';
import { Murmur3 } from './murmur3.js';

const FRAME = 0x4d415246;

export class Transcript implements Outputs {
  private readonly hash = new Murmur3();
  constructor(private readonly m: CoreMemory) {}

  /** 32 hexadecimal digits. */
  get hex(): string { return this.hash.hex; }

  returned(shape: CallShape, r: number, args: readonly number[]): void {
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = args;
    this.hash.u32(shape.id);
    this.hash.u32(r);
    if (r >= 0) shape.gives?.(this.m, this, r, a, b, c, d, e);
  }
  bytes(p: number, n: number): void {
    const { u8 } = this.m;
    p >>>= 0;
    n = Math.max(0, Math.min(n >>> 0, u8.length - p));
    this.hash.u32(n);
    this.hash.add(u8.subarray(p, p + n));
  }
  /** The frame of a transmit descriptor. */
  frame(slot: number, d: number): void {
    const { u8, u32, u16 } = this.m;
    this.hash.u32(FRAME + slot);
    this.hash.u32(u32[(d + A.TXD_LEN) >>> 2]);
    this.hash.add(u8.subarray(d + A.TXD_FLAGS, d + A.TXD_CSUM_OFFSET + 2));
    const pieces = Math.min(u16[(d + A.TXD_NFRAGS) >>> 1], A.TXD_MAX_FRAGS);
    for (let i = 0; i < pieces; i++) {
      const q = (d + A.TXD_FRAGS + 8 * i) >>> 2;
      this.hash.add(u8.subarray(u32[q], u32[q] + u32[q + 1]));
    }
  }
}
