// Building and sending one segment of a connection: header, options, checksum, offload fields.
import { Vnet } from "../../abi";
import { csumFold, csumPseudo } from "../../lib/checksum";
import { seqLt } from "../../lib/seq";
import { Mib, mibAdd, mibInc } from "../../core/mib";
import { Skb, skbAlloc, skbSetPartial } from "../../core/skb";
import { now } from "../../core/time";
import { flowRoute, flowStale, ipOutput, Flow } from "../../network/flow";
import {
  IPPROTO_TCP, TCP_CSUM_OFFSET, TCP_HLEN, TCP_MAX_HLEN, TCP_MAX_OPTIONS, TCPOLEN_TSTAMP_ALIGNED, TcpFlag, TcpHeader, putOptMss, putOptSack, putOptSackPermitted,
  putOptFastopen, putOptTimestamps, putOptWscale, putSackBlock,
} from "../../wire/tcp";
import { accOptionLen, accOptionPut, accSend } from "./accecn";
import { authPutOwn, authSign } from "./auth/sign";
import { caNeedsEcn, caTxStart } from "./congestion/congestion";
import { FO } from "./fastopen";
import { sackBlocks } from "./mss";
import { flowOptions } from "./setup";
import { sendqGather } from "./sendq";
import { Seg, SegFlag } from "./segment";
import { tsNow } from "./rtt";
import { ATO_MIN, AckSched, Ecn, Tcb, TcpState } from "./tcp";
import { selectWindow } from "./window";

/** Pseudo-header sum of a flow; v4-mapped addresses count their last four bytes. */
export function flowPseudo(f: Flow, len: u32): u64 {
  return f.isV4 ? csumPseudo(f.src + 12, f.dst + 12, 4, IPPROTO_TCP, len) : csumPseudo(f.src, f.dst, 16, IPPROTO_TCP, len);
}

/** Leave the checksum of a finished segment (header at `th`, `len` bytes in all) to the device. */
export function checksumPartial(skb: Skb, th: usize, pseudo: u64): void {
  store<u16>(th, <u16>csumFold(pseudo), TCP_CSUM_OFFSET);
  skbSetPartial(skb, th, TCP_CSUM_OFFSET);
}

function synOptions(tp: Tcb, p: usize): usize {
  p = putOptMss(p, tp.advmss);
  if (tp.tsOk) p = putOptTimestamps(p, tsNow(tp), tp.tsRecent, tp.sackOk);
  else if (tp.sackOk) p = putOptSackPermitted(p);
  if (tp.wscaleOk) p = putOptWscale(p, tp.rcvWscale);
  if (FO.on) p = putOptFastopen(p, FO.cookie, FO.len);
  return p;
}

function dataOptions(tp: Tcb, p: usize): usize {
  if (tp.tsOk) p = putOptTimestamps(p, tsNow(tp), tp.tsRecent, false);
  return sackOption(tp, p, sackBlocks(tp));
}

// With AccECN: two SACK blocks take precedence over its option, which does so over more of them (RFC 9768 3.2.3.3).
function accOptions(tp: Tcb, p: usize, seq: u32, len: u32, mss: u32): usize {
  let room = TCP_MAX_OPTIONS - tp.authLen;
  if (tp.tsOk) {
    p = putOptTimestamps(p, tsNow(tp), tp.tsRecent, false);
    room -= TCPOLEN_TSTAMP_ALIGNED;
  }
  const blocks = tp.sackOk ? tp.nsacks + (tp.dsack ? 1 : 0) : 0;
  let acc = accOptionLen(tp, seq, len, mss);
  if (len && blocks) acc = 0; // the room that they leave was reckoned without it
  if (room < acc + 4 + 8 * min<u32>(blocks, 2)) acc = 0;
  if (acc) p = accOptionPut(tp, p, acc);
  return blocks && room >= acc + 4 ? sackOption(tp, p, (room - acc - 4) >> 3) : p;
}

function sackOption(tp: Tcb, p: usize, most: u32): usize {
  let n = min<u32>(tp.nsacks + (tp.dsack ? 1 : 0), most);
  if (!n) return p;
  p = putOptSack(p, n);
  if (tp.dsack) {
    p = putSackBlock(p, tp.dsackStart, tp.dsackEnd);
    tp.dsack = false;
    n--;
  }
  for (let i: u32 = 0; i < n; i++) p = putSackBlock(p, tp.sack(i).start, tp.sack(i).end);
  return p;
}

