// SACK at the sender: which records of the scoreboard the blocks of an ACK cover (RFC 2018, RFC 6675 2), and
// duplicate SACKs (RFC 2883, RFC 3708).
import { seqGeq, seqGt, seqLeq, seqLt } from "../../lib/seq";
import { Mib, mibInc } from "../../core/mib";
import { now } from "../../core/time";
import { TcpOptions } from "../../wire/tcp";
import { ACK, Ack } from "./ackctx";
import { rackAdvance } from "./rack";
import { Seg, SegFlag, highestSackSeq, segFirst, segJoinSacked, segNext, segSplit, segUntime } from "./segment";
import { Ca, MAX_REORDERING, Tcb } from "./tcp";

/** Delivery of `s` is a sample of the rate when it is the one sent last (Linux's tcp_rate_skb_delivered). */
export function rateDelivered(tp: Tcb, s: Seg): void {
  if (!s.deliveredTime) return;
  if (!ACK.rsPriorTime || s.time > ACK.rsSent || (s.time == ACK.rsSent && seqGt(s.end, ACK.rsEnd))) {
    ACK.rsPriorDelivered = s.delivered;
    ACK.rsPriorTime = s.deliveredTime;
    ACK.rsAppLimited = s.appLimited;
    ACK.rsEnd = s.end;
    ACK.rsSent = s.time;
    ACK.rsInterval = s.time - s.firstTx;
    tp.firstTxTime = s.time;
  }
  if (s.has(SegFlag.SACKED)) s.deliveredTime = 0;
}

/** `packets` more have reached the peer. */
@inline export function countDelivered(tp: Tcb, packets: u32): void {
  tp.delivered += packets;
  tp.deliveredTime = now();
}

/** A segment below `low` arrived after the highest sacked one: remember how far packets overtake each other. */
export function checkSackReordering(tp: Tcb, low: u32): void {
  const fack = highestSackSeq(tp);
  if (!seqLt(low, fack) || !tp.mssCache) return;
  const metric = fack - low;
  if (metric > tp.reordering * tp.mssCache) tp.reordering = min((metric + tp.mssCache - 1) / tp.mssCache, MAX_REORDERING);
  tp.reordSeen++;
}

// RFC 2883 4: the first block lies below the ACK, or inside the second block.
function checkDsack(tp: Tcb, o: TcpOptions, ack: u32, priorUna: u32): bool {
  const start = o.left(0), end = o.right(0);
  const below = seqLt(start, ack);
  const inside = !below && o.nsack > 1 && seqLeq(end, o.right(1)) && seqGeq(start, o.left(1));
  if (!below && !inside) return false;
  const len = end - start;
  if (len > tp.maxWindow || !len) return false;
  const dups = (len + tp.mssCache - 1) / max(tp.mssCache, 1);
  mibInc(Mib.TcpExtTCPDSACKRecv);
  ACK.flag |= Ack.DSACKING_ACK;
  if (tp.tlpHighSeq && tp.tlpHighSeq == end) ACK.flag |= Ack.DSACK_TLP;
  else tp.rackDsackSeen = true;
  tp.dsackDups += dups;
  if (tp.undoMarker && tp.undoRetrans > 0 && seqLeq(end, priorUna) && seqGt(end, tp.undoMarker))
    tp.undoRetrans = max(0, tp.undoRetrans - <i32>dups);
  return true;
}

function blockValid(tp: Tcb, dsack: bool, start: u32, end: u32): bool {
  if (seqGt(end, tp.sndNxt) || !seqLt(start, end) || !seqLt(start, tp.sndNxt)) return false;
  if (seqGt(start, tp.sndUna)) return true;
  if (!dsack || !tp.undoMarker || seqGt(end, tp.sndUna)) return false;
  if (seqGeq(start, tp.undoMarker)) return true;
  return seqGt(end, tp.undoMarker) && seqGeq(start, end - tp.maxWindow);
}

// Cut `s` so that a block covers whole segments; is the (front) part covered?
function matchBlock(tp: Tcb, s: Seg, start: u32, end: u32): bool {
  if (seqLeq(start, s.seq) && seqGeq(end, s.end)) return true;
  if (s.pcount == 1) return false;
  const front = seqLeq(start, s.seq);
  let cut: u32;
  if (front) {
    cut = end - s.seq;
    cut -= cut % s.mss;
    if (!cut) return false;
  } else {
    cut = max(start - s.seq, s.mss);
    if (cut % s.mss) cut += s.mss - cut % s.mss;
  }
  if (cut >= s.len || !segSplit(tp, s, cut)) return false;
  return front;
}

