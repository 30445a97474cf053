// TCP over a core in this thread: connections and listeners.
import { ARG, Errno, IOV, Poll } from '../abi/constants.js';
import type { IpFamily, SocketAddress } from './address.js';
import { CoreSocket } from './core_socket.js';
import type { CoreSockets } from './core_sockets.js';
import type { ListenSocket, StreamSocket } from './endpoints.js';
import { SocketError, check } from './error.js';
import { MSG_MORE, SHUT_WR, SOL_SOCKET, SO_LINGER } from './linux.js';

/** Bytes offered by one look at the receive queue, and reserved by one look at the send queue. */
const CHUNK = 256 * 1024;
/** struct linger {1, 0}: close with a reset. */
const ABORT = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

const enum State { FRESH, CONNECTING, OPEN }

export class CoreStream extends CoreSocket implements StreamSocket {
  onopen?: () => void;
  onreadable?: () => void;
  onend?: () => void;
  onwritable?: () => void;
  ended = false;
  private peer?: { address: string; port: number };
  /** The pieces of a read under way: other sockets may use IOV meanwhile. */
  private readonly pieces: number[] = [];

  constructor(sockets: CoreSockets, handle: number, family: IpFamily, private state = State.FRESH) {
    super(sockets, handle, family);
  }
  /** A connection that a listener has accepted. */
  static accepted(sockets: CoreSockets, handle: number, family: IpFamily): CoreStream {
    return new CoreStream(sockets, handle, family, State.OPEN);
  }

  get remote(): SocketAddress | undefined {
    return this.closed ? undefined : this.sockets.nameAt(this.sockets.exports.sys_getpeername(this.handle, ARG));
  }

  bind(address: string, port: number): void { this.bindTo(this.parse(address, port), address); }

  connect(address: string, port: number): void {
    const to = this.parse(address, port), x = this.enter('connect');
    this.peer = { address, port };
    const r = x.sys_connect(this.handle, ARG, this.sockets.putAddress(this.family, to));
    if (r < 0 && r !== -Errno.EINPROGRESS) throw new SocketError(-r, 'connect', this.peer);
    // Also over the loopback interface, where it is established by now: onopen comes with the event.
    this.state = State.CONNECTING;
    this.sockets.driver.requestPoll();
  }

  event(mask: number): void {
    if (this.state === State.CONNECTING) this.progress();
    else if (this.state === State.OPEN) {
      if (mask & (Poll.IN | Poll.RDHUP | Poll.HUP | Poll.ERR | Poll.PRI)) this.onreadable?.();
      if (!this.closed && mask & (Poll.OUT | Poll.ERR)) this.onwritable?.();
    }
  }
  private progress(): void {
    const ready = this.sockets.exports.sys_poll(this.handle);
    if (ready & (Poll.ERR | Poll.HUP)) {
      this.break(new SocketError(this.sockets.takeError(this.handle) || Errno.ECONNABORTED, 'connect', this.peer));
    } else if (ready & Poll.OUT) {
      this.state = State.OPEN;
      this.onopen?.();
      if (!this.closed && ready & (Poll.IN | Poll.RDHUP)) this.onreadable?.();
    }
  }

  read(take: (piece: Uint8Array) => number | void, most = Infinity): number {
    if (this.closed || this.state !== State.OPEN || this.ended) return 0;
    let total = 0;
    const { driver } = this.sockets;
    driver.stamp();
    while (total < most && !this.closed) {
      const n = this.readOnce(take, Math.min(most - total, CHUNK));
      if (n < 0) {
        total -= n;
        break;
      }
      if (n === 0) break;
      total += n;
    }
    if (total) driver.requestPoll();
    return total;
  }
  /** One look at the queue: bytes taken; 0 when there was nothing, or the bytes taken as a negative number when that was not all. */
  private readOnce(take: (piece: Uint8Array) => number | void, most: number): number {
    const { exports: x, mem } = this.sockets, { pieces } = this;
    const count = x.sys_rx_peek(this.handle, most);
    if (count <= 0) {
      this.nothingToRead(count);
      return 0;
    }
    for (let i = 0; i < 2 * count; i++) pieces[i] = mem.u32[(IOV >>> 2) + i];
    let taken = 0, partly = false;
    for (let i = 0; i < count && !partly && !this.closed; i++) {
      const length = pieces[2 * i + 1], view = mem.bytes(pieces[2 * i], length);
      const n = take(view) ?? length;
      taken += n;
      partly = n < length;
    }
    if (this.closed) return -taken;
    x.sys_rx_consume(this.handle, taken);
    return partly ? -taken : taken;
  }
  private nothingToRead(result: number): void {
    if (result < 0) this.break(new SocketError(-result, 'read'));
    else if (this.sockets.exports.sys_poll(this.handle) & Poll.RDHUP) {
      this.ended = true;
      this.onend?.();
    }
  }

