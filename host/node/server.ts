// A listening TCP socket of a stack, shaped like net.Server. `http.createServer()` works on top:
//   const server = stack.createServer((socket) => http.emit('connection', socket)).listen(80);
import { EventEmitter, once } from 'node:events';
import type { SocketAddress } from '../sockets/address.js';
import type { ListenSocket } from '../sockets/endpoints.js';
import { IPPROTO_IPV6, IPV6_V6ONLY, SOL_SOCKET, SO_REUSEADDR } from '../sockets/linux.js';
import { Hold, type Network } from './network.js';
import { Socket, type SocketOptions } from './socket.js';

export interface ServerOptions extends Omit<SocketOptions, 'signal'> {
  /** Give sockets out paused. */
  pauseOnConnect?: boolean;
}
export interface ListenOptions {
  /** 0: any that is free. */
  port?: number;
  /** Default: all addresses of both families. */
  host?: string;
  /** Connections that may wait to be accepted; default 511. */
  backlog?: number;
  ipv6Only?: boolean;
  /** Closes the server when it aborts. */
  signal?: AbortSignal;
}

/** Events of net.Server: listening, connection, drop, error, close. */
export class Server extends EventEmitter {
  listening = false;
  maxConnections?: number;
  private endpoint?: ListenSocket;
  private readonly sockets = new Set<Socket>();
  private readonly holding: Hold;
  private closing = false;

  constructor(private readonly network: Network, private readonly options: ServerOptions = {}, onConnection?: (socket: Socket) => void) {
    super();
    this.holding = new Hold(network);
    if (onConnection) this.on('connection', onConnection);
  }

  /** listen(port, host?, backlog?, callback?) or listen(options, callback?): 'listening' or 'error' follows. */
  listen(...args: (number | string | ListenOptions | (() => void) | undefined)[]): this {
    const callback = args.find((a) => typeof a === 'function') as (() => void) | undefined;
    const [first, second, third] = args.filter((a) => typeof a !== 'function') as (number | string | ListenOptions | undefined)[];
    const o: ListenOptions = typeof first === 'object' ? first : {
      port: Number(first ?? 0), host: typeof second === 'string' ? second : undefined, backlog: [second, third].find((x) => typeof x === 'number') as number | undefined,
    };
    if (this.endpoint) throw Object.assign(new Error('the server listens already'), { code: 'ERR_SERVER_ALREADY_LISTEN' });
    if (callback) this.once('listening', callback);
    o.signal?.addEventListener('abort', () => this.close(), { once: true });
    this.closing = false;
    void this.open(o).then(() => this.emit('listening'), (error: unknown) => this.emit('error', error));
    return this;
  }
  private async open(o: ListenOptions): Promise<void> {
    let address = o.host ?? '::';
    if (o.host !== undefined && !/^[\d.]+$|:/.test(o.host)) {
      address = await new Promise<string>((resolve, reject) => {
        this.network.lookup(o.host as string, {}, (error, found) => (error ? reject(error) : resolve(found as string)));
      });
    }
    const e = this.network.provider.listener(address.includes(':') ? 6 : 4);
    try {
      e.setOption(SOL_SOCKET, SO_REUSEADDR, 1);
      if (o.ipv6Only) e.setOption(IPPROTO_IPV6, IPV6_V6ONLY, 1);
      e.listen(address, o.port ?? 0, o.backlog);
    } catch (error) {
      e.close();
      throw error;
    }
    this.endpoint = e;
    this.listening = true;
    this.holding.open(true);
    e.onerror = (error) => {
      this.endpoint = undefined;
      this.emit('error', error);
      this.close();
    };
    e.onconnection = () => this.accept();
    this.accept();
  }
  private accept(): void {
    for (let s; this.endpoint && (s = this.endpoint.accept());) {
      if (this.maxConnections !== undefined && this.sockets.size >= this.maxConnections) {
        const { local, remote } = s;
        s.reset();
        this.emit('drop', { localAddress: local?.address, localPort: local?.port, remoteAddress: remote?.address, remotePort: remote?.port });
        continue;
      }
      const socket = new Socket(this.network, { ...this.options }, s);
      this.sockets.add(socket);
      socket.once('close', () => {
        this.sockets.delete(socket);
        this.ended();
      });
      if (this.options.pauseOnConnect) socket.pause();
      this.emit('connection', socket);
      if (!this.options.pauseOnConnect && !socket.destroyed && !socket.isPaused()) socket.read(0);
    }
  }

  /** Take no more connections; 'close' follows when the last has ended. */
  close(callback?: (error?: Error) => void): this {
    if (callback) {
      if (this.listening) this.once('close', () => callback());
      else process.nextTick(callback, Object.assign(new Error('Server is not running.'), { code: 'ERR_SERVER_NOT_RUNNING' }));
    }
    if (!this.listening) return this;
    this.endpoint?.close();
    this.endpoint = undefined;
    this.listening = false;
    this.closing = true;
    this.holding.open(false);
    this.ended();
    return this;
  }
  private ended(): void {
    if (!this.closing || this.sockets.size) return;
    this.closing = false;
    process.nextTick(() => this.emit('close'));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.listening) return;
    const closed = once(this, 'close');
    this.close();
    await closed;
  }

  /** null when it does not listen. */
  address(): SocketAddress | null { return this.endpoint?.local ?? null; }
  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.sockets.size);
    return this;
  }
  ref(): this {
    this.holding.ref();
    return this;
  }
  unref(): this {
    this.holding.unref();
    return this;
  }
}
