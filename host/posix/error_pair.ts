// The pair of a datagram socket that asks for errors (IP_RECVERR): of SOCK_DGRAM, where a pending error can be made to show
// in poll as ERR (native/errors.c). Such a pair does not tell that the program has closed its end: that is looked for now
// and then, as for sockets that have no pair.
import type { Call } from './call.js';
import { SOCK_DGRAM } from './linux.js';
import type { PosixSocket } from './socket.js';

/** Put such a pair in the place of the socket's, through the descriptor of the call being answered; false: it stays as it was. */
export function replacePair(s: PosixSocket, call: Call): boolean {
  const { sup, sup: { native } } = s;
  const old = s.end();
  if (old < 0) return false;
  const inode = sup.makePair(SOCK_DGRAM);
  if (inode < 0) {
    native.posixClose(old);
    return false;
  }
  const [end, own] = sup.pair;
  const fd = call.int(0), cloexec = native.posixTaskCloexec(call.tid, fd);
  let r = cloexec < 0 ? cloexec : native.posixErrorPair(s.fd, old, own, end);
  if (r >= 0) r = native.posixNotifyReplaceFd(call.notify, call.record, end, fd, cloexec);
  native.posixClose(old);
  native.posixClose(end);
  if (r < 0) {
    native.posixClose(own);
    return false;
  }
  s.unwatch();
  sup.renumber(s, inode);
  s.watch(own);
  s.seen(call.tid, fd);
  sup.sweepLater(s);
  return true;
}
