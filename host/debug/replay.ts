// Replay: the recorded calls, fed into a fresh core. What comes out is hashed, and compared with what the record says
// came out when it really happened; the first call that differs is named. Needs bytes only: runs in Node and in a page.
import * as A from '../abi/constants.js';
import { AbiError, createCore, type Core } from '../core.js';
import { asCoreTrap } from '../stack.js';
import { CALLS, CALL_BY_ID, type CallName, type Inputs } from './calls.js';
import { Kind, RecordError, SNAPSHOT_PAGE, type Build, type RecordHeader } from './record_format.js';
import { RecordReader, type RecordSource } from './record_reader.js';
import { Rings } from './rings.js';
import { Room } from './room.js';
import type { ScriptWriter } from './script.js';
import { restore } from './snapshot.js';
import { Transcript } from './transcript.js';

/** A core to replay into. */
export interface ReplayCore {
  module: WebAssembly.Module;
  /** SHA-256 of its bytes. */
  hash: Uint8Array;
}

export interface Divergence {
  /** Number of the call, from 1. */
  call: number;
  name: CallName;
  /** Byte of the file after the call. */
  offset: number;
  /** What differs: what happened now, and what the record says. */
  what: string;
}

export interface ReplayResult {
  /** MurmurHash3_x86_128 of everything the core gave (transcript.ts). */
  hash: string;
  calls: number;
  framesIn: number;
  framesOut: number;
  events: number;
  /** Polls at which a timer was due. */
  timers: number;
  /** Time between the first and the last call, ns. */
  duration: number;
  build: Build;
  /** The first call that went otherwise than in the recorded run; the replay stops there. */
  divergence?: Divergence;
  /** The file was not closed: why, and where it ends. What was there has been replayed. */
  truncated?: string;
  /** How the recorded run ended, when it trapped; and what the replay said at that call. */
  trap?: { recorded: string; replayed?: string };
}

/** Sees the frames of a replay: descriptors of memory, as FrameTap of stack.ts. */
export interface ReplayTap {
  received(slot: number, descriptor: number): void;
  sent(slot: number, descriptor: number, at: number): void;
}

export interface ReplayOptions {
  /**
   * The core is another build of the same sources than the one that recorded: one with names, checks or counters. Results and frames
   * are compared all the same; the hash differs, because it holds addresses.
   */
  otherBuild?: boolean;
}

const hex = (b: Uint8Array): string => Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');

export class Replayer implements Inputs {
  tap?: ReplayTap;
  /** Writes down what enters the core. */
  script?: ScriptWriter;
  private readonly transcript: Transcript;
  private readonly rings: Rings;
  private readonly startTime: number;
  private readonly counts = { calls: 0, framesIn: 0, framesOut: 0, events: 0, timers: 0 };
  private divergence: Divergence | undefined;
  private trap: ReplayResult['trap'];
  /** What the current call produced, as the record would say it. */
  private produced = '';

  /** Rooms of streams as this core has shown them, by socket; only kept of another build, whose rooms lie elsewhere. */
  private readonly rooms?: Map<number, Uint32Array>;

  private constructor(readonly core: Core, private readonly reader: RecordReader, otherBuild: boolean) {
    if (otherBuild) this.rooms = new Map();
    this.transcript = new Transcript(core.mem);
    this.rings = new Rings(core.mem);
    this.startTime = this.now;
  }

  /** Throws RecordError when the file is none, or was recorded with another core. */
  static async open(source: RecordSource, replayCore: ReplayCore, options: ReplayOptions = {}): Promise<Replayer> {
    const reader = new RecordReader(source), { header } = reader;
    if (header.abi !== A.ABI_VERSION)
      throw new RecordError(source.name, 16, `recorded with ABI version ${header.abi}, this is version ${A.ABI_VERSION}`, 'replay it with the version of nuse that recorded it');
    const other = hex(header.coreHash) !== hex(replayCore.hash);
    if (other && header.snapshot && options.otherBuild)
      throw new RecordError(source.name, 72, 'it begins with the memory of the core that recorded, which no other build can take up',
        'record again with a larger --record-limit, so that the first file holds everything');
    if (other && !options.otherBuild)
      throw new RecordError(source.name, 24, `recorded with the ${header.build} build ${hex(header.coreHash)}, this is ${hex(replayCore.hash)}`, 'name that very file with --core');
    let core: Core;
    try {
      core = header.snapshot ? await restore(replayCore.module, readSnapshot(reader)) :
        await createCore(replayCore.module, { memoryBytes: header.memoryBytes, maxSockets: header.maxSockets, seed: header.seed, now: header.now });
    } catch (error) {
      if (error instanceof AbiError && header.snapshot) throw new RecordError(source.name, 72, `the memory with which it begins is of no core of this nuse (${error.message})`, 'the file is damaged: record again');
      // The core's fault, or told already; all else comes of what the file wants: a memory that cannot be had, tables that do not fit into it.
      if (error instanceof RecordError || error instanceof AbiError) throw error;
      throw new RecordError(source.name, 76, `a core with these parameters does not start: ${(asCoreTrap(error) as Error).message}`, 'the file is damaged: record again');
    }
    return new Replayer(core, reader, other);
  }

