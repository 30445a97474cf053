// A scripted core: linear memory laid out as the ABI says, whose poll() collects what was received and puts queued
// frames into the transmit ring. It stands where the wasm core stands, so every descriptor a back end sees is chosen here.
import * as A from '../../host/abi/constants.js';
import type { Core } from '../../host/core.js';
import type { CoreExports } from '../../host/abi/exports.js';
import { CoreMemory } from '../../host/memory.js';
import { Stack } from '../../host/stack.js';
import type { Vif } from '../../host/vif.js';

export interface Meta {
  flags?: number;
  gsoType?: number;
  gsoSize?: number;
  hdrLen?: number;
  csumStart?: number;
  csumOffset?: number;
}
export interface Frame extends Meta {
  bytes: Uint8Array;
}

const BUFFER = 68 << 10;
const RING = A.STATIC_BASE;
const RX_BUFFERS = RING + A.TX_RING * A.TX_DESC_SIZE;
const TX_BUFFERS = RX_BUFFERS + A.RX_RING * BUFFER;
/** Pieces a frame is cut into on transmit, so that gather lists are exercised. */
const PIECES = 3;

export const SLOT = 3;

export class Rig {
  readonly mem = new CoreMemory(new WebAssembly.Memory({ initial: 512, maximum: 512 }));
  readonly stack: Stack;
  readonly core: Core;
  /** What arrived, in order. */
  readonly received: Frame[] = [];
  /** What waits for room in the ring. */
  readonly queued: Frame[] = [];
  /** Buffers posted by the next poll. */
  post: number = A.RX_RING;
  polls = 0;
  private reaped = 0;

  constructor() {
    const exports = {
      poll: (n: number) => this.poll(n), events: () => 0, dev_register: () => 1,
    } as unknown as CoreExports;
    this.core = { mem: this.mem, exports };
    this.stack = new Stack(this.core);
    const h = (A.VIF + SLOT * A.VIF_STRIDE) >>> 2;
    this.mem.u32[h + (A.VIF_TX_RING >>> 2)] = RING;
    this.mem.u32[h + (A.VIF_TX_SIZE >>> 2)] = A.TX_RING;
    this.set(A.VIF_TX_HEAD, 0xffffffc0); // the indices wrap early
    this.set(A.VIF_TX_TAIL, 0xffffffc0);
    this.reaped = 0xffffffc0;
    this.mem.u64[(A.HDR + A.HDR_DEADLINE) >>> 3] = 0xffffffffffffffffn;
    this.postBuffers();
  }

  attach(vif: Vif): this {
    this.stack.attach(SLOT, vif);
    return this;
  }

  send(...frames: (Frame | Uint8Array)[]): void {
    for (const f of frames) this.queued.push(f instanceof Uint8Array ? { bytes: f } : f);
  }

  /** Take turns until `done` or `ms` have passed; whether it came to be. */
  until(done: () => boolean, ms = 2000, others: Rig[] = []): boolean {
    const nap = new Int32Array(new SharedArrayBuffer(4)), end = performance.now() + ms;
    for (;;) {
      for (const r of [this, ...others]) {
        for (const p of r.stack.ports) p.wake();
        r.stack.turn();
        r.stack.flush();
      }
      if (done()) return true;
      if (performance.now() > end) return false;
      Atomics.wait(nap, 0, 0, 0.2);
    }
  }

  /** Entries in the transmit ring. */
  get inRing(): number { return (this.get(A.VIF_TX_HEAD) - this.get(A.VIF_TX_TAIL)) >>> 0; }

  /** Address of the transmit descriptor that the next frame will get. */
  get nextDescriptor(): number { return RING + (this.get(A.VIF_TX_HEAD) & (A.TX_RING - 1)) * A.TX_DESC_SIZE; }

  private poll(n: number): void {
    this.polls++;
    for (let i = 0; i < n; i++) this.take(A.RX_DESC + i * A.RX_DESC_SIZE);
    this.postBuffers();
    this.reaped = this.get(A.VIF_TX_TAIL);
    if (!this.inRing) this.mem.u32[(A.HDR + A.HDR_TX_PENDING) >>> 2] &= ~(1 << SLOT);
    while (this.queued.length && ((this.get(A.VIF_TX_HEAD) - this.reaped) >>> 0) < A.TX_RING) this.put(this.queued.shift()!);
  }

