// Segment input (RFC 9293 3.10.7): header checks, who the segment is for, and the states before and after
// ESTABLISHED. The checks every synchronised state shares are in validate.ts.
import { Errno, Poll } from "../../abi";
import { addrCopy, addrIsMulticast, addrSetV4 } from "../../lib/addr";
import { be32 } from "../../lib/bytes";
import { csumFinish, csumPseudo } from "../../lib/checksum";
import { seqGt, seqIn, seqLt } from "../../lib/seq";
import { Drop, dropCount } from "../../core/drop";
import { Mib, mibAdd, mibInc } from "../../core/mib";
import { CsumState, PktType, Skb, skbCsum, skbDrop, skbFree } from "../../core/skb";
import { SHUT_RCV, SHUT_SND, Sock, SockFlag, SockKind, sockWake } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { SEC, now } from "../../core/time";
import { flowConfirm } from "../../network/flow";
import { NetDevice } from "../../link/net_device";
import { ETH_P_IP } from "../../wire/ethernet";
import { IPPROTO_TCP, TCP_HLEN, TcpFlag, TcpHeader } from "../../wire/tcp";
import { tproxyFind } from "../tproxy";
import { AckResult, dataSndCheck, replaceTsRecent, tcpAck, updatePacing } from "./ack";
import { authConnection, authListener, authRequest, authStray, authTimeWait } from "./auth/check";
import { authPeer } from "./auth/sign";
import { challengeAck } from "./challenge";
import { accHandshakeAck, accReceive, accSynAck, accSynCongested } from "./accecn";
import { caNeedsEcn } from "./congestion/congestion";
import { dctcpReceive } from "./congestion/dctcp";
import { ackCheck, dataQueue, enterQuickack } from "./data";
import { emitSeg, sendAck } from "./emit";
import { fastopenSynAck } from "./fastopen";
import { fastopenComplete } from "./fastopen_listen";
import { listenInput, requestInput } from "./listen";
import { advertisedMss, headerLenSet, initRcvMss, syncMss } from "./mss";
import { pushPending, unsent } from "./output";
import { Urg, urgPointer } from "./receive";
import { replyReset } from "./reply";
import { Request, requestSyn } from "./request";
import { tsNow } from "./rtt";
import { IN, OPT } from "./segin";
import { segFirst, segTouch } from "./segment";
import { initTransfer } from "./setup";
import { clearTimers, setState, tcpDone, tcpFail } from "./state";
import { MiniKind, connFind, connHash, listenerFind, miniFind } from "./table";
import { AckSched, Ecn, MAX_QUICKACKS, Pending, TIMEOUT_MIN, TIMEWAIT_LEN, Tcb, TcpState, Tfo, tcb } from "./tcp";
import { finTime, rtxArm } from "./timer";
import { TimeWait, TwAction, enterTimeWait, timeWaitInput } from "./timewait";
import { validate } from "./validate";

const ISN: usize = memory.data(4, 4);

/** Transport input of protocol 6. Consumes the skb. */
export function tcpInput(skb: Skb): void {
  mibAdd(Mib.TcpInSegs, skb.gsoSegs);
  if (skb.pktType != PktType.HOST) {
    skbFree(skb);
    return;
  }
  const hlen = skb.len >= TCP_HLEN ? TcpHeader.at(skb.data).headerLen : 0;
  if (hlen < TCP_HLEN || hlen > skb.len) {
    mibInc(Mib.TcpInErrs);
    skbDrop(skb, Drop.TCP_MALFORMED);
    return;
  }
  decode(skb, hlen);
  if (!checksumGood(skb)) {
    mibInc(Mib.TcpInCsumErrors);
    mibInc(Mib.TcpInErrs);
    skbDrop(skb, Drop.TCP_CSUM);
    return;
  }
  if (addrIsMulticast(IN.saddr) || addrIsMulticast(IN.daddr)) {
    skbDrop(skb, Drop.IP_INADDRERRORS);
    return;
  }
  OPT.parse(skb.data + TCP_HLEN, hlen - TCP_HLEN, IN.has(TcpFlag.SYN));
  demux(skb);
  skbFree(skb);
}