function tagSacked(tp: Tcb, s: Seg, dsack: bool): void {
  if (dsack && s.flags & (SegFlag.RETRANS | SegFlag.EVER_RETRANS)) {
    if (tp.undoMarker && tp.undoRetrans > 0 && seqGt(s.end, tp.undoMarker)) tp.undoRetrans = max(0, tp.undoRetrans - <i32>s.pcount);
    if (s.has(SegFlag.SACKED) && seqLt(s.seq, ACK.reord)) ACK.reord = s.seq;
  }
  if (!s.has(SegFlag.SACKED)) {
    rackAdvance(tp, s.flags, s.end, s.time);
    if (s.has(SegFlag.RETRANS)) {
      if (s.has(SegFlag.LOST)) {
        s.flags &= ~(SegFlag.LOST | SegFlag.RETRANS);
        tp.lostOut -= s.pcount;
        tp.retransOut -= s.pcount;
      }
    } else {
      if (!s.has(SegFlag.EVER_RETRANS)) {
        if (seqLt(s.seq, highestSackSeq(tp)) && seqLt(s.seq, ACK.reord)) ACK.reord = s.seq;
        if (seqLeq(s.end, tp.highSeq)) ACK.flag |= Ack.ORIG_SACK_ACKED;
        if (!ACK.firstSackt) ACK.firstSackt = s.time;
        ACK.lastSackt = s.time;
      }
      if (s.has(SegFlag.LOST)) {
        s.flags &= ~SegFlag.LOST;
        tp.lostOut -= s.pcount;
      }
    }
    s.flags |= SegFlag.SACKED;
    ACK.flag |= Ack.DATA_SACKED;
    tp.sackedOut += s.pcount;
    if (tp.sackedOut == s.pcount || seqGt(s.end, tp.highestSack)) tp.highestSack = s.end;
    countDelivered(tp, s.pcount);
    rateDelivered(tp, s);
    segUntime(s);
  }
  if (dsack && s.has(SegFlag.RETRANS)) {
    s.flags &= ~SegFlag.RETRANS;
    tp.retransOut -= s.pcount;
  }
}

function tagBlock(tp: Tcb, start: u32, end: u32, dsack: bool): void {
  let s = segFirst(tp);
  while (s && seqLt(s.seq, end)) {
    if (seqGt(s.end, start)) {
      if (s.has(SegFlag.SACKED) && !dsack) {
        // Known already; a partial overlap tells nothing new.
      } else if (matchBlock(tp, s, start, end)) tagSacked(tp, s, dsack);
    }
    s = segNext(tp, s);
  }
}

function joinSacked(tp: Tcb): void {
  let s = segFirst(tp);
  while (s) if (!segJoinSacked(tp, s)) s = segNext(tp, s);
}

// Which block of the bit set `set` begins lowest?
function lowestBlock(o: TcpOptions, set: u32): u32 {
  let least = ctz(set);
  for (let i = least + 1; i < o.nsack; i++) if (set & (1 << i) && seqLt(o.left(i), o.left(least))) least = i;
  return least;
}

/** Take in the SACK blocks of an ACK for `ack`. Results in ACK. */
export function sackTag(tp: Tcb, o: TcpOptions, ack: u32, priorUna: u32): void {
  ACK.reord = tp.sndNxt;
  const dsack = checkDsack(tp, o, ack, priorUna);
  if (seqLt(ack, priorUna - tp.maxWindow) || !tp.packetsOut) return;
  // Lowest first: the newest block comes first in the option, and what an older one has gained meanwhile was not overtaken.
  for (let left: u32 = (1 << o.nsack) - 1; left;) {
    const i = lowestBlock(o, left), dup = dsack && i == 0;
    left &= ~(1 << i);
    if (blockValid(tp, dup, o.left(i), o.right(i))) tagBlock(tp, o.left(i), o.right(i), dup);
  }
  if (ACK.flag & Ack.DATA_SACKED) {
    joinSacked(tp);
    if (tp.caState != <u32>Ca.LOSS || tp.undoMarker) checkSackReordering(tp, ACK.reord);
  }
}
