// The recorder: a layer between the host and a core's exports. It samples everything that enters the core at the call
// that makes it count: arguments, the memory that the call reads (calls.ts), the clock, received frames, bytes put into
// reserved room, and how far the devices have taken what was sent. With the result of each call and a sum of the frames it
// produced beside them, a replay can be compared with what really happened. Nothing else may write a core's memory.
//
// No object is made per record: records go into one buffer, small bytes into another, and large ones are taken from linear
// memory by whoever writes the block (RecordSink), before the call that may change them.
import * as A from '../abi/constants.js';
import type { CoreExports } from '../abi/exports.js';
import type { Core, CoreOptions } from '../core.js';
import type { CoreMemory } from '../memory.js';
import { CALLS, CALL_NAMES, type CallShape, type Inputs } from './calls.js';
import { BLOCK_HEADER, BLOCK_LAST, Kind, SNAPSHOT_PAGE, encodeHeader, openBlock, type Build, type RecordHeader } from './record_format.js';
import { stripes } from './lanesum.js';
import { Rings } from './rings.js';

/** Where blocks go. It takes them at once, or loses them and says so itself: recording never stops the core. */
export interface RecordSink {
  /** A segment begins. */
  start(header: Uint8Array, mem: CoreMemory, buffers: RecordBuffers): void;
  /**
   * Append a block: buffers.block[0..length) (its header lacks the checks) and zeros up to a whole stripe, then
   * buffers.staged[0..staged), the `regions` (address, length) pairs of linear memory in buffers.regions, and zeros likewise.
   */
  block(length: number, staged: number, regions: number): void;
  /** No more blocks in this segment; `last`: and no more segments. */
  end(last: boolean): void;
  /** Which pages of `size` bytes of linear memory are not all zero, if there is a faster way than to look at each word: 1 in `out`, else 0. */
  pages?(size: number, out: Uint8Array): void;
}

/** The recorder's memory, the same for its whole life. */
export interface RecordBuffers {
  readonly block: Uint8Array;
  readonly staged: Uint8Array;
  /** Pairs (address, length). */
  readonly regions: Uint32Array;
}

/** What a record says about the core besides its options. */
export interface CoreIdentity {
  /** SHA-256 of the module. */
  hash: Uint8Array;
  build: Build;
}

const BLOCK_ROOM = 256 << 10;
/** Records after which a block is written although nothing presses: what is left holds the longest call, IOV_MAX short pieces. */
const BLOCK_FULL = BLOCK_ROOM - (96 << 10);
const STAGED_ROOM = 64 << 10;
/** Bytes that stand among the records; bytes of one call that are copied to be written later. */
const INLINE = 128, STAGE = 4 << 10;
/** Pieces of one block: more than a call has, and runs of a snapshot. */
const REGIONS = 512;
const NOW = (A.HDR + A.HDR_NOW) >>> 2, WALL = (A.HDR + A.HDR_WALL_OFFSET) >>> 2;
/** Steps of the clock up to this many ns are written as such. */
const STEP_MAX = 2 ** 31;
const TRAP_TEXT = 4096;

export interface RecorderOptions {
  /** Options the core was created with. */
  core: CoreOptions;
  identity: CoreIdentity;
  /** ms since 1970. */
  date: number;
  /** 32 random bits that mark the blocks of this run. */
  id: number;
  text?: string;
  /** Bytes after which a segment ends and the next begins with a snapshot, which does not count; default: never. */
  segmentBytes?: number;
  /** Begin with the memory as it is, instead of with init. */
  snapshot?: boolean;
}

export class Recorder implements Inputs {
  /** The core to use from now on: the same memory, the exports recorded. */
  readonly core: Core;
  /** Records and bytes written in all segments. */
  readonly written = { calls: 0, bytes: 0, segments: 0 };
  private readonly mem: CoreMemory;
  private readonly buffers: RecordBuffers = { block: new Uint8Array(BLOCK_ROOM), staged: new Uint8Array(STAGED_ROOM), regions: new Uint32Array(2 * REGIONS) };
  private readonly view = new DataView(this.buffers.block.buffer);
  private readonly rings: Rings;
  /** Next byte of the block, of the staged bytes, next region; bulk bytes of the block. */
  private at = BLOCK_HEADER;
  private staged = 0;
  private region = 0;
  private bulk = 0;
  private sequence = 0;
  private segment = 0;
  /** Bytes of this segment, without its snapshot. */
  private size = 0;
  private readonly limit: number;
  private nowLo = 0;
  private nowHi = 0;
  private wallLo = 0;
  private wallHi = 0;
  private readonly tails = new Uint32Array(A.VIF_MAX);
  /** The last reservation: its socket, and its pairs; earlier ones whose bytes have not come yet. */
  private reserver = -1;
  private reservation = new Uint32Array(2 * A.IOV_MAX);
  private reservedPairs = 0;
  private readonly reservations = new Map<number, Uint32Array>();
  private open = true;

