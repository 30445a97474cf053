// IPPROTO_IP options (ip(7)) and the type filters of raw sockets (raw(7), RFC 3542).
import { Errno } from "../abi";
import { putBe32 } from "../lib/bytes";
import { Drop } from "../core/drop";
import { AF_INET, AF_INET6, Sock, SockFlag, SockKind } from "../core/sock";
import { Sysctl, sysctl } from "../core/sysctl";
import { netDeviceByIndex } from "../link/net_device";
import { flowRoute, flowStale } from "../network/flow";
import { IPPROTO_ICMP } from "../wire/ipv4";
import { NEXTHDR_ICMP } from "../wire/ipv6";
import { STATE_CONNECTED, pcbOf } from "../transport/datagram";
import { Tcb } from "../transport/tcp/tcp";
import { Cmsg } from "./cmsg";
import { Extra, extraHas, extraSet, optInt, optPut, optPutByte } from "./option";
import {
  IP_ADD_MEMBERSHIP, IP_MSFILTER, IP_MULTICAST_IF, MCAST_MSFILTER, getFilter4, getFilterAny, multicast4, multicastIf4,
} from "./options_multicast";

const TMP: usize = memory.data(4, 4);

const IP_TOS: u32 = 1;
const IP_TTL: u32 = 2;
const IP_HDRINCL: u32 = 3;
const IP_OPTIONS: u32 = 4;
const IP_ROUTER_ALERT: u32 = 5;
const IP_RECVOPTS: u32 = 6;
const IP_RETOPTS: u32 = 7;
const IP_PKTINFO: u32 = 8;
const IP_PKTOPTIONS: u32 = 9;
const IP_MTU_DISCOVER: u32 = 10;
const IP_RECVERR: u32 = 11;
const IP_RECVTTL: u32 = 12;
const IP_RECVTOS: u32 = 13;
const IP_MTU: u32 = 14;
const IP_FREEBIND: u32 = 15;
const IP_IPSEC_POLICY: u32 = 16;
const IP_XFRM_POLICY: u32 = 17;
const IP_PASSSEC: u32 = 18;
const IP_TRANSPARENT: u32 = 19;
const IP_RECVORIGDSTADDR: u32 = 20;
const IP_MINTTL: u32 = 21;
const IP_NODEFRAG: u32 = 22;
const IP_CHECKSUM: u32 = 23;
const IP_BIND_ADDRESS_NO_PORT: u32 = 24;
const IP_RECVFRAGSIZE: u32 = 25;
const IP_RECVERR_RFC4884: u32 = 26;
const IP_MULTICAST_TTL: u32 = 33;
const IP_MULTICAST_LOOP: u32 = 34;
const IP_MULTICAST_ALL: u32 = 49;
const IP_UNICAST_IF: u32 = 50;
const IP_LOCAL_PORT_RANGE: u32 = 51;
const IP_PROTOCOL: u32 = 52;

// The bit of Sock.cmsgFlags an option switches, 0 when it is none.
function cmsg4(name: u32): u32 {
  switch (name) {
    case IP_PKTINFO: return Cmsg.PKTINFO;
    case IP_RECVTTL: return Cmsg.TTL;
    case IP_RECVTOS: return Cmsg.TOS;
    case IP_RECVOPTS: return Cmsg.OPTIONS;
    case IP_RETOPTS: return Cmsg.RETOPTS;
    case IP_RECVORIGDSTADDR: return Cmsg.ORIGDSTADDR;
    default: return 0;
  }
}

// The bit of Sock.extra an option switches, 0 when it is none.
function extra4(name: u32): u32 {
  switch (name) {
    case IP_PASSSEC: return Extra.PASSSEC;
    case IP_CHECKSUM: return Extra.CHECKSUM;
    case IP_BIND_ADDRESS_NO_PORT: return Extra.BIND_NO_PORT;
    case IP_NODEFRAG: return Extra.NODEFRAG;
    case IP_RECVFRAGSIZE: return Extra.FRAGSIZE;
    case IP_RECVERR_RFC4884: return Extra.RFC4884;
    case IP_ROUTER_ALERT: return Extra.ROUTER_ALERT;
    default: return 0;
  }
}

