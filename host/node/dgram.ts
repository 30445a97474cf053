// A datagram socket of a stack, shaped like dgram.Socket.
import { EventEmitter, once } from 'node:events';
import { isIP, type LookupFunction } from 'node:net';
import { parseIp } from '../config/address.js';
import type { SocketAddress } from '../sockets/address.js';
import type { DatagramSocket } from '../sockets/endpoints.js';
import {
  IPPROTO_IP, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_IF, IPV6_MULTICAST_LOOP, IPV6_UNICAST_HOPS,
  IPV6_V6ONLY, IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP, IP_MULTICAST_IF, IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL, IP_TTL, SOL_SOCKET, SO_BROADCAST, SO_RCVBUF, SO_REUSEADDR, SO_SNDBUF,
} from '../sockets/linux.js';
import { Hold, type Network } from './network.js';

export interface DatagramOptions {
  type: 'udp4' | 'udp6';
  reuseAddr?: boolean;
  ipv6Only?: boolean;
  recvBufferSize?: number;
  sendBufferSize?: number;
  lookup?: LookupFunction;
  /** Closes the socket when it aborts. */
  signal?: AbortSignal;
}
export interface RemoteInfo extends SocketAddress {
  size: number;
}
type Sent = (error: Error | null, bytes: number) => void;
type Payload = string | Uint8Array | DataView | readonly (string | Uint8Array)[];

/** Datagrams given out before other work of the thread has its turn. */
const BURST = 256;

interface Outgoing {
  data: Uint8Array;
  address: string | undefined;
  port: number;
  done: Sent | undefined;
}

const bytesOf = (p: Payload): Uint8Array =>
  typeof p === 'string' ? Buffer.from(p) : p instanceof Uint8Array ? p : p instanceof DataView ? new Uint8Array(p.buffer, p.byteOffset, p.byteLength)
    : Buffer.concat(p.map((x) => bytesOf(x)));

/** Events of dgram.Socket: message (data, rinfo), listening, connect, error, close. */
export class Datagrams extends EventEmitter {
  private readonly endpoint: DatagramSocket;
  private readonly family: 4 | 6;
  private readonly holding: Hold;
  private bound = false;
  private closed = false;
  /** Waits for room, in order. */
  private readonly queue: Outgoing[] = [];

