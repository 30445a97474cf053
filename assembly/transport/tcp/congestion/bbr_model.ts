// BBR's model of the path: bandwidth, round trips counted by delivery, aggregation of ACKs, and policers (draft-cardwell-
// iccrg-bbr-congestion-control-00 4.1, called "the draft" here; aggregation and policers as Linux adds them). Rates are packets/us << 24.
import { US, now } from "../../../core/time";
import { seqLt } from "../../../lib/seq";
import { ACK } from "../ackctx";
import { Tcb } from "../tcp";
import { WindowedMax } from "./minmax";

export const BW_SCALE: u64 = 24;
export const BW_UNIT: u64 = 1 << BW_SCALE;
/** Gains are of 256. */
export const GAIN_SCALE: u64 = 8;
export const UNIT: u32 = 256;
/** BtlBwFilterLen: round trips that the maximum looks back. */
const BW_ROUNDS: u32 = 10;

/** Rounds of a half of the window of extra ACKs; the most that may be acknowledged in one epoch. */
const EXTRA_ROUNDS: u8 = 5;
const EPOCH_ACKED_MAX: u32 = 0xfffff;

/** Policer: rounds a sample takes at least and at most, loss ratio, agreement of two samples (of 256, or bytes/s), rounds to believe in it. */
const LT_MIN_ROUNDS: u8 = 4;
const LT_LOSS: u32 = 50;
const LT_RATIO: u32 = 32;
const LT_DIFF: u64 = 500;
const LT_MAX_ROUNDS: u8 = 48;

export const enum Mode { STARTUP, DRAIN, PROBE_BW, PROBE_RTT }

/** Lies in Tcb.ca. */
@unmanaged @final export class Bbr {
  // times, ns
  /** When minRtt was seen. */
  minRttStamp: u64;
  /** When PROBE_RTT may end, 0 while there is still too much in flight. */
  probeRttDone: u64;
  cycleStamp: u64;
  epochStamp: u64;
  ltStamp: u64;
  // WindowedMax of the bandwidth by rounds
  bw0: u64; bw1: u64; bw2: u64;
  /** RTprop, us; u32.MAX_VALUE = unknown. */
  minRtt: u32;
  rounds: u32;
  /** The round ends when a packet sent after this many were delivered is acknowledged. */
  nextRoundDelivered: u32;
  fullBw: u32;
  priorCwnd: u32;
  /** Of 256. */
  pacingGain: u32;
  cwndGain: u32;
  /** Most packets acknowledged beyond what the bandwidth explains, in this half of the window and the other. */
  extra0: u32; extra1: u32;
  epochAcked: u32;
  ltBw: u32;
  ltDelivered: u32;
  ltLost: u32;
  mode: u8;
  prevCaState: u8;
  cycle: u8;
  fullBwCount: u8;
  extraRounds: u8;
  extraHalf: u8;
  ltRounds: u8;
  fullBwReached: bool;
  roundStart: bool;
  packetConservation: bool;
  idleRestart: bool;
  probeRttRoundDone: bool;
  hasRtt: bool;
  ltSampling: bool;
  ltUse: bool;

  @inline get bwFilter(): WindowedMax { return changetype<WindowedMax>(changetype<usize>(this) + offsetof<Bbr>("bw0")); }
  @inline get maxBw(): u32 { return this.bwFilter.best; }
  /** The bandwidth to work with. */
  @inline get bw(): u32 { return this.ltUse ? this.ltBw : this.maxBw; }
}
@inline export function bbr(tp: Tcb): Bbr { return changetype<Bbr>(tp.ca); }

/** Packets delivered in `us` at `bw`. */
@inline export function packetsIn(bw: u32, us: u64): u64 { return (<u64>bw * us) >> BW_SCALE; }
/** `bw` times `gain` less a margin of 1 % that keeps queues from growing, bytes/s. */
export function bytesPerSecond(tp: Tcb, bw: u32, gain: u32): u64 {
  const scaled = (<u64>bw * tp.mssCache * gain) >> GAIN_SCALE;
  return scaled >> 44 ? (scaled >> BW_SCALE) * 990_000 : (scaled * 990_000) >> BW_SCALE;
}

// ---- policers: a bandwidth that losses of a fifth and more show twice in a row is one to obey ----
export function ltRestart(tp: Tcb): void {
  const b = bbr(tp);
  b.ltStamp = tp.deliveredTime;
  b.ltDelivered = tp.delivered;
  b.ltLost = tp.lost;
  b.ltRounds = 0;
}
export function ltReset(tp: Tcb): void {
  const b = bbr(tp);
  b.ltBw = 0;
  b.ltUse = false;
  b.ltSampling = false;
  ltRestart(tp);
}

function ltSample(tp: Tcb, bw: u32): void {
  const b = bbr(tp);
  if (b.ltBw) {
    const diff = bw > b.ltBw ? bw - b.ltBw : b.ltBw - bw;
    if (<u64>diff * UNIT <= <u64>LT_RATIO * b.ltBw || bytesPerSecond(tp, diff, UNIT) <= LT_DIFF) {
      b.ltBw = <u32>((<u64>bw + b.ltBw) >> 1);
      b.ltUse = true;
      b.pacingGain = UNIT;
      b.ltRounds = 0;
      return;
    }
  }
  b.ltBw = bw;
  ltRestart(tp);
}

