// Sending: what may go out now, in what pieces (RFC 9293 3.8; Nagle RFC 896 with Minshall's test; sender SWS
// avoidance RFC 1122 4.2.3.4; congestion window RFC 5681), retransmission, probes and FIN.
import { seqGt, seqIn, seqLt } from "../../lib/seq";
import { Mib, mibAdd, mibInc } from "../../core/mib";
import { Sysctl, sysctl } from "../../core/sysctl";
import { MS, US, now } from "../../core/time";
import { NetDevice, devTxRoom } from "../../link/net_device";
import { Chrono, chronoStart, chronoStop } from "./chrono";
import { caMinTso, caOwn, caWindowLimited, isCwndLimited } from "./congestion/congestion";
import { emitSeg, sendProbe } from "./emit";
import { currentMss } from "./mss";
import { mtuProbe } from "./mtu_probe";
import { paceDelay, paceHolds, paceSent } from "./pacing";
import { Seg, SegFlag, chunkHolding, segCollapse, segFirst, segLast, segNext, segPush, segResize, segSplit, segTouch, segTrim } from "./segment";
import { sendqSpan } from "./sendq";
import { Ca, GSO_MAX, INIT_CWND, Nagle, Pending, RTO_MAX, RTO_MIN, TIMEOUT_MIN, Tcb, TcpState, Tfo } from "./tcp";
import { rtoLeft, rtxArm, rtxRearm } from "./timer";
import { tsNow } from "./rtt";

/** Sequence space queued but not sent (FIN counts). */
@inline export function unsent(tp: Tcb): u32 { return tp.writeSeq - tp.sndNxt; }
/** Payload not sent yet. */
@inline export function unsentData(tp: Tcb): u32 {
  const n = unsent(tp);
  return n && tp.finQueued ? n - 1 : n;
}

// Linux's tcp_cwnd_test: packets that may be added to the flight, at most half a window in one burst.
function cwndQuota(tp: Tcb): u32 {
  const inFlight = tp.inFlight;
  if (inFlight >= tp.cwnd) return 0;
  return min(max(tp.cwnd >> 1, 1), tp.cwnd - inFlight);
}

/** Segments worth one super-segment: about a millisecond at the current rate, all of it on short paths. */
export function tsoSegs(tp: Tcb, mss: u32): u32 {
  if (tp.authLen) return 1; // each segment has a signature of its own
  let bytes = tp.pacingRate >> 10;
  // Where the peer's window sets the rate, not cwnd: a larger one would wait for a third of that window to open (tsoDefer), which lies idle meanwhile.
  // Linux is spared it by skbs of half a window, whose ends do not wait.
  if (tp.srtt && tp.sndWnd < <u64>tp.cwnd * mss) bytes = min<u64>(bytes, <u64>tp.sndWnd * (8_000_000 >> 10) / tp.srtt);
  const r = tp.minRtt >> 9;
  if (r < 32) bytes += <u64>GSO_MAX >> r;
  // At least two (BBR: one at low rates), unless two are more than a packet can hold (loopback, large MTUs).
  return min(max(<u32>min<u64>(bytes, GSO_MAX) / mss, caMinTso(tp)), max(GSO_MAX / mss, 1));
}

// RFC 896 as Minshall amends it: hold a partial segment while another partial one is unacknowledged.
function nagleHolds(tp: Tcb, nonagle: u32): bool {
  if (nonagle & Nagle.CORK) return true;
  return !nonagle && tp.packetsOut != 0 && seqGt(tp.sndSml, tp.sndUna) && !seqGt(tp.sndSml, tp.sndNxt);
}

/** Bytes that the congestion window leaves for new data; the caller knows it is not used up. */
@inline function congestionRoom(tp: Tcb, mss: u32): u32 { return (tp.cwnd - tp.inFlight) * mss; }

// Wait for more ACKs when the window leaves room for a small super-segment only and the next ACK is near.
function tsoDefer(tp: Tcb, data: u32, mss: u32, maxSegs: u32): bool {
  if (tp.caState >= <u32>Ca.RECOVERY) return false;
  if (now() - tp.lastDataSent > MS) return false;
  const sendWin = tp.wndEnd - tp.sndNxt;
  const congWin = congestionRoom(tp, mss);
  const limit = min(sendWin, congWin);
  if (limit >= maxSegs * mss) return false;
  if (limit >= data) return false;
  if (limit >= min(tp.sndWnd, tp.cwnd * mss) / 3) return false;
  const head = segFirst(tp);
  if (!head) return false;
  // Not when the ACK we would wait for is likely to be more than half a round trip away.
  return (now() - head.time) / US >= tp.srtt >> 4;
}

