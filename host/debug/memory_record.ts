// A record kept in memory: what tests and pages use.
import type { CoreMemory } from '../memory.js';
import type { RecordBuffers } from './record.js';
import { StreamRecord } from './stream_record.js';

export class MemoryRecord extends StreamRecord {
  /** Finished segments, then the current one. */
  readonly segments: Uint8Array[][] = [];

  constructor() { super((bytes) => { this.segments[this.segments.length - 1].push(bytes.slice()); }); }

  override start(header: Uint8Array, mem: CoreMemory, buffers: RecordBuffers): void {
    this.segments.push([]);
    super.start(header, mem, buffers);
  }

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
