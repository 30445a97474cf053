// Listeners: from SYN to accept(). The request records are in request.ts.
import { Poll } from "../../abi";
import { addrCopy, addrIsV4, v6IsLinkLocal } from "../../lib/addr";
import { seqGt } from "../../lib/seq";
import { Drop, dropCount } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Skb } from "../../core/skb";
import { Sock, SockFlag, SockKind, sockAlloc, sockFree, sockWake, SOCK_STREAM } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { MS, SEC, US, now } from "../../core/time";
import { flowRoute } from "../../network/flow";
import { IPPROTO_TCP, TcpFlag } from "../../wire/tcp";
import { tproxyForget } from "../tproxy";
import { accAgreed, accCookie, aceOf } from "./accecn";
import { authChild, requestAuth } from "./auth/sign";
import { answerAllowed, oowAllowed } from "./challenge";
import { cookieCheck, cookieSack, cookieWscale, tsOffsetFor } from "./isn";
import { deferredInput } from "./defer";
import { advertisedMss, headerLenSet, initRcvMss, syncMss } from "./mss";
import { replyFlow, replyReset, replySend } from "./reply";
import { Request, cookiesExpected, requestArm, requestDrop, requestFill, requestSyn, requestWindow, requestsPurge, sendSynAck, tempRequest } from "./request";
import { rtoSet, rttSample, minRttUpdate } from "./rtt";
import { IN, OPT } from "./segin";
import { flowSetup, tcbSetup } from "./setup";
import { destroyLater, tcpAbort } from "./state";
import { connInsert, portInsert } from "./table";
import { Ecn, Tcb, TcpState, tcb, tcbAlloc } from "./tcp";

// ---- the accept queue ----
export function acceptPush(lt: Tcb, tp: Tcb): void {
  tp.acceptNext = 0;
  if (lt.acceptLast) changetype<Tcb>(lt.acceptLast).acceptNext = changetype<usize>(tp);
  else lt.acceptFirst = changetype<usize>(tp);
  lt.acceptLast = changetype<usize>(tp);
  lt.acceptQlen++;
}
/** First established child, off the queue; null when there is none. */
export function acceptShift(lt: Tcb): Tcb | null {
  const tp = changetype<Tcb | null>(lt.acceptFirst);
  if (!tp) return null;
  lt.acceptFirst = tp.acceptNext;
  if (!lt.acceptFirst) lt.acceptLast = 0;
  lt.acceptQlen--;
  tp.unaccepted = false;
  tp.listener = 0;
  return tp;
}

/** The listener closes: half-open connections vanish, established children nobody accepted are reset. */
export function listenerGone(lsk: Sock): void {
  const lt = tcb(lsk);
  tproxyForget(lsk);
  lt.deferSyn = false;
  requestsPurge(lt);
  let tp = acceptShift(lt);
  while (tp) {
    if (tp.sk.state == <u8>TcpState.CLOSE) destroyLater(tp);
    else tcpAbort(tp, 0);
    tp = acceptShift(lt);
  }
}

// ---- children ----
function copyOptions(sk: Sock, lsk: Sock): void {
  const from = offsetof<Sock>("rcvbuf"), to = offsetof<Sock>("memberships");
  memory.copy(changetype<usize>(sk) + from, changetype<usize>(lsk) + from, to - from);
  sk.flags = (lsk.flags & ~SockFlag.BOUND_PORT) | SockFlag.ORPHAN;
  sk.boundIf = lsk.boundIf;
  sk.pacing = lsk.pacing;
  sk.uid = lsk.uid;
}

function copyTcpOptions(tp: Tcb, lt: Tcb): void {
  tp.nonagle = lt.nonagle;
  tp.userMss = lt.userMss;
  tp.keepIdle = lt.keepIdle;
  tp.keepIntvl = lt.keepIntvl;
  tp.keepCnt = lt.keepCnt;
  tp.userTimeout = lt.userTimeout;
  tp.linger2 = lt.linger2;
  tp.notsentLowat = lt.notsentLowat;
  tp.bindWindowClamp = lt.bindWindowClamp;
  tp.synRetries = lt.synRetries;
  tp.caId = lt.caId;
  tp.inq = lt.inq;
}

