// A TCP connection as WHATWG streams. The readable is a byte stream without a queue of its own: bytes stay in the core until
// someone reads, so that a reader who does not closes the TCP window. The writable takes as much ahead as the core's send buffer
// and WRITE_AHEAD hold. Browser-safe.
import type { StreamSocket } from './endpoints.js';
import { deferred } from './deferred.js';

/** What can be written. */
export type Chunk = ArrayBufferView | ArrayBuffer;
/** What is read: its buffer belongs to the reader. */
export type Bytes = Uint8Array<ArrayBuffer>;

export interface TCPSocketOpenInfo {
  readable: ReadableStream<Bytes>;
  writable: WritableStream<Chunk>;
  remoteAddress: string;
  remotePort: number;
  localAddress: string;
  localPort: number;
}

/** A socket that was made, and whom it is to connect to. */
export interface Connecting {
  socket: StreamSocket;
  address: string;
  port: number;
}

/** Bytes the writable holds before `writer.ready` waits, apart from the core's send buffer. */
const WRITE_AHEAD = 64 << 10;
/** Size of the buffer that a read without one of its own gets: as much as the last reads have filled. */
const READ_MIN = 4 << 10, READ_MAX = 256 << 10;

export const bytesOf = (chunk: Chunk): Uint8Array =>
  chunk instanceof Uint8Array ? chunk : ArrayBuffer.isView(chunk) ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength) : new Uint8Array(chunk);

export const invalidState = (what: string): DOMException => new DOMException(what, 'InvalidStateError');

/** A connection, opened or accepted: see streams.ts. */
export class TCPSocket {
  /** The connection stands; rejects with an error that has a `code`, or with the signal's reason. */
  readonly opened: Promise<TCPSocketOpenInfo>;
  /** Both directions have ended; rejects when the connection has failed or was aborted. */
  readonly closed: Promise<void>;
  /** The same as in `opened`; may be used before. */
  readonly readable: ReadableStream<Bytes>;
  readonly writable: WritableStream<Chunk>;

  private socket?: StreamSocket;
  private readonly opening = deferred<TCPSocketOpenInfo>();
  private readonly ending = deferred<void>();
  private source!: ReadableByteStreamController;
  private sink!: WritableStreamDefaultController;
  /** Neither direction goes on. */
  private over = false;
  private isOpen = false;
  /** The peer's end of stream was passed on, or the reader has cancelled. */
  private readDone = false;
  private cancelled = false;
  /** FIN is queued. */
  private writeDone = false;
  /** Somebody waits for bytes. */
  private wanted = false;
  private filling = false;
  /** What the socket has told while bytes were being taken from it. */
  private told?: () => void;
  private readSize = READ_MIN;
  /** What is left of the chunk being written. */
  private rest?: { bytes: Uint8Array; done: () => void; failed: (reason: unknown) => void };
  private readonly abort = (): void => this.fail(this.signal?.reason);

  /** `origin`: an open connection, or how to make a socket for one. */
  constructor(origin: StreamSocket | (() => Promise<Connecting>), private readonly signal?: AbortSignal) {
    this.opened = this.opening.promise;
    this.closed = this.ending.promise;
    this.readable = new ReadableStream({
      type: 'bytes',
      start: (controller) => { this.source = controller; },
      pull: () => {
        this.wanted = true;
        if (this.isOpen) this.fill();
      },
      cancel: () => this.cancel(),
    }, { highWaterMark: 0 });
    this.writable = new WritableStream<Chunk>({
      start: (controller) => {
        this.sink = controller;
        return this.opening.promise as Promise<unknown>;
      },
      write: (chunk) => this.write(bytesOf(chunk)),
      close: () => this.finishWriting(),
      abort: (reason) => this.fail(reason),
    }, { highWaterMark: WRITE_AHEAD, size: (chunk) => chunk.byteLength });
    signal?.addEventListener('abort', this.abort);
    if (signal?.aborted) this.abort();
    else if (typeof origin !== 'function') this.adopt(origin, true);
    else origin().then((made) => this.connect(made), (error: unknown) => this.fail(error));
  }

  /** End both directions: what was written is still sent, what was not read is dropped. A stream that has not ended must be unlocked. */
  async close(): Promise<void> {
    if (!this.isOpen && !this.over) throw invalidState('the socket is not open yet: use an AbortSignal');
    if (!this.over && ((!this.readDone && this.readable.locked) || (!this.writeDone && this.writable.locked))) throw invalidState('a stream of the socket is locked');
    if (!this.readDone && !this.over) await this.readable.cancel();
    if (!this.writeDone && !this.over) await this.writable.close();
    return this.closed;
  }

