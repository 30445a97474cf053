// One socket of a channel on the stack's side: its calls, and its bytes between the rings and the core.
import { Errno } from '../../abi/constants.js';
import { SOCKADDR_BYTES, endpoint, readSockaddr, writeSockaddr, type IpFamily, type SocketAddress } from '../address.js';
import type { AnySocket, DatagramSocket, ListenSocket, StreamSocket } from '../endpoints.js';
import { SocketError } from '../error.js';
import {
  APP_WANTS, ARG0, ARG1, ARG2, CALL, CONTROL_MAX, DATAGRAM_MAX, DONE, ERROR, LENGTH, LOCAL_LENGTH, LOCAL_NAME, OP, Op, RECORD_BYTES, RECORD_ERRNO, REMOTE_LENGTH,
  REMOTE_NAME, RESULT, RX_HEAD, RX_TAIL, SLOT_DATA, SLOT_DATA_BYTES, STACK_WANTS, STATE, SlotState, TO_STACK, TX_END, TX_HEAD, TX_TAIL, recordBytes,
  type Channel,
} from './layout.js';
import type { RingServer } from './server.js';

/** Datagrams moved in one turn of one direction. */
const BURST = 64;

type Kind = { stream: StreamSocket } | { listener: ListenSocket } | { datagram: DatagramSocket };

export class Slot {
  private socket?: AnySocket;
  private kind: Partial<{ stream: StreamSocket; listener: ListenSocket; datagram: DatagramSocket }> = {};
  private readonly channel: Channel;
  /** Sequence number of the last call seen, and of the last one answered. */
  private call = 0;
  private answered = 0;
  private state = 0;
  /** Our own copies of what we alone may change. */
  private txTail = 0;
  private rxHead = 0;
  private shut = false;
  /** A close waits for the ring to be empty. */
  private closing = false;

  constructor(private readonly server: RingServer, readonly index: number) { this.channel = server.channel; }

  private load(w: number): number { return Atomics.load(this.channel.i32, this.channel.word(this.index, w)); }
  private store(w: number, value: number): void { Atomics.store(this.channel.i32, this.channel.word(this.index, w), value); }

  /** The application has marked this slot. */
  serve(): void {
    const call = this.load(CALL);
    if (call !== this.call) {
      this.call = call;
      this.execute();
    }
    this.pump();
  }
  /** Move what can be moved. */
  private pump(): void {
    try {
      if (this.kind.stream) {
        this.streamOut(this.kind.stream);
        this.streamIn();
      } else if (this.kind.datagram) {
        this.datagramsOut(this.kind.datagram);
        this.datagramsIn();
      }
    } catch (error) {
      this.broken(error);
    }
  }