// Bookkeeping of Linux's tcp_event_ack_sent.
function ackSent(tp: Tcb): void {
  if (tp.quick) {
    const sent: u32 = tp.ackFlags & AckSched.SCHED ? 1 : 0;
    if (sent >= tp.quick) {
      tp.quick = 0;
      tp.ato = ATO_MIN;
    } else tp.quick -= sent;
  }
  tp.ackFlags = 0;
  tp.delackTimer.cancel();
}

function dataSent(tp: Tcb): void {
  const t = now();
  if (!tp.inFlight) caTxStart(tp);
  tp.lastDataSent = t;
  // A reply within ato of what it answers: the connection is interactive.
  if (t - tp.lastDataRcvd < tp.ato && tp.pingpong < 255) tp.pingpong++;
}

// RFC 3168 6.1: data that is not a retransmission is ECN-capable; the CWR and ECE bits of the header.
function ecnSend(tp: Tcb, seq: u32, len: u32, flags: u32): u32 {
  let tos: u8 = tp.flow.tos & 0xfc;
  if (tp.ecn & Ecn.OK && !(flags & TcpFlag.SYN)) {
    if (tp.ecn & Ecn.ACC) {
      tp.flow.tos = tos;
      return accSend(tp, seq, len, flags);
    }
    if (len && !seqLt(seq, tp.sndNxt)) {
      tos |= 2;
      if (tp.ecn & Ecn.QUEUE_CWR) {
        tp.ecn &= ~Ecn.QUEUE_CWR;
        flags |= TcpFlag.CWR;
      }
    } else if (caNeedsEcn(tp)) tos |= 2;
    if (tp.ecn & Ecn.DEMAND_CWR) flags |= TcpFlag.ECE;
  }
  tp.flow.tos = tos;
  return flags;
}

/**
 * Send a segment of `flags` at `seq` with the `len` payload bytes that start in `chunk` (a super-segment when
 * longer than `mss`); those of a SYN begin behind it. False when it did not leave: no buffer, no route, or a full device.
 */
export function emit(tp: Tcb, seq: u32, flags: u32, chunk: usize, len: u32, mss: u32): bool {
  const f = tp.flow;
  if (flowStale(f) && flowRoute(f) < 0) return false;
  const skb = skbAlloc(TCP_MAX_HLEN);
  if (!skb) return false;
  const sk = tp.sk;
  flowOptions(tp, sk);
  const syn = (flags & TcpFlag.SYN) != 0;
  const th = TcpHeader.at(skb.put(TCP_HLEN));
  // Before the options: choosing the window may change what they say.
  const window = syn ? min<u32>(tp.rcvWnd, 65535) : selectWindow(tp);
  const signed = tp.authLen != 0;
  let optEnd = syn ? synOptions(tp, th.options) : tp.ecn & Ecn.ACC ? accOptions(tp, th.options, seq, len, mss) : dataOptions(tp, th.options);
  if (signed) optEnd = authPutOwn(tp, optEnd);
  const hlen = <u32>(optEnd - th.ptr);
  skb.put(hlen - TCP_HLEN);
  th.sport = sk.lport;
  th.dport = sk.rport;
  th.seq = seq;
  th.ack = flags & TcpFlag.ACK ? tp.rcvNxt : 0;
  th.headerLen = hlen;
  th.window = window;
  th.urgent = 0;
  if (tp.sndUna != tp.sndUp && !syn && seqLt(seq, tp.sndUp)) {
    const up = tp.sndUp - seq;
    if (up < 0x10000) {
      th.urgent = up;
      flags |= TcpFlag.URG;
    } else if (seqLt(tp.sndNxt, seq + 0xffff)) {
      th.urgent = 0xffff;
      flags |= TcpFlag.URG;
    }
  }
  flags = ecnSend(tp, seq, len, flags);
  let segs: u32 = 1;
  if (len) {
    sendqGather(skb, chunk, syn ? seq + 1 : seq, len);
    if (len > mss) {
      segs = (len + mss - 1) / mss;
      skb.gsoSize = <u16>mss;
      skb.gsoType = f.isV4 ? <u8>Vnet.GSO_TCPV4 : <u8>Vnet.GSO_TCPV6;
      skb.gsoSegs = <u16>segs;
      // AccECN wants the flag in all segments; devices leave it to the first.
      if (tp.ecn & Ecn.ACC && flags & TcpFlag.CWR) skb.gsoType |= <u8>Vnet.GSO_ECN;
      flags |= TcpFlag.PSH; // as Linux: tells the receiver's GRO that the burst is over
    }
  }
  th.flags = flags;
  skb.trans = th.ptr;
  skb.priority = sk.priority;
  if (signed) authSign(skb, f);
  checksumPartial(skb, th.ptr, flowPseudo(f, skb.total));
  if (flags & TcpFlag.ACK) ackSent(tp);
  if (len) {
    dataSent(tp);
    tp.dataSegsOut += segs;
    tp.bytesSent += len;
  }
  tp.segsOut += segs;
  mibAdd(Mib.TcpOutSegs, segs);
  return ipOutput(skb, f) >= 0;
}

