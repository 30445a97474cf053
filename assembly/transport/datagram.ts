// What UDP, raw and ping sockets share: the control block, the destination of a message, binding, connecting,
// and errors reported by ICMP.
import { Errno, Poll, Usage } from "../abi";
import { addrCopy, addrIsAny, addrIsMulticast, addrIsV4, addrSetV4, v4IsMulticast, addrV4, v6IsLinkLocal, v6IsMulticast } from "../lib/addr";
import { Pool } from "../lib/pool";
import { AF_INET, AF_INET6, Sock, SockFlag, sockError, sockWake } from "../core/sock";
import { Skb, skbAlloc, skbFree } from "../core/skb";
import { Sysctl, sysctl } from "../core/sysctl";
import { ETH_P_IP } from "../wire/ethernet";
import { Ipv4Header } from "../wire/ipv4";
import { Ipv6Header } from "../wire/ipv6";
import {
  FLOW_BROADCAST, FLOW_DONTROUTE, FLOW_FOREIGN_SRC, FLOW_NO_MC_LOOP, Flow, PMTUDISC_DO, PMTUDISC_DONT, PMTUDISC_INTERFACE, flowRoute, flowStale,
} from "../network/flow";
import { fibIsLocal, pmtuLearn } from "../network/fib";

/** Values of Sock.state for datagram sockets (Linux's TCP_ESTABLISHED and TCP_CLOSE). */
export const STATE_CONNECTED: u8 = 1;
export const STATE_CLOSE: u8 = 7;

@unmanaged @final export class DgramPcb {
  /** The connected destination. */
  flow0: u64; flow1: u64; flow2: u64; flow3: u64; flow4: u64; flow5: u64; flow6: u64; flow7: u64; flow8: u64; flow9: u64; flow10: u64; flow11: u64; flow12: u64;
  /** Corked message (MSG_MORE, UDP_CORK) with its own destination, 0 = none. */
  cork: usize;
  /** ICMP_FILTER, or the 8 words of ICMP6_FILTER (set bit = blocked). */
  filter0: u64; filter1: u64; filter2: u64; filter3: u64;
  /** UDP_SEGMENT. */
  gsoSize: u16;
  corked: u8;
  /** UDP_GRO. */
  gro: u8;
  noCheck6Tx: u8;
  noCheck6Rx: u8;
  /** IPV6_CHECKSUM: offset, -1 = off. */
  csumOffset: i32;
  /** UDPLITE_SEND_CSCOV and UDPLITE_RECV_CSCOV, bytes (0 = all of them); -1 = not set. */
  sendCoverage: i32;
  recvCoverage: i32;
  /** IP_OPTIONS. */
  optLen: u32;
  o0: u64; o1: u64; o2: u64; o3: u64; o4: u64;

  @inline get flow(): Flow { return changetype<Flow>(changetype<usize>(this)); }
  @inline get filter(): usize { return changetype<usize>(this) + offsetof<DgramPcb>("filter0"); }
  @inline get opt(): usize { return changetype<usize>(this) + offsetof<DgramPcb>("o0"); }
}

/** Where one message goes: filled by socket/ from sockaddr and ancillary data. */
@unmanaged @final export class Message {
  /** Destination, valid when `named`. */
  dst0: u64; dst1: u64;
  src0: u64; src1: u64;
  named: u8;
  /** src is set (IP_PKTINFO). */
  sourced: u8;
  port: u32;
  oif: u32;
  /** -1 = the socket's. */
  tos: i32;
  ttl: i32;
  flags: u32;
  gsoSize: u32;
  flowLabel: u32;
  /** IPPROTO for raw sockets (sin6_port), else 0. */
  proto: u32;

  @inline get dst(): usize { return changetype<usize>(this) + offsetof<Message>("dst0"); }
  @inline get src(): usize { return changetype<usize>(this) + offsetof<Message>("src0"); }
  reset(): void {
    memory.fill(changetype<usize>(this), 0, offsetof<Message>());
    this.tos = -1;
    this.ttl = -1;
  }
}

