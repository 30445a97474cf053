// Loss recovery: the states Open, Disorder, CWR, Recovery and Loss as in Linux. Window reduction by PRR (RFC
// 6937), NewReno without SACK (RFC 6582), F-RTO (RFC 5682), tail loss probes (RFC 8985 7.4).
import { seqGeq, seqGt, seqLt } from "../../lib/seq";
import { Mib, mibInc } from "../../core/mib";
import { MS, US, now } from "../../core/time";
import { accTimeout } from "./accecn";
import { ACK, Ack, Rexmit } from "./ackctx";
import { caOwn, caSetState, caSsthresh } from "./congestion/congestion";
import { mtuProbeLost } from "./mtu_probe";
import { currentSsthresh, unsent, xmitRetransmitQueue } from "./output";
import { rackMarkLost, rackOn, rackTimeout } from "./rack";
import { checkSackReordering, countDelivered } from "./sack";
import { Seg, SegFlag, segFirst, segMarkLost, segNext, segSplit } from "./segment";
import { Ca, DEFAULT_REORDERING, Ecn, INFINITE_SSTHRESH, MAX_REORDERING, Pending, Tcb } from "./tcp";
import { rtxArm } from "./timer";
import { tryUndoDsack, tryUndoLoss, tryUndoPartial, tryUndoRecovery } from "./undo";

@inline export function inCwndReduction(tp: Tcb): bool { return tp.caState == <u32>Ca.CWR || tp.caState == <u32>Ca.RECOVERY; }
@inline function stamp(tp: Tcb): void { tp.cwndStamp = <u32>(now() / MS); }

// ---- duplicate ACKs without SACK (RFC 5681, RFC 6582): sacked_out counts them ----
function limitRenoSacked(tp: Tcb): bool {
  const holes = min(max<u32>(tp.lostOut, 1), tp.packetsOut);
  if (tp.sackedOut + holes <= tp.packetsOut) return false;
  tp.sackedOut = tp.packetsOut - holes;
  return true;
}
function checkRenoReordering(tp: Tcb, addend: u32): void {
  if (!limitRenoSacked(tp)) return;
  tp.reordering = min(tp.packetsOut + addend, MAX_REORDERING);
  tp.reordSeen++;
}
function addRenoSack(tp: Tcb, dups: u32): void {
  if (!dups) return;
  const prior = tp.sackedOut;
  tp.sackedOut += dups;
  checkRenoReordering(tp, 0);
  if (tp.sackedOut > prior) countDelivered(tp, tp.sackedOut - prior);
}
export function removeRenoSacks(tp: Tcb, acked: u32): void {
  if (acked) {
    countDelivered(tp, acked > tp.sackedOut ? max(acked - tp.sackedOut, 1) : 1);
    if (acked - 1 >= tp.sackedOut) tp.sackedOut = 0;
    else tp.sackedOut -= acked - 1;
  }
  checkRenoReordering(tp, acked);
}
@inline function resetRenoSack(tp: Tcb): void { tp.sackedOut = 0; }

// ---- window reduction ----
function initUndo(tp: Tcb): void {
  tp.undoMarker = tp.sndUna;
  tp.undoRetrans = tp.retransOut + (tp.tlpHighSeq && tp.tlpRetrans ? 1 : 0);
  if (!tp.undoRetrans) tp.undoRetrans = -1;
}
function initCwndReduction(tp: Tcb): void {
  tp.highSeq = tp.sndNxt;
  tp.tlpHighSeq = 0;
  tp.cwndCnt = 0;
  tp.priorCwnd = tp.cwnd;
  tp.prrDelivered = 0;
  tp.prrOut = 0;
  tp.ssthresh = caSsthresh(tp);
  if (tp.ecn & Ecn.OK) tp.ecn |= Ecn.QUEUE_CWR;
}

