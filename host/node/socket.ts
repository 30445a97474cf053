// A TCP connection of a stack, shaped like net.Socket: what http, tls, http2 and undici expect of one.
import type { LookupFunction } from 'node:net';
import { Duplex, addAbortSignal } from 'node:stream';
import { IPPROTO_TCP, SOL_SOCKET, SO_KEEPALIVE, TCP_KEEPIDLE, TCP_NODELAY } from '../sockets/linux.js';
import type { SocketAddress } from '../sockets/address.js';
import type { StreamSocket } from '../sockets/endpoints.js';
import { connectTo, type ConnectOptions } from './connect.js';
import { Hold, type Network, type Timer } from './network.js';

export interface SocketOptions {
  /** Keep our side open when the peer ends its own; default false. */
  allowHalfOpen?: boolean;
  /** Destroys the socket when it aborts. */
  signal?: AbortSignal;
  /** Nagle's algorithm off from the start. */
  noDelay?: boolean;
  keepAlive?: boolean;
  /** ms of silence before the first probe. */
  keepAliveInitialDelay?: number;
  readableHighWaterMark?: number;
  writableHighWaterMark?: number;
}
export interface ConnectionOptions extends SocketOptions, ConnectOptions {
  /** As after setTimeout(). */
  timeout?: number;
  lookup?: LookupFunction;
}

type Callback = (error?: Error | null) => void;

/** Most bytes of one 'data' event, as with libuv. */
const READ_MAX = 65536;
/** Chunks of at least this size keep the buffer they were read into; smaller ones are copied into one of their size. */
const READ_KEEP = READ_MAX / 2;
/** Bytes kept on either side before the other is held back. */
const HIGH_WATER = 128 * 1024;
/** Where the next bytes are read into: shared by all sockets of the thread. */
let buffer = Buffer.allocUnsafeSlow(READ_MAX);

/** The `n` bytes just read into `buffer`, for good. */
function take(n: number): Buffer {
  if (n < READ_KEEP) return Buffer.from(buffer.subarray(0, n));
  const out = buffer.subarray(0, n);
  buffer = Buffer.allocUnsafeSlow(READ_MAX);
  return out;
}

/** Events of net.Socket: connect, ready, data, end, drain, timeout, error, close (hadError), lookup, connectionAttempt. */
export class Socket extends Duplex {
  connecting = false;
  bytesRead = 0;
  /** ms of silence until 'timeout'; 0 = never. */
  timeout = 0;
  private endpoint?: StreamSocket;
  private giveUp?: () => void;
  private readonly holding: Hold;
  private names: { local?: SocketAddress; remote?: SocketAddress } = {};
  private wantsData = false;
  private reading = false;
  private failure?: Error;
  private ended = false;
  private resetting = false;
  private idle?: Timer;
  private written = 0;
  // the write under way
  private queue: Uint8Array[] = [];
  private queueAt = 0;
  private offset = 0;
  private done?: Callback;
  private final?: Callback;

  constructor(private readonly network: Network, private readonly options: SocketOptions, accepted?: StreamSocket) {
    super({
      allowHalfOpen: options.allowHalfOpen ?? false, emitClose: false, autoDestroy: true,
      readableHighWaterMark: options.readableHighWaterMark ?? HIGH_WATER, writableHighWaterMark: options.writableHighWaterMark ?? HIGH_WATER,
    });
    this.holding = new Hold(network);
    if (options.signal) addAbortSignal(options.signal, this);
    if (!accepted) return;
    this.configure(accepted);
    this.opened(accepted);
  }

