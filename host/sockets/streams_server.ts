// A listening TCP socket as a stream of connections: nothing is accepted before somebody reads, and the backlog is the core's.
// Browser-safe.
import type { ListenSocket } from './endpoints.js';
import { deferred } from './deferred.js';
import { TCPSocket, invalidState } from './streams_tcp.js';

export interface TCPServerSocketOpenInfo {
  readable: ReadableStream<TCPSocket>;
  localAddress: string;
  localPort: number;
}

/** A listener: see streams.ts. */
export class TCPServerSocket {
  readonly opened: Promise<TCPServerSocketOpenInfo>;
  /** It listens no more; rejects when that was not asked for. */
  readonly closed: Promise<void>;
  /** The same as in `opened`; may be used before. */
  readonly readable: ReadableStream<TCPSocket>;

  private socket?: ListenSocket;
  private readonly ending = deferred<void>();
  private source!: ReadableStreamDefaultController<TCPSocket>;
  private wanted = false;
  private over = false;
  private readonly abort = (): void => this.fail(this.signal?.reason);

  /** `listen`: makes the socket, which listens. */
  constructor(listen: () => ListenSocket, private readonly signal?: AbortSignal) {
    const opening = deferred<TCPServerSocketOpenInfo>();
    this.opened = opening.promise;
    this.closed = this.ending.promise;
    this.readable = new ReadableStream<TCPSocket>({
      start: (controller) => { this.source = controller; },
      pull: () => {
        this.wanted = true;
        this.accept();
      },
      cancel: () => this.finish(),
    }, { highWaterMark: 0 });
    signal?.addEventListener('abort', this.abort);
    try {
      signal?.throwIfAborted();
      const socket = this.socket = listen(), { local } = socket;
      socket.onconnection = () => this.accept();
      socket.onerror = (error) => this.fail(error);
      opening.resolve({ readable: this.readable, localAddress: local?.address ?? '', localPort: local?.port ?? 0 });
    } catch (error) {
      opening.reject(error);
      this.fail(error);
    }
  }

  /** Stop listening: connections that nobody has accepted are reset. The stream must be unlocked. */
  async close(): Promise<void> {
    if (this.readable.locked) throw invalidState('the stream of connections is locked');
    if (!this.over) await this.readable.cancel();
    return this.closed;
  }

  private accept(): void {
    if (!this.wanted || this.over) return;
    try {
      const connection = this.socket!.accept();
      if (!connection) return;
      this.wanted = false;
      this.source.enqueue(new TCPSocket(connection));
    } catch (error) {
      this.fail(error);
    }
  }

  private finish(): void {
    if (this.over) return;
    this.release();
    this.ending.resolve();
  }
  private fail(reason: unknown): void {
    if (this.over) return;
    this.release();
    this.source.error(reason);
    this.ending.reject(reason);
  }
  private release(): void {
    this.over = true;
    this.signal?.removeEventListener('abort', this.abort);
    this.socket?.close();
  }
}
