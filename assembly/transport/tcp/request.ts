// Connection requests: what a SYN leaves behind until the handshake completes (RFC 9293 3.10.7.4 SYN-RECEIVED),
// small enough for many, with SYN cookies beyond that (RFC 4987). A SYN with a Fast Open cookie leaves a socket (RFC 7413).
import { Poll, Usage } from "../../abi";
import { addrCopy, addrIsV4 } from "../../lib/addr";
import { ListNode } from "../../lib/list";
import { Pool } from "../../lib/pool";
import { Drop, dropCount } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Skb, skbAlloc } from "../../core/skb";
import { Sock, sockWake } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { MS, SEC, now } from "../../core/time";
import { Timer } from "../../core/timer";
import { Flow } from "../../network/flow";
import {
  AuthOption, TCP_HLEN, TCP_MAX_HLEN, TCPOLEN_TSTAMP_ALIGNED, TcpFlag, TcpHeader, putOptFastopen, putOptMss, putOptSackPermitted,
  putOptTimestamps, putOptWscale,
} from "../../wire/tcp";
import { accAgreed, accOptionSynAck, aceReflect } from "./accecn";
import { TCPOLEN_AUTH_TSTAMP, authLength, requestAuth } from "./auth/sign";
import { caNeedsEcn } from "./congestion/congestion";
import { FO } from "./fastopen";
import { FastopenSyn, fastopenOpen, fastopenSyn } from "./fastopen_listen";
import { cookieMake, cookieTs, initialSeq, tsOffsetFor } from "./isn";
import { receiveMss } from "./mss";
import { replyFlow, sendReply } from "./reply";
import { IN, OPT } from "./segin";
import { Mini, MiniKind, miniInsert } from "./table";
import { MSS_DEFAULT, RTO_INIT, RTO_MAX, Tcb, tcb } from "./tcp";
import { fullSpace, initialWindow, initialWscale } from "./window";

@unmanaged @final export class Request {
  // Mini
  next: usize; prev: usize;
  kind: u32;
  l0: u64; l1: u64;
  r0: u64; r1: u64;
  lport: u16; rport: u16;
  ifindex: u32;
  // list of the listener's requests
  lNext: usize; lPrev: usize;
  listener: Sock;
  /** Interface the SYN came in by. */
  inIf: u32;
  rcvIsn: u32;
  sndIsn: u32;
  mss: u32;
  rcvWnd: u32;
  tsRecent: u32;
  tsOffset: u32;
  sndWscale: u8;
  rcvWscale: u8;
  wscaleOk: bool;
  tsOk: bool;
  sackOk: bool;
  ecnOk: bool;
  /** AccECN, whose SYN-ACK tells the IP-ECN field of the latest SYN; one of the SYNs or SYN-ACKs was without ECN (RFC 9768 3.1.5). */
  accOk: bool;
  accPlain: bool;
  /** A SYN-ACK with the option has left. */
  accOption: bool;
  synEcn: u8;
  /** The final ACK came but the connection waits for data or for room in the accept queue. */
  acked: bool;
  /** The SYN-ACK waits for the host (defer.ts), which has been told of the request. */
  deferred: bool;
  told: bool;
  /** The SYN had the option of TCP-AO, with these two KeyIDs. */
  ao: bool;
  aoKeyId: u8;
  aoRnextId: u8;
  tos: u8;
  timeouts: u32;
  retrans: u32;
  lastOow: u64;
  /** ns the first SYN-ACK left. */
  sent: u64;
  // Timer
  t0: u64; t1: u64; t2: u64; t3: u64;
  @inline get key(): Mini { return changetype<Mini>(this); }
  @inline get timer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<Request>("t0")); }
  @inline get listNode(): ListNode { return changetype<ListNode>(changetype<usize>(this) + offsetof<Request>("lNext")); }
}

const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
/** How long a peer that doubles its timer may be late with its next SYN before it has given up, ns. */
const SYN_GRACE: u64 = 3 * SEC;
/** A request on the stack: the one a cookie stands for. */
const TEMP = changetype<Request>(memory.data(offsetof<Request>(), 8));

