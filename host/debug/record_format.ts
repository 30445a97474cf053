// Record files (docs/record.md): a header, then blocks. A block is a header of its own, records, and the bulk bytes that
// these records name; header, records and bulk are filled up with zeros to whole stripes of their check. All numbers are
// little-endian.
import { MAX_MEMORY_BYTES, MAX_SOCKETS } from '../config/config.js';
import { LaneSum, laneSum, stripes } from './lanesum.js';

/** "NUSEREC1" */
const MAGIC_LO = 0x4553554e, MAGIC_HI = 0x31434552;
const FORMAT = 2;
/** Header without its text. */
const HEADER_FIXED = 160;
const TEXT_MAX = 65536;

/** Block header: magic, segment, sequence, length of records, length of bulk, flags, check of bulk, check of the rest but the magic. */
export const BLOCK_HEADER = 32;
const BLOCK_MAGIC = 0x4b4c424e;
export const BLOCK_LAST = 1;
/** Most bytes of records, and of bulk, in one block. */
export const RECORDS_MAX = 1 << 20;
export const BULK_MAX = 1 << 30;

/** First byte of a record. Numbers 1 to 63 are calls (CALLS). */
export const enum Kind {
  /** No record: what a block is filled up with. */
  NONE = 0,
  /** The call above returned 0 or nothing. */
  ZERO = 0x40,
  /** zigzag varint: what the call above returned. */
  RESULT = 0x41,
  /** varint: HDR_NOW has moved on by so many ns. */
  NOW = 0x50,
  /** 8 bytes: HDR_NOW. */
  NOW_AT = 0x51,
  /** 8 bytes: HDR_WALL_OFFSET. */
  WALL = 0x52,
  /** vif, varint: frames the device has taken since. */
  TAIL = 0x53,
  /** vif, varint count, u32: frames that the call above put into a transmit ring, and their sum (frameSum). */
  FRAMES = 0x54,
  /** varint pages, then for each run of pages that are not zero: varint first page, varint pages, bulk. The memory of the core. */
  SNAPSHOT = 0x55,
  /** varint, UTF-8: the call above did not return; why. */
  TRAP = 0x56,
}

export const SNAPSHOT_PAGE = 65536;

export type Build = 'core' | 'debug' | 'sanitizer' | 'other';
const BUILDS: Build[] = ['core', 'debug', 'sanitizer', 'other'];

/** What a record needs to be replayed, and what people want to know about it. */
export interface RecordHeader {
  abi: number;
  build: Build;
  /** SHA-256 of the module, 32 bytes. */
  coreHash: Uint8Array;
  /** ms since 1970. */
  date: number;
  /** 0 for the first file of a run, one more for each that follows. */
  segment: number;
  /** Stands in every block: blocks left by a file of the same name are none of this one's. */
  segmentId: number;
  /** Begins with the memory of a running core instead of init. */
  snapshot: boolean;
  memoryBytes: number;
  maxSockets: number;
  /** Initial time, ns. */
  now: number;
  seed: Uint8Array;
  /** Free text, at most 64 KiB: command line and configuration. */
  text: string;
}

/** A record file that cannot be used: what is wrong, where, and what can be done. */
export class RecordError extends Error {
  readonly code = 'ERR_NUSE_RECORD';
  constructor(readonly file: string, readonly offset: number, what: string, readonly remedy: string) {
    super(`${file}: at byte ${offset}: ${what}`);
  }
}

export function encodeHeader(h: RecordHeader): Uint8Array {
  const text = new TextEncoder().encode(h.text).subarray(0, TEXT_MAX);
  const out = new Uint8Array(stripes(HEADER_FIXED + text.length + 4)), v = new DataView(out.buffer);
  const u32 = [MAGIC_LO, MAGIC_HI, FORMAT, out.length, h.abi, BUILDS.indexOf(h.build)];
  u32.forEach((x, i) => v.setUint32(4 * i, x, true));
  out.set(h.coreHash.subarray(0, 32), 24);
  v.setFloat64(56, h.date, true);
  [h.segment, h.segmentId, h.snapshot ? 1 : 0, h.memoryBytes / SNAPSHOT_PAGE, h.maxSockets].forEach((x, i) => v.setUint32(64 + 4 * i, x, true));
  v.setFloat64(88, h.now, true);
  out.set(h.seed.subarray(0, 32), 96);
  v.setUint32(128, text.length, true);
  out.set(text, HEADER_FIXED);
  v.setUint32(out.length - 4, laneSum(out.subarray(0, out.length - 4)), true);
  return out;
}

/** Bytes to read in order to know the length of a header. */
export const HEADER_START = 16;
export const HEADER_MAX = stripes(HEADER_FIXED + TEXT_MAX + 4);

