// Record files of a running stack: FILE, and FILE.1 with what came before it once FILE has reached its size. The blocks
// are written by the addon, straight from linear memory. A file that goes is written over by the next one: its pages are
// there already, which doubles the speed.
import { closeSync, constants, existsSync, fchmodSync, ftruncateSync, lstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { ErrnoName } from '../abi/constants.js';
import type { RecordBuffers, RecordSink } from '../debug/record.js';
import type { CoreMemory } from '../memory.js';
import type { NativeRecords } from '../native.js';

export class RecordFile implements RecordSink {
  private fd = -1;
  private record = -1;
  private size = 0;
  private segments = 0;

  /** `memory`: of attachMemory. `failed` is told why when no more can be written. */
  constructor(private readonly native: NativeRecords, private readonly memory: number, readonly path: string, private readonly failed: (why: string) => void) {}

  /** Throws the system's error when the file cannot be made. */
  start(header: Uint8Array, _mem: CoreMemory, buffers: RecordBuffers): void {
    if (this.segments++ === 0) this.clear();
    else this.rotate();
    this.fd = openSync(this.path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    // Only its owner reads what crossed a network.
    fchmodSync(this.fd, 0o600);
    this.size = writeSync(this.fd, header);
    this.record = this.native.recordOpen(this.memory, this.fd, buffers.block, buffers.staged, buffers.regions);
  }
  block(length: number, staged: number, regions: number): void {
    if (this.record < 0) return;
    const r = this.native.recordBlock(this.record, length, staged, regions);
    if (r >= 0) this.size += r;
    else {
      this.end();
      this.failed(`${this.path}: ${ErrnoName[-r] ?? `error ${-r}`}`);
    }
  }
  end(): void {
    if (this.record < 0) return;
    this.native.recordClose(this.record);
    // What an older file had behind the end of this one, or half a block.
    ftruncateSync(this.fd, this.size);
    closeSync(this.fd);
    this.record = this.fd = -1;
  }

  private get previous(): string { return `${this.path}.1`; }
  /** Make room for the first file: an older record of ours is written over, whatever else is there goes. */
  private clear(): void {
    rmSync(this.previous, { force: true });
    const there = lstatSync(this.path, { throwIfNoEntry: false });
    if (there && !(there.isFile() && there.nlink === 1 && there.uid === process.getuid?.())) rmSync(this.path);
  }
  private rotate(): void {
    const spare = `${this.path}.old`;
    if (existsSync(this.previous)) renameSync(this.previous, spare);
    renameSync(this.path, this.previous);
    if (existsSync(spare)) renameSync(spare, this.path);
  }
}