// How much of the `data` bytes go into the next segment, 0 = none.
function pieceSize(tp: Tcb, data: u32, mss: u32, maxSegs: u32, nonagle: u32): u32 {
  const window = tp.wndEnd - tp.sndNxt;
  const most = mss * maxSegs;
  if (window >= most && data >= most) return most;
  const needed = min(data, window);
  if (most <= needed) return most;
  const partial = needed % mss;
  // The last, partial segment is subject to Nagle unless it is cut by the window only.
  if (partial && needed > mss && (needed < data || nagleHolds(tp, nonagle))) return needed - partial;
  return needed;
}

/** New data left: Linux's tcp_event_new_data_sent. */
function newDataSent(tp: Tcb, s: Seg, priorPackets: u32): void {
  tp.sndNxt = s.end;
  if (!priorPackets || tp.pending == Pending.LOSS_PROBE) rtxRearm(tp);
}

/** State of delivery at the time of sending (Linux's tcp_rate_skb_sent). */
export function rateSent(tp: Tcb, s: Seg, first: bool): void {
  const t = now();
  if (first) {
    tp.firstTxTime = t;
    tp.deliveredTime = t;
  }
  s.firstTx = tp.firstTxTime;
  s.deliveredTime = tp.deliveredTime;
  s.delivered = tp.delivered;
  s.appLimited = tp.appLimited != 0;
}

// Send [snd_nxt, snd_nxt + len) as one record; with `fin` the FIN rides on it. `psh` asks for PSH, which the end of a write has anyway.
function sendNew(tp: Tcb, len: u32, fin: bool, mss: u32, psh: bool = false): bool {
  const seq = tp.sndNxt;
  const prior = tp.packetsOut;
  const last = segLast(tp);
  let chunk: usize = 0;
  if (len) {
    chunk = chunkHolding(last && last.chunk ? last.chunk : tp.txFirst, seq);
    const span = sendqSpan(chunk, seq, len);
    if (span < len) {
      len = span > mss ? span - span % mss : span;
      fin = false;
    }
  }
  let flags: u32 = fin ? SegFlag.FIN : 0;
  if (len && (psh || seqIn(tp.pushSeq, seq + 1, seq + len + 1))) flags |= SegFlag.PSH;
  const s = segPush(tp, seq, seq + len + (fin ? 1 : 0), flags, mss, chunk);
  if (!s) return false;
  rateSent(tp, s, prior == 0);
  const pc = s.pcount;
  tp.packetsOut -= pc; // the flight before this segment, for emit
  const ok = emitSeg(tp, s);
  tp.packetsOut += pc;
  segTouch(tp, s, now());
  if (tp.paced && ok) paceSent(tp, len);
  // A local drop is a loss like any other: the record stays and the timers repair it.
  newDataSent(tp, s, prior);
  if (len % mss) tp.sndSml = s.end;
  mibAdd(Mib.TcpExtTCPOrigDataSent, s.pcount);
  return ok;
}

/** One segment of `size` bytes, larger than the MSS, to learn whether the path takes it. */
export function sendMtuProbe(tp: Tcb, size: u32): bool {
  const start = tp.sndNxt;
  if (!sendNew(tp, size, false, size)) return false;
  tp.mtuProbeSeqStart = start;
  tp.mtuProbeSeqEnd = tp.sndNxt;
  return true;
}

/** Cwnd validation (RFC 7661 in Linux's form): a window that is not used does not grow, and decays. */
function cwndValidate(tp: Tcb, limited: bool): void {
  if (!seqLt(tp.sndUna, tp.cwndUsageSeq) || limited || (!tp.isCwndLimited && tp.packetsOut > tp.maxPacketsOut)) {
    tp.isCwndLimited = limited;
    tp.maxPacketsOut = tp.packetsOut;
    tp.cwndUsageSeq = tp.sndNxt;
  }
  if (!unsent(tp) && tp.sndbufLimited) chronoStart(tp, Chrono.SNDBUF_LIMITED);
  const ms = <u32>(now() / MS);
  if (isCwndLimited(tp)) {
    tp.cwndUsed = 0;
    tp.cwndStamp = ms;
    return;
  }
  if (tp.packetsOut > tp.cwndUsed) tp.cwndUsed = tp.packetsOut;
  if (!sysctl(Sysctl.TCP_SLOW_START_AFTER_IDLE) || caOwn(tp) || <u64>(ms - tp.cwndStamp) * MS < tp.rto) return;
  if (tp.caState == <u32>Ca.OPEN && !tp.sndbufLimited) {
    const used = max<u32>(tp.cwndUsed, INIT_CWND);
    if (used < tp.cwnd) {
      tp.ssthresh = currentSsthresh(tp);
      tp.cwnd = (tp.cwnd + used) >> 1;
    }
    tp.cwndUsed = 0;
  }
  tp.cwndStamp = ms;
}

