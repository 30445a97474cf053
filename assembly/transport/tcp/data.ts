// Incoming payload (RFC 9293 3.10.7.4 "seventh" and "eighth"): into the receive queue, the out-of-order queue
// or nowhere; and when to acknowledge (RFC 5681 4.2, RFC 1122 4.2.3.2).
import { Poll } from "../../abi";
import { seqGeq, seqGt, seqLeq, seqLt } from "../../lib/seq";
import { Drop, dropCount } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Skb } from "../../core/skb";
import { SHUT_RCV, SHUT_SND, sockWake } from "../../core/sock";
import { now } from "../../core/time";
import { sendAck } from "./emit";
import { ofoDrain, ofoInsert, ofoPurge, dsackSet, sackNew, sackRemove } from "./ofo";
import { rxAppend } from "./receive";
import { tsNow } from "./rtt";
import { setState } from "./state";
import { ATO_MIN, AckSched, MAX_QUICKACKS, Tcb, TcpState } from "./tcp";
import { sendDelayedAck } from "./timer";
import { enterTimeWait } from "./timewait";
import { desiredWindow, growWindow, growWindowOfo, rcvRttByTs, rcvRttByWindow, receiveWindow, scaleWindow } from "./window";

// ---- acknowledgment policy ----
function incrQuickack(tp: Tcb, most: u32): void {
  let n = tp.rcvWnd / (2 * max(tp.rcvMss, 1));
  if (!n) n = 2;
  n = min(n, most);
  if (n > tp.quick) tp.quick = n;
}
/** Acknowledge the next segments at once: the peer needs to know. */
export function enterQuickack(tp: Tcb, most: u32): void {
  incrQuickack(tp, most);
  tp.pingpong = 0;
  tp.ato = ATO_MIN;
}
/** ACK now, soon, or not at all (Linux's __tcp_ack_snd_check). */
export function ackCheck(tp: Tcb): void {
  if (!(tp.ackFlags & AckSched.SCHED)) return;
  const pendingBytes = tp.rcvNxt - tp.rcvWup;
  const twoFrames = pendingBytes > tp.rcvMss && (tp.rxQueued < tp.sk.rcvlowat || desiredWindow(tp) >= tp.rcvWnd);
  if (twoFrames || (tp.quick && !tp.pingpong) || tp.ackFlags & AckSched.NOW || tp.ofoFirst || tp.ofoFin) sendAck(tp);
  else sendDelayedAck(tp);
}

// The size of the peer's segments; small ones push.
function measureRcvMss(tp: Tcb, size: u32): void {
  if (size >= tp.rcvMss) {
    const mss = min(size, tp.advmss);
    if (mss == tp.rcvMss) return;
    tp.rcvMss = mss;
    scaleWindow(tp);
    return;
  }
  if (tp.ackFlags & AckSched.PUSHED) tp.ackFlags |= AckSched.PUSHED2;
  tp.ackFlags |= AckSched.PUSHED;
}

/** In-order payload of `len` bytes has arrived, in segments of `size`. */
function dataReceived(tp: Tcb, len: u32, size: u32): void {
  tp.ackFlags |= AckSched.SCHED;
  measureRcvMss(tp, size);
  if (tp.tsOk) rcvRttByTs(tp, size, tsNow(tp));
  else rcvRttByWindow(tp);
  const t = now();
  if (!tp.ato) {
    incrQuickack(tp, MAX_QUICKACKS);
    tp.ato = ATO_MIN;
  } else {
    const m = t - tp.lastDataRcvd;
    if (m <= ATO_MIN / 2) tp.ato = (tp.ato >> 1) + ATO_MIN / 2;
    else if (m < tp.ato) tp.ato = min((tp.ato >> 1) + m, tp.rto);
    else if (m > tp.rto) incrQuickack(tp, MAX_QUICKACKS); // the sender was idle: let its window grow quickly
  }
  tp.lastDataRcvd = t;
  if (len >= 128) growWindow(tp, len);
}

// Duplicate or outside the window: an immediate ACK tells where we are.
function outOfWindow(tp: Tcb, reason: Drop): void {
  enterQuickack(tp, MAX_QUICKACKS);
  tp.ackFlags |= AckSched.SCHED;
  dropCount(reason);
}

/**
 * The payload of `skb` from `offset`, `len` bytes at `seq`, with or without FIN. `size`: bytes of one segment of a super-segment.
 * Does not consume the skb.
 */
