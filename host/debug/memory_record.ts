// A record kept in memory: what tests and pages use.
import type { CoreMemory } from '../memory.js';
import { LaneSum } from './lanesum.js';
import type { RecordBuffers, RecordSink } from './record.js';
import { sealBlock } from './record_format.js';

export class MemoryRecord implements RecordSink {
  /** Finished segments, then the current one. */
  readonly segments: Uint8Array[][] = [];
  private mem!: CoreMemory;
  private buffers!: RecordBuffers;

  start(header: Uint8Array, mem: CoreMemory, buffers: RecordBuffers): void {
    this.mem = mem;
    this.buffers = buffers;
    this.segments.push([header]);
  }
  block(length: number, staged: number, regions: number): void {
    const { buffers, mem } = this;
    const bulk = [buffers.staged.slice(0, staged)];
    for (let i = 0; i < regions; i++) bulk.push(mem.u8.slice(buffers.regions[2 * i], buffers.regions[2 * i] + buffers.regions[2 * i + 1]));
    const sum = new LaneSum();
    for (const b of bulk) sum.add(b);
    sealBlock(buffers.block, length, sum.value);
    this.segments[this.segments.length - 1].push(buffers.block.slice(0, length), ...bulk);
  }
  end(): void { /* what there is can be read */ }

  /** The bytes of segment i, as a file holds them. */
  file(i = this.segments.length - 1): Uint8Array {
    const parts = this.segments[i], out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const p of parts) {
      out.set(p, at);
      at += p.length;
    }
    return out;
  }
}