export function currentSsthresh(tp: Tcb): u32 {
  if (tp.caState == <u32>Ca.CWR || tp.caState == <u32>Ca.RECOVERY) return tp.ssthresh;
  return max(tp.ssthresh, (tp.cwnd >> 1) + (tp.cwnd >> 2));
}

/** RFC 5681 4.1: after an idle RTO the window restarts. Called when the application writes. */
export function slowStartAfterIdle(tp: Tcb): void {
  if (!sysctl(Sysctl.TCP_SLOW_START_AFTER_IDLE) || tp.packetsOut || caOwn(tp)) return;
  let idle = now() - tp.lastDataSent;
  if (idle <= tp.rto || !tp.lastDataSent) return;
  let cwnd = tp.cwnd;
  const restart = min<u32>(INIT_CWND, cwnd);
  tp.ssthresh = currentSsthresh(tp);
  while (idle > tp.rto && cwnd > restart) {
    cwnd >>= 1;
    idle -= tp.rto;
  }
  tp.cwnd = max(cwnd, restart);
  tp.cwndStamp = <u32>(now() / MS);
  tp.cwndUsed = 0;
}

/**
 * Send what windows and Nagle allow. `pushOne`: 0 everything, 1 one segment, 2 one segment past the
 * congestion window (loss probe). True when data waits that nothing in flight will clock out.
 */
export function writeXmit(tp: Tcb, nonagle: u32, pushOne: u32): bool {
  const mss = currentMss(tp);
  if (!pushOne && tp.mtupEnabled && !(tp.paced && paceHolds(tp)) && mtuProbe(tp)) return false;
  const maxSegs = tsoSegs(tp, mss);
  let sent: u32 = 0;
  let limited = false, rwnd = false;
  while (true) {
    const data = unsentData(tp);
    const fin = tp.finQueued && unsent(tp) != 0;
    if (!data && !fin) break;
    if (tp.paced && paceHolds(tp)) break;
    let quota = cwndQuota(tp);
    if (!quota && fin && data <= mss) quota = 1; // as Linux: the last segment is not worth a round trip
    if (!quota) {
      limited = true;
      if (pushOne != 2) break;
      quota = 1;
    }
    const window = <i32>(tp.wndEnd - tp.sndNxt);
    const first = data ? min(data, mss) : 1;
    if (window < <i32>first) {
      rwnd = true;
      break;
    }
    let len = data;
    if (data <= mss) {
      if (data && data < mss && !fin && !(nonagle & Nagle.PUSH) && !tp.urgentMode && nagleHolds(tp, nonagle)) break;
    } else {
      if (!pushOne && !fin && tsoDefer(tp, data, mss, maxSegs)) {
        if (congestionRoom(tp, mss) < <u32>window) limited = true;
        else rwnd = true;
        break;
      }
      len = tp.urgentMode ? mss : pieceSize(tp, data, mss, min(quota, maxSegs), fin ? <u32>Nagle.OFF : nonagle);
    }
    if (!devTxRoom(changetype<NetDevice>(tp.flow.dev))) break;
    const before = tp.packetsOut;
    const withFin = fin && len == data && <u32>window > len;
    if (!sendNew(tp, len, withFin, mss)) {
      if (tp.packetsOut != before) sent += tp.packetsOut - before;
      break;
    }
    sent += tp.packetsOut - before;
    if (pushOne) break;
  }
  if (rwnd) {
    chronoStart(tp, Chrono.RWND_LIMITED);
    caWindowLimited(tp);
  } else chronoStop(tp, Chrono.RWND_LIMITED);
  if (!sent) return !tp.packetsOut && unsent(tp) != 0;
  if (tp.caState == <u32>Ca.CWR || tp.caState == <u32>Ca.RECOVERY) tp.prrOut += sent;
  if (pushOne != 2) scheduleLossProbe(tp, false);
  if (tp.inFlight >= tp.cwnd) limited = true;
  cwndValidate(tp, limited);
  return false;
}

