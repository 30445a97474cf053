// What the socket layer calls: creation, listening, accepting, closing. bind and connect are in connect.ts, the
// byte stream in stream.ts, options in options.ts.
import { Errno, Poll } from "../../abi";
import { arenaLeft } from "../../lib/arena";
import { ListNode } from "../../lib/list";
import { addrSetV4 } from "../../lib/addr";
import { Mib, mibInc } from "../../core/mib";
import { inetProtoRegister } from "../../core/proto";
import { AF_INET, SHUT_RCV, SHUT_SND, Sock, SockFlag, sockWake } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { IPPROTO_TCP } from "../../wire/tcp";
import { authInit } from "./auth/keys";
import { tcpBind, tcpDisconnect } from "./connect";
import { sendActiveReset } from "./emit";
import { tcpError } from "./error";
import { FastopenMode } from "./fastopen";
import { tcpInput } from "./input";
import { isnInit } from "./isn";
import { acceptShift, listenerGone } from "./listen";
import { sendFin } from "./output";
import { paceLimit } from "./pacing";
import { urgRead } from "./receive";
import { requestInit } from "./request";
import { Seg, segInit } from "./segment";
import { holdsMemory, memoryExhausted } from "./sendq";
import { tcbSetup } from "./setup";
import { abortOnMemory, destroyLater, setState, stateInit, tcpAbort, tcpDone } from "./state";
import { listenerInsert, portConflict, portHeld, tablesInit } from "./table";
import { TIMEWAIT_LEN, Tcb, TcpState, tcb, tcbAlloc, tcbInit } from "./tcp";
import { finTime, keepaliveUpdate } from "./timer";
import { tcpPoll } from "./stream";
import { enterTimeWait, timeWaitInit } from "./timewait";

export { tcpBind, tcpConnect, tcpDisconnect, tcpFastopen } from "./connect";
export { tcpGetsockopt, tcpSetsockopt } from "./options";
export { tcpDeferred, tcpInq, tcpIoctl, tcpPoll, tcpRxConsume, tcpRxPeek, tcpStreamEnded, tcpTxCommit, tcpTxReserve } from "./stream";

/** Requests (half-open connections) of all listeners together. */
const MAX_REQUESTS: u32 = 4096;

/** Carve the tables for `maxSockets` sockets and take over protocol 6. */
export function tcpInit(maxSockets: u32): void {
  tablesInit(maxSockets);
  tcbInit(maxSockets);
  authInit(maxSockets);
  requestInit(min(maxSockets, MAX_REQUESTS));
  timeWaitInit(min(maxSockets, sysctl(Sysctl.TCP_MAX_TW_BUCKETS)));
  // A sixteenth of what is left describes segments: at 2 KiB and more each, enough for all chunks there can be.
  segInit(max(4 * maxSockets, <u32>(arenaLeft() / 16 / offsetof<Seg>())));
  isnInit();
  stateInit();
  inetProtoRegister(IPPROTO_TCP, tcpInput.index, tcpError.index);
}

/** A control block for `sk`. 0 or -ENOBUFS. */
export function tcpCreate(sk: Sock): i32 {
  const tp = tcbAlloc(sk);
  if (!tp) return -Errno.ENOBUFS;
  sk.state = <u8>TcpState.CLOSE;
  sk.rcvbuf = sysctl(Sysctl.TCP_RMEM_DEFAULT);
  sk.sndbuf = sysctl(Sysctl.TCP_WMEM_DEFAULT);
  sk.pmtudisc = 1;
  sk.pmtudisc6 = 1;
  if (sk.family == <u16>AF_INET) {
    addrSetV4(sk.laddr, 0);
    addrSetV4(sk.raddr, 0);
  }
  tcbSetup(tp);
  tp.notsentLowat = sysctl(Sysctl.TCP_NOTSENT_LOWAT);
  tp.caId = sysctl(Sysctl.TCP_CONGESTION);
  return 0;
}

/** listen(2): 0, -EINVAL (connected), -EADDRINUSE. */
export function tcpListen(sk: Sock, backlog: i32): i32 {
  const tp = tcb(sk);
  if (sk.state != <u8>TcpState.CLOSE && sk.state != <u8>TcpState.LISTEN) return -Errno.EINVAL;
  if (tp.connecting) return -Errno.EINVAL;
  // A negative backlog is the largest (Linux compares unsigned).
  const n = min(<u32>backlog, sysctl(Sysctl.CORE_SOMAXCONN));
  if (sk.state == <u8>TcpState.LISTEN) {
    tp.backlog = n;
    return 0;
  }
  if (tp.iss) tcpDisconnect(sk);
  if (!portHeld(sk)) {
    const r = tcpBind(sk, sk.laddr, 0, 0);
    if (r < 0) return r;
    sk.set(SockFlag.BOUND_PORT, false);
  }
  setState(tp, TcpState.LISTEN);
  if (portConflict(sk, sk.laddr, sk.lport)) {
    setState(tp, TcpState.CLOSE);
    return -Errno.EADDRINUSE;
  }
  tp.backlog = n;
  const all = FastopenMode.SERVER | FastopenMode.SERVER_ALL;
  if ((sysctl(Sysctl.TCP_FASTOPEN) & all) == all && !tp.tfoMax) tp.tfoMax = n;
  sk.shutdown = 0;
  listenerInsert(sk);
  return 0;
}