  /** Go on to the end, to a divergence, or until so many calls have been made. */
  run(until = Infinity): ReplayResult {
    while (this.counts.calls < until && this.step()) continue;
    return this.result;
  }

  get result(): ReplayResult {
    return {
      hash: this.transcript.hex, ...this.counts, duration: this.now - this.startTime, build: this.reader.header.build,
      ...(this.divergence ? { divergence: this.divergence } : {}),
      ...(this.reader.truncated !== undefined ? { truncated: this.reader.truncated } : {}),
      ...(this.trap ? { trap: this.trap } : {}),
    };
  }

  get header(): RecordHeader { return this.reader.header; }
  /** The core's clock, ns. */
  get now(): number { return this.core.mem.getNs(A.HDR + A.HDR_NOW); }

  /** One call with what belongs to it; false at the end. */
  private step(): boolean {
    const { reader } = this, { mem } = this.core;
    while (reader.more()) {
      const kind = reader.byte();
      switch (kind as Kind) {
        case Kind.NOW: this.clock(() => mem.putNs(A.HDR + A.HDR_NOW, this.now + reader.varint())); break;
        case Kind.NOW_AT: this.clock(() => this.put64(A.HDR + A.HDR_NOW)); break;
        case Kind.WALL:
          this.put64(A.HDR + A.HDR_WALL_OFFSET);
          this.script?.wall(mem.u32[(A.HDR + A.HDR_WALL_OFFSET) >>> 2], mem.u32[((A.HDR + A.HDR_WALL_OFFSET) >>> 2) + 1]);
          break;
        case Kind.TAIL: this.tail(); break;
        case Kind.TRAP: this.trap = { recorded: this.text() }; return false; // the memory after a trap
        default: {
          const name = CALL_BY_ID.get(kind);
          if (!name) throw reader.bad(`no record of kind ${kind} may stand here`);
          return this.call(name);
        }
      }
    }
    return false;
  }
  private clock(set: () => void): void {
    const before = this.now;
    set();
    this.script?.time(this.now - before);
  }
  private put64(p: number): void {
    this.core.mem.u32[p >>> 2] = this.reader.u32();
    this.core.mem.u32[(p >>> 2) + 1] = this.reader.u32();
  }
  private tail(): void {
    const slot = this.reader.varint(), n = this.reader.varint();
    if (slot >= A.VIF_MAX) throw this.reader.bad(`vif slot ${slot}`);
    const i = (A.VIF + slot * A.VIF_STRIDE + A.VIF_TX_TAIL) >>> 2;
    this.core.mem.u32[i] += n;
    this.script?.taken(slot, n);
  }

  private call(name: CallName): boolean {
    const { reader } = this, { mem, exports } = this.core, shape = CALLS[name];
    const args: number[] = [];
    for (let i = 0; i < shape.args; i++) args.push(reader.varint() >>> 0);
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = args;
    this.script?.begin(name, args);
    shape.reads?.(mem, this, a, b, c, d, e);
    this.script?.ready();
    this.counts.calls++;
    if (name === 'poll') this.polled(a);
    let result: number;
    try {
      result = (exports[name] as (...x: number[]) => number | undefined)(...args) ?? 0;
    } catch (error) {
      return this.trapped(name, asCoreTrap(error) as Error);
    }
    if (name === 'events') this.counts.events += result;
    if (name === 'dev_register') this.rings.discover();
    if (name === 'sys_tx_reserve' && result > 0) this.rooms?.set(a, mem.u32.slice(A.IOV >>> 2, (A.IOV >>> 2) + 2 * result));
    this.script?.returned(result);
    this.transcript.returned(shape, result, args);
    this.produced = '';
    this.rings.produced(this.frames);
    return this.compare(name, result);
  }
  private polled(frames: number): void {
    const { mem } = this.core;
    frames = Math.min(frames, A.RX_RING);
    this.counts.framesIn += frames;
    if (this.now >= mem.getNs(A.HDR + A.HDR_DEADLINE)) this.counts.timers++;
    if (!this.tap) return;
    for (let i = 0; i < frames; i++) this.tap.received(mem.u16[(A.RX_DESC + i * A.RX_DESC_SIZE + A.RXD_VIF) >>> 1], A.RX_DESC + i * A.RX_DESC_SIZE);
  }
  private readonly frames = (slot: number, first: number, count: number): void => {
    if (count > A.TX_RING) throw this.reader.bad(`after it, vif ${slot} has ${count} frames in a ring of ${A.TX_RING}`);
    this.counts.framesOut += count;
    for (let i = 0; i < count; i++) {
      const d = this.rings.descriptor(slot, first + i);
      this.transcript.frame(slot, d);
      this.tap?.sent(slot, d, this.now);
    }
    this.produced += ` ${count} on vif ${slot} (sum ${this.rings.sum(slot, first, count)})`;
  };