/** Linux's __tcp_push_pending_frames: send, and see to it that a window of zero is probed. */
export function push(tp: Tcb, nonagle: u32): void {
  if (tp.sk.state == <u8>TcpState.CLOSE || tp.sk.state == <u8>TcpState.SYN_SENT) return;
  if (!unsent(tp)) return;
  if (writeXmit(tp, nonagle, 0)) checkProbeTimer(tp);
}
/** push with the socket's own setting. */
@inline export function pushPending(tp: Tcb): void { push(tp, tp.nonagle); }

export function probe0Base(tp: Tcb): u64 { return max(tp.rto, RTO_MIN); }
/** Interval to the next window probe. */
export function probe0When(tp: Tcb): u64 {
  const backoff = min<u32>(tp.backoff, 10);
  return min(probe0Base(tp) << backoff, RTO_MAX);
}
export function checkProbeTimer(tp: Tcb): void {
  if (!tp.packetsOut && tp.pending == Pending.NONE) rtxArm(tp, Pending.PROBE0, probe0Base(tp) + paceDelay(tp));
}

/** Queue the FIN and send it as soon as the window lets. */
export function sendFin(tp: Tcb): void {
  if (tp.finQueued) return;
  tp.finQueued = true;
  tp.writeSeq++;
  push(tp, Nagle.OFF);
}

// ---- retransmission ----

/** Retransmit at most `segs` packets from the front of `s`, splitting it. False when nothing was sent. */
export function retransmitOnce(tp: Tcb, s: Seg, segs: u32): bool {
  if (seqLt(s.seq, tp.sndUna)) segTrim(tp, s, tp.sndUna);
  const syn = s.has(SegFlag.SYN);
  const mss = syn ? s.mss : currentMss(tp);
  let avail = <i32>(tp.wndEnd - s.seq);
  if (avail <= 0 && !syn) {
    if (s.seq != tp.sndUna) return false; // a shrunken window: only the first segment probes it
    avail = mss;
  }
  if (!syn) {
    let len = mss * segs;
    if (len > <u32>avail) len = <u32>avail > mss ? <u32>avail - <u32>avail % mss : <u32>avail;
    if (s.mss != mss) segResize(tp, s, mss);
    if (s.len > len && !segSplit(tp, s, len)) return false;
    // Small neighbours travel together (Linux's tcp_retrans_try_collapse).
    while (s.len < min<u32>(mss, avail) && segCollapse(tp, s, min<u32>(mss, avail)));
    const span = s.len ? sendqSpan(s.chunk, s.seq, s.len) : 0;
    if (span < s.len && !segSplit(tp, s, span > mss ? span - span % mss : span)) return false;
  }
  const packets = s.pcount;
  rateSent(tp, s, false);
  const ok = emitSeg(tp, s);
  if (tp.paced && ok) paceSent(tp, s.len);
  segTouch(tp, s, now());
  s.flags |= SegFlag.EVER_RETRANS;
  if (s.txCount < 255) s.txCount++;
  if (!ok) return false;
  mibAdd(Mib.TcpRetransSegs, packets);
  if (syn) mibInc(Mib.TcpExtTCPSynRetrans);
  tp.totalRetrans += packets;
  tp.bytesRetrans += s.len;
  return true;
}

/** Retransmit and count it in retrans_out. */
export function retransmit(tp: Tcb, s: Seg, segs: u32): bool {
  if (!retransmitOnce(tp, s, segs)) {
    if (!tp.retransStamp) tp.retransStamp = tsNow(tp) | 1;
    if (tp.undoRetrans < 0) tp.undoRetrans = 0;
    tp.undoRetrans += s.pcount;
    return false;
  }
  if (!s.has(SegFlag.RETRANS)) {
    s.flags |= SegFlag.RETRANS;
    tp.retransOut += s.pcount;
  }
  if (!tp.retransStamp) tp.retransStamp = tsNow(tp);
  if (tp.undoRetrans < 0) tp.undoRetrans = 0;
  tp.undoRetrans += s.pcount;
  return true;
}