/** The next established connection; null = EAGAIN. The caller has checked that `sk` listens (sk.state). */
export function tcpAccept(sk: Sock): Sock | null {
  const tp = acceptShift(tcb(sk));
  if (!tp) return null;
  const child = tp.sk;
  child.set(SockFlag.ORPHAN, false);
  const ready = tcpPoll(child);
  if (ready) sockWake(child, ready);
  return child;
}

// RFC 9293 3.10.4: the state after our side closes; true when a FIN must be sent.
function closeState(tp: Tcb): bool {
  switch (<u32>tp.sk.state) {
    case <u32>TcpState.ESTABLISHED:
    case <u32>TcpState.SYN_RECV:
      setState(tp, TcpState.FIN_WAIT1);
      return true;
    case <u32>TcpState.CLOSE_WAIT:
      setState(tp, TcpState.LAST_ACK);
      return true;
    case <u32>TcpState.SYN_SENT:
      tcpDone(tp);
      return false;
    default: return false;
  }
}

/** The application closes: an orphan finishes the connection. SO_LINGER 0 and unread data reset it (RFC 2525 2.17). */
export function tcpClose(sk: Sock): void {
  const tp = tcb(sk);
  const unread = tp.rxQueued != 0;
  const n = changetype<ListNode>(sk);
  if (n.linked) n.unlink();
  sk.events = 0;
  sk.set(SockFlag.ORPHAN, true);
  sk.shutdown = SHUT_RCV | SHUT_SND;
  if (sk.state == <u8>TcpState.CLOSE) {
    destroyLater(tp);
    return;
  }
  if (sk.state == <u8>TcpState.LISTEN) {
    listenerGone(sk);
    setState(tp, TcpState.CLOSE);
    destroyLater(tp);
    return;
  }
  if (unread) {
    mibInc(Mib.TcpExtTCPAbortOnClose);
    tcpAbort(tp, 0);
  } else if (sk.has(SockFlag.LINGER) && !sk.linger) {
    mibInc(Mib.TcpExtTCPAbortOnData);
    const state = sk.state;
    if (state == <u8>TcpState.CLOSING || state == <u8>TcpState.LAST_ACK) tcpDone(tp); // Linux's tcp_need_reset
    else tcpAbort(tp, 0);
  } else if (closeState(tp)) sendFin(tp);
  if (sk.state == <u8>TcpState.CLOSE) return;
  if (sk.state == <u8>TcpState.FIN_WAIT2) closeInFinWait2(tp);
  else if (memoryExhausted() && holdsMemory(tp)) abortOnMemory(tp);
}

function closeInFinWait2(tp: Tcb): void {
  if (tp.linger2 < 0) {
    mibInc(Mib.TcpExtTCPAbortOnLinger);
    sendActiveReset(tp);
    tcpDone(tp);
    return;
  }
  const t = finTime(tp);
  if (t > TIMEWAIT_LEN) tp.keepTimer.armIn(t - TIMEWAIT_LEN);
  else enterTimeWait(tp, TcpState.FIN_WAIT2, t);
}

/** shutdown(2), `how`: 0 read, 1 write, 2 both. 0 or -ENOTCONN. */
export function tcpShutdown(sk: Sock, how: i32): i32 {
  const tp = tcb(sk);
  const bits: u8 = how == 0 ? SHUT_RCV : how == 1 ? SHUT_SND : SHUT_RCV | SHUT_SND;
  let r = 0;
  switch (<u32>sk.state) {
    case <u32>TcpState.CLOSE:
      r = -Errno.ENOTCONN;
      sk.shutdown |= bits;
      break;
    case <u32>TcpState.LISTEN:
      if (bits & SHUT_RCV) {
        listenerGone(sk);
        setState(tp, TcpState.CLOSE);
      }
      break;
    case <u32>TcpState.SYN_SENT:
      tcpDisconnect(sk);
      break;
    default:
      sk.shutdown |= bits;
      if (bits & SHUT_SND && closeState(tp)) sendFin(tp);
  }
  sockWake(sk, Poll.IN | Poll.OUT | Poll.HUP | Poll.RDHUP);
  return r;
}

/** The urgent byte at `dst`: 1, 0 (end of stream), -EINVAL, -EAGAIN. `peek` leaves it. */
export function tcpRecvUrg(sk: Sock, dst: usize, peek: bool): i32 { return urgRead(tcb(sk), dst, peek); }

/** SO_KEEPALIVE was changed. */
export function tcpKeepalive(sk: Sock): void { keepaliveUpdate(tcb(sk)); }
/** SO_MAX_PACING_RATE was changed. */
export function tcpPacing(sk: Sock): void { paceLimit(tcb(sk)); }