  /** `core` has been initialised and not called since, unless its memory is to be the beginning. */
  constructor(core: Core, private readonly sink: RecordSink, private readonly options: RecorderOptions) {
    this.mem = core.mem;
    this.limit = options.segmentBytes ?? Infinity;
    this.rings = new Rings(core.mem);
    this.core = { mem: core.mem, exports: this.wrap(core.exports) };
    this.begin(options.snapshot ?? false);
  }

  /** Write what is pending: now and then, so that little is lost when the process is killed. */
  flush(): void {
    if (this.at > BLOCK_HEADER) this.writeBlock(0);
  }
  /** No more records. `trap`: why the last call did not return. */
  close(trap?: string): void {
    if (!this.open) return;
    if (trap !== undefined) this.text(Kind.TRAP, trap.slice(0, TRAP_TEXT));
    this.open = false;
    this.writeBlock(BLOCK_LAST);
    this.sink.end(true);
  }
  /** The sink has failed: the core goes on unrecorded. */
  abandon(): void { this.open = false; }

  // ---- segments ----
  private begin(snapshot: boolean): void {
    const { core, identity, date, id, text } = this.options;
    const header: RecordHeader = {
      abi: A.ABI_VERSION, build: identity.build, coreHash: identity.hash, date, segment: this.segment, segmentId: (id + this.segment) >>> 0, snapshot,
      memoryBytes: this.mem.u8.length, maxSockets: core.maxSockets ?? 0, now: core.now, seed: core.seed, text: text ?? '',
    };
    this.written.segments++;
    this.sequence = 0;
    this.sink.start(encodeHeader(header), this.mem, this.buffers);
    if (snapshot) this.sample();
    else [this.nowLo, this.nowHi] = [core.now >>> 0, Math.floor(core.now / 4294967296)];
    if (snapshot) this.snapshot();
    this.size = 0;
  }
  /** Take the clock and the cursors as known: they are in the memory that the segment begins with. */
  private sample(): void {
    const { u32 } = this.mem;
    [this.nowLo, this.nowHi, this.wallLo, this.wallHi] = [u32[NOW], u32[NOW + 1], u32[WALL], u32[WALL + 1]];
    for (const slot of this.rings.slots) this.tails[slot] = this.tail(slot);
  }
  private rotate(): void {
    this.writeBlock(BLOCK_LAST);
    this.sink.end(false);
    this.segment++;
    this.begin(true);
  }
  /** The whole memory, but for pages of zeros. */
  private snapshot(): void {
    const pages = this.usedPages();
    this.byte(Kind.SNAPSHOT);
    let runs: [number, number][] = [];
    for (let page = 0; page < pages.length; page++) {
      if (!pages[page]) continue;
      const last = runs[runs.length - 1];
      if (last && last[0] + last[1] === page) last[1]++;
      else runs.push([page, 1]);
    }
    if (runs.length > REGIONS) runs = [[0, pages.length]];
    this.varint(runs.length);
    for (const [page, count] of runs) {
      this.varint(page);
      this.refer(page * SNAPSHOT_PAGE, count * SNAPSHOT_PAGE);
    }
    this.writeBlock(0);
  }
  /** For each page, 1 when it is not all zero. */
  private usedPages(): Uint8Array {
    const { u8, u32 } = this.mem, pages = new Uint8Array(u8.length / SNAPSHOT_PAGE), words = SNAPSHOT_PAGE / 4;
    if (this.sink.pages) this.sink.pages(SNAPSHOT_PAGE, pages);
    else for (let page = 0; page < pages.length; page++) {
      let i = page * words;
      const end = i + words;
      while (i < end && !u32[i]) i++;
      pages[page] = i < end ? 1 : 0;
    }
    return pages;
  }
  private writeBlock(flags: number): void {
    const length = stripes(this.at), bulk = stripes(this.bulk);
    openBlock(this.view, (this.options.id + this.segment) >>> 0, this.sequence++, length, bulk, flags);
    this.written.bytes += length + bulk;
    this.size += length + bulk;
    this.sink.block(this.at, this.staged, this.region / 2);
    this.at = BLOCK_HEADER;
    this.staged = this.region = this.bulk = 0;
  }

