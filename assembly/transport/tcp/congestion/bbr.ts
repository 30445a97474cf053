// BBR version 1 (draft-cardwell-iccrg-bbr-congestion-control-00, "the draft" below; Cardwell et al., ACM Queue 14(5), 2016), with what
// Linux's has beyond it: room for aggregated ACKs, and policers (bbr_model.ts). Sending is paced (../pacing.ts); loss does not
// govern the window but for the first round of a recovery.
import { randBelow } from "../../../lib/drbg";
import { MS, SEC, US, now } from "../../../core/time";
import { ACK, Ack } from "../ackctx";
import { Ca, GSO_MAX, INIT_CWND, INFINITE_SSTHRESH, Tcb } from "../tcp";
import {
  BW_SCALE, BW_UNIT, Bbr, GAIN_SCALE, Mode, UNIT, aggregationCwnd, aggregationUpdate, bandwidthUpdate, bbr, bytesPerSecond, fullPipeCheck,
  ltReset, ltUpdate, modelInit, packetsIn, roundUpdate,
} from "./bbr_model";

/** 2/ln 2: doubles the delivery rate in each round trip (the draft 4.3.2.1). */
const HIGH_GAIN: u32 = UNIT * 2885 / 1000 + 1;
const DRAIN_GAIN: u32 = UNIT * 1000 / 2885;
const CWND_GAIN: u32 = 2 * UNIT;
/** The draft 4.3.4.2: probe for more, drain what that has queued, cruise. */
const CYCLE: u8 = 8;
const CYCLE_RANDOM: u32 = 7;
@inline function cycleGain(i: u8): u32 { return i == 0 ? UNIT * 5 / 4 : i == 1 ? UNIT * 3 / 4 : UNIT; }
/** RTpropFilterLen, ProbeRTTDuration (the draft 4.1.2, 4.3.5). */
const MIN_RTT_WINDOW: u64 = 10 * SEC;
const PROBE_RTT_TIME: u64 = 200 * MS;
/** BBRMinPipeCwnd. */
const MIN_CWND: u32 = 4;
/** Below this rate one segment is a send quantum, bytes/s (the draft 4.2.2). */
const ONE_SEGMENT_RATE: u64 = 150_000;

/** Segments of a super-segment, at least. */
export function bbrMinTso(tp: Tcb): u32 { return tp.pacingRate < ONE_SEGMENT_RATE ? 1 : 2; }
function quantum(tp: Tcb): u32 {
  const bytes = <u32>min<u64>(tp.pacingRate >> 10, GSO_MAX);
  return min(max(bytes / tp.mssCache, bbrMinTso(tp)), 127);
}

// ---- pacing rate (the draft 4.2.1) ----
function firstPacingRate(tp: Tcb): void {
  const b = bbr(tp);
  let rtt: u32 = 1000; // a guess until the first sample
  if (tp.srtt) {
    rtt = max(tp.srtt >> 3, 1);
    b.hasRtt = true;
  }
  const bw = <u32>min<u64>(<u64>tp.cwnd * BW_UNIT / rtt, u32.MAX_VALUE);
  tp.pacingRate = min(bytesPerSecond(tp, bw, HIGH_GAIN), tp.sk.pacing);
}
function setPacingRate(tp: Tcb, bw: u32, gain: u32): void {
  const b = bbr(tp);
  const rate = min(bytesPerSecond(tp, bw, gain), tp.sk.pacing);
  if (!b.hasRtt && tp.srtt) firstPacingRate(tp);
  if (b.fullBwReached || rate > tp.pacingRate) tp.pacingRate = rate;
}

// ---- window (the draft 4.2.3) ----
function bdp(b: Bbr, bw: u32, gain: u32): u32 {
  if (b.minRtt == u32.MAX_VALUE) return INIT_CWND;
  return <u32>min<u64>((((<u64>bw * b.minRtt * gain) >> GAIN_SCALE) + BW_UNIT - 1) >> BW_SCALE, i32.MAX_VALUE);
}
// Three quanta keep both hosts' batching busy; an even number goes with delayed ACKs; two more let the probe show on small paths.
function withQuanta(tp: Tcb, b: Bbr, cwnd: u32): u32 {
  cwnd += 3 * quantum(tp);
  cwnd = (cwnd + 1) & ~1;
  return b.mode == <u8>Mode.PROBE_BW && !b.cycle ? cwnd + 2 : cwnd;
}
function inflightTarget(tp: Tcb, b: Bbr, bw: u32, gain: u32): u32 { return withQuanta(tp, b, bdp(b, bw, gain)); }

// What will be in flight when the next segment may depart.
function inflightAtDeparture(tp: Tcb, b: Bbr, inFlight: u32): u32 {
  const t = now();
  const delivered = tp.departure > t ? packetsIn(b.bw, (tp.departure - t) / US) : 0;
  if (b.pacingGain > UNIT) inFlight += quantum(tp);
  return delivered >= inFlight ? 0 : inFlight - <u32>delivered;
}

