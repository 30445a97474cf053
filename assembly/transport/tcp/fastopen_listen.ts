// TCP Fast Open, the passive side (RFC 7413 4.1.2, 4.2): cookies, and children that a SYN makes at once. Such a child is in
// SYN_RECV with Tfo.PENDING until its SYN-ACK is acknowledged; it can be accepted, read and written before that.
import { Poll } from "../../abi";
import { addrIsV4 } from "../../lib/addr";
import { sipHash } from "../../lib/hash";
import { Mib, mibInc } from "../../core/mib";
import { Skb } from "../../core/skb";
import { Sock, SockKind, sockOf, sockWake } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { SEC, US, now } from "../../core/time";
import { TcpFlag } from "../../wire/tcp";
import { aceReflect } from "./accecn";
import { dataQueue } from "./data";
import { emit } from "./emit";
import { FO, FastopenMode } from "./fastopen";
import { fastopenSecret } from "./isn";
import { acceptPush, createChild } from "./listen";
import { advertisedMss } from "./mss";
import { enterLoss } from "./recovery";
import { Request } from "./request";
import { minRttUpdate, rttSample, rtoSet, tsNow } from "./rtt";
import { IN, OPT } from "./segin";
import { initTransfer } from "./setup";
import { tcpTimeout } from "./state";
import { Ca, Ecn, Pending, RTO_INIT, Tcb, TcpState, Tfo, tcb } from "./tcp";
import { rtxArm, rtxRearm } from "./timer";
import { tryUndoRecovery } from "./undo";

/** Length of our cookies: one SipHash. */
const COOKIE_LEN: u32 = 8;
/** RFC 7413 5.1: a child that was reset counts as pending for one to two of these. */
const RESET_PERIOD: u64 = 60 * SEC;
const KEY: usize = memory.data(32, 8);
const INPUT: usize = memory.data(32, 8);

/** What a listener makes of a SYN. */
export const enum FastopenSyn {
  /** An ordinary request. */
  PLAIN,
  /** An ordinary request whose SYN-ACK carries the cookie in FO. */
  OFFER,
  /** A child, at once. */
  OPEN,
}

// ---- keys and cookies ----

/** The keys in force for listener `lt` at KEY, or with `lt` null those of the stack; how many bytes, 16 or 32. */
export function fastopenKeys(lt: Tcb | null): u32 {
  if (lt && lt.tfoKeys) {
    memory.copy(KEY, changetype<usize>(lt) + offsetof<Tcb>("tfoKey0"), 32);
    return lt.tfoKeys << 4;
  }
  let first: u32 = 0, second: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    const w = sysctl(Sysctl.TCP_FASTOPEN_KEY0 + i);
    store<u32>(KEY + (i << 2), w);
    if (i < 4) first |= w;
    else second |= w;
  }
  if (!first) fastopenSecret(KEY);
  return second ? 32 : 16;
}
/** Where fastopenKeys leaves them. */
export function fastopenKeyBytes(): usize { return KEY; }

/** TCP_FASTOPEN_KEY: `len` bytes at `p`, one key or two. False for any other length. */
export function fastopenSetKeys(tp: Tcb, p: usize, len: u32): bool {
  if (len != 16 && len != 32) return false;
  memory.copy(changetype<usize>(tp) + offsetof<Tcb>("tfoKey0"), p, len);
  tp.tfoKeys = len >> 4;
  return true;
}

// The cookie of the peer of the SYN in IN under key `i`, as Linux makes it: servers that share a key share cookies.
function cookie(i: u32): u64 {
  let n: u32 = 32;
  if (addrIsV4(IN.saddr)) {
    store<u32>(INPUT, load<u32>(IN.saddr, 12));
    store<u32>(INPUT, load<u32>(IN.daddr, 12), 4);
    n = 8;
  } else {
    memory.copy(INPUT, IN.saddr, 16);
    memory.copy(INPUT + 16, IN.daddr, 16);
  }
  return sipHash(INPUT, n, load<u64>(KEY + (i << 4)), load<u64>(KEY + (i << 4), 8));
}
function offer(): void {
  FO.on = true;
  FO.len = COOKIE_LEN;
  store<u64>(FO.cookie, cookie(0));
}

// ---- SYNs ----

/** Too many children pending, those counted that were reset lately? */
function queueFull(lt: Tcb): bool {
  const age = now() - lt.tfoResetSince;
  if (age >= RESET_PERIOD) {
    lt.tfoResetsBefore = age < 2 * RESET_PERIOD ? lt.tfoResets : 0;
    lt.tfoResets = 0;
    lt.tfoResetSince = now();
  }
  return lt.tfoPending + lt.tfoResets + lt.tfoResetsBefore >= lt.tfoMax;
}