export const MSG_OOB: u32 = 1;
export const MSG_PEEK: u32 = 2;
export const MSG_DONTROUTE: u32 = 4;
export const MSG_TRUNC: u32 = 0x20;
export const MSG_CTRUNC: u32 = 8;
export const MSG_ERRQUEUE: u32 = 0x2000;
export const MSG_CONFIRM: u32 = 0x800;
export const MSG_MORE: u32 = 0x8000;
export const MSG_FASTOPEN: u32 = 0x20000000;

const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const TEMP = changetype<Flow>(memory.data(offsetof<Flow>(), 8));
const ADDR: usize = memory.data(16, 8);

export function datagramInit(sockets: u32): void {
  assert(offsetof<Flow>() <= 104, "DgramPcb.flow too small");
  POOL.init(Usage.DATAGRAM, offsetof<DgramPcb>(), sockets);
}

@inline export function pcbOf(sk: Sock): DgramPcb { return changetype<DgramPcb>(sk.pcb); }

/** Give `sk` a control block. 0 or -ENOBUFS. */
export function datagramCreate(sk: Sock): i32 {
  sk.pcb = POOL.alloc();
  if (!sk.pcb) return -Errno.ENOBUFS;
  sk.state = STATE_CLOSE;
  const p = pcbOf(sk);
  p.csumOffset = p.sendCoverage = p.recvCoverage = -1;
  sk.pmtudisc = 1;
  sk.pmtudisc6 = 1;
  sk.rcvbuf = sysctl(Sysctl.CORE_RMEM_DEFAULT);
  sk.sndbuf = sysctl(Sysctl.CORE_WMEM_DEFAULT);
  if (sk.family == <u16>AF_INET) {
    addrSetV4(sk.laddr, 0);
    addrSetV4(sk.raddr, 0);
  }
  return 0;
}

export function datagramRelease(sk: Sock): void {
  const p = pcbOf(sk);
  if (p.cork) {
    const s = changetype<Skb>(p.cork);
    skbFree(s);
  }
  POOL.release(sk.pcb);
  sk.pcb = 0;
}

/**
 * Is `addr` one that `sk` may bind to? 0, -EADDRNOTAVAIL, -EINVAL (link-local without scope). A v6 socket takes mapped addresses unless V6ONLY.
 */
export function bindCheck(sk: Sock, addr: usize, scope: u32): i32 {
  const v4 = addrIsV4(addr);
  if (sk.family == <u16>AF_INET6) {
    if (v4 && sk.has(SockFlag.V6ONLY)) return -Errno.EINVAL;
    if (!v4 && v6IsLinkLocal(addr) && !scope && !sk.boundIf) return -Errno.EINVAL;
  }
  if (addrIsAny(addr) || addrIsMulticast(addr)) return 0;
  if (v4 && addrV4(addr) == 0xffffffff) return 0;
  if (sk.has(SockFlag.FREEBIND) || sk.has(SockFlag.TRANSPARENT) || sysctl(v4 ? Sysctl.IP_NONLOCAL_BIND : Sysctl.IP6_NONLOCAL_BIND)) return 0;
  return fibIsLocal(addr, scope ? scope : sk.boundIf) ? 0 : -Errno.EADDRNOTAVAIL;
}

// Fill a flow from the socket's options.
function flowFrom(sk: Sock, f: Flow, proto: u32): void {
  f.oif = sk.boundIf;
  f.proto = <u8>proto;
  f.mark = sk.mark;
  f.flags = 0;
  if (sk.has(SockFlag.TRANSPARENT) || sk.has(SockFlag.FREEBIND)) f.flags |= FLOW_FOREIGN_SRC;
  if (sk.has(SockFlag.DONTROUTE)) f.flags |= FLOW_DONTROUTE;
  if (sk.has(SockFlag.BOUND_ADDR) || (sk.state == STATE_CONNECTED && !addrIsAny(sk.laddr))) addrCopy(f.src, sk.laddr);
}