/** A socket in SYN_RECV made of request `r` and the segment in IN; null when a table is full. It is not accepted yet. */
export function createChild(r: Request): Tcb | null {
  const lsk = r.listener;
  const lt = tcb(lsk);
  const sk = sockAlloc(lsk.family, SOCK_STREAM, IPPROTO_TCP, SockKind.TCP);
  if (!sk) return null;
  const tp = tcbAlloc(sk);
  if (!tp) {
    sockFree(sk);
    return null;
  }
  copyOptions(sk, lsk);
  addrCopy(sk.laddr, r.key.laddr);
  addrCopy(sk.raddr, r.key.raddr);
  sk.lport = r.lport;
  sk.rport = r.rport;
  // A link-local peer is one on this link only.
  if (!addrIsV4(sk.raddr) && v6IsLinkLocal(sk.raddr) && !sk.boundIf) sk.boundIf = r.inIf;
  tcbSetup(tp);
  copyTcpOptions(tp, lt);
  flowSetup(tp, sk);
  if (flowRoute(tp.flow) < 0) {
    sk.state = <u8>TcpState.CLOSE;
    destroyLater(tp);
    return null;
  }
  if ((lt.auth || r.ao) && !authChild(tp, r)) {
    sk.state = <u8>TcpState.CLOSE;
    destroyLater(tp);
    return null;
  }
  tp.unaccepted = true;
  tp.listener = changetype<usize>(lsk);
  tp.irs = r.rcvIsn;
  tp.iss = r.sndIsn;
  tp.rcvNxt = r.rcvIsn + 1;
  tp.rcvWup = tp.rcvNxt;
  tp.copiedSeq = tp.rcvNxt;
  tp.sndUna = r.sndIsn + 1;
  tp.sndNxt = tp.sndUna;
  tp.sndUp = tp.sndUna;
  tp.sndSml = tp.sndUna;
  tp.writeSeq = tp.sndUna;
  tp.pushSeq = tp.sndUna;
  tp.sndWl1 = IN.seq;
  tp.tsOk = r.tsOk;
  tp.tsRecent = r.tsRecent;
  tp.tsRecentStamp = r.tsOk ? now() / SEC : 0;
  tp.tsOffset = r.tsOffset;
  tp.sackOk = r.sackOk;
  tp.wscaleOk = r.wscaleOk;
  tp.sndWscale = r.wscaleOk ? r.sndWscale : 0;
  tp.rcvWscale = r.rcvWscale;
  tp.rcvWnd = r.rcvWnd;
  tp.rcvSsthresh = r.rcvWnd;
  tp.windowClamp = <u32>65535 << r.rcvWscale;
  tp.sndWnd = IN.has(TcpFlag.SYN) ? IN.window : IN.window << tp.sndWscale;
  tp.maxWindow = tp.sndWnd;
  tp.mssClamp = r.mss;
  tp.ecn = r.ecnOk ? <u32>Ecn.OK : 0;
  if (r.accOk) {
    tp.ecn = <u32>Ecn.OK | Ecn.ACC | (r.accPlain ? <u32>Ecn.NO_ECT : 0) | (r.retrans ? <u32>Ecn.OPT_BLOCKED : 0);
    tp.ecnBefore = r.synEcn;
  }
  headerLenSet(tp);
  tp.advmss = advertisedMss(tp);
  syncMss(tp, tp.flow.mtu);
  initRcvMss(tp);
  if (r.tsOk) tp.advmss -= 12;
  tp.totalRetrans = r.retrans;
  if (r.timeouts) {
    tp.undoMarker = r.sndIsn;
    tp.retransStamp = <u32>(r.sent / MS) + r.tsOffset;
  }
  tp.lastDataRcvd = now();
  tp.lastAckRcvd = now();
  if (!r.retrans && r.sent) {
    const us = <u32>min<u64>((now() - r.sent) / US, 0x7fffffff);
    minRttUpdate(tp, us);
    rttSample(tp, us);
    rtoSet(tp);
  }
  sk.state = <u8>TcpState.SYN_RECV;
  connInsert(sk);
  portInsert(sk);
  mibInc(Mib.TcpPassiveOpens);
  return tp;
}
/** The request is complete: a child in the accept queue, ready to process the segment in IN. Null when there is no room. */
function promote(r: Request): Tcb | null {
  const lsk = r.listener;
  const lt = tcb(lsk);
  if (lt.acceptQlen > lt.backlog) {
    mibInc(Mib.TcpExtListenOverflows);
    mibInc(Mib.TcpExtListenDrops);
    dropCount(Drop.TCP_LISTEN_OVERFLOW);
    return null;
  }
  const tp = createChild(r);
  if (!tp) {
    mibInc(Mib.TcpExtListenDrops);
    dropCount(Drop.TCP_MEM);
    return null;
  }
  acceptPush(lt, tp);
  sockWake(lsk, Poll.IN);
  return tp;
}

// ---- segments ----
// The SYN again, in IN. True: it asks for another kind of ECN than the one before, and ends the handshake (RFC 9768 3.1.5).
function mixedEcn(r: Request): bool {
  const ace = aceOf(IN.flags);
  if (!r.accOk) return r.ecnOk && accAgreed();
  if (ace == 3) return true;
  r.synEcn = IN.tos & 3;
  if (!ace) r.accPlain = true;
  return false;
}
function requestAck(r: Request): void {
  const f = replyFlow(r.key.laddr, r.key.raddr, r.inIf, r.tos);
  if (!f) return;
  replySend(f, r.lport, r.rport, r.sndIsn + 1, r.rcvIsn + 1, TcpFlag.ACK, min<u32>(r.rcvWnd >> r.rcvWscale, 65535),
    r.tsOk, <u32>(now() / MS) + r.tsOffset, r.tsRecent, requestAuth(r));
}

/**
 * The segment in IN belongs to request `r` (RFC 9293 3.10.7.4, SYN-RECEIVED; Linux's tcp_check_req). The child that
 * must process it now, or null when it has been dealt with.
 */
