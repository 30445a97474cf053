// ICMP errors about our segments (RFC 9293 3.9.2.2, RFC 5461, RFC 5927) and path MTU changes (RFC 1191, RFC 8201).
import { Errno } from "../../abi";
import { addrCopy, addrIsV4, addrSetV4 } from "../../lib/addr";
import { be16, be32 } from "../../lib/bytes";
import { seqGt, seqLt } from "../../lib/seq";
import { Mib, mibInc } from "../../core/mib";
import { Skb } from "../../core/skb";
import { Sock, SockFlag, sockError } from "../../core/sock";
import { now } from "../../core/time";
import { pmtuLearn } from "../../network/fib";
import { flowRoute } from "../../network/flow";
import { ORIGIN_ICMP, ORIGIN_ICMP6, errorQueue } from "../datagram";
import { authIgnoresIcmp } from "./auth/check";
import { currentMss, syncMss } from "./mss";
import { nonCongestionLoss } from "./recovery";
import { Request, requestDrop } from "./request";
import { segFirst, segMarkLost, segNext } from "./segment";
import { tcpFail } from "./state";
import { MiniKind, connFind, connHash, miniFind } from "./table";
import { Pending, Tcb, TcpState, Tfo, tcb } from "./tcp";
import { rtxArm } from "./timer";

const LOCAL: usize = memory.data(16, 8);
const REMOTE: usize = memory.data(16, 8);
const OFFENDER: usize = memory.data(16, 8);

/** TransportError of protocol 6. */
export function tcpError(skb: Skb, errno: u32, type: u32, code: u32, info: u32): void {
  const ip = skb.data, th = skb.trans;
  if (load<u8>(ip) >> 4 == 4) {
    addrSetV4(LOCAL, be32(ip + 12));
    addrSetV4(REMOTE, be32(ip + 16));
  } else {
    addrCopy(LOCAL, ip + 8);
    addrCopy(REMOTE, ip + 24);
  }
  const lport = be16(th), rport = be16(th + 2), seq = be32(th + 4);
  const h = connHash(LOCAL, REMOTE, lport, rport);
  const sk = connFind(h, LOCAL, REMOTE, lport, rport, 0);
  if (!sk) {
    const m = miniFind(h, LOCAL, REMOTE, lport, rport, 0);
    if (!m) mibInc(addrIsV4(REMOTE) ? Mib.IcmpInErrors : Mib.Icmp6InErrors);
    else if (m.kind == MiniKind.REQUEST && errno != Errno.EMSGSIZE) {
      // Only errors that name the network or host, about the SYN-ACK itself.
      const r = changetype<Request>(m);
      if (seq == r.sndIsn && (errno == Errno.EHOSTUNREACH || errno == Errno.ENETUNREACH || errno == Errno.EPROTO)) {
        mibInc(Mib.TcpExtListenDrops);
        requestDrop(r);
      }
    }
    return;
  }
  const tp = tcb(sk);
  if (tp.auth && authIgnoresIcmp(tp, addrIsV4(REMOTE), type, code)) return;
  // RFC 5927 4.1: the quoted segment must be in flight.
  if (seqLt(seq, tp.tfo & Tfo.PENDING ? tp.iss : tp.sndUna) || seqGt(seq, tp.sndNxt)) return;
  if (errno == Errno.EMSGSIZE) {
    pmtuLearn(REMOTE, info);
    mtuReduced(tp);
    return;
  }
  const recverr = sk.has(addrIsV4(sk.raddr) ? SockFlag.RECVERR : SockFlag.RECVERR6);
  if (sk.state == <u8>TcpState.SYN_SENT || (sk.state == <u8>TcpState.SYN_RECV && (tp.tfo & Tfo.PENDING ? tp.unaccepted : !tp.unaccepted))) {
    if (recverr) tellConnecting(sk, skb, errno, type, code, info);
    tcpFail(tp, errno);
    return;
  }
  revertBackoff(tp, seq, errno);
  // RFC 1122 4.2.3.9 allows an abort for some, but anybody could send them: an error only if the connection dies of it.
  if (recverr) sockError(sk, errno);
  else sk.errSoft = errno;
}

// MSG_ERRQUEUE of a socket that connects; as on Linux what is quoted begins with the TCP header.
function tellConnecting(sk: Sock, skb: Skb, errno: u32, type: u32, code: u32, info: u32): void {
  const v4 = load<u8>(skb.net) >> 4 == 4;
  if (v4) addrSetV4(OFFENDER, be32(skb.net + 12));
  else addrCopy(OFFENDER, skb.net + 8);
  errorQueue(sk, errno, v4 ? ORIGIN_ICMP : ORIGIN_ICMP6, type, code, info, REMOTE, sk.rport, OFFENDER, skb.trans, <u32>(skb.tail - skb.trans));
}

// RFC 6069: an unreachable network explains the silence; the RTO need not stay backed off.
function revertBackoff(tp: Tcb, seq: u32, errno: u32): void {
  if ((errno != Errno.EHOSTUNREACH && errno != Errno.ENETUNREACH) || seq != tp.sndUna || !tp.retransmits || !tp.backoff) return;
  const s = segFirst(tp);
  if (!s || tp.pending != Pending.RETRANS) return;
  tp.backoff--;
  tp.rto = max<u64>(tp.rto >> 1, 200_000_000);
  const due = s.time + tp.rto, t = now();
  rtxArm(tp, Pending.RETRANS, due > t ? due - t : 1);
}

/** The path MTU has shrunk: what is in flight and too big is lost; send it again in smaller pieces, with the window as it is. */
export function mtuReduced(tp: Tcb): void {
  const sk = tp.sk;
  if (sk.state == <u8>TcpState.LISTEN || sk.state == <u8>TcpState.CLOSE) return;
  if (flowRoute(tp.flow) < 0 || tp.flow.mtu >= tp.pmtu) return;
  sk.errSoft = Errno.EMSGSIZE;
  syncMss(tp, tp.flow.mtu);
  const mss = currentMss(tp);
  let s = segFirst(tp);
  while (s) {
    // A SYN and its data are one packet.
    if (min(s.mss, s.len) > mss || (sk.state == <u8>TcpState.SYN_SENT && tp.tfo & Tfo.DATA)) segMarkLost(tp, s);
    s = segNext(tp, s);
  }
  tp.retransHint = 0;
  if (!tp.lostOut) return;
  nonCongestionLoss(tp);
}
