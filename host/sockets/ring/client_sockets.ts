// Sockets of a channel on the application's side. The stack is trusted here (it has all the bytes anyway), but not with our memory:
// counts out of range end the socket.
import { Errno } from '../../abi/constants.js';
import { SOCKADDR_BYTES, endpoint, readSockaddr, writeSockaddr, type IpFamily, type SocketAddress } from '../address.js';
import type { AnySocket, Datagram, DatagramSocket, ListenSocket, StreamSocket } from '../endpoints.js';
import { SocketError } from '../error.js';
import { ascii, type RingClient } from './client.js';
import {
  APP_WANTS, CONTROL_MAX, DATAGRAM_MAX, ERROR, LOCAL_LENGTH, LOCAL_NAME, Op, RECORD_BYTES, RECORD_ERRNO, REMOTE_LENGTH, REMOTE_NAME, RX_HEAD, RX_TAIL, STACK_WANTS,
  STATE, SlotState, TO_APP, TX_END, TX_HEAD, TX_TAIL, recordBytes,
} from './layout.js';

/** Accepts under way for one listener: connections that come at once need no further round trip. */
const ACCEPTS = 8;
const NONE = new Uint8Array(0);

export abstract class RingSocket implements AnySocket {
  onerror?: (error: SocketError) => void;
  protected closed = false;

  constructor(protected readonly client: RingClient, readonly slot: number, protected readonly family: IpFamily) {}

  /** The stack has marked the slot. */
  abstract event(): void;

  get local(): SocketAddress | undefined { return this.name(LOCAL_LENGTH, LOCAL_NAME); }
  protected name(lengthWord: number, at: number): SocketAddress | undefined {
    if (this.closed) return undefined;
    const { channel } = this.client;
    return readSockaddr(channel.view, channel.byte(this.slot, at), Math.min(this.load(lengthWord), SOCKADDR_BYTES));
  }

  setOption(level: number, name: number, value: number | Uint8Array): void {
    const data = typeof value === 'number' ? new Uint8Array(Int32Array.of(value).buffer) : value;
    this.call('setsockopt', Op.SETSOCKOPT, [level, name], data);
  }
  getOption(level: number, name: number, room = 4): Uint8Array {
    this.call('getsockopt', Op.GETSOCKOPT, [level, name, room]);
    return this.client.resultBytes(this.slot);
  }
  close(): void { this.letGo(Op.CLOSE); }

  fail(error: SocketError): void {
    if (this.closed) return;
    this.closed = true;
    this.onerror?.(error);
  }

  /** A close need not wait for bytes to be taken by the connection. */
  protected get flushed(): boolean { return true; }
  protected letGo(op: Op): void {
    if (this.closed) return;
    this.closed = true;
    this.client.remove(this.slot, op === Op.RESET || this.flushed);
    this.client.post(this.slot, op, []);
  }
  /** End the socket with an error. */
  protected break(error: SocketError): void {
    if (this.closed) return;
    this.letGo(Op.RESET);
    this.onerror?.(error);
  }
  protected call(syscall: string, op: Op, args: readonly number[], data?: Uint8Array): number {
    if (this.closed) throw new SocketError(Errno.EBADF, syscall);
    return this.client.call(this.slot, syscall, op, args, data);
  }
  /** A call with an address; its errors name it. */
  protected callAt(syscall: string, op: Op, args: readonly number[], address: string, port: number): void {
    const [, zone] = address.split('%');
    endpoint(address, port, () => this.client.interfaceIndex(zone));
    try {
      this.call(syscall, op, args, ascii(`${address} ${port}`));
    } catch (error) {
      throw error instanceof SocketError ? new SocketError(-error.errno, syscall, { address, port }) : error;
    }
  }
  protected load(w: number): number { return Atomics.load(this.client.channel.i32, this.client.channel.word(this.slot, w)); }
  protected store(w: number, value: number): void { Atomics.store(this.client.channel.i32, this.client.channel.word(this.slot, w), value); }
  /** Bytes between two counts of a ring. */
  protected span(head: number, tail: number): number {
    const n = (head - tail) >>> 0;
    if (n > this.client.channel.ringBytes) throw new SocketError(Errno.EPROTO, 'ring');
    return n;
  }
  /** Bytes were taken out of the ring of received ones. */
  protected taken(): void {
    if (!this.load(STACK_WANTS)) return;
    this.store(STACK_WANTS, 0);
    this.client.mark(this.slot);
  }
}