  // ---- calls ----
  answer(result: number, data?: Uint8Array): void {
    if (data) this.channel.u8.set(data, this.channel.byte(this.index, SLOT_DATA));
    this.store(LENGTH, data?.length ?? 0);
    this.store(RESULT, result);
    this.answered = this.call;
    this.store(DONE, this.call);
    this.server.tell(this.index);
  }
  private execute(): void {
    const op = this.load(OP) as Op, args: [number, number, number] = [this.load(ARG0), this.load(ARG1), this.load(ARG2)];
    const n = this.load(LENGTH);
    const at = this.channel.byte(this.index, SLOT_DATA), data = this.channel.u8.slice(at, at + (n >= 0 && n <= SLOT_DATA_BYTES ? n : 0));
    try {
      const r = this.perform(op, args, data);
      if (typeof r === 'number') this.answer(r);
      else if (r) this.answer(r.length, r);
    } catch (error) {
      if (!(error instanceof SocketError) && !(error instanceof RangeError)) throw error;
      this.answer(error instanceof SocketError ? error.errno : -Errno.EINVAL);
    }
  }
  /** The result, or its bytes; undefined when the answer comes later. */
  private perform(op: Op, [a, b, c]: [number, number, number], data: Uint8Array): number | Uint8Array | undefined {
    const { sockets } = this.server, family: IpFamily = a === 6 ? 6 : 4;
    switch (op) {
      case Op.STREAM: this.open({ stream: sockets.stream(family) }); return 0;
      case Op.LISTENER: this.open({ listener: sockets.listener(family) }); return 0;
      case Op.DATAGRAM: this.open({ datagram: sockets.datagram(family, b, c) }); return 0;
      case Op.ACCEPT: return this.acceptFrom(a);
      case Op.IFINDEX: return sockets.interfaceIndex(text(data));
      case Op.CLOSE: this.close(); return undefined;
      case Op.RESET: this.abandon(); return 0;
      default: return this.performOpen(op, [a, b, c], data);
    }
  }
  /** Calls that need a socket. */
  private performOpen(op: Op, [a, b, c]: [number, number, number], data: Uint8Array): number | Uint8Array {
    const { socket, kind } = this;
    if (!socket) return -Errno.EBADF;
    switch (op) {
      case Op.SETSOCKOPT: socket.setOption(a, b, data); return 0;
      case Op.GETSOCKOPT: return socket.getOption(a, b, Math.min(c >>> 0, SLOT_DATA_BYTES));
      case Op.BIND: {
        const [address, port] = where(data);
        (kind.stream ?? kind.datagram)?.bind(address, port);
        break;
      }
      case Op.CONNECT: {
        const [address, port] = where(data);
        (kind.stream ?? kind.datagram)?.connect(address, port);
        break;
      }
      case Op.DISCONNECT: kind.datagram?.connect(); break;
      case Op.LISTEN: {
        const [address, port] = where(data);
        kind.listener?.listen(address, port, a);
        break;
      }
      default: return -Errno.ENOSYS;
    }
    this.publishNames();
    return 0;
  }
  private acceptFrom(slot: number): number | undefined {
    const listener = this.server.slotAt(slot)?.kind.listener;
    if (!listener || this.socket) return -Errno.EINVAL;
    this.reset();
    this.server.accept(listener, this);
    return undefined;
  }
  /** The answer to an ACCEPT. */
  accepted(s: StreamSocket): void {
    this.open({ stream: s });
    this.opened();
    this.answer(0);
    this.pump();
  }

  // ---- life ----
  private open(kind: Kind): void {
    if (this.socket) {
      for (const s of Object.values(kind) as AnySocket[]) s.close();
      throw new SocketError(Errno.EISCONN, 'socket');
    }
    this.reset();
    this.kind = kind;
    const { stream, listener, datagram } = this.kind;
    const socket = (stream ?? listener ?? datagram) as AnySocket;
    this.socket = socket;
    socket.onerror = (error) => this.failed(error);
    if (stream) {
      stream.onopen = () => this.opened();
      stream.onreadable = stream.onwritable = () => this.pump();
    } else if (datagram) datagram.onreadable = datagram.onwritable = () => this.pump();
    else if (listener) listener.onconnection = () => this.server.connections(listener);
  }
  /** A fresh slot: empty rings. */
  private reset(): void {
    this.state = this.txTail = this.rxHead = 0;
    this.shut = this.closing = false;
    for (const w of [STATE, ERROR, TX_HEAD, TX_TAIL, RX_HEAD, RX_TAIL, APP_WANTS, STACK_WANTS, TX_END, LOCAL_LENGTH, REMOTE_LENGTH]) this.store(w, 0);
  }
  private opened(): void {
    this.publishNames();
    this.setState(SlotState.OPEN);
    this.pump();
  }
  private setState(bit: SlotState): void {
    this.state |= bit;
    this.store(STATE, this.state);
    this.server.tell(this.index);
  }
  private publishNames(): void {
    this.publish(this.socket?.local, LOCAL_LENGTH, LOCAL_NAME);
    this.publish((this.kind.stream ?? this.kind.datagram)?.remote, REMOTE_LENGTH, REMOTE_NAME);
  }
  private publish(name: SocketAddress | undefined, lengthWord: number, at: number): void {
    const length = name ? writeSockaddr(this.channel.view, this.channel.byte(this.index, at), name.family === 'IPv4' ? 4 : 6, endpoint(name.address, name.port)) : 0;
    this.store(lengthWord, length);
  }
  /** The socket has failed: it is closed already. */
  private failed(error: SocketError): void {
    if (this.kind.listener) this.server.unlisten(this.kind.listener);
    this.socket = undefined;
    this.kind = {};
    this.store(ERROR, -error.errno);
    this.setState(SlotState.FAILED);
    if (this.closing) this.answer(0);
  }
  /** An exception of a socket, or an application that does not keep to the rules: the end of this socket, and of no other. */
  private broken(error: unknown): void {
    if (!(error instanceof SocketError) && !(error instanceof RangeError)) throw error;
    this.let(true);
    this.failed(error instanceof SocketError ? error : new SocketError(Errno.EPROTO, 'ring'));
  }
  /** Let the socket go, with a reset or in order. */
  private let(reset: boolean): void {
    const { socket, kind } = this;
    this.socket = undefined;
    this.kind = {};
    if (reset && kind.stream) kind.stream.reset();
    else socket?.close();
    if (kind.listener) this.server.unlisten(kind.listener);
  }
  private close(): void {
    this.server.cancelAccept(this);
    this.closing = true;
    const { datagram } = this.kind;
    if (datagram) while (this.moveOut(datagram)) continue;
    if (!this.kind.stream || !(this.state & SlotState.OPEN)) this.closeNow();
  }
  private closeNow(): void {
    this.let(false);
    this.answer(0);
  }
  /** The core is a fresh one: the call in which the old one trapped, or that waited for it, will get no other answer. */
  restarted(): void {
    if (this.answered !== this.call) this.answer(-Errno.ECONNRESET);
  }
  /** Close with a reset: the application asked for it, or is gone. */
  abandon(): void {
    this.server.cancelAccept(this);
    this.let(true);
  }

