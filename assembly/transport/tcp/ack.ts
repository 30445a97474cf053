// Acknowledgments (RFC 9293 3.10.7.4 "fifth"): what they release, the round-trip sample, the window they
// offer, and what they say about loss. The order of steps is Linux's tcp_ack.
import { Poll } from "../../abi";
import { seqGt, seqLeq, seqLt } from "../../lib/seq";
import { sockWake } from "../../core/sock";
import { MS, SEC, US, now } from "../../core/time";
import { flowConfirm } from "../../network/flow";
import { TcpFlag, TcpOptions } from "../../wire/tcp";
import { ACK, Ack, AckCtx, Rexmit } from "./ackctx";
import { accAck } from "./accecn";
import { caAcked, caCongAvoid, caMain, caNeedsEcn, caOwn } from "./congestion/congestion";
import { dctcpAck } from "./congestion/dctcp";
import { Chrono, chronoStop } from "./chrono";
import { challengeAck } from "./challenge";
import { sndbufExpand, syncMss } from "./mss";
import { mtuProbeAcked } from "./mtu_probe";
import { cwndReduction, fastRetransAlert, inCwndReduction, processTlpAck, removeRenoSacks } from "./recovery";
import { pushPending, probe0When, scheduleLossProbe, unsent, unsentData, writeXmit, xmitRetransmitQueue } from "./output";
import { rackAdvance, rackUpdateReoWnd } from "./rack";
import { minRttUpdate, rtoSet, rttSample, tsNow } from "./rtt";
import { checkSackReordering, countDelivered, rateDelivered, sackTag } from "./sack";
import { SegFlag, highestSackSeq, segFirst, segRemove, segTrim } from "./segment";
import { sendqAck } from "./sendq";
import { Ca, DEFAULT_REORDERING, Ecn, Nagle, Pending, Tcb, TcpState } from "./tcp";
import { rtxArm, rtxClear, rtxRearm } from "./timer";

/** RFC 7323 4.3: remember the peer's timestamp when the segment covers the last ACK sent. */
export function replaceTsRecent(tp: Tcb, seq: u32): void {
  if (!tp.sawTs || seqGt(seq, tp.rcvWup)) return;
  if (<i32>(tp.rcvTsval - tp.tsRecent) >= -1 || !tp.tsRecentStamp || now() / SEC >= tp.tsRecentStamp + 86400 * 24) {
    tp.tsRecent = tp.rcvTsval;
    tp.tsRecentStamp = now() / SEC;
  }
}

// RFC 9293 3.10.7.4: SND.WL1/WL2 keep old segments from changing the window.
function updateWindow(tp: Tcb, seq: u32, ack: u32, rawWindow: u32, syn: bool): void {
  const win = syn ? rawWindow : rawWindow << tp.sndWscale;
  if (!seqGt(ack, tp.sndUna) && !seqGt(seq, tp.sndWl1) && !(seq == tp.sndWl1 && (win > tp.sndWnd || !win))) return;
  ACK.flag |= Ack.WIN_UPDATE;
  tp.sndWl1 = seq;
  if (tp.sndWnd == win) return;
  tp.sndWnd = win;
  if (win > tp.maxWindow) {
    tp.maxWindow = win;
    syncMss(tp, tp.pmtu);
  }
}

