// A connection's state at creation, and at the moment it becomes established.
import { addrCopy, addrIsV4 } from "../../lib/addr";
import { Sock, SockFlag } from "../../core/sock";
import { MS, US, now } from "../../core/time";
import { FLOW_DONTROUTE, FLOW_FOREIGN_SRC } from "../../network/flow";
import { IPPROTO_TCP, TCP_HLEN } from "../../wire/tcp";
import { caInit } from "./congestion/congestion";
import { sndbufExpand, syncMss } from "./mss";
import { mtupInit } from "./mtu_probe";
import { paceInit } from "./pacing";
import { rttInit } from "./rtt";
import { Ca, DEFAULT_REORDERING, INFINITE_SSTHRESH, INIT_CWND, MSS_DEFAULT, Tcb } from "./tcp";
import { keepaliveUpdate, timersInit } from "./timer";
import { DEFAULT_SCALING_RATIO, initBufferSpace } from "./window";

/** RFC 6298 5.7: after a handshake without an RTT sample. */
const RTO_FALLBACK: u64 = 3000 * MS;

/** Defaults of a new control block. */
export function tcbSetup(tp: Tcb): void {
  timersInit(tp);
  rttInit(tp);
  tp.cwnd = INIT_CWND;
  tp.cwndClamp = u32.MAX_VALUE;
  tp.ssthresh = INFINITE_SSTHRESH;
  tp.mssCache = MSS_DEFAULT;
  tp.mssClamp = MSS_DEFAULT;
  tp.rcvMss = MSS_DEFAULT;
  tp.scalingRatio = DEFAULT_SCALING_RATIO;
  tp.tcpHeaderLen = TCP_HLEN;
  tp.reordering = DEFAULT_REORDERING;
  tp.rackReoSteps = 1;
  tp.appLimited = u32.MAX_VALUE;
  tp.caState = <u32>Ca.OPEN;
}

/** Fill the flow from the socket's addresses and options (not routed yet). */
export function flowSetup(tp: Tcb, sk: Sock): void {
  const f = tp.flow;
  addrCopy(f.src, sk.laddr);
  addrCopy(f.dst, sk.raddr);
  // An unbound source must be of the destination's family.
  if (addrIsV4(f.dst) && !addrIsV4(f.src)) addrAnyV4(f.src);
  f.oif = sk.boundIf;
  f.proto = <u8>IPPROTO_TCP;
  f.flags = sk.has(SockFlag.DONTROUTE) ? FLOW_DONTROUTE : 0;
  if (sk.has(SockFlag.TRANSPARENT) || sk.has(SockFlag.FREEBIND)) f.flags |= FLOW_FOREIGN_SRC;
  flowOptions(tp, sk);
}
@inline function addrAnyV4(p: usize): void {
  store<u64>(p, 0);
  store<u64>(p, 0x00000000ffff0000, 8);
}

/** Options that may change during the connection. */
export function flowOptions(tp: Tcb, sk: Sock): void {
  const f = tp.flow;
  if (f.isV4) {
    f.tos = sk.tos & 0xfc;
    f.ttl = sk.ttl;
    f.pmtudisc = sk.pmtudisc;
  } else {
    f.tos = sk.tclass & 0xfc;
    f.ttl = sk.hopLimit < 0 ? 0 : <u8>sk.hopLimit;
    f.pmtudisc = sk.pmtudisc6;
    f.flowLabel = sk.flowLabel;
  }
  f.mark = sk.mark;
}

/** The handshake is complete: congestion window, buffers, timers (Linux's tcp_init_transfer). */
export function initTransfer(tp: Tcb): void {
  mtupInit(tp);
  syncMss(tp, tp.flow.mtu);
  if (!tp.srtt) {
    tp.rttvar = <u32>(RTO_FALLBACK / US);
    tp.mdev = tp.rttvar;
    tp.mdevMax = tp.rttvar;
    tp.rto = RTO_FALLBACK;
  }
  // RFC 5681 3.1 after a lost SYN; one retransmission is forgiven (RFC 6298 lowered the first RTO).
  tp.cwnd = tp.totalRetrans > 1 && tp.undoMarker ? 1 : INIT_CWND;
  tp.cwndStamp = <u32>(now() / MS);
  paceInit(tp);
  caInit(tp);
  initBufferSpace(tp);
  sndbufExpand(tp.sk, tp);
  if (tp.sk.has(SockFlag.KEEPALIVE)) keepaliveUpdate(tp);
}
