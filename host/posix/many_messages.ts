// recvmmsg and sendmmsg of a datagram socket: as many messages at a time as there is room for (task_messages.ts).
import { MMSGHDR_BYTES, type Call } from './call.js';
import type { DatagramSocket } from './datagram.js';
import { AF_NETLINK, AF_PACKET, EAGAIN, EFAULT, EINTR, FIONREAD, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_PEEK, MSG_WAITFORONE } from './linux.js';

/** As UIO_MAXIOV: most messages of one sendmmsg or recvmmsg. */
const MMSG_MAX = 1024;

/** Receive for headers of a recvmmsg, `wanted` of them from `at` on: how many were stored, or -errno of the first; an error behind it is kept. */
function receiveSome(s: DatagramSocket, call: Call, at: number, wanted: number, flags: number): number {
  const { taskMessages, core } = s.sup;
  // Those of the pair, and errors, come first and one by one; the core's are taken together.
  s.unwake();
  const several = s.family !== AF_PACKET && s.family !== AF_NETLINK && !(flags & (MSG_PEEK | MSG_ERRQUEUE)) && !s.error && !s.raised && !s.kept;
  const headers = taskMessages.readHeaders(call, at, several ? wanted : 1, MMSGHDR_BYTES);
  if (headers < 0) return headers;
  let n = 0;
  if (!several || s.queue.length) {
    const d = s.take(call, flags);
    if (typeof d === 'number') return d;
    taskMessages.put(d);
    n = 1;
  }
  if (several && !s.queue.length) {
    n = taskMessages.gather(core, s.handle, n, headers, (errno) => { if (errno !== EAGAIN) s.error ||= errno; }, () => s.sup.coreIoctl(s.handle, FIONREAD));
    s.settle();
    if (n < 0) return n;
    s.took();
  }
  const stored = taskMessages.store(n, flags);
  // As in the kernel the one whose place is bad is lost, and those behind it are not.
  if (stored < n) {
    s.giveBack(Math.max(0, stored) + 1, n);
    if (stored > 0) s.error ||= EFAULT;
  }
  return stored;
}

/** recvmmsg: all that were asked for, unless it may not wait or waits for the first only (its time limit is not kept). */
export function receiveMany(s: DatagramSocket, call: Call, flags: number, nonblock: boolean): void {
  const wanted = Math.min(call.uint(2), MMSG_MAX);
  let got = 0;
  const attempt = (): boolean => {
    let r = 0;
    while (got < wanted && (r = s.error && got ? -EAGAIN : receiveSome(s, call, call.long(1) + got * MMSGHDR_BYTES, wanted - got, flags)) > 0) got += r;
    if (r === -EAGAIN && !nonblock && !(got && flags & MSG_WAITFORONE) && !(got && s.error)) return false;
    // An error after the first is told by the next call.
    if (got && r < 0 && r !== -EAGAIN) s.error ||= -r;
    if (got) s.offer();
    call.answer(got || r);
    return true;
  };
  if (attempt()) {
    s.servedAtOnce(!nonblock);
    return;
  }
  s.hold('readers', call, s.receiveTimeout, () => got || -EAGAIN, () => {
    if (!call.valid()) return true;
    if (!attempt()) return false;
    s.goDirect();
    return true;
  });
}

/** Send by headers of a sendmmsg, `wanted` of them from `at` on: how many were sent, and in `error` why no more, 0 or -errno. */
function sendSome(s: DatagramSocket, call: Call, at: number, wanted: number, flags: number): { sent: number; error: number } {
  const { taskMessages, core } = s.sup;
  const headers = taskMessages.readHeaders(call, at, wanted, MMSGHDR_BYTES), n = headers < 0 ? headers : taskMessages.load(headers);
  if (n < 0) return { sent: 0, error: n };
  if (!call.valid()) return { sent: 0, error: -EINTR };
  let sent = 0, error = 0;
  for (; sent < n; sent++) {
    error = core.sys_sendmsg(s.handle, taskMessages.record(sent), flags | MSG_DONTWAIT);
    if (error < 0) break;
    taskMessages.sent(sent, error);
  }
  if (sent) {
    s.sentSome(0);
    if (taskMessages.storeCounts(sent) < 0) return { sent: 0, error: -EFAULT };
  }
  return { sent, error: Math.min(0, error) };
}

/** sendmmsg: an attempt to send what is left, true when the call was answered. */
export function manySends(s: DatagramSocket, call: Call, flags: number): () => boolean {
  const wanted = Math.min(call.uint(2), MMSG_MAX);
  let sent = 0;
  return () => {
    let error = 0;
    while (sent < wanted && error === 0) {
      const r = sendSome(s, call, call.long(1) + sent * MMSGHDR_BYTES, wanted - sent, flags);
      sent += r.sent;
      error = r.error;
    }
    if (error === -EAGAIN && sent === 0) return false;
    s.sup.sendFrames();
    call.answer(sent || error);
    return true;
  };
}
