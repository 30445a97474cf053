// Sockets as WHATWG streams, with the names and shapes of the Direct Sockets API (https://wicg.github.io/direct-sockets/), over
// any stack: the same code runs in pages, in workers and in Node. Browser-safe.
//
//   const { TCPSocket, TCPServerSocket } = directSockets(stack.sockets);
//   const socket = new TCPSocket('192.0.2.1', 80, { signal: AbortSignal.timeout(5000) });
//   const { readable, writable } = await socket.opened;          // rejects with error.code 'ECONNREFUSED' ...
//   await new Blob(['GET / HTTP/1.0\r\n\r\n']).stream().pipeTo(writable);   // closing the writable sends FIN
//   for await (const bytes of readable) ...
//   await socket.closed;
//
// Beyond that API: `readable` and `writable` are on the socket too and may be used before it has opened; options `signal`,
// `localAddress` and `localPort`; errors are SocketErrors with a `code`.
//   reading        from the core, when asked: `await reader.read()`, or into a buffer of one's own with mode 'byob'
//   cancelling     `readable.cancel()`: what comes is thrown away; the writable goes on, and closing it closes the connection
//   closing        `writer.close()`: FIN after what was written; resolves when it is queued. The readable goes on to the peer's end.
//   aborting       `writer.abort(reason)` or the signal: RST. Both streams, pending calls and `closed` fail with the reason.
import { parseIp } from '../config/address.js';
import type { IpFamily } from './address.js';
import type { AnySocket, ListenSocket, SocketProvider } from './endpoints.js';
import { IPPROTO_TCP, SOL_SOCKET, SO_KEEPALIVE, SO_RCVBUF, SO_SNDBUF, TCP_KEEPIDLE, TCP_NODELAY } from './linux.js';
import { TCPServerSocket } from './streams_server.js';
import { TCPSocket, type Connecting } from './streams_tcp.js';
import { UDPSocket } from './streams_udp.js';

interface BufferOptions {
  /** Bytes; SO_SNDBUF and SO_RCVBUF. TCP tunes its own without. */
  sendBufferSize?: number;
  receiveBufferSize?: number;
  /** Resets or closes the socket, also before it has opened. */
  signal?: AbortSignal;
  /** Own address and port; the stack's choice when absent. */
  localAddress?: string;
  localPort?: number;
  /** Which addresses of a name to use. */
  dnsQueryType?: 'ipv4' | 'ipv6';
}

export interface TCPSocketOptions extends BufferOptions {
  noDelay?: boolean;
  /** ms, at least 1000: keep-alive probes after that much silence. */
  keepAliveDelay?: number;
}

export interface TCPServerSocketOptions {
  /** The stack's choice when absent. */
  localPort?: number;
  /** Connections that may wait to be accepted. */
  backlog?: number;
  /** Closes the listener. */
  signal?: AbortSignal;
}

export interface UDPSocketOptions extends BufferOptions {
  /** Send there and receive from there only; without, localAddress is needed. */
  remoteAddress?: string;
  remotePort?: number;
}

/** The address of a host name. */
export type NameLookup = (hostname: string, family: IpFamily | 0) => Promise<string>;

export interface DirectSockets {
  TCPSocket: new (remoteAddress: string, remotePort: number, options?: TCPSocketOptions) => TCPSocket;
  TCPServerSocket: new (localAddress: string, options?: TCPServerSocketOptions) => TCPServerSocket;
  UDPSocket: new (options: UDPSocketOptions) => UDPSocket;
}

const KEEP_ALIVE_MIN_MS = 1000;

