// The linear memory of a WASI program as its host sees it: every access is checked, for the addresses are the program's.
import { Errno } from '../../abi/constants.js';

/** A call fails with this errno of Linux. */
export class CallError extends Error {
  constructor(readonly errno: number) { super(`errno ${errno}`); }
}

const utf8 = new TextDecoder();

export class GuestMemory {
  private u8 = new Uint8Array(0);
  private data = new DataView(this.u8.buffer);

  constructor(private readonly memory: () => WebAssembly.Memory) {}

  /** The bytes [p, p + n): a view, valid until the program runs on. Throws EFAULT. */
  bytes(p: number, n: number): Uint8Array {
    this.refresh();
    const from = p >>> 0, length = n >>> 0;
    if (from + length > this.u8.length) throw new CallError(Errno.EFAULT);
    return this.u8.subarray(from, from + length);
  }
  text(p: number, n: number): string { return utf8.decode(this.bytes(p, n)); }
  u16(p: number): number { return this.at(p, 2).getUint16(p >>> 0, true); }
  u32(p: number): number { return this.at(p, 4).getUint32(p >>> 0, true); }
  i32(p: number): number { return this.at(p, 4).getInt32(p >>> 0, true); }
  u64(p: number): bigint { return this.at(p, 8).getBigUint64(p >>> 0, true); }
  putU8(p: number, value: number): void { this.at(p, 1).setUint8(p >>> 0, value); }
  putU16(p: number, value: number): void { this.at(p, 2).setUint16(p >>> 0, value, true); }
  putU32(p: number, value: number): void { this.at(p, 4).setUint32(p >>> 0, value, true); }
  putU64(p: number, value: bigint): void { this.at(p, 8).setBigUint64(p >>> 0, value, true); }
  put(p: number, bytes: Uint8Array): void { this.bytes(p, bytes.length).set(bytes); }
  /** The buffers of a struct iovec array. */
  vectors(p: number, count: number): Uint8Array[] {
    return Array.from({ length: Math.min(count >>> 0, IOVECS_MAX) }, (_, i) => this.bytes(this.u32(p + 8 * i), this.u32(p + 8 * i + 4)));
  }

  private at(p: number, n: number): DataView {
    this.bytes(p, n);
    return this.data;
  }
  /** The memory may have grown: views on what it was are empty. */
  private refresh(): void {
    const { buffer } = this.memory();
    if (this.u8.buffer === buffer) return;
    this.u8 = new Uint8Array(buffer);
    this.data = new DataView(buffer);
  }
}
/** As Linux's UIO_MAXIOV. */
const IOVECS_MAX = 1024;
