// The timers of a connection: one for everything that concerns retransmission (RTO RFC 6298, RACK reordering
// and tail loss probe RFC 8985, window probe RFC 9293 3.8.6.1), one for delayed ACKs (RFC 1122 4.2.3.2), and
// one for keepalive (RFC 9293 3.8.4) that also ends an orphan's FIN_WAIT2.
import { Mib, mibInc } from "../../core/mib";
import { SockFlag } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { MS, SEC, now } from "../../core/time";
import { sendActiveReset, sendAck } from "./emit";
import { fastopenTimeout } from "./fastopen";
import { fastopenSynAckTimeout } from "./fastopen_listen";
import { probe0When, retransmit, sendLossProbe, unsent, writeWakeup } from "./output";
import { mtuBlackHole } from "./mtu_probe";
import { paceDelay, paceFire } from "./pacing";
import { enterLoss } from "./recovery";
import { rackReoTimeout } from "./rack";
import { segFirst } from "./segment";
import { holdsMemory, memoryPressure } from "./sendq";
import { abortOnMemory, tcpDone, tcpTimeout } from "./state";
import { enterTimeWait } from "./timewait";
import { tsNow } from "./rtt";
import {
  ATO_MIN, AckSched, DELACK_MAX, DELACK_MIN, Pending, RTO_INIT, RTO_MAX, RTO_MIN, TIMEWAIT_LEN, Tcb, TcpState, Tfo,
} from "./tcp";

/** Wait after a local shortage of buffers. */
const RESOURCE_PROBE_INTERVAL: u64 = 500 * MS;
/** Timeouts or window probes in a row after which memory counts for more than the rest of an orphan's data. */
const HOPELESS_BACKOFF: u32 = 2;
/** Orphans allowed to hold chunk memory before the youngest hopeless ones are reset: see orphanRetries. */
const ORPHAN_RETRIES_ALIVE: u32 = 8;

export function timersInit(tp: Tcb): void {
  const p = changetype<usize>(tp);
  tp.rtxTimer.init(rtxFire.index, p);
  tp.delackTimer.init(delackFire.index, p);
  tp.keepTimer.init(keepFire.index, p);
  tp.paceTimer.init(paceFire.index, p);
}

// ---- the retransmission timer ----
export function rtxArm(tp: Tcb, kind: Pending, delay: u64): void {
  tp.pending = kind;
  tp.rtxTimer.armIn(min(delay, RTO_MAX));
}
export function rtxClear(tp: Tcb): void {
  tp.pending = Pending.NONE;
  tp.rtxTimer.cancel();
}
/** What is left of the RTO of the first outstanding segment, ns; 0 when it is over. */
export function rtoLeft(tp: Tcb): u64 {
  const s = segFirst(tp);
  if (!s) return tp.rto;
  const at = s.time + tp.rto, t = now();
  return at > t ? at - t : 0;
}
/** Linux's tcp_rearm_rto: the RTO runs while something is outstanding. */
export function rtxRearm(tp: Tcb): void {
  if (tp.tfo & Tfo.PENDING) return; // it stands for the SYN-ACK
  if (!tp.packetsOut) {
    rtxClear(tp);
    return;
  }
  let rto = tp.rto;
  if (tp.pending == Pending.REO || tp.pending == Pending.LOSS_PROBE) rto = max<u64>(rtoLeft(tp), MS);
  rtxArm(tp, Pending.RETRANS, rto + paceDelay(tp));
}

function rtxFire(p: usize): void {
  const tp = changetype<Tcb>(p);
  const kind = tp.pending;
  const state = tp.sk.state;
  if (state == <u8>TcpState.CLOSE || state == <u8>TcpState.LISTEN) return;
  switch (kind) {
    case Pending.RETRANS:
      tp.pending = Pending.NONE;
      retransmitTimeout(tp);
      break;
    case Pending.REO:
      rackReoTimeout(tp);
      break;
    case Pending.LOSS_PROBE:
      sendLossProbe(tp);
      break;
    case Pending.PROBE0:
      tp.pending = Pending.NONE;
      probeTimeout(tp);
      break;
    default:
  }
}

