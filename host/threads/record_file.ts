// Record files of a running stack: FILE, and FILE.1 with what came before it once FILE has reached its size. The blocks
// are written by the addon, straight from linear memory into a mapping of the file. There are two files and no more: the
// older one is written over by the next, because its pages are there and mapped already.
import { closeSync, constants, existsSync, fchmodSync, fstatSync, lstatSync, openSync, renameSync, rmSync, type Stats } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import type { RecordBuffers, RecordSink } from '../debug/record.js';
import type { CoreMemory } from '../memory.js';
import type { NativeRecords } from '../native.js';

/** An open file, and its handle in the addon. */
interface Segment {
  fd: number;
  record: number;
}

export class RecordFile implements RecordSink {
  private current?: Segment;
  /** The complete one before. */
  private previous?: Segment;
  private over = false;

  /** `memory`: of attachMemory. `failed` is told why when no more can be written. */
  constructor(private readonly native: NativeRecords, private readonly memory: number, readonly path: string, private readonly failed: (why: string) => void) {}

  /** Throws the system's error when the first file cannot be made. */
  start(header: Uint8Array, _mem: CoreMemory, buffers: RecordBuffers): void {
    if (this.over) return;
    const first = !this.current;
    try {
      if (first) this.clear();
      else this.rotate();
      this.current ??= this.open(buffers);
      const r = this.native.recordBegin(this.current.record, header);
      if (r < 0) throw this.error(r);
    } catch (error) {
      this.release();
      if (first) throw error;
      this.failed((error as Error).message);
    }
  }
  block(length: number, staged: number, regions: number): void {
    if (!this.current) return;
    const r = this.native.recordBlock(this.current.record, length, staged, regions);
    if (r >= 0) return;
    this.release();
    this.failed(this.error(r).message);
  }
  /** What lies behind the last block of a complete file stays there until the end: nobody reads it, and it is written over. */
  end(last: boolean): void {
    if (last) this.release();
  }
  pages(size: number, out: Uint8Array): void {
    const r = this.native.memoryPages(this.memory, size, out);
    if (r < 0) throw this.error(r);
  }

  private error(r: number): Error {
    const code = getSystemErrorName(r);
    return Object.assign(new Error(`${this.path}: ${code}`), { code });
  }
  /** Room for the next file; only while it runs. */
  private get spare(): string { return `${this.path}.old`; }
  private get second(): string { return `${this.path}.1`; }
  private open(buffers: RecordBuffers): Segment {
    const fd = openSync(this.path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      // Only its owner reads what crossed a network.
      fchmodSync(fd, 0o600);
      return { fd, record: this.native.recordOpen(this.memory, fd, buffers.block, buffers.staged, buffers.regions) };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
  private close(s: Segment | undefined): void {
    if (!s) return;
    this.native.recordClose(s.record);
    closeSync(s.fd);
  }
  private release(): void {
    this.over = true;
    this.close(this.current);
    this.close(this.previous);
    this.current = this.previous = undefined;
    rmSync(this.spare, { force: true });
  }

  /** Make room for the first file: older records of ours are written over, whatever else is there goes. */
  private clear(): void {
    for (const path of [this.path, this.second]) {
      const there = lstatSync(path, { throwIfNoEntry: false });
      if (there && !ours(there)) rmSync(path);
    }
    rmSync(this.spare, { force: true });
    if (existsSync(this.second)) renameSync(this.second, this.spare);
  }
  /** FILE becomes FILE.1, and the FILE.1 before it FILE, unless it has been taken away or linked to meanwhile: then FILE is made anew. */
  private rotate(): void {
    const { current, previous } = this, there = lstatSync(this.second, { throwIfNoEntry: false });
    const again = previous && there && ours(there) && there.ino === fstatSync(previous.fd).ino;
    if (again) renameSync(this.second, this.spare);
    renameSync(this.path, this.second);
    if (existsSync(this.spare)) renameSync(this.spare, this.path);
    if (!again) this.close(previous);
    [this.current, this.previous] = [again ? previous : undefined, current];
  }
}

/** Whether it is a file that nobody else can know under another name. */
function ours(there: Stats): boolean { return there.isFile() && there.nlink === 1 && there.uid === process.getuid?.(); }