function saveCwnd(tp: Tcb, b: Bbr): void {
  if (b.prevCaState < <u8>Ca.RECOVERY && b.mode != <u8>Mode.PROBE_RTT) b.priorCwnd = tp.cwnd;
  else b.priorCwnd = max(b.priorCwnd, tp.cwnd);
}

// The draft 4.2.3.4. True when the window is what conservation of packets says.
function modulateForRecovery(tp: Tcb, b: Bbr, acked: u32, losses: u32): bool {
  const prev = b.prevCaState, state = <u8>tp.caState;
  let cwnd = tp.cwnd;
  if (losses) cwnd = cwnd > losses ? cwnd - losses : 1;
  if (state == <u8>Ca.RECOVERY && prev != <u8>Ca.RECOVERY) {
    b.packetConservation = true;
    b.nextRoundDelivered = tp.delivered; // the round begins now
    cwnd = tp.inFlight + acked;
  } else if (prev >= <u8>Ca.RECOVERY && state < <u8>Ca.RECOVERY) {
    cwnd = max(cwnd, b.priorCwnd);
    b.packetConservation = false;
  }
  b.prevCaState = state;
  tp.cwnd = b.packetConservation ? max(cwnd, tp.inFlight + acked) : cwnd;
  return b.packetConservation;
}

function setCwnd(tp: Tcb, acked: u32, losses: u32): void {
  const b = bbr(tp);
  if (acked && !modulateForRecovery(tp, b, acked, losses)) {
    const target = withQuanta(tp, b, bdp(b, b.bw, b.cwndGain) + aggregationCwnd(b));
    if (b.fullBwReached) tp.cwnd = min(tp.cwnd + acked, target);
    else if (tp.cwnd < target || tp.delivered < INIT_CWND) tp.cwnd += acked;
    tp.cwnd = max(tp.cwnd, MIN_CWND);
  }
  tp.cwnd = min(tp.cwnd, tp.cwndClamp);
  if (b.mode == <u8>Mode.PROBE_RTT) tp.cwnd = min(tp.cwnd, MIN_CWND);
}

// ---- the state machine (the draft 4.3) ----
function enterProbeBw(tp: Tcb): void {
  const b = bbr(tp);
  b.mode = <u8>Mode.PROBE_BW;
  // Any phase but that which drains.
  b.cycle = <u8>(CYCLE - 1 - randBelow(CYCLE_RANDOM));
  advanceCycle(tp, b);
}
function advanceCycle(tp: Tcb, b: Bbr): void {
  b.cycle = (b.cycle + 1) & (CYCLE - 1);
  b.cycleStamp = tp.deliveredTime;
}
function leaveProbeRtt(tp: Tcb): void {
  const b = bbr(tp);
  if (b.fullBwReached) enterProbeBw(tp);
  else b.mode = <u8>Mode.STARTUP;
}

// The draft 4.3.4.3: a phase lasts a round trip; probing until it has filled its window or lost, draining no longer than need be.
function checkCyclePhase(tp: Tcb, b: Bbr, losses: u32): void {
  if (b.mode != <u8>Mode.PROBE_BW) return;
  const full = tp.deliveredTime > b.cycleStamp + <u64>b.minRtt * US;
  if (b.pacingGain == UNIT) {
    if (full) advanceCycle(tp, b);
    return;
  }
  const inFlight = inflightAtDeparture(tp, b, ACK.priorInFlight);
  if (b.pacingGain > UNIT ? full && (losses || inFlight >= inflightTarget(tp, b, b.maxBw, b.pacingGain)) : full || inFlight <= inflightTarget(tp, b, b.maxBw, UNIT))
    advanceCycle(tp, b);
}

function checkDrain(tp: Tcb, b: Bbr): void {
  if (b.mode == <u8>Mode.STARTUP && b.fullBwReached) {
    b.mode = <u8>Mode.DRAIN;
    tp.ssthresh = inflightTarget(tp, b, b.maxBw, UNIT);
  }
  if (b.mode == <u8>Mode.DRAIN && inflightAtDeparture(tp, b, tp.inFlight) <= inflightTarget(tp, b, b.maxBw, UNIT)) enterProbeBw(tp);
}

function checkProbeRttDone(tp: Tcb, b: Bbr): void {
  if (!b.probeRttDone || now() <= b.probeRttDone) return;
  b.minRttStamp = now();
  tp.cwnd = max(tp.cwnd, b.priorCwnd);
  leaveProbeRtt(tp);
}