export function requestInput(r: Request, skb: Skb): Tcb | null {
  if (r.deferred) {
    deferredInput(r, skb);
    return null;
  }
  const lt = tcb(r.listener);
  const flags = IN.flags & (TcpFlag.RST | TcpFlag.SYN | TcpFlag.ACK);
  const rst = IN.has(TcpFlag.RST);
  let paws = false;
  if (OPT.hasTs && r.tsOk) paws = !rst && r.tsRecent != 0 && <i32>(r.tsRecent - OPT.tsval) > 1;
  const oow = changetype<usize>(r) + offsetof<Request>("lastOow");
  if (IN.seq == r.rcvIsn && flags == TcpFlag.SYN && !paws) {
    // The SYN again: so is the answer.
    if (mixedEcn(r)) {
      replyReset();
      dropCount(Drop.TCP_RESET);
      mibInc(Mib.TcpAttemptFails);
      requestDrop(r);
      return null;
    }
    if (oowAllowed(oow)) {
      sendSynAck(r);
      r.retrans++;
      requestArm(r);
    }
    return null;
  }
  if (flags & TcpFlag.ACK && IN.ack != r.sndIsn + 1) {
    replyReset();
    dropCount(Drop.TCP_INVALID_ACK);
    return null;
  }
  if (paws || !IN.inWindow(r.rcvIsn + 1, r.rcvIsn + 1 + r.rcvWnd)) {
    if (!rst && answerAllowed(oow)) requestAck(r);
    if (paws) mibInc(Mib.TcpExtPAWSEstab);
    dropCount(paws ? Drop.TCP_RFC7323_PAWS : Drop.TCP_INVALID_SEQUENCE);
    return null;
  }
  if (OPT.hasTs && r.tsOk && !seqGt(IN.seq, r.rcvIsn + 1)) r.tsRecent = OPT.tsval;
  if (rst || (flags & TcpFlag.SYN && IN.seq != r.rcvIsn)) {
    mibInc(Mib.TcpAttemptFails);
    if (!rst) replyReset();
    dropCount(Drop.TCP_RESET);
    requestDrop(r);
    return null;
  }
  if (!(flags & TcpFlag.ACK)) {
    dropCount(Drop.TCP_FLAGS);
    return null;
  }
  if (r.timeouts < lt.deferAccept && IN.end == r.rcvIsn + 1) {
    r.acked = true; // TCP_DEFER_ACCEPT: wait for data
    return null;
  }
  const tp = promote(r);
  if (!tp) {
    if (sysctl(Sysctl.TCP_ABORT_ON_OVERFLOW)) {
      replyReset();
      requestDrop(r);
    } else r.acked = true;
    return null;
  }
  requestDrop(r);
  return tp;
}

// The ACK of a SYN cookie (RFC 4987 3.6): rebuild the request from it.
function cookieInput(lsk: Sock): Tcb | null {
  const lt = tcb(lsk);
  if (!cookiesExpected(lt)) return null;
  const mss = cookieCheck();
  if (!mss) {
    mibInc(Mib.TcpExtSyncookiesFailed);
    dropCount(Drop.TCP_SYNCOOKIE_INVALID);
    return null;
  }
  mibInc(Mib.TcpExtSyncookiesRecv);
  const r = tempRequest();
  requestFill(r, lsk);
  r.rcvIsn = IN.seq - 1;
  r.sndIsn = IN.ack - 1;
  r.mss = mss;
  r.accOk = accCookie();
  if (OPT.hasTs && OPT.tsecr && sysctl(Sysctl.TCP_TIMESTAMPS)) {
    r.tsOk = true;
    r.tsRecent = OPT.tsval;
    r.tsOffset = tsOffsetFor(IN.daddr, IN.saddr);
    const ts = OPT.tsecr - r.tsOffset;
    const scale = cookieWscale(ts);
    r.sackOk = cookieSack(ts) && sysctl(Sysctl.TCP_SACK) != 0;
    r.wscaleOk = scale >= 0 && scale <= 14 && sysctl(Sysctl.TCP_WINDOW_SCALING) != 0;
    r.sndWscale = r.wscaleOk ? <u8>scale : 0;
  }
  requestWindow(r, lt, mss);
  return promote(r);
}

/** The segment in IN reaches listener `lsk` (RFC 9293 3.10.7.2). A child that must process it, or null. */
export function listenInput(lsk: Sock, skb: Skb): Tcb | null {
  if (IN.has(TcpFlag.RST)) {
    dropCount(Drop.TCP_RESET);
    return null;
  }
  if (IN.has(TcpFlag.ACK)) {
    let tp: Tcb | null = null;
    if (!IN.has(TcpFlag.SYN)) tp = cookieInput(lsk);
    if (!tp) {
      replyReset();
      dropCount(Drop.TCP_INVALID_ACK);
    }
    return tp;
  }
  if (!IN.has(TcpFlag.SYN) || IN.has(TcpFlag.FIN)) {
    dropCount(Drop.TCP_FLAGS);
    return null;
  }
  requestSyn(lsk, 0, skb);
  return null;
}