// Release the acknowledged records; SND.UNA has been moved already.
function cleanScoreboard(tp: Tcb): void {
  const priorSacked = tp.sackedOut;
  let firstAckt: u64 = 0, lastAckt: u64 = 0;
  let acked: u32 = 0;
  let whole = true;
  let reord = tp.sndNxt;
  let s = segFirst(tp);
  while (s) {
    let n = s.pcount;
    whole = seqLeq(s.end, tp.sndUna);
    if (!whole) {
      if (!seqGt(tp.sndUna, s.seq)) break;
      n = 0;
    }
    const flags = s.flags;
    const seq = s.seq, end = s.end, time = s.time;
    if (!whole) n = segTrim(tp, s, tp.sndUna);
    if (!n && !whole) break;
    if (flags & (SegFlag.RETRANS | SegFlag.EVER_RETRANS)) ACK.flag |= Ack.RETRANS_DATA_ACKED;
    else if (!(flags & SegFlag.SACKED)) {
      lastAckt = time;
      if (!firstAckt) firstAckt = time;
      if (seqLt(seq, reord)) reord = seq;
      if (seqLeq(end, tp.highSeq)) ACK.flag |= Ack.ORIG_SACK_ACKED;
    }
    if (!(flags & SegFlag.SACKED) && tp.sackOk) {
      countDelivered(tp, n);
      rackAdvance(tp, flags, end, time);
    }
    acked += n;
    rateDelivered(tp, s);
    if (flags & SegFlag.SYN) {
      ACK.flag |= Ack.SYN_ACKED;
      tp.retransStamp = 0;
    } else ACK.flag |= Ack.DATA_ACKED;
    if (!whole) break;
    segRemove(tp, s);
    s = segFirst(tp);
  }
  if (seqGt(tp.sndUp, ACK.priorUna) && seqLeq(tp.sndUp, tp.sndUna)) tp.sndUp = tp.sndUna;
  if (ACK.priorUna == tp.sndUp) tp.sndUp = tp.sndUna; // no urgent data
  sendqAck(tp, tp.sndUna);
  s = segFirst(tp);
  if (s && s.has(SegFlag.SACKED)) ACK.flag |= Ack.SACK_RENEGING;
  updateRtt(tp, firstAckt, lastAckt, acked, whole, priorSacked);
  if (ACK.flag & Ack.ACKED) {
    ACK.flag |= Ack.SET_XMIT_TIMER;
    if (tp.mtuProbeSize && !seqGt(tp.mtuProbeSeqEnd, tp.sndUna)) mtuProbeAcked(tp);
    if (!tp.sackOk) {
      removeRenoSacks(tp, acked);
      if (ACK.flag & Ack.RETRANS_DATA_ACKED) ACK.flag &= ~Ack.ORIG_SACK_ACKED;
    } else if (seqLt(reord, ACK.priorFack)) checkSackReordering(tp, reord);
  } else if (s && ACK.firstSackt > s.time) ACK.flag |= Ack.SET_XMIT_TIMER; // the sample is newer than the head: its RTO may restart
  if (ACK.rttUs >= 0) caAcked(tp, <u32>ACK.rttUs);
  if (ACK.flag & Ack.ACKED) chronoStop(tp, Chrono.BUSY);
}

// RFC 6298 3 (Karn), RFC 7323 4: newest data never retransmitted, else newly sacked data, else the echoed timestamp.
function updateRtt(tp: Tcb, firstAckt: u64, lastAckt: u64, acked: u32, whole: bool, priorSacked: u32): void {
  const t = now();
  let rtt: i64 = -1, ca: i64 = -1;
  if (firstAckt && !ACK.has(Ack.RETRANS_DATA_ACKED)) {
    rtt = (t - firstAckt) / US;
    ca = (t - lastAckt) / US;
    if (acked == 1 && whole && !priorSacked && tp.sndUna - ACK.priorUna < tp.mssCache && ACK.rsPriorDelivered + 1 == tp.delivered &&
      !ACK.has(Ack.SYN_ACKED)) ACK.flag |= Ack.MAYBE_DELAYED;
  }
  if (ACK.firstSackt) {
    ca = (t - ACK.lastSackt) / US;
    if (rtt < 0) rtt = (t - ACK.firstSackt) / US;
  }
  if (rtt < 0 && tp.sawTs && tp.rcvTsecr && ACK.flag & Ack.ACKED) {
    const delta = tsNow(tp) - tp.rcvTsecr;
    if (delta < 2_000_000) {
      rtt = max<i64>(<i64>delta * 1000, 1000);
      ca = rtt;
    }
  }
  ACK.rttUs = ca;
  if (rtt < 0) return;
  const m = <u32>min<i64>(ca < 0 ? rtt : ca, 0x7fffffff);
  if (!(ACK.has(Ack.MAYBE_DELAYED) && m > tp.minRtt)) minRttUpdate(tp, m);
  tp.rttUs = <u32>min<i64>(rtt, 0x7fffffff);
  rttSample(tp, tp.rttUs);
  rtoSet(tp);
  // A timer that was backed off does not outlive its backoff: data sacked after a timeout tells that the path is there.
  if (tp.backoff) ACK.flag |= Ack.SET_XMIT_TIMER;
  tp.backoff = 0;
}

// RFC 5681 3.2, RFC 7661: congestion control after the scoreboard has been updated.
function congControl(tp: Tcb): void {
  const delivered = tp.delivered - ACK.priorDelivered;
  if (ACK.has(Ack.ECE) && !(tp.ecn & Ecn.ACC)) tp.deliveredCe += delivered;
  if (caOwn(tp)) {
    caMain(tp, delivered, tp.lost - ACK.priorLost);
    return;
  }
  if (inCwndReduction(tp)) cwndReduction(tp, delivered, tp.lost - ACK.priorLost, ACK.flag);
  else {
    const raise = tp.reordering > DEFAULT_REORDERING ? ACK.flag & Ack.FORWARD_PROGRESS : ACK.flag & Ack.DATA_ACKED;
    if (raise) {
      caCongAvoid(tp, delivered);
      tp.cwndStamp = <u32>(now() / MS);
    }
  }
  updatePacing(tp);
}