  private connect({ socket, address, port }: Connecting): void {
    if (this.over) {
      socket.close();
      return;
    }
    this.adopt(socket, false);
    try {
      socket.connect(address, port);
    } catch (error) {
      this.fail(error);
    }
  }

  private adopt(socket: StreamSocket, open: boolean): void {
    this.socket = socket;
    socket.onopen = () => this.open(socket);
    socket.onreadable = () => this.arrived();
    socket.onwritable = () => this.writeRest();
    socket.onend = () => this.tell(() => this.finishReading());
    socket.onerror = (error) => this.tell(() => this.fail(error));
    if (open) this.open(socket);
  }

  private open(socket: StreamSocket): void {
    this.isOpen = true;
    const { local, remote } = socket;
    this.opening.resolve({
      readable: this.readable, writable: this.writable, remoteAddress: remote?.address ?? '', remotePort: remote?.port ?? 0,
      localAddress: local?.address ?? '', localPort: local?.port ?? 0,
    });
    if (this.wanted) this.fill();
  }

  /** What is known now, unless bytes that came before it are still being passed on. */
  private tell(news: () => void): void {
    if (this.filling) this.told = news;
    else news();
  }

  private arrived(): void {
    if (this.wanted) this.fill();
    // Nobody waits for bytes. The end of the stream or its failure is told all the same, once no bytes are before it.
    else this.socket!.read(this.cancelled ? () => undefined : () => 0);
  }

  /** Pass on what is there, to the one who waits for it. */
  private fill(): void {
    if (this.filling || this.over || this.readDone) return;
    const request = this.source.byobRequest, view = request?.view;
    let target: Bytes | undefined = view ? new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength) : undefined, n = 0;
    const most = target?.length ?? this.readSize;
    this.filling = true;
    this.socket!.read((piece) => {
      target ??= new Uint8Array(most);
      const k = Math.min(piece.length, most - n);
      target.set(k === piece.length ? piece : piece.subarray(0, k), n);
      n += k;
      return k;
    }, most);
    this.filling = false;
    if (n) {
      this.wanted = false;
      if (request) request.respond(n);
      else this.pass(target!, n);
    }
    const { told } = this;
    this.told = undefined;
    told?.();
  }
  private pass(target: Bytes, n: number): void {
    if (n === target.length) this.readSize = Math.min(2 * n, READ_MAX);
    else if (n < target.length >> 2) this.readSize = Math.max(READ_MIN, target.length >> 1);
    this.source.enqueue(n > target.length >> 1 ? target.subarray(0, n) : target.slice(0, n));
  }

  private finishReading(): void {
    if (this.over || this.readDone) return;
    this.readDone = true;
    if (!this.cancelled) {
      this.source.close();
      this.source.byobRequest?.respond(0);
    }
    this.finish();
  }

  /** Nobody will read: what comes is thrown away, so that the peer can go on. */
  private cancel(): void {
    this.readDone = this.cancelled = true;
    if (!this.finish() && this.isOpen && !this.over) this.socket!.read(() => undefined);
  }

  private write(bytes: Uint8Array): Promise<void> | undefined {
    const n = this.attempt(() => this.socket!.write(bytes));
    if (n === bytes.length) return undefined;
    return new Promise((done, failed) => { this.rest = { bytes: bytes.subarray(n), done, failed }; });
  }
  private writeRest(): void {
    const { rest } = this;
    if (!rest) return;
    let n: number;
    try {
      n = this.socket!.write(rest.bytes);
    } catch (error) {
      this.fail(error);
      return;
    }
    rest.bytes = rest.bytes.subarray(n);
    if (rest.bytes.length) return;
    this.rest = undefined;
    rest.done();
  }
  private finishWriting(): void {
    this.attempt(() => this.socket!.shutdown());
    this.writeDone = true;
    this.finish();
  }
  /** A call of the sink: what it throws has ended the connection. */
  private attempt<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** Let go of the socket when both directions are through; whether it has. */
  private finish(): boolean {
    if (this.over || !this.readDone || !this.writeDone) return false;
    this.release();
    this.socket?.close();
    this.ending.resolve();
    return true;
  }

  /** The connection is void: a reset, if it stands. */
  private fail(reason: unknown): void {
    if (this.over) return;
    this.release();
    this.socket?.reset();
    this.opening.reject(reason);
    this.ending.reject(reason);
    if (!this.readDone) this.source.error(reason);
    if (!this.writeDone) this.sink.error(reason);
    this.rest?.failed(reason);
    this.rest = undefined;
  }

  private release(): void {
    this.over = true;
    this.signal?.removeEventListener('abort', this.abort);
  }
}