  constructor(private readonly network: Network, private readonly options: DatagramOptions, onMessage?: (data: Buffer, from: RemoteInfo) => void) {
    super();
    this.family = options.type === 'udp6' ? 6 : 4;
    this.endpoint = network.provider.datagram(this.family);
    this.holding = new Hold(network);
    if (onMessage) this.on('message', onMessage);
    if (options.reuseAddr) this.set(SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.ipv6Only) this.set(IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (options.recvBufferSize) this.setRecvBufferSize(options.recvBufferSize);
    if (options.sendBufferSize) this.setSendBufferSize(options.sendBufferSize);
    options.signal?.addEventListener('abort', () => { if (!this.closed) this.close(); }, { once: true });
    this.endpoint.onreadable = () => this.receive();
    this.endpoint.onwritable = () => this.flush();
    this.endpoint.onerror = (error) => {
      this.emit('error', error);
      if (!this.closed) this.close();
    };
  }

  /** bind(port?, address?, callback?) or bind({ port, address }, callback?): 'listening' or 'error' follows. */
  bind(...args: (number | string | { port?: number; address?: string } | (() => void) | undefined)[]): this {
    const callback = args.find((a) => typeof a === 'function') as (() => void) | undefined;
    const [first, second] = args.filter((a) => typeof a !== 'function') as (number | string | { port?: number; address?: string } | undefined)[];
    const { port, address } = typeof first === 'object' ? first : { port: Number(first ?? 0), address: second as string | undefined };
    if (this.bound) throw Object.assign(new Error('Socket is already bound'), { code: 'ERR_SOCKET_ALREADY_BOUND' });
    if (callback) this.once('listening', callback);
    this.bound = true;
    this.resolve(address ?? (this.family === 6 ? '::' : '0.0.0.0'), (error, to) => {
      if (this.closed) return;
      try {
        if (error) throw error;
        this.endpoint.bind(to, port ?? 0);
      } catch (e) {
        this.bound = false;
        this.emit('error', e);
        return;
      }
      this.holding.open(true);
      this.emit('listening');
    });
    return this;
  }
  /** The address as text: looked up when it is a name; told in a later tick. */
  private resolve(address: string, then: (error: Error | null, address: string) => void): void {
    if (isIP(address.split('%')[0])) {
      process.nextTick(then, null, address);
      return;
    }
    (this.options.lookup ?? this.network.lookup)(address, { family: this.family }, (error, found) => then(error, found as string));
  }

  connect(port: number, address?: string | (() => void), callback?: () => void): void {
    const to = typeof address === 'string' ? address : this.family === 6 ? '::1' : '127.0.0.1', done = typeof address === 'function' ? address : callback;
    if (done) this.once('connect', done);
    this.resolve(to, (error, found) => {
      if (this.closed) return;
      try {
        if (error) throw error;
        this.endpoint.connect(found, port);
      } catch (e) {
        this.emit('error', e);
        return;
      }
      this.active();
      this.emit('connect');
    });
  }
  disconnect(): void { this.endpoint.connect(); }
  private active(): void {
    this.bound = true;
    this.holding.open(true);
  }

  // ---- sending ----
  /** send(data, [offset, length,] [port,] [address,] [callback]), as of dgram. Errors go to the callback, or to 'error'. */
  send(data: Payload, ...args: (number | string | Sent | undefined)[]): void {
    const done = args.find((a) => typeof a === 'function') as Sent | undefined;
    const rest = args.filter((a) => typeof a !== 'function');
    const sliced = typeof rest[0] === 'number' && typeof rest[1] === 'number';
    let bytes = bytesOf(data);
    if (sliced) {
      const [offset, length] = rest.splice(0, 2) as [number, number];
      if (offset < 0 || length < 0 || offset + length > bytes.length) throw Object.assign(new RangeError('offset and length lie outside of the data'), { code: 'ERR_BUFFER_OUT_OF_BOUNDS' });
      bytes = bytes.subarray(offset, offset + length);
    }
    const [port, address] = rest as [number | undefined, string | undefined];
    if (this.closed) throw Object.assign(new Error('Not running'), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
    if (port === undefined) {
      this.post({ data: bytes, address: undefined, port: 0, done });
      return;
    }
    this.resolve(address || (this.family === 6 ? '::1' : '127.0.0.1'), (error, to) => {
      if (this.closed) return;
      if (error) this.failed(error, done);
      else this.post({ data: bytes, address: to, port, done });
    });
  }
  private post(o: Outgoing): void {
    if (!this.bound) {
      this.active();
      process.nextTick(() => { if (!this.closed) this.emit('listening'); });
    }
    if (this.queue.length || !this.put(o)) this.queue.push(o);
  }
  /** Hand one over; false when there is no room. */
  private put({ data, address, port, done }: Outgoing): boolean {
    try {
      return this.endpoint.send(data, address, port, undefined, (error) => {
        if (error) this.failed(error, done);
        else if (done) process.nextTick(done, null, data.length);
      });
    } catch (error) {
      this.failed(error as Error, done);
      return true;
    }
  }
  private failed(error: Error, done: Sent | undefined): void {
    if (done) process.nextTick(done, error, 0);
    else process.nextTick(() => this.emit('error', error));
  }
  private flush(): void {
    while (this.queue.length && !this.closed && this.put(this.queue[0])) this.queue.shift();
  }
  getSendQueueCount(): number { return this.queue.length; }
  getSendQueueSize(): number { return this.queue.reduce((sum, o) => sum + o.data.length, 0); }

  // ---- receiving ----
  private receive(): void {
    for (let i = 0; !this.closed; i++) {
      if (i === BURST) {
        setImmediate(() => this.receive());
        return;
      }
      let data: Buffer, from: SocketAddress | undefined;
      try {
        const d = this.endpoint.receive();
        if (!d) return;
        data = Buffer.from(d.data);
        from = d.from;
      } catch (error) {
        this.emit('error', error);
        continue;
      }
      this.emit('message', data, { ...from, size: data.length });
    }
  }

  // ---- the rest ----
  close(callback?: () => void): this {
    if (this.closed) throw Object.assign(new Error('Not running'), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
    if (callback) this.once('close', callback);
    this.closed = true;
    this.endpoint.close();
    this.holding.open(false);
    for (const { done } of this.queue.splice(0)) if (done) process.nextTick(done, Object.assign(new Error('send ECANCELED'), { code: 'ECANCELED' }), 0);
    process.nextTick(() => this.emit('close'));
    return this;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    const closed = once(this, 'close');
    this.close();
    await closed;
  }
  address(): SocketAddress {
    const name = this.closed ? undefined : this.endpoint.local;
    if (!name || !this.bound) throw Object.assign(new Error('getsockname EBADF'), { code: 'EBADF', errno: -9, syscall: 'getsockname' });
    return name;
  }
  remoteAddress(): SocketAddress {
    const name = this.closed ? undefined : this.endpoint.remote;
    if (!name) throw Object.assign(new Error('Not connected'), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' });
    return name;
  }
  ref(): this {
    this.holding.ref();
    return this;
  }
  unref(): this {
    this.holding.unref();
    return this;
  }

  setBroadcast(on: boolean): void { this.set(SOL_SOCKET, SO_BROADCAST, on ? 1 : 0); }
  setTTL(ttl: number): number { return this.either(ttl, IP_TTL, IPV6_UNICAST_HOPS); }
  setMulticastTTL(ttl: number): number { return this.either(ttl, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS); }
  setMulticastLoopback(on: boolean): boolean { return this.either(on ? 1 : 0, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP) === 1; }
  /** udp4: an address of the interface; udp6: `::%eth0`. */
  setMulticastInterface(text: string): void {
    if (this.family === 4) this.set(IPPROTO_IP, IP_MULTICAST_IF, this.ip(text));
    else this.set(IPPROTO_IPV6, IPV6_MULTICAST_IF, this.scope(text));
  }
  addMembership(group: string, on?: string): void { this.membership(group, on, IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP); }
  dropMembership(group: string, on?: string): void { this.membership(group, on, IP_DROP_MEMBERSHIP, IPV6_DROP_MEMBERSHIP); }
  /** udp4 only. */
  addSourceSpecificMembership(source: string, group: string, on?: string): void { this.sourceMembership(source, group, on, IP_ADD_SOURCE_MEMBERSHIP); }
  dropSourceSpecificMembership(source: string, group: string, on?: string): void { this.sourceMembership(source, group, on, IP_DROP_SOURCE_MEMBERSHIP); }
  setRecvBufferSize(bytes: number): void { this.set(SOL_SOCKET, SO_RCVBUF, bytes); }
  setSendBufferSize(bytes: number): void { this.set(SOL_SOCKET, SO_SNDBUF, bytes); }
  /** As Linux tells it: twice what was set. */
  getRecvBufferSize(): number { return this.get(SO_RCVBUF); }
  getSendBufferSize(): number { return this.get(SO_SNDBUF); }

  private set(level: number, name: number, value: number | Uint8Array): void { this.endpoint.setOption(level, name, value); }
  private get(name: number): number { return Buffer.from(this.endpoint.getOption(SOL_SOCKET, name)).readInt32LE(0); }
  private either(value: number, v4: number, v6: number): number {
    if (this.family === 4) this.set(IPPROTO_IP, v4, value);
    else this.set(IPPROTO_IPV6, v6, value);
    return value;
  }
  /** Bytes of an address of this socket's family. */
  private ip(text: string): Uint8Array {
    const a = parseIp(text.split('%')[0]);
    if (a?.length === (this.family === 4 ? 4 : 16)) return a;
    throw Object.assign(new Error(`${text} is no address of ${this.options.type}`), { code: 'EINVAL', errno: -22 });
  }
  /** Interface index of `::%eth0`; 0 when there is no zone. */
  private scope(text: string | undefined): number {
    const zone = text?.split('%')[1];
    return zone === undefined ? 0 : /^\d+$/.test(zone) ? Number(zone) : this.network.provider.interfaceIndex(zone);
  }
  private membership(group: string, on: string | undefined, v4: number, v6: number): void {
    if (this.family === 4) {
      this.set(IPPROTO_IP, v4, Buffer.concat([this.ip(group), on === undefined ? Buffer.alloc(4) : this.ip(on)])); // struct ip_mreq
      return;
    }
    const mreq = Buffer.alloc(20); // struct ipv6_mreq
    mreq.set(this.ip(group));
    mreq.writeInt32LE(this.scope(on ?? group), 16);
    this.set(IPPROTO_IPV6, v6, mreq);
  }
  private sourceMembership(source: string, group: string, on: string | undefined, option: number): void {
    // struct ip_mreq_source: group, interface, source
    this.set(IPPROTO_IP, option, Buffer.concat([this.ip(group), on === undefined ? Buffer.alloc(4) : this.ip(on), this.ip(source)]));
  }
}
