// A socket of a WASI program: Linux's calls on the node's core, which never wait, made into attempts, which do. Results are >= 0 or -errno.
import {
  ARG, DATA, DATA_SIZE, Errno, IOV, MSG_CONTROL, MSG_CONTROLLEN, MSG_DATA, MSG_DATALEN, MSG_FLAGS, MSG_NAME, MSG_NAMELEN, Poll,
} from '../../abi/constants.js';
import type { CoreExports } from '../../abi/exports.js';
import type { CoreSockets } from '../../sockets/core_sockets.js';
import { MSG_DONTWAIT, MSG_MORE, SOCK_STREAM } from '../../sockets/linux.js';
import type { Attempt } from './coroutine.js';
import { FILETYPE_DGRAM, FILETYPE_STREAM, type Descriptor } from './descriptor.js';

const MSG_PEEK = 2, MSG_WAITALL = 0x100;
/** Bytes offered by one look at a queue. */
const CHUNK = 256 * 1024;
/** The message record, and the name beside it, inside ARG; bytes of a name. */
const RECORD = ARG + 0x400, NAME = ARG + 0x480, NAME_BYTES = 128;

/** What a socket needs of its process. */
export interface Waiter {
  /** Something has changed: what waits may look again. */
  wake(): void;
  /** The same at that time, ns. */
  wakeAt(time: number): void;
  /** ns of the run. */
  readonly now: number;
}

export class GuestSocket implements Descriptor {
  readonly filetype: number;
  /** ns a call waits at most: SO_RCVTIMEO, SO_SNDTIMEO. */
  receiveTimeout = Infinity;
  sendTimeout = Infinity;
  private lost = false;

  constructor(private readonly net: CoreSockets, readonly handle: number, private readonly type: number, private readonly waiter: Waiter, public nonblocking = false) {
    this.filetype = type === SOCK_STREAM ? FILETYPE_STREAM : FILETYPE_DGRAM;
    net.add(handle, this);
  }
  /** socket(2): the socket, or -errno. */
  static open(net: CoreSockets, family: number, type: number, protocol: number, waiter: Waiter, nonblocking: boolean): GuestSocket | number {
    const r = net.enter('socket').sys_socket(family, type, protocol);
    return r < 0 ? r : new GuestSocket(net, r, type, waiter, nonblocking);
  }

  // ---- what the core tells ----
  event(): void { this.waiter.wake(); }
  abort(): void { this.net.exports.sys_close(this.handle); }
  fail(): void {
    this.lost = true;
    this.waiter.wake();
  }

  // ---- calls that never wait ----
  bind(address: Uint8Array): number { return this.withAddress(address, (x, length) => x.sys_bind(this.handle, ARG, length)); }
  listen(backlog: number): number { return this.call((x) => x.sys_listen(this.handle, backlog)); }
  shutdown(how: number): number { return this.act((x) => x.sys_shutdown(this.handle, how)); }
  setOption(level: number, name: number, value: Uint8Array): number {
    return this.withAddress(value, (x, length) => x.sys_setsockopt(this.handle, level, name, ARG, length));
  }
  /** The bytes, at most `room`, or -errno. */
  getOption(level: number, name: number, room: number): Uint8Array | number {
    return this.bytesAt(this.call((x) => x.sys_getsockopt(this.handle, level, name, ARG, Math.min(room, RECORD - ARG))));
  }
  /** The socket's address or its peer's, or -errno. */
  name(peer: boolean): Uint8Array | number {
    return this.bytesAt(this.call((x) => (peer ? x.sys_getpeername(this.handle, ARG) : x.sys_getsockname(this.handle, ARG))));
  }
  poll(): number { return this.lost ? Poll.ERR | Poll.HUP : this.call((x) => x.sys_poll(this.handle)); }
  close(): void {
    if (this.lost) return;
    this.net.enter('close').sys_close(this.handle);
    this.net.remove(this.handle);
    this.net.driver.requestPoll();
  }

  // ---- calls that may wait ----
  connect(address: Uint8Array): Attempt {
    const to = address.slice();
    const call = (): number => this.withAddress(to, (x, length) => x.sys_connect(this.handle, ARG, length));
    let begun = false;
    return this.limited(this.nonblocking, this.sendTimeout, -Errno.EINPROGRESS, () => {
      if (!begun) {
        begun = true;
        const r = call();
        if (r !== -Errno.EINPROGRESS || this.nonblocking) return r;
      }
      const ready = this.poll();
      if (ready & (Poll.ERR | Poll.HUP)) return -(this.net.takeError(this.handle) || Errno.ECONNABORTED);
      // Called again it takes note of the outcome, as on Linux: the next one is EISCONN.
      return ready & Poll.OUT ? call() : undefined;
    });
  }

