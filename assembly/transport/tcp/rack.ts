// RACK loss detection (RFC 8985 6.2): a segment is lost when one sent sufficiently later was delivered.
import { seqGt, seqLt } from "../../lib/seq";
import { Sysctl, sysctl } from "../../core/sysctl";
import { US, now } from "../../core/time";
import { ListNode } from "../../lib/list";
import { ACK } from "./ackctx";
import { caOwn } from "./congestion/congestion";
import { Seg, SegFlag, segMarkLost, segOfTime, segUntime } from "./segment";
import { Ca, Pending, TIMEOUT_MIN, Tcb } from "./tcp";
import { rtxArm, rtxRearm } from "./timer";
import { xmitRetransmitQueue } from "./output";
import { cwndReduction, enterRecovery } from "./recovery";

/** Bits of net.ipv4.tcp_recovery. */
const RACK_ON: u32 = 1;
const RACK_STATIC_REO: u32 = 2;
const RACK_NO_DUPTHRESH: u32 = 4;
/** Recoveries without DSACK before the reordering window shrinks again. */
const REO_PERSIST: u8 = 16;

@inline export function rackOn(tp: Tcb): bool { return tp.sackOk && (sysctl(Sysctl.TCP_RECOVERY) & RACK_ON) != 0; }

@inline function sentAfter(t1: u64, end1: u32, t2: u64, end2: u32): bool { return t1 > t2 || (t1 == t2 && seqGt(end1, end2)); }

/** A segment sent at `time` ns and ending at `end` was delivered (RFC 8985 6.2 step 1-2). */
export function rackAdvance(tp: Tcb, flags: u32, end: u32, time: u64): void {
  const rtt = <u32>min<u64>((now() - time) / US, u32.MAX_VALUE);
  // An ACK sooner than possible belongs to the original, not to the retransmission.
  if (rtt < tp.minRtt && tp.minRtt != u32.MAX_VALUE && flags & (SegFlag.RETRANS | SegFlag.EVER_RETRANS)) return;
  tp.rackAdvanced = true;
  tp.rackRtt = rtt;
  if (sentAfter(time, end, tp.rackTime, tp.rackEnd)) {
    tp.rackTime = time;
    tp.rackEnd = end;
  }
}

// RFC 8985 6.2 step 4: none until reordering was seen and enough is sacked; else a part of min_rtt that DSACKs make grow. us.
function reoWindow(tp: Tcb): u32 {
  if (!tp.reordSeen) {
    if (tp.caState >= <u32>Ca.RECOVERY) return 0;
    if (tp.sackedOut >= tp.reordering && !(sysctl(Sysctl.TCP_RECOVERY) & RACK_NO_DUPTHRESH)) return 0;
  }
  const base = tp.minRtt == u32.MAX_VALUE ? 0 : tp.minRtt >> 2;
  return <u32>min<u64>(<u64>base * tp.rackReoSteps, tp.srtt >> 3);
}

/** us until `s` counts as lost; <= 0 when it does. */
export function rackTimeout(tp: Tcb, s: Seg, reo: u32): i64 {
  return <i64>tp.rackRtt + reo - <i64>((now() - s.time) / US);
}

function detect(tp: Tcb): i64 {
  const reo = reoWindow(tp);
  let wait: i64 = 0;
  const list = tp.byTime;
  let n: ListNode = list.next;
  while (n !== list) {
    const s = segOfTime(n);
    n = n.next;
    if (s.has(SegFlag.LOST) && !s.has(SegFlag.RETRANS)) continue;
    if (!sentAfter(tp.rackTime, tp.rackEnd, s.time, s.end)) break;
    const left = rackTimeout(tp, s, reo);
    if (left <= 0) {
      segMarkLost(tp, s);
      segUntime(s);
    } else wait = max(wait, left);
  }
  return wait;
}

/** Mark what is lost now; arm the reordering timer for what may be soon. True when the timer was armed. */
export function rackMarkLost(tp: Tcb): bool {
  if (!tp.rackAdvanced) return false;
  tp.rackAdvanced = false;
  const wait = detect(tp);
  if (wait <= 0) return false;
  rtxArm(tp, Pending.REO, <u64>wait * US + TIMEOUT_MIN);
  return true;
}

/** The reordering window is over. */
export function rackReoTimeout(tp: Tcb): void {
  const prior = tp.inFlight;
  const lost = tp.lost;
  tp.pending = Pending.NONE;
  const wait = detect(tp);
  if (prior != tp.inFlight) {
    if (tp.caState != <u32>Ca.RECOVERY) {
      enterRecovery(tp, false);
      if (!caOwn(tp)) cwndReduction(tp, 1, tp.lost - lost, 0);
    }
    xmitRetransmitQueue(tp);
  }
  if (wait > 0 && tp.pending == Pending.NONE) rtxArm(tp, Pending.REO, <u64>wait * US + TIMEOUT_MIN);
  else if (tp.pending != Pending.RETRANS) rtxRearm(tp);
}

/** RFC 8985 6.2 step 4: a DSACK widens the window, sixteen recoveries without one reset it. */
export function rackUpdateReoWnd(tp: Tcb): void {
  if (sysctl(Sysctl.TCP_RECOVERY) & RACK_STATIC_REO || !ACK.rsPriorDelivered) return;
  if (seqLt(ACK.rsPriorDelivered, tp.rackLastDelivered)) tp.rackDsackSeen = false;
  if (tp.rackDsackSeen) {
    if (tp.rackReoSteps < 255) tp.rackReoSteps++;
    tp.rackDsackSeen = false;
    tp.rackLastDelivered = tp.delivered;
    tp.rackReoPersist = REO_PERSIST;
  } else if (!tp.rackReoPersist) tp.rackReoSteps = 1;
}