// What depends on the family and kind of the destination, after f.dst is known.
function flowFinish(sk: Sock, f: Flow): void {
  const v4 = f.isV4;
  f.tos = v4 ? sk.tos : sk.tclass;
  f.pmtudisc = v4 ? sk.pmtudisc : sk.has(SockFlag.DONTFRAG6) ? <u8>PMTUDISC_DO : sk.pmtudisc6;
  if (v4) {
    if (v4IsMulticast(addrV4(f.dst))) {
      f.ttl = sk.mcTtl;
      if (!f.oif) f.oif = sk.mcIf;
      if (sk.mcAddr && addrIsAny(f.src)) addrSetV4(f.src, sk.mcAddr);
      if (!sk.has(SockFlag.MC_LOOP)) f.flags |= FLOW_NO_MC_LOOP;
    } else {
      f.ttl = sk.ttl;
      if (!f.oif) f.oif = sk.unicastIf;
    }
    return;
  }
  f.flowLabel = sk.flowLabel;
  if (v6IsMulticast(f.dst)) {
    f.ttl = sk.mcHops < 0 ? 1 : <u8>sk.mcHops;
    if (!f.oif) f.oif = sk.mcIf6;
    if (!sk.has(SockFlag.MC6_LOOP)) f.flags |= FLOW_NO_MC_LOOP;
  } else {
    f.ttl = sk.hopLimit < 0 ? 0 : <u8>sk.hopLimit;
    if (!f.oif) f.oif = sk.unicastIf6;
  }
}

/** Make any address of the other family the same "any" as dst's, so that flowRoute may choose. */
function alignSource(f: Flow): void {
  if (!addrIsAny(f.src)) return;
  if (f.isV4) addrSetV4(f.src, 0);
  else {
    store<u64>(f.src, 0);
    store<u64>(f.src, 0, 8);
  }
}

/** Check that a v6 socket may speak v4. */
function familyOk(sk: Sock, dst: usize): i32 {
  const v4 = addrIsV4(dst);
  if (sk.family == <u16>AF_INET && !v4) return -Errno.EAFNOSUPPORT;
  if (sk.family == <u16>AF_INET6 && v4 && sk.has(SockFlag.V6ONLY)) return -Errno.ENETUNREACH;
  return 0;
}

/**
 * The routed flow for one message on `sk` of protocol `proto`; null when it cannot go, and datagramErrno() says why.
 */
export function datagramFlow(sk: Sock, m: Message, proto: u32): Flow | null {
  const p = pcbOf(sk);
  const plain = !m.named && !m.sourced && m.tos < 0 && m.ttl < 0 && !m.oif && !(m.flags & MSG_DONTROUTE);
  if (!m.named && sk.state != STATE_CONNECTED) return fail(-Errno.EDESTADDRREQ);
  if (plain) {
    const f = p.flow;
    if (flowStale(f) || (f.isV4 ? f.tos != sk.tos : f.tos != sk.tclass)) {
      const oif = f.oif;
      const r = setupConnected(sk, f, proto, oif);
      if (r < 0) return fail(r);
    }
    return permitted(sk, f);
  }
  const f = TEMP;
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  flowFrom(sk, f, proto);
  addrCopy(f.dst, m.named ? m.dst : sk.raddr);
  const bad = familyOk(sk, f.dst);
  if (bad) return fail(bad);
  if (m.sourced) addrCopy(f.src, m.src);
  if (m.oif) f.oif = m.oif;
  flowFinish(sk, f);
  alignSource(f);
  if (m.tos >= 0) f.tos = <u8>m.tos;
  if (m.ttl >= 0) f.ttl = <u8>m.ttl;
  if (m.flowLabel) f.flowLabel = m.flowLabel;
  if (m.flags & MSG_DONTROUTE) f.flags |= FLOW_DONTROUTE;
  const r = flowRoute(f);
  if (r < 0) return fail(m.sourced && r == -Errno.EADDRNOTAVAIL ? -Errno.EINVAL : r);
  return permitted(sk, f);
}

