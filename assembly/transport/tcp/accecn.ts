// Accurate ECN feedback (RFC 9768): ACE, the three header flags as a counter of packets with congestion experienced, and the AccECN options, counters
// of bytes. Sections are those of the RFC. A connection has Ecn.ACC when both ends agreed; SYNs are never ECN-capable themselves.
import { now } from "../../core/time";
import { Sysctl, sysctl } from "../../core/sysctl";
import { be24 } from "../../lib/bytes";
import { seqLt } from "../../lib/seq";
import { ECN_CE, ECN_ECT0, ECN_ECT1, TCP_MAX_OPTIONS, TCPOLEN_ACCECN_MAX, TcpFlag, TcpOptions, putOptAccEcn } from "../../wire/tcp";
import { ACK, Ack } from "./ackctx";
import { caNeedsEcn } from "./congestion/congestion";
import { enterCwr } from "./recovery";
import { IN, OPT } from "./segin";
import { AckSched, Ecn, Tcb, TcpState } from "./tcp";

/** ACE is the header flags AE, CWR, ECE from bit 6 on. */
export const ACE_SHIFT: u32 = 6;
export const ACE_MASK: u32 = 7;
/** 3.2.1: what the counters of packets, of ECT(0) and of ECT(1) bytes start at; that of CE bytes starts at 0. */
const CEP_INIT: u32 = 5;
const EB_INIT: u32 = 1;
/** Values of net.ipv4.tcp_ecn from this one on accept AccECN; this one asks for it, too. */
const ECN_ACC: u32 = 3;
/** 3.2.2.5.1: CE marks that bring an acknowledgment, with unacknowledged data and without. */
const CE_WITH_DATA: u32 = 2;
const CE_WITHOUT_DATA: u32 = 3;
/** Segments of an ACK in the mean beyond which the path or the peer thins them out; the mean has 6 binary places, and moves by a 64th. */
const ACK_THINNED: u32 = 4;
const ACKED_PRECISION: u32 = 6;
const ACKED_WEIGHT: u32 = 6;
/** An option at least once for so many bytes (3.2.3.3), as a mask of the counter. */
const REPEAT_MASK: u32 = ~((1 << 22) - 1);

@inline export function aceOf(flags: u32): u32 { return (flags >> ACE_SHIFT) & ACE_MASK; }
/** The handshake's encoding of an IP-ECN field, as header flags (tables 2 and 3). */
export function aceReflect(ecn: u32): u32 { return ((<u32>0x6432 >> ((ecn & 3) << 2)) & ACE_MASK) << ACE_SHIFT; }

/** Do we ask for AccECN when we connect? */
export function accAsks(): bool { return sysctl(Sysctl.TCP_ECN) == ECN_ACC; }
/** Does the SYN in IN ask for it, and do we agree (3.1.2, 3.1.3)? */
export function accAgreed(): bool {
  const ace = aceOf(IN.flags);
  return ace != 0 && ace != 3 && sysctl(Sysctl.TCP_ECN) >= ECN_ACC;
}
/** Does the ACK in IN, of a SYN cookie, tell that the SYN-ACK agreed (5.1)? */
export function accCookie(): bool { return aceOf(IN.flags) > 1 && sysctl(Sysctl.TCP_ECN) >= ECN_ACC; }

/** The SYN-ACK in IN answers our request (table 2). */
export function accSynAck(tp: Tcb): void {
  const ace = aceOf(IN.flags);
  if (ace == 0 || ace == ACE_MASK) { // no ECN, or a server that reflects what it does not understand
    tp.ecn = 0;
    return;
  }
  if (ace == 1) {
    tp.ecn = Ecn.OK;
    return;
  }
  tp.ecn = Ecn.OK | Ecn.ACC;
  // 3.2.2.3: our SYN was not ECN-capable. 5 is reserved, and means that it arrived so (3.1.3).
  if (ace != 2 && ace != 5) tp.ecn |= Ecn.NO_ECT;
  const mark = IN.tos & 3;
  tp.aceNext = aceReflect(mark);
  tp.ecnBefore = mark;
  if (mark == ECN_CE) tp.receivedCe = 1;
  if (sysctl(Sysctl.TCP_ECN_OPTION)) tp.accDemand = 2; // on the acknowledgment and on the first data (3.2.3.2.1)
  accBytes(tp, OPT);
}
/** The transfer may begin; the SYN-ACK in IN told that congestion was experienced: respond (3.2.2.2). */
export function accSynCongested(tp: Tcb): void {
  if (aceOf(IN.flags) == 6) enterCwr(tp);
}
/** The SYN-ACK again, in IN: its acknowledgment has the handshake's encoding (3.2.2.1). */
export function accSynAckAgain(tp: Tcb): void {
  if (tp.ecn & Ecn.ACC && IN.has(TcpFlag.ACK) && IN.seq == tp.irs) tp.aceNext = aceReflect(IN.tos);
}
/** The acknowledgment in IN of our SYN-ACK, which was not ECN-capable (table 4). The transfer may begin. */
export function accHandshakeAck(tp: Tcb): void {
  accBytes(tp, OPT);
  if (IN.len || OPT.nsack) return;
  const ace = aceOf(IN.flags);
  if (ace == 0) tp.ecn |= Ecn.NO_ECT | Ecn.DEAF;
  if (ace == 3 || ace == 4 || ace == 6) tp.ecn |= Ecn.NO_ECT;
  if (ace != 6) return;
  tp.deliveredCe = 1;
  enterCwr(tp);
}