export class RingStream extends RingSocket implements StreamSocket {
  onopen?: () => void;
  onreadable?: () => void;
  onend?: () => void;
  onwritable?: () => void;
  ended = false;
  private txHead = 0;
  private rxTail = 0;
  private peer?: { address: string; port: number };
  /** write() took less than it was given. */
  private wants = false;

  constructor(client: RingClient, slot: number, family: IpFamily, private open: boolean) { super(client, slot, family); }

  get remote(): SocketAddress | undefined { return this.name(REMOTE_LENGTH, REMOTE_NAME); }
  get isOpen(): boolean { return this.open && !this.closed; }

  bind(address: string, port: number): void { this.callAt('bind', Op.BIND, [], address, port); }
  connect(address: string, port: number): void {
    this.peer = { address, port };
    this.callAt('connect', Op.CONNECT, [], address, port);
  }

  event(): void {
    const state = this.load(STATE);
    if (!this.open && state & SlotState.OPEN) {
      this.open = true;
      this.onopen?.();
    }
    if (this.closed) return;
    const readable = this.open && (this.span(this.load(RX_HEAD), this.rxTail) > 0 || (state & SlotState.ENDED) !== 0);
    if (readable) this.onreadable?.();
    if (this.closed) return;
    if (this.wants) {
      // The stack told of room that write() had found by itself and filled: ask again, or nobody tells of the next.
      this.store(APP_WANTS, 1);
      if (this.room() > 0) {
        this.wants = false;
        this.onwritable?.();
      }
    }
    if (state & SlotState.FAILED) this.failed();
  }
  /** What was received before the failure comes first; the rest of it when somebody reads. */
  private failed(): void {
    if (this.closed || (this.open && this.span(this.load(RX_HEAD), this.rxTail) > 0)) return;
    this.break(new SocketError(this.load(ERROR) || Errno.ECONNRESET, this.open ? 'read' : 'connect', this.open ? undefined : this.peer));
  }

  read(take: (piece: Uint8Array) => number | void, most = Infinity): number {
    if (!this.isOpen || this.ended) return 0;
    const { channel } = this.client, ring = channel.ring(this.slot, true);
    // The end counts only when everything before it is in view.
    const state = this.load(STATE);
    let left = this.span(this.load(RX_HEAD), this.rxTail), total = 0;
    while (left && total < most && !this.closed) {
      const piece = channel.piece(ring, this.rxTail, Math.min(left, most - total));
      const n = take(piece) ?? piece.length;
      this.rxTail = (this.rxTail + n) | 0;
      total += n;
      left -= n;
      if (n < piece.length) break;
    }
    if (this.closed) return total;
    if (total) {
      this.store(RX_TAIL, this.rxTail);
      this.taken();
    }
    if (!left && state & SlotState.ENDED) {
      this.ended = true;
      this.onend?.();
    } else if (!left && state & SlotState.FAILED) this.failed();
    return total;
  }

  protected override get flushed(): boolean { return !this.open || this.load(TX_TAIL) === this.txHead; }
  private room(): number { return this.client.channel.ringBytes - this.span(this.txHead, this.load(TX_TAIL)); }
  write(bytes: Uint8Array): number {
    if (this.closed) throw new SocketError(Errno.EBADF, 'write');
    if (!this.open) return 0;
    if (this.load(STATE) & SlotState.FAILED) {
      const errno = this.load(ERROR) || Errno.ECONNRESET;
      this.letGo(Op.RESET);
      throw new SocketError(errno, 'write');
    }
    let done = this.append(bytes);
    if (done < bytes.length) {
      this.wants = true;
      this.store(APP_WANTS, 1);
      // Room may have been made just before the stack could see that it is wanted.
      done += this.append(bytes.subarray(done));
    }
    if (done) this.client.mark(this.slot);
    return done;
  }
  private append(bytes: Uint8Array): number {
    const { channel } = this.client, n = Math.min(bytes.length, this.room());
    if (!n) return 0;
    channel.put(channel.ring(this.slot, false), this.txHead, n === bytes.length ? bytes : bytes.subarray(0, n));
    this.txHead = (this.txHead + n) | 0;
    this.store(TX_HEAD, this.txHead);
    return n;
  }
  shutdown(): void {
    if (this.closed) throw new SocketError(Errno.EBADF, 'shutdown');
    this.store(TX_END, 1);
    this.client.mark(this.slot);
  }
  reset(): void { this.letGo(Op.RESET); }
}

