// The native addon (nuse.node) as TypeScript sees it. Only the threads, posix and cli parts of the host load it.
// Results of the data path are counts or -errno; calls that open something throw an Error with `code`.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { NativeVifs } from './vif.js';

/** epoll_ctl operations and epoll events. */
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLET = 0x80000000 | 0;

export interface Native extends NativeVifs, NativeRecords {
  /** Give the addon a core's whole linear memory, for use on this thread; a handle. */
  attachMemory(bytes: Uint8Array): number;
  /** Close the vifs and waiters over it first. */
  detachMemory(memory: number): number;

  /** Write HDR_NOW; the monotonic time in ns. */
  clock(memory: number): number;
  /** Write HDR_WALL_OFFSET from the host's clocks. */
  wallOffset(memory: number): number;
  /** ns of slack the kernel may add to this thread's timers (50 000 unless set). */
  timerSlack(ns: number): number;
  eventfdCreate(): number;
  /** Any thread may call it. */
  eventfdSignal(fd: number): number;
  /** The counter, reset; 0 when it was 0. */
  eventfdDrain(fd: number): number;
  closeFd(fd: number): number;
  /** A non-blocking ICMP socket (SOCK_DGRAM) connected to this address; or -errno. */
  pingOpen(address: string): number;

  /** A waiter over a memory; `ready` receives pairs (id, events), at most 512. */
  epollCreate(memory: number, ready: Uint32Array): number;
  epollCtl(waiter: number, op: number, fd: number, events: number, id: number): number;
  /** Sleep on this descriptor of the waiter also directly, not only by epoll: what wakes it can choose the processor. -ENOSPC after the fourth. */
  waiterDirect(waiter: number, fd: number, on: number): number;
  epollClose(waiter: number): number;
  /** Have libuv's loop, which this thread then must run, call back whenever wait() would find something. Ends with epollClose. */
  waiterWatch(waiter: number, callback: () => void): number;
  /** The watched waiter calls at the earlier of `until` (ns) and HDR_DEADLINE, or before. */
  waiterArm(waiter: number, until: number): number;
  /**
   * Sleep until an fd is ready, `until` (ns, Infinity = never) or HDR_DEADLINE, but at most `cap` ns, polling for the
   * first `spin` µs. Writes HDR_NOW. Pairs in `ready`; 0 also after a signal.
   */
  wait(waiter: number, until: number, cap: number, spin: number): number;
}

/** The part of the addon that writes record files (host/debug/record_format.ts). */
export interface NativeRecords {
  /** A recorder's arrays over an attached memory, and the file, which is mapped into memory; a handle. */
  recordOpen(memory: number, fd: number, block: Uint8Array, staged: Uint8Array, regions: Uint32Array): number;
  /** Begin a segment at the file's first byte: its bytes or -errno. */
  recordBegin(record: number, header: Uint8Array): number;
  /** Append a block with its checks: its bytes or -errno. */
  recordBlock(record: number, length: number, staged: number, regions: number): number;
  /** Forget it, the file cut to what has been written; 0 or -errno. */
  recordClose(record: number): number;
  /** Which pages of `size` bytes of an attached memory are not all zero: out[page] becomes 1, else 0. 0 or -errno. */
  memoryPages(memory: number, size: number, out: Uint8Array): number;
}

/** The addon is missing: it was not built. */
export class NativeMissing extends Error {
  readonly code = 'ERR_NUSE_NATIVE_MISSING';
}

let loaded: Native | undefined;

/** Load io-backends/native/build/Release/nuse.node of this package. Throws NativeMissing. */
export function loadNative(): Native {
  if (loaded) return loaded;
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json')) && dir !== dirname(dir)) dir = dirname(dir);
  const file = join(dir, 'io-backends/native/build/Release/nuse.node');
  if (!existsSync(file)) throw new NativeMissing(`${file} is missing: run \`node scripts/native.mjs\` in ${dir}`);
  loaded = createRequire(import.meta.url)(file) as Native;
  return loaded;
}
