// Segments sent without a connection record: RST for nobody's segment (RFC 9293 3.10.7.1), ACKs on behalf of
// TIME_WAIT and of a request.
import { addrCopy, addrIsV4, v6IsLinkLocal } from "../../lib/addr";
import { Mib, mibInc } from "../../core/mib";
import { Skb, skbAlloc, skbFree } from "../../core/skb";
import { FLOW_ANYSRC, FLOW_FOREIGN_SRC, Flow, flowRoute, ipOutput } from "../../network/flow";
import { AuthOption, IPPROTO_TCP, TCP_HLEN, TCP_MAX_HLEN, TcpFlag, TcpHeader, putOptTimestamps } from "../../wire/tcp";
import { authLength, authPut, authSign } from "./auth/sign";
import { checksumPartial, flowPseudo } from "./emit";
import { IN, OPT } from "./segin";

const FLOW = changetype<Flow>(memory.data(offsetof<Flow>(), 8));

/** A flow answering from `laddr` to `raddr`; null when there is no route. Valid until the next call. */
export function replyFlow(laddr: usize, raddr: usize, ifindex: u32, tos: u8): Flow | null {
  const f = FLOW;
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  addrCopy(f.src, laddr);
  addrCopy(f.dst, raddr);
  f.proto = <u8>IPPROTO_TCP;
  f.tos = tos;
  f.pmtudisc = 1;
  if (!addrIsV4(raddr) && v6IsLinkLocal(raddr)) f.oif = ifindex;
  if (flowRoute(f) < 0) return null;
  f.flags &= ~(FLOW_ANYSRC | FLOW_FOREIGN_SRC);
  return f;
}

/** Send an empty segment over `f`, with timestamps when `hasTs`, signed by the keys of `auth` (0: none). */
export function replySend(f: Flow, lport: u32, rport: u32, seq: u32, ack: u32, flags: u32, window: u32, hasTs: bool, tsval: u32, tsecr: u32, auth: usize): void {
  const skb = skbAlloc(TCP_MAX_HLEN);
  if (!skb) return;
  const th = TcpHeader.at(skb.put(TCP_HLEN));
  if (hasTs) putOptTimestamps(skb.put(12), tsval, tsecr, false);
  th.sport = lport;
  th.dport = rport;
  th.seq = seq;
  th.ack = ack;
  th.headerLen = skb.len;
  th.flags = flags;
  th.window = window;
  th.urgent = 0;
  sendReply(skb, f, th, auth);
}

/** Sign (with the keys of `auth`, 0: none), checksum and send a finished header without payload. */
export function sendReply(skb: Skb, f: Flow, th: TcpHeader, auth: usize): void {
  skb.trans = th.ptr;
  const n = authLength(auth, f.dst);
  if (n < 0) {
    skbFree(skb);
    return;
  }
  if (n) {
    authPut(auth, f.dst, skb.put(n));
    th.headerLen = skb.len;
    authSign(skb, f);
  }
  checksumPartial(skb, th.ptr, flowPseudo(f, skb.total));
  mibInc(Mib.TcpOutSegs);
  ipOutput(skb, f);
}

/** RST in answer to the segment in IN. */
export function replyReset(): void {
  // Without the sequence numbers that TCP-AO signs with nothing can be said (RFC 5925 7.7).
  if (IN.has(TcpFlag.RST) || (OPT.auth == <u32>AuthOption.AO && !IN.auth)) return;
  const f = replyFlow(IN.daddr, IN.saddr, IN.ifindex, 0);
  if (!f) return;
  mibInc(Mib.TcpOutRsts);
  if (IN.has(TcpFlag.ACK)) replySend(f, IN.dport, IN.sport, IN.ack, 0, TcpFlag.RST, 0, false, 0, 0, IN.auth);
  else replySend(f, IN.dport, IN.sport, 0, IN.end, TcpFlag.RST | TcpFlag.ACK, 0, false, 0, 0, IN.auth);
}