/** RFC 6937: spread the reduction over the round trip. */
export function cwndReduction(tp: Tcb, delivered: u32, newlyLost: u32, flag: u32): void {
  if (!delivered || !tp.priorCwnd) return;
  const inFlight = tp.inFlight;
  const delta = <i32>(tp.ssthresh - inFlight);
  tp.prrDelivered += delivered;
  let count: i32;
  if (delta < 0) count = <i32>((<u64>tp.ssthresh * tp.prrDelivered + tp.priorCwnd - 1) / tp.priorCwnd) - <i32>tp.prrOut;
  else {
    count = max(<i32>(tp.prrDelivered - tp.prrOut), <i32>delivered);
    if (flag & Ack.SND_UNA_ADVANCED && !newlyLost) count++;
    count = min(delta, count);
  }
  count = max(count, tp.prrOut ? 0 : 1);
  tp.cwnd = inFlight + count;
}
function endCwndReduction(tp: Tcb): void {
  if (caOwn(tp)) return;
  if (tp.ssthresh < INFINITE_SSTHRESH && (tp.caState == <u32>Ca.CWR || tp.undoMarker)) {
    tp.cwnd = tp.ssthresh;
    stamp(tp);
  }
}
/** Congestion told by ECN or by a local queue: reduce without retransmitting. */
export function enterCwr(tp: Tcb): void {
  tp.priorSsthresh = 0;
  if (tp.caState >= <u32>Ca.CWR) return;
  tp.undoMarker = 0;
  initCwndReduction(tp);
  caSetState(tp, Ca.CWR);
}
/** RFC 5681 3.2, RFC 6675 5. */
export function enterRecovery(tp: Tcb, ece: bool): void {
  mibInc(tp.sackOk ? Mib.TcpExtTCPSackRecovery : Mib.TcpExtTCPRenoRecovery);
  tp.priorSsthresh = 0;
  initUndo(tp);
  if (!inCwndReduction(tp)) {
    if (!ece) tp.priorSsthresh = currentSsthresh(tp);
    initCwndReduction(tp);
  }
  caSetState(tp, Ca.RECOVERY);
}

// After an RTO everything outstanding counts as lost, except what RACK says may still arrive.
function timeoutMarkLost(tp: Tcb): void {
  const head = segFirst(tp);
  const reneged = head != null && head.has(SegFlag.SACKED);
  if (reneged) {
    mibInc(Mib.TcpExtTCPSACKReneging);
    tp.sackReneg = true;
  } else if (!tp.sackOk) resetRenoSack(tp);
  let s = head;
  while (s) {
    if (reneged && s.has(SegFlag.SACKED)) {
      s.flags &= ~SegFlag.SACKED;
      tp.sackedOut -= s.pcount;
    }
    if (s === head || !rackOn(tp) || reneged || rackTimeout(tp, s, 0) <= 0) segMarkLost(tp, s);
    s = segNext(tp, s);
  }
  tp.retransHint = 0;
}

/** The retransmission timer expired (RFC 5681 3.1, RFC 5682 2.1 step 1). */
export function enterLoss(tp: Tcb): void {
  const fresh = tp.caState < <u32>Ca.RECOVERY;
  timeoutMarkLost(tp);
  if (tp.caState <= <u32>Ca.DISORDER || !seqGt(tp.highSeq, tp.sndUna) || (tp.caState == <u32>Ca.LOSS && !tp.retransmits)) {
    tp.priorSsthresh = currentSsthresh(tp);
    tp.priorCwnd = tp.cwnd;
    tp.ssthresh = caSsthresh(tp);
    initUndo(tp);
  }
  tp.cwnd = tp.inFlight + 1;
  tp.cwndCnt = 0;
  stamp(tp);
  if (tp.caState <= <u32>Ca.DISORDER && tp.sackedOut >= DEFAULT_REORDERING) tp.reordering = min(tp.reordering, DEFAULT_REORDERING);
  caSetState(tp, Ca.LOSS);
  tp.highSeq = tp.sndNxt;
  tp.tlpHighSeq = 0;
  if (tp.ecn & Ecn.OK) tp.ecn |= Ecn.QUEUE_CWR;
  accTimeout(tp);
  tp.frto = (fresh || tp.retransmits != 0) && !tp.mtuProbeSize;
}

/** What is marked lost was not lost to congestion: send it again with the window as it is (Linux's tcp_non_congestion_loss_retransmit). */
export function nonCongestionLoss(tp: Tcb): void {
  if (tp.caState != <u32>Ca.LOSS) {
    tp.highSeq = tp.sndNxt;
    tp.ssthresh = currentSsthresh(tp);
    tp.priorSsthresh = 0;
    tp.undoMarker = 0;
    caSetState(tp, Ca.LOSS);
  }
  xmitRetransmitQueue(tp);
}