/** Time that `boundary` retransmissions with exponential backoff take, ms. */
function modelTimeout(boundary: u32, base: u64): u64 {
  const thresh: u32 = 31 - clz<u32>(<u32>(RTO_MAX / base));
  if (boundary <= thresh) return ((<u64>2 << boundary) - 1) * base / MS;
  return (((<u64>2 << thresh) - 1) * base + (boundary - thresh) * RTO_MAX) / MS;
}

/** Have retransmissions gone on for as long as `boundary` of them (or `timeout` ms, if given) take? */
export function retransTimedOut(tp: Tcb, boundary: u32, timeout: u64): bool {
  if (!tp.retransmits || !tp.retransStamp) return false;
  if (!timeout) {
    const syn = tp.sk.state == <u8>TcpState.SYN_SENT || tp.sk.state == <u8>TcpState.SYN_RECV;
    timeout = modelTimeout(boundary, syn ? RTO_INIT : RTO_MIN);
  }
  return <u64>(tsNow(tp) - tp.retransStamp) >= timeout;
}

/** Retries of a connection without an application: few, and none when the peer looks dead. */
function orphanRetries(tp: Tcb, alive: bool): u32 {
  let n = sysctl(Sysctl.TCP_ORPHAN_RETRIES);
  if (tp.sk.errSoft && !alive) n = 0;
  if (!n && alive) n = ORPHAN_RETRIES_ALIVE;
  return n;
}

/** No application, a peer that takes nothing, and others want the memory (Linux's tcp_out_of_resources). */
function hopeless(tp: Tcb): bool {
  if (tp.backoff < HOPELESS_BACKOFF || !memoryPressure() || !holdsMemory(tp)) return false;
  abortOnMemory(tp);
  return true;
}

// Give up? True when the connection is gone.
function writeTimeout(tp: Tcb): bool {
  if (hopeless(tp)) return true;
  const sk = tp.sk;
  let expired = false;
  let until: u32;
  if (sk.state == <u8>TcpState.SYN_SENT || sk.state == <u8>TcpState.SYN_RECV) {
    until = sk.state == <u8>TcpState.SYN_SENT ? (tp.synRetries ? tp.synRetries : sysctl(Sysctl.TCP_SYN_RETRIES)) : sysctl(Sysctl.TCP_SYNACK_RETRIES);
    expired = tp.retransmits >= until;
    if (!expired && tp.userTimeout) expired = retransTimedOut(tp, until, tp.userTimeout);
  } else {
    if (retransTimedOut(tp, sysctl(Sysctl.TCP_RETRIES1), 0)) mtuBlackHole(tp);
    until = sysctl(Sysctl.TCP_RETRIES2);
    if (tp.orphan) until = orphanRetries(tp, tp.rto < RTO_MAX);
    expired = retransTimedOut(tp, until, tp.userTimeout);
  }
  fastopenTimeout(tp, expired);
  if (!expired) return false;
  tcpTimeout(tp);
  return true;
}

// The user timeout is met to the millisecond, not to the next doubling.
function clampToUserTimeout(tp: Tcb, delay: u64): u64 {
  if (!tp.userTimeout || !tp.retransStamp) return delay;
  const elapsed = tsNow(tp) - tp.retransStamp;
  const left: u32 = tp.userTimeout > elapsed ? tp.userTimeout - elapsed : 1;
  return min(delay, <u64>left * MS);
}

function countTimeout(tp: Tcb): void {
  if (!tp.retransmits) {
    tp.totalRtoRecoveries++;
    tp.rtoStamp = tsNow(tp) | 1;
  }
  tp.retransmits++;
  tp.totalRto++;
}

