// A record that leaves as bytes, block by block, for whoever keeps them: a file, or memory.
import type { CoreMemory } from '../memory.js';
import { LaneSum, STRIPE, stripes } from './lanesum.js';
import type { RecordBuffers, RecordSink } from './record.js';
import { sealBlock } from './record_format.js';

const ZEROS = new Uint8Array(STRIPE);

export class StreamRecord implements RecordSink {
  private mem!: CoreMemory;
  private buffers!: RecordBuffers;

  /** `write` takes the bytes at once: they are views that change afterwards. */
  constructor(private readonly write: (bytes: Uint8Array) => void) {}

  start(header: Uint8Array, mem: CoreMemory, buffers: RecordBuffers): void {
    this.mem = mem;
    this.buffers = buffers;
    this.write(header);
  }
  block(length: number, staged: number, regions: number): void {
    const { buffers, mem } = this, filled = stripes(length);
    buffers.block.fill(0, length, filled);
    const bulk = [buffers.staged.subarray(0, staged)];
    for (let i = 0; i < regions; i++) bulk.push(mem.u8.subarray(buffers.regions[2 * i], buffers.regions[2 * i] + buffers.regions[2 * i + 1]));
    const over = bulk.reduce((n, b) => n + b.length, 0) % STRIPE;
    if (over) bulk.push(ZEROS.subarray(over));
    const sum = new LaneSum();
    for (const b of bulk) sum.add(b);
    sealBlock(buffers.block, filled, sum.value);
    this.write(buffers.block.subarray(0, filled));
    for (const b of bulk) this.write(b);
  }
  end(): void { /* every block has been written */ }
}
