// Socket addresses: text and port as programs have them, struct sockaddr_in and sockaddr_in6 as the core has them. Browser-safe.
import { formatIp, parseIp } from '../config/address.js';
import { Errno } from '../abi/constants.js';
import { SocketError } from './error.js';
import { AF_INET, AF_INET6 } from './linux.js';

export type IpFamily = 4 | 6;

/** As Node's socket.address(): the shape of every name given out. */
export interface SocketAddress {
  address: string;
  family: 'IPv4' | 'IPv6';
  port: number;
}

/** Bytes of the largest socket address stored here, struct sockaddr_in6. */
export const SOCKADDR_BYTES = 28;

/** An address to connect to or bind; `scope`: interface index of a link-local address. */
export interface Endpoint {
  bytes: Uint8Array;
  port: number;
  scope: number;
}

/** Index of the interface of this name; throws when there is none. */
export type ScopeLookup = (name: string) => number;

/** Text (with `%zone` for link-local IPv6 addresses) and port. Throws EINVAL for what is no address. */
export function endpoint(address: string, port: number, scopeOf?: ScopeLookup): Endpoint {
  const [text, zone, ...rest] = address.split('%');
  const bytes = parseIp(text);
  if (!bytes || rest.length || (zone !== undefined && bytes.length === 4)) throw new SocketError(Errno.EINVAL, 'address', { address, port });
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new RangeError(`port ${port} is not from 0 to 65535`);
  const scope = zone === undefined ? 0 : /^\d+$/.test(zone) ? Number(zone) : scopeOf ? scopeOf(zone) : 0;
  return { bytes, port, scope };
}

/** Write `e` at `at` for a socket of `family` (IPv4 in a mapped address for an IPv6 socket); the length. */
export function writeSockaddr(view: DataView, at: number, family: IpFamily, e: Endpoint): number {
  if (family === 4) {
    if (e.bytes.length !== 4) throw new SocketError(Errno.EAFNOSUPPORT, 'address', { address: formatIp(e.bytes), port: e.port });
    view.setUint16(at, AF_INET, true);
    view.setUint16(at + 2, e.port);
    for (let i = 0; i < 4; i++) view.setUint8(at + 4 + i, e.bytes[i]);
    view.setBigUint64(at + 8, 0n);
    return 16;
  }
  view.setUint16(at, AF_INET6, true);
  view.setUint16(at + 2, e.port);
  for (let i = 4; i < SOCKADDR_BYTES; i += 4) view.setUint32(at + i, 0);
  if (e.bytes.length === 4) {
    view.setUint16(at + 18, 0xffff);
    for (let i = 0; i < 4; i++) view.setUint8(at + 20 + i, e.bytes[i]);
  } else for (let i = 0; i < 16; i++) view.setUint8(at + 8 + i, e.bytes[i]);
  view.setUint32(at + 24, e.scope, true);
  return SOCKADDR_BYTES;
}

/** The name of `length` bytes at `at`; undefined when it is of no IP family. */
export function readSockaddr(view: DataView, at: number, length: number): SocketAddress | undefined {
  const family = length >= 2 ? view.getUint16(at, true) : 0;
  const bytes = (from: number, n: number): Uint8Array => new Uint8Array(view.buffer, view.byteOffset + from, n).slice();
  if (family === AF_INET && length >= 16) return { address: formatIp(bytes(at + 4, 4)), family: 'IPv4', port: view.getUint16(at + 2) };
  if (family !== AF_INET6 || length < SOCKADDR_BYTES) return undefined;
  const scope = view.getUint32(at + 24, true);
  return { address: formatIp(bytes(at + 8, 16)) + (scope ? `%${scope}` : ''), family: 'IPv6', port: view.getUint16(at + 2) };
}