/** The classes of the Direct Sockets API for one stack. Without `lookup`, remote addresses are addresses, not names. */
export function directSockets(provider: SocketProvider, lookup: NameLookup = (name) => Promise.reject(new TypeError(`not an address: ${name}`))): DirectSockets {
  const resolve = async (host: string, type?: 'ipv4' | 'ipv6'): Promise<{ address: string; family: IpFamily }> => {
    const address = familyOf(host) ? host : await lookup(host, type === 'ipv4' ? 4 : type === 'ipv6' ? 6 : 0);
    return { address, family: familyOf(address) || 4 };
  };
  return {
    TCPSocket: class extends TCPSocket {
      constructor(remoteAddress: string, remotePort: number, options: TCPSocketOptions = {}) {
        validate(options);
        super(async (): Promise<Connecting> => {
          const { address, family } = await resolve(remoteAddress, options.dnsQueryType), socket = provider.stream(family);
          prepared(socket, () => {
            configure(socket, options);
            if (options.localAddress !== undefined || options.localPort) socket.bind(options.localAddress ?? unspecified(family), options.localPort ?? 0);
          });
          return { socket, address, port: remotePort };
        }, options.signal);
      }
    },
    TCPServerSocket: class extends TCPServerSocket {
      constructor(localAddress: string, options: TCPServerSocketOptions = {}) {
        super((): ListenSocket => {
          const socket = provider.listener(familyOf(localAddress) || 4);
          prepared(socket, () => socket.listen(localAddress, options.localPort ?? 0, options.backlog));
          return socket;
        }, options.signal);
      }
    },
    UDPSocket: class extends UDPSocket {
      constructor(options: UDPSocketOptions) {
        validate(options);
        const { remoteAddress, remotePort, localAddress } = options;
        if (remoteAddress === undefined && localAddress === undefined) throw new TypeError('remoteAddress or localAddress is needed');
        if ((remoteAddress === undefined) !== (remotePort === undefined)) throw new TypeError('remoteAddress and remotePort belong together');
        super(async () => {
          const to = remoteAddress === undefined ? undefined : await resolve(remoteAddress, options.dnsQueryType);
          const family = to?.family ?? (familyOf(localAddress!) || 4), socket = provider.datagram(family);
          prepared(socket, () => {
            configure(socket, options);
            if (localAddress !== undefined || options.localPort) socket.bind(localAddress ?? unspecified(family), options.localPort ?? 0);
            if (to) socket.connect(to.address, remotePort);
          });
          return socket;
        }, options.signal);
      }
    },
  };
}

const unspecified = (family: IpFamily): string => (family === 4 ? '0.0.0.0' : '::');

/** Family of an address in text; 0 when it is none. */
function familyOf(text: string): IpFamily | 0 {
  const bytes = parseIp(text.split('%')[0]);
  return bytes ? (bytes.length === 4 ? 4 : 6) : 0;
}

/** Do what a new socket needs; it is closed when that fails. */
function prepared(socket: AnySocket, prepare: () => void): void {
  try {
    prepare();
  } catch (error) {
    socket.close();
    throw error;
  }
}

function validate(options: TCPSocketOptions): void {
  const { keepAliveDelay, sendBufferSize, receiveBufferSize } = options;
  if (keepAliveDelay !== undefined && !(keepAliveDelay >= KEEP_ALIVE_MIN_MS)) throw new TypeError(`keepAliveDelay is at least ${KEEP_ALIVE_MIN_MS} ms`);
  for (const size of [sendBufferSize, receiveBufferSize]) if (size !== undefined && !(size > 0)) throw new TypeError('a buffer size is greater than 0');
}

function configure(socket: AnySocket, { noDelay, keepAliveDelay, sendBufferSize, receiveBufferSize }: TCPSocketOptions): void {
  if (sendBufferSize !== undefined) socket.setOption(SOL_SOCKET, SO_SNDBUF, sendBufferSize);
  if (receiveBufferSize !== undefined) socket.setOption(SOL_SOCKET, SO_RCVBUF, receiveBufferSize);
  if (noDelay) socket.setOption(IPPROTO_TCP, TCP_NODELAY, 1);
  if (keepAliveDelay === undefined) return;
  socket.setOption(SOL_SOCKET, SO_KEEPALIVE, 1);
  socket.setOption(IPPROTO_TCP, TCP_KEEPIDLE, Math.round(keepAliveDelay / 1000));
}
