// Reading record files. A file is as hostile as the network: every length, number and place in it is checked, and what is
// wrong is told with the byte where it is wrong.
import {
  BLOCK_HEADER, HEADER_MAX, HEADER_START, Kind, RecordError, decodeHeader, headerLength, readBlockHeader, recordsMatch, type BlockHeader, type RecordHeader,
} from './record_format.js';
import { STRIPE, laneSum } from './lanesum.js';

/** Where a record is read from. */
export interface RecordSource {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** The bytes [at, at+n), or fewer at the end. */
  read(at: number, n: number): Uint8Array;
}

/** A record in memory. */
export function bytesSource(name: string, bytes: Uint8Array): RecordSource {
  return { name, size: bytes.length, read: (at, n) => bytes.subarray(at, at + n) };
}

const DAMAGED = 'what comes before it can be replayed with --until';

/** The records of one file, one after the other. */
export class RecordReader {
  readonly header: RecordHeader;
  /** Why the file ends before its last block; undefined when it is complete, or not read to its end. */
  truncated: string | undefined;
  private next: number;
  private sequence = 0;
  private block: BlockHeader | undefined;
  /** Place of the block's records in the file. */
  private base = 0;
  private records: Uint8Array = new Uint8Array(0);
  private bulk: Uint8Array = new Uint8Array(0);
  private at = 0;
  private bulkAt = 0;

  /** Throws RecordError when the header is none. */
  constructor(readonly source: RecordSource) {
    const n = headerLength(source.name, source.read(0, HEADER_START));
    this.header = decodeHeader(source.name, source.read(0, Math.min(n, HEADER_MAX)));
    this.next = n;
  }

  /** Byte of the file that is read next. */
  get offset(): number { return this.base + this.at; }
  /** Whether another record follows; goes on to the next block. */
  more(): boolean {
    for (;;) {
      while (this.records[this.at] === (Kind.NONE as number)) this.at++;
      if (this.at < this.records.length) return true;
      if (this.bulk.length - this.bulkAt >= STRIPE) throw this.bad('the bulk bytes of the block are not used up');
      if (this.block?.last || this.truncated !== undefined || !this.load()) return false;
    }
  }
  /** A file that was not closed ends where its blocks end: with a notice, not an error. A block that is there but damaged is one. */
  private load(): boolean {
    const { source } = this, { segmentId } = this.header;
    const header = source.read(this.next, BLOCK_HEADER), block = readBlockHeader(header, segmentId, this.sequence);
    if (typeof block === 'string') return this.ends(block);
    const start = this.next + BLOCK_HEADER;
    if (start + block.records + block.bulk > source.size) return this.ends('the file ends inside a block');
    const records = source.read(start, block.records);
    if (!recordsMatch(header, records)) throw new RecordError(source.name, this.next, `the check of block ${block.sequence} does not match`, DAMAGED);
    const bulk = source.read(start + block.records, block.bulk);
    if (laneSum(bulk) !== block.bulkCheck) throw new RecordError(source.name, start + block.records, `the check of the bytes of block ${block.sequence} does not match`, DAMAGED);
    [this.block, this.records, this.bulk, this.base, this.at, this.bulkAt] = [block, records, bulk, start, 0, 0];
    this.next = start + block.records + block.bulk;
    this.sequence++;
    return true;
  }
  private ends(why: string): false {
    this.truncated = `at byte ${this.next}: ${why}`;
    return false;
  }

  byte(): number {
    if (this.at >= this.records.length) throw this.bad('a record goes beyond its block');
    return this.records[this.at++];
  }
  /** The byte that byte() will give, after more(). */
  peek(): number { return this.records[this.at]; }
  varint(): number {
    let v = 0, scale = 1;
    for (let i = 0; i < 7; i++, scale *= 128) {
      const b = this.byte();
      v += (b & 127) * scale;
      if (b < 128) return v;
    }
    throw this.bad('a number of more than 49 bits');
  }
  u32(): number {
    let v = 0;
    for (let i = 0; i < 4; i++) v += this.byte() * 2 ** (8 * i);
    return v;
  }
  /** Bytes written as such or in the bulk part: a view, valid until more(). */
  bytes(): Uint8Array {
    const v = this.varint(), n = Math.floor(v / 2);
    if (v & 1) {
      if (this.bulkAt + n > this.bulk.length) throw this.bad(`${n} bytes, the block has ${this.bulk.length - this.bulkAt} left`);
      this.bulkAt += n;
      return this.bulk.subarray(this.bulkAt - n, this.bulkAt);
    }
    return this.plain(n);
  }
  /** n bytes among the records. */
  plain(n: number): Uint8Array {
    if (this.at + n > this.records.length) throw this.bad(`${n} bytes go beyond the block`);
    this.at += n;
    return this.records.subarray(this.at - n, this.at);
  }
  bad(what: string): RecordError { return new RecordError(this.source.name, this.offset, what, DAMAGED); }
}
