// TCP Fast Open, the active side (RFC 7413 4.1.3, 4.2): the cookies of servers, what a SYN may carry, what its answer says
// about the path, and the pause when middleboxes swallow such connections (Linux's tcp_fastopen_blackhole_timeout_sec).
import { addrCopy, addrEqual, addrIsV4, addrV4, v4IsLoopback, v6IsLoopback } from "../../lib/addr";
import { Mib, mibInc } from "../../core/mib";
import { Skb } from "../../core/skb";
import { Sysctl, sysctl } from "../../core/sysctl";
import { SEC, now } from "../../core/time";
import { TCP_HLEN, TCP_MAX_OPTIONS, TFO_COOKIE_MAX } from "../../wire/tcp";
import { dataQueue } from "./data";
import { mtuToMss, syncMss } from "./mss";
import { nonCongestionLoss } from "./recovery";
import { IN, OPT } from "./segin";
import { Seg, segFirst, segMarkLost, segNext } from "./segment";
import { Tcb, Tfo, TfoFail } from "./tcp";

/** Bits of net.ipv4.tcp_fastopen. */
export const enum FastopenMode {
  CLIENT = 1,
  SERVER = 2,
  /** Data in the SYN although there is no cookie. */
  CLIENT_NO_COOKIE = 4,
  /** Data in the SYN is taken without a cookie. */
  SERVER_NO_COOKIE = 0x200,
  /** Listeners need not ask with TCP_FASTOPEN. */
  SERVER_ALL = 0x400,
}

/** The Fast Open option of the SYN or SYN-ACK being made; it says nothing unless `on`, and without bytes asks for a cookie. */
@unmanaged @final export class FastopenOption {
  on: bool;
  len: u32;
  c0: u64; c1: u64;
  @inline get cookie(): usize { return changetype<usize>(this) + offsetof<FastopenOption>("c0"); }
}
export const FO = changetype<FastopenOption>(memory.data(offsetof<FastopenOption>(), 8));

/** What is known of a server at one of our addresses. */
@unmanaged @final class Server {
  l0: u64; l1: u64;
  r0: u64; r1: u64;
  c0: u64; c1: u64;
  /** Order of use; 0 = free. */
  used: u64;
  /** ns. */
  lastLoss: u64;
  /** Bytes of cookie. */
  len: u8;
  /** SYNs lost in a row. */
  losses: u8;
  /** The MSS it announces, 0 = unknown. */
  mss: u16;
  @inline get laddr(): usize { return changetype<usize>(this) + offsetof<Server>("l0"); }
  @inline get raddr(): usize { return changetype<usize>(this) + offsetof<Server>("r0"); }
  @inline get cookie(): usize { return changetype<usize>(this) + offsetof<Server>("c0"); }
}
/** Servers remembered; the one not used for the longest time gives way. */
const SERVERS: u32 = 256;
const CACHE: usize = memory.data(256 * 72, 8);

@unmanaged @final class State {
  /** Counts uses of the cache. */
  clock: u64;
  /** When a black hole was last suspected, ns, and how often in a row. */
  pausedAt: u64;
  pauses: u32;
}
const S = changetype<State>(memory.data(offsetof<State>(), 8));
/** RFC 7413 4.1.3.1: so long without Fast Open after the second SYN lost in a row, doubled with each further one. */
const LOSS_PAUSE: u64 = 60 * SEC;
const LOSSES_MAX: u32 = 10;
/** The pause after a black hole doubles so many times. */
const PAUSE_SHIFT: u32 = 6;

@inline function at(i: u32): Server { return changetype<Server>(CACHE + <usize>i * offsetof<Server>()); }

// The record of the two addresses; without one null, or with `make` the least recently used, emptied.
function server(laddr: usize, raddr: usize, make: bool): Server | null {
  let oldest = at(0);
  for (let i: u32 = 0; i < SERVERS; i++) {
    const s = at(i);
    if (s.used && addrEqual(s.raddr, raddr) && addrEqual(s.laddr, laddr)) {
      s.used = ++S.clock;
      return s;
    }
    if (s.used < oldest.used) oldest = s;
  }
  if (!make) return null;
  memory.fill(changetype<usize>(oldest), 0, offsetof<Server>());
  addrCopy(oldest.laddr, laddr);
  addrCopy(oldest.raddr, raddr);
  oldest.used = ++S.clock;
  return oldest;
}

function lost(tp: Tcb): void {
  const s = server(tp.flow.src, tp.flow.dst, true)!;
  s.losses = <u8>min<u32>(<u32>s.losses + 1, LOSSES_MAX);
  s.lastLoss = now();
}

/**
 * May the SYN of `tp` carry data? FO is what it says: the cookie, the request for one, or nothing. The MSS of `tp` becomes the one that the
 * server announced the last time.
 */