function decode(skb: Skb, hlen: u32): void {
  const th = TcpHeader.at(skb.data);
  if (<u32>skb.protocol == ETH_P_IP) {
    addrSetV4(IN.saddr, be32(skb.net + 12));
    addrSetV4(IN.daddr, be32(skb.net + 16));
  } else {
    addrCopy(IN.saddr, skb.net + 8);
    addrCopy(IN.daddr, skb.net + 24);
  }
  IN.tos = <u32>skb.protocol == ETH_P_IP ? load<u8>(skb.net, 1) : (load<u8>(skb.net) << 4) | (load<u8>(skb.net, 1) >> 4);
  IN.sport = th.sport;
  IN.dport = th.dport;
  IN.seq = th.seq;
  IN.ack = th.ack;
  IN.flags = th.flags;
  IN.window = th.window;
  IN.urgent = th.urgent;
  IN.headerLen = hlen;
  IN.len = skb.total - hlen;
  IN.end = IN.seq + IN.len + (IN.has(TcpFlag.SYN) ? 1 : 0) + (IN.has(TcpFlag.FIN) ? 1 : 0);
  IN.ifindex = skb.dev ? changetype<NetDevice>(skb.dev).ifindex : 0;
  IN.segs = max<u32>(skb.gsoSegs, 1);
  IN.size = skb.gsoSize ? min<u32>(skb.gsoSize, IN.len) : IN.len;
}

function checksumGood(skb: Skb): bool {
  if (skb.csum != CsumState.NONE) return true;
  const pseudo = <u32>skb.protocol == ETH_P_IP ? csumPseudo(skb.net + 12, skb.net + 16, 4, IPPROTO_TCP, skb.total)
    : csumPseudo(skb.net + 8, skb.net + 24, 16, IPPROTO_TCP, skb.total);
  return csumFinish(skbCsum(skb, skb.data, pseudo)) == 0;
}

function demux(skb: Skb): void {
  const h = connHash(IN.daddr, IN.saddr, IN.dport, IN.sport);
  IN.hash = h;
  IN.auth = 0;
  const sk = connFind(h, IN.daddr, IN.saddr, IN.dport, IN.sport, IN.ifindex);
  if (sk) {
    const tp = tcb(sk);
    if (!(tp.auth | OPT.auth) || authConnection(tp, skb)) connInput(tp, skb);
    return;
  }
  let isn: u32 = 0;
  const m = miniFind(h, IN.daddr, IN.saddr, IN.dport, IN.sport, IN.ifindex);
  if (m) {
    if (m.kind == MiniKind.REQUEST) {
      const r = changetype<Request>(m);
      if (tcb(r.listener).auth | OPT.auth && !authRequest(r, skb)) return;
      const child = requestInput(r, skb);
      if (child) connInput(child, skb);
      return;
    }
    const tw = changetype<TimeWait>(m);
    if (tw.auth | OPT.auth && !timeWaitAuth(tw, skb)) return;
    if (timeWaitInput(tw, ISN) == TwAction.DONE) return;
    isn = load<u32>(ISN);
  }
  const lsk = listener();
  if (!lsk) {
    dropCount(Drop.NO_SOCKET);
    if (!OPT.auth || authStray(skb)) replyReset();
    return;
  }
  const auth = tcb(lsk).auth;
  if (auth | OPT.auth && !authListener(auth, skb)) return;
  if (isn) {
    requestSyn(lsk, isn, skb);
    return;
  }
  const child = listenInput(lsk, skb);
  if (child) connInput(child, skb);
}

/** ACE (RFC 9768 3.2.2). */
const ACE_FLAGS: u32 = TcpFlag.AE | TcpFlag.CWR | TcpFlag.ECE;

function listener(): Sock | null {
  const lsk = listenerFind(IN.hash, IN.daddr, IN.dport, IN.ifindex);
  return lsk ? lsk : tproxyFind(SockKind.TCP, IN.ifindex);
}

