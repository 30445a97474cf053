// UDP as streams of messages. What nobody reads waits in the core's receive buffer, and is lost when that is full. Browser-safe.
import type { DatagramSocket } from './endpoints.js';
import { deferred } from './deferred.js';
import { bytesOf, invalidState, type Bytes, type Chunk } from './streams_tcp.js';

export interface UDPMessage {
  data: Chunk;
  /** Sender; or receiver, on a socket without a remote address. */
  remoteAddress?: string;
  remotePort?: number;
}

export interface ReceivedMessage extends UDPMessage {
  data: Bytes;
  remoteAddress: string;
  remotePort: number;
}

export interface UDPSocketOpenInfo {
  readable: ReadableStream<ReceivedMessage>;
  writable: WritableStream<UDPMessage>;
  remoteAddress?: string;
  remotePort?: number;
  localAddress: string;
  localPort: number;
}

/** A UDP socket: see streams.ts. */
export class UDPSocket {
  readonly opened: Promise<UDPSocketOpenInfo>;
  /** The socket is closed; rejects when it has failed or was aborted. */
  readonly closed: Promise<void>;
  /** The same as in `opened`; may be used before. */
  readonly readable: ReadableStream<ReceivedMessage>;
  readonly writable: WritableStream<UDPMessage>;

  private socket?: DatagramSocket;
  private readonly opening = deferred<UDPSocketOpenInfo>();
  private readonly ending = deferred<void>();
  private source!: ReadableStreamDefaultController<ReceivedMessage>;
  private sink!: WritableStreamDefaultController;
  private over = false;
  private readDone = false;
  private writeDone = false;
  private wanted = false;
  /** The message that waits for room. */
  private waiting?: { message: UDPMessage; done: () => void };
  private readonly abort = (): void => this.fail(this.signal?.reason);

  /** `open`: makes the socket, bound or connected. */
  constructor(open: () => Promise<DatagramSocket>, private readonly signal?: AbortSignal) {
    this.opened = this.opening.promise;
    this.closed = this.ending.promise;
    this.readable = new ReadableStream<ReceivedMessage>({
      start: (controller) => { this.source = controller; },
      pull: () => {
        this.wanted = true;
        this.receive();
      },
      cancel: () => {
        this.readDone = true;
        this.finish();
      },
    }, { highWaterMark: 0 });
    this.writable = new WritableStream<UDPMessage>({
      start: (controller) => {
        this.sink = controller;
        return this.opening.promise as Promise<unknown>;
      },
      write: (message) => this.send(message),
      close: () => {
        this.writeDone = true;
        this.finish();
      },
      abort: (reason) => this.fail(reason),
    });
    signal?.addEventListener('abort', this.abort);
    if (signal?.aborted) this.abort();
    else open().then((socket) => this.adopt(socket), (error: unknown) => this.fail(error));
  }

  /** Both streams must be unlocked. */
  async close(): Promise<void> {
    if (this.readable.locked || this.writable.locked) throw invalidState('a stream of the socket is locked');
    if (!this.readDone && !this.over) await this.readable.cancel();
    if (!this.writeDone && !this.over) await this.writable.close();
    return this.closed;
  }

  private adopt(socket: DatagramSocket): void {
    if (this.over) {
      socket.close();
      return;
    }
    this.socket = socket;
    socket.onreadable = () => this.receive();
    socket.onwritable = () => this.sendWaiting();
    socket.onerror = (error) => this.fail(error);
    const { local, remote } = socket;
    this.opening.resolve({
      readable: this.readable, writable: this.writable, ...(remote ? { remoteAddress: remote.address, remotePort: remote.port } : {}),
      localAddress: local?.address ?? '', localPort: local?.port ?? 0,
    });
    this.receive();
  }

  private receive(): void {
    if (!this.wanted || this.over || !this.socket) return;
    try {
      const d = this.socket.receive();
      if (!d) return;
      this.wanted = false;
      this.source.enqueue({ data: new Uint8Array(d.data), remoteAddress: d.from?.address ?? '', remotePort: d.from?.port ?? 0 });
    } catch (error) {
      this.fail(error);
    }
  }

  private send(message: UDPMessage): Promise<void> | undefined {
    if (this.put(message)) return undefined;
    return new Promise((done) => { this.waiting = { message, done }; });
  }
  private sendWaiting(): void {
    const { waiting } = this;
    if (!waiting) return;
    try {
      if (!this.put(waiting.message)) return;
    } catch (error) {
      this.fail(error);
    }
    this.waiting = undefined;
    waiting.done();
  }
  private put({ data, remoteAddress, remotePort }: UDPMessage): boolean {
    return this.socket!.send(bytesOf(data), remoteAddress, remotePort);
  }

  private finish(): void {
    if (this.over || !this.readDone || !this.writeDone) return;
    this.release();
    this.ending.resolve();
  }
  private fail(reason: unknown): void {
    if (this.over) return;
    this.release();
    this.opening.reject(reason);
    this.ending.reject(reason);
    if (!this.readDone) this.source.error(reason);
    if (!this.writeDone) this.sink.error(reason);
  }
  private release(): void {
    this.over = true;
    this.signal?.removeEventListener('abort', this.abort);
    this.socket?.close();
  }
}