  /** The new connection goes to `take`, which gives the result. */
  accept(take: (socket: GuestSocket) => number, nonblocking: boolean): Attempt {
    return this.limited(this.nonblocking, this.receiveTimeout, -Errno.EAGAIN, () => {
      const r = this.call((x) => x.sys_accept(this.handle));
      if (r < 0) return r === -Errno.EAGAIN ? undefined : r;
      return take(new GuestSocket(this.net, r, SOCK_STREAM, this.waiter, nonblocking));
    });
  }

  read(into: Uint8Array[]): Attempt { return this.receive(into, 0); }
  write(from: Uint8Array[]): Attempt { return this.send(from, 0); }

  /** `named`: is given the sender's address. */
  receive(into: Uint8Array[], flags: number, named?: (address: Uint8Array) => void): Attempt {
    const once = this.nonblocking || (flags & MSG_DONTWAIT) !== 0, total = into.reduce((n, b) => n + b.length, 0);
    if (this.type !== SOCK_STREAM) return this.limited(once, this.receiveTimeout, -Errno.EAGAIN, () => this.receiveMessage(into, flags, named));
    let got = 0;
    return this.limited(once, this.receiveTimeout, () => got || -Errno.EAGAIN, () => {
      if (total === 0) return 0;
      const n = this.receiveStream(skip(into, got), (flags & MSG_PEEK) !== 0);
      if (n === undefined || n < 0) return got && !(flags & MSG_WAITALL && n === undefined) ? got : n;
      got += n;
      return n === 0 || got === total || !(flags & MSG_WAITALL) || flags & MSG_PEEK ? got : undefined;
    });
  }
  private receiveStream(into: Uint8Array[], peek: boolean): number | undefined {
    const { mem } = this.net;
    let n = 0;
    for (const buffer of into) {
      for (let at = 0; at < buffer.length;) {
        if (n && this.failed) return n;
        const count = this.call((x) => x.sys_rx_peek(this.handle, Math.min(buffer.length - at, CHUNK)));
        if (count < 0) return n || count;
        if (count === 0) return n || (this.poll() & Poll.RDHUP ? 0 : undefined);
        let taken = 0;
        for (let i = 0; i < count; i++) {
          const piece = mem.bytes(mem.u32[(IOV >>> 2) + 2 * i], mem.u32[(IOV >>> 2) + 2 * i + 1]);
          buffer.set(piece, at + taken);
          taken += piece.length;
        }
        at += taken;
        n += taken;
        if (peek) return n;
        this.act((x) => x.sys_rx_consume(this.handle, taken));
      }
    }
    return n;
  }
  private receiveMessage(into: Uint8Array[], flags: number, named?: (address: Uint8Array) => void): number | undefined {
    const { mem } = this.net, room = Math.min(into.reduce((n, b) => n + b.length, 0), DATA_SIZE);
    this.record(NAME_BYTES, room);
    const r = this.call((x) => x.sys_recvmsg(this.handle, RECORD, flags | MSG_DONTWAIT));
    if (r < 0) return r === -Errno.EAGAIN ? undefined : r;
    let at = 0;
    for (const buffer of into) {
      const piece = mem.bytes(DATA + at, Math.max(0, Math.min(buffer.length, Math.min(r, room) - at)));
      buffer.set(piece);
      at += piece.length;
    }
    named?.(mem.u8.slice(NAME, NAME + mem.u32[(RECORD + MSG_NAMELEN) >>> 2]));
    return r;
  }