  // ---- calls ----
  private wrap(x: CoreExports): CoreExports {
    const out: Record<string, unknown> = { ...x };
    for (const name of CALL_NAMES) out[name] = this.wrapper(CALLS[name], x[name] as (...args: number[]) => number);
    out.poll = this.recordedPoll(x);
    out.sys_tx_reserve = this.recordedReserve(x);
    out.sys_close = this.recordedClose(out.sys_close as CoreExports['sys_close']);
    out.dev_register = this.recordedRegister(out.dev_register as CoreExports['dev_register']);
    return out as unknown as CoreExports;
  }
  /** One function for each number of arguments: what a rest parameter costs matters here. */
  private wrapper(shape: CallShape, fn: (...args: number[]) => number): unknown {
    const before = (a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): void => { if (this.open) this.call(shape, a, b, c, d, e, f); };
    const after = (r: number): number => { if (this.open) this.returned(r); return r; };
    switch (shape.args) {
      case 0: return () => { before(); return after(fn()); };
      case 1: return (a: number) => { before(a); return after(fn(a)); };
      case 2: return (a: number, b: number) => { before(a, b); return after(fn(a, b)); };
      case 3: return (a: number, b: number, c: number) => { before(a, b, c); return after(fn(a, b, c)); };
      case 5: return (a: number, b: number, c: number, d: number, e: number) => { before(a, b, c, d, e); return after(fn(a, b, c, d, e)); };
      default: return (a: number, b: number, c: number, d: number, e: number, f: number) => { before(a, b, c, d, e, f); return after(fn(a, b, c, d, e, f)); };
    }
  }
  private recordedPoll(x: CoreExports): CoreExports['poll'] {
    const shape = CALLS.poll;
    return (n) => {
      if (this.open) {
        if (this.size >= this.limit) this.rotate();
        this.cursors();
        this.call(shape, n);
      }
      x.poll(n);
      if (this.open) this.returned(0);
    };
  }
  private recordedReserve(x: CoreExports): CoreExports['sys_tx_reserve'] {
    const shape = CALLS.sys_tx_reserve;
    return (h, want) => {
      if (this.open) this.call(shape, h, want);
      const r = x.sys_tx_reserve(h, want);
      if (this.open) {
        this.returned(r);
        this.keepReservation(h, r);
      }
      return r;
    };
  }

  private recordedRegister(register: CoreExports['dev_register']): CoreExports['dev_register'] {
    return (vif, namePtr, macPtr, mtu, features) => {
      const r = register(vif, namePtr, macPtr, mtu, features);
      this.rings.discover();
      return r;
    };
  }
  private recordedClose(close: CoreExports['sys_close']): CoreExports['sys_close'] {
    return (h) => {
      this.reservations.delete(h);
      return close(h);
    };
  }

  private call(shape: CallShape, a: number, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    this.clocks();
    this.byte(shape.id);
    const n = shape.args;
    if (n > 0) this.varint(a >>> 0);
    if (n > 1) this.varint(b >>> 0);
    if (n > 2) this.varint(c >>> 0);
    if (n > 3) this.varint(d >>> 0);
    if (n > 4) this.varint(e >>> 0);
    if (n > 5) this.varint(f >>> 0);
    this.written.calls++;
    if (!shape.reads) return;
    const staged = this.staged, first = this.region;
    shape.reads(this.mem, this, a, b, c, d, e);
    if (this.region !== first) this.keep(staged, first);
  }
  /** The regions from `first` on: copied when they are small, else written now, since the call may change them. */
  private keep(staged: number, first: number): void {
    const { regions, staged: to } = this.buffers;
    let bytes = 0;
    for (let i = first; i < this.region; i += 2) bytes += regions[i + 1];
    if (bytes > STAGE || staged + bytes > STAGED_ROOM) {
      this.writeBlock(0);
      return;
    }
    for (let i = first; i < this.region; i += 2) {
      to.set(this.mem.u8.subarray(regions[i], regions[i] + regions[i + 1]), this.staged);
      this.staged += regions[i + 1];
    }
    this.region = first;
  }
  private returned(r: number | undefined): void {
    if (!r) this.byte(Kind.ZERO);
    else {
      this.byte(Kind.RESULT);
      this.varint(((r << 1) ^ (r >> 31)) >>> 0);
    }
    this.rings.produced(this.produced);
    if (this.at > BLOCK_FULL) this.writeBlock(0);
  }
  private readonly produced = (slot: number, first: number, count: number): void => {
    this.byte(Kind.FRAMES);
    this.varint(slot);
    this.varint(count);
    this.word(this.rings.sum(slot, first, count));
  };

