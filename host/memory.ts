// Views on a core's linear memory. The memory never grows after instantiation, so the views stay valid.

export class CoreMemory {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;

  constructor(readonly memory: WebAssembly.Memory) {
    this.u8 = new Uint8Array(memory.buffer);
    this.u16 = new Uint16Array(memory.buffer);
    this.u32 = new Uint32Array(memory.buffer);
    this.u64 = new BigUint64Array(memory.buffer);
    this.view = new DataView(memory.buffer);
  }

  /** Write a time or duration in ns, given as a number (exact below 2^53), as a u64 at byte offset p (a multiple of 4). */
  putNs(p: number, ns: number): void {
    this.u32[p >>> 2] = ns >>> 0;
    this.u32[(p >>> 2) + 1] = Math.floor(ns / 4294967296);
  }
  /** Read a u64 in ns; Infinity for 2^64-1. */
  getNs(p: number): number {
    const lo = this.u32[p >>> 2], hi = this.u32[(p >>> 2) + 1];
    return lo === 0xffffffff && hi === 0xffffffff ? Infinity : hi * 4294967296 + lo;
  }
  /** The bytes [p, p+n): a view, valid until the next call into the core. */
  bytes(p: number, n: number): Uint8Array {
    return this.u8.subarray(p, p + n);
  }
  /** NUL-terminated ASCII at p. */
  cstring(p: number, max = 64): string {
    let s = '';
    for (let i = p; i < p + max && this.u8[i]; i++) s += String.fromCharCode(this.u8[i]);
    return s;
  }
  putCstring(p: number, text: string, size: number): void {
    this.u8.fill(0, p, p + size);
    for (let i = 0; i < text.length && i < size - 1; i++) this.u8[p + i] = text.charCodeAt(i);
  }
  /** UTF-16 string object of AssemblyScript at p (length in bytes 4 bytes before it). */
  asString(p: number): string {
    if (!p) return '';
    const n = this.u32[(p - 4) >>> 2] >>> 1;
    let s = '';
    for (let i = 0; i < n && i < 512; i++) s += String.fromCharCode(this.u16[(p >>> 1) + i]);
    return s;
  }
}
