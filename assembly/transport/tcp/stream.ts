// The byte stream as the application sees it: room to write, bytes to read, readiness, queue sizes.
import { Errno, Poll } from "../../abi";
import { seqGt, seqLt } from "../../lib/seq";
import { Mib, mibInc } from "../../core/mib";
import { SHUT_RCV, SHUT_SND, Sock, SockFlag, sockTakeError } from "../../core/sock";
import { isWritable } from "./ack";
import { Chrono, chronoStart } from "./chrono";
import { launch } from "./connect";
import { fastopenSpace } from "./fastopen";
import { push, slowStartAfterIdle, unsent } from "./output";
import { awaitMemory } from "./pacing";
import { Urg, rxAvailable, rxConsume, rxPeek } from "./receive";
import { requestUntold } from "./request";
import { memoryPressure, sendqCommit, sendqReserve } from "./sendq";
import { Nagle, Tcb, TcpState, Tfo, tcb } from "./tcp";

const MSG_OOB: u32 = 1;
const MSG_MORE: u32 = 0x8000;
const SIOCINQ: u32 = 0x541b;
const SIOCOUTQ: u32 = 0x5411;
const SIOCATMARK: u32 = 0x8905;
const SIOCOUTQNSD: u32 = 0x894b;

// A child that its SYN has made (Tfo.PENDING) moves data before the handshake is over.
@inline function early(sk: Sock): bool { return sk.state == <u8>TcpState.SYN_RECV && (tcb(sk).tfo & Tfo.PENDING) != 0; }
@inline function connecting(sk: Sock): bool { return sk.state == <u8>TcpState.SYN_SENT || (sk.state == <u8>TcpState.SYN_RECV && !early(sk)); }
@inline function canSend(sk: Sock): bool { return sk.state == <u8>TcpState.ESTABLISHED || sk.state == <u8>TcpState.CLOSE_WAIT || early(sk); }

// 0, or why nothing can be written any more.
function sendError(sk: Sock): i32 {
  if (sk.err) return -<i32>sockTakeError(sk);
  if (sk.shutdown & SHUT_SND || (!canSend(sk) && !connecting(sk))) return -Errno.EPIPE;
  return 0;
}

// Nothing in flight will wait for a window: the application is what limits the rate (delivery rate samples).
function checkAppLimited(tp: Tcb): void {
  if (unsent(tp) < tp.mssCache && tp.inFlight < tp.cwnd && tp.lostOut <= tp.retransOut) {
    const n = tp.delivered + tp.inFlight;
    tp.appLimited = n ? n : 1;
  }
}

/** connect() has returned at once: the first write sends the SYN. */
export function tcpDeferred(sk: Sock): bool { return (tcb(sk).tfo & Tfo.DEFERRED) != 0; }

/** Room for up to `want` bytes as (address, length) pairs at IOV; 0 when there is none now; -EPIPE or the pending error. */
export function tcpTxReserve(sk: Sock, want: u32): i32 {
  const e = sendError(sk);
  if (e) return e;
  const tp = tcb(sk);
  let room: u32 = 0;
  if (canSend(sk) && unsent(tp) < tp.notsentLowat && sk.sndbuf > tp.txQueued) room = sk.sndbuf - tp.txQueued;
  if (tp.tfo & Tfo.DEFERRED) room = min(fastopenSpace(tp), sk.sndbuf);
  if (room && memoryPressure()) {
    mibInc(Mib.TcpExtTCPMemoryPressures);
    room = tp.txQueued ? 0 : min<u32>(room, 4096);
  }
  const count = room ? sendqReserve(tp, min(want, room)) : 0;
  if (!count) {
    tp.sndbufLimited = true;
    if (!tp.txQueued && room) awaitMemory(tp);
  }
  return count;
}

/** The first `n` reserved bytes are data: queue and send them. Bytes taken, or -errno. */
export function tcpTxCommit(sk: Sock, n: u32, flags: u32): i32 {
  const e = sendError(sk);
  const tp = tcb(sk);
  if (e) {
    sendqCommit(tp, 0);
    return e;
  }
  slowStartAfterIdle(tp);
  checkAppLimited(tp);
  const done = sendqCommit(tp, n);
  if (tp.tfo & Tfo.DEFERRED) {
    const r = launch(sk, tp);
    return r == -Errno.EINPROGRESS ? <i32>done : r;
  }
  if (!done) return 0;
  chronoStart(tp, Chrono.BUSY);
  if (flags & MSG_OOB) tp.sndUp = tp.writeSeq;
  if (!(flags & MSG_MORE)) tp.pushSeq = tp.writeSeq;
  push(tp, flags & MSG_MORE ? tp.nonagle | <u32>Nagle.CORK : <u32>tp.nonagle);
  return <i32>done;
}