export function fastopenCheck(tp: Tcb): bool {
  FO.on = false;
  FO.len = 0;
  if (tp.auth || paused(tp)) return false; // a signature leaves no room for the option
  const s = server(tp.flow.src, tp.flow.dst, false);
  if (s && s.mss) {
    tp.mssClamp = tp.userMss ? min<u32>(s.mss, tp.userMss) : s.mss;
    syncMss(tp, tp.flow.mtu);
  }
  if (tp.tfoNoCookie || sysctl(Sysctl.TCP_FASTOPEN) & FastopenMode.CLIENT_NO_COOKIE) return true;
  if (s && s.losses > 1 && now() - s.lastLoss < LOSS_PAUSE << s.losses) return false;
  FO.on = true;
  if (s && s.len) {
    FO.len = s.len;
    memory.copy(FO.cookie, s.cookie, TFO_COOKIE_MAX);
    return true;
  }
  tp.tfoFail = <u8>TfoFail.COOKIE_UNAVAILABLE;
  return false;
}

/** Bytes of data that the SYN of `tp` takes: all options there may be leave room for them (RFC 7413 4.1.3). */
export function fastopenSpace(tp: Tcb): u32 {
  const mss = mtuToMss(tp, tp.flow.mtu) + (tp.tcpHeaderLen - TCP_HLEN);
  return mss > TCP_MAX_OPTIONS ? mss - TCP_MAX_OPTIONS : 0;
}

/**
 * The SYN-ACK in IN answers a SYN with the option or with data (RFC 7413 4.2.2 "Receiving SYN-ACK"; Linux's tcp_rcv_fastopen_synack).
 * True when data of the SYN was not taken: it is on its way again, with the ACK.
 */
export function fastopenSynAck(tp: Tcb, skb: Skb): bool {
  const data = tp.tfo & Tfo.DATA && segFirst(tp) != null;
  const cookie = OPT.hasFo && OPT.foLen && tp.tfo & Tfo.OPTION;
  if (cookie) {
    const s = server(tp.flow.src, tp.flow.dst, true)!;
    s.len = OPT.foLen;
    memory.copy(s.cookie, OPT.fo, OPT.foLen);
  }
  // Only a SYN without option can have had this answer: the first one, or what came of it, was lost.
  if (tp.totalRetrans && tp.tfo & Tfo.OPTION && !OPT.hasFo && data) lost(tp);
  else {
    const s = server(tp.flow.src, tp.flow.dst, false);
    if (s) {
      s.losses = 0;
      s.mss = OPT.mss;
    }
  }
  if (data) {
    tp.tfoFail = <u8>(tp.totalRetrans ? TfoFail.SYN_RETRANSMITTED : TfoFail.DATA_NOT_ACKED);
    mibInc(Mib.TcpExtTCPFastOpenActiveFail);
    let s: Seg | null = segFirst(tp);
    while (s) {
      segMarkLost(tp, s);
      s = segNext(tp, s);
    }
    nonCongestionLoss(tp);
    return true;
  }
  if (tp.tfo & Tfo.DATA) {
    tp.tfo |= Tfo.ACKED;
    mibInc(Mib.TcpExtTCPFastOpenActive);
    if (tp.delivered > 1) tp.delivered--; // SYN and data were one packet
  }
  if (IN.len) dataQueue(tp, skb, IN.headerLen, IN.seq + 1, IN.len, false, IN.size);
  return false;
}

/** No answer at all: the next attempt does without for a while, if that has happened before (RFC 7413 4.1.3.1). */
export function fastopenNoAnswer(tp: Tcb): void {
  if (tp.tfo & (Tfo.OPTION | Tfo.DATA)) lost(tp);
}

// ---- black holes ----
function paused(tp: Tcb): bool {
  const timeout = sysctl(Sysctl.TCP_FASTOPEN_BLACKHOLE_TIMEOUT);
  if (!timeout || !S.pauses) return false;
  if (now() - S.pausedAt < (<u64>timeout * SEC) << min(S.pauses - 1, PAUSE_SHIFT)) return true;
  tp.tfo |= Tfo.CHECK;
  return false;
}

function pause(): void {
  if (!sysctl(Sysctl.TCP_FASTOPEN_BLACKHOLE_TIMEOUT)) return;
  S.pausedAt = now();
  S.pauses++;
}

/** A connection with Fast Open times out again, or (`expired`) for good: with the third timeout in a row all of them pause. */
export function fastopenTimeout(tp: Tcb, expired: bool): void {
  if (!(tp.tfo & (Tfo.OPTION | Tfo.DATA))) return;
  if (tp.retransmits != 2 && (tp.retransmits > 2 || !expired)) return;
  pause();
  mibInc(Mib.TcpExtTCPFastOpenBlackhole);
}

/** A RST beside the window is all that came after the handshake: so do some middleboxes. */
export function fastopenReset(tp: Tcb): void {
  if (tp.tfo & Tfo.OPTION && !tp.dataSegsIn) pause();
}

/** The connection is freed. A FIN above missing data and nothing else is a middlebox's answer; data after a pause ends the suspicion. */
export function fastopenEnd(tp: Tcb): void {
  if (!(tp.tfo & Tfo.OPTION)) return;
  if (!tp.dataSegsIn) {
    if (tp.ofoFin && !tp.ofoFirst) pause();
  } else if (tp.tfo & Tfo.CHECK && !isLoopback(tp.flow.dst)) S.pauses = 0;
}

function isLoopback(addr: usize): bool { return addrIsV4(addr) ? v4IsLoopback(addrV4(addr)) : v6IsLoopback(addr); }