/** The rate that sizes super-segments: 2 cwnd/srtt in slow start, else 1.2. */
export function updatePacing(tp: Tcb): void {
  if (!tp.srtt || caOwn(tp)) return;
  const ratio: u64 = tp.cwnd < tp.ssthresh >> 1 ? 200 : 120;
  const rate = <u64>tp.mssCache * max(tp.cwnd, tp.packetsOut) * ratio * 80_000 / tp.srtt;
  tp.pacingRate = min(rate, tp.sk.pacing);
}

// Delivery rate of the newest sample (draft-cheng-iccrg-delivery-rate-estimation).
function rateGen(tp: Tcb, reneg: bool): void {
  if (tp.appLimited && seqGt(tp.delivered, tp.appLimited)) tp.appLimited = 0;
  ACK.rsDelivered = -1;
  ACK.rsIntervalUs = -1;
  // After reneging much of what is delivered was counted when it was sacked: no measure of the path.
  if (!ACK.rsPriorTime || reneg) return;
  const delivered = tp.delivered - ACK.rsPriorDelivered;
  const interval = <u32>min<u64>(max(ACK.rsInterval, tp.deliveredTime - ACK.rsPriorTime) / US, 0x7fffffff);
  ACK.rsDelivered = <i32>delivered;
  if (!interval || interval < tp.minRtt) return;
  ACK.rsIntervalUs = interval;
  if (ACK.rsAppLimited && <u64>delivered * tp.rateInterval < <u64>tp.rateDelivered * interval) return;
  tp.rateDelivered = delivered;
  tp.rateInterval = interval;
  tp.rateAppLimited = ACK.rsAppLimited;
}

// The window opened or nothing was outstanding: look after the zero-window probe (Linux's tcp_ack_probe).
function ackProbe(tp: Tcb): void {
  if (!unsent(tp)) return;
  const first = min(max(unsentData(tp), 1), tp.mssCache);
  if (<i32>(tp.wndEnd - tp.sndNxt) >= <i32>first) {
    tp.backoff = 0;
    tp.probesSince = 0;
    if (tp.pending == Pending.PROBE0) rtxClear(tp);
  } else if (tp.pending != Pending.PROBE0) {
    // One that is under way stays: the window has been too small for so long whatever the peer has said meanwhile (RFC 9293 3.8.6.1).
    let when = probe0When(tp);
    if (tp.userTimeout && tp.probesSince) {
      const elapsed = (now() - tp.probesSince) / MS;
      when = min(when, max<u64>(tp.userTimeout > elapsed ? tp.userTimeout - elapsed : 0, 2) * MS);
    }
    rtxArm(tp, Pending.PROBE0, when);
  }
}

function xmitRecovery(tp: Tcb): void {
  if (ACK.rexmit == Rexmit.NONE || tp.sk.state == <u8>TcpState.SYN_SENT) return;
  if (ACK.rexmit == Rexmit.NEW) {
    writeXmit(tp, Nagle.OFF, 0);
    if (seqGt(tp.sndNxt, tp.highSeq)) return;
    tp.frto = false;
  }
  xmitRetransmitQueue(tp);
}

/** Results of tcpAck. */
export const enum AckResult { OLD = 0, OK = 1, TOO_OLD = -1, UNSENT = -2 }

/**
 * Process the acknowledgment of a segment. `seqLen`: sequence space of the segment itself; `segs`: packets a
 * super-segment stands for; `challenge`: answer an ACK far too old (RFC 5961 5).
 */