// A SYN may open a new connection, under the keys of a listener; anything else is under those of the old one.
function timeWaitAuth(tw: TimeWait, skb: Skb): bool {
  if ((IN.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) != TcpFlag.SYN) return authTimeWait(tw.auth, tw.rcvNxt, skb);
  const lsk = listener();
  if (lsk) return authListener(tcb(lsk).auth, skb);
  dropCount(Drop.NO_SOCKET);
  return false;
}

/** A segment of a connection. */
function connInput(tp: Tcb, skb: Skb): void {
  tp.segsIn += IN.segs;
  if (IN.len) tp.dataSegsIn += IN.segs;
  tp.sawTs = OPT.hasTs && tp.tsOk;
  tp.rcvTsval = OPT.tsval;
  tp.rcvTsecr = OPT.tsecr;
  const state = tp.sk.state;
  let reset = false;
  if (state == <u8>TcpState.ESTABLISHED) established(tp, skb);
  else if (state == <u8>TcpState.SYN_SENT) reset = synSent(tp, skb);
  else if (state != <u8>TcpState.CLOSE && state != <u8>TcpState.LISTEN) reset = otherStates(tp, skb);
  if (reset) replyReset();
}

// RFC 3168 6.1.3: congestion experienced is echoed until the peer says CWR, whose window may then be a single segment: no waiting.
function ecnReceive(tp: Tcb): void {
  if (IN.has(TcpFlag.CWR)) {
    tp.ecn &= ~Ecn.DEMAND_CWR;
    tp.ackFlags |= AckSched.NOW;
  }
  const mark = IN.tos & 3;
  if (caNeedsEcn(tp)) { // DCTCP echoes each mark
    if (mark) dctcpReceive(tp, mark == 3);
    return;
  }
  if (mark == 3) {
    if (!(tp.ecn & Ecn.DEMAND_CWR)) enterQuickack(tp, 2);
    tp.ecn |= Ecn.DEMAND_CWR;
  } else if (!mark && tp.ecn & Ecn.SEEN) enterQuickack(tp, 2); // the others were marked: this is a retransmission
  if (mark) tp.ecn |= Ecn.SEEN;
}

/** Urgent pointer and byte of the segment in IN (RFC 9293 3.10.7.4 "sixth"). */
function urgent(tp: Tcb, skb: Skb): void {
  if (IN.has(TcpFlag.URG) && urgPointer(tp, IN.seq + IN.urgent - (IN.urgent && !sysctl(Sysctl.TCP_STDURG) ? 1 : 0))) sockWake(tp.sk, Poll.PRI);
  if (tp.urgState != Urg.NOTYET) return;
  const off = tp.urgSeq - IN.seq;
  if (off >= IN.len) return;
  tp.urgByte = load<u8>(skb.data + IN.headerLen + off);
  tp.urgState = Urg.VALID;
  sockWake(tp.sk, Poll.PRI | Poll.IN);
}

function queue(tp: Tcb, skb: Skb): void {
  if (tp.ecn & Ecn.OK && IN.len && !(tp.ecn & Ecn.ACC)) ecnReceive(tp);
  dataQueue(tp, skb, IN.headerLen, IN.has(TcpFlag.SYN) ? IN.seq + 1 : IN.seq, IN.len, IN.has(TcpFlag.FIN), IN.size);
}

function established(tp: Tcb, skb: Skb): void {
  // Header prediction: the next in-order data, acknowledging nothing new and with the window known.
  if ((IN.flags & ~(TcpFlag.PSH | tp.aceMask)) == TcpFlag.ACK && IN.len && IN.seq == tp.rcvNxt && IN.ack == tp.sndUna && !OPT.nsack && !tp.urgState &&
    IN.window << tp.sndWscale == tp.sndWnd && tp.sawTs == tp.tsOk && !tp.ofoFirst && (!tp.tsOk || <i32>(OPT.tsval - tp.tsRecent) >= 0)) {
    mibInc(Mib.TcpExtTCPHPHits);
    replaceTsRecent(tp, IN.seq);
    tp.lastAckRcvd = now();
    tp.probesOut = 0;
    if (tp.aceMask) accReceive(tp);
    queue(tp, skb);
    dataSndCheck(tp);
    ackCheck(tp);
    return;
  }
  if (!validate(tp)) return;
  if (tp.aceMask) accReceive(tp);
  const r = tcpAck(tp, IN.seq, IN.ack, IN.flags, IN.window, IN.end - IN.seq, IN.segs, OPT, true);
  if (r < 0) {
    dropCount(r == AckResult.UNSENT ? Drop.TCP_ACK_UNSENT_DATA : Drop.TCP_TOO_OLD_ACK);
    // RFC 5961 5.2: an ACK for data never sent is answered, at a limited rate.
    if (r == AckResult.UNSENT) challengeAck(tp);
    return;
  }
  if (tp.sk.state == <u8>TcpState.CLOSE) return;
  urgent(tp, skb);
  if (IN.end != IN.seq) queue(tp, skb);
  if (tp.sk.state == <u8>TcpState.CLOSE) return;
  dataSndCheck(tp);
  ackCheck(tp);
}

