// The descriptor behind a socket of node:net. Data moves by native calls between it and linear memory, without a Buffer on the way;
// node opens, connects, accepts and closes. libuv must not read it: the socket stays paused.
import type { Socket } from 'node:net';

/** Throws when the socket is closed. */
export function descriptorOf(socket: Socket): number {
  const fd = (socket as unknown as { _handle?: { fd: number } | null })._handle?.fd;
  if (fd === undefined || fd < 0) throw new Error('the socket has no descriptor');
  return fd;
}