  private take(d: number): void {
    const { u8, view } = this.mem, at = view.getUint32(d + A.RXD_BUF, true);
    if (view.getUint16(d + A.RXD_VIF, true) !== SLOT) throw new Error('wrong vif');
    this.received.push({
      bytes: u8.slice(at, at + view.getUint32(d + A.RXD_LEN, true)), flags: u8[d + A.RXD_FLAGS], gsoType: u8[d + A.RXD_GSO_TYPE],
      gsoSize: view.getUint16(d + A.RXD_GSO_SIZE, true), hdrLen: view.getUint16(d + A.RXD_HDR_LEN, true),
      csumStart: view.getUint16(d + A.RXD_CSUM_START, true), csumOffset: view.getUint16(d + A.RXD_CSUM_OFFSET, true),
    });
  }

  private postBuffers(): void {
    for (let i = 0; i < this.post; i++) {
      const d = (A.RX_DESC + i * A.RX_DESC_SIZE) >>> 2;
      this.mem.u32[d + (A.RXD_BUF >>> 2)] = RX_BUFFERS + i * BUFFER + A.RX_HEADROOM;
      this.mem.u32[d + (A.RXD_CAP >>> 2)] = BUFFER - A.RX_HEADROOM;
    }
    this.mem.u32[(A.HDR + A.HDR_RX_POSTED) >>> 2] = this.post;
  }

  /** Put a frame into the ring as a gather list of up to PIECES pieces. */
  private put(f: Frame): void {
    const head = this.get(A.VIF_TX_HEAD), d = this.nextDescriptor, { u8, view } = this.mem;
    const base = TX_BUFFERS + (head & (A.TX_RING - 1)) * BUFFER, big = f.bytes.length;
    u8.set(f.bytes, base);
    view.setUint32(d + A.TXD_LEN, big, true);
    u8[d + A.TXD_FLAGS] = f.flags ?? 0;
    u8[d + A.TXD_GSO_TYPE] = f.gsoType ?? 0;
    view.setUint16(d + A.TXD_GSO_SIZE, f.gsoSize ?? 0, true);
    view.setUint16(d + A.TXD_HDR_LEN, f.hdrLen ?? 0, true);
    view.setUint16(d + A.TXD_CSUM_START, f.csumStart ?? 0, true);
    view.setUint16(d + A.TXD_CSUM_OFFSET, f.csumOffset ?? 0, true);
    const n = big >= 64 ? PIECES : 1;
    view.setUint16(d + A.TXD_NFRAGS, n, true);
    let from = 0;
    for (let i = 0; i < n; i++) {
      const len = i === n - 1 ? big - from : i === 0 ? Math.min(54, big) : Math.floor((big - from) / 2);
      view.setUint32(d + A.TXD_FRAGS + 8 * i, base + from, true);
      view.setUint32(d + A.TXD_FRAGS + 8 * i + 4, len, true);
      from += len;
    }
    this.set(A.VIF_TX_HEAD, head + 1);
    this.mem.u32[(A.HDR + A.HDR_TX_PENDING) >>> 2] |= 1 << SLOT;
  }

  private get(field: number): number { return this.mem.u32[(A.VIF + SLOT * A.VIF_STRIDE + field) >>> 2]; }
  private set(field: number, v: number): void { this.mem.u32[(A.VIF + SLOT * A.VIF_STRIDE + field) >>> 2] = v; }
}

const LOCAL_EXPERIMENT = 0x88b5;

/** An Ethernet frame of `size` bytes (>= 14) with a pattern that names it. */
export function frame(size: number, id = size, type = LOCAL_EXPERIMENT): Uint8Array {
  const f = new Uint8Array(size);
  f.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, type >> 8, type & 255]);
  for (let i = 14; i < size; i++) f[i] = (id * 31 + i * 7) & 255;
  if (size >= 18) new DataView(f.buffer).setUint32(14, id);
  return f;
}

/** Fails with a short text when two frames differ. */
export function same(got: Uint8Array | undefined, want: Uint8Array, what = 'frame'): void {
  if (got && Buffer.compare(got, want) === 0) return;
  const at = got ? want.findIndex((b, i) => got[i] !== b) : -1;
  const show = (f: Uint8Array): string => Buffer.from(f.subarray(0, 24)).toString('hex');
  throw new Error(`${what}: ${got ? `${got.length} bytes ${show(got)}` : 'nothing'} for ${want.length} bytes ${show(want)}, first difference at ${at}`);
}
