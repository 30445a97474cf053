// The rolling hash of what a node sends and receives, and when: the rounds of MurmurHash3_x86_128 (Appleby), one for each frame, over
// its digest, time, length, interface, direction and number. Not cryptographic: it tells two runs apart.
import { C1, C2, C3, C4, mixed, rotl } from '../debug/murmur3.js';
import type { Packet } from './packet.js';

export class TraceHash {
  private a = 0;
  private b = 0;
  private c = 0;
  private d = 0;
  private frames = 0;

  /** A frame of interface `slot` at `time`, ns. */
  add(time: number, slot: number, sent: boolean, p: Packet): void {
    this.frames++;
    this.round(p.d1 + time | 0, p.d2 + Math.floor(time / 4294967296) | 0, p.d3 ^ (p.frame.length << 8 | slot << 1 | (sent ? 1 : 0)), p.d4 ^ this.frames);
  }

  private round(k1: number, k2: number, k3: number, k4: number): void {
    let { a, b, c, d } = this;
    a ^= Math.imul(rotl(Math.imul(k1, C1), 15), C2);
    a = (Math.imul(rotl(a, 19) + b, 5) + 0x561ccd1b) | 0;
    b ^= Math.imul(rotl(Math.imul(k2, C2), 16), C3);
    b = (Math.imul(rotl(b, 17) + c, 5) + 0x0bcaa747) | 0;
    c ^= Math.imul(rotl(Math.imul(k3, C3), 17), C4);
    c = (Math.imul(rotl(c, 15) + d, 5) + 0x96cd1c35) | 0;
    d ^= Math.imul(rotl(Math.imul(k4, C4), 18), C1);
    d = (Math.imul(rotl(d, 13) + a, 5) + 0x32ac3b17) | 0;
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
  }

  /** 32 hexadecimal digits; more may be added afterwards. */
  get hex(): string {
    const { a, b, c, d, frames } = this;
    return [a, b, c, d].map((h, i) => (mixed((h ^ frames) + i) >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
