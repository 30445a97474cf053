// Frames on their way in one direction: a ring of bytes that one thread fills and one empties, the same or, over a
// SharedArrayBuffer, another. A full ring holds its sender back. Browser-safe.
//
//   | control, 64 bytes | records (frame_record.ts), none across the end: a word SKIP where the next would be |
import { FRAME_RING_BYTES } from '../../host/vif.js';
import { recordBytes, readRecord, writeReceived, writeRecord, type Memory } from './frame_record.js';

const CONTROL = 64;
/** Words of the control block: bytes written and read so far, modulo 2^32; flags. */
const HEAD = 0, TAIL = 1, IDLE = 2, HELD = 3;
const SKIP = 0xffffffff;

/** What take() has found. */
export const EMPTY = 0, MALFORMED = -1;

export class FrameRing {
  private readonly control: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly words: Uint32Array;
  private readonly mask: number;

  /** Over a buffer from newRing(): one object for each thread that uses it. */
  constructor(buffer: ArrayBufferLike) {
    this.control = new Int32Array(buffer, 0, CONTROL >>> 2);
    this.bytes = new Uint8Array(buffer, CONTROL);
    this.words = new Uint32Array(buffer, CONTROL);
    this.mask = this.bytes.length - 1;
  }

  /** Sender: append the frame of the transmit descriptor at d; false when there is no room. */
  put(mem: Memory, d: number, length: number): boolean { return this.append(writeRecord, mem, d, length); }
  /** Sender: append a copy of the frame in the receive descriptor at d. */
  putReceived(mem: Memory, d: number, length: number): boolean { return this.append(writeReceived, mem, d, length); }
  private append(write: typeof writeRecord, mem: Memory, d: number, length: number): boolean {
    const { control, mask } = this, need = recordBytes(length);
    let head = control[HEAD];
    const free = mask + 1 - ((head - Atomics.load(control, TAIL)) >>> 0), toEnd = mask + 1 - (head & mask), skip = need > toEnd ? toEnd : 0;
    if (skip + need > free) return false;
    if (skip) {
      this.words[(head & mask) >>> 2] = SKIP;
      head += skip;
    }
    write(this.bytes, this.words, head & mask, mem, d, length);
    Atomics.store(control, HEAD, head + need);
    return true;
  }
  /** Sender, when put() has failed: ask to be told of room. False when there is plenty by now: try again. */
  hold(): boolean {
    Atomics.store(this.control, HELD, 1);
    if (this.used > this.mask >>> 1) return true;
    Atomics.store(this.control, HELD, 0);
    return false;
  }
  /** Sender: whether the receiver sleeps, and must be told of frames. */
  wakesReceiver(): boolean { return lowered(this.control, IDLE); }

  /** Receiver: move the next frame to the receive descriptor at d; its length, EMPTY, or MALFORMED: something was dropped. */
  take(mem: Memory, d: number, slot: number): number {
    const { control, mask } = this, head = Atomics.load(control, HEAD);
    let tail = control[TAIL];
    if (tail !== head && this.words[(tail & mask) >>> 2] === SKIP) Atomics.store(control, TAIL, tail = (tail + mask + 1 - (tail & mask)) | 0);
    if (tail === head) return EMPTY;
    const length = this.words[(tail & mask) >>> 2], need = recordBytes(length);
    if (length > mask || need > ((head - tail) >>> 0) || (tail & mask) + need > mask + 1) {
      // Not what a sender of ours writes: start anew.
      Atomics.store(control, TAIL, head);
      return MALFORMED;
    }
    const fits = length > 0 && readRecord(this.bytes, tail & mask, length, mem, d, slot);
    Atomics.store(control, TAIL, tail + need);
    return fits ? length : MALFORMED;
  }
  /** Receiver, when the ring is empty: ask to be told of frames. False when there are some by now. */
  sleep(): boolean {
    Atomics.store(this.control, IDLE, 1);
    if (this.used === 0) return true;
    Atomics.store(this.control, IDLE, 0);
    return false;
  }
  /** Receiver: whether the sender waits for room, and there is plenty. */
  wakesSender(): boolean { return this.used <= this.mask >>> 1 && lowered(this.control, HELD); }

  private get used(): number { return (Atomics.load(this.control, HEAD) - Atomics.load(this.control, TAIL)) >>> 0; }
}

/** Take a flag down; whether it was up. */
function lowered(words: Int32Array, flag: number): boolean {
  return Atomics.load(words, flag) === 1 && Atomics.exchange(words, flag, 0) === 1;
}

/** Memory for a ring; `shared`: that two threads can use. */
export function newRing(shared: boolean): ArrayBufferLike {
  return shared ? new SharedArrayBuffer(FRAME_RING_BYTES) : new ArrayBuffer(FRAME_RING_BYTES);
}