  // ---- what is sampled besides arguments ----
  private clocks(): void {
    const { u32 } = this.mem;
    if (u32[NOW] !== this.nowLo || u32[NOW + 1] !== this.nowHi) this.clock(u32[NOW], u32[NOW + 1]);
    if (u32[WALL] !== this.wallLo || u32[WALL + 1] !== this.wallHi) {
      this.wallLo = u32[WALL];
      this.wallHi = u32[WALL + 1];
      this.pair(Kind.WALL, this.wallLo, this.wallHi);
    }
  }
  private clock(lo: number, hi: number): void {
    const step = (hi - this.nowHi) * 4294967296 + (lo - this.nowLo);
    if (step > 0 && step < STEP_MAX) {
      this.byte(Kind.NOW);
      this.varint(step);
    } else this.pair(Kind.NOW_AT, lo, hi);
    this.nowLo = lo;
    this.nowHi = hi;
  }
  private tail(slot: number): number { return this.mem.u32[(A.VIF + slot * A.VIF_STRIDE + A.VIF_TX_TAIL) >>> 2]; }
  private cursors(): void {
    for (const slot of this.rings.slots) {
      const tail = this.tail(slot);
      if (tail === this.tails[slot]) continue;
      this.byte(Kind.TAIL);
      this.varint(slot);
      this.varint((tail - this.tails[slot]) >>> 0);
      this.tails[slot] = tail;
    }
  }
  private keepReservation(h: number, pairs: number): void {
    if (this.reservedPairs && this.reserver !== h) this.reservations.set(this.reserver, this.reservation.slice(0, 2 * this.reservedPairs));
    this.reserver = h;
    this.reservedPairs = Math.max(0, Math.min(pairs, A.IOV_MAX));
    this.reservations.delete(h);
    const { u32 } = this.mem;
    for (let i = 0; i < 2 * this.reservedPairs; i++) this.reservation[i] = u32[(A.IOV >>> 2) + i];
  }

  // ---- Inputs ----
  bytes(p: number, n: number): void {
    const { u8 } = this.mem;
    p >>>= 0;
    n = Math.max(0, Math.min(n >>> 0, u8.length - p));
    if (n > INLINE) {
      this.refer(p, n);
      return;
    }
    this.varint(n * 2);
    const { view } = this, { block } = this.buffers, source = this.mem.view, words = n & ~3;
    for (let i = 0; i < words; i += 4) view.setUint32(this.at + i, source.getUint32(p + i, true), true);
    for (let i = words; i < n; i++) block[this.at + i] = u8[p + i];
    this.at += n;
  }
  reserved(handle: number, n: number): void {
    const last = handle === this.reserver, pairs = last ? this.reservation : this.reservations.get(handle);
    const count = last ? 2 * this.reservedPairs : pairs?.length ?? 0;
    for (let i = 0; pairs && i < count && n > 0; i += 2) {
      const length = Math.min(pairs[i + 1], n);
      this.varint(pairs[i] + 1);
      this.bytes(pairs[i], length);
      n -= length;
    }
    this.varint(0);
    if (last) this.reservedPairs = 0;
    else this.reservations.delete(handle);
  }
  /** A piece of memory that goes into the bulk part of the block. */
  private refer(p: number, n: number): void {
    const { regions } = this.buffers;
    this.varint(n * 2 + 1);
    regions[this.region++] = p;
    regions[this.region++] = n;
    this.bulk += n;
  }

  // ---- writing ----
  private byte(v: number): void { this.buffers.block[this.at++] = v; }
  private varint(v: number): void {
    const { block } = this.buffers;
    while (v > 127) {
      block[this.at++] = (v & 127) | 128;
      v = v > 0x7fffffff ? Math.floor(v / 128) : v >>> 7;
    }
    block[this.at++] = v;
  }
  private word(v: number): void {
    this.view.setUint32(this.at, v, true);
    this.at += 4;
  }
  private pair(kind: Kind, lo: number, hi: number): void {
    this.byte(kind);
    this.word(lo);
    this.word(hi);
  }
  private text(kind: Kind, text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.byte(kind);
    this.varint(bytes.length);
    this.buffers.block.set(bytes, this.at);
    this.at += bytes.length;
  }
}
