// The blocks of a record file, for tests that spoil them.
import { LaneSum } from '../../host/debug/lanesum.js';
import { BLOCK_HEADER, headerLength, sealBlock } from '../../host/debug/record_format.js';

export interface Block {
  at: number;
  /** Bytes of records, and of bulk behind them. */
  records: number;
  bulk: number;
}

export function blocks(file: Uint8Array): Block[] {
  const v = new DataView(file.buffer, file.byteOffset, file.length), out: Block[] = [];
  for (let at = headerLength('', file); at < file.length;) {
    const records = v.getUint32(at + 12, true), bulk = v.getUint32(at + 16, true);
    out.push({ at, records, bulk });
    at += BLOCK_HEADER + records + bulk;
  }
  return out;
}

/** Make the checks of a block right again. */
export function reseal(file: Uint8Array, b: Block): void {
  const records = file.subarray(b.at, b.at + BLOCK_HEADER + b.records), bulk = b.at + BLOCK_HEADER + b.records;
  sealBlock(records, records.length, new LaneSum().add(file, bulk, bulk + b.bulk).value);
}
