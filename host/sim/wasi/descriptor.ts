// File descriptors of a WASI program: standard streams here, sockets in guest_socket.ts. Results are as of system calls: >= 0, or -errno.
import { Errno, Poll } from '../../abi/constants.js';
import { ENOSPC } from './errno.js';
import type { Attempt } from './coroutine.js';

/** WASI's filetype. */
export const FILETYPE_CHARACTER = 2, FILETYPE_DGRAM = 5, FILETYPE_STREAM = 6;

export interface Descriptor {
  readonly filetype: number;
  /** O_NONBLOCK: an attempt that would have to wait gives -EAGAIN. */
  nonblocking: boolean;
  read(into: Uint8Array[]): Attempt;
  write(from: Uint8Array[]): Attempt;
  /** Level readiness, Poll bits. */
  poll(): number;
  close(): void;
}

const never = (errno: number): Attempt => () => -errno;

/** Standard input: the bytes of the scenario, then its end. */
export class InputStream implements Descriptor {
  readonly filetype = FILETYPE_CHARACTER;
  nonblocking = false;
  private at = 0;
  constructor(private readonly bytes: Uint8Array) {}

  read(into: Uint8Array[]): Attempt {
    return () => {
      let n = 0;
      for (const buffer of into) {
        const piece = this.bytes.subarray(this.at, this.at + buffer.length);
        buffer.set(piece);
        this.at += piece.length;
        n += piece.length;
      }
      return n;
    };
  }
  write(): Attempt { return never(Errno.EBADF); }
  poll(): number { return Poll.IN; }
  close(): void { this.at = this.bytes.length; }
}

/** Bytes of standard output and of standard error that are kept, each; then writing fails with ENOSPC. */
const OUTPUT_MAX = 16 << 20;

/** Standard output or error, collected. */
export class OutputStream implements Descriptor {
  readonly filetype = FILETYPE_CHARACTER;
  nonblocking = false;
  /** In one piece: programs may write byte by byte. */
  private bytes = new Uint8Array(1024);
  /** Bytes so far. */
  length = 0;

  read(): Attempt { return never(Errno.EBADF); }
  write(from: Uint8Array[]): Attempt {
    return () => {
      const n = from.reduce((sum, b) => sum + b.length, 0);
      if (this.length + n > OUTPUT_MAX) return -ENOSPC;
      this.makeRoom(this.length + n);
      for (const b of from) {
        this.bytes.set(b, this.length);
        this.length += b.length;
      }
      return n;
    };
  }
  poll(): number { return Poll.OUT; }
  close(): void { /* What was written stays. */ }

  get text(): string { return new TextDecoder().decode(this.bytes.subarray(0, this.length)); }

  private makeRoom(length: number): void {
    if (length <= this.bytes.length) return;
    const larger = new Uint8Array(Math.min(2 * length, OUTPUT_MAX));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}