/** Readable bytes as (address, length) pairs at IOV; 0 = none now or end of stream (tcpPoll tells); -ENOTCONN or the pending error. */
export function tcpRxPeek(sk: Sock, want: u32): i32 {
  const tp = tcb(sk);
  if (sk.state == <u8>TcpState.LISTEN) return -Errno.ENOTCONN;
  const count = rxPeek(tp, want);
  if (count) return count;
  if (tp.finRcvd) return 0;
  if (sk.err) return -<i32>sockTakeError(sk);
  if (sk.shutdown & SHUT_RCV) return 0;
  return sk.state == <u8>TcpState.CLOSE ? -Errno.ENOTCONN : 0;
}

/** Has the application read everything there will ever be? */
export function tcpStreamEnded(sk: Sock): bool {
  const tp = tcb(sk);
  return !tp.rxQueued && (tp.finRcvd || (sk.shutdown & SHUT_RCV) != 0);
}

/** Bytes still to read (1 at the end of the stream) when TCP_INQ is set, else -1. */
export function tcpInq(sk: Sock): i32 {
  const tp = tcb(sk);
  if (!tp.inq) return -1;
  return tp.rxQueued ? <i32>tp.rxQueued : tp.finRcvd ? 1 : 0;
}

/** `n` bytes of what was shown have been taken; how many those are. */
export function tcpRxConsume(sk: Sock, n: u32): i32 { return <i32>rxConsume(tcb(sk), n); }

/** Level readiness, as Linux's tcp_poll. */
export function tcpPoll(sk: Sock): u32 {
  const tp = tcb(sk);
  if (sk.state == <u8>TcpState.LISTEN) return (tp.acceptFirst ? Poll.IN : 0) | (requestUntold(tp) ? Poll.PRI : 0);
  let m: u32 = 0;
  if (sk.shutdown == (SHUT_RCV | SHUT_SND) || sk.state == <u8>TcpState.CLOSE) m |= Poll.HUP;
  if (sk.shutdown & SHUT_RCV) m |= Poll.IN | Poll.RDHUP;
  if (!connecting(sk)) {
    const queued = rxAvailable(tp);
    if (queued && (queued >= sk.rcvlowat || tp.rcvNxt - tp.copiedSeq > queued)) m |= Poll.IN;
    if (sk.shutdown & SHUT_SND || isWritable(tp)) m |= Poll.OUT;
    else tp.sndbufLimited = true;
    if (tp.urgState == Urg.VALID) m |= Poll.PRI;
  }
  if (tp.tfo & Tfo.DEFERRED) m |= Poll.OUT;
  if (sk.err || sk.errCount) m |= Poll.ERR;
  return m;
}

/** SIOCINQ, SIOCATMARK, SIOCOUTQ, SIOCOUTQNSD: the value, or -EINVAL. */
export function tcpIoctl(sk: Sock, cmd: u32): i32 {
  const tp = tcb(sk);
  if (cmd == SIOCATMARK) return tp.urgState && tp.urgSeq == tp.copiedSeq ? 1 : 0;
  if (sk.state == <u8>TcpState.LISTEN || (cmd != SIOCINQ && cmd != SIOCOUTQ && cmd != SIOCOUTQNSD)) return -Errno.EINVAL;
  if (connecting(sk)) return 0;
  if (cmd == SIOCOUTQ) return <i32>(tp.writeSeq - tp.sndUna);
  if (cmd == SIOCOUTQNSD) return <i32>unsent(tp);
  if (!sk.has(SockFlag.OOBINLINE) && tp.urgState && !seqLt(tp.urgSeq, tp.copiedSeq) && seqGt(tp.rcvNxt, tp.urgSeq)) return <i32>(tp.urgSeq - tp.copiedSeq);
  return <i32>tp.rxQueued;
}