/** `losses` were found with this ACK. True when a policer has been obeyed for long enough: probe again. */
export function ltUpdate(tp: Tcb, losses: u32, appLimited: bool): bool {
  const b = bbr(tp);
  if (b.ltUse) {
    if (b.mode != <u8>Mode.PROBE_BW || !b.roundStart || ++b.ltRounds < LT_MAX_ROUNDS) return false;
    ltReset(tp);
    return true;
  }
  if (!b.ltSampling) {
    if (!losses) return false;
    ltRestart(tp);
    b.ltSampling = true;
  }
  if (appLimited) {
    ltReset(tp);
    return false;
  }
  if (b.roundStart) b.ltRounds++;
  if (b.ltRounds < LT_MIN_ROUNDS) return false;
  if (b.ltRounds > 4 * LT_MIN_ROUNDS) {
    ltReset(tp);
    return false;
  }
  if (!losses) return false; // an interval ends with a loss
  const lost = tp.lost - b.ltLost, delivered = tp.delivered - b.ltDelivered;
  if (!delivered || <u64>lost << GAIN_SCALE < <u64>LT_LOSS * delivered) return false;
  const us = (tp.deliveredTime - b.ltStamp) / US;
  if (us >= 1000) ltSample(tp, <u32>min<u64>(<u64>delivered * BW_UNIT / us, u32.MAX_VALUE));
  return false;
}

// ---- bandwidth ----

/**
 * A new round trip? (the draft 4.1.1.3) While the peer's reneging is repaired there are no samples of the bandwidth, but rounds there are: without them,
 * unlike here, Linux keeps the window of the recovery's beginning to its end.
 */
export function roundUpdate(tp: Tcb): void {
  const b = bbr(tp);
  b.roundStart = false;
  if (tp.sackReneg ? !ACK.rsPriorTime : ACK.rsDelivered < 0 || ACK.rsIntervalUs <= 0) return;
  if (seqLt(ACK.rsPriorDelivered, b.nextRoundDelivered)) return;
  b.nextRoundDelivered = tp.delivered;
  b.rounds++;
  b.roundStart = true;
  b.packetConservation = false;
}
/** The draft 4.1.1.4: samples that the application limited count only when they are higher. */
export function bandwidthUpdate(tp: Tcb): void {
  const b = bbr(tp);
  if (ACK.rsDelivered < 0 || ACK.rsIntervalUs <= 0) return;
  const bw = <u32>min<u64>(<u64>ACK.rsDelivered * BW_UNIT / ACK.rsIntervalUs, u32.MAX_VALUE);
  if (!ACK.rsAppLimited || bw >= b.maxBw) b.bwFilter.add(BW_ROUNDS, b.rounds, bw);
}

/** How many packets more than the bandwidth explains do ACKs bring at once? The window must have room for them. */
export function aggregationUpdate(tp: Tcb, acked: u32): void {
  const b = bbr(tp);
  if (!acked || ACK.rsDelivered < 0 || ACK.rsIntervalUs <= 0) return;
  if (b.roundStart && ++b.extraRounds >= EXTRA_ROUNDS) {
    b.extraRounds = 0;
    b.extraHalf ^= 1;
    if (b.extraHalf) b.extra1 = 0;
    else b.extra0 = 0;
  }
  let expected = packetsIn(b.bw, (tp.deliveredTime - b.epochStamp) / US);
  if (b.epochAcked <= expected || b.epochAcked + acked > EPOCH_ACKED_MAX) {
    b.epochAcked = 0;
    b.epochStamp = tp.deliveredTime;
    expected = 0;
  }
  b.epochAcked = min(b.epochAcked + acked, EPOCH_ACKED_MAX);
  const extra = min(b.epochAcked - <u32>expected, tp.cwnd);
  if (b.extraHalf) b.extra1 = max(b.extra1, extra);
  else b.extra0 = max(b.extra0, extra);
}
/** At most 100 ms worth. */
export function aggregationCwnd(b: Bbr): u32 {
  return b.fullBwReached ? <u32>min<u64>(packetsIn(b.bw, 100_000), max(b.extra0, b.extra1)) : 0;
}

/** The draft 4.3.2.2: three rounds in which the bandwidth has not grown by a quarter. */
export function fullPipeCheck(b: Bbr): void {
  if (b.fullBwReached || !b.roundStart || ACK.rsAppLimited) return;
  if (<u64>b.maxBw * 4 >= <u64>b.fullBw * 5) {
    b.fullBw = b.maxBw;
    b.fullBwCount = 0;
    return;
  }
  b.fullBwReached = ++b.fullBwCount >= 3;
}

export function modelInit(tp: Tcb): void {
  const b = bbr(tp);
  b.minRtt = tp.minRtt;
  b.minRttStamp = now();
  b.nextRoundDelivered = tp.delivered;
  b.bwFilter.reset(0, 0);
  b.epochStamp = now();
  ltReset(tp);
}
