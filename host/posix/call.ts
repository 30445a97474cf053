// One notified system call: the record of the kernel, the task's memory, and the answer.
import type { PosixNative } from './native.js';
import { EINVAL, O_NONBLOCK } from './linux.js';

/** struct record of native/notify.c: struct seccomp_notif, and what its first argument means. */
const RECORD_SIZE = 88;
const PID = 8, NR = 16, ARGS = 32, INODE = 80;
const CONTINUE = 1;
/** Largest socket address, sizeof(struct sockaddr_storage). */
export const ADDRESS_MAX = 128;
/** struct msghdr and mmsghdr of a 64-bit task, bytes. */
export const MSGHDR_BYTES = 56, MMSGHDR_BYTES = 64;

export class Call {
  readonly record = new Uint8Array(RECORD_SIZE);
  private readonly view = new DataView(this.record.buffer);
  /** True from the moment an answer was tried. */
  answered = false;
  /** File status flags of the descriptor; -1 = not looked at. */
  private flags = -1;

  constructor(private readonly native: PosixNative, readonly notify: number) {}

  /** Receive the next call (posixNotifyReceive): its result. */
  receive(wait: number): number {
    this.answered = false;
    this.flags = -1;
    return this.native.posixNotifyReceive(this.notify, this.record, wait);
  }
  /** System call number. */
  get nr(): number { return this.view.getInt32(NR, true); }
  /** The calling thread. */
  get tid(): number { return this.view.getUint32(PID, true); }
  /** Inode of the socket that the first argument meant when the call was made; 0 = no socket, -errno. Not of socket(2). */
  get inode(): number { return this.view.getFloat64(INODE, true); }
  /** Whether that descriptor had O_NONBLOCK when this was first asked. */
  get nonblock(): boolean {
    if (this.flags < 0) this.flags = Math.max(0, this.native.posixTaskFlags(this.tid, this.int(0), this.inode));
    return (this.flags & O_NONBLOCK) !== 0;
  }
  /** Argument i as an int. */
  int(i: number): number { return this.view.getInt32(ARGS + 8 * i, true); }
  /** Argument i as an unsigned int. */
  uint(i: number): number { return this.view.getUint32(ARGS + 8 * i, true); }
  /** Argument i as a pointer or size; what is above 2^53 is no valid one and stays invalid. */
  long(i: number): number { return this.view.getUint32(ARGS + 8 * i, true) + this.view.getUint32(ARGS + 8 * i + 4, true) * 4294967296; }

  /** The task's bytes into `memory`; length or -EFAULT. */
  read(address: number, memory: Uint8Array, offset: number, length: number): number {
    return this.native.posixRead(this.tid, address, memory, offset, length);
  }
  write(address: number, memory: Uint8Array, offset: number, length: number): number {
    return this.native.posixWrite(this.tid, address, memory, offset, length);
  }
  /** What sendto sends: `length` bytes to `data`, nameLength bytes of name to `name`; 0, -EFAULT, or -EINTR when the call is no longer valid(). */
  collect(memory: Uint8Array, data: number, length: number, name: number, nameLength: number): number {
    return this.native.posixCollect(this.tid, memory, data, length, this.long(1), name, nameLength, this.long(4), this.notify, this.record);
  }
  /** What recvfrom stores: `length` bytes at `data`, and the name of nameLength bytes at `name`; 0 or -errno. */
  deliver(memory: Uint8Array, data: number, length: number, name: number, nameLength: number): number {
    return this.native.posixDeliver(this.tid, memory, data, length, this.long(1), name, nameLength, this.long(4), this.long(5));
  }
  /** `length` bytes at `at` to the task's address, and the length as an int; 0 or -EFAULT. */
  store(memory: Uint8Array, at: number, length: number, address: number, lengthAddress: number): number {
    return this.native.posixStore(this.tid, memory, at, length, address, lengthAddress);
  }
  /** Nobody else's memory was read or will be written: the call is still waiting. */
  valid(): boolean {
    return this.native.posixNotifyValid(this.notify, this.record) === 0;
  }
  /** Return `value`, or fail with -value when negative. False: the call had been interrupted, nothing reached the program. */
  answer(value: number): boolean {
    this.answered = true;
    return this.native.posixNotifyAnswer(this.notify, this.record, value < 0 ? 0 : value, value < 0 ? -value : 0, 0) === 0;
  }
  /** Let the kernel execute the call itself. */
  pass(): void {
    this.answered = true;
    this.native.posixNotifyAnswer(this.notify, this.record, 0, 0, CONTINUE);
  }
  /** Return a copy of `fd`; its number there, or -errno (nothing given, the call may still wait). */
  giveFd(fd: number, cloexec: boolean): number {
    const number = this.native.posixNotifyGiveFd(this.notify, this.record, fd, cloexec ? 1 : 0);
    if (number >= 0) this.answered = true;
    return number;
  }
  /** The socket address (argument i, length in argument i + 1) to memory at `at` (ADDRESS_MAX bytes of room); its length or -errno. */
  readAddress(i: number, memory: Uint8Array, at: number): number {
    const length = this.int(i + 1);
    if (length < 0 || length > ADDRESS_MAX) return -EINVAL;
    return this.read(this.long(i), memory, at, length);
  }
  /** Store an address for (sockaddr *, socklen_t *) results: cut to the room, with its full length; 0 or -errno. */
  writeAddress(address: number, lengthAddress: number, memory: Uint8Array, at: number, length: number): number {
    return address ? this.native.posixDeliver(this.tid, memory, at, 0, 0, at, length, address, lengthAddress) : 0;
  }
}

/** Small values on their way to or from a task. */
export const SCRATCH = new Uint8Array(64);
