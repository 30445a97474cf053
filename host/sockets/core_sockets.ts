// Sockets of a core in this thread, driven by events: nothing here waits, allocates per byte, or knows a clock. Browser-safe.
//
//   const sockets = new CoreSockets(core, driver);            // driver: a Loop of host/threads, a LocalRunner, or your own
//   ...and socketEvent of the stack's hooks calls sockets.event(handle, mask)
//   const s = sockets.stream(4);
//   s.onopen = () => s.write(bytes);                          // takes what fits: go on in onwritable
//   s.onreadable = () => s.read((piece) => sum.update(piece)); // views on linear memory, valid within the call
//   s.onend = () => s.shutdown();
//   s.onerror = (e) => log(e.code);                           // last callback: ECONNREFUSED, ECONNRESET, ETIMEDOUT ...
//   s.connect('192.0.2.1', 80);
//
// Callbacks run inside the driver's turn; they may call any socket. See endpoints.ts for what each call promises.
import { ARG } from '../abi/constants.js';
import type { CoreExports } from '../abi/exports.js';
import type { Core } from '../core.js';
import type { CoreMemory } from '../memory.js';
import { readSockaddr, writeSockaddr, type Endpoint, type IpFamily, type SocketAddress } from './address.js';
import { CoreDatagram } from './core_datagram.js';
import { CoreListener, CoreStream } from './core_stream.js';
import type { SocketProvider } from './endpoints.js';
import { check, stackGone, type SocketError } from './error.js';
import { AF_INET, AF_INET6, SIOCGIFINDEX, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_ERROR } from './linux.js';

/** Whoever turns the core. */
export interface SocketDriver {
  /** Write the monotonic time to HDR_NOW: before each group of calls into the core. */
  stamp(): void;
  /** The core wants to be polled: it has something to send, or to free. */
  requestPoll(): void;
}

/** What the core tells a socket. */
interface Listener {
  event(mask: number): void;
  /** The stack is about to end: let the core close, with a reset. */
  abort(): void;
  /** The stack is gone: forget the handle and say so. */
  fail(error: SocketError): void;
}

const IFREQ_BYTES = 40, IFNAMSIZ = 16;

export class CoreSockets implements SocketProvider {
  readonly exports: CoreExports;
  readonly mem: CoreMemory;
  private readonly byHandle = new Map<number, Listener>();
  private gone = false;

  constructor(core: Core, readonly driver: SocketDriver) {
    this.exports = core.exports;
    this.mem = core.mem;
  }

  stream(family: IpFamily): CoreStream { return new CoreStream(this, this.open(family, SOCK_STREAM, 0), family); }
  listener(family: IpFamily): CoreListener { return new CoreListener(this, this.open(family, SOCK_STREAM, 0), family); }
  datagram(family: IpFamily, type = SOCK_DGRAM, protocol = 0): CoreDatagram {
    return new CoreDatagram(this, this.open(family, type, protocol), family);
  }

  /** Readiness from the stack's hooks; false when the socket is not one of these. */
  event(handle: number, mask: number): boolean {
    const s = this.byHandle.get(handle);
    s?.event(mask);
    return s !== undefined;
  }
  /** Sockets open. */
  get size(): number { return this.byHandle.size; }
  /** Their handles. */
  handles(): Iterable<number> { return this.byHandle.keys(); }

  /** Reset every connection: the stack is about to end, and end() follows. The caller has set the time. */
  abort(): void {
    for (const s of this.byHandle.values()) s.abort();
  }
  /** The stack has ended, or its core is dead: every socket fails with ECONNRESET, and no call reaches the core any more. */
  end(): void {
    this.gone = true;
    this.lost();
  }
  /** The core is a fresh one: every socket of before fails with ECONNRESET; new ones can be made. */
  lost(): void {
    const all = [...this.byHandle.values()];
    this.byHandle.clear();
    for (const s of all) s.fail(stackGone('read'));
  }

  /** Index of an interface of the stack; throws ENODEV. */
  interfaceIndex(name: string): number {
    const h = this.open(4, SOCK_DGRAM, 0);
    try {
      this.mem.u8.fill(0, ARG, ARG + IFREQ_BYTES);
      this.mem.putCstring(ARG, name, IFNAMSIZ);
      check(this.exports.sys_ioctl(h, SIOCGIFINDEX, ARG), 'ioctl');
      return this.mem.view.getInt32(ARG + IFNAMSIZ, true);
    } finally {
      this.exports.sys_close(h);
    }
  }

  // ---- for the sockets ----
  add(handle: number, s: Listener): void { this.byHandle.set(handle, s); }
  remove(handle: number): void { this.byHandle.delete(handle); }
  /** Before calls into the core; throws when it is gone. */
  enter(syscall: string): CoreExports {
    if (this.gone) throw stackGone(syscall);
    this.driver.stamp();
    return this.exports;
  }
  /** Write an address at ARG; its length. */
  putAddress(family: IpFamily, e: Endpoint): number { return writeSockaddr(this.mem.view, ARG, family, e); }
  /** What sys_getsockname or sys_getpeername has written at ARG. */
  nameAt(length: number): SocketAddress | undefined { return length > 0 ? readSockaddr(this.mem.view, ARG, length) : undefined; }
  /** SO_ERROR, taken; 0 when there is none. */
  takeError(handle: number): number {
    const n = this.exports.sys_getsockopt(handle, SOL_SOCKET, SO_ERROR, ARG, 4);
    return n < 0 ? 0 : this.mem.view.getInt32(ARG, true);
  }

  private open(family: IpFamily, type: number, protocol: number): number {
    return check(this.enter('socket').sys_socket(family === 4 ? AF_INET : AF_INET6, type, protocol), 'socket');
  }
}