/** Length of the header that begins with these HEADER_START bytes. Throws RecordError. */
export function headerLength(file: string, start: Uint8Array): number {
  const v = new DataView(start.buffer, start.byteOffset, start.length);
  if (start.length < HEADER_START || v.getUint32(0, true) !== MAGIC_LO || v.getUint32(4, true) !== MAGIC_HI)
    throw new RecordError(file, 0, 'this is no record file', 'give a file that `nuse record` has written');
  if (v.getUint32(8, true) !== FORMAT)
    throw new RecordError(file, 8, `format ${v.getUint32(8, true)}, this version reads format ${FORMAT}`, 'replay it with the version of nuse that recorded it');
  const n = v.getUint32(12, true);
  if (n < HEADER_FIXED + 4 || n > HEADER_MAX) throw new RecordError(file, 12, `a header of ${n} bytes`, 'the file is damaged: record again');
  return n;
}

/** The header in these bytes. Throws RecordError. */
export function decodeHeader(file: string, b: Uint8Array): RecordHeader {
  const damaged = (offset: number, what: string): RecordError => new RecordError(file, offset, what, 'the file is damaged: record again');
  const n = headerLength(file, b.subarray(0, HEADER_START));
  if (b.length < n) throw damaged(b.length, 'the file ends inside its header');
  const v = new DataView(b.buffer, b.byteOffset, n);
  if (v.getUint32(n - 4, true) !== laneSum(b.subarray(0, n - 4))) throw damaged(0, 'the check of the header does not match');
  const length = v.getUint32(128, true), pages = v.getUint32(76, true), sockets = v.getUint32(80, true), date = v.getFloat64(56, true), now = v.getFloat64(88, true);
  if (stripes(HEADER_FIXED + length + 4) !== n) throw damaged(128, `a text of ${length} bytes`);
  if (pages < 1 || pages * SNAPSHOT_PAGE > MAX_MEMORY_BYTES) throw damaged(76, `a memory of ${pages} pages`);
  if (sockets > MAX_SOCKETS) throw damaged(80, `${sockets} sockets`);
  if (!(now >= 0 && now < 2 ** 63)) throw damaged(88, 'the initial time is none');
  return {
    abi: v.getUint32(16, true), build: BUILDS[v.getUint32(20, true)] ?? 'other', coreHash: b.slice(24, 56), date: Number.isFinite(date) ? date : 0,
    segment: v.getUint32(64, true), segmentId: v.getUint32(68, true), snapshot: v.getUint32(72, true) === 1,
    memoryBytes: pages * SNAPSHOT_PAGE, maxSockets: sockets, now, seed: b.slice(96, 128),
    text: new TextDecoder().decode(b.subarray(HEADER_FIXED, HEADER_FIXED + length)),
  };
}

export interface BlockHeader {
  sequence: number;
  records: number;
  bulk: number;
  last: boolean;
  bulkCheck: number;
}

/**
 * Fill in the header at the start of `block`, of which `length` bytes (header and records) are used. All but the two
 * checks, which whoever writes the block adds with sealBlock or in C.
 */
export function openBlock(block: DataView, segmentId: number, sequence: number, length: number, bulk: number, flags: number): void {
  block.setUint32(0, BLOCK_MAGIC, true);
  block.setUint32(4, segmentId, true);
  block.setUint32(8, sequence, true);
  block.setUint32(12, length - BLOCK_HEADER, true);
  block.setUint32(16, bulk, true);
  block.setUint32(20, flags, true);
}
export function sealBlock(block: Uint8Array, length: number, bulkCheck: number): void {
  const v = new DataView(block.buffer, block.byteOffset, BLOCK_HEADER);
  v.setUint32(24, bulkCheck, true);
  v.setUint32(28, recordsCheck(block.subarray(0, BLOCK_HEADER), block.subarray(BLOCK_HEADER, length)), true);
}
/** Of a block's header and records. The magic counts as zero, because it is written last; the check itself, too. */
function recordsCheck(header: Uint8Array, records: Uint8Array): number {
  // Not slice(), which gives a view of a Buffer.
  const copy = new Uint8Array(header);
  copy.fill(0, 0, 4);
  copy.fill(0, 28);
  return new LaneSum().add(copy).add(records).value;
}

/** The block header in these bytes of the segment, or why there is none. */
export function readBlockHeader(b: Uint8Array, segmentId: number, sequence: number): BlockHeader | string {
  if (b.length < BLOCK_HEADER) return 'the file ends inside a block header';
  const v = new DataView(b.buffer, b.byteOffset, BLOCK_HEADER), u32 = (i: number): number => v.getUint32(4 * i, true);
  if (u32(0) !== BLOCK_MAGIC) return 'no block begins here';
  if (u32(1) !== segmentId) return 'a block of another record begins here';
  if (u32(2) !== sequence) return `block ${u32(2)} in the place of block ${sequence}`;
  if (u32(3) > RECORDS_MAX || u32(4) > BULK_MAX) return `a block of ${u32(3)} + ${u32(4)} bytes`;
  return { sequence, records: u32(3), bulk: u32(4), last: (u32(5) & BLOCK_LAST) !== 0, bulkCheck: u32(6) };
}

/** Whether header and records have their check. */
export function recordsMatch(header: Uint8Array, records: Uint8Array): boolean {
  return recordsCheck(header, records) === new DataView(header.buffer, header.byteOffset, BLOCK_HEADER).getUint32(28, true);
}
