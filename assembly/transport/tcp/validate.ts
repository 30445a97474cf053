// The checks of every segment in a synchronised state (RFC 9293 3.10.7.4 first to fourth) with the defences
// of RFC 5961 against blind attacks and PAWS (RFC 7323 5).
import { Errno } from "../../abi";
import { seqGt, seqLt } from "../../lib/seq";
import { Drop, dropCount } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { SEC, now } from "../../core/time";
import { TcpFlag } from "../../wire/tcp";
import { accSynAckAgain } from "./accecn";
import { answerAllowed, challengeAck } from "./challenge";
import { enterQuickack } from "./data";
import { sendAck } from "./emit";
import { fastopenReset } from "./fastopen";
import { fastopenLeave, fastopenSynAgain } from "./fastopen_listen";
import { dsackSet } from "./ofo";
import { IN } from "./segin";
import { tcpFail } from "./state";
import { MAX_QUICKACKS, PAWS_24DAYS, PAWS_WINDOW, Tcb, TcpState, Tfo } from "./tcp";
import { receiveWindow } from "./window";

// RFC 7323 5.3 R1, with Linux's tolerance of a duplicate ACK that was overtaken.
function pawsReject(tp: Tcb): bool {
  if (!tp.sawTs || !tp.tsRecent) return false;
  const behind = <i32>(tp.tsRecent - tp.rcvTsval);
  if (behind <= PAWS_WINDOW || now() / SEC > tp.tsRecentStamp + PAWS_24DAYS) return false;
  const win = IN.window << tp.sndWscale;
  const mayUpdate = seqGt(IN.ack, tp.sndUna) || seqGt(IN.seq, tp.sndWl1) || (IN.seq == tp.sndWl1 && win > tp.sndWnd);
  const disordered = IN.has(TcpFlag.ACK) && IN.seq == IN.end && IN.seq == tp.rcvNxt && IN.ack == tp.sndUna && !mayUpdate &&
    <u64>behind <= tp.rto * 1200 / SEC;
  return !disordered;
}

/** ACK for an unacceptable segment; a duplicate is reported by DSACK. */
function sendDupack(tp: Tcb): void {
  if (IN.end != IN.seq && seqLt(IN.seq, tp.rcvNxt)) {
    enterQuickack(tp, MAX_QUICKACKS);
    dsackSet(tp, IN.seq, seqGt(IN.end, tp.rcvNxt) ? tp.rcvNxt : IN.end);
  }
  sendAck(tp);
}
@inline function oowLimited(tp: Tcb): bool { return !answerAllowed(changetype<usize>(tp) + offsetof<Tcb>("lastOowAck")); }

/** RST is accepted (RFC 9293 3.10.7.4 second). */
function reset(tp: Tcb): void {
  dropCount(Drop.TCP_RESET);
  fastopenLeave(tp, true);
  const state = tp.sk.state;
  tcpFail(tp, state == <u8>TcpState.SYN_SENT ? Errno.ECONNREFUSED : state == <u8>TcpState.CLOSE_WAIT ? Errno.EPIPE : Errno.ECONNRESET);
}

// After the peer's FIN its RST carries the sequence number of the FIN (RFC 5961 3.2 would challenge it for ever).
@inline function resetAfterFin(tp: Tcb): bool {
  const s = <u32>tp.sk.state;
  return IN.seq == tp.rcvNxt - 1 && (s == TcpState.CLOSE_WAIT || s == TcpState.LAST_ACK || s == TcpState.CLOSING);
}

function synChallenge(tp: Tcb): bool {
  mibInc(Mib.TcpExtTCPSYNChallenge);
  dropCount(Drop.TCP_INVALID_SYN);
  accSynAckAgain(tp);
  challengeAck(tp);
  tp.aceNext = 0; // of that one only, if it has left
  return false;
}

/** May the segment in IN be processed further? If not it has been answered and counted. */
export function validate(tp: Tcb): bool {
  if (!(IN.flags & (TcpFlag.ACK | TcpFlag.RST | TcpFlag.SYN))) {
    dropCount(Drop.TCP_FLAGS);
    return false;
  }
  const rst = IN.has(TcpFlag.RST);
  if (!rst && pawsReject(tp)) {
    if (IN.has(TcpFlag.SYN)) return synChallenge(tp);
    mibInc(Mib.TcpExtPAWSEstab);
    dropCount(Drop.TCP_RFC7323_PAWS);
    if (!oowLimited(tp)) sendDupack(tp);
    return false;
  }
  if (tp.tfo & Tfo.PENDING && (IN.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) == TcpFlag.SYN && IN.seq == tp.irs) {
    if (!oowLimited(tp)) fastopenSynAgain(tp);
    return false;
  }
  if (seqLt(IN.end, tp.rcvWup) || seqGt(IN.seq, tp.rcvNxt + receiveWindow(tp))) {
    if (!rst) {
      if (IN.has(TcpFlag.SYN)) return synChallenge(tp);
      dropCount(seqLt(IN.end, tp.rcvWup) ? Drop.TCP_OLD_SEQUENCE : Drop.TCP_INVALID_SEQUENCE);
      if (!oowLimited(tp)) sendDupack(tp);
    } else if (resetAfterFin(tp)) reset(tp);
    else dropCount(Drop.TCP_INVALID_SEQUENCE);
    return false;
  }
  if (rst) {
    if (IN.seq == tp.rcvNxt || resetAfterFin(tp) || IN.seq == sackedEdge(tp)) reset(tp);
    else {
      if (tp.established) fastopenReset(tp);
      challengeAck(tp);
      dropCount(Drop.TCP_RESET);
    }
    return false;
  }
  if (IN.has(TcpFlag.SYN)) {
    // The SYN-ACK of a simultaneous open (RFC 9293 figure 8).
    const opening = tp.sk.state == <u8>TcpState.SYN_RECV && !tp.unaccepted && !(tp.tfo & Tfo.PENDING);
    const crossing = opening && IN.has(TcpFlag.ACK) && IN.seq + 1 == IN.end && IN.end == tp.rcvNxt &&
      (IN.ack == tp.sndNxt || IN.ack == tp.iss + 1); // data in our SYN is not taken in such a crossing
    return crossing || synChallenge(tp);
  }
  if (!IN.has(TcpFlag.ACK)) {
    dropCount(Drop.TCP_FLAGS);
    return false;
  }
  return true;
}

/** RFC 5961 3.2 in Linux's reading: the right edge of the highest block we sacked; RCV.NXT without blocks. */
function sackedEdge(tp: Tcb): u32 {
  let edge = tp.rcvNxt;
  for (let i: u32 = 0; i < tp.nsacks; i++) if (seqGt(tp.sack(i).end, edge)) edge = tp.sack(i).end;
  return edge;
}
