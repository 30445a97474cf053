// TIME_WAIT (RFC 9293 3.6.1) in small records of their own, which also take over an orphan's FIN_WAIT2. A new
// SYN may take the record's place (RFC 1122 4.2.2.13, RFC 6191).
import { Usage } from "../../abi";
import { addrCopy, addrIsV4, addrV4, v4IsLoopback, v6IsLoopback } from "../../lib/addr";
import { ListNode } from "../../lib/list";
import { Pool } from "../../lib/pool";
import { seqGeq, seqGt } from "../../lib/seq";
import { Mib, mibInc } from "../../core/mib";
import { Sock, SockFlag } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { MS, SEC, now } from "../../core/time";
import { Timer } from "../../core/timer";
import { TcpFlag } from "../../wire/tcp";
import { authFree, authOf, md5Copy, md5Find } from "./auth/keys";
import { answerAllowed } from "./challenge";
import { replyFlow, replyReset, replySend } from "./reply";
import { IN, OPT } from "./segin";
import { tcpDone } from "./state";
import { Mini, MiniKind, addrsOverlap, miniInsert, twPortHead } from "./table";
import { TIMEWAIT_LEN, Tcb, TcpState } from "./tcp";
import { desiredWindow } from "./window";

@unmanaged @final export class TimeWait {
  // Mini
  next: usize; prev: usize;
  kind: u32;
  l0: u64; l1: u64;
  r0: u64; r1: u64;
  lport: u16; rport: u16;
  ifindex: u32;
  // chain of the local port
  portNext: usize; portPrev: usize;
  /** TIME_WAIT or FIN_WAIT2. */
  state: u32;
  rcvNxt: u32;
  sndNxt: u32;
  rcvWnd: u32;
  rcvWscale: u8;
  tos: u8;
  family: u16;
  tsRecent: u32;
  /** s; 0 = no timestamps. */
  tsRecentStamp: u64;
  tsOffset: u32;
  flags: u32;
  uid: u32;
  lastOow: u64;
  /** Auth, 0 = none. */
  auth: usize;
  // Timer
  t0: u64; t1: u64; t2: u64; t3: u64;
  @inline get key(): Mini { return changetype<Mini>(this); }
  @inline get timer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<TimeWait>("t0")); }
  @inline get portNode(): ListNode { return changetype<ListNode>(changetype<usize>(this) + offsetof<TimeWait>("portNext")); }
}

const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

export function timeWaitInit(max: u32): void { POOL.init(Usage.TIME_WAIT, offsetof<TimeWait>(), max); }

function expire(p: usize): void { timeWaitKill(changetype<TimeWait>(p)); }

export function timeWaitKill(tw: TimeWait): void {
  tw.timer.cancel();
  changetype<ListNode>(tw).unlink();
  tw.portNode.unlink();
  authFree(tw.auth);
  POOL.release(changetype<usize>(tw));
}

// Its keys go with it, for they sign what it answers: those of TCP-AO, as on Linux; of an MD5 key a copy, the socket may use its own again.
function keysFor(tp: Tcb): usize {
  if (!tp.authLen) return 0;
  const a = authOf(tp.auth);
  if (a.current) return tp.auth;
  const key = md5Find(a, tp.sk.raddr);
  return key ? md5Copy(key, tp.sk.raddr) : 0;
}

/** The connection continues as a record in `state` for `time` ns (0 = the full TIME_WAIT); the socket is done. */
export function enterTimeWait(tp: Tcb, state: u32, time: u64): void {
  const sk = tp.sk;
  const auth = keysFor(tp);
  const p = POOL.used < sysctl(Sysctl.TCP_MAX_TW_BUCKETS) ? POOL.alloc() : 0;
  if (!p || (tp.authLen && !auth)) {
    if (p) POOL.release(p);
    if (auth != tp.auth) authFree(auth);
    mibInc(Mib.TcpExtTCPTimeWaitOverflow);
    tcpDone(tp);
    return;
  }
  const tw = changetype<TimeWait>(p);
  tw.kind = MiniKind.TIME_WAIT;
  addrCopy(tw.key.laddr, tp.flow.src);
  addrCopy(tw.key.raddr, sk.raddr);
  tw.auth = auth;
  if (auth == tp.auth) {
    tp.auth = 0;
    tp.authLen = 0;
  }
  tw.lport = sk.lport;
  tw.rport = sk.rport;
  tw.ifindex = sk.boundIf;
  tw.state = state;
  tw.rcvNxt = tp.rcvNxt;
  tw.sndNxt = tp.sndNxt;
  tw.rcvWnd = desiredWindow(tp);
  tw.rcvWscale = tp.rcvWscale;
  tw.tos = tp.flow.tos & 0xfc;
  tw.family = sk.family;
  tw.flags = sk.flags & (SockFlag.REUSEADDR | SockFlag.REUSEPORT | SockFlag.V6ONLY);
  tw.uid = sk.uid;
  if (tp.tsOk) {
    tw.tsRecent = tp.tsRecent;
    tw.tsRecentStamp = max<u64>(tp.tsRecentStamp, 1);
    tw.tsOffset = tp.tsOffset;
  }
  tw.timer.init(expire.index, p);
  if (state == TcpState.TIME_WAIT) time = max(time, TIMEWAIT_LEN);
  tw.timer.armIn(time ? time : TIMEWAIT_LEN);
  mibInc(Mib.TcpExtTW);
  tcpDone(tp);
  miniInsert(tw.key);
  tw.portNode.insertBefore(twPortHead(tw.lport));
}