/** Retransmit what is marked lost, as far as the congestion window goes. */
export function xmitRetransmitQueue(tp: Tcb): void {
  if (!tp.packetsOut) return;
  const first = segFirst(tp);
  let s = tp.retransHint ? changetype<Seg>(tp.retransHint) : first;
  const maxSegs = tsoSegs(tp, currentMss(tp));
  let rearm = false;
  while (s) {
    const inFlight = tp.inFlight;
    if (inFlight >= tp.cwnd || tp.retransOut >= tp.lostOut) break;
    if (tp.paced && paceHolds(tp)) break;
    tp.retransHint = changetype<usize>(s);
    if (!s.has(SegFlag.LOST) || s.flags & (SegFlag.SACKED | SegFlag.RETRANS)) {
      s = segNext(tp, s);
      continue;
    }
    if (!devTxRoom(changetype<NetDevice>(tp.flow.dev))) break;
    if (!retransmit(tp, s, min(tp.cwnd - inFlight, maxSegs))) break;
    mibAdd(tp.caState == <u32>Ca.LOSS ? Mib.TcpExtTCPSlowStartRetrans : Mib.TcpExtTCPFastRetrans, s.pcount);
    if (tp.caState == <u32>Ca.CWR || tp.caState == <u32>Ca.RECOVERY) tp.prrOut += s.pcount;
    if (s === first && tp.pending != Pending.REO) rearm = true;
    s = segNext(tp, s);
  }
  if (rearm) rtxArm(tp, Pending.RETRANS, tp.rto + paceDelay(tp));
}

// ---- probes ----

/** Arm the tail loss probe (RFC 8985 7.2). `advancing`: the RTO restarts with this ACK. False when none is wanted. */
export function scheduleLossProbe(tp: Tcb, advancing: bool): bool {
  const early = sysctl(Sysctl.TCP_EARLY_RETRANS);
  if ((early != 3 && early != 4) || !tp.packetsOut || !tp.sackOk || tp.tfo & Tfo.PENDING) return false;
  if (tp.caState != <u32>Ca.OPEN && tp.caState != <u32>Ca.CWR) return false;
  let timeout: u64 = 1000 * MS;
  if (tp.srtt) {
    timeout = <u64>(tp.srtt >> 2) * US;
    timeout += tp.packetsOut == 1 ? RTO_MIN : TIMEOUT_MIN;
  }
  const left = advancing ? tp.rto : rtoLeft(tp);
  if (left) timeout = min(timeout, left);
  rtxArm(tp, Pending.LOSS_PROBE, timeout + paceDelay(tp));
  return true;
}

/** The loss probe: new data if the peer's window allows, else the last segment again. */
export function sendLossProbe(tp: Tcb): void {
  if (!tp.tlpHighSeq) {
    tp.tlpRetrans = false;
    let sent = false;
    const mss = currentMss(tp);
    if (unsent(tp) && <i32>(tp.wndEnd - tp.sndNxt) >= <i32>min(max(unsentData(tp), 1), mss)) {
      const before = tp.packetsOut;
      writeXmit(tp, Nagle.OFF, 2);
      sent = tp.packetsOut > before;
    } else {
      let s = segLast(tp);
      if (s) {
        if (s.pcount > 1 && s.len > (s.pcount - 1) * s.mss && segSplit(tp, s, (s.pcount - 1) * s.mss)) s = segNext(tp, s);
        if (retransmitOnce(tp, s!, 1)) {
          tp.tlpRetrans = true;
          sent = true;
        }
      }
    }
    if (sent) {
      tp.tlpHighSeq = tp.sndNxt;
      mibInc(Mib.TcpExtTCPLossProbes);
      tp.pending = Pending.NONE; // the RTO runs from now on; without a probe it has run since the segment was sent
    }
  }
  rtxRearm(tp);
}

/** Make the peer tell its window: a byte of data if the window has room for one, else an empty probe. True when sent. */
export function writeWakeup(tp: Tcb): bool {
  if (tp.sk.state == <u8>TcpState.CLOSE) return false;
  const window = <i32>(tp.wndEnd - tp.sndNxt);
  if (unsent(tp) && window > 0) {
    const mss = currentMss(tp);
    const data = unsentData(tp);
    const len = min(min(data, <u32>window), mss);
    return sendNew(tp, len, tp.finQueued && len == data && <u32>window > len, mss, true);
  }
  if (seqIn(tp.sndUp, tp.sndUna + 1, tp.sndUna + 0x10000)) sendProbe(tp, true);
  return sendProbe(tp, false);
}