/** An acceptable segment of a peer with AccECN, in IN: count it, and decide what that brings (3.2, 3.2.2.5.1). */
export function accReceive(tp: Tcb): void {
  const mark = <u32>IN.tos & 3;
  if (IN.len) tp.accChanged = true; // that no counter has moved is worth telling
  if (mark) {
    tp.ecn |= Ecn.SEEN;
    if (mark == ECN_CE) {
      tp.receivedCe += IN.segs;
      tp.cePending = min(tp.cePending + IN.segs, 15);
    }
    if (IN.len) {
      const p = tp.receivedEcn(mark), before = load<u32>(p);
      store<u32>(p, before + IN.len);
      if ((before ^ (before + IN.len)) & REPEAT_MASK) tp.accDemand = max<u8>(tp.accDemand, 1);
    }
  }
  if (mark == ECN_CE || mark != <u32>tp.ecnBefore) {
    if (IN.len) tp.accDemand = 2;
    if (mark == ECN_CE && <u32>tp.ecnBefore != ECN_CE && IN.len) tp.ackFlags |= AckSched.NOW;
    tp.ecnBefore = <u8>mark;
  }
  const unacked = IN.len != 0 || tp.rcvNxt != tp.rcvWup;
  if (tp.cePending >= (unacked ? CE_WITH_DATA : CE_WITHOUT_DATA)) tp.ackFlags |= AckSched.NOW | AckSched.SCHED;
}

// The counters of the option in `o`, if there is one; true when they can be relied on (3.2.3.1, 3.2.3.2.4).
function accBytes(tp: Tcb, o: TcpOptions): bool {
  if (!o.accOrder || tp.ecn & Ecn.OPT_ZEROED) return false;
  const n = <u32>o.accFields;
  if (!(tp.ecn & Ecn.OPT_SEEN)) {
    if ((n && !be24(o.acc)) || (n > 2 && !be24(o.acc + 6))) {
      tp.ecn |= Ecn.OPT_ZEROED;
      return false;
    }
    if (n) tp.ecn |= Ecn.OPT_SEEN;
  }
  for (let i: u32 = 0; i < n; i++) {
    const mark = i == 1 ? ECN_CE : (i == 0) == (o.accOrder == 1) ? ECN_ECT0 : ECN_ECT1;
    const p = tp.deliveredEcn(mark), have = load<u32>(p);
    const delta = (be24(o.acc + i * 3) - (mark == ECN_CE ? 0 : EB_INIT) - have) & 0xffffff;
    if (delta < 0x800000) store<u32>(p, have + delta); // the other half is older
  }
  return n > 1;
}

/** An ACK with `flags` and options `o` has released or sacked what it did: what does it say of congestion (3.2.2.2, 3.2.2.5.2)? */
export function accAck(tp: Tcb, flags: u32, o: TcpOptions): void {
  // Without news it may be older than what is known.
  if (tp.sk.state == <u8>TcpState.SYN_RECV || !(ACK.flag & Ack.FORWARD_PROGRESS) || ACK.has(Ack.SYN_ACKED)) return;
  const delivered = tp.delivered - ACK.priorDelivered, ace = aceOf(flags);
  tp.ackedMean = tp.ackedMean ? ((tp.ackedMean << ACKED_WEIGHT) - tp.ackedMean + (min<u32>(delivered, 1024) << ACKED_PRECISION)) >> ACKED_WEIGHT
    : min<u32>(delivered, 1024) << ACKED_PRECISION;
  if (!(tp.ecn & Ecn.FEEDBACK)) {
    tp.ecn |= Ecn.FEEDBACK;
    if (!ace) tp.ecn |= Ecn.NO_ECT | Ecn.DEAF; // 3.2.2.4: zeroed on the way
  }
  const before = load<u32>(tp.deliveredEcn(ECN_CE)), certain = accBytes(tp, o);
  if (tp.ecn & Ecn.DEAF) return;
  const bytes = load<u32>(tp.deliveredEcn(ECN_CE)) - before;
  let delta = (ace - CEP_INIT - tp.deliveredCe) & ACE_MASK;
  if (delivered > ACE_MASK) {
    // The counter may have gone round. The bytes tell how often; without them it is as often as it could have, unless the peer's ACKs are always of
    // many segments (appendix A.2; the threshold is Linux's): it is then not ACKs that were lost.
    const safe = delivered - ((delivered - delta) & ACE_MASK);
    if (certain) while (<u64>delta * tp.mssCache < bytes && delta < safe) delta += ACE_MASK + 1;
    else if (tp.ackedMean <= ACK_THINNED << ACKED_PRECISION) delta = safe;
  } else if (certain && bytes && !delta) tp.ecn |= Ecn.NO_ECT; // 3.2.3.2.5: somebody writes into it
  if (!delta) return;
  tp.deliveredCe += delta;
  ACK.flag |= Ack.ECE;
}