function retransmitTimeout(tp: Tcb): void {
  if (tp.tfo & Tfo.PENDING) {
    fastopenSynAckTimeout(tp);
    return;
  }
  const s = segFirst(tp);
  if (!s) return;
  const sk = tp.sk;
  const syn = sk.state == <u8>TcpState.SYN_SENT || sk.state == <u8>TcpState.SYN_RECV;
  if (!tp.sndWnd && !tp.orphan && !syn) {
    // The peer took its window back: our retransmissions are window probes and must not end the connection soon.
    const silent = (now() - tp.lastAckRcvd) / MS;
    const limit = tp.userTimeout ? <u64>tp.userTimeout : 2 * RTO_MAX / MS;
    if (silent > limit && retransTimedOut(tp, sysctl(Sysctl.TCP_RETRIES2), tp.userTimeout)) {
      tcpTimeout(tp);
      return;
    }
    enterLoss(tp);
    retransmit(tp, segFirst(tp)!, 1);
    countTimeout(tp);
  } else {
    mibInc(Mib.TcpExtTCPTimeouts);
    if (writeTimeout(tp)) return;
    enterLoss(tp);
    countTimeout(tp);
    const first = segFirst(tp);
    if (!first) return;
    if (!retransmit(tp, first, 1)) {
      rtxArm(tp, Pending.RETRANS, min(tp.rto, RESOURCE_PROBE_INTERVAL));
      return;
    }
  }
  tp.backoff++;
  tp.rto = min(tp.rto << 1, RTO_MAX);
  rtxArm(tp, Pending.RETRANS, clampToUserTimeout(tp, tp.rto));
}

// ---- zero window probes ----
function probeTimeout(tp: Tcb): void {
  if (tp.packetsOut || !unsent(tp)) {
    tp.probesOut = 0;
    tp.probesSince = 0;
    return;
  }
  if (hopeless(tp)) return;
  const t = now();
  if (!tp.probesSince) tp.probesSince = t;
  let limit = sysctl(Sysctl.TCP_RETRIES2);
  let dead = tp.userTimeout != 0 && (t - tp.probesSince) / MS >= tp.userTimeout;
  if (tp.orphan) {
    const alive = probe0When(tp) < RTO_MAX;
    limit = orphanRetries(tp, alive);
    if (!alive && tp.backoff >= limit) dead = true;
  }
  if (dead || tp.probesOut >= limit) {
    tcpTimeout(tp);
    return;
  }
  const sent = writeWakeup(tp);
  if (tp.packetsOut || !unsent(tp)) {
    tp.probesOut = 0;
    tp.backoff = 0;
    tp.probesSince = 0;
    return;
  }
  tp.probesOut++;
  let delay = RESOURCE_PROBE_INTERVAL;
  if (sent) {
    if (tp.backoff < sysctl(Sysctl.TCP_RETRIES2)) tp.backoff++;
    delay = probe0When(tp);
  }
  if (tp.userTimeout) {
    const elapsed = (t - tp.probesSince) / MS;
    delay = min(delay, max<u64>(tp.userTimeout > elapsed ? tp.userTimeout - elapsed : 0, 2) * MS);
  }
  rtxArm(tp, Pending.PROBE0, delay);
}

// ---- delayed acknowledgments ----

/** Schedule an ACK at most `ato` from now, between 40 and 200 ms, sooner on short round trips. */
export function sendDelayedAck(tp: Tcb): void {
  let ato = tp.ato;
  if (ato > DELACK_MIN) {
    let most: u64 = 500 * MS;
    if (tp.pingpong || tp.ackFlags & AckSched.PUSHED) most = DELACK_MAX;
    if (tp.srtt) most = min(most, max(<u64>(tp.srtt >> 3) * 1000, DELACK_MIN));
    ato = min(ato, most);
  }
  ato = min(ato, DELACK_MAX);
  let at = now() + ato;
  if (tp.ackFlags & AckSched.TIMER) {
    const armed = tp.delackTimer.expires;
    if (armed <= now() + (ato >> 2)) {
      sendAck(tp);
      return;
    }
    if (at > armed) at = armed;
  }
  tp.ackFlags |= AckSched.SCHED | AckSched.TIMER;
  tp.delackTimer.arm(at);
}