// ---- the state machine ----
export function anyRetransDone(tp: Tcb): bool {
  if (tp.retransOut) return true;
  const s = segFirst(tp);
  return s != null && s.has(SegFlag.EVER_RETRANS);
}
export function tryKeepOpen(tp: Tcb): void {
  const state: u32 = tp.sackedOut + tp.lostOut || anyRetransDone(tp) ? Ca.DISORDER : Ca.OPEN;
  if (tp.caState == state) return;
  caSetState(tp, state);
  tp.highSeq = tp.sndNxt;
}
function tryToOpen(tp: Tcb): void {
  if (!anyRetransDone(tp)) tp.retransStamp = 0;
  if (ACK.has(Ack.ECE)) enterCwr(tp);
  if (tp.caState != <u32>Ca.CWR) tryKeepOpen(tp);
}

// RFC 6582: the first hole, one segment of it.
function newrenoMarkLost(tp: Tcb, advanced: bool): void {
  const inRecovery = tp.caState == <u32>Ca.RECOVERY;
  if (!((tp.caState < <u32>Ca.RECOVERY && tp.sackedOut >= tp.reordering) || (inRecovery && advanced))) return;
  const s = segFirst(tp);
  if (!s || s.has(SegFlag.LOST)) return;
  if (s.pcount > 1 && s.len > s.mss) segSplit(tp, s, s.mss);
  segMarkLost(tp, s);
}

// RFC 6675 without RACK: a segment is lost when `reordering` packets above it were sacked.
function markHeadLost(tp: Tcb): void {
  if (tp.sackedOut < tp.reordering) return;
  let above = tp.sackedOut;
  let s = segFirst(tp);
  while (s && above >= tp.reordering) {
    if (s.has(SegFlag.SACKED)) above -= s.pcount;
    else if (!s.has(SegFlag.LOST)) segMarkLost(tp, s);
    s = segNext(tp, s);
  }
}

function identifyLoss(tp: Tcb): void {
  if (!segFirst(tp)) return;
  if (!tp.sackOk) newrenoMarkLost(tp, ACK.has(Ack.SND_UNA_ADVANCED));
  else if (rackOn(tp)) {
    const prior = tp.retransOut;
    if (rackMarkLost(tp)) ACK.flag &= ~Ack.SET_XMIT_TIMER;
    if (prior > tp.retransOut) {
      ACK.flag |= Ack.LOST_RETRANS;
      mibInc(Mib.TcpExtTCPLostRetransmit);
    }
  } else markHeadLost(tp);
}

// RFC 5682: after a timeout send new data first; ACKs of data that was never retransmitted prove it spurious.
function processLoss(tp: Tcb): void {
  const recovered = seqGeq(tp.sndUna, tp.highSeq);
  const advanced = ACK.has(Ack.SND_UNA_ADVANCED);
  if (advanced && tryUndoLoss(tp, false)) return;
  if (tp.frto) {
    if (ACK.has(Ack.ORIG_SACK_ACKED) && tryUndoLoss(tp, true)) return;
    if (seqGt(tp.sndNxt, tp.highSeq)) {
      if (ACK.has(Ack.DATA_SACKED) || ACK.numDupack) tp.frto = false;
    } else if (advanced && !recovered) {
      tp.highSeq = tp.sndNxt;
      if (unsent(tp) && seqGt(tp.wndEnd, tp.sndNxt)) {
        ACK.rexmit = Rexmit.NEW;
        return;
      }
      tp.frto = false;
    }
  }
  if (recovered) {
    tryUndoRecovery(tp);
    return;
  }
  if (!tp.sackOk) {
    if (seqGt(tp.sndNxt, tp.highSeq) && ACK.numDupack) addRenoSack(tp, ACK.numDupack);
    else if (advanced) resetRenoSack(tp);
  }
  ACK.rexmit = Rexmit.LOST;
}