// 0 when the option of extra4 may be set to `v`, else -errno.
function extraAllowed(sk: Sock, name: u32, v: i32): i32 {
  const raw = sk.kind == <u8>SockKind.RAW;
  switch (name) {
    case IP_NODEFRAG: return raw ? 0 : -Errno.ENOPROTOOPT;
    case IP_RECVFRAGSIZE: return sk.type == 1 ? -Errno.EINVAL : 0;
    case IP_RECVERR_RFC4884: return v < 0 || v > 1 ? -Errno.EINVAL : 0;
    case IP_ROUTER_ALERT: // once on, it is on; IPPROTO_RAW never sees packets
      if (!raw || sk.protocol == 255) return -Errno.EINVAL;
      return !v && !extraHas(sk, Extra.ROUTER_ALERT) ? -Errno.ENOBUFS : v && extraHas(sk, Extra.ROUTER_ALERT) ? -Errno.EADDRINUSE : 0;
    default: return 0;
  }
}

export function setCmsg(sk: Sock, bit: u32, on: bool): i32 {
  sk.cmsgFlags = on ? sk.cmsgFlags | bit : sk.cmsgFlags & ~bit;
  return 0;
}

export function setFlag(sk: Sock, f: SockFlag, on: bool): i32 {
  sk.set(f, on);
  return 0;
}

/** IP_UNICAST_IF, IPV6_UNICAST_IF: is the interface (given in network order, 0 = none) one that may be chosen? 0 or -errno. */
export function unicastIfCheck(sk: Sock, ifindex: u32, len: u32): i32 {
  if (len != 4) return -Errno.EINVAL;
  if (!ifindex) return 0;
  if (!netDeviceByIndex(ifindex)) return -Errno.EADDRNOTAVAIL;
  return sk.boundIf && sk.boundIf != ifindex ? -Errno.EINVAL : 0;
}

/** A socket without IPsec answers its policies so. */
export function policyErrno(name: u32, v6: bool, len: u32): i32 {
  return !len || len > 4096 ? -Errno.EMSGSIZE : name == IP_XFRM_POLICY && !v6 ? -Errno.EINVAL : -Errno.EOPNOTSUPP;
}

export function setIpOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name >= IP_ADD_MEMBERSHIP && name <= MCAST_MSFILTER) return multicast4(sk, name, p, len);
  if (name == IP_OPTIONS) return setOptions(sk, p, len);
  if (name == IP_MULTICAST_IF) return multicastIf4(sk, p, len);
  const v = optInt(p, len);
  const bit = cmsg4(name);
  if (bit) return setCmsg(sk, bit, v != 0);
  const extra = extra4(name);
  if (extra) {
    const r = extraAllowed(sk, name, v);
    return r < 0 ? r : extraSet(sk, extra, v != 0);
  }
  switch (name) {
    case IP_TOS: return setTos(sk, v);
    case IP_TTL:
      if (!len || (v != -1 && (v < 1 || v > 255))) return -Errno.EINVAL;
      sk.ttl = v == -1 ? 0 : <u8>v;
      return 0;
    case IP_HDRINCL: return sk.kind == <u8>SockKind.RAW ? setFlag(sk, SockFlag.HDRINCL, v != 0) : -Errno.ENOPROTOOPT;
    case IP_MTU_DISCOVER:
      if (v < 0 || v > 5) return -Errno.EINVAL;
      sk.pmtudisc = <u8>v;
      return 0;
    case IP_RECVERR:
      if (!v) sk.errq.purge(Drop.COUNT);
      return setFlag(sk, SockFlag.RECVERR, v != 0);
    case IP_FREEBIND: return len ? setFlag(sk, SockFlag.FREEBIND, v != 0) : -Errno.EINVAL;
    case IP_TRANSPARENT: return v && sk.uid != 0 ? -Errno.EPERM : len ? setFlag(sk, SockFlag.TRANSPARENT, v != 0) : -Errno.EINVAL;
    case IP_MINTTL:
      if (!len || v < 0 || v > 255) return -Errno.EINVAL;
      sk.minTtl = <u8>v;
      return 0;
    case IP_MULTICAST_TTL:
      if (sk.type == 1 || !len || v < -1 || v > 255) return -Errno.EINVAL;
      sk.mcTtl = v == -1 ? 1 : <u8>v;
      return 0;
    case IP_MULTICAST_LOOP: return len ? setFlag(sk, SockFlag.MC_LOOP, v != 0) : -Errno.EINVAL;
    case IP_MULTICAST_ALL: return len && (v == 0 || v == 1) ? setFlag(sk, SockFlag.MC_ALL, v != 0) : -Errno.EINVAL;
    case IP_UNICAST_IF: {
      const r = unicastIfCheck(sk, bswap<u32>(v), len);
      if (!r) sk.unicastIf = bswap<u32>(v);
      return r;
    }
    case IP_LOCAL_PORT_RANGE: {
      const low = <u32>v & 0xffff, high = <u32>v >> 16;
      if (len != 4 || (low && high && low > high)) return -Errno.EINVAL;
      sk.portRange = v;
      return 0;
    }
    case IP_IPSEC_POLICY: case IP_XFRM_POLICY: return policyErrno(name, sk.family == <u16>AF_INET6, len);
    default: return -Errno.ENOPROTOOPT;
  }
}