// The request for ECN of a SYN: classic, or AccECN (RFC 9768 3.1.1).
function synEcn(tp: Tcb): u32 {
  if (!(tp.ecn & Ecn.SEEN)) return 0;
  return tp.ecn & Ecn.ACC_ASKED ? <u32>TcpFlag.AE | TcpFlag.CWR | TcpFlag.ECE : <u32>TcpFlag.CWR | TcpFlag.ECE;
}

/** Send the first SYN, record `s`, with the `len` bytes that start in `chunk`. */
export function emitSyn(tp: Tcb, s: Seg, chunk: usize, len: u32): bool {
  return emit(tp, s.seq, TcpFlag.SYN | synEcn(tp), chunk, len, s.mss);
}

/** (Re)transmit a record of the scoreboard and note its time. */
export function emitSeg(tp: Tcb, s: Seg): bool {
  let flags: u32 = 0;
  if (s.has(SegFlag.SYN)) flags = tp.sk.state == <u8>TcpState.SYN_SENT ? TcpFlag.SYN : TcpFlag.SYN | TcpFlag.ACK;
  else flags = TcpFlag.ACK;
  if (s.has(SegFlag.FIN)) flags |= TcpFlag.FIN;
  if (s.has(SegFlag.PSH)) flags |= TcpFlag.PSH;
  // RFC 3168 6.1.1.1: a path that drops such SYNs gets a plain one the next time; RFC 9768 3.1.4.1: the time after.
  if (s.has(SegFlag.SYN) && tp.sk.state == <u8>TcpState.SYN_SENT && tp.retransmits <= (tp.ecn & Ecn.ACC_ASKED ? <u32>1 : 0)) flags |= synEcn(tp);
  return emit(tp, s.seq, flags, s.chunk, s.len, s.mss);
}

// SND.NXT, or the edge of the window when the peer took some of it back: beyond it not even an ACK would be taken (Linux's tcp_acceptable_seq).
function acceptableSeq(tp: Tcb): u32 {
  const edge = tp.wndEnd;
  if (!seqLt(edge, tp.sndNxt) || (tp.wscaleOk && tp.sndNxt - edge < <u32>1 << tp.rcvWscale)) return tp.sndNxt;
  return edge;
}

/** An empty ACK. */
export function sendAck(tp: Tcb): void {
  const st = tp.sk.state;
  if (st == <u8>TcpState.CLOSE || st == <u8>TcpState.LISTEN || st == <u8>TcpState.SYN_SENT) return;
  if (!emit(tp, acceptableSeq(tp), TcpFlag.ACK, 0, 0, 0)) {
    // No buffer: try again as a delayed ACK.
    tp.ackFlags |= AckSched.SCHED | AckSched.TIMER;
    tp.delackTimer.armIn(ATO_MIN);
  }
}

/** A probe: an empty segment whose sequence number (SND.UNA - 1, or SND.UNA to repeat the urgent pointer) obliges the peer to answer. */
export function sendProbe(tp: Tcb, urgent: bool): bool {
  return emit(tp, urgent ? tp.sndUna : tp.sndUna - 1, TcpFlag.ACK, 0, 0, 0);
}

/** RST for a connection we abandon (RFC 9293 3.10.5). */
export function sendActiveReset(tp: Tcb): void {
  mibInc(Mib.TcpOutRsts);
  emit(tp, acceptableSeq(tp), TcpFlag.RST | TcpFlag.ACK, 0, 0, 0);
}