export function dataQueue(tp: Tcb, skb: Skb, offset: u32, seq: u32, len: u32, fin: bool, size: u32): void {
  const end = seq + len + (fin ? 1 : 0);
  tp.dsack = false;
  const edge = tp.rcvNxt + receiveWindow(tp);
  if (seqLeq(end, tp.rcvNxt)) {
    dsackSet(tp, seq, end);
    outOfWindow(tp, Drop.TCP_OLD_DATA);
    return;
  }
  if (seqGeq(seq, edge) && !(seq == tp.rcvNxt && !len)) {
    outOfWindow(tp, seq == tp.rcvNxt ? Drop.TCP_ZEROWINDOW : Drop.TCP_OVERWINDOW);
    return;
  }
  if (seqLt(seq, tp.rcvNxt)) {
    dsackSet(tp, seq, tp.rcvNxt);
    if (edge == tp.rcvNxt && len) {
      outOfWindow(tp, Drop.TCP_ZEROWINDOW);
      return;
    }
    const k = tp.rcvNxt - seq;
    offset += k;
    len = len > k ? len - k : 0;
    seq = tp.rcvNxt;
  }
  // Beyond the window nothing is stored (RFC 9293 3.10.7.4: trim).
  if (len && seqGt(seq + len, edge)) {
    len = edge - seq;
    fin = false;
  }
  // Nothing follows a FIN, not even one that waits for what is before it.
  if (tp.ofoFin && seqGt(seq + len, tp.ofoFinSeq)) {
    if (seqGeq(seq, tp.ofoFinSeq)) {
      outOfWindow(tp, Drop.TCP_OVERWINDOW);
      return;
    }
    len = tp.ofoFinSeq - seq;
    fin = false;
  }
  if (seq == tp.rcvNxt) inOrder(tp, skb, offset, len, fin, size);
  else outOfOrder(tp, skb, offset, seq, len, fin, size);
}

function inOrder(tp: Tcb, skb: Skb, offset: u32, len: u32, fin: bool, size: u32): void {
  if (len && tp.rxQueued) mibInc(Mib.TcpExtTCPRcvCoalesce);
  const taken = len ? rxAppend(tp, skb, offset, len) : 0;
  tp.rcvNxt += taken;
  tp.bytesReceived += taken;
  if (taken < len) {
    mibInc(Mib.TcpExtTCPRcvQDrop);
    dropCount(Drop.TCP_MEM);
    fin = false;
    if (tp.ofoFirst) ofoPurge(tp); // memory is short: what is out of order goes first
    enterQuickack(tp, MAX_QUICKACKS);
    tp.ackFlags |= AckSched.SCHED;
  }
  if (taken) dataReceived(tp, taken, size);
  if (fin) {
    finReceived(tp);
    if (tp.sk.state == <u8>TcpState.CLOSE) return;
  }
  const gap = tp.ofoFirst != 0 || tp.ofoFin;
  if (tp.ofoFirst) ofoDrain(tp);
  if (tp.ofoFin && tp.ofoFinSeq == tp.rcvNxt && !tp.finRcvd) {
    finReceived(tp);
    if (tp.sk.state == <u8>TcpState.CLOSE) return;
  }
  if (gap && !tp.ofoFirst && !tp.ofoFin) tp.ackFlags |= AckSched.NOW; // RFC 5681 4.2: a filled gap is acknowledged at once
  if (tp.nsacks) sackRemove(tp);
  if (taken) sockWake(tp.sk, Poll.IN);
}

function outOfOrder(tp: Tcb, skb: Skb, offset: u32, seq: u32, len: u32, fin: bool, size: u32): void {
  mibInc(Mib.TcpExtTCPOFOQueue);
  if (len) measureRcvMss(tp, size);
  tp.rcvOoopack++;
  tp.ackFlags |= AckSched.SCHED;
  if (tp.finRcvd) return; // nothing can follow a FIN
  let stored = true;
  if (len) stored = ofoInsert(tp, skb, offset, seq, len);
  if (len && stored) growWindowOfo(tp, len);
  if (!stored) {
    mibInc(Mib.TcpExtTCPOFODrop);
    dropCount(Drop.TCP_OFO_QUEUE_FULL);
  } else if (fin) {
    tp.ofoFin = true;
    tp.ofoFinSeq = seq + len;
    if (tp.sackOk) sackNew(tp, seq, seq + len + 1);
  }
}

/** RFC 9293 3.10.7.4 "eighth": the peer has finished sending. */
function finReceived(tp: Tcb): void {
  const sk = tp.sk;
  tp.rcvNxt++;
  tp.finRcvd = true;
  tp.ackFlags |= AckSched.SCHED;
  sk.shutdown |= SHUT_RCV;
  ofoPurge(tp);
  tp.dsack = false;
  switch (<u32>sk.state) {
    case <u32>TcpState.SYN_RECV:
    case <u32>TcpState.ESTABLISHED:
      setState(tp, TcpState.CLOSE_WAIT);
      tp.pingpong = 1;
      break;
    case <u32>TcpState.FIN_WAIT1:
      sendAck(tp);
      setState(tp, TcpState.CLOSING);
      break;
    case <u32>TcpState.FIN_WAIT2:
      sendAck(tp);
      sockWake(sk, Poll.IN | Poll.RDHUP | Poll.HUP);
      enterTimeWait(tp, TcpState.TIME_WAIT, 0);
      return;
    default:
  }
  sockWake(sk, Poll.IN | Poll.RDHUP | (sk.shutdown & SHUT_SND ? Poll.HUP : 0));
}