export function requestInit(max: u32): void { POOL.init(Usage.TCP_REQUESTS, offsetof<Request>(), max); }
export function tempRequest(): Request {
  memory.fill(changetype<usize>(TEMP), 0, offsetof<Request>());
  return TEMP;
}

/** Take a request out of all tables and free it. */
export function requestDrop(r: Request): void {
  const lt = tcb(r.listener);
  lt.synQlen--;
  r.timer.cancel();
  changetype<ListNode>(r).unlink();
  r.listNode.unlink();
  POOL.release(changetype<usize>(r));
}

/** The listener closes: its half-open connections go. */
export function requestsPurge(lt: Tcb): void {
  while (!lt.requests.empty) requestDrop(changetype<Request>(changetype<usize>(lt.requests.next) - offsetof<Request>("lNext")));
}

// Timeout of the SYN-ACK: again with backoff, unless TCP_DEFER_ACCEPT only waits for data (Linux's syn_ack_recalc).
function requestTimeout(p: usize): void {
  const r = changetype<Request>(p);
  const lt = tcb(r.listener);
  if (r.deferred) { // no SYN any more
    mibInc(Mib.TcpAttemptFails);
    requestDrop(r);
    return;
  }
  r.timeouts++;
  const limit = lt.synRetries ? lt.synRetries : sysctl(Sysctl.TCP_SYNACK_RETRIES);
  const defer = lt.deferAccept;
  let expire = r.timeouts > limit;
  let resend = true;
  if (defer) {
    expire = r.timeouts > limit && (!r.acked || r.timeouts >= defer);
    resend = !r.acked || r.timeouts >= defer - 1;
  }
  if (expire) {
    mibInc(Mib.TcpAttemptFails);
    requestDrop(r);
    return;
  }
  if (resend) {
    sendSynAck(r);
    r.retrans++;
    mibInc(Mib.TcpRetransSegs);
    mibInc(Mib.TcpExtTCPSynRetrans);
  }
  requestArm(r);
}

/**
 * (Re)start the timer: until the SYN-ACK is repeated, or, while that waits, until the peer's SYN should have come again. With a timer
 * that doubles, a SYN T after the first is followed by one at 2T + 1 s.
 */
export function requestArm(r: Request): void {
  r.timer.armIn(r.deferred ? now() - r.sent + SEC + SYN_GRACE : min(RTO_INIT << min<u32>(r.timeouts, 8), RTO_MAX));
}

/** (Re)send the SYN-ACK of a request. */
export function sendSynAck(r: Request): void {
  const f = replyFlow(r.key.laddr, r.key.raddr, r.inIf, r.tos);
  if (f) synAck(f, r, <u32>(now() / MS) + r.tsOffset);
}

// The answer to a request for ECN. Where two AccECN SYN-ACKs were lost, perhaps that is why (RFC 9768 3.2.3.2.2).
function synAckEcn(r: Request): u32 {
  if (!r.accOk) return r.ecnOk ? <u32>TcpFlag.ECE : 0;
  if (r.timeouts < 2) return aceReflect(r.synEcn);
  r.accPlain = true;
  return 0;
}

function synAck(f: Flow, r: Request, tsval: u32): void {
  const skb = skbAlloc(TCP_MAX_HLEN);
  if (!skb) return;
  const th = TcpHeader.at(skb.put(TCP_HLEN));
  let p = putOptMss(th.options, receiveMss(f, tcb(r.listener).userMss));
  if (r.tsOk) p = putOptTimestamps(p, tsval, r.tsRecent, r.sackOk);
  else if (r.sackOk) p = putOptSackPermitted(p);
  if (r.wscaleOk) p = putOptWscale(p, r.rcvWscale);
  if (FO.on) p = putOptFastopen(p, FO.cookie, FO.len);
  // RFC 9768 3.2.3.2.2: once; the signature comes behind it.
  if (r.accOk && !r.accOption) p = accOptionSynAck(p, <u32>(p - th.options) + max(authLength(requestAuth(r), f.dst), 0));
  r.accOption = true;
  skb.put(<u32>(p - th.options));
  th.sport = r.lport;
  th.dport = r.rport;
  th.seq = r.sndIsn;
  th.ack = r.rcvIsn + 1;
  th.headerLen = skb.len;
  th.flags = TcpFlag.SYN | TcpFlag.ACK | synAckEcn(r);
  th.window = min<u32>(r.rcvWnd, 65535);
  th.urgent = 0;
  sendReply(skb, f, th, requestAuth(r));
}