// RFC 9293 3.10.7.3. True: answer with RST.
function synSent(tp: Tcb, skb: Skb): bool {
  const sk = tp.sk;
  if (tp.tfo & Tfo.DEFERRED) { // nothing has been sent that this could answer
    dropCount(Drop.TCP_INVALID_SEQUENCE);
    return IN.has(TcpFlag.ACK);
  }
  if (IN.has(TcpFlag.ACK)) {
    if (!seqGt(IN.ack, tp.sndUna) || seqGt(IN.ack, tp.sndNxt)) {
      if (!tp.retransmits) rtxArm(tp, Pending.RETRANS, TIMEOUT_MIN); // an old connection answered: try again soon
      dropCount(Drop.TCP_INVALID_ACK);
      return true;
    }
    if (OPT.hasTs && OPT.tsecr && tp.tsOk && tp.retransStamp && !seqIn(OPT.tsecr, tp.retransStamp, tsNow(tp) + 1)) {
      mibInc(Mib.TcpExtPAWSActive);
      dropCount(Drop.TCP_RFC7323_PAWS);
      return true;
    }
  }
  if (IN.has(TcpFlag.RST)) {
    dropCount(Drop.TCP_RESET);
    if (IN.has(TcpFlag.ACK)) tcpFail(tp, Errno.ECONNREFUSED);
    return false;
  }
  if (!IN.has(TcpFlag.SYN)) {
    dropCount(Drop.TCP_FLAGS);
    return false;
  }
  negotiate(tp);
  if (!IN.has(TcpFlag.ACK)) {
    simultaneousOpen(tp);
    return false;
  }
  if (tp.ecn & Ecn.ACC_ASKED) accSynAck(tp);
  else if (IN.has(TcpFlag.ECE) && !IN.has(TcpFlag.CWR) && tp.ecn & Ecn.SEEN) tp.ecn = Ecn.OK;
  else tp.ecn = 0;
  tp.sndWl1 = IN.seq;
  undoSpuriousSyn(tp);
  tcpAck(tp, IN.seq, IN.ack, IN.flags, IN.window, 0, 1, OPT, false);
  tp.rcvNxt = IN.seq + 1;
  tp.rcvWup = tp.rcvNxt;
  tp.copiedSeq = tp.rcvNxt;
  tp.sndWnd = IN.window;
  tp.maxWindow = tp.sndWnd;
  syncMss(tp, tp.flow.mtu);
  initRcvMss(tp);
  setState(tp, TcpState.ESTABLISHED);
  tp.lastDataRcvd = now();
  tp.lastDataSent = now();
  initTransfer(tp);
  updatePacing(tp);
  if (tp.ecn & Ecn.ACC) {
    tp.aceMask = ACE_FLAGS;
    accSynCongested(tp);
  }
  sockWake(sk, Poll.OUT);
  if (tp.tfo & (Tfo.OPTION | Tfo.DATA) && fastopenSynAck(tp, skb)) return false;
  if (unsent(tp)) { // what the SYN did not take
    sendAck(tp);
    pushPending(tp);
  } else if ((tp.deferAccept || tp.pingpong) && !(tp.ecn & Ecn.ACC)) {
    // The first data will carry the ACK.
    enterQuickack(tp, MAX_QUICKACKS);
    tp.ackFlags |= AckSched.SCHED | AckSched.TIMER;
    tp.delackTimer.armIn(200_000_000);
  } else sendAck(tp);
  return false;
}

