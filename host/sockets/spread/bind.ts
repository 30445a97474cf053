// One local port in every worker, so that it is taken for all. Browser-safe.
import { Errno } from '../../abi/constants.js';
import { SocketError } from '../error.js';
import type { AnySocket } from '../endpoints.js';

/** How often another port is tried when the one that the first worker chose is taken in a later one. */
const TRIES = 16;

/**
 * `make` sockets, one for each worker, and have them take the same port: `take(socket, port)`. All of them; when it fails none is left open.
 */
export function inAllWorkers<S extends AnySocket>(make: () => S[], port: number, take: (socket: S, port: number) => void): S[] {
  for (let i = 0; ; i++) {
    const all = make();
    try {
      take(all[0], port);
      const chosen = port || (all[0].local?.port ?? 0);
      for (const s of all.slice(1)) take(s, chosen);
      return all;
    } catch (error) {
      for (const s of all) s.close();
      if (port || i === TRIES || !(error instanceof SocketError) || error.errno !== -Errno.EADDRINUSE) throw error;
    }
  }
}

/** One of each, or, when one cannot be made, none. */
export function oneEach<T, S extends AnySocket>(from: readonly T[], make: (of: T) => S): S[] {
  const made: S[] = [];
  try {
    for (const f of from) made.push(make(f));
    return made;
  } catch (error) {
    for (const s of made) s.close();
    throw error;
  }
}
