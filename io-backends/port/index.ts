// A cable between two cores of different threads: workers of a page, or of Node. Make it with portCable(), post one end to
// the other thread (its `port` in the transfer list), and give each end to a PortVif there. Browser-safe.
//
// Where there is a SharedArrayBuffer, frames go through a ring in each direction, and messages only wake whoever sleeps. Where
// there is none (a page that is not cross-origin isolated), each burst of frames is one message, and what the other end has not
// taken yet is bounded by credit. A thread that ends without close() looks like a cable whose other end is down.
import { readRecord, recordBytes, writeRecord, type Memory } from '../memory/frame_record.js';
import { EMPTY, FrameRing, MALFORMED, newRing } from '../memory/frame_ring.js';
import { FrameVif, Put, type MemorySpec } from '../memory/frame_vif.js';

/** What one thread needs of a cable. */
export interface CableEnd {
  port: MessagePort;
  rings?: { incoming: ArrayBufferLike; outgoing: ArrayBufferLike };
}

/** Bytes of records on their way in one direction, when they go by messages. */
const CREDIT_BYTES = 1 << 20;
/** Bytes of records in one message, when the first of them does not need more. */
const BURST_BYTES = 256 << 10;

/** Between the ends: `null` wakes, a buffer holds records, a number returns credit, 'closed' unplugs. */
type Message = null | ArrayBuffer | number | 'closed';

/** Whether threads here can share memory. */
function canShare(): boolean {
  return typeof SharedArrayBuffer === 'function' && (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false;
}

/** The two ends of a new cable. */
export function portCable(shared = canShare()): [CableEnd, CableEnd] {
  const { port1, port2 } = new MessageChannel();
  if (!shared) return [{ port: port1 }, { port: port2 }];
  const there = newRing(true), back = newRing(true);
  return [{ port: port1, rings: { incoming: back, outgoing: there } }, { port: port2, rings: { incoming: there, outgoing: back } }];
}

/** One end of a cable as a vif. */
export function openPortVif(spec: MemorySpec, end: CableEnd): FrameVif {
  return end.rings ? new SharedVif(spec, end.port, end.rings) : new PostedVif(spec, end.port);
}

abstract class PortVif extends FrameVif {
  protected plugged = true;

  constructor(spec: MemorySpec, private readonly messages: MessagePort, dev: string) {
    super(spec, dev);
    messages.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data === 'closed') this.unplug();
      else this.hear(data);
      this.port?.wake();
    };
    // In Node: a cable alone does not keep a process.
    (messages as { unref?: () => void }).unref?.();
  }

  /** A message other than the last one. */
  protected abstract hear(message: Exclude<Message, 'closed'>): void;

  protected post(message: Message): void {
    if (message instanceof ArrayBuffer) this.messages.postMessage(message, [message]);
    else this.messages.postMessage(message);
  }

  close(): void {
    if (!this.plugged) return;
    this.post('closed');
    this.unplug();
  }

  private unplug(): void {
    this.plugged = false;
    this.messages.onmessage = null;
    this.messages.close();
  }
}

class SharedVif extends PortVif {
  private readonly incoming: FrameRing;
  private readonly outgoing: FrameRing;

  constructor(spec: MemorySpec, messages: MessagePort, rings: Required<CableEnd>['rings']) {
    super(spec, messages, 'shared memory');
    this.incoming = new FrameRing(rings.incoming);
    this.outgoing = new FrameRing(rings.outgoing);
  }

  protected hear(): void { /* Whatever it is, both rings are looked at. */ }
  protected put(mem: Memory, d: number, length: number): Put {
    if (!this.plugged) return Put.UNPLUGGED;
    while (!this.outgoing.put(mem, d, length)) if (this.outgoing.hold()) return Put.FULL;
    return Put.DONE;
  }
  protected take(mem: Memory, d: number, slot: number): number { return this.incoming.take(mem, d, slot); }
  protected sent(): void {
    if (this.outgoing.wakesReceiver() && this.plugged) this.post(null);
  }
  protected received(): void {
    if (this.incoming.wakesSender() && this.plugged) this.post(null);
  }
  protected sleep(): boolean { return this.incoming.sleep(); }
}

class PostedVif extends PortVif {
  /** Bursts not begun, and the one being read. */
  private readonly waiting: Burst[] = [];
  private first?: Burst;
  /** Bytes sent that the other end has not taken; of the burst being read, and of all that wait. */
  private inFlight = 0;
  private held = 0;
  /** The burst being gathered. */
  private next?: Burst;

  constructor(spec: MemorySpec, messages: MessagePort) { super(spec, messages, 'messages'); }

  protected hear(message: Exclude<Message, 'closed'>): void {
    if (typeof message === 'number') this.inFlight = Math.max(0, this.inFlight - message);
    // More than there is credit for is not from an end of ours.
    if (!(message instanceof ArrayBuffer) || message.byteLength % 8 || this.held > 2 * CREDIT_BYTES) return;
    this.held += message.byteLength;
    this.waiting.push(new Burst(message));
  }

  protected put(mem: Memory, d: number, length: number): Put {
    if (!this.plugged) return Put.UNPLUGGED;
    const need = recordBytes(length);
    if (this.next && this.next.at + need > this.next.bytes.length) this.sent();
    if (this.inFlight >= CREDIT_BYTES) return Put.FULL;
    const burst = this.next ??= new Burst(new ArrayBuffer(Math.max(BURST_BYTES, need)));
    writeRecord(burst.bytes, burst.words, burst.at, mem, d, length);
    burst.at += need;
    this.inFlight += need;
    return Put.DONE;
  }
  protected sent(): void {
    const burst = this.next;
    if (!burst?.at) return;
    const { at, bytes: { buffer } } = burst;
    // A short burst is copied, and the buffer stays for the next one.
    if (at <= buffer.byteLength >> 1) this.post(buffer.slice(0, at));
    else {
      if (at < buffer.byteLength) burst.words[at >>> 2] = 0;
      this.next = undefined;
      this.post(buffer);
    }
    burst.at = 0;
  }

  protected take(mem: Memory, d: number, slot: number): number {
    const burst = this.first ??= this.waiting.shift();
    if (!burst) return EMPTY;
    const { at, bytes } = burst, length = burst.words[at >>> 2], need = recordBytes(length);
    const good = length > 0 && at + need <= bytes.length, fits = good && readRecord(bytes, at, length, mem, d, slot);
    burst.at += need;
    // It ends with its buffer, or with a record of no length; one that is longer than what is left is not ours.
    if (!good || burst.at >= bytes.length || !burst.words[burst.at >>> 2]) this.drop(burst);
    return fits ? length : MALFORMED;
  }
  protected received(): void { /* Credit went back with each burst. */ }
  protected sleep(): boolean { return true; }

  /** A burst is through: its sender may send as much again. */
  private drop(burst: Burst): void {
    this.first = undefined;
    this.held -= burst.bytes.length;
    if (this.plugged) this.post(Math.min(burst.at, burst.bytes.length));
  }
}

/** Records in a buffer; `at`: where the next one is written, or read. */
class Burst {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array;
  at = 0;
  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
  }
}