export function tcpAck(tp: Tcb, seq: u32, ack: u32, flags: u32, rawWindow: u32, seqLen: u32, segs: u32, o: TcpOptions, challenge: bool): AckResult {
  memory.fill(changetype<usize>(ACK), 0, offsetof<AckCtx>());
  ACK.rttUs = -1;
  ACK.priorUna = tp.sndUna;
  ACK.priorDelivered = tp.delivered;
  ACK.priorLost = tp.lost;
  ACK.reord = tp.sndNxt;
  const reneg = tp.sackReneg;
  if (seqLt(ack, tp.sndUna)) {
    if (seqLt(ack, tp.sndUna - <u32>min<u64>(tp.maxWindow, tp.bytesAcked))) {
      if (challenge) challengeAck(tp);
      return AckResult.TOO_OLD;
    }
    oldAck(tp, o, ack, seqLen);
    return AckResult.OLD;
  }
  if (seqGt(ack, tp.sndNxt)) return AckResult.UNSENT;
  if (seqGt(ack, tp.sndUna)) {
    ACK.flag |= Ack.SND_UNA_ADVANCED;
    tp.retransmits = 0;
    if (tp.rtoStamp) {
      tp.totalRtoTime += tsNow(tp) - tp.rtoStamp;
      tp.rtoStamp = 0;
    }
  }
  ACK.priorFack = tp.sackOk ? highestSackSeq(tp) : tp.sndUna;
  ACK.priorInFlight = tp.inFlight;
  if (seqLen) ACK.flag |= Ack.DATA;
  replaceTsRecent(tp, seq);
  updateWindow(tp, seq, ack, rawWindow, (flags & TcpFlag.SYN) != 0);
  if (seqGt(ack, tp.sndUna)) {
    tp.bytesAcked += ack - tp.sndUna;
    tp.sndUna = ack;
  }
  if (tp.sackOk && o.nsack) sackTag(tp, o, ack, ACK.priorUna);
  if ((tp.ecn & (Ecn.OK | Ecn.ACC)) == Ecn.OK && flags & TcpFlag.ECE && !(flags & TcpFlag.SYN)) ACK.flag |= Ack.ECE;
  if (caNeedsEcn(tp)) dctcpAck(tp);
  tp.sk.errSoft = 0;
  tp.lastAckRcvd = now();
  tp.probesOut = 0;
  if (!tp.packetsOut) {
    if (ACK.priorUna == tp.sndUp) tp.sndUp = tp.sndUna;
    if (ACK.has(Ack.DSACKING_ACK)) fastRetransAlert(tp);
    ackProbe(tp);
    if (tp.tlpHighSeq) processTlpAck(tp, ack);
    return AckResult.OK;
  }
  cleanScoreboard(tp);
  if (tp.ecn & Ecn.ACC) accAck(tp, flags, o);
  rackUpdateReoWnd(tp);
  if (tp.tlpHighSeq) processTlpAck(tp, ack);
  if (isDubious(tp)) {
    if (!(ACK.flag & (Ack.SND_UNA_ADVANCED | Ack.NOT_DUP | Ack.DSACKING_ACK))) {
      ACK.numDupack = 1;
      if (!seqLen) ACK.numDupack = max(1, segs);
    }
    fastRetransAlert(tp);
  }
  if (ACK.has(Ack.SET_XMIT_TIMER) && !scheduleLossProbe(tp, true)) rtxRearm(tp);
  if (ACK.flag & Ack.FORWARD_PROGRESS || !(ACK.flag & Ack.NOT_DUP)) flowConfirm(tp.flow);
  rateGen(tp, reneg);
  congControl(tp);
  xmitRecovery(tp);
  return AckResult.OK;
}

@inline function isDubious(tp: Tcb): bool {
  return !(ACK.flag & Ack.NOT_DUP) || ACK.has(Ack.DATA_SACKED) || ACK.has(Ack.ECE) || ACK.has(Ack.DSACKING_ACK) || tp.caState != <u32>Ca.OPEN;
}

// An ACK below SND.UNA may still carry SACK news.
function oldAck(tp: Tcb, o: TcpOptions, ack: u32, seqLen: u32): void {
  if (!tp.sackOk || !o.nsack) return;
  sackTag(tp, o, ack, ACK.priorUna);
  if (!seqLen) ACK.numDupack = 1;
  fastRetransAlert(tp);
  if (tp.packetsOut) rackUpdateReoWnd(tp);
  xmitRecovery(tp);
}

/** After an ACK: send what it allows and tell the application about room (a third of the buffer free). */
export function dataSndCheck(tp: Tcb): void {
  pushPending(tp);
  writeSpace(tp);
}
/**
 * Room enough to call the socket writable: a third of the buffer (Linux's sk_stream_is_writeable and tcp_stream_memory_free). Unlike there a sixteenth
 * will do when all has been sent and the buffer is what limits the rate.
 */
export function isWritable(tp: Tcb): bool {
  const sk = tp.sk;
  if (sk.sndbuf <= tp.txQueued) return false;
  const free = sk.sndbuf - tp.txQueued, waits = unsent(tp);
  if (free < tp.txQueued >> 1 && (waits || free < sk.sndbuf >> 4)) return false;
  return waits < tp.notsentLowat;
}
export function writeSpace(tp: Tcb): void {
  if (tp.sndbufLimited) {
    // The buffer, not the window, held the application back: let it grow with cwnd, in recovery too, where what is sacked still fills it.
    if (tp.inFlight < tp.cwnd) sndbufExpand(tp.sk, tp);
    if (isWritable(tp)) {
      tp.sndbufLimited = false;
      chronoStop(tp, Chrono.SNDBUF_LIMITED);
      sockWake(tp.sk, Poll.OUT);
    }
  }
}