// Both SYNs are known: what is in force from here on (RFC 7323 1.3, RFC 2018 2, RFC 9293 3.7.1).
function negotiate(tp: Tcb): void {
  tp.irs = IN.seq;
  if (tp.auth) authPeer(tp);
  if (!OPT.hasWscale) tp.wscaleOk = false;
  if (tp.wscaleOk) tp.sndWscale = OPT.wscale;
  else {
    tp.sndWscale = 0;
    tp.rcvWscale = 0;
    tp.windowClamp = min<u32>(tp.windowClamp, 65535);
  }
  if (!OPT.sackOk) tp.sackOk = false;
  if (!OPT.hasTs) tp.tsOk = false;
  tp.sawTs = tp.tsOk;
  if (tp.tsOk) {
    tp.tsRecent = OPT.tsval;
    tp.tsRecentStamp = now() / SEC;
  }
  headerLenSet(tp);
  tp.mssClamp = OPT.mss ? max<u32>(OPT.mss, 8) : 536;
  if (tp.userMss) tp.mssClamp = min(tp.mssClamp, tp.userMss);
  tp.advmss = advertisedMss(tp) - (tp.tsOk ? 12 : 0);
}

// RFC 9293 3.5 figure 8: SYN crossed SYN; answer SYN-ACK with our own sequence number.
function simultaneousOpen(tp: Tcb): void {
  setState(tp, TcpState.SYN_RECV);
  tp.rcvNxt = IN.seq + 1;
  tp.rcvWup = tp.rcvNxt;
  tp.copiedSeq = tp.rcvNxt;
  tp.sndWnd = IN.window;
  tp.sndWl1 = IN.seq;
  tp.maxWindow = tp.sndWnd;
  tp.ecn = 0;
  syncMss(tp, tp.flow.mtu);
  initRcvMss(tp);
  const s = segFirst(tp);
  if (!s) return;
  const full = tp.advmss;
  tp.advmss = advertisedMss(tp);
  emitSeg(tp, s);
  tp.advmss = full;
  segTouch(tp, s, now());
}

// The peer echoes the timestamp of the first SYN or SYN-ACK: it was not lost, and the window need not start at one (RFC 5681 3.1, RFC 3522).
function undoSpuriousSyn(tp: Tcb): void {
  if (tp.sawTs && tp.retransStamp && tp.rcvTsecr == tp.retransStamp) tp.undoMarker = 0;
}

// SYN_RECV -> ESTABLISHED. Passive children and simultaneous opens alike.
function becomeEstablished(tp: Tcb): void {
  const sk = tp.sk;
  const early = (tp.tfo & Tfo.PENDING) != 0; // it may have moved data already
  tp.delivered++;
  if (early) fastopenComplete(tp);
  else {
    undoSpuriousSyn(tp);
    tp.retransStamp = 0;
    tp.copiedSeq = tp.rcvNxt;
  }
  setState(tp, TcpState.ESTABLISHED);
  tp.sndWnd = IN.has(TcpFlag.SYN) ? IN.window : IN.window << tp.sndWscale;
  tp.maxWindow = max(tp.maxWindow, tp.sndWnd);
  tp.sndWl1 = IN.seq;
  tp.lastDataRcvd = now();
  initRcvMss(tp);
  if (!early) initTransfer(tp);
  updatePacing(tp);
  if (tp.ecn & Ecn.ACC) {
    tp.aceMask = ACE_FLAGS;
    accHandshakeAck(tp);
  }
  sockWake(sk, Poll.OUT);
}

/** Data that nobody can read any more: the peer must learn that it is lost (RFC 1122 4.2.2.13). */
function dataAfterClose(tp: Tcb): bool {
  return IN.end != IN.seq && seqGt(IN.end - (IN.has(TcpFlag.FIN) ? 1 : 0), tp.rcvNxt);
}