function twAck(tw: TimeWait): void {
  const f = replyFlow(tw.key.laddr, tw.key.raddr, IN.ifindex, tw.tos);
  if (!f) return;
  replySend(f, tw.lport, tw.rport, tw.sndNxt, tw.rcvNxt, TcpFlag.ACK, min<u32>(tw.rcvWnd >> tw.rcvWscale, 65535),
    tw.tsRecentStamp != 0, <u32>(now() / MS) + tw.tsOffset, tw.tsRecent, tw.auth);
}
function twAckLimited(tw: TimeWait): void {
  if (answerAllowed(changetype<usize>(tw) + offsetof<TimeWait>("lastOow"))) twAck(tw);
}

function takeTs(tw: TimeWait): void {
  if (!OPT.hasTs || !tw.tsRecentStamp) return;
  tw.tsRecent = OPT.tsval;
  tw.tsRecentStamp = now() / SEC;
}

/** What the caller does with a segment for a TIME_WAIT record. */
export const enum TwAction { DONE, SYN }

/**
 * The segment in IN, OPT meets a record. DONE: dealt with. SYN: it opens a new connection; the record is gone and
 * `isn` (address of a u32) holds an initial sequence number above all of the old one's.
 */
export function timeWaitInput(tw: TimeWait, isn: usize): TwAction {
  const rst = IN.has(TcpFlag.RST);
  let paws = false;
  if (OPT.hasTs && tw.tsRecentStamp) paws = !rst && <i32>(tw.tsRecent - OPT.tsval) > 0 && now() / SEC < tw.tsRecentStamp + 86400 * 24;
  if (tw.state == TcpState.FIN_WAIT2) {
    finWait2(tw, paws);
    return TwAction.DONE;
  }
  if (!paws && IN.seq == tw.rcvNxt && (IN.seq == IN.end || rst)) {
    if (rst) {
      if (!sysctl(Sysctl.TCP_RFC1337)) {
        timeWaitKill(tw);
        return TwAction.DONE;
      }
    } else tw.timer.armIn(TIMEWAIT_LEN);
    takeTs(tw);
    return TwAction.DONE;
  }
  const newTs = OPT.hasTs && tw.tsRecentStamp != 0 && <i32>(tw.tsRecent - OPT.tsval) < 0;
  if (IN.has(TcpFlag.SYN) && !rst && !IN.has(TcpFlag.ACK) && !IN.has(TcpFlag.FIN) && !paws && (seqGt(IN.seq, tw.rcvNxt) || newTs)) {
    let n = tw.sndNxt + 65535 + 2;
    if (!n) n = 1;
    store<u32>(isn, n);
    mibInc(Mib.TcpExtTWRecycled);
    timeWaitKill(tw);
    return TwAction.SYN;
  }
  if (paws) mibInc(Mib.TcpExtPAWSEstab);
  if (!rst) {
    if (paws || IN.has(TcpFlag.ACK)) tw.timer.armIn(TIMEWAIT_LEN);
    twAckLimited(tw);
  }
  return TwAction.DONE;
}

function finWait2(tw: TimeWait, paws: bool): void {
  if (paws || !IN.inWindow(tw.rcvNxt, tw.rcvNxt + tw.rcvWnd)) {
    if (!IN.has(TcpFlag.RST)) twAckLimited(tw);
    return;
  }
  if (IN.has(TcpFlag.RST)) {
    timeWaitKill(tw);
    return;
  }
  if (IN.has(TcpFlag.SYN) && seqGeq(IN.seq, tw.rcvNxt)) {
    replyReset();
    timeWaitKill(tw);
    return;
  }
  if (!IN.has(TcpFlag.ACK) || !seqGt(IN.end, tw.rcvNxt) || IN.end == IN.seq) return;
  if (!IN.has(TcpFlag.FIN) || IN.end != tw.rcvNxt + 1) {
    // Data that nobody will ever read (RFC 1122 4.2.2.13).
    mibInc(Mib.TcpExtTCPAbortOnData);
    replyReset();
    timeWaitKill(tw);
    return;
  }
  tw.state = TcpState.TIME_WAIT;
  tw.rcvNxt = IN.end;
  takeTs(tw);
  tw.timer.armIn(TIMEWAIT_LEN);
  twAck(tw);
}

/** Does a record forbid `sk` to bind `addr`:`port`? Only SO_REUSEADDR on both may share with TIME_WAIT. */
export function timeWaitConflict(sk: Sock, addr: usize, port: u32): bool {
  const list = twPortHead(port);
  let n = list.next;
  while (n !== list) {
    const tw = changetype<TimeWait>(changetype<usize>(n) - offsetof<TimeWait>("portNext"));
    n = n.next;
    if (tw.lport != port) continue;
    if (sk.boundIf && tw.ifindex && sk.boundIf != tw.ifindex) continue;
    if (sk.has(SockFlag.REUSEADDR) && tw.flags & SockFlag.REUSEADDR) continue;
    if (sk.has(SockFlag.REUSEPORT) && tw.flags & SockFlag.REUSEPORT && sk.uid == tw.uid) continue;
    if (addrsOverlap(sk, addr, tw.family, (tw.flags & SockFlag.V6ONLY) != 0, tw.key.laddr)) return true;
  }
  return false;
}

/** May connect() reuse the 4-tuple of `tw` (net.ipv4.tcp_tw_reuse: 1 yes, 2 on loopback)? Timestamps must protect it (RFC 6191). */
export function timeWaitReusable(tw: TimeWait): bool {
  const mode = sysctl(Sysctl.TCP_TW_REUSE);
  if (!mode || !tw.tsRecentStamp || now() / SEC <= tw.tsRecentStamp) return false;
  if (mode == 1) return true;
  const a = tw.key.laddr;
  return addrIsV4(a) ? v4IsLoopback(addrV4(a)) : v6IsLoopback(a);
}
