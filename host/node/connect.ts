// From a host's name to an open connection: all its addresses are tried in turn, each for a while (RFC 8305 without racing).
import { isIP, type LookupFunction } from 'node:net';
import type { LookupAddress } from 'node:dns';
import type { StreamSocket } from '../sockets/endpoints.js';
import type { Network, Timer } from './network.js';

/** What net.connect() takes, as far as it has a meaning here. */
export interface ConnectOptions {
  port: number | string;
  /** Default `localhost`. */
  host?: string;
  localAddress?: string;
  localPort?: number;
  /** 4, 6, or 0 for both. */
  family?: number | string;
  hints?: number;
  lookup?: LookupFunction;
  /** ms one address is tried while there are others; default 250. */
  autoSelectFamilyAttemptTimeout?: number;
}

/** What a connection under way tells. */
export interface ConnectEvents {
  lookup(error: Error | null, address: string, family: number, host: string): void;
  attempt(address: string, port: number, family: number): void;
  /** A socket was made: its options can be set. */
  made(socket: StreamSocket): void;
  open(socket: StreamSocket): void;
  failed(error: Error): void;
}

const ATTEMPT_MS = 250;

/** Begin; the result is how to give up. */
export function connectTo(network: Network, options: ConnectOptions, events: ConnectEvents): () => void {
  const port = Number(options.port), host = options.host || 'localhost';
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw Object.assign(new RangeError(`port ${String(options.port)} is not from 0 to 65535`), { code: 'ERR_SOCKET_BAD_PORT' });
  const c = new Connecting(network, options, port, events);
  const family = isIP(host.split('%')[0]);
  if (family) process.nextTick(() => c.start([{ address: host, family }]));
  else c.resolve(host);
  return () => c.cancel();
}

class Connecting {
  private addresses: LookupAddress[] = [];
  private current?: StreamSocket;
  private timer?: Timer;
  private over = false;

  constructor(private readonly network: Network, private readonly options: ConnectOptions, private readonly port: number, private readonly events: ConnectEvents) {}

  resolve(host: string): void {
    const wanted = this.options.family === 'IPv4' ? 4 : this.options.family === 'IPv6' ? 6 : Number(this.options.family ?? 0);
    const lookup = this.options.lookup ?? this.network.lookup;
    lookup(host, { family: wanted, hints: this.options.hints, all: true }, (error, found, family) => {
      if (this.over) return;
      const list = error ? [] : typeof found === 'string' ? [{ address: found, family: family ?? isIP(found) }] : found;
      for (const { address, family: f } of list) this.events.lookup(null, address, f, host);
      if (!error) return this.start(list);
      this.events.lookup(error, '', 0, host);
      this.fail(error);
    });
  }

  start(addresses: LookupAddress[]): void {
    this.addresses = addresses;
    this.next(undefined);
  }
  cancel(): void {
    this.over = true;
    this.drop();
  }

  /** Try the next address; when there is none, fail with the last error. */
  private next(error: Error | undefined): void {
    if (this.over) return;
    const to = this.addresses.shift();
    if (!to) return this.fail(error ?? Object.assign(new Error('no address to connect to'), { code: 'ENOTFOUND' }));
    this.events.attempt(to.address, this.port, to.family);
    try {
      this.try(to);
    } catch (e) {
      this.drop();
      this.next(e as Error);
    }
  }
  private try(to: LookupAddress): void {
    const { localAddress, localPort, autoSelectFamilyAttemptTimeout: limit = ATTEMPT_MS } = this.options;
    const socket = this.network.provider.stream(to.family === 6 ? 6 : 4);
    this.current = socket;
    this.events.made(socket);
    if (localAddress !== undefined || localPort !== undefined) socket.bind(localAddress ?? (to.family === 6 ? '::' : '0.0.0.0'), localPort ?? 0);
    socket.onopen = () => {
      this.over = true;
      this.network.timers.clearTimeout(this.timer);
      this.events.open(socket);
    };
    socket.onerror = (error) => {
      this.current = undefined;
      this.network.timers.clearTimeout(this.timer);
      this.next(error);
    };
    socket.connect(to.address, this.port);
    if (!this.addresses.length) return;
    this.timer = this.network.timers.setTimeout(() => {
      this.drop();
      this.next(undefined);
    }, limit);
  }
  private drop(): void {
    this.network.timers.clearTimeout(this.timer);
    this.current?.close();
    this.current = undefined;
  }
  private fail(error: Error): void {
    this.over = true;
    this.events.failed(error);
  }
}
