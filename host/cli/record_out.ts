// Record files of cores that run in this thread: written as the blocks come.
import { closeSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RecordBuffers } from '../debug/record.js';
import { StreamRecord } from '../debug/stream_record.js';
import type { CoreMemory } from '../memory.js';
import { CliError } from './fail.js';

export class RecordOut extends StreamRecord {
  readonly path: string;
  private fd = -1;

  /** Written from the first block on, readable by its owner alone. What the system refuses is thrown as CliError. */
  constructor(path: string) {
    super((bytes) => this.put(bytes));
    this.path = resolve(path);
  }

  override start(header: Uint8Array, mem: CoreMemory, buffers: RecordBuffers): void {
    this.attempt(() => { this.fd = openSync(this.path, 'w', 0o600); });
    super.start(header, mem, buffers);
  }
  override end(): void { closeSync(this.fd); }

  private put(bytes: Uint8Array): void {
    this.attempt(() => { for (let at = 0; at < bytes.length;) at += writeSync(this.fd, bytes, at); });
  }
  private attempt(fn: () => void): void {
    try {
      fn();
    } catch (e) {
      throw new CliError(`cannot write the record ${this.path}: ${(e as Error).message}`);
    }
  }
}
