// The active side: bind, connect, disconnect (RFC 9293 3.10.1; ports RFC 6056; data in the SYN RFC 7413 4.2).
import { Errno, Poll } from "../../abi";
import { addrCopy, addrIsAny, addrIsV4, addrSetV4, v6IsLinkLocal } from "../../lib/addr";
import { Mib, mibInc } from "../../core/mib";
import { AF_INET, AF_INET6, Sock, SockFlag, sockTakeError, sockWake } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { now } from "../../core/time";
import { workerOwnsFlow } from "../../core/worker";
import { FLOW_BROADCAST, FLOW_MULTICAST, flowRoute } from "../../network/flow";
import { bindCheck } from "../datagram";
import { portCount, portEphemeral } from "../port";
import { authAllowed, authConnect } from "./auth/sign";
import { Chrono, chronoStart } from "./chrono";
import { emitSyn } from "./emit";
import { FO, fastopenCheck, fastopenSpace } from "./fastopen";
import { initialSeq, portHash, tsOffsetFor } from "./isn";
import { listenerGone } from "./listen";
import { advertisedMss, headerLenSet, syncMss } from "./mss";
import { ofoPurge } from "./ofo";
import { accAsks } from "./accecn";
import { caNeedsEcn } from "./congestion/congestion";
import { rateSent } from "./output";
import { rxPurge } from "./receive";
import { tsNow } from "./rtt";
import { SegFlag, segPush, segTouch } from "./segment";
import { flowSetup, tcbSetup } from "./setup";
import { setState, tcpAbort } from "./state";
import { MiniKind, connFind, connHash, connInsert, miniFind, portConflict, portHeld, portInsert, portRemove, portShareable } from "./table";
import { Ecn, Pending, Tcb, TcpState, Tfo, tcb, tcbClear } from "./tcp";
import { rtxArm } from "./timer";
import { TimeWait, timeWaitConflict, timeWaitKill, timeWaitReusable } from "./timewait";
import { fullSpace, initialWindow, initialWscale } from "./window";

// ---- bind ----
function conflict(sk: Sock, addr: usize, port: u32): bool { return portConflict(sk, addr, port) || timeWaitConflict(sk, addr, port); }

/** bind(2): `port` 0 = ephemeral. 0, -EINVAL (bound or connected), -EADDRNOTAVAIL, -EADDRINUSE. */
export function tcpBind(sk: Sock, addr: usize, port: u32, scope: u32): i32 {
  if (sk.state != <u8>TcpState.CLOSE || portHeld(sk)) return -Errno.EINVAL;
  const bad = bindCheck(sk, addr, scope);
  if (bad) return bad;
  if (port) {
    if (conflict(sk, addr, port)) return -Errno.EADDRINUSE;
  } else {
    const n = portCount();
    const h = portHash(addr, sk.raddr, 0);
    for (let i: u32 = 0; i < n && !port; i++) {
      const p = portEphemeral(h, i);
      if (!conflict(sk, addr, p) && portShareable(p)) port = p;
    }
    if (!port) return -Errno.EADDRINUSE;
  }
  sk.set(SockFlag.BOUND_PORT, true);
  if (scope && !sk.boundIf && !addrIsV4(addr)) sk.boundIf = scope;
  addrCopy(sk.laddr, addr);
  if (!addrIsAny(addr)) sk.set(SockFlag.BOUND_ADDR, true);
  sk.lport = <u16>port;
  portInsert(sk);
  return 0;
}

// ---- connect ----

// Is the 4-tuple with local port `port` free for `sk`? A reusable TIME_WAIT record of it is stored at `tw`.
function tupleFree(sk: Sock, laddr: usize, raddr: usize, port: u32, rport: u32, tw: usize): bool {
  store<usize>(tw, 0);
  const h = connHash(laddr, raddr, port, rport);
  if (connFind(h, laddr, raddr, port, rport, sk.boundIf)) return false;
  const m = miniFind(h, laddr, raddr, port, rport, sk.boundIf);
  if (!m) return true;
  if (m.kind != MiniKind.TIME_WAIT || !timeWaitReusable(changetype<TimeWait>(m))) return false;
  store<usize>(tw, changetype<usize>(m));
  return true;
}
const TW: usize = memory.data(4, 4);

// Will what comes for the connection from local port `port` come to this core?
function comesHome(laddr: usize, raddr: usize, port: u32, rport: u32): bool {
  return addrIsV4(raddr) ? workerOwnsFlow(raddr + 12, laddr + 12, 1, rport << 16 | port) : workerOwnsFlow(raddr, laddr, 4, rport << 16 | port);
}

function choosePort(sk: Sock, tp: Tcb, rport: u32): u32 {
  const f = tp.flow;
  const n = portCount();
  const h = portHash(f.src, f.dst, rport);
  for (let i: u32 = 0; i < n; i++) {
    const p = portEphemeral(h, i);
    if (comesHome(f.src, f.dst, p, rport) && portShareable(p) && tupleFree(sk, f.src, f.dst, p, rport, TW)) return p;
  }
  return 0;
}