/** Before the first data was acknowledged a timeout: perhaps the option is what the path does not let through (3.2.3.2.2). */
export function accTimeout(tp: Tcb): void {
  if (tp.ecn & Ecn.ACC && tp.sndUna == tp.iss + 1) tp.ecn |= Ecn.OPT_BLOCKED;
}

/** Header flags of a segment that leaves, and its IP-ECN field, into the flow. Not for SYNs. */
export function accSend(tp: Tcb, seq: u32, len: u32, flags: u32): u32 {
  if (!(tp.ecn & Ecn.NO_ECT) && ((len && !seqLt(seq, tp.sndNxt)) || caNeedsEcn(tp))) tp.flow.tos |= <u8>ECN_ECT0;
  tp.cePending = 0;
  if (!tp.aceNext || len) return flags | (((tp.receivedCe + CEP_INIT) & ACE_MASK) << ACE_SHIFT);
  flags |= tp.aceNext;
  tp.aceNext = 0;
  return flags;
}

/** Bytes that the option takes of a segment with `len` bytes at `seq`; 0: none is due, or it does not fit (3.2.3.3). */
export function accOptionLen(tp: Tcb, seq: u32, len: u32, mss: u32): u32 {
  const level = sysctl(Sysctl.TCP_ECN_OPTION);
  if (!level || tp.ecn & Ecn.OPT_BLOCKED) return 0;
  if (len && (len + TCPOLEN_ACCECN_MAX > mss || seqLt(seq, tp.sndNxt))) return 0;
  if (!tp.accDemand && !(tp.accChanged && (level > 1 || beaconDue(tp)))) return 0;
  return load<u32>(tp.receivedEcn(ECN_ECT0)) && load<u32>(tp.receivedEcn(ECN_ECT1)) ? 12 : 8;
}
// Linux's net.ipv4.tcp_ecn_option_beacon: so often in a round trip.
function beaconDue(tp: Tcb): bool {
  const n = sysctl(Sysctl.TCP_ECN_OPTION_BEACON);
  return n != 0 && (now() - tp.accSent) * n >= <u64>(tp.srtt >> 3) * 1000;
}
/** Write it at `p`, `n` (8 or 12) bytes: the counters that have changed, and that of CE. */
export function accOptionPut(tp: Tcb, p: usize, n: u32): usize {
  tp.accChanged = false;
  tp.accSent = now();
  if (tp.accDemand) tp.accDemand--;
  const e0 = load<u32>(tp.receivedEcn(ECN_ECT0)), e1 = load<u32>(tp.receivedEcn(ECN_ECT1)), ce = load<u32>(tp.receivedEcn(ECN_CE));
  const order = e1 ? 1 : 0;
  return putOptAccEcn(p, order, n == 12 ? 3 : 2, (order ? e1 : e0) + EB_INIT, ce, e0 + EB_INIT);
}
/** The option of a SYN-ACK, all counters as they start, when it fits behind the `used` bytes of others. */
export function accOptionSynAck(p: usize, used: u32): usize {
  return sysctl(Sysctl.TCP_ECN_OPTION) && used + 8 <= TCP_MAX_OPTIONS ? putOptAccEcn(p, 0, 2, EB_INIT, 0, 0) : p;
}

/** Linux's tcpi_accecn_fail_mode. */
export function accFailMode(tp: Tcb): u32 {
  return (tp.ecn & Ecn.NO_ECT ? 2 : 0) | (tp.ecn & Ecn.OPT_BLOCKED ? 4 : 0) | (tp.ecn & Ecn.OPT_ZEROED ? 8 : 0);
}
/** Linux's tcpi_accecn_opt_seen. */
export function accOptSeen(tp: Tcb): u32 { return tp.ecn & Ecn.OPT_ZEROED ? 3 : tp.ecn & Ecn.OPT_SEEN ? 2 : 0; }