  /** What the record says of the call that has just been made; false when it differs or when the record ends here. */
  private compare(name: CallName, result: number): boolean {
    const { reader } = this;
    if (!reader.more()) return false;
    const kind = reader.byte() as Kind;
    if (kind === Kind.TRAP) {
      this.trap = { recorded: this.text() };
      return this.differs(name, `returned ${result}; the recorded core trapped: ${this.trap.recorded}`);
    }
    if (kind !== Kind.ZERO && kind !== Kind.RESULT) throw reader.bad(`a record of kind ${kind} in the place of a result`);
    const recorded = kind === Kind.ZERO ? 0 : unzigzag(reader.varint());
    if (recorded !== result) return this.differs(name, `returned ${result}, recorded ${recorded}`);
    let frames = '';
    while (reader.more() && reader.peek() === Kind.FRAMES) {
      reader.byte();
      const slot = reader.varint(), count = reader.varint();
      frames += ` ${count} on vif ${slot} (sum ${reader.u32()})`;
    }
    if (frames !== this.produced) return this.differs(name, `frames sent:${this.produced || ' none'}; recorded:${frames || ' none'}`);
    return true;
  }
  private trapped(name: CallName, error: Error): boolean {
    const { reader } = this;
    const recorded = reader.more() && reader.byte() === Kind.TRAP ? this.text() : undefined;
    if (recorded !== undefined) this.trap = { recorded, replayed: error.message };
    else this.differs(name, `trapped: ${error.message}; the recorded core did not`);
    return false;
  }
  private differs(name: CallName, what: string): false {
    this.divergence = { call: this.counts.calls, name, offset: this.reader.offset, what };
    return false;
  }
  /** Text of the file, for a terminal: control characters are replaced. */
  private text(): string { return new TextDecoder().decode(this.reader.plain(this.reader.varint())).replace(/[\0-\x1f\x7f-\x9f]/g, '\ufffd'); }

  // ---- Inputs: out of the record into memory ----
  bytes(p: number, n: number): void {
    const { u8 } = this.core.mem, data = this.reader.bytes();
    p >>>= 0;
    if (data.length !== Math.max(0, Math.min(n >>> 0, u8.length - p))) throw this.reader.bad(`${data.length} bytes for ${n} at ${p}`);
    if (data.length) u8.set(data, p);
    this.script?.input(p, data);
  }
  reserved(handle: number): void {
    const { u8 } = this.core.mem, room = this.rooms && new Room(u8, this.rooms.get(handle));
    for (let place = this.reader.varint(); place; place = this.reader.varint()) {
      const data = this.reader.bytes();
      this.script?.room(data);
      if (room) {
        room.put(data);
        continue;
      }
      if (place - 1 < A.STATIC_BASE || place - 1 + data.length > u8.length) throw this.reader.bad(`${data.length} bytes at ${place - 1}`);
      u8.set(data, place - 1);
    }
  }
}

const unzigzag = (v: number): number => ((v >>> 1) ^ -(v & 1)) | 0;

/** The memory with which a segment begins. */
function readSnapshot(reader: RecordReader): Uint8Array {
  const size = reader.header.memoryBytes, image = new Uint8Array(size);
  if (!reader.more() || reader.byte() !== (Kind.SNAPSHOT as number)) throw reader.bad('the snapshot is missing');
  for (let runs = reader.varint(); runs > 0; runs--) {
    const at = reader.varint() * SNAPSHOT_PAGE, data = reader.bytes();
    if (at + data.length > size) throw reader.bad(`${data.length} bytes at ${at} of ${size}`);
    image.set(data, at);
  }
  return image;
}