  // ---- streams ----
  /** Bytes between two free-running counts; throws when there cannot be so many. */
  private span(head: number, tail: number): number {
    const n = (head - tail) >>> 0;
    if (n > this.channel.ringBytes) throw new SocketError(Errno.EPROTO, 'ring');
    return n;
  }
  private streamOut(s: StreamSocket): void {
    if (!(this.state & SlotState.OPEN)) return;
    const ring = this.channel.ring(this.index, false), before = this.txTail;
    const end = this.load(TX_END) !== 0;
    let left = this.span(this.load(TX_HEAD), this.txTail);
    while (left) {
      const piece = this.channel.piece(ring, this.txTail, left);
      const n = s.write(piece, piece.length < left);
      if (n === 0) break;
      this.txTail = (this.txTail + n) | 0;
      left -= n;
    }
    if (this.txTail !== before) {
      this.store(TX_TAIL, this.txTail);
      this.roomMade();
    }
    if (left) return;
    if (this.closing) this.closeNow();
    else if (end && !this.shut) {
      this.shut = true;
      s.shutdown();
    }
  }
  private roomMade(): void {
    if (!this.load(APP_WANTS)) return;
    this.store(APP_WANTS, 0);
    this.server.tell(this.index);
  }
  /** Room in the ring of received bytes for n more; if there is not, the application will mark the slot when there may be. */
  private roomFor(n: number): number {
    const room = (): number => this.channel.ringBytes - this.span(this.rxHead, this.load(RX_TAIL));
    if (room() >= n) return room();
    this.store(STACK_WANTS, 1);
    // It may have taken some just before it could see that.
    return room() >= n ? room() : 0;
  }
  private streamIn(): void {
    const s = this.kind.stream;
    if (!s || this.closing || this.state & SlotState.ENDED) return;
    const ring = this.channel.ring(this.index, true), before = this.rxHead;
    for (let room; (room = this.roomFor(1)) > 0;) {
      const n = s.read((piece) => {
        this.channel.put(ring, this.rxHead, piece);
        this.rxHead = (this.rxHead + piece.length) | 0;
      }, room);
      if (n < room) break;
    }
    if (this.rxHead !== before) this.store(RX_HEAD, this.rxHead);
    if (s.ended) this.setState(SlotState.ENDED);
    else if (this.rxHead !== before) this.server.tell(this.index);
  }

