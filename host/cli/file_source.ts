// A record file that is read piece by piece.
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { RecordSource } from '../debug/record_reader.js';
import { CliError } from './fail.js';

export class FileSource implements RecordSource {
  private constructor(readonly name: string, private readonly fd: number, readonly size: number) {}
  static open(path: string): FileSource {
    try {
      // Before it is opened: a pipe would wait for whoever writes.
      if (statSync(path).isFile()) {
        const fd = openSync(path, 'r');
        return new FileSource(path, fd, fstatSync(fd).size);
      }
    } catch (e) {
      throw new CliError(`cannot read ${path}: ${(e as Error).message}`, 'name a record file');
    }
    throw new CliError(`${path} is no regular file`, 'name a record file');
  }
  read(at: number, n: number): Uint8Array {
    const out = new Uint8Array(Math.max(0, Math.min(n, this.size - at)));
    for (let got = 0; got < out.length;) {
      const r = readSync(this.fd, out, got, out.length - got, at + got);
      if (!r) return out.subarray(0, got);
      got += r;
    }
    return out;
  }
  close(): void { closeSync(this.fd); }
}