// RFC 2018 8: the receiver has dropped what it had sacked. Wait half a round trip, then take it for a timeout.
function checkReneging(tp: Tcb): bool {
  if (!ACK.has(Ack.SACK_RENEGING) || !ACK.has(Ack.SND_UNA_ADVANCED)) return false;
  rtxArm(tp, Pending.RETRANS, max(<u64>(tp.srtt >> 4) * US, 10 * MS));
  ACK.flag &= ~Ack.SET_XMIT_TIMER;
  return true;
}

/** What a dubious ACK (duplicate, SACK, ECE, or any outside Open) means: Linux's tcp_fastretrans_alert. */
export function fastRetransAlert(tp: Tcb): void {
  const advanced = ACK.has(Ack.SND_UNA_ADVANCED);
  if (!tp.packetsOut && tp.sackedOut) tp.sackedOut = 0;
  if (ACK.has(Ack.ECE)) tp.priorSsthresh = 0;
  if (checkReneging(tp)) return;
  if (tp.caState == <u32>Ca.OPEN) tp.retransStamp = 0;
  else if (!seqLt(tp.sndUna, tp.highSeq)) {
    if (tp.caState == <u32>Ca.CWR) {
      if (tp.sndUna != tp.highSeq) {
        endCwndReduction(tp);
        caSetState(tp, Ca.OPEN);
      }
    } else if (tp.caState == <u32>Ca.RECOVERY) {
      if (!tp.sackOk) resetRenoSack(tp);
      if (tryUndoRecovery(tp)) return;
      endCwndReduction(tp);
    }
  }
  if (tp.caState == <u32>Ca.RECOVERY) {
    if (!advanced) {
      if (!tp.sackOk) addRenoSack(tp, ACK.numDupack);
    } else if (tryUndoPartial(tp)) return;
    if (tryUndoDsack(tp)) tryToOpen(tp);
    identifyLoss(tp);
    if (tp.caState != <u32>Ca.RECOVERY) {
      if (!tp.lostOut) return;
      enterRecovery(tp, ACK.has(Ack.ECE));
    }
  } else {
    if (tp.caState == <u32>Ca.LOSS) {
      processLoss(tp);
      identifyLoss(tp);
      if (tp.caState != <u32>Ca.OPEN && !ACK.has(Ack.LOST_RETRANS)) return;
    }
    if (!tp.sackOk) {
      if (advanced) resetRenoSack(tp);
      addRenoSack(tp, ACK.numDupack);
    }
    if (tp.caState <= <u32>Ca.DISORDER) tryUndoDsack(tp);
    identifyLoss(tp);
    if (!tp.lostOut) {
      tryToOpen(tp);
      return;
    }
    if (mtuProbeLost(tp, tp.sndUna)) {
      // Not congestion: repair it at the old size and keep the window (RFC 4821 7.6.2).
      tp.cwnd++;
      ACK.rexmit = Rexmit.LOST;
      return;
    }
    enterRecovery(tp, ACK.has(Ack.ECE));
  }
  ACK.rexmit = Rexmit.LOST;
}

/** RFC 8985 7.4: what the ACK of a loss probe says about the original. */
export function processTlpAck(tp: Tcb, ack: u32): void {
  if (seqLt(ack, tp.tlpHighSeq)) return;
  if (!tp.tlpRetrans || ACK.has(Ack.DSACK_TLP)) tp.tlpHighSeq = 0;
  else if (seqGt(ack, tp.tlpHighSeq)) {
    initCwndReduction(tp);
    caSetState(tp, Ca.CWR);
    endCwndReduction(tp);
    tryKeepOpen(tp);
    mibInc(Mib.TcpExtTCPLossProbeRecovery);
  } else if (!(ACK.flag & (Ack.SND_UNA_ADVANCED | Ack.NOT_DUP | Ack.DATA_SACKED))) tp.tlpHighSeq = 0;
}

/** Note that the data below `low` was delivered after what was sent later. */
export function reorderingSeen(tp: Tcb, low: u32): void { checkSackReordering(tp, low); }
export function clearLost(tp: Tcb): void {
  let s: Seg | null = segFirst(tp);
  while (s) {
    s.flags &= ~SegFlag.LOST;
    s = segNext(tp, s);
  }
  tp.lostOut = 0;
  tp.retransHint = 0;
}
