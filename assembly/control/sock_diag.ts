// NETLINK_SOCK_DIAG for TCP and UDP (sock_diag(7)): what `ss` reads. Dumps of all sockets of a family and protocol, and exact lookups.
//
//   inet_diag_req_v2: 0 family  1 protocol  2 ext  4 states(4)  8 id(48)
//   inet_diag_msg:    0 family  1 state  2 timer  3 retrans  4 id(48)  52 expires(4, ms)  56 rqueue(4)  60 wqueue(4)  64 uid(4)  68 inode(4)
//   id:               0 sport(BE)  2 dport(BE)  4 src(16)  20 dst(16)  36 interface(4)  40 cookie(8)
import { Errno } from "../abi";
import { addrCopy, addrIsAny, addrIsV4 } from "../lib/addr";
import { ListNode } from "../lib/list";
import { putBe16 } from "../lib/bytes";
import { AF_INET, AF_INET6, Sock, SockFlag, SockKind, sockAt, sockCapacity } from "../core/sock";
import { socketMemory } from "../socket/options_socket";
import { NETLINK_SOCK_DIAG, netlinkRegister } from "../socket/netlink";
import { CongId, caInfo, caName } from "../transport/tcp/congestion/congestion";
import { TCP_INFO_SIZE, tcpInfo } from "../transport/tcp/info";
import { Request } from "../transport/tcp/request";
import { Mini, MiniKind, miniBuckets, miniHead } from "../transport/tcp/table";
import { TimeWait } from "../transport/tcp/timewait";
import { Tcb, TcpState } from "../transport/tcp/tcp";
import { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from "../wire/ipv4";
import { NLMSG_HDRLEN, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NlMsg } from "../wire/netlink";
import { acknowledge, answerTo, attr, attrName, attrRoom, attrU8, begin, dumpDone, end, flush } from "./writer";

const SOCK_DIAG_BY_FAMILY: u32 = 20;
const REQUEST_LEN: u32 = 56;
const MESSAGE_LEN: u32 = 72;
const INET_DIAG_MEMINFO: u32 = 1;
const INET_DIAG_INFO: u32 = 2;
/** Asks for what the congestion control tells, under its own number. */
const INET_DIAG_VEGASINFO: u32 = 3;
const INET_DIAG_CONG: u32 = 4;
const INET_DIAG_TOS: u32 = 5;
const INET_DIAG_TCLASS: u32 = 6;
const INET_DIAG_SKMEMINFO: u32 = 7;
const INET_DIAG_SHUTDOWN: u32 = 8;
const INET_DIAG_SKV6ONLY: u32 = 11;
const INET_DIAG_DCTCPINFO: u32 = 9;
const INET_DIAG_MARK: u32 = 15;
const INET_DIAG_BBRINFO: u32 = 16;
const NO_COOKIE: u64 = u64.MAX_VALUE;
const MEMORY: usize = memory.data(36, 4);

export function sockDiagInit(): void { netlinkRegister(NETLINK_SOCK_DIAG, request.index); }

function request(sk: Sock, m: NlMsg): void {
  const flags = <u32>m.flags;
  if (!(flags & NLM_F_REQUEST) || m.type < 16) return;
  const dump = (flags & NLM_F_DUMP) == NLM_F_DUMP;
  answerTo(sk, m.seq, dump);
  const q = changetype<usize>(m) + NLMSG_HDRLEN;
  let r: i32 = 0;
  if (<u32>m.type != SOCK_DIAG_BY_FAMILY) r = -Errno.EINVAL;
  else if (m.len - NLMSG_HDRLEN < REQUEST_LEN) r = -Errno.EINVAL;
  else if (<u32>load<u8>(q) != AF_INET && <u32>load<u8>(q) != AF_INET6) r = -Errno.ENOENT;
  else if (<u32>load<u8>(q, 1) != IPPROTO_TCP && <u32>load<u8>(q, 1) != IPPROTO_UDP && <u32>load<u8>(q, 1) != IPPROTO_UDPLITE) r = -Errno.ENOENT;
  else if (dump) dumpAll(q);
  else r = exact(q);
  if (dump && r == 0) dumpDone();
  else if (r < 0 || flags & NLM_F_ACK) acknowledge(m, r);
  flush();
}

/** The state as `ss` knows it, 0 when the socket is in no table. */
function stateOf(sk: Sock): u32 {
  if (sk.kind == <u8>SockKind.TCP) return sk.state == <u8>TcpState.CLOSE ? 0 : sk.state;
  return sk.lport ? sk.state : 0;
}

function wanted(sk: Sock, q: usize): bool {
  const kind: u8 = <u32>load<u8>(q, 1) == IPPROTO_TCP ? <u8>SockKind.TCP : <u8>SockKind.UDP;
  return sk.kind == kind && sk.protocol == <u16>load<u8>(q, 1) && sk.family == <u16>load<u8>(q);
}

function dumpAll(q: usize): void {
  const states = load<u32>(q, 4);
  const sport = load<u16>(q, 8), dport = load<u16>(q, 10);
  for (let i: u32 = 0; i < sockCapacity(); i++) {
    const sk = sockAt(i);
    if (!sk || !wanted(sk, q)) continue;
    const state = stateOf(sk);
    if (!state || !((states >> state) & 1) || (sport && bswap<u16>(sport) != sk.lport) || (dport && bswap<u16>(dport) != sk.rport)) continue;
    putSocket(sk, state, load<u8>(q, 2));
  }
  if (<u32>load<u8>(q, 1) != IPPROTO_TCP) return;
  for (let i: u32 = 0; i < miniBuckets(); i++) {
    const list: ListNode = miniHead(i);
    let n = list.next;
    while (n !== list) {
      putMini(changetype<Mini>(n), <u32>load<u8>(q), states);
      n = n.next;
    }
  }
}

// The one socket of the request's id; a listener when nothing is connected there.
function exact(q: usize): i32 {
  const id = q + 8;
  const v4 = <u32>load<u8>(q) == AF_INET;
  const n: usize = v4 ? 4 : 16;
  for (let i: u32 = 0; i < sockCapacity(); i++) {
    const sk = sockAt(i);
    if (!sk || !wanted(sk, q)) continue;
    const state = stateOf(sk);
    if (!state || bswap<u16>(load<u16>(id)) != sk.lport) continue;
    const skip: usize = v4 ? 12 : 0;
    if (!addrIsAny(sk.laddr) && memory.compare(id + 4, sk.laddr + skip, n)) continue;
    if (state == TcpState.ESTABLISHED || sk.rport) {
      if (bswap<u16>(load<u16>(id, 2)) != sk.rport || memory.compare(id + 20, sk.raddr + skip, n)) continue;
    }
    const cookie = load<u64>(id, 40);
    if (cookie != NO_COOKIE && cookie != cookieOf(sk)) return -Errno.ESTALE;
    putSocket(sk, state, load<u8>(q, 2));
    return 0;
  }
  return -Errno.ENOENT;
}

@inline function cookieOf(sk: Sock): u64 { return <u64>sk.handle + 1; }

// Family, state and id; the address of the message.
function putHead(family: u32, state: u32, laddr: usize, raddr: usize, lport: u32, rport: u32, ifindex: u32, cookie: u64): usize {
  const p = begin(SOCK_DIAG_BY_FAMILY, MESSAGE_LEN);
  store<u8>(p, family);
  store<u8>(p, state, 1);
  putBe16(p + 4, lport);
  putBe16(p + 6, rport);
  putAddr(p + 8, family, laddr);
  putAddr(p + 24, family, raddr);
  store<u32>(p, ifindex, 40);
  store<u64>(p, cookie, 44);
  return p;
}
function putAddr(p: usize, family: u32, a: usize): void {
  if (family == AF_INET) memory.copy(p, a + 12, 4);
  else if (!(addrIsV4(a) && addrIsAny(a))) addrCopy(p, a); // an unbound dual-stack socket is ::
}

@inline function asked(ext: u32, attribute: u32): bool { return ((ext >> (attribute - 1)) & 1) != 0; }

function putSocket(sk: Sock, state: u32, ext: u32): void {
  const p = putHead(sk.family, state, sk.laddr, sk.raddr, sk.lport, sk.rport, sk.boundIf, cookieOf(sk));
  const tcp = sk.kind == <u8>SockKind.TCP;
  const tp = tcp ? changetype<Tcb>(sk.pcb) : null;
  if (tp) {
    const listening = state == TcpState.LISTEN;
    store<u32>(p, listening ? tp.acceptQlen : tp.rcvNxt - tp.copiedSeq, 56);
    store<u32>(p, listening ? tp.backlog : tp.writeSeq - tp.sndUna, 60);
    store<u8>(p, min<u32>(tp.retransmits, 255), 3);
  } else {
    store<u32>(p, sk.rmem, 56);
    store<u32>(p, sk.wmem, 60);
  }
  store<u32>(p, sk.uid, 64);
  store<u32>(p, <u32>cookieOf(sk), 68);
  attrU8(INET_DIAG_SHUTDOWN, sk.shutdown);
  if (asked(ext, INET_DIAG_TOS)) attrU8(INET_DIAG_TOS, sk.tos);
  if (sk.family == <u16>AF_INET6) {
    if (asked(ext, INET_DIAG_TCLASS)) attrU8(INET_DIAG_TCLASS, sk.tclass);
    if (state == TcpState.LISTEN || state == TcpState.CLOSE) attrU8(INET_DIAG_SKV6ONLY, sk.has(SockFlag.V6ONLY) ? 1 : 0);
  }
  if (sk.mark) store<u32>(attrRoom(INET_DIAG_MARK, 4), sk.mark);
  socketMemory(sk, MEMORY);
  if (asked(ext, INET_DIAG_SKMEMINFO)) attr(INET_DIAG_SKMEMINFO, MEMORY, 36);
  if (asked(ext, INET_DIAG_MEMINFO)) { // received, queued, forward, sending
    const m = attrRoom(INET_DIAG_MEMINFO, 16);
    store<u32>(m, sk.rmem);
    store<u32>(m, sk.wmem, 12);
  }
  if (tp) {
    if (asked(ext, INET_DIAG_INFO)) attr(INET_DIAG_INFO, tcpInfo(tp), TCP_INFO_SIZE);
    if (asked(ext, INET_DIAG_CONG)) attrName(INET_DIAG_CONG, caName(tp.caId));
    if (asked(ext, INET_DIAG_VEGASINFO)) {
      if (tp.caId == CongId.BBR) caInfo(tp, attrRoom(INET_DIAG_BBRINFO, 20));
      else if (tp.caId == CongId.DCTCP) caInfo(tp, attrRoom(INET_DIAG_DCTCPINFO, 16));
    }
  }
  end();
}

// A connection request (SYN_RECV) or what is left of a connection (TIME_WAIT, FIN_WAIT2).
function putMini(m: Mini, family: u32, states: u32): void {
  const request = m.kind == MiniKind.REQUEST;
  const own = request ? <u32>changetype<Request>(m).listener.family : <u32>changetype<TimeWait>(m).family;
  const state: u32 = request ? TcpState.SYN_RECV : changetype<TimeWait>(m).state;
  if (own != family || !((states >> state) & 1)) return;
  const p = putHead(family, state, m.laddr, m.raddr, m.lport, m.rport, m.ifindex, NO_COOKIE);
  store<u8>(p, request ? 1 : 3, 2); // which timer runs: retransmission, TIME_WAIT
  end();
}