  send(from: Uint8Array[], flags: number, address?: Uint8Array): Attempt {
    const once = this.nonblocking || (flags & MSG_DONTWAIT) !== 0, total = from.reduce((n, b) => n + b.length, 0), to = address?.slice();
    if (this.type !== SOCK_STREAM) return this.limited(once, this.sendTimeout, -Errno.EAGAIN, () => this.sendMessage(from, flags, to));
    let sent = 0;
    return this.limited(once, this.sendTimeout, () => sent || -Errno.EAGAIN, () => {
      for (const piece of skip(from, sent)) {
        if (sent && this.failed) return sent;
        const n = this.put(piece, (flags & MSG_MORE) !== 0);
        if (n < 0) return sent || n;
        sent += n;
        if (n < piece.length) return undefined;
      }
      return total;
    });
  }
  /** Queue stream bytes: how many were taken. */
  private put(bytes: Uint8Array, more: boolean): number {
    const { mem } = this.net;
    let done = 0;
    while (done < bytes.length && !(done && this.failed)) {
      const count = this.call((x) => x.sys_tx_reserve(this.handle, Math.min(bytes.length - done, CHUNK)));
      if (count < 0) return done || count;
      if (count === 0) break;
      let room = 0;
      for (let i = 0; i < count; i++) {
        const at = mem.u32[(IOV >>> 2) + 2 * i], length = mem.u32[(IOV >>> 2) + 2 * i + 1];
        mem.u8.set(bytes.subarray(done + room, done + room + length), at);
        room += length;
      }
      const n = this.act((x) => x.sys_tx_commit(this.handle, room, more || done + room < bytes.length ? MSG_MORE : 0));
      if (n < 0) return done || n;
      done += n;
    }
    return done;
  }
  private sendMessage(from: Uint8Array[], flags: number, address: Uint8Array | undefined): number | undefined {
    const { mem } = this.net;
    if (address && address.length > NAME_BYTES) return -Errno.EINVAL;
    let length = 0;
    for (const b of from) {
      if (length + b.length > DATA_SIZE) return -Errno.EMSGSIZE;
      mem.u8.set(b, DATA + length);
      length += b.length;
    }
    if (address) mem.u8.set(address, NAME);
    this.record(address?.length ?? 0, length);
    const r = this.act((x) => x.sys_sendmsg(this.handle, RECORD, flags | MSG_DONTWAIT));
    return r === -Errno.EAGAIN ? undefined : r;
  }

  // ---- below ----
  /** An error waits. The call after one that has moved bytes tells it, and taking it would lose it. */
  private get failed(): boolean { return (this.poll() & Poll.ERR) !== 0; }
  /** An attempt with an end: at once (-EAGAIN) when it must not wait, or after a while. */
  private limited(once: boolean, timeout: number, late: number | (() => number), attempt: Attempt): Attempt {
    const { waiter } = this, deadline = waiter.now + timeout, after = typeof late === 'function' ? late : () => late;
    return () => {
      const r = this.lost ? -Errno.ECONNRESET : attempt();
      if (r !== undefined) return r;
      if (once || waiter.now >= deadline) return after();
      if (deadline < Infinity) waiter.wakeAt(deadline);
      return undefined;
    };
  }
  private call(fn: (x: CoreExports) => number): number { return fn(this.net.enter('socket')); }
  /** A call after which the core may have something to send. */
  private act(fn: (x: CoreExports) => number): number {
    const r = this.call(fn);
    this.net.driver.requestPoll();
    return r;
  }
  /** A call on bytes that are put at ARG. */
  private withAddress(bytes: Uint8Array, fn: (x: CoreExports, length: number) => number): number {
    if (bytes.length > RECORD - ARG) return -Errno.EINVAL;
    this.net.mem.u8.set(bytes, ARG);
    return this.act((x) => fn(x, bytes.length));
  }
  private bytesAt(length: number): Uint8Array | number { return length < 0 ? length : this.net.mem.u8.slice(ARG, ARG + length); }
  private record(nameLength: number, length: number): void {
    const { u32 } = this.net.mem;
    u32[(RECORD + MSG_NAME) >>> 2] = nameLength ? NAME : 0;
    u32[(RECORD + MSG_NAMELEN) >>> 2] = nameLength;
    u32[(RECORD + MSG_DATA) >>> 2] = DATA;
    u32[(RECORD + MSG_DATALEN) >>> 2] = length;
    u32[(RECORD + MSG_CONTROL) >>> 2] = 0;
    u32[(RECORD + MSG_CONTROLLEN) >>> 2] = 0;
    u32[(RECORD + MSG_FLAGS) >>> 2] = 0;
  }
}

/** The buffers without their first `n` bytes. */
function skip(buffers: Uint8Array[], n: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (const b of buffers) {
    const gone = Math.min(n, b.length);
    n -= gone;
    if (gone < b.length) out.push(b.subarray(gone));
  }
  return out;
}