export class RingListener extends RingSocket implements ListenSocket {
  onconnection?: () => void;
  /** Slots in which connections are awaited. */
  private waiting: number[] = [];

  listen(address: string, port: number, backlog = 511): void {
    this.callAt('listen', Op.LISTEN, [backlog], address, port);
    for (let i = 0; i < ACCEPTS; i++) this.order();
  }
  /** Await one more; when there is no slot free, the next accept() tries again. */
  private order(): void {
    let slot: number;
    try {
      slot = this.client.allocate();
    } catch (error) {
      if (error instanceof SocketError && error.code === 'EMFILE') return;
      throw error;
    }
    this.waiting.push(slot);
    this.client.add(new Ordered(this.client, slot, this.family, this));
    this.client.post(slot, Op.ACCEPT, [this.slot]);
  }
  accept(): RingStream | undefined {
    if (this.closed) throw new SocketError(Errno.EBADF, 'accept');
    while (this.waiting.length < ACCEPTS) {
      const before = this.waiting.length;
      this.order();
      if (this.waiting.length === before) break;
    }
    const i = this.waiting.findIndex((slot) => !this.client.pending(slot));
    if (i < 0) return undefined;
    const [slot] = this.waiting.splice(i, 1);
    if (this.client.result(slot) < 0) {
      // The listener has failed: that is told by its own slot.
      this.client.remove(slot, true);
      return undefined;
    }
    // What it has received by now is told with the next look at the channel.
    this.client.channel.mark(TO_APP, slot);
    return this.client.add(new RingStream(this.client, slot, this.family, true));
  }
  event(): void {
    if (this.load(STATE) & SlotState.FAILED) this.break(new SocketError(this.load(ERROR) || Errno.ECONNRESET, 'accept'));
  }
  arrived(): void { if (!this.closed) this.onconnection?.(); }
  override close(): void {
    if (this.closed) return;
    const { waiting } = this;
    this.waiting = [];
    super.close();
    for (const slot of waiting) {
      this.client.remove(slot, true);
      this.client.post(slot, Op.RESET, []);
    }
  }
}

/** A slot in which a connection is awaited. */
class Ordered extends RingSocket {
  constructor(client: RingClient, slot: number, family: IpFamily, private readonly listener: RingListener) { super(client, slot, family); }
  event(): void { if (!this.client.pending(this.slot)) this.listener.arrived(); }
}

/** A datagram that the stack has not taken out of the ring, or not that we have seen. */
interface Sending {
  at: number;
  end: number;
  peer: { address: string; port: number } | undefined;
  done: ((error?: SocketError) => void) | undefined;
}

export class RingDatagrams extends RingSocket implements DatagramSocket {
  onreadable?: () => void;
  onwritable?: () => void;
  private txHead = 0;
  private rxTail = 0;
  private wants = false;
  private readonly sending: Sending[] = [];
  /** The failure of a datagram that nobody waited for. */
  private failedSend?: SocketError;

  get remote(): SocketAddress | undefined { return this.name(REMOTE_LENGTH, REMOTE_NAME); }
  bind(address: string, port: number): void { this.callAt('bind', Op.BIND, [], address, port); }
  connect(address?: string, port = 0): void {
    if (address === undefined) this.call('connect', Op.DISCONNECT, []);
    else this.callAt('connect', Op.CONNECT, [], address, port);
  }

