// Frames that go from one part of a split run to another, as bytes: one message for all of a window.
import type { Arrivals } from './channel.js';
import { Packet } from './packet.js';

/** What goes before each frame: time (f64), sequence (f64), origin, link * 4 + direction * 2 + overtakes, length (u32 each), 4 bytes of nothing, digest (4 i32). */
const HEAD = 48, DIGEST = 32, ALIGN = 8;
const padded = (n: number): number => Math.ceil(n / ALIGN) * ALIGN;

/** Collects what leaves for one other part. */
export class Outlet {
  private buffer = new ArrayBuffer(1 << 16);
  private bytes = new Uint8Array(this.buffer);
  private view = new DataView(this.buffer);
  private used = 0;

  /** Where the frames of one direction of a link go. */
  arrivals(link: number, direction: number): Arrivals {
    const way = link * 4 + direction * 2;
    return {
      add: (time, origin, sequence, p) => this.put(way, time, origin, sequence, p),
      overtake: (time, origin, sequence, p) => this.put(way + 1, time, origin, sequence, p),
    };
  }
  private put(way: number, time: number, origin: number, sequence: number, p: Packet): void {
    const at = this.used, { length } = p.frame, size = HEAD + padded(length);
    if (at + size > this.buffer.byteLength) this.grow(at + size);
    this.view.setFloat64(at, time, true);
    this.view.setFloat64(at + 8, sequence, true);
    this.view.setUint32(at + 16, origin, true);
    this.view.setUint32(at + 20, way, true);
    this.view.setUint32(at + 24, length, true);
    this.view.setInt32(at + DIGEST, p.d1, true);
    this.view.setInt32(at + DIGEST + 4, p.d2, true);
    this.view.setInt32(at + DIGEST + 8, p.d3, true);
    this.view.setInt32(at + DIGEST + 12, p.d4, true);
    this.bytes.set(p.frame, at + HEAD);
    this.used = at + size;
    p.release();
  }
  private grow(least: number): void {
    const { bytes } = this;
    this.buffer = new ArrayBuffer(Math.max(2 * bytes.length, least));
    this.bytes = new Uint8Array(this.buffer);
    this.view = new DataView(this.buffer);
    this.bytes.set(bytes);
  }

  /** What has been collected, a copy; empty from now on. */
  take(): Uint8Array<ArrayBuffer> {
    const out = this.bytes.slice(0, this.used);
    this.used = 0;
    return out;
  }
}

/** When the first of the frames of a message arrives, ns; Infinity when there is none. */
export function firstArrival(message: Uint8Array<ArrayBuffer>): number {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  let first = Infinity;
  for (let at = 0; at < message.length; at += HEAD + padded(view.getUint32(at + 24, true))) first = Math.min(first, view.getFloat64(at, true));
  return first;
}

/** Put the frames of a message under way. `inlet`: by link and direction. */
export function takeIn(message: Uint8Array<ArrayBuffer>, inlet: (link: number, direction: number) => Arrivals): void {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  for (let at = 0; at < message.length;) {
    const way = view.getUint32(at + 20, true), length = view.getUint32(at + 24, true), to = inlet(way >>> 2, way >>> 1 & 1);
    const p = Packet.make(length);
    p.frame.set(message.subarray(at + HEAD, at + HEAD + length));
    p.d1 = view.getInt32(at + DIGEST, true);
    p.d2 = view.getInt32(at + DIGEST + 4, true);
    p.d3 = view.getInt32(at + DIGEST + 8, true);
    p.d4 = view.getInt32(at + DIGEST + 12, true);
    to[way & 1 ? 'overtake' : 'add'](view.getFloat64(at, true), view.getUint32(at + 16, true), view.getFloat64(at + 8, true), p);
    at += HEAD + padded(length);
  }
}
