// HyStart++ (RFC 9406) for CUBIC and NewReno: the initial slow start ends when the round-trip time rises, before the queue overflows. What looks
// like such a rise is answered by Conservative Slow Start first, which goes back when the delay was jitter.
import { Mib, mibAdd, mibInc } from "../../../core/mib";
import { Sysctl, sysctl } from "../../../core/sysctl";
import { seqGt } from "../../../lib/seq";
import { INFINITE_SSTHRESH, Tcb } from "../tcp";

// RFC 9406 4.3; times in us.
const MIN_RTT_THRESH: u32 = 4000;
const MAX_RTT_THRESH: u32 = 16000;
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u32 = 8;
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u32 = 5;
/** L without pacing, segments; with it there is no limit. */
const L_UNPACED: u32 = 8;
const INFINITE_RTT: u32 = u32.MAX_VALUE;

/** Of the congestion control's words the part that no algorithm with HyStart++ uses itself. */
export const HYSTART_OFFSET: usize = 64;

@unmanaged @final export class Hystart {
  /** The round ends with the first ACK beyond this, which has a sample of the next one. */
  windowEnd: u32;
  /** us. */
  lastRoundMinRtt: u32;
  currentRoundMinRtt: u32;
  /** us; INFINITE_RTT in standard slow start, anything else in Conservative Slow Start. */
  cssBaselineMinRtt: u32;
  rttSampleCount: u32;
  /** Rounds of Conservative Slow Start that have ended. */
  cssRounds: u32;
  /** Segments acknowledged in Conservative Slow Start that have not grown the window yet. */
  cssAcked: u32;
  /** A round is being measured; never, when HyStart++ is off. */
  started: bool;
}
@inline function hystart(tp: Tcb): Hystart { return changetype<Hystart>(tp.ca + HYSTART_OFFSET); }
/** RFC 9406 4.3: the initial slow start only. */
@inline function initial(tp: Tcb): bool { return tp.ssthresh == INFINITE_SSTHRESH; }

/** Nothing is known of the path: the next sample begins the first round. */
export function hystartReset(tp: Tcb): void { memory.fill(changetype<usize>(hystart(tp)), 0, offsetof<Hystart>()); }

// The first round ends with all that is in flight when its first acknowledgment comes, which is the initial window.
function start(tp: Tcb, h: Hystart): void {
  h.started = true;
  h.windowEnd = tp.sndNxt;
  h.lastRoundMinRtt = INFINITE_RTT;
  h.currentRoundMinRtt = INFINITE_RTT;
  h.cssBaselineMinRtt = INFINITE_RTT;
  h.rttSampleCount = 0;
}

/** An ACK brought an RTT sample of `rtt` us (RFC 9406 4.2). */
export function hystartAcked(tp: Tcb, rtt: u32): void {
  if (!initial(tp)) return;
  const h = hystart(tp);
  if (!h.started) {
    if (!sysctl(Sysctl.TCP_CUBIC_HYSTART)) return;
    start(tp, h);
  }
  if (seqGt(tp.sndUna, h.windowEnd)) {
    nextRound(tp, h);
    if (!initial(tp)) return;
  }
  h.currentRoundMinRtt = min(h.currentRoundMinRtt, rtt);
  h.rttSampleCount++;
  if (h.rttSampleCount >= N_RTT_SAMPLE) judge(h);
}

function judge(h: Hystart): void {
  if (h.cssBaselineMinRtt != INFINITE_RTT) {
    if (h.currentRoundMinRtt < h.cssBaselineMinRtt) h.cssBaselineMinRtt = INFINITE_RTT; // the exit was spurious: back to slow start
    return;
  }
  if (h.lastRoundMinRtt == INFINITE_RTT) return;
  const thresh = max(MIN_RTT_THRESH, min(h.lastRoundMinRtt / MIN_RTT_DIVISOR, MAX_RTT_THRESH));
  if (h.currentRoundMinRtt < h.lastRoundMinRtt + thresh) return;
  h.cssBaselineMinRtt = h.currentRoundMinRtt;
  h.cssRounds = 0;
  h.cssAcked = 0;
  mibInc(Mib.TcpExtTCPHystartDelayDetect);
}

// A round in whose middle Conservative Slow Start began counts as one of it.
function nextRound(tp: Tcb, h: Hystart): void {
  h.windowEnd = tp.sndNxt;
  h.lastRoundMinRtt = h.currentRoundMinRtt;
  h.currentRoundMinRtt = INFINITE_RTT;
  h.rttSampleCount = 0;
  if (h.cssBaselineMinRtt == INFINITE_RTT) return;
  if (++h.cssRounds < CSS_ROUNDS) return;
  tp.ssthresh = tp.cwnd;
  mibAdd(Mib.TcpExtTCPHystartDelayCwnd, tp.cwnd);
}

/** Of `acked` segments, those by which slow start grows the window (RFC 9406 4.2: L, and the divisor of Conservative Slow Start). */
export function hystartGrowth(tp: Tcb, acked: u32): u32 {
  const h = hystart(tp);
  if (!h.started || !initial(tp)) return acked;
  if (!tp.paced) acked = min(acked, L_UNPACED);
  if (h.cssBaselineMinRtt == INFINITE_RTT) return acked;
  h.cssAcked += acked;
  const grown = h.cssAcked / CSS_GROWTH_DIVISOR;
  h.cssAcked -= grown * CSS_GROWTH_DIVISOR;
  return grown;
}