// A TCP socket keeps the ECN bits for itself; the kind of service decides the priority (Linux ip_tos2prio).
function setTos(sk: Sock, v: i32): i32 {
  const tos = sk.type == 1 ? <u8>((v & ~3) | (sk.tos & 3)) : <u8>v;
  if (tos != sk.tos) sk.priority = load<u8>(PRIORITIES + (<usize>(tos & 0x1e) >> 1));
  sk.tos = tos;
  return 0;
}
const PRIORITIES: usize = memory.data<u8>([0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4]);

export function getIpOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  const bit = cmsg4(name);
  if (bit) return optPutByte(p, len, sk.cmsgFlags & bit ? 1 : 0);
  const extra = extra4(name);
  if (extra) return optPutByte(p, len, extraHas(sk, extra) ? 1 : 0);
  switch (name) {
    case IP_TOS: return optPutByte(p, len, sk.tos);
    case IP_TTL: return optPutByte(p, len, sk.ttl ? sk.ttl : <i32>sysctl(Sysctl.IP_DEFAULT_TTL));
    case IP_HDRINCL: return optPutByte(p, len, sk.has(SockFlag.HDRINCL) ? 1 : 0);
    case IP_MTU_DISCOVER: return optPutByte(p, len, sk.pmtudisc);
    case IP_RECVERR: return optPutByte(p, len, sk.has(SockFlag.RECVERR) ? 1 : 0);
    case IP_FREEBIND: return optPutByte(p, len, sk.has(SockFlag.FREEBIND) ? 1 : 0);
    case IP_TRANSPARENT: return optPutByte(p, len, sk.has(SockFlag.TRANSPARENT) ? 1 : 0);
    case IP_MINTTL: return optPutByte(p, len, sk.minTtl);
    case IP_MTU: {
      const n = pathMtu(sk);
      return n ? optPutByte(p, len, n) : -Errno.ENOTCONN;
    }
    case IP_MULTICAST_TTL: return optPutByte(p, len, sk.mcTtl);
    case IP_MULTICAST_LOOP: return optPutByte(p, len, sk.has(SockFlag.MC_LOOP) ? 1 : 0);
    case IP_MULTICAST_ALL: return optPutByte(p, len, sk.has(SockFlag.MC_ALL) ? 1 : 0);
    case IP_MULTICAST_IF:
      putBe32(TMP, sk.mcAddr);
      return optPut(p, len, TMP, 4);
    case IP_OPTIONS: return isDatagram(sk) ? optPut(p, len, pcbOf(sk).opt, pcbOf(sk).optLen) : 0;
    case IP_PKTOPTIONS: return sk.type == 1 ? 0 : -Errno.ENOPROTOOPT; // the last packet of a stream brought nothing to tell
    case IP_UNICAST_IF: return optPutByte(p, len, bswap<u32>(sk.unicastIf));
    case IP_LOCAL_PORT_RANGE: return optPutByte(p, len, sk.portRange);
    case IP_PROTOCOL: return optPutByte(p, len, sk.kind == <u8>SockKind.RAW ? sk.protocol : sk.lport);
    case IP_MSFILTER: return getFilter4(sk, p, len);
    case MCAST_MSFILTER: return getFilterAny(sk, p, len, AF_INET);
    default: return -Errno.ENOPROTOOPT;
  }
}