function permitted(sk: Sock, f: Flow): Flow | null {
  if (f.flags & FLOW_BROADCAST && !sk.has(SockFlag.BROADCAST)) return fail(-Errno.EACCES);
  return f;
}

const ERRNO: usize = memory.data(4, 4);
function fail(errno: i32): Flow | null {
  store<i32>(ERRNO, errno);
  return null;
}
/** Why datagramFlow said null: -errno. */
export function datagramErrno(): i32 { return load<i32>(ERRNO); }

function setupConnected(sk: Sock, f: Flow, proto: u32, oif: u32): i32 {
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  flowFrom(sk, f, proto);
  if (oif) f.oif = oif;
  addrCopy(f.dst, sk.raddr);
  flowFinish(sk, f);
  alignSource(f);
  return flowRoute(f);
}

/** connect(2): fix the destination and, when it is any, the source. The protocol has chosen the local port. 0 or -errno. */
export function datagramConnect(sk: Sock, addr: usize, port: u32, scope: u32, proto: u32): i32 {
  const bad = familyOk(sk, addr);
  if (bad) return bad;
  const f = pcbOf(sk).flow;
  // A new destination chooses a new source unless bound.
  if (!sk.has(SockFlag.BOUND_ADDR)) clearLocal(sk);
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  flowFrom(sk, f, proto);
  addrCopy(f.dst, addr);
  if (!addrIsV4(addr) && scope && (v6IsLinkLocal(addr) || v6IsMulticast(addr))) f.oif = scope;
  flowFinish(sk, f);
  alignSource(f);
  const r = flowRoute(f);
  if (r < 0) return r;
  if (f.flags & FLOW_BROADCAST && !sk.has(SockFlag.BROADCAST)) return -Errno.EACCES;
  addrCopy(sk.raddr, f.dst);
  sk.rport = <u16>port;
  if (addrIsAny(sk.laddr)) addrCopy(sk.laddr, f.src);
  sk.state = STATE_CONNECTED;
  return 0;
}

function clearLocal(sk: Sock): void {
  if (sk.family == <u16>AF_INET) addrSetV4(sk.laddr, 0);
  else {
    store<u64>(sk.laddr, 0);
    store<u64>(sk.laddr, 0, 8);
  }
}

/** connect(AF_UNSPEC). */
export function datagramDisconnect(sk: Sock): void {
  sk.state = STATE_CLOSE;
  sk.rport = 0;
  if (sk.family == <u16>AF_INET) addrSetV4(sk.raddr, 0);
  else {
    store<u64>(sk.raddr, 0);
    store<u64>(sk.raddr, 0, 8);
  }
  if (!sk.has(SockFlag.BOUND_ADDR)) clearLocal(sk);
}

/** Source and destination of the IP packet at skb.net as 16-byte addresses. */
export function packetAddrs(skb: Skb, src: usize, dst: usize): void {
  if (<u32>skb.protocol == ETH_P_IP) {
    const h = Ipv4Header.at(skb.net);
    addrSetV4(src, h.src);
    addrSetV4(dst, h.dst);
  } else {
    const h = Ipv6Header.at(skb.net);
    addrCopy(src, h.src);
    addrCopy(dst, h.dst);
  }
}

/** The quoted packet of an ICMP error (skb.data at its IP header): its addresses. */
export function quotedAddrs(skb: Skb, src: usize, dst: usize): void {
  if (Ipv4Header.at(skb.data).version == 4) {
    addrSetV4(src, Ipv4Header.at(skb.data).src);
    addrSetV4(dst, Ipv4Header.at(skb.data).dst);
  } else {
    addrCopy(src, Ipv6Header.at(skb.data).src);
    addrCopy(dst, Ipv6Header.at(skb.data).dst);
  }
}