// Every synchronised state but ESTABLISHED. True: answer with RST.
function otherStates(tp: Tcb, skb: Skb): bool {
  const sk = tp.sk;
  if (!validate(tp)) return false;
  if (tp.ecn & Ecn.ACC) accReceive(tp);
  const r = tcpAck(tp, IN.seq, IN.ack, IN.flags, IN.window, IN.end - IN.seq, IN.segs, OPT, false);
  if (sk.state == <u8>TcpState.SYN_RECV) {
    // Passive: the final ACK was checked against the request. Crossing SYNs: ours must be acknowledged now.
    if (r < 0 || (!tp.unaccepted && tp.sndUna == tp.iss)) {
      dropCount(Drop.TCP_INVALID_ACK);
      return true;
    }
    becomeEstablished(tp);
  } else if (r < 0) {
    dropCount(r == AckResult.UNSENT ? Drop.TCP_ACK_UNSENT_DATA : Drop.TCP_TOO_OLD_ACK);
    challengeAck(tp);
    return false;
  } else if (tp.tfo & Tfo.PENDING) fastopenComplete(tp); // closed before the handshake was over
  const finAcked = tp.finQueued && tp.sndUna == tp.writeSeq;
  if (finAcked) {
    if (sk.state == <u8>TcpState.FIN_WAIT1) {
      if (finWait2(tp)) return true;
      if (sk.state == <u8>TcpState.CLOSE) return false;
    } else if (sk.state == <u8>TcpState.CLOSING) {
      enterTimeWait(tp, TcpState.TIME_WAIT, 0);
      return false;
    } else if (sk.state == <u8>TcpState.LAST_ACK) {
      tcpDone(tp);
      return false;
    }
  }
  urgent(tp, skb);
  const st = <u32>sk.state;
  let take = IN.len != 0 || IN.has(TcpFlag.FIN);
  // Nothing can follow the peer's FIN; a repeated FIN or data wants an ACK.
  if (st == TcpState.CLOSE_WAIT || st == TcpState.CLOSING || st == TcpState.LAST_ACK) take = take && seqLt(IN.seq, tp.rcvNxt);
  // Text beyond the FIN, or for a socket shut down in both directions, resets the connection, as on Linux.
  if (take && st != TcpState.ESTABLISHED && sk.shutdown & SHUT_RCV && dataAfterClose(tp)) {
    mibInc(Mib.TcpExtTCPAbortOnData);
    dropCount(Drop.TCP_ABORT_ON_DATA);
    tcpFail(tp, st == TcpState.CLOSE_WAIT ? Errno.EPIPE : Errno.ECONNRESET);
    return true;
  }
  if (take) queue(tp, skb);
  if (sk.state == <u8>TcpState.CLOSE) return false;
  dataSndCheck(tp);
  ackCheck(tp);
  return false;
}

// Our FIN is acknowledged. True: answer with RST (the connection is gone).
function finWait2(tp: Tcb): bool {
  const sk = tp.sk;
  setState(tp, TcpState.FIN_WAIT2);
  sk.shutdown |= SHUT_SND;
  flowConfirm(tp.flow);
  if (!sk.has(SockFlag.ORPHAN) || tp.unaccepted) {
    sockWake(sk, Poll.OUT);
    return false;
  }
  if (tp.linger2 < 0) {
    tcpDone(tp);
    mibInc(Mib.TcpExtTCPAbortOnData);
    return true;
  }
  if (dataAfterClose(tp)) {
    tcpDone(tp);
    mibInc(Mib.TcpExtTCPAbortOnData);
    dropCount(Drop.TCP_ABORT_ON_DATA);
    return true;
  }
  orphanFinWait2(tp);
  return false;
}

// An orphan in FIN_WAIT2 lives on as a small record; a long tcp_fin_timeout is waited out here first.
function orphanFinWait2(tp: Tcb): void {
  const t = finTime(tp);
  if (t > TIMEWAIT_LEN) {
    clearTimers(tp);
    tp.keepTimer.armIn(t - TIMEWAIT_LEN);
  } else if (IN.has(TcpFlag.FIN)) tp.keepTimer.armIn(t); // the FIN in hand is taken next
  else enterTimeWait(tp, TcpState.FIN_WAIT2, t);
}
