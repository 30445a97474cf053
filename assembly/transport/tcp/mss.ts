// Segment sizes: from the path MTU (RFC 9293 3.7.1, RFC 6691, RFC 1191), the peer's MSS option and our options.
import { caSndbufExpand } from "./congestion/congestion";
import { roundPow2 } from "./window";
import { Flow, ipHeaderLen } from "../../network/flow";
import { TCPOLEN_TSTAMP_ALIGNED, TCP_HLEN, TCP_MAX_OPTIONS } from "../../wire/tcp";
import { Sock, SockFlag } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { MIN_SND_MSS, MSS_DEFAULT, Tcb } from "./tcp";

/** The MSS to announce over `f`, bytes: what the link takes in (RFC 9293 3.7.1, RFC 1191 3.1), whatever the path towards the peer. */
export function receiveMss(f: Flow, userMss: u32): u32 {
  const hdr = ipHeaderLen(f) + TCP_HLEN;
  const mss = min<u32>(f.linkMtu > hdr + 8 ? f.linkMtu - hdr : MSS_DEFAULT, 65535 - hdr);
  return userMss ? min(mss, userMss) : mss;
}
export function advertisedMss(tp: Tcb): u32 { return receiveMss(tp.flow, tp.userMss); }

/** Payload of a segment that fills `mtu` bytes of IP packet, options of every segment taken off. */
export function mtuToMss(tp: Tcb, mtu: u32): u32 {
  const fixed = ipHeaderLen(tp.flow) + TCP_HLEN;
  let mss = mtu > fixed ? mtu - fixed : 0;
  if (tp.mssClamp) mss = min(mss, tp.mssClamp);
  return max(mss, MIN_SND_MSS) - (tp.tcpHeaderLen - TCP_HLEN);
}
export function mssToMtu(tp: Tcb, mss: u32): u32 { return mss + tp.tcpHeaderLen + ipHeaderLen(tp.flow); }

/** The path MTU is `pmtu` now: recompute the sending MSS. RFC 1122 4.2.2.6; at most half of the peer's window in one segment. */
export function syncMss(tp: Tcb, pmtu: u32): void {
  if (tp.mtupHigh > pmtu) tp.mtupHigh = pmtu;
  let mss = mtuToMss(tp, pmtu);
  const cutoff = tp.maxWindow > MSS_DEFAULT ? tp.maxWindow >> 1 : tp.maxWindow;
  if (cutoff && mss > cutoff) mss = max(cutoff, 68 - tp.tcpHeaderLen);
  tp.pmtu = pmtu;
  if (tp.mtupEnabled) mss = min(mss, mtuToMss(tp, tp.mtupLow));
  tp.mssCache = mss;
}

/** The MSS of the next segment: SACK blocks that must ride on it take room. */
export function currentMss(tp: Tcb): u32 {
  if (tp.flow.mtu != tp.pmtu && tp.flow.mtu) syncMss(tp, tp.flow.mtu);
  const blocks = sackBlocks(tp);
  const sack: u32 = blocks ? 4 + 8 * blocks : 0;
  return tp.mssCache > sack + 8 ? tp.mssCache - sack : tp.mssCache;
}

/** Header length of data segments, after negotiation. */
export function headerLenSet(tp: Tcb): void { tp.tcpHeaderLen = TCP_HLEN + (tp.tsOk ? TCPOLEN_TSTAMP_ALIGNED : 0) + tp.authLen; }

/** SACK blocks that the next segment carries: all there are, as far as the other options leave room (RFC 2018 3). */
export function sackBlocks(tp: Tcb): u32 {
  if (!tp.sackOk) return 0;
  const n = min<u32>(tp.nsacks + (tp.dsack ? 1 : 0), tp.tsOk ? 3 : 4);
  if (!n || !tp.authLen) return n;
  const used = tp.tcpHeaderLen - TCP_HLEN + 4;
  return min(n, used < TCP_MAX_OPTIONS ? (TCP_MAX_OPTIONS - used) >> 3 : 0);
}

/** A first guess of the peer's segment size, for delayed ACKs. */
export function initRcvMss(tp: Tcb): void {
  let hint = min(tp.advmss, tp.mssCache);
  hint = min(hint, tp.rcvWnd >> 1);
  hint = min(hint, MSS_DEFAULT);
  tp.rcvMss = max(hint, 88);
}

/** Send buffer for the current window: twice what is in flight, counted as Linux counts memory (tcp_wmem). */
export function sndbufExpand(sk: Sock, tp: Tcb): void {
  if (sk.has(SockFlag.SNDBUF_LOCK)) return;
  const perMss = roundPow2(max<u32>(tp.mssClamp, tp.mssCache) + 640) + 256;
  const packets = max(max<u32>(10, tp.cwnd), tp.reordering + 1);
  const want = <u64>perMss * packets * caSndbufExpand(tp);
  if (sk.sndbuf < want) sk.sndbuf = <u32>min<u64>(want, max(sysctl(Sysctl.TCP_WMEM_MAX), sk.sndbuf));
}
