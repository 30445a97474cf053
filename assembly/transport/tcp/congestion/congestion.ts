// Congestion control: what every algorithm shares, and the choice between them. The surface is Linux's
// tcp_congestion_ops; algorithms keep their state in Tcb.ca (80 bytes).
import { now } from "../../../core/time";
import { Tcb } from "../tcp";
import {
  cubicAcked, cubicCongAvoid, cubicInit, cubicSetState, cubicSsthresh, cubicTxStart,
} from "./cubic";
import { renoCongAvoid, renoSsthresh } from "./newreno";

/** Values of Sysctl.TCP_CONGESTION and Tcb.caId. */
export const enum CongId { CUBIC, RENO, COUNT }
export const CA_WORDS: usize = 80;
/** Longest name, as Linux's TCP_CA_NAME_MAX. */
export const CA_NAME_MAX: u32 = 16;
const NAME_CUBIC: usize = memory.data<u8>([0x63, 0x75, 0x62, 0x69, 0x63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const NAME_RENO: usize = memory.data<u8>([0x72, 0x65, 0x6e, 0x6f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** Address of the NUL-padded 16-byte name. */
export function caName(id: u32): usize { return id == CongId.RENO ? NAME_RENO : NAME_CUBIC; }
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
  memory.fill(tp.ca, 0, CA_WORDS);
  if (tp.caId == CongId.CUBIC) cubicInit(tp);
}
/** The slow start threshold after a loss. */
export function caSsthresh(tp: Tcb): u32 { return tp.caId == CongId.RENO ? renoSsthresh(tp) : cubicSsthresh(tp); }
/** `acked` packets were delivered in order while the window may grow. */
export function caCongAvoid(tp: Tcb, acked: u32): void {
  if (tp.caId == CongId.RENO) renoCongAvoid(tp, acked);
  else cubicCongAvoid(tp, acked);
}
/** A reduction proved unfounded: the window to return to. */
@inline export function caUndoCwnd(tp: Tcb): u32 { return max(tp.cwnd, tp.priorCwnd); }
/** The congestion state machine moves to `state` (Ca). */
export function caSetState(tp: Tcb, state: u32): void {
  if (tp.caId == CongId.CUBIC) cubicSetState(tp, state);
  tp.caState = state;
}
/** First data after an idle period. */
export function caTxStart(tp: Tcb): void { if (tp.caId == CongId.CUBIC) cubicTxStart(tp, now()); }
/** An RTT sample of `rtt` us came with an ACK. */
export function caAcked(tp: Tcb, rtt: u32): void { if (tp.caId == CongId.CUBIC) cubicAcked(tp, rtt); }

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
