// State changes, and the end of a connection. A finished connection whose application has gone is freed at
// the next bottom half, so that no caller on the stack holds a record that disappears.
import { Errno, Poll } from "../../abi";
import { ListNode } from "../../lib/list";
import { Mib, mibDec, mibInc } from "../../core/mib";
import { Sock, SockFlag, sockError, sockFree, sockWake, SHUT_RCV, SHUT_SND } from "../../core/sock";
import { Softirq, softirqRaise, softirqRegister } from "../../core/softirq";
import { sendActiveReset } from "./emit";
import { fastopenEnd, fastopenNoAnswer } from "./fastopen";
import { fastopenLeave } from "./fastopen_listen";
import { listenerGone } from "./listen";
import { rxPurge } from "./receive";
import { ofoPurge } from "./ofo";
import { sendqPurge } from "./sendq";
import { segPurge } from "./segment";
import { hashRemove, portRemove } from "./table";
import { Pending, Tcb, TcpState, tcb, tcbFree } from "./tcp";

/** Orphans that are done, linked by Sock.hashNext as a list. */
const DEAD = changetype<ListNode>(memory.data(8, 8));
@inline function node(sk: Sock): ListNode { return changetype<ListNode>(changetype<usize>(sk) + offsetof<Sock>("hashNext")); }

export function stateInit(): void {
  DEAD.init();
  softirqRegister(Softirq.TCP_TASKLET, reapDead.index);
}

@inline function isEstab(s: u32): bool { return s == TcpState.ESTABLISHED || s == TcpState.CLOSE_WAIT; }

export function setState(tp: Tcb, state: u32): void {
  const sk = tp.sk;
  const old = <u32>sk.state;
  if (isEstab(state) != isEstab(old)) {
    if (isEstab(state)) mibInc(Mib.TcpCurrEstab);
    else mibDec(Mib.TcpCurrEstab);
  }
  if (state == TcpState.CLOSE) {
    if (isEstab(old)) mibInc(Mib.TcpEstabResets);
    hashRemove(sk);
    if (!sk.has(SockFlag.BOUND_PORT)) portRemove(sk);
  }
  sk.state = <u8>state;
}

export function clearTimers(tp: Tcb): void {
  tp.pending = Pending.NONE;
  tp.rtxTimer.cancel();
  tp.delackTimer.cancel();
  tp.keepTimer.cancel();
  tp.paceTimer.cancel();
}

/** The connection is over (Linux's tcp_done): out of the tables, no timers; what was received can still be read. */
export function tcpDone(tp: Tcb): void {
  const sk = tp.sk;
  if (sk.state == <u8>TcpState.SYN_SENT || sk.state == <u8>TcpState.SYN_RECV) mibInc(Mib.TcpAttemptFails);
  fastopenLeave(tp, false);
  if (sk.state != <u8>TcpState.CLOSE) setState(tp, TcpState.CLOSE);
  clearTimers(tp);
  segPurge(tp);
  sendqPurge(tp);
  tp.ackFlags = 0;
  sk.shutdown = SHUT_RCV | SHUT_SND;
  if (sk.has(SockFlag.ORPHAN)) {
    if (!tp.unaccepted) destroyLater(tp);
  } else sockWake(sk, Poll.IN | Poll.OUT | Poll.HUP | Poll.RDHUP);
}

/** Free an orphan in state CLOSE at the next bottom half. */
export function destroyLater(tp: Tcb): void {
  const n = node(tp.sk);
  if (n.linked) return;
  n.insertBefore(DEAD);
  softirqRaise(Softirq.TCP_TASKLET);
}

function reapDead(): void {
  while (!DEAD.empty) {
    const n = DEAD.next;
    n.unlink();
    destroy(tcb(changetype<Sock>(changetype<usize>(n) - offsetof<Sock>("hashNext"))));
  }
}

// Everything the connection holds, then the records.
function destroy(tp: Tcb): void {
  const sk = tp.sk;
  fastopenEnd(tp);
  clearTimers(tp);
  hashRemove(sk);
  portRemove(sk);
  segPurge(tp);
  sendqPurge(tp);
  rxPurge(tp);
  ofoPurge(tp);
  tcbFree(tp);
  sockFree(sk);
}

/** Abort with an error for the application: RST received, time out, hard ICMP error. */
export function tcpFail(tp: Tcb, errno: u32): void {
  const sk = tp.sk;
  if (sk.state == <u8>TcpState.CLOSE) return;
  if (!sk.has(SockFlag.ORPHAN)) sockError(sk, errno);
  else sk.err = errno;
  tcpDone(tp);
}

/** The peer is unreachable for too long (Linux's tcp_write_err). */
export function tcpTimeout(tp: Tcb): void {
  mibInc(Mib.TcpExtTCPAbortOnTimeout);
  if (tp.sk.state == <u8>TcpState.SYN_SENT) fastopenNoAnswer(tp);
  tcpFail(tp, tp.sk.errSoft ? tp.sk.errSoft : <u32>Errno.ETIMEDOUT);
}

/** A connection without an application is given up for its memory. */
export function abortOnMemory(tp: Tcb): void {
  mibInc(Mib.TcpExtTCPAbortOnMemory);
  tcpAbort(tp, 0);
}

/** Abort from our side: RST to the peer when it knows the connection. */
export function tcpAbort(tp: Tcb, errno: u32): void {
  const sk = tp.sk;
  if (sk.state == <u8>TcpState.LISTEN) {
    listenerGone(sk);
    setState(tp, TcpState.CLOSE);
  } else if (sk.state != <u8>TcpState.CLOSE && sk.state != <u8>TcpState.SYN_SENT) sendActiveReset(tp);
  if (errno && !sk.has(SockFlag.ORPHAN)) sockError(sk, errno);
  tcpDone(tp);
}
