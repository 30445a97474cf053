// What all sockets of a core share: the handle, names, options, closing.
import { ARG, ARG_SIZE, Errno } from '../abi/constants.js';
import { endpoint, type Endpoint, type IpFamily, type SocketAddress } from './address.js';
import type { CoreSockets } from './core_sockets.js';
import type { AnySocket } from './endpoints.js';
import { SocketError, check } from './error.js';

/** Longest option value. */
const OPTION_MAX = ARG_SIZE / 2;

export abstract class CoreSocket implements AnySocket {
  onerror?: (error: SocketError) => void;
  /** No handle any more. */
  protected closed = false;

  constructor(protected readonly sockets: CoreSockets, protected readonly handle: number, protected readonly family: IpFamily) {
    sockets.add(handle, this);
  }

  abstract event(mask: number): void;

  get local(): SocketAddress | undefined {
    return this.closed ? undefined : this.sockets.nameAt(this.sockets.exports.sys_getsockname(this.handle, ARG));
  }

  setOption(level: number, name: number, value: number | Uint8Array): void {
    const x = this.enter('setsockopt'), { mem } = this.sockets;
    const length = typeof value === 'number' ? 4 : value.length;
    if (length > OPTION_MAX) throw new SocketError(Errno.EINVAL, 'setsockopt');
    if (typeof value === 'number') mem.view.setInt32(ARG, value, true);
    else mem.u8.set(value, ARG);
    check(x.sys_setsockopt(this.handle, level, name, ARG, length), 'setsockopt');
    this.sockets.driver.requestPoll();
  }
  getOption(level: number, name: number, room = 4): Uint8Array {
    const x = this.enter('getsockopt'), n = Math.min(room, OPTION_MAX);
    return this.sockets.mem.u8.slice(ARG, ARG + check(x.sys_getsockopt(this.handle, level, name, ARG, n), 'getsockopt'));
  }

  close(): void {
    if (this.closed) return;
    this.sockets.driver.stamp();
    this.forget();
    this.sockets.exports.sys_close(this.handle);
    this.sockets.driver.requestPoll();
  }

  /** Leave it to the core, without a word to the owner (see CoreSockets.abort). */
  abort(): void { this.sockets.exports.sys_close(this.handle); }
  /** The stack is gone. */
  fail(error: SocketError): void {
    this.closed = true;
    this.onerror?.(error);
  }

  /** The handle's calls, with the time set. */
  protected enter(syscall: string) {
    if (this.closed) throw new SocketError(Errno.EBADF, syscall);
    return this.sockets.enter(syscall);
  }
  protected bindTo(e: Endpoint, address: string): void {
    const x = this.enter('bind');
    check(x.sys_bind(this.handle, ARG, this.sockets.putAddress(this.family, e)), 'bind', { address, port: e.port });
  }
  protected parse(address: string, port: number): Endpoint {
    return endpoint(address, port, (name) => this.sockets.interfaceIndex(name));
  }
  /** Close because of an error, and tell it. */
  protected break(error: SocketError): void {
    if (this.closed) return;
    this.close();
    this.onerror?.(error);
  }
  private forget(): void {
    this.closed = true;
    this.sockets.remove(this.handle);
  }
}
