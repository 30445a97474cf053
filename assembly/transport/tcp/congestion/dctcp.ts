// DCTCP (RFC 8257) as Linux has it: the receiver echoes CE mark by mark, the sender reduces by the fraction of marked packets, once a
// window. Loss is answered as by Reno (RFC 8257 3.5). Only with ECN; a connection without it gets Reno.
import { seqLt } from "../../../lib/seq";
import { sendAck } from "../emit";
import { AckSched, Ca, Ecn, Tcb } from "../tcp";
import { renoSsthresh } from "./newreno";

/** alpha is of 1024; g = 1/16 (RFC 8257 4.2). */
const ALPHA_MAX: u32 = 1024;
const SHIFT_G: u32 = 4;

@unmanaged @final class Dctcp {
  /** DCTCP.Alpha. */
  alpha: u32;
  /** The observation window ends when this is acknowledged. */
  nextSeq: u32;
  oldDelivered: u32;
  oldDeliveredCe: u32;
  /** Window before the latest reduction. */
  lossCwnd: u32;
  /** DCTCP.CE: was the latest packet with data marked? */
  ce: bool;
}
@inline function dctcp(tp: Tcb): Dctcp { return changetype<Dctcp>(tp.ca); }

function observe(tp: Tcb): void {
  const d = dctcp(tp);
  d.nextSeq = tp.sndNxt;
  d.oldDelivered = tp.delivered;
  d.oldDeliveredCe = tp.deliveredCe;
}

/** RFC 8257 4.2: alpha starts at 1, so that the first mark halves. */
export function dctcpInit(tp: Tcb): void {
  dctcp(tp).alpha = ALPHA_MAX;
  observe(tp);
}

/** RFC 8257 3.3 step 5-8, on each ACK. */
export function dctcpAck(tp: Tcb): void {
  const d = dctcp(tp);
  if (seqLt(tp.sndUna, d.nextSeq)) return;
  const delivered = tp.delivered - d.oldDelivered;
  let ce = tp.deliveredCe - d.oldDeliveredCe;
  let alpha = d.alpha;
  const less = alpha >> SHIFT_G;
  alpha -= less ? less : alpha; // small values vanish
  if (ce) {
    ce = <u32>((<u64>ce << (10 - SHIFT_G)) / max(delivered, 1));
    alpha = min(alpha + ce, ALPHA_MAX);
  }
  d.alpha = alpha;
  observe(tp);
}

/** RFC 8257 3.3 step 9: cwnd * (1 - alpha / 2). */
export function dctcpSsthresh(tp: Tcb): u32 {
  if (!(tp.ecn & Ecn.OK)) return renoSsthresh(tp);
  const d = dctcp(tp);
  d.lossCwnd = tp.cwnd;
  return max(tp.cwnd - <u32>((<u64>tp.cwnd * d.alpha) >> 11), 2);
}

/** Loss is no mark: half the window (RFC 8257 3.5). */
export function dctcpSetState(tp: Tcb, state: u32): void {
  const d = dctcp(tp);
  if (state == Ca.RECOVERY && tp.caState != <u32>Ca.RECOVERY) {
    d.lossCwnd = tp.cwnd;
    tp.ssthresh = max(tp.cwnd >> 1, 2);
  } else if (state == Ca.LOSS && d.lossCwnd) tp.ssthresh = min(tp.ssthresh, max(d.lossCwnd >> 1, 2));
}
export function dctcpUndoCwnd(tp: Tcb): u32 { return max(tp.cwnd, dctcp(tp).lossCwnd); }

/** Data has come, marked or not (RFC 8257 3.2): a change is told at once, what waits for an ACK before it goes with the old mark. */
export function dctcpReceive(tp: Tcb, ce: bool): void {
  const d = dctcp(tp);
  if (d.ce != ce) {
    if (tp.ackFlags & AckSched.TIMER) {
      echo(tp, d.ce);
      sendAck(tp);
    }
    tp.ackFlags |= AckSched.SCHED | AckSched.NOW;
  }
  d.ce = ce;
  echo(tp, ce);
}
function echo(tp: Tcb, ce: bool): void { tp.ecn = ce ? tp.ecn | Ecn.DEMAND_CWR : tp.ecn & ~Ecn.DEMAND_CWR; }

/** struct tcp_dctcp_info at `p` (16 bytes). */
export function dctcpInfo(tp: Tcb, p: usize): u32 {
  const d = dctcp(tp);
  memory.fill(p, 0, 16);
  if (!(tp.ecn & Ecn.OK)) return 16;
  store<u16>(p, 1);
  store<u16>(p, d.ce ? 1 : 0, 2);
  store<u32>(p, d.alpha, 4);
  store<u32>(p, tp.mssCache * (tp.deliveredCe - d.oldDeliveredCe), 8);
  store<u32>(p, tp.mssCache * (tp.delivered - d.oldDelivered), 12);
  return 16;
}