// The draft 4.1.2.3 and 4.3.5: a window of four packets for 200 ms and a round when no minimum was seen for ten seconds.
function updateMinRtt(tp: Tcb, b: Bbr): void {
  const expired = now() > b.minRttStamp + MIN_RTT_WINDOW;
  if (ACK.rttUs >= 0 && (ACK.rttUs < <i64>b.minRtt || (expired && !ACK.has(Ack.MAYBE_DELAYED)))) {
    b.minRtt = <u32>min<i64>(ACK.rttUs, u32.MAX_VALUE - 1);
    b.minRttStamp = now();
  }
  if (expired && !b.idleRestart && b.mode != <u8>Mode.PROBE_RTT) {
    saveCwnd(tp, b);
    b.mode = <u8>Mode.PROBE_RTT;
    b.probeRttDone = 0;
  }
  if (b.mode == <u8>Mode.PROBE_RTT) {
    tp.appLimited = max(tp.delivered + tp.inFlight, 1); // such low rates are no measure of the path
    if (!b.probeRttDone && tp.inFlight <= MIN_CWND) {
      b.probeRttDone = now() + PROBE_RTT_TIME;
      b.probeRttRoundDone = false;
      b.nextRoundDelivered = tp.delivered;
    } else if (b.probeRttDone) {
      if (b.roundStart) b.probeRttRoundDone = true;
      if (b.probeRttRoundDone) checkProbeRttDone(tp, b);
    }
  }
  if (ACK.rsDelivered > 0) b.idleRestart = false;
}

function updateGains(b: Bbr): void {
  switch (b.mode) {
    case <u8>Mode.STARTUP:
      b.pacingGain = HIGH_GAIN;
      b.cwndGain = HIGH_GAIN;
      break;
    case <u8>Mode.DRAIN:
      b.pacingGain = DRAIN_GAIN;
      b.cwndGain = HIGH_GAIN;
      break;
    case <u8>Mode.PROBE_BW:
      b.pacingGain = b.ltUse ? UNIT : cycleGain(b.cycle);
      b.cwndGain = CWND_GAIN;
      break;
    default:
      b.pacingGain = UNIT;
      b.cwndGain = UNIT;
  }
}

// ---- what congestion.ts calls ----

/** On every ACK (the draft 3.5): `acked` packets were delivered, `losses` found lost. */
export function bbrMain(tp: Tcb, acked: u32, losses: u32): void {
  const b = bbr(tp);
  roundUpdate(tp);
  if (ACK.rsDelivered >= 0 && ACK.rsIntervalUs > 0 && ltUpdate(tp, losses, ACK.rsAppLimited)) enterProbeBw(tp);
  bandwidthUpdate(tp);
  aggregationUpdate(tp, acked);
  checkCyclePhase(tp, b, losses);
  fullPipeCheck(b);
  checkDrain(tp, b);
  updateMinRtt(tp, b);
  updateGains(b);
  setPacingRate(tp, b.bw, b.pacingGain);
  setCwnd(tp, acked, losses);
}

export function bbrInit(tp: Tcb): void {
  modelInit(tp);
  tp.ssthresh = INFINITE_SSTHRESH;
  tp.paced = true;
  firstPacingRate(tp);
  bbr(tp).mode = <u8>Mode.STARTUP;
  updateGains(bbr(tp));
}

/** A loss episode begins: remember the window to return to; ssthresh is not BBR's. */
export function bbrSsthresh(tp: Tcb): u32 {
  saveCwnd(tp, bbr(tp));
  return tp.ssthresh;
}
/** The losses were none: what they did to the model is undone; the window is the model's. */
export function bbrUndoCwnd(tp: Tcb): u32 {
  const b = bbr(tp);
  b.fullBw = 0;
  b.fullBwCount = 0;
  ltReset(tp);
  return tp.cwnd;
}
export function bbrSetState(tp: Tcb, state: u32): void {
  if (state != Ca.LOSS) return;
  const b = bbr(tp);
  b.prevCaState = <u8>Ca.LOSS;
  b.fullBw = 0;
  b.roundStart = true; // a timeout is the end of a round
  if (ltUpdate(tp, 1, false)) enterProbeBw(tp);
}
/** The draft 4.3.4.4: after idling at the bandwidth, no faster. */
export function bbrTxStart(tp: Tcb): void {
  if (!tp.appLimited) return;
  const b = bbr(tp);
  b.idleRestart = true;
  b.epochStamp = now();
  b.epochAcked = 0;
  if (b.mode == <u8>Mode.PROBE_BW) setPacingRate(tp, b.bw, UNIT);
  else if (b.mode == <u8>Mode.PROBE_RTT) checkProbeRttDone(tp, b);
}

/**
 * A peer's window too small for a queue on the path limits the rate as an application does that writes too little (RFC 9002 7.8 treats them alike).
 * Unlike here, Linux takes such rounds for a full pipe, and STARTUP ends far below the bandwidth when losses hold back a window that still grows.
 */
export function bbrWindowLimited(tp: Tcb): void {
  const b = bbr(tp);
  if (tp.inFlight < bdp(b, b.maxBw, UNIT * 5 / 4)) tp.appLimited = max(tp.delivered + tp.inFlight, 1);
}

/** struct tcp_bbr_info at `p` (20 bytes): bandwidth in bytes/s, min_rtt in us, gains of 256. */
export function bbrInfo(tp: Tcb, p: usize): u32 {
  const b = bbr(tp);
  store<u64>(p, (<u64>b.bw * tp.mssCache * 1_000_000) >> BW_SCALE);
  store<u32>(p, b.minRtt, 8);
  store<u32>(p, b.pacingGain, 12);
  store<u32>(p, b.cwndGain, 16);
  return 20;
}