function delackFire(p: usize): void {
  const tp = changetype<Tcb>(p);
  const state = tp.sk.state;
  if (state == <u8>TcpState.CLOSE || state == <u8>TcpState.LISTEN || !(tp.ackFlags & AckSched.TIMER)) return;
  tp.ackFlags &= ~AckSched.TIMER;
  if (!(tp.ackFlags & AckSched.SCHED)) return;
  if (!tp.pingpong) tp.ato = min(tp.ato << 1, tp.rto);
  else {
    tp.pingpong = 0;
    tp.ato = ATO_MIN;
  }
  sendAck(tp);
  mibInc(Mib.TcpExtDelayedACKs);
}

// ---- keepalive and FIN_WAIT2 ----
@inline function keepIdle(tp: Tcb): u64 { return <u64>(tp.keepIdle ? tp.keepIdle : sysctl(Sysctl.TCP_KEEPALIVE_TIME)) * SEC; }
@inline function keepIntvl(tp: Tcb): u64 { return <u64>(tp.keepIntvl ? tp.keepIntvl : sysctl(Sysctl.TCP_KEEPALIVE_INTVL)) * SEC; }
/** How long an orphan stays in FIN_WAIT2, ns. */
export function finTime(tp: Tcb): u64 {
  const t = (tp.linger2 ? <u64>tp.linger2 : sysctl(Sysctl.TCP_FIN_TIMEOUT)) * SEC;
  return max(t, (tp.rto << 2) - (tp.rto >> 1));
}
/** Start (or stop) keepalive as SO_KEEPALIVE says; called when it or TCP_KEEPIDLE changes and on establishment. */
export function keepaliveUpdate(tp: Tcb): void {
  const state = tp.sk.state;
  if (state == <u8>TcpState.CLOSE || state == <u8>TcpState.LISTEN || state == <u8>TcpState.SYN_SENT) return;
  if (state == <u8>TcpState.FIN_WAIT2 && tp.orphan) return;
  if (!tp.sk.has(SockFlag.KEEPALIVE)) {
    tp.keepTimer.cancel();
    return;
  }
  const idle = idleTime(tp), limit = keepIdle(tp);
  tp.keepTimer.armIn(limit > idle ? limit - idle : 0);
}
@inline function idleTime(tp: Tcb): u64 { return now() - max(tp.lastDataRcvd, tp.lastAckRcvd); }

function keepFire(p: usize): void {
  const tp = changetype<Tcb>(p);
  const sk = tp.sk;
  if (sk.state == <u8>TcpState.FIN_WAIT2 && tp.orphan) {
    if (tp.linger2 >= 0) {
      const t = finTime(tp);
      if (t > TIMEWAIT_LEN) {
        enterTimeWait(tp, TcpState.FIN_WAIT2, t - TIMEWAIT_LEN);
        return;
      }
    }
    sendActiveReset(tp);
    tcpDone(tp);
    return;
  }
  if (!sk.has(SockFlag.KEEPALIVE) || sk.state == <u8>TcpState.CLOSE || sk.state == <u8>TcpState.SYN_SENT) return;
  let next = keepIdle(tp);
  const idle = idleTime(tp);
  if (!tp.packetsOut && !unsent(tp)) {
    if (idle >= next) {
      const userOver = tp.userTimeout && idle / MS >= tp.userTimeout && tp.probesOut;
      const limit = tp.keepCnt ? tp.keepCnt : sysctl(Sysctl.TCP_KEEPALIVE_PROBES);
      if (userOver || (!tp.userTimeout && tp.probesOut >= limit)) {
        sendActiveReset(tp);
        tcpTimeout(tp);
        return;
      }
      if (writeWakeup(tp)) {
        mibInc(Mib.TcpExtTCPKeepAlive);
        tp.probesOut++;
        next = keepIntvl(tp);
      } else next = RESOURCE_PROBE_INTERVAL;
    } else next -= idle;
  }
  tp.keepTimer.armIn(next);
}