  event(): void {
    this.settle();
    if (!this.closed && (this.failedSend || this.span(this.load(RX_HEAD), this.rxTail) > 0)) this.onreadable?.();
    if (this.closed) return;
    if (this.wants) {
      this.wants = false;
      this.onwritable?.();
    }
    if (!this.closed && this.load(STATE) & SlotState.FAILED) this.break(new SocketError(this.load(ERROR) || Errno.ECONNRESET, 'recv'));
  }
  override fail(error: SocketError): void {
    this.unsent(error);
    super.fail(error);
  }
  protected override break(error: SocketError): void {
    this.unsent(error);
    super.break(error);
  }
  private unsent(error: SocketError): void {
    for (const { done } of this.sending.splice(0)) done?.(error);
  }
  /** Tell the outcome of what the stack has taken out of the ring. Before anything is written over it. */
  private settle(): void {
    const { channel } = this.client, ring = channel.ring(this.slot, false);
    for (let tail = this.load(TX_TAIL), seen; tail !== seen; tail = this.load(TX_TAIL)) {
      while (this.sending.length && ((tail - this.sending[0].end) | 0) >= 0) {
        const { at, peer, done } = this.sending.shift() as Sending;
        const errno = channel.view.getInt32(ring + ((at + RECORD_ERRNO) & (channel.ringBytes - 1)), true);
        const error = errno > 0 ? new SocketError(errno, 'send', peer) : undefined;
        if (done) done(error);
        else this.failedSend ??= error;
      }
      if (!this.sending.some((s) => s.done)) return;
      this.store(APP_WANTS, 1);
      // More may have been taken just before the stack could see that it is to tell.
      seen = tail;
    }
  }

  send(data: Uint8Array, address?: string, port = 0, control: Uint8Array = NONE, done?: (error?: SocketError) => void): boolean {
    if (this.closed) throw new SocketError(Errno.EBADF, 'send');
    const peer = address === undefined ? undefined : { address, port };
    if (data.length > DATAGRAM_MAX) throw new SocketError(Errno.EMSGSIZE, 'send', peer);
    if (control.length > CONTROL_MAX) throw new SocketError(Errno.ENOBUFS, 'send', peer);
    this.settle();
    const head = new Uint8Array(RECORD_BYTES + SOCKADDR_BYTES), h = new DataView(head.buffer);
    const name = address === undefined ? 0 : writeSockaddr(h, RECORD_BYTES, this.family, endpoint(address, port, (zone) => this.client.interfaceIndex(zone)));
    const all = recordBytes(name, control.length, data.length), { channel } = this.client;
    const room = (): boolean => channel.ringBytes - this.span(this.txHead, this.load(TX_TAIL)) >= all;
    if (!room()) {
      this.wants = true;
      this.store(APP_WANTS, 1);
      if (!room()) return false;
    }
    h.setUint32(0, data.length, true);
    h.setUint16(4, name, true);
    h.setUint16(6, control.length, true);
    const ring = channel.ring(this.slot, false);
    channel.put(ring, this.txHead, head.subarray(0, RECORD_BYTES + name));
    channel.put(ring, this.txHead + RECORD_BYTES + name, control);
    channel.put(ring, this.txHead + RECORD_BYTES + name + control.length, data);
    const at = this.txHead;
    this.txHead = (at + all) | 0;
    this.sending.push({ at, end: this.txHead, peer, done });
    if (done) this.store(APP_WANTS, 1);
    this.store(TX_HEAD, this.txHead);
    this.client.mark(this.slot);
    return true;
  }

  receive(): Datagram | undefined {
    if (this.closed) throw new SocketError(Errno.EBADF, 'recv');
    const { failedSend } = this;
    this.failedSend = undefined;
    if (failedSend) throw failedSend;
    const { channel } = this.client, ring = channel.ring(this.slot, true), left = this.span(this.load(RX_HEAD), this.rxTail);
    if (!left) return undefined;
    const head = new Uint8Array(RECORD_BYTES), h = new DataView(head.buffer);
    channel.get(ring, this.rxTail, head);
    const length = h.getUint32(0, true), name = h.getUint16(4, true), control = h.getUint16(6, true), errno = h.getInt32(8, true);
    const all = recordBytes(name, control, length);
    if (length > DATAGRAM_MAX || name > SOCKADDR_BYTES || control > CONTROL_MAX || all > left) throw new SocketError(Errno.EPROTO, 'ring');
    const bytes = new Uint8Array(name + control + length);
    channel.get(ring, (this.rxTail + RECORD_BYTES) | 0, bytes);
    this.rxTail = (this.rxTail + all) | 0;
    this.store(RX_TAIL, this.rxTail);
    this.taken();
    if (errno > 0) throw new SocketError(errno, 'recv');
    const from = readSockaddr(new DataView(bytes.buffer), 0, name);
    return { data: bytes.subarray(name + control), from, control: bytes.subarray(name, name + control), flags: 0 };
  }
}
