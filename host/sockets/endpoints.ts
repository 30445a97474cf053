// What a socket is to everything above: implemented over a core in this thread (core_sockets.ts) and over shared rings to a
// stack in another one (ring_sockets.ts). No call blocks for the network. Readiness is told by callbacks, once for each change:
// after one, go on until the call says that there is no more. Browser-safe.
import type { IpFamily, SocketAddress } from './address.js';
import type { SocketError } from './error.js';

/** Whatever kind of socket. Calls throw SocketError; after close() none may be made. */
export interface AnySocket {
  /** The socket failed, and is closed: once, and last. Also ECONNRESET, when the stack ends. */
  onerror?: (error: SocketError) => void;
  /** Own address. */
  readonly local: SocketAddress | undefined;
  /** An option as Linux numbers it; a number is an int. */
  setOption(level: number, name: number, value: number | Uint8Array): void;
  /** The option's bytes, at most `room`. */
  getOption(level: number, name: number, room?: number): Uint8Array;
  /** Let go; what was written is still sent. No callback any more. */
  close(): void;
}

/** A TCP connection, or one in the making. */
export interface StreamSocket extends AnySocket {
  onopen?: () => void;
  /** Bytes can be read, or the end of the stream. */
  onreadable?: () => void;
  /** The peer has sent everything there will be, and it has been read: called within read(), after the last piece. */
  onend?: () => void;
  /** There is room to write, after write() took less than it was given. */
  onwritable?: () => void;
  readonly remote: SocketAddress | undefined;
  /** onend was called. */
  readonly ended: boolean;
  bind(address: string, port: number): void;
  /** The outcome comes as onopen or onerror. Throws what is known at once (EINVAL, EADDRNOTAVAIL). */
  connect(address: string, port: number): void;
  /**
   * Give the bytes that are there to `take`, piece by piece, at most `most`: views that are valid within the call, in which this
   * socket must be left alone. `take` returns how many it took, all when it returns nothing; fewer end the reading. The sum.
   */
  read(take: (piece: Uint8Array) => number | void, most?: number): number;
  /** Queue bytes; how many were taken. Fewer than all: wait for onwritable. `more`: the rest follows at once (MSG_MORE). */
  write(bytes: Uint8Array, more?: boolean): number;
  /** No more will be written (FIN after what was). */
  shutdown(): void;
  /** Close with a reset (SO_LINGER 0): what was not sent yet is dropped. */
  reset(): void;
}

/** A listening TCP socket. */
export interface ListenSocket extends AnySocket {
  /** Connections wait: accept() them. */
  onconnection?: () => void;
  /** Bind and listen. `backlog`: connections that may wait. */
  listen(address: string, port: number, backlog?: number): void;
  /** The next connection, or undefined. */
  accept(): StreamSocket | undefined;
}

export interface Datagram {
  /** Valid until the next call of any socket of the stack: copy what must stay. */
  data: Uint8Array;
  /** Sender. */
  from: SocketAddress | undefined;
  /** Ancillary data in Linux's 64-bit cmsg layout, as options asked for it (IP_PKTINFO ...). */
  control: Uint8Array;
  /** MSG_TRUNC ... */
  flags: number;
}

/** UDP, ping (ICMP without privilege) and raw sockets. */
export interface DatagramSocket extends AnySocket {
  /** Datagrams wait, or an error does that receive() throws. */
  onreadable?: () => void;
  /** Room, after send() returned false. */
  onwritable?: () => void;
  readonly remote: SocketAddress | undefined;
  bind(address: string, port: number): void;
  /** Set the peer; without address, none. */
  connect(address?: string, port?: number): void;
  /**
   * Send one datagram, to the connected peer when no address is given; false when there is no room now. `done` is told the outcome,
   * now or later. Without it, errors are thrown, here or (when the stack is in another thread) by receive().
   */
  send(data: Uint8Array, address?: string, port?: number, control?: Uint8Array, done?: (error?: SocketError) => void): boolean;
  /** The next datagram, or undefined. Throws a pending error (ECONNREFUSED on a connected socket). */
  receive(): Datagram | undefined;
}

/** Makes sockets of one stack. */
export interface SocketProvider {
  stream(family: IpFamily): StreamSocket;
  listener(family: IpFamily): ListenSocket;
  /** `type`: SOCK_DGRAM (default) or SOCK_RAW; `protocol`: 0 for UDP, IPPROTO_ICMP for ping ... */
  datagram(family: IpFamily, type?: number, protocol?: number): DatagramSocket;
  /** Index of an interface of the stack; throws ENODEV. */
  interfaceIndex(name: string): number;
}