/** Does a socket of this family and V6ONLY take packets of the family of `addr`? */
export function familyMatch(sk: Sock, addr: usize): bool {
  if (addrIsV4(addr)) return sk.family == <u16>AF_INET || !sk.has(SockFlag.V6ONLY);
  return sk.family == <u16>AF_INET6;
}

// ---- errors ----

/** SO_EE_ORIGIN_* of Linux. */
export const ORIGIN_LOCAL: u32 = 1;
export const ORIGIN_ICMP: u32 = 2;
export const ORIGIN_ICMP6: u32 = 3;
/** Most errors kept for one socket. */
const ERRQ_MAX: u32 = 64;

/**
 * Queue an error for IP_RECVERR (cb0 errno | origin << 32 | type << 40 | code << 48, cb1 info | port << 32, cb2/cb3 the
 * destination the packet had; offender's address at skb.buf; payload the quoted data).
 */
export function errorQueue(sk: Sock, errno: u32, origin: u32, type: u32, code: u32, info: u32, dst: usize, port: u32, offender: usize, payload: usize, len: u32): void {
  if (sk.errCount >= ERRQ_MAX) return;
  const s = skbAlloc(len);
  if (!s) return;
  memory.copy(s.put(len), payload, len);
  s.cb0 = <u64>errno | (<u64>origin << 32) | (<u64>type << 40) | (<u64>code << 48);
  s.cb1 = <u64>info | (<u64>port << 32);
  addrCopy(changetype<usize>(s) + offsetof<Skb>("cb2"), dst);
  if (offender) addrCopy(s.buf, offender);
  else memory.fill(s.buf, 0, 16);
  sk.errq.push(s);
  sockWake(sk, Poll.ERR);
}

/**
 * An ICMP error (skb as TransportError) for a datagram socket: `payload` = the quoted application data of the packet that
 * failed; `hard`: reported without RECVERR when connected.
 */
export function datagramError(sk: Sock, skb: Skb, errno: u32, type: u32, code: u32, info: u32, port: u32, payload: usize, hard: bool): void {
  const v4 = Ipv4Header.at(skb.data).version == 4;
  let h = hard;
  if (errno == <u32>Errno.EMSGSIZE) {
    const disc = <u32>(v4 ? sk.pmtudisc : sk.pmtudisc6);
    if (disc < PMTUDISC_INTERFACE) { // a packet of this socket: the report is believed
      quotedAddrs(skb, SRC, DST);
      pmtuLearn(DST, info);
    }
    if (disc == PMTUDISC_DONT) return;
    h = true;
  }
  const recverr = sk.has(sk.family == <u16>AF_INET6 && !v4 ? SockFlag.RECVERR6 : SockFlag.RECVERR) || (v4 && sk.family == <u16>AF_INET6 && sk.has(SockFlag.RECVERR6));
  if (!recverr) {
    if (!h || sk.state != STATE_CONNECTED) return;
  } else {
    const from = ADDR;
    if (v4) addrSetV4(from, Ipv4Header.at(skb.net).src);
    else addrCopy(from, Ipv6Header.at(skb.net).src);
    const dst = DST;
    quotedAddrs(skb, SRC, dst);
    const len = payload < skb.tail ? <u32>(skb.tail - payload) : 0;
    errorQueue(sk, errno, v4 ? ORIGIN_ICMP : ORIGIN_ICMP6, type, code, info, dst, port, from, payload, len);
  }
  sockError(sk, errno);
}
const SRC: usize = memory.data(16, 8);
const DST: usize = memory.data(16, 8);

/** A message was refused locally for its size (IP_RECVERR tells the MTU). Returns -EMSGSIZE. */
export function localTooBig(sk: Sock, f: Flow, port: u32): i32 {
  if (sk.has(f.isV4 ? SockFlag.RECVERR : SockFlag.RECVERR6)) errorQueue(sk, Errno.EMSGSIZE, ORIGIN_LOCAL, 0, 0, f.mtu, f.dst, port, 0, f.dst, 0);
  return -Errno.EMSGSIZE;
}