// A connect() while or after another one.
function connectAgain(sk: Sock, tp: Tcb): i32 {
  const state = sk.state;
  if (tp.tfo & Tfo.DEFERRED) return -Errno.EISCONN;
  if (state == <u8>TcpState.SYN_SENT || state == <u8>TcpState.SYN_RECV) return -Errno.EALREADY;
  tp.connecting = false;
  if (state == <u8>TcpState.CLOSE) {
    const e = <i32>sockTakeError(sk);
    tcpDisconnect(sk);
    return e ? -e : -Errno.ECONNABORTED;
  }
  return 0;
}

/** connect(2). -EINPROGRESS, or with TCP_FASTOPEN_CONNECT and a cookie 0: the first write sends the SYN. Later calls tell the outcome as on Linux. */
export function tcpConnect(sk: Sock, addr: usize, port: u32, scope: u32): i32 {
  const tp = tcb(sk);
  if (tp.connecting) return connectAgain(sk, tp);
  if (sk.state != <u8>TcpState.CLOSE) return -Errno.EISCONN;
  const r = prepare(sk, tp, addr, port, scope);
  if (r < 0) return r;
  if (tp.tfoConnect) {
    tp.tfo |= Tfo.WANTED;
    if (fastopenCheck(tp)) {
      FO.on = false;
      tp.tfo |= Tfo.DEFERRED;
      return 0;
    }
  }
  return launch(sk, tp);
}

/**
 * The connection that sendmsg(2) with MSG_FASTOPEN opens, prepared: 1 when the SYN takes data (the first write sends it), -EINPROGRESS when
 * it has left without, or why not.
 */
export function tcpFastopen(sk: Sock, addr: usize, port: u32, scope: u32): i32 {
  const tp = tcb(sk);
  if (sk.state == <u8>TcpState.SYN_SENT || sk.state == <u8>TcpState.SYN_RECV) return -Errno.EALREADY;
  if (sk.state != <u8>TcpState.CLOSE) return -Errno.EISCONN;
  if (tp.connecting) return connectAgain(sk, tp); // it has failed
  const r = prepare(sk, tp, addr, port, scope);
  if (r < 0) return r;
  tp.tfo |= Tfo.WANTED;
  const data = fastopenCheck(tp);
  FO.on = false;
  if (!data) return launch(sk, tp);
  tp.tfo |= Tfo.DEFERRED;
  return 1;
}

/** Send the SYN of a prepared connection, or undo everything. -EINPROGRESS or -ENOBUFS. */
export function launch(sk: Sock, tp: Tcb): i32 {
  if (sendSyn(tp)) return -Errno.EINPROGRESS;
  tcpDisconnect(sk);
  sockTakeError(sk);
  return -Errno.ENOBUFS;
}

// Address, route, port and initial values: all of a connection but its SYN. 0 or -errno.
function prepare(sk: Sock, tp: Tcb, addr: usize, port: u32, scope: u32): i32 {
  const v4 = addrIsV4(addr);
  if (sk.family == <u16>AF_INET && !v4) return -Errno.EAFNOSUPPORT;
  if (sk.family == <u16>AF_INET6 && v4 && sk.has(SockFlag.V6ONLY)) return -Errno.ENETUNREACH;
  if (tp.irs || tp.iss) tcpDisconnect(sk); // an earlier connection is over: start afresh
  addrCopy(sk.raddr, addr);
  sk.rport = <u16>port;
  const hadAddr = !addrIsAny(sk.laddr);
  if (!v4 && scope && v6IsLinkLocal(addr) && !sk.boundIf) sk.boundIf = scope;
  flowSetup(tp, sk);
  let r = flowRoute(tp.flow);
  if (r >= 0 && tp.flow.flags & (FLOW_BROADCAST | FLOW_MULTICAST)) r = -Errno.ENETUNREACH;
  if (r >= 0 && tp.auth) r = authAllowed(tp, tp.flow.dst);
  if (r >= 0) r = pickTuple(sk, tp, port);
  if (r < 0) {
    sk.rport = 0;
    clearAddr(sk, sk.raddr);
    return r;
  }
  addrCopy(sk.raddr, tp.flow.dst);
  if (!hadAddr) addrCopy(sk.laddr, tp.flow.src);
  setState(tp, TcpState.SYN_SENT);
  connInsert(sk);
  if (!portHeld(sk)) portInsert(sk);
  initSyn(sk, tp);
  return 0;
}

// Local port and initial sequence number.
function pickTuple(sk: Sock, tp: Tcb, rport: u32): i32 {
  const f = tp.flow;
  if (portHeld(sk)) {
    if (!comesHome(f.src, f.dst, sk.lport, rport) || !tupleFree(sk, f.src, f.dst, sk.lport, rport, TW)) return -Errno.EADDRNOTAVAIL;
  } else {
    const p = choosePort(sk, tp, rport);
    if (!p) return -Errno.EADDRNOTAVAIL;
    sk.lport = <u16>p;
  }
  tp.tsOffset = tsOffsetFor(f.src, f.dst);
  const tw = load<usize>(TW);
  if (tw) {
    // RFC 6191: above everything the old connection sent, and its timestamp protects us.
    const old = changetype<TimeWait>(tw);
    tp.iss = old.sndNxt + 65535 + 2;
    tp.tsOffset = old.tsOffset;
    timeWaitKill(old);
    mibInc(Mib.TcpExtTWRecycled);
  } else tp.iss = initialSeq(f.src, f.dst, sk.lport, rport);
  if (!tp.iss) tp.iss = 1;
  return 0;
}