/** Fill `r` from the segment in IN (a SYN, or the ACK of a cookie) and the options decoded into it. */
export function requestFill(r: Request, lsk: Sock): void {
  r.kind = MiniKind.REQUEST;
  addrCopy(r.key.laddr, IN.daddr);
  addrCopy(r.key.raddr, IN.saddr);
  r.lport = <u16>IN.dport;
  r.rport = <u16>IN.sport;
  r.ifindex = lsk.boundIf;
  r.inIf = IN.ifindex;
  r.listener = lsk;
  if (OPT.auth == <u32>AuthOption.AO) {
    r.ao = true;
    r.aoKeyId = load<u8>(OPT.authAt);
    r.aoRnextId = load<u8>(OPT.authAt, 1);
  }
  r.tos = addrIsV4(IN.saddr) ? lsk.tos : lsk.tclass;
}

/** Window and scale of the accepted connection, from the listener's buffer. `mtu`: of the path. */
export function requestWindow(r: Request, lt: Tcb, mss: u32): void {
  const use = mss - (r.tsOk ? TCPOLEN_TSTAMP_ALIGNED : 0);
  r.rcvWscale = r.wscaleOk ? <u8>initialWscale(lt) : 0;
  r.rcvWnd = initialWindow(fullSpace(lt), use, lt.bindWindowClamp);
}

// What the SYN in IN offers, for listener `lsk` with the flow `f` back. `cookie`: only timestamps can keep the other options.
function requestOptions(r: Request, lsk: Sock, f: Flow, cookie: bool): void {
  const lt = tcb(lsk);
  requestFill(r, lsk);
  r.rcvIsn = IN.seq;
  r.tsOk = OPT.hasTs && sysctl(Sysctl.TCP_TIMESTAMPS) != 0;
  const opts = !cookie || r.tsOk;
  r.sackOk = opts && OPT.sackOk && sysctl(Sysctl.TCP_SACK) != 0;
  r.wscaleOk = opts && OPT.hasWscale && sysctl(Sysctl.TCP_WINDOW_SCALING) != 0;
  r.sndWscale = OPT.wscale;
  r.tsRecent = OPT.hasTs ? OPT.tsval : 0;
  r.mss = OPT.mss ? max<u32>(OPT.mss, 8) : MSS_DEFAULT;
  if (lt.userMss) r.mss = min(r.mss, lt.userMss);
  r.tsOffset = r.tsOk ? tsOffsetFor(IN.daddr, IN.saddr) : 0;
  // RFC 3168 6.1.1: a SYN is never ECN-capable itself; where it is, the path or the peer is broken.
  r.accOk = accAgreed();
  r.synEcn = IN.tos & 3;
  r.ecnOk = !cookie && !r.accOk && IN.has(TcpFlag.ECE) && IN.has(TcpFlag.CWR) && ((!(IN.tos & 3) && sysctl(Sysctl.TCP_ECN) != 0) || caNeedsEcn(lt));
  // As Linux: where the signature leaves no room for timestamps and SACK blocks, SACK is worth more.
  if (lt.auth && !cookie && r.sackOk && authLength(requestAuth(r), IN.saddr) > <i32>TCPOLEN_AUTH_TSTAMP) r.tsOk = false;
  requestWindow(r, lt, receiveMss(f, lt.userMss));
  r.sent = now();
}

