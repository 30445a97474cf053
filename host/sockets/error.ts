// Errors of sockets, with the properties Node's system errors have. Browser-safe.
import { Errno, ErrnoName } from '../abi/constants.js';
import type { SocketAddress } from './address.js';

/** A failed socket call. */
export class SocketError extends Error {
  override readonly name = 'Error';
  /** Name of the errno, `ECONNREFUSED`. */
  readonly code: string;
  /** -errno, as in Node. */
  readonly errno: number;
  readonly address?: string;
  readonly port?: number;

  /** `errno` > 0; `syscall`: connect, bind, listen, read ...; `peer`: whom it was about. */
  constructor(errno: number, readonly syscall: string, peer?: Pick<SocketAddress, 'address' | 'port'>) {
    const code = ErrnoName[errno] ?? `E${errno}`;
    super(`${syscall} ${code}${peer ? ` ${peer.address}:${peer.port}` : ''}`);
    this.code = code;
    this.errno = -errno;
    if (!peer) return;
    this.address = peer.address;
    this.port = peer.port;
  }
}

/** What every socket of a stack that has ended fails with. */
export const stackGone = (syscall: string): SocketError => new SocketError(Errno.ECONNRESET, syscall);

/** Throw when the result of a call is -errno; else pass it through. */
export function check(result: number, syscall: string, peer?: Pick<SocketAddress, 'address' | 'port'>): number {
  if (result < 0) throw new SocketError(-result, syscall, peer);
  return result;
}