// Linux's tcp_connect_init.
function initSyn(sk: Sock, tp: Tcb): void {
  tp.tsOk = sysctl(Sysctl.TCP_TIMESTAMPS) != 0;
  tp.sackOk = sysctl(Sysctl.TCP_SACK) != 0;
  tp.wscaleOk = sysctl(Sysctl.TCP_WINDOW_SCALING) != 0;
  const ecn = sysctl(Sysctl.TCP_ECN);
  tp.ecn = accAsks() ? <u32>Ecn.SEEN | Ecn.ACC_ASKED : ecn == 1 || ecn == 4 || caNeedsEcn(tp) ? <u32>Ecn.SEEN : 0;
  if (tp.auth) authConnect(tp);
  headerLenSet(tp);
  if (tp.userMss) tp.mssClamp = tp.userMss;
  else tp.mssClamp = 65535;
  tp.advmss = advertisedMss(tp);
  syncMss(tp, tp.flow.mtu);
  tp.rcvWscale = tp.wscaleOk ? <u8>initialWscale(tp) : 0;
  tp.rcvWnd = initialWindow(fullSpace(tp), tp.advmss, tp.bindWindowClamp);
  tp.rcvSsthresh = tp.rcvWnd;
  tp.windowClamp = tp.bindWindowClamp ? tp.bindWindowClamp : <u32>65535 << tp.rcvWscale;
  tp.sndUna = tp.iss;
  tp.sndUp = tp.iss;
  tp.sndSml = tp.iss;
  tp.sndNxt = tp.iss;
  tp.sndWnd = 0;
  tp.maxWindow = 0;
  tp.rcvNxt = 0;
  tp.rcvWup = 0;
  tp.copiedSeq = 0;
  sk.err = 0;
  sk.shutdown = 0;
  tp.connecting = true;
  tp.writeSeq = tp.iss + 1;
  tp.pushSeq = tp.writeSeq;
}

// Linux's tcp_connect: the SYN, with what has been written if it may carry that. False when no record is left for it.
function sendSyn(tp: Tcb): bool {
  tp.lastAckRcvd = now();
  tp.retransStamp = tsNow(tp);
  mibInc(Mib.TcpActiveOpens);
  FO.on = false;
  let n: u32 = 0;
  if (tp.tfo & Tfo.WANTED && fastopenCheck(tp)) n = min(tp.txQueued, fastopenSpace(tp));
  if (FO.on) tp.tfo |= Tfo.OPTION;
  tp.tfo &= ~(Tfo.WANTED | Tfo.DEFERRED);
  const s = segPush(tp, tp.iss, tp.iss + 1, SegFlag.SYN, tp.mssCache, 0);
  if (!s) {
    FO.on = false;
    return false;
  }
  rateSent(tp, s, true);
  const data = n ? segPush(tp, tp.iss + 1, tp.iss + 1 + n, SegFlag.PSH, tp.mssCache, tp.txFirst) : null;
  if (data) {
    rateSent(tp, data, false);
    tp.tfo |= Tfo.DATA;
    chronoStart(tp, Chrono.BUSY);
    mibInc(Mib.TcpExtTCPOrigDataSent);
    emitSyn(tp, s, data.chunk, n);
  } else emitSyn(tp, s, 0, 0);
  FO.on = false; // one that is repeated has neither option nor data (RFC 7413 4.2.2)
  segTouch(tp, s, now());
  if (data) segTouch(tp, data, now());
  tp.sndNxt = tp.iss + 1 + (data ? n : 0);
  rtxArm(tp, Pending.RETRANS, tp.rto);
  return true;
}

function clearAddr(sk: Sock, p: usize): void {
  if (sk.family == <u16>AF_INET) addrSetV4(p, 0);
  else memory.fill(p, 0, 16);
}

/** connect(AF_UNSPEC), and the way back to an unconnected socket after a failure (Linux's tcp_disconnect). */
export function tcpDisconnect(sk: Sock): i32 {
  const tp = tcb(sk);
  const state = <u32>sk.state;
  if (state == TcpState.LISTEN) listenerGone(sk);
  if (state != TcpState.CLOSE) {
    tcpAbort(tp, state == TcpState.LISTEN ? 0 : <u32>Errno.ECONNRESET);
  }
  if (!sk.has(SockFlag.BOUND_PORT)) {
    portRemove(sk);
    sk.lport = 0;
  }
  if (!sk.has(SockFlag.BOUND_ADDR)) clearAddr(sk, sk.laddr);
  clearAddr(sk, sk.raddr);
  sk.rport = 0;
  sk.shutdown = 0;
  rxPurge(tp);
  ofoPurge(tp);
  tcbClear(tp);
  tcbSetup(tp);
  sockWake(sk, Poll.HUP);
  return 0;
}