  // ---- datagrams ----
  private datagramsOut(s: DatagramSocket): void {
    if (this.moveOut(s)) this.channel.mark(TO_STACK, this.index);
    if (!this.load(LOCAL_LENGTH)) this.publishNames();
  }
  /** Whether there may be more to move in the next turn. */
  private moveOut(s: DatagramSocket): boolean {
    const ring = this.channel.ring(this.index, false), header = new Uint8Array(RECORD_BYTES), h = new DataView(header.buffer);
    for (let i = 0; i < BURST; i++) {
      const left = this.span(this.load(TX_HEAD), this.txTail);
      if (left === 0) return false;
      if (left < RECORD_BYTES) throw new SocketError(Errno.EPROTO, 'ring');
      this.channel.get(ring, this.txTail, header);
      const length = h.getUint32(0, true), name = h.getUint16(4, true), control = h.getUint16(6, true), all = recordBytes(name, control, length);
      if (length > DATAGRAM_MAX || name > SOCKADDR_BYTES || control > CONTROL_MAX || all > left) throw new SocketError(Errno.EPROTO, 'ring');
      const bytes = new Uint8Array(name + control + length);
      this.channel.get(ring, (this.txTail + RECORD_BYTES) | 0, bytes);
      const to = name ? readSockaddr(new DataView(bytes.buffer), 0, name) : undefined;
      let errno = 0;
      const sent = s.send(bytes.subarray(name + control), to?.address, to?.port, control ? bytes.subarray(name, name + control) : undefined, (e) => { errno = -(e?.errno ?? 0); });
      if (!sent) return false;
      // Records are aligned, and so never wrap within a word.
      if (errno) this.channel.view.setInt32(ring + ((this.txTail + RECORD_ERRNO) & (this.channel.ringBytes - 1) & ~3), errno, true);
      this.txTail = (this.txTail + all) | 0;
      this.store(TX_TAIL, this.txTail);
      this.roomMade();
    }
    return true;
  }
  private datagramsIn(): void {
    const s = this.kind.datagram;
    // Nothing is taken from the core that might not fit.
    for (let i = 0; s && this.roomFor(recordBytes(SOCKADDR_BYTES, CONTROL_MAX, DATAGRAM_MAX)); i++) {
      if (i === BURST) {
        this.channel.mark(TO_STACK, this.index);
        return;
      }
      try {
        const d = s.receive();
        if (!d) return;
        this.record(d.data, d.from, d.control.length <= CONTROL_MAX ? d.control : new Uint8Array(0), 0);
      } catch (error) {
        if (!(error instanceof SocketError)) throw error;
        this.record(new Uint8Array(0), undefined, new Uint8Array(0), -error.errno);
      }
    }
  }
  /** Put a datagram, or an error, into the ring of received ones; dropped when there is no room. */
  private record(data: Uint8Array, from: SocketAddress | undefined, control: Uint8Array, errno: number): void {
    const head = new Uint8Array(RECORD_BYTES + SOCKADDR_BYTES), h = new DataView(head.buffer);
    const name = from ? writeSockaddr(h, RECORD_BYTES, from.family === 'IPv4' ? 4 : 6, endpoint(from.address, from.port)) : 0;
    const all = recordBytes(name, control.length, data.length);
    if (this.channel.ringBytes - this.span(this.rxHead, this.load(RX_TAIL)) < all) return;
    h.setUint32(0, data.length, true);
    h.setUint16(4, name, true);
    h.setUint16(6, control.length, true);
    h.setInt32(8, errno, true);
    const ring = this.channel.ring(this.index, true);
    this.channel.put(ring, this.rxHead, head.subarray(0, RECORD_BYTES + name));
    this.channel.put(ring, this.rxHead + RECORD_BYTES + name, control);
    this.channel.put(ring, this.rxHead + RECORD_BYTES + name + control.length, data);
    this.rxHead = (this.rxHead + all) | 0;
    this.store(RX_HEAD, this.rxHead);
    this.server.tell(this.index);
  }
}

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes.slice());

/** `address port` in text. */
function where(data: Uint8Array): [string, number] {
  const [address, port] = text(data).split(' ');
  return [address, Number(port)];
}