/** A SYN, in `skb`, for listener `lsk` (RFC 9293 3.10.7.2 third). `isn`: to be used when not 0 (TIME_WAIT was recycled). */
export function requestSyn(lsk: Sock, isn: u32, skb: Skb): void {
  const lt = tcb(lsk);
  // A cookie would be the answer that the host has not given.
  const cookies = lt.deferSyn ? 0 : sysctl(Sysctl.TCP_SYNCOOKIES);
  let cookie = false;
  if ((lt.synQlen >= max(lt.backlog, 1) || POOL.left == 0 || cookies == 2) && !isn) {
    if (!cookies) {
      mibInc(Mib.TcpExtTCPReqQFullDrop);
      mibInc(Mib.TcpExtListenDrops);
      dropCount(Drop.TCP_SYN_QUEUE_FULL);
      return;
    }
    mibInc(Mib.TcpExtTCPReqQFullDoCookies);
    cookie = true;
  }
  if (lt.acceptQlen > lt.backlog) {
    mibInc(Mib.TcpExtListenOverflows);
    mibInc(Mib.TcpExtListenDrops);
    dropCount(Drop.TCP_LISTEN_OVERFLOW);
    return;
  }
  // Without cookies the last quarter of the queue is not for strangers.
  if (!cookie && !isn && !cookies && lt.synQlen > sysctl(Sysctl.TCP_MAX_SYN_BACKLOG) - (sysctl(Sysctl.TCP_MAX_SYN_BACKLOG) >> 2)) {
    mibInc(Mib.TcpExtListenDrops);
    dropCount(Drop.TCP_SYN_QUEUE_FULL);
    return;
  }
  const f = replyFlow(IN.daddr, IN.saddr, IN.ifindex, addrIsV4(IN.saddr) ? lsk.tos : lsk.tclass);
  if (!f) return;
  let r = tempRequest();
  FO.on = false;
  if (!cookie) {
    if (fastopenSyn(lsk) == FastopenSyn.OPEN) {
      requestOptions(r, lsk, f, false);
      r.sndIsn = isn ? isn : initialSeq(IN.daddr, IN.saddr, IN.dport, IN.sport);
      if (fastopenOpen(r, skb)) return;
    }
    const p = POOL.alloc();
    if (!p) {
      FO.on = false;
      mibInc(Mib.TcpExtListenDrops);
      dropCount(Drop.TCP_MEM);
      return;
    }
    r = changetype<Request>(p);
  }
  requestOptions(r, lsk, f, cookie);
  if (cookie) {
    r.sndIsn = cookieMake(r.mss);
    lt.cookieStamp = now();
    mibInc(Mib.TcpExtSyncookiesSent);
    synAck(f, r, cookieTs() + r.tsOffset);
    return;
  }
  r.sndIsn = isn ? isn : initialSeq(IN.daddr, IN.saddr, IN.dport, IN.sport);
  miniInsert(r.key);
  lt.synQlen++;
  r.timer.init(requestTimeout.index, changetype<usize>(r));
  r.deferred = lt.deferSyn;
  // Those the host has not been told of come first.
  r.listNode.insertBefore(r.deferred ? lt.requests.next : lt.requests);
  requestArm(r);
  if (r.deferred) sockWake(lsk, Poll.PRI);
  else synAck(f, r, <u32>(now() / MS) + r.tsOffset);
  FO.on = false; // RFC 7413 4.2.1: no option in a SYN-ACK that is repeated
}

/** The first request that waits for the host and that it has not been told of; they stand before all others. */
export function requestUntold(lt: Tcb): Request | null {
  if (lt.requests.empty) return null;
  const r = changetype<Request>(changetype<usize>(lt.requests.next) - offsetof<Request>("lNext"));
  return r.deferred && !r.told ? r : null;
}

/** Were cookies sent lately? Only then may an ACK bring one back. */
export function cookiesExpected(lt: Tcb): bool {
  if (lt.deferSyn || !sysctl(Sysctl.TCP_SYNCOOKIES)) return false;
  return sysctl(Sysctl.TCP_SYNCOOKIES) == 2 || (lt.cookieStamp != 0 && now() - lt.cookieStamp < 120 * SEC);
}
