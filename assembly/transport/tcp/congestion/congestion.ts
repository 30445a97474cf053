// Congestion control: what every algorithm shares, and the choice between them. The surface is Linux's
// tcp_congestion_ops; algorithms keep their state in Tcb.ca (CA_WORDS bytes).
import { now } from "../../../core/time";
import { Ca, Tcb } from "../tcp";
import {
  cubicAcked, cubicCongAvoid, cubicSetState, cubicSsthresh, cubicTxStart,
} from "./cubic";
import { bbrInfo, bbrInit, bbrMain, bbrMinTso, bbrSetState, bbrSsthresh, bbrTxStart, bbrUndoCwnd, bbrWindowLimited } from "./bbr";
import { Bbr } from "./bbr_model";
import { dctcpInfo, dctcpInit, dctcpSetState, dctcpSsthresh, dctcpUndoCwnd } from "./dctcp";
import { HYSTART_OFFSET, Hystart, hystartAcked, hystartReset } from "./hystart";
import { renoCongAvoid, renoSsthresh } from "./newreno";

/** Values of Sysctl.TCP_CONGESTION and Tcb.caId. */
export const enum CongId { CUBIC, RENO, BBR, DCTCP, COUNT }
const CA_WORDS: usize = 136;
/** Longest name, as Linux's TCP_CA_NAME_MAX. */
export const CA_NAME_MAX: u32 = 16;
const NAMES: usize = memory.data<u8>([
  0x63, 0x75, 0x62, 0x69, 0x63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // cubic
  0x72, 0x65, 0x6e, 0x6f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // reno
  0x62, 0x62, 0x72, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // bbr
  0x64, 0x63, 0x74, 0x63, 0x70, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // dctcp
]);

/** Address of the NUL-padded 16-byte name. */
export function caName(id: u32): usize { return NAMES + <usize>id * CA_NAME_MAX; }
/** The algorithm whose name is the `len` bytes at `p` (a NUL ends it earlier), -1 when there is none. */
export function caByName(p: usize, len: u32): i32 {
  let n: u32 = 0;
  while (n < min(len, CA_NAME_MAX - 1) && load<u8>(p + n)) n++;
  for (let id: u32 = 0; id < <u32>CongId.COUNT; id++)
    if (memory.compare(caName(id), p, n) == 0 && !load<u8>(caName(id) + n)) return <i32>id;
  return -1;
}

