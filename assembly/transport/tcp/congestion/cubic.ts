// CUBIC (RFC 9438) with HyStart++ (hystart.ts), in the fixed-point arithmetic of Linux's tcp_cubic.c: beta 717/1024, C 0.4
// (410/1024), time in 1/1024 s.
import { MS, now } from "../../../core/time";
import { seqGt } from "../../../lib/seq";
import { Ca, Tcb } from "../tcp";
import { congAvoidAi, isCwndLimited, slowStart } from "./congestion";
import { HYSTART_OFFSET, hystartAcked, hystartGrowth } from "./hystart";

const BETA: u32 = 717;
const SCALE: u32 = 1024;
/** beta_scale of the Reno-friendly region: 8 * (1 + beta) / 3 / (1 - beta). */
const FRIENDLY: u32 = 8 * (SCALE + BETA) / 3 / (SCALE - BETA);
const CUBE_RTT_SCALE: u64 = 410;
const CUBE_FACTOR: u64 = (<u64>1 << 40) / 410;

@unmanaged @final class Cubic {
  /** Packets to be acknowledged per packet of growth. */
  cnt: u32;
  lastMaxCwnd: u32;
  lastCwnd: u32;
  /** ms. */
  lastTime: u32;
  origin: u32;
  /** Time to reach `origin`, 1/1024 s. */
  k: u32;
  /** us. */
  delayMin: u32;
  /** ms, 0 = no epoch. */
  epochStart: u32;
  ackCnt: u32;
  /** Estimate of Reno's window. */
  tcpCwnd: u32;
  /** The window before the latest reduction (RFC 9438 cwnd_prior). Outlives a timeout, whose reduction it describes, too. */
  priorCwnd: u32;
}
@inline function cubic(tp: Tcb): Cubic { return changetype<Cubic>(tp.ca); }
@inline function ms(): u32 { return <u32>(now() / MS) | 1; } // never 0, which means "no epoch"

/** A timeout: all begins anew. */
export function cubicSetState(tp: Tcb, state: u32): void {
  if (offsetof<Cubic>() > HYSTART_OFFSET) ERROR("the state does not fit");
  if (state == Ca.LOSS) memory.fill(tp.ca, 0, offsetof<Cubic>("priorCwnd"));
}

/** RFC 9438 4.6, 4.7 (fast convergence). */
export function cubicSsthresh(tp: Tcb): u32 {
  const c = cubic(tp);
  c.epochStart = 0;
  c.priorCwnd = tp.cwnd;
  if (tp.cwnd < c.lastMaxCwnd) c.lastMaxCwnd = tp.cwnd * (SCALE + BETA) / (2 * SCALE);
  else c.lastMaxCwnd = tp.cwnd;
  return max(<u32>(<u64>tp.cwnd * BETA / SCALE), 2);
}

/** The idle time does not count as growth time (RFC 9438 5.8). */
export function cubicTxStart(tp: Tcb, time: u64): void {
  const c = cubic(tp);
  const delta = <i32>(time / MS - tp.lastDataSent / MS);
  if (!c.epochStart || delta <= 0) return;
  c.epochStart += delta;
  if (seqGt(c.epochStart, ms())) c.epochStart = ms();
}

/** Integer cube root. */
function cubicRoot(a: u64): u32 {
  let r: u64 = 0;
  for (let bit: i32 = 20; bit >= 0; bit--) {
    const t = r | (<u64>1 << bit);
    if (t * t * t <= a) r = t;
  }
  return <u32>r;
}

function update(tp: Tcb, acked: u32): void {
  const c = cubic(tp);
  const cwnd = tp.cwnd;
  const t0 = ms();
  c.ackCnt += acked;
  if (c.lastCwnd == cwnd && <i32>(t0 - c.lastTime) <= 31) return;
  if (!c.epochStart || t0 != c.lastTime) {
    c.lastCwnd = cwnd;
    c.lastTime = t0;
    if (!c.epochStart) {
      c.epochStart = t0;
      c.ackCnt = acked;
      c.tcpCwnd = cwnd;
      if (c.lastMaxCwnd <= cwnd) {
        c.k = 0;
        c.origin = cwnd;
      } else {
        c.k = cubicRoot(CUBE_FACTOR * (c.lastMaxCwnd - cwnd));
        c.origin = c.lastMaxCwnd;
      }
    }
    // RFC 9438 figure 1, one RTT ahead
    const t = ((<u64>(t0 - c.epochStart) + c.delayMin / 1000) << 10) / 1000;
    const offs = min<u64>(t < c.k ? c.k - t : t - c.k, 300_000); // five minutes: the cube still fits
    const delta = <u32>min<u64>((CUBE_RTT_SCALE * offs * offs * offs) >> 40, 0x7fffffff);
    const target = t < c.k ? (delta < c.origin ? c.origin - delta : 0) : c.origin + delta;
    c.cnt = target > cwnd ? cwnd / (target - cwnd) : 100 * cwnd;
    if (!c.lastMaxCwnd && c.cnt > 20) c.cnt = 20; // the first epoch: no faster than 5 % an RTT is pointless
  }
  // RFC 9438 4.3: at least what Reno would get. Beyond the window of before, Reno's own step (alpha 1): where a small window loses more
  // than 0.3 by rounding down, the slower one alone would leave CUBIC behind Reno for good.
  const per = c.tcpCwnd < c.priorCwnd ? max((cwnd * FRIENDLY) >> 3, 1) : max(cwnd, 1);
  if (c.ackCnt > per) {
    const steps = (c.ackCnt - 1) / per;
    c.ackCnt -= steps * per;
    c.tcpCwnd += steps;
  }
  if (c.tcpCwnd > cwnd) c.cnt = min(c.cnt, cwnd / (c.tcpCwnd - cwnd));
  c.cnt = max(c.cnt, 2);
}

export function cubicCongAvoid(tp: Tcb, acked: u32): void {
  if (!isCwndLimited(tp)) return;
  if (tp.inSlowStart) {
    acked = slowStart(tp, hystartGrowth(tp, acked));
    if (!acked) return;
  }
  update(tp, acked);
  congAvoidAi(tp, cubic(tp).cnt, acked);
}

export function cubicAcked(tp: Tcb, rtt: u32): void {
  const c = cubic(tp);
  // Samples right after recovery are inflated by the queue of before.
  if (c.epochStart && ms() - c.epochStart < 1000) return;
  const delay = max(rtt, 1);
  if (!c.delayMin || delay < c.delayMin) c.delayMin = delay;
  hystartAcked(tp, delay);
}
