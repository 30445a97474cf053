// What programs make sockets by, with the shapes of Node's net and dgram, whatever they are the sockets of.
import { Datagrams, type DatagramOptions, type RemoteInfo } from './dgram.js';
import type { Network } from './network.js';
import { Server, type ServerOptions } from './server.js';
import { Socket, type ConnectionOptions, type SocketOptions } from './socket.js';

export abstract class NetApi {
  protected abstract readonly network: Network;

  /** A connection: connect(options, listener?) or connect(port, host?, listener?); as net.connect. */
  connect(options: ConnectionOptions | number, host?: string | (() => void), listener?: () => void): Socket {
    const own = typeof options === 'number' ? {} : options;
    return new Socket(this.network, { ...own }).connect(options, host, listener);
  }
  /** The same, bound to the stack: the `createConnection` of http.request and http.Agent. */
  readonly createConnection = (options: ConnectionOptions, listener?: () => void): Socket => this.connect(options, listener);
  /** A server: as net.createServer. */
  createServer(options?: ServerOptions | ((socket: Socket) => void), onConnection?: (socket: Socket) => void): Server {
    return typeof options === 'function' ? new Server(this.network, {}, options) : new Server(this.network, options, onConnection);
  }
  /** A datagram socket: as dgram.createSocket. */
  createSocket(options: DatagramOptions | 'udp4' | 'udp6', onMessage?: (data: Buffer, from: RemoteInfo) => void): Datagrams {
    return new Datagrams(this.network, typeof options === 'string' ? { type: options } : options, onMessage);
  }
  /** A socket that is not connected yet: as new net.Socket(). */
  socket(options: SocketOptions = {}): Socket { return new Socket(this.network, { ...options }); }
}