/** Start (or switch to) algorithm tp.caId. */
export function caInit(tp: Tcb): void {
  if (offsetof<Bbr>() > CA_WORDS) ERROR("the largest state does not fit");
  if (HYSTART_OFFSET + offsetof<Hystart>() > CA_WORDS) ERROR("HyStart++ does not fit");
  memory.fill(tp.ca, 0, CA_WORDS);
  switch (tp.caId) {
    case CongId.BBR: bbrInit(tp); break;
    case CongId.DCTCP: dctcpInit(tp); break;
    default:
  }
}
/** The slow start threshold after a loss. */
export function caSsthresh(tp: Tcb): u32 {
  switch (tp.caId) {
    case CongId.RENO: return renoSsthresh(tp);
    case CongId.BBR: return bbrSsthresh(tp);
    case CongId.DCTCP: return dctcpSsthresh(tp);
    default: return cubicSsthresh(tp);
  }
}
/** Does the algorithm set window and pacing rate itself, by caMain, in recovery too (Linux's cong_control)? */
@inline export function caOwn(tp: Tcb): bool { return tp.caId == CongId.BBR; }
/** An ACK has been processed, of a connection with caOwn: `acked` packets were delivered, `losses` found lost. */
export function caMain(tp: Tcb, acked: u32, losses: u32): void { bbrMain(tp, acked, losses); }
/** `acked` packets were delivered in order while the window may grow. */
export function caCongAvoid(tp: Tcb, acked: u32): void {
  if (tp.caId == CongId.CUBIC) cubicCongAvoid(tp, acked);
  else renoCongAvoid(tp, acked);
}
/** A reduction proved unfounded: the window to return to. */
export function caUndoCwnd(tp: Tcb): u32 {
  switch (tp.caId) {
    case CongId.BBR: return bbrUndoCwnd(tp);
    case CongId.DCTCP: return dctcpUndoCwnd(tp);
    default: return max(tp.cwnd, tp.priorCwnd);
  }
}
/** ECN is negotiated whatever net.ipv4.tcp_ecn says, all segments are ECN-capable, and marks are echoed one by one. */
@inline export function caNeedsEcn(tp: Tcb): bool { return tp.caId == CongId.DCTCP; }
/** The congestion state machine moves to `state` (Ca). */
export function caSetState(tp: Tcb, state: u32): void {
  if (state == Ca.LOSS && (tp.caId == CongId.CUBIC || tp.caId == CongId.RENO)) hystartReset(tp);
  if (tp.caId == CongId.CUBIC) cubicSetState(tp, state);
  else if (tp.caId == CongId.BBR) bbrSetState(tp, state);
  else if (tp.caId == CongId.DCTCP) dctcpSetState(tp, state);
  tp.caState = state;
}
/** First data after an idle period. */
export function caTxStart(tp: Tcb): void {
  if (tp.caId == CongId.CUBIC) cubicTxStart(tp, now());
  else if (tp.caId == CongId.BBR) bbrTxStart(tp);
}
/** The peer's receive window, not the congestion window or the pace, holds sending back. */
@inline export function caWindowLimited(tp: Tcb): void { if (tp.caId == CongId.BBR) bbrWindowLimited(tp); }
/** An RTT sample of `rtt` us came with an ACK. */
export function caAcked(tp: Tcb, rtt: u32): void {
  if (tp.caId == CongId.CUBIC) cubicAcked(tp, rtt);
  else if (tp.caId == CongId.RENO) hystartAcked(tp, max(rtt, 1));
}
/** Segments a super-segment must hold, at least. */
@inline export function caMinTso(tp: Tcb): u32 { return tp.caId == CongId.BBR ? bbrMinTso(tp) : 2; }
/** The send buffer is to hold so many windows. */
@inline export function caSndbufExpand(tp: Tcb): u32 { return tp.caId == CongId.BBR ? 3 : 2; }
/** union tcp_cc_info at `p` (20 bytes at most); the bytes written, 0 when the algorithm has nothing to tell. */
export function caInfo(tp: Tcb, p: usize): u32 {
  switch (tp.caId) {
    case CongId.BBR: return bbrInfo(tp, p);
    case CongId.DCTCP: return dctcpInfo(tp, p);
    default: return 0;
  }
}

/** RFC 5681 3.1, limited to ssthresh; the packets left over. */
export function slowStart(tp: Tcb, acked: u32): u32 {
  const cwnd = min(tp.cwnd + acked, tp.ssthresh);
  acked -= cwnd - tp.cwnd;
  tp.cwnd = min(cwnd, tp.cwndClamp);
  return acked;
}

/** One more packet of window for every `w` acknowledged. */
export function congAvoidAi(tp: Tcb, w: u32, acked: u32): void {
  if (tp.cwndCnt >= w) {
    tp.cwndCnt = 0;
    tp.cwnd++;
  }
  tp.cwndCnt += acked;
  if (tp.cwndCnt >= w) {
    const delta = tp.cwndCnt / w;
    tp.cwndCnt -= delta * w;
    tp.cwnd += delta;
  }
  tp.cwnd = min(tp.cwnd, tp.cwndClamp);
}

/** Did the window, not the application, hold sending back (RFC 7661 in Linux's form)? */
export function isCwndLimited(tp: Tcb): bool {
  if (tp.isCwndLimited) return true;
  return tp.inSlowStart && tp.cwnd < 2 * tp.maxPacketsOut;
}
