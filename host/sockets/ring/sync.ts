// Blocking sockets for a thread that may wait (a worker of Node, or of a page that is cross-origin isolated), over a channel to a
// stack in another thread. Browser-safe.
//
//   const net = new SyncNet(memory, wakeStack);               // from Stack.channel(), see host/node/sync.ts and docs/api.md
//   const s = net.connect({ host: '192.0.2.1', port: 80, timeout: 1000 });
//   s.write(request);
//   for (let chunk; (chunk = s.read()).length;) use(chunk);   // empty: the end
//   s.close();
//
// Times are ms; Infinity, the default, waits for ever. What takes longer throws SocketError ETIMEDOUT, and can be tried again.
import { Errno } from '../../abi/constants.js';
import type { SocketAddress } from '../address.js';
import { SocketError } from '../error.js';
import { RingClient } from './client.js';
import type { RingDatagrams, RingListener, RingStream } from './client_sockets.js';
import type { ChannelMemory } from './layout.js';

/** Most bytes of one read() when the caller does not say. */
const READ_MAX = 65536;

export interface SyncConnectOptions {
  /** An address: names are not resolved here. */
  host: string;
  port: number;
  localAddress?: string;
  localPort?: number;
  timeout?: number;
}

/** Sockets of one channel. One thread uses it. */
export class SyncNet {
  private readonly client: RingClient;
  constructor(memory: ChannelMemory, wakeStack: () => void) { this.client = new RingClient(memory, wakeStack); }

  /** Throws ECONNREFUSED, ETIMEDOUT ... */
  connect({ host, port, localAddress, localPort, timeout }: SyncConnectOptions): SyncStream {
    const v6 = host.includes(':'), s = this.client.stream(v6 ? 6 : 4), own = new SyncStream(this.client, s);
    try {
      if (localAddress !== undefined || localPort !== undefined) s.bind(localAddress ?? (v6 ? '::' : '0.0.0.0'), localPort ?? 0);
      s.connect(host, port);
      own.until('connect', () => s.isOpen, timeout);
    } catch (error) {
      s.close();
      throw error;
    }
    return own;
  }
  /** `host`: default all addresses of both families; `port` 0: any. */
  listen({ host = '::', port = 0, backlog = 511 }: { host?: string; port?: number; backlog?: number } = {}): SyncListener {
    const l = this.client.listener(host.includes(':') ? 6 : 4);
    try {
      l.listen(host, port, backlog);
    } catch (error) {
      l.close();
      throw error;
    }
    return new SyncListener(this.client, l);
  }
  /** A datagram socket; `address` and `port`: bound to them. */
  udp(family: 4 | 6 = 4, { address, port }: { address?: string; port?: number } = {}): SyncDatagrams {
    const s = this.client.datagram(family);
    try {
      if (address !== undefined || port !== undefined) s.bind(address ?? (family === 6 ? '::' : '0.0.0.0'), port ?? 0);
    } catch (error) {
      s.close();
      throw error;
    }
    return new SyncDatagrams(this.client, s);
  }
}

/** What the blocking forms share: waiting for something, or for a failure. */
abstract class Sync<S extends RingStream | RingListener | RingDatagrams> {
  private failure?: SocketError;
  constructor(protected readonly client: RingClient, protected readonly socket: S) {
    socket.onerror = (error) => { this.failure = error; };
  }
  get local(): SocketAddress | undefined { return this.socket.local; }
  setOption(level: number, name: number, value: number | Uint8Array): void { this.socket.setOption(level, name, value); }
  getOption(level: number, name: number, room?: number): Uint8Array { return this.socket.getOption(level, name, room); }
  close(): void { this.socket.close(); }
  [Symbol.dispose](): void { this.close(); }

  /** Wait until `done`; throws the socket's failure, or ETIMEDOUT. */
  until(syscall: string, done: () => boolean, timeout = Infinity): void {
    const settled = this.client.waitFor(() => done() || this.failure !== undefined, timeout);
    if (this.failure) throw this.failure;
    if (!settled) throw new SocketError(Errno.ETIMEDOUT, syscall);
  }
}

export class SyncStream extends Sync<RingStream> {
  get remote(): SocketAddress | undefined { return this.socket.remote; }

  /** At least one byte, at most `most`; none at the end of the stream. */
  read(most = READ_MAX, timeout?: number): Uint8Array {
    let out: Uint8Array = new Uint8Array(0);
    const target = new Uint8Array(most);
    this.until('read', () => {
      const n = this.take(target);
      out = target.subarray(0, n);
      return n > 0 || this.socket.ended;
    }, timeout);
    return out.length < target.length / 2 ? out.slice() : out;
  }
  /** Into `target`: as many bytes as there are, at least one; 0 at the end. */
  readInto(target: Uint8Array, timeout?: number): number {
    let n = 0;
    this.until('read', () => (n = this.take(target)) > 0 || this.socket.ended, timeout);
    return n;
  }
  private take(target: Uint8Array): number {
    let n = 0;
    this.socket.read((piece) => {
      target.set(piece, n);
      n += piece.length;
    }, target.length);
    return n;
  }
  /** All of it; after a timeout, how much was taken is unknown. */
  write(bytes: Uint8Array, timeout?: number): void {
    let at = 0;
    this.until('write', () => {
      at += this.socket.write(at ? bytes.subarray(at) : bytes);
      return at === bytes.length;
    }, timeout);
  }
  /** No more will be written. */
  shutdown(): void { this.socket.shutdown(); }
  reset(): void { this.socket.reset(); }
}

export class SyncListener extends Sync<RingListener> {
  accept(timeout?: number): SyncStream {
    let s: RingStream | undefined;
    this.until('accept', () => (s = this.socket.accept()) !== undefined, timeout);
    return new SyncStream(this.client, s as RingStream);
  }
}

/** A datagram that was received; the bytes are the caller's. */
export interface SyncDatagram {
  data: Uint8Array;
  from: SocketAddress | undefined;
}

export class SyncDatagrams extends Sync<RingDatagrams> {
  connect(address: string, port: number): void { this.socket.connect(address, port); }
  send(data: Uint8Array, address?: string, port?: number, timeout?: number): void {
    let sent = false, settled = false, failure: SocketError | undefined;
    this.until('send', () => {
      sent ||= this.socket.send(data, address, port, undefined, (error) => {
        settled = true;
        failure = error;
      });
      return settled;
    }, timeout);
    if (failure) throw failure;
  }
  /** Throws errors of what was sent before, too (ECONNREFUSED on a connected socket). */
  receive(timeout?: number): SyncDatagram {
    let d: SyncDatagram | undefined;
    this.until('recv', () => (d = this.socket.receive()) !== undefined, timeout);
    return d as SyncDatagram;
  }
}