/** What becomes of the SYN in IN for listener `lsk` (Linux's tcp_try_fastopen); FO is the option of the answer. */
export function fastopenSyn(lsk: Sock): FastopenSyn {
  const lt = tcb(lsk);
  const mode = sysctl(Sysctl.TCP_FASTOPEN);
  FO.on = false;
  if (OPT.hasFo && !OPT.foLen) mibInc(Mib.TcpExtTCPFastOpenCookieReqd);
  if (!(mode & FastopenMode.SERVER) || (!IN.len && !OPT.hasFo) || !lt.tfoMax || lt.deferSyn || lt.auth) return FastopenSyn.PLAIN;
  if (queueFull(lt)) {
    mibInc(Mib.TcpExtTCPFastOpenListenOverflow);
    return FastopenSyn.PLAIN;
  }
  if (mode & FastopenMode.SERVER_NO_COOKIE || lt.tfoNoCookie) return FastopenSyn.OPEN;
  if (!OPT.hasFo) return FastopenSyn.PLAIN;
  const keys = fastopenKeys(lt) >> 4;
  if (OPT.foLen == COOKIE_LEN) {
    const given = load<u64>(OPT.fo);
    if (given == cookie(0)) return FastopenSyn.OPEN;
    if (keys > 1 && given == cookie(1)) {
      mibInc(Mib.TcpExtTCPFastOpenPassiveAltKey);
      offer();
      return FastopenSyn.OPEN;
    }
  }
  if (OPT.foLen) mibInc(Mib.TcpExtTCPFastOpenPassiveFail);
  offer();
  return FastopenSyn.OFFER;
}

/** A child of request `r` (which lives on the stack), with the data of the SYN in IN; its SYN-ACK has been sent. False without memory. */
export function fastopenOpen(r: Request, skb: Skb): bool {
  const lsk = r.listener, lt = tcb(lsk);
  r.sent = 0; // no round trip is known yet
  const tp = createChild(r);
  if (!tp) {
    mibInc(Mib.TcpExtTCPFastOpenPassiveFail);
    return false;
  }
  mibInc(Mib.TcpExtTCPFastOpenPassive);
  tp.tfo = Tfo.PENDING;
  tp.tfoListener = lsk.handle;
  tp.tfoSent = now();
  lt.tfoPending++;
  initTransfer(tp);
  if (IN.len) {
    dataQueue(tp, skb, IN.headerLen, IN.seq + 1, IN.len, false, IN.size);
    if (tp.rcvNxt != r.rcvIsn + 1) tp.tfo |= Tfo.ACKED;
  }
  tp.rcvWup = tp.rcvNxt;
  rtxArm(tp, Pending.RETRANS, RTO_INIT);
  synAck(tp);
  FO.on = false;
  acceptPush(lt, tp);
  sockWake(lsk, Poll.IN);
  return true;
}

// The window of a SYN-ACK is not scaled, its MSS option leaves the other options alone.
function synAck(tp: Tcb): void {
  const mss = tp.advmss;
  tp.advmss = advertisedMss(tp);
  emit(tp, tp.iss, TcpFlag.SYN | TcpFlag.ACK | (tp.ecn & Ecn.ACC ? aceReflect(tp.ecnBefore) : tp.ecn & Ecn.OK ? <u32>TcpFlag.ECE : 0), 0, 0, 0);
  tp.advmss = mss;
}

/** The peer repeats its SYN: so is the answer. */
export function fastopenSynAgain(tp: Tcb): void {
  tp.tfoSent = 0;
  tp.totalRetrans++;
  synAck(tp);
}

/** The SYN-ACK was not acknowledged in time (Linux's tcp_fastopen_synack_timer). Nothing else is repeated before it is. */
export function fastopenSynAckTimeout(tp: Tcb): void {
  const limit = tp.synRetries ? tp.synRetries : sysctl(Sysctl.TCP_SYNACK_RETRIES) + 1;
  if (tp.retransmits >= limit) {
    tcpTimeout(tp);
    return;
  }
  if (tp.retransmits == 1) enterLoss(tp);
  fastopenSynAgain(tp);
  mibInc(Mib.TcpRetransSegs);
  mibInc(Mib.TcpExtTCPSynRetrans);
  tp.retransmits++;
  if (!tp.retransStamp) tp.retransStamp = tsNow(tp);
  rtxArm(tp, Pending.RETRANS, RTO_INIT << min<u32>(tp.retransmits, 8));
}

/** The handshake is complete (Linux's tcp_rcv_synrecv_state_fastopen): the timer is that of the data again. */
export function fastopenComplete(tp: Tcb): void {
  if (tp.tfoSent && !tp.srtt) {
    const us = <u32>min<u64>((now() - tp.tfoSent) / US, 0x7fffffff);
    minRttUpdate(tp, us);
    rttSample(tp, us);
    rtoSet(tp);
  }
  fastopenLeave(tp, false);
  if (tp.caState == <u32>Ca.LOSS && !tp.packetsOut) tryUndoRecovery(tp);
  tp.retransStamp = 0;
  tp.retransmits = 0;
  if (tp.pending == Pending.RETRANS) rtxRearm(tp);
}

/** A child is pending no longer. `reset`: by the peer, which may be an attack with a cookie obtained honestly (RFC 7413 5.1). */
export function fastopenLeave(tp: Tcb, reset: bool): void {
  if (!(tp.tfo & Tfo.PENDING)) return;
  tp.tfo &= ~Tfo.PENDING;
  const lsk = sockOf(tp.tfoListener);
  if (!lsk || lsk.kind != <u8>SockKind.TCP) return; // closed, and its handle perhaps come round to another
  const lt = tcb(lsk);
  if (lt.tfoPending) lt.tfoPending--;
  if (reset && lsk.state == <u8>TcpState.LISTEN) lt.tfoResets++;
}