  write(bytes: Uint8Array, more = false): number {
    if (this.state !== State.OPEN) return 0;
    const x = this.enter('write'), { mem } = this.sockets;
    let done = 0;
    // Until there is no room, not less: that is what makes the core tell of room later.
    while (done < bytes.length) {
      const count = x.sys_tx_reserve(this.handle, Math.min(bytes.length - done, CHUNK));
      if (count < 0) throw this.broken(-count);
      if (count === 0) break;
      let room = 0;
      for (let i = 0; i < count; i++) {
        const at = mem.u32[(IOV >>> 2) + 2 * i], length = mem.u32[(IOV >>> 2) + 2 * i + 1];
        mem.u8.set(bytes.subarray(done + room, done + room + length), at);
        room += length;
      }
      const n = x.sys_tx_commit(this.handle, room, more || done + room < bytes.length ? MSG_MORE : 0);
      if (n < 0) throw this.broken(-n);
      done += n;
    }
    if (done) this.sockets.driver.requestPoll();
    return done;
  }

  /**
   * As write, for whoever stores the bytes natively: `put` is told how many pieces of room (address, length) stand at IOV, `most` bytes
   * at most, and returns how many bytes it stored. The bytes queued; 0 when there was no room, and onwritable follows.
   */
  fill(most: number, put: (pieces: number) => number): number {
    if (this.state !== State.OPEN) return 0;
    const x = this.enter('write'), count = x.sys_tx_reserve(this.handle, most);
    if (count < 0) throw this.broken(-count);
    if (count === 0) return 0;
    const n = x.sys_tx_commit(this.handle, Math.max(put(count), 0), 0);
    if (n < 0) throw this.broken(-n);
    if (n) this.sockets.driver.requestPoll();
    return n;
  }
  /** As one step of read, for whoever fetches the bytes natively: `take` is told how many pieces stand at IOV and returns how many bytes it took. */
  drain(most: number, take: (pieces: number) => number): number {
    if (this.closed || this.state !== State.OPEN || this.ended) return 0;
    const x = this.enter('read'), count = x.sys_rx_peek(this.handle, most);
    if (count <= 0) {
      this.nothingToRead(count);
      return 0;
    }
    const n = Math.max(take(count), 0);
    if (!n) return 0;
    x.sys_rx_consume(this.handle, n);
    this.sockets.driver.requestPoll();
    return n;
  }
  /** A call has told the connection's error, which is gone with that: the socket is closed, and the caller's catch is the last to hear of it. */
  private broken(errno: number): SocketError {
    this.close();
    return new SocketError(errno, 'write');
  }

  shutdown(): void {
    // Not connected any more: there is nobody to tell.
    const r = this.enter('shutdown').sys_shutdown(this.handle, SHUT_WR);
    if (r < 0 && r !== -Errno.ENOTCONN) throw new SocketError(-r, 'shutdown');
    this.sockets.driver.requestPoll();
  }
  reset(): void {
    if (this.closed) return;
    this.setOption(SOL_SOCKET, SO_LINGER, ABORT);
    this.close();
  }
  override abort(): void {
    this.setOption(SOL_SOCKET, SO_LINGER, ABORT);
    super.abort();
  }
}

export class CoreListener extends CoreSocket implements ListenSocket {
  onconnection?: () => void;

  listen(address: string, port: number, backlog = 511): void {
    this.bindTo(this.parse(address, port), address);
    check(this.enter('listen').sys_listen(this.handle, backlog), 'listen', { address, port });
  }
  accept(): CoreStream | undefined {
    const r = this.enter('accept').sys_accept(this.handle);
    if (r === -Errno.EAGAIN) return undefined;
    return CoreStream.accepted(this.sockets, check(r, 'accept'), this.family);
  }
  event(mask: number): void {
    if (mask & Poll.IN) this.onconnection?.();
  }
}