@inline export function isDatagram(sk: Sock): bool { return sk.kind == <u8>SockKind.UDP || sk.kind == <u8>SockKind.RAW || sk.kind == <u8>SockKind.PING; }

/** MTU of the path of a connected socket, 0 when it is not connected. */
export function pathMtu(sk: Sock): u32 {
  if (sk.kind == <u8>SockKind.TCP) return sk.state == STATE_CONNECTED ? changetype<Tcb>(sk.pcb).pmtu : 0;
  if (!isDatagram(sk) || sk.state != STATE_CONNECTED) return 0;
  const f = pcbOf(sk).flow;
  if (flowStale(f)) flowRoute(f);
  return f.mtu;
}

// RFC 791 options for every packet of the socket: no source routes, whole words.
function setOptions(sk: Sock, p: usize, len: u32): i32 {
  if (len > 40) return -Errno.EINVAL;
  let at: u32 = 0;
  while (at < len) {
    const o = <u32>load<u8>(p + at);
    if (o == 0) break; // what follows the end is not kept
    if (o == 1) {
      at++;
      continue;
    }
    const n = at + 1 < len ? <u32>load<u8>(p + at, 1) : 0;
    if (n < 2 || at + n > len || o == 131 || o == 137) return -Errno.EINVAL;
    at += n;
  }
  if (!isDatagram(sk)) return len ? -Errno.ENOPROTOOPT : 0;
  const pcb = pcbOf(sk);
  memory.fill(pcb.opt, 0, 40);
  memory.copy(pcb.opt, p, at);
  pcb.optLen = (len + 3) & ~3;
  return 0;
}

// ---- SOL_RAW, SOL_ICMPV6: type filters ----
const ICMP_FILTER: u32 = 1;

/** ICMP_FILTER (4 bytes) or ICMP6_FILTER (32 bytes). */
export function setFilterOption(sk: Sock, level: u32, name: u32, p: usize, len: u32): i32 {
  const r = filterLevel(sk, level, name, len);
  if (r < 0) return r;
  const v4 = sk.family == <u16>AF_INET;
  memory.copy(pcbOf(sk).filter, p, min<u32>(len, v4 ? 4 : 32));
  return 0;
}
export function getFilterOption(sk: Sock, level: u32, name: u32, p: usize, len: u32): i32 {
  const r = filterLevel(sk, level, name, 4);
  if (r < 0) return r == -Errno.ENOPROTOOPT && sk.family == <u16>AF_INET && (level != SOL_RAW || sk.kind != <u8>SockKind.RAW) ? -Errno.EOPNOTSUPP : r;
  return optPut(p, len, pcbOf(sk).filter, sk.family == <u16>AF_INET ? 4 : 32);
}
const SOL_RAW: u32 = 255;

// Does the level with its option belong to the socket? 0 or -errno.
function filterLevel(sk: Sock, level: u32, name: u32, len: u32): i32 {
  if (sk.kind != <u8>SockKind.RAW) return -Errno.ENOPROTOOPT;
  if (sk.family == <u16>AF_INET) {
    if (level != SOL_RAW || name != ICMP_FILTER) return -Errno.ENOPROTOOPT;
    return sk.protocol == <u16>IPPROTO_ICMP ? 0 : -Errno.EOPNOTSUPP;
  }
  if (level == SOL_RAW) return len < 4 ? -Errno.EINVAL : -Errno.ENOPROTOOPT;
  if (sk.protocol != <u16>NEXTHDR_ICMP) return -Errno.EOPNOTSUPP;
  return name == ICMP_FILTER ? 0 : -Errno.ENOPROTOOPT;
}