  // ---- connecting ----
  /** connect(options), connect(port, host?): 'connect' or 'error' follows. */
  connect(options: ConnectionOptions | number, host?: string | (() => void), listener?: () => void): this {
    const o: ConnectionOptions = typeof options === 'number' ? { port: options, host: typeof host === 'string' ? host : undefined } : options;
    const onConnect = typeof host === 'function' ? host : listener;
    if (onConnect) this.once('connect', onConnect);
    if (o.timeout) this.setTimeout(o.timeout);
    Object.assign(this.options, { noDelay: o.noDelay ?? this.options.noDelay, keepAlive: o.keepAlive ?? this.options.keepAlive });
    this.connecting = true;
    this.holding.open(true);
    this.giveUp = connectTo(this.network, o, {
      lookup: (error, address, family, name) => { this.emit('lookup', error, address, family, name); },
      attempt: (address, port, family) => { this.emit('connectionAttempt', address, port, family); },
      made: (s) => this.configure(s),
      open: (s) => {
        this.connecting = false;
        this.opened(s);
        this.emit('connect');
        this.emit('ready');
        if (!this.destroyed && !this.isPaused()) this.read(0);
      },
      failed: (error) => {
        this.connecting = false;
        this.destroy(error);
      },
    });
    return this;
  }
  private opened(s: StreamSocket): void {
    this.endpoint = s;
    this.giveUp = undefined;
    this.names = { local: s.local, remote: s.remote };
    this.holding.open(true);
    // Both may come within a read that has brought bytes: those are given out first.
    s.onerror = (error) => {
      this.endpoint = undefined;
      this.failure = error;
      if (!this.reading) this.destroy(error);
    };
    s.onend = () => { this.ended = true; };
    s.onreadable = () => this.pump();
    s.onwritable = () => this.flush();
    this.touch();
    if (this.done) this.flush();
    else if (this.final) this.finish();
    this.pump();
  }
  private configure(s: StreamSocket): void {
    const { noDelay, keepAlive, keepAliveInitialDelay } = this.options;
    if (noDelay) s.setOption(IPPROTO_TCP, TCP_NODELAY, 1);
    if (!keepAlive) return;
    s.setOption(SOL_SOCKET, SO_KEEPALIVE, 1);
    const seconds = Math.floor((keepAliveInitialDelay ?? 0) / 1000);
    if (seconds > 0) s.setOption(IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  }

  // ---- the stream ----
  override _read(): void {
    this.wantsData = true;
    this.pump();
  }
  private pump(): void {
    const { endpoint } = this;
    while (endpoint && this.wantsData && this.endpoint === endpoint) {
      let n = 0;
      this.reading = true;
      endpoint.read((piece) => {
        buffer.set(piece, n);
        n += piece.length;
      }, READ_MAX);
      this.reading = false;
      if (n) {
        this.bytesRead += n;
        this.touch();
        this.wantsData = this.push(take(n));
      }
      if (this.failure) this.destroy(this.failure);
      else if (this.ended) {
        this.wantsData = false;
        this.push(null);
        // With nothing to be read the end shows at once.
        this.read(0);
      }
      if (!n) return;
    }
  }
  override _write(chunk: Buffer, _encoding: string, callback: Callback): void { this.begin([chunk], callback); }
  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void { this.begin(chunks.map((c) => c.chunk), callback); }
  private begin(queue: Uint8Array[], callback: Callback): void {
    this.queue = queue;
    this.done = callback;
    if (this.endpoint) this.flush();
  }
  /** Give the connection what it takes. */
  private flush(): void {
    const { endpoint, queue, done } = this;
    if (!endpoint || !done) return;
    try {
      for (; this.queueAt < queue.length; this.queueAt++, this.offset = 0) {
        const bytes = queue[this.queueAt];
        const n = endpoint.write(this.offset ? bytes.subarray(this.offset) : bytes, this.queueAt + 1 < queue.length);
        this.written += n;
        this.offset += n;
        if (n) this.touch();
        if (this.offset < bytes.length) return;
      }
    } catch (error) {
      this.endpoint = undefined;
      this.completed(done, error as Error);
      return;
    }
    this.completed(done);
  }
  private completed(done: Callback, error?: Error): void {
    this.queue = [];
    this.queueAt = this.offset = 0;
    this.done = undefined;
    done(error);
  }
  override _final(callback: Callback): void {
    this.final = callback;
    if (this.endpoint) this.finish();
    else if (!this.connecting) callback();
  }
  private finish(): void {
    const callback = this.final as Callback;
    this.final = undefined;
    try {
      this.endpoint?.shutdown();
      callback();
    } catch (error) {
      callback(error as Error);
    }
  }

  // ---- the end ----
  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.connecting = false;
    this.network.timers.clearTimeout(this.idle);
    this.giveUp?.();
    if (this.resetting) this.endpoint?.reset();
    else this.endpoint?.close();
    this.endpoint = undefined;
    this.holding.open(false);
    if (this.done) this.completed(this.done, error ?? Object.assign(new Error('write ECANCELED'), { code: 'ECANCELED', syscall: 'write' }));
    callback(error);
    // After 'error', as of net.Socket.
    process.nextTick(() => this.emit('close', error !== null));
  }
  /** Close with a reset. */
  resetAndDestroy(): this {
    this.resetting = true;
    return this.destroy();
  }
  /** Destroy when what was written has been handed over. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  // ---- what programs ask and set ----
  setNoDelay(on = true): this {
    this.options.noDelay = on;
    this.endpoint?.setOption(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
    return this;
  }
  /** `initialDelay`: ms of silence before the first probe, 0 = leave it. */
  setKeepAlive(on = false, initialDelay = 0): this {
    Object.assign(this.options, { keepAlive: on, keepAliveInitialDelay: initialDelay });
    if (!this.endpoint) return this;
    if (on) this.configure(this.endpoint);
    else this.endpoint.setOption(SOL_SOCKET, SO_KEEPALIVE, 0);
    return this;
  }
  /** 'timeout' after so many ms without a byte either way. */
  setTimeout(ms: number, callback?: () => void): this {
    this.timeout = ms;
    this.network.timers.clearTimeout(this.idle);
    this.idle = undefined;
    if (ms > 0) {
      this.idle = this.network.timers.setTimeout(() => this.emit('timeout'), ms);
      this.idle.unref();
      if (callback) this.once('timeout', callback);
    } else if (callback) this.removeListener('timeout', callback);
    return this;
  }
  private touch(): void { this.idle?.refresh(); }
  ref(): this {
    this.holding.ref();
    return this;
  }
  unref(): this {
    this.holding.unref();
    return this;
  }
  address(): SocketAddress | Record<string, never> { return this.names.local ?? {}; }
  get localAddress(): string | undefined { return this.names.local?.address; }
  get localPort(): number | undefined { return this.names.local?.port; }
  get localFamily(): string | undefined { return this.names.local?.family; }
  get remoteAddress(): string | undefined { return this.names.remote?.address; }
  get remotePort(): number | undefined { return this.names.remote?.port; }
  get remoteFamily(): string | undefined { return this.names.remote?.family; }
  /** Bytes the connection has taken, and those that wait. */
  get bytesWritten(): number {
    let waiting = this.writableLength - this.offset;
    for (let i = 0; i < this.queueAt; i++) waiting -= this.queue[i].length;
    return this.written + Math.max(0, waiting);
  }
  get bufferSize(): number { return this.writableLength; }
  /** Not connected yet. */
  get pending(): boolean { return !this.endpoint || this.connecting; }
  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable) return this.writable ? 'open' : 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }
}
