// IPPROTO_IP (ip(7)) and IPPROTO_IPV6 (ipv6(7)) options, and the protocol-independent multicast ones (RFC 3678).
import { Errno } from "../abi";
import { addrCopy, addrIsMulticast, addrIsV4, addrSetV4, addrV4, v4IsMulticast } from "../lib/addr";
import { be32, putBe32 } from "../lib/bytes";
import { AF_INET, AF_INET6, Sock, SockFlag, SockKind } from "../core/sock";
import { Sysctl, sysctl } from "../core/sysctl";
import { ifaddrFind } from "../link/ifaddr";
import { NetDevice, netDeviceByIndex } from "../link/net_device";
import { fibLookup } from "../network/fib";
import { Flow, flowRoute, flowStale } from "../network/flow";
import { IPPROTO_ICMP } from "../wire/ipv4";
import { NEXTHDR_ICMP } from "../wire/ipv6";
import { STATE_CONNECTED, pcbOf } from "../transport/datagram";
import { membershipAdd, membershipDrop, membershipSource } from "../transport/membership";
import { Cmsg } from "./cmsg";
import { optInt, optPut, optPutInt } from "./option";

const A: usize = memory.data(16, 8);
const B: usize = memory.data(16, 8);
const TMP: usize = memory.data(16, 8);

// ---- IPPROTO_IP ----
const IP_TOS: u32 = 1;
const IP_TTL: u32 = 2;
const IP_HDRINCL: u32 = 3;
const IP_OPTIONS: u32 = 4;
const IP_RECVOPTS: u32 = 6;
const IP_RETOPTS: u32 = 7;
const IP_PKTINFO: u32 = 8;
const IP_MTU_DISCOVER: u32 = 10;
const IP_RECVERR: u32 = 11;
const IP_RECVTTL: u32 = 12;
const IP_RECVTOS: u32 = 13;
const IP_MTU: u32 = 14;
const IP_FREEBIND: u32 = 15;
const IP_TRANSPARENT: u32 = 19;
const IP_RECVORIGDSTADDR: u32 = 20;
const IP_MINTTL: u32 = 21;
const IP_BIND_ADDRESS_NO_PORT: u32 = 24;
const IP_MULTICAST_IF: u32 = 32;
const IP_MULTICAST_TTL: u32 = 33;
const IP_MULTICAST_LOOP: u32 = 34;
const IP_ADD_MEMBERSHIP: u32 = 35;
const IP_DROP_MEMBERSHIP: u32 = 36;
const IP_UNBLOCK_SOURCE: u32 = 37;
const IP_BLOCK_SOURCE: u32 = 38;
const IP_ADD_SOURCE_MEMBERSHIP: u32 = 39;
const IP_DROP_SOURCE_MEMBERSHIP: u32 = 40;
const MCAST_JOIN_GROUP: u32 = 42;
const MCAST_BLOCK_SOURCE: u32 = 43;
const MCAST_UNBLOCK_SOURCE: u32 = 44;
const MCAST_LEAVE_GROUP: u32 = 45;
const MCAST_JOIN_SOURCE_GROUP: u32 = 46;
const MCAST_LEAVE_SOURCE_GROUP: u32 = 47;
const IP_MULTICAST_ALL: u32 = 49;
const IP_UNICAST_IF: u32 = 50;

// The bit of Sock.cmsgFlags an option switches, 0 when it is none.
function cmsg4(name: u32): u32 {
  switch (name) {
    case IP_PKTINFO: return Cmsg.PKTINFO;
    case IP_RECVTTL: return Cmsg.TTL;
    case IP_RECVTOS: return Cmsg.TOS;
    case IP_RECVOPTS: case IP_RETOPTS: return Cmsg.OPTIONS;
    case IP_RECVORIGDSTADDR: return Cmsg.ORIGDSTADDR;
    default: return 0;
  }
}

function setCmsg(sk: Sock, bit: u32, on: bool): i32 {
  sk.cmsgFlags = on ? sk.cmsgFlags | bit : sk.cmsgFlags & ~bit;
  return 0;
}

function setFlag(sk: Sock, f: SockFlag, on: bool): i32 {
  sk.set(f, on);
  return 0;
}

export function setIpOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name >= IP_ADD_MEMBERSHIP && name <= MCAST_LEAVE_SOURCE_GROUP) return multicast4(sk, name, p, len);
  if (name == IP_OPTIONS) return setOptions(sk, p, len);
  if (name == IP_MULTICAST_IF) return multicastIf4(sk, p, len);
  if (!len) return -Errno.EINVAL;
  const v = optInt(p, len);
  const bit = cmsg4(name);
  if (bit) return setCmsg(sk, bit, v != 0);
  switch (name) {
    case IP_TOS:
      // A TCP socket keeps the ECN bits for itself (Linux INET_ECN_MASK).
      sk.tos = sk.kind == <u8>SockKind.TCP ? <u8>((v & ~3) | (sk.tos & 3)) : <u8>v;
      return 0;
    case IP_TTL:
      if (v != -1 && (v < 1 || v > 255)) return -Errno.EINVAL;
      sk.ttl = v == -1 ? 0 : <u8>v;
      return 0;
    case IP_HDRINCL:
      return sk.kind == <u8>SockKind.RAW ? setFlag(sk, SockFlag.HDRINCL, v != 0) : -Errno.ENOPROTOOPT;
    case IP_MTU_DISCOVER:
      if (v < 0 || v > 5) return -Errno.EINVAL;
      sk.pmtudisc = <u8>v;
      return 0;
    case IP_RECVERR: return setFlag(sk, SockFlag.RECVERR, v != 0);
    case IP_FREEBIND: return setFlag(sk, SockFlag.FREEBIND, v != 0);
    case IP_TRANSPARENT: return setFlag(sk, SockFlag.TRANSPARENT, v != 0);
    case IP_MULTICAST_TTL:
      if (sk.type == 1) return -Errno.EINVAL;
      if (v < -1 || v > 255) return -Errno.EINVAL;
      sk.mcTtl = v == -1 ? 1 : <u8>v;
      return 0;
    case IP_MULTICAST_LOOP: return setFlag(sk, SockFlag.MC_LOOP, v != 0);
    case IP_MULTICAST_ALL:
      return v == 0 || v == 1 ? setFlag(sk, SockFlag.MC_ALL, v != 0) : -Errno.EINVAL;
    case IP_UNICAST_IF: {
      const i = <u32>bswap<i32>(v);
      if (i && !netDeviceByIndex(i)) return -Errno.EADDRNOTAVAIL;
      sk.boundIf = i;
      return 0;
    }
    case IP_MINTTL: case IP_BIND_ADDRESS_NO_PORT: return 0; // hints without which everything works the same here
    default: return -Errno.ENOPROTOOPT;
  }
}

export function getIpOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  const bit = cmsg4(name);
  if (bit) return optPutInt(p, len, sk.cmsgFlags & bit ? 1 : 0);
  switch (name) {
    case IP_TOS: return optPutInt(p, len, sk.tos);
    case IP_TTL: return optPutInt(p, len, sk.ttl ? sk.ttl : <i32>sysctl(Sysctl.IP_DEFAULT_TTL));
    case IP_HDRINCL: return sk.kind == <u8>SockKind.RAW ? optPutInt(p, len, sk.has(SockFlag.HDRINCL) ? 1 : 0) : -Errno.ENOPROTOOPT;
    case IP_MTU_DISCOVER: return optPutInt(p, len, sk.pmtudisc);
    case IP_RECVERR: return optPutInt(p, len, sk.has(SockFlag.RECVERR) ? 1 : 0);
    case IP_FREEBIND: return optPutInt(p, len, sk.has(SockFlag.FREEBIND) ? 1 : 0);
    case IP_TRANSPARENT: return optPutInt(p, len, sk.has(SockFlag.TRANSPARENT) ? 1 : 0);
    case IP_MTU: return mtu(sk, p, len);
    case IP_MULTICAST_TTL: return optPutInt(p, len, sk.mcTtl);
    case IP_MULTICAST_LOOP: return optPutInt(p, len, sk.has(SockFlag.MC_LOOP) ? 1 : 0);
    case IP_MULTICAST_ALL: return optPutInt(p, len, sk.has(SockFlag.MC_ALL) ? 1 : 0);
    case IP_MULTICAST_IF:
      putBe32(TMP, sk.mcAddr);
      return optPut(p, len, TMP, 4);
    case IP_OPTIONS: return isDatagram(sk) ? optPut(p, len, pcbOf(sk).opt, pcbOf(sk).optLen) : 0;
    case IP_MINTTL: case IP_BIND_ADDRESS_NO_PORT: return optPutInt(p, len, 0);
    default: return -Errno.ENOPROTOOPT;
  }
}

@inline function isDatagram(sk: Sock): bool { return sk.kind == <u8>SockKind.UDP || sk.kind == <u8>SockKind.RAW || sk.kind == <u8>SockKind.PING; }

function mtu(sk: Sock, p: usize, len: u32): i32 {
  let f: Flow | null = null;
  if (isDatagram(sk) && sk.state == STATE_CONNECTED) f = pcbOf(sk).flow;
  if (!f || !f.mtu) return -Errno.ENOTCONN;
  if (flowStale(f)) flowRoute(f);
  return optPutInt(p, len, f.mtu);
}

// RFC 791 options for every packet of the socket: no source routes, whole words.
function setOptions(sk: Sock, p: usize, len: u32): i32 {
  if (len > 40) return -Errno.EINVAL;
  if (!isDatagram(sk)) return len ? -Errno.ENOPROTOOPT : 0;
  let at: u32 = 0;
  while (at < len) {
    const o = <u32>load<u8>(p + at);
    if (o == 0) break;
    if (o == 1) {
      at++;
      continue;
    }
    const n = at + 1 < len ? <u32>load<u8>(p + at, 1) : 0;
    if (n < 2 || at + n > len || o == 131 || o == 137) return -Errno.EINVAL;
    at += n;
  }
  const pcb = pcbOf(sk);
  memory.fill(pcb.opt, 0, 40);
  memory.copy(pcb.opt, p, len);
  pcb.optLen = (len + 3) & ~3;
  return 0;
}

// The interface named by an address or index, or the one the routing table would use for `group`.
function deviceFor(v4: u32, ifindex: u32, group: usize): NetDevice | null {
  if (ifindex) return netDeviceByIndex(ifindex);
  if (v4) {
    addrSetV4(B, v4);
    const a = ifaddrFind(B, 0);
    return a ? a.device : null;
  }
  const r = fibLookup(group, 0);
  return r ? netDeviceByIndex(r.ifindex) : null;
}

// in_addr, ip_mreq or ip_mreqn.
function multicastIf4(sk: Sock, p: usize, len: u32): i32 {
  if (sk.type == 1) return -Errno.EINVAL;
  if (len < 4) return -Errno.EINVAL;
  const addr = len >= 8 ? be32(p + 4) : be32(p);
  const ifindex = len >= 12 ? load<u32>(p, 8) : 0;
  if (!addr && !ifindex) {
    sk.mcIf = 0;
    sk.mcAddr = 0;
    return 0;
  }
  addrSetV4(A, 0xe0000001);
  const d = deviceFor(addr, ifindex, A);
  if (!d) return -Errno.EADDRNOTAVAIL;
  sk.mcIf = d.ifindex;
  sk.mcAddr = addr;
  return 0;
}

function multicast4(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (sk.type == 1) return -Errno.EPROTO;
  if (name >= MCAST_JOIN_GROUP) return multicastAny(sk, name, p, len, AF_INET);
  if (len < 8) return -Errno.EINVAL;
  addrSetV4(A, be32(p));
  if (!addrIsMulticast(A)) return -Errno.EINVAL;
  if (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP) {
    const ifindex = len >= 12 ? load<u32>(p, 8) : 0;
    const d = deviceFor(be32(p + 4), ifindex, A);
    if (!d) return name == IP_DROP_MEMBERSHIP ? membershipDrop(sk, 0, A) : -Errno.ENODEV;
    return name == IP_ADD_MEMBERSHIP ? membershipAdd(sk, d, A) : membershipDrop(sk, be32(p + 4) || ifindex ? d.ifindex : 0, A);
  }
  if (len < 12) return -Errno.EINVAL;
  // struct ip_mreq_source: group, interface, source
  const d = deviceFor(be32(p + 4), 0, A);
  if (!d) return -Errno.ENODEV;
  addrSetV4(B, be32(p + 8));
  if (v4IsMulticast(addrV4(B))) return -Errno.EADDRNOTAVAIL;
  return sourceOption(sk, name, d);
}

function sourceOption(sk: Sock, name: u32, d: NetDevice): i32 {
  switch (name) {
    case IP_ADD_SOURCE_MEMBERSHIP: case MCAST_JOIN_SOURCE_GROUP: return membershipSource(sk, d, A, B, true, true);
    case IP_DROP_SOURCE_MEMBERSHIP: case MCAST_LEAVE_SOURCE_GROUP: return membershipSource(sk, d, A, B, false, true);
    case IP_BLOCK_SOURCE: case MCAST_BLOCK_SOURCE: return membershipSource(sk, d, A, B, true, false);
    case IP_UNBLOCK_SOURCE: case MCAST_UNBLOCK_SOURCE: return membershipSource(sk, d, A, B, false, false);
    default: return -Errno.ENOPROTOOPT;
  }
}

// group_req {interface u32, pad, group sockaddr_storage(128)} and group_source_req with a source behind it.
function multicastAny(sk: Sock, name: u32, p: usize, len: u32, family: u32): i32 {
  const both = name != MCAST_JOIN_GROUP && name != MCAST_LEAVE_GROUP;
  const need: u32 = both ? 264 : 136;
  if (len < need) return -Errno.EINVAL;
  if (!storageAddr(p + 8, family, A) || !addrIsMulticast(A)) return -Errno.EADDRNOTAVAIL;
  const d = deviceFor(0, load<u32>(p), A);
  if (!d) return -Errno.ENODEV;
  if (!both) return name == MCAST_JOIN_GROUP ? membershipAdd(sk, d, A) : membershipDrop(sk, load<u32>(p), A);
  if (!storageAddr(p + 136, family, B)) return -Errno.EADDRNOTAVAIL;
  return sourceOption(sk, name, d);
}

function storageAddr(p: usize, family: u32, out: usize): bool {
  if (<u32>load<u16>(p) != family) return false;
  if (family == AF_INET) addrSetV4(out, be32(p + 4));
  else addrCopy(out, p + 8);
  return true;
}

// ---- IPPROTO_IPV6 ----
const IPV6_ADDRFORM: u32 = 1;
const IPV6_CHECKSUM: u32 = 7;
const IPV6_UNICAST_HOPS: u32 = 16;
const IPV6_MULTICAST_IF: u32 = 17;
const IPV6_MULTICAST_HOPS: u32 = 18;
const IPV6_MULTICAST_LOOP: u32 = 19;
const IPV6_JOIN_GROUP: u32 = 20;
const IPV6_LEAVE_GROUP: u32 = 21;
const IPV6_MTU_DISCOVER: u32 = 23;
const IPV6_MTU: u32 = 24;
const IPV6_RECVERR: u32 = 25;
const IPV6_V6ONLY: u32 = 26;
const IPV6_MULTICAST_ALL: u32 = 29;
const IPV6_AUTOFLOWLABEL: u32 = 70;
const IPV6_RECVPKTINFO: u32 = 49;
const IPV6_RECVHOPLIMIT: u32 = 51;
const IPV6_RECVTCLASS: u32 = 66;
const IPV6_TCLASS: u32 = 67;
const IPV6_DONTFRAG: u32 = 62;
const IPV6_ADDR_PREFERENCES: u32 = 72;
const IPV6_RECVORIGDSTADDR: u32 = 74;
const IPV6_TRANSPARENT: u32 = 75;
const IPV6_UNICAST_IF: u32 = 76;
const IPV6_FREEBIND: u32 = 78;

function cmsg6(name: u32): u32 {
  switch (name) {
    case IPV6_RECVPKTINFO: return Cmsg.PKTINFO6;
    case IPV6_RECVHOPLIMIT: return Cmsg.HOPLIMIT;
    case IPV6_RECVTCLASS: return Cmsg.TCLASS;
    case IPV6_RECVORIGDSTADDR: return Cmsg.ORIGDSTADDR6;
    default: return 0;
  }
}

export function setIpv6Option(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name >= MCAST_JOIN_GROUP && name <= MCAST_LEAVE_SOURCE_GROUP) return multicastAny(sk, name, p, len, AF_INET6);
  if (len < 4) return -Errno.EINVAL;
  const v = optInt(p, len);
  const bit = cmsg6(name);
  if (bit) return setCmsg(sk, bit, v != 0);
  switch (name) {
    case IPV6_V6ONLY:
      if (sk.lport) return -Errno.EINVAL;
      return setFlag(sk, SockFlag.V6ONLY, v != 0);
    case IPV6_UNICAST_HOPS:
      if (v < -1 || v > 255) return -Errno.EINVAL;
      sk.hopLimit = <i16>v;
      return 0;
    case IPV6_MULTICAST_HOPS:
      if (sk.type == 1) return -Errno.ENOPROTOOPT;
      if (v < -1 || v > 255) return -Errno.EINVAL;
      sk.mcHops = v == -1 ? 1 : <i16>v;
      return 0;
    case IPV6_MULTICAST_LOOP:
      return v == 0 || v == 1 ? setFlag(sk, SockFlag.MC6_LOOP, v != 0) : -Errno.EINVAL;
    case IPV6_MULTICAST_ALL:
      return v == 0 || v == 1 ? setFlag(sk, SockFlag.MC_ALL, v != 0) : -Errno.EINVAL;
    case IPV6_MULTICAST_IF:
      if (v && !netDeviceByIndex(v)) return -Errno.ENODEV;
      sk.mcIf6 = v;
      return 0;
    case IPV6_UNICAST_IF: {
      const i = <u32>bswap<i32>(v);
      if (i && !netDeviceByIndex(i)) return -Errno.EADDRNOTAVAIL;
      sk.boundIf = i;
      return 0;
    }
    case IPV6_JOIN_GROUP: case IPV6_LEAVE_GROUP: {
      if (len < 20) return -Errno.EINVAL;
      if (sk.type == 1) return -Errno.EPROTO;
      addrCopy(A, p);
      if (!addrIsMulticast(A) || addrIsV4(A)) return -Errno.EINVAL;
      const ifindex = load<u32>(p, 16);
      const d = deviceFor(0, ifindex, A);
      if (!d) return -Errno.ENODEV;
      return name == IPV6_JOIN_GROUP ? membershipAdd(sk, d, A) : membershipDrop(sk, ifindex, A);
    }
    case IPV6_MTU_DISCOVER:
      if (v < 0 || v > 5) return -Errno.EINVAL;
      sk.pmtudisc6 = <u8>v;
      return 0;
    case IPV6_DONTFRAG:
      sk.pmtudisc6 = v ? 2 : 1;
      return 0;
    case IPV6_RECVERR: return setFlag(sk, SockFlag.RECVERR6, v != 0);
    case IPV6_FREEBIND: return setFlag(sk, SockFlag.FREEBIND, v != 0);
    case IPV6_TRANSPARENT: return setFlag(sk, SockFlag.TRANSPARENT, v != 0);
    case IPV6_TCLASS:
      if (v < -1 || v > 255) return -Errno.EINVAL;
      sk.tclass = v == -1 ? 0 : sk.kind == <u8>SockKind.TCP ? <u8>((v & ~3) | (sk.tclass & 3)) : <u8>v;
      return 0;
    case IPV6_CHECKSUM:
      if (sk.kind != <u8>SockKind.RAW || sk.protocol == <u16>NEXTHDR_ICMP) return -Errno.EINVAL;
      if (v > 0 && v & 1) return -Errno.EINVAL;
      pcbOf(sk).csumOffset = v < 0 ? -1 : v;
      return 0;
    case IPV6_AUTOFLOWLABEL: case IPV6_ADDR_PREFERENCES: case IPV6_MTU: return 0; // hints
    default: return -Errno.ENOPROTOOPT;
  }
}

export function getIpv6Option(sk: Sock, name: u32, p: usize, len: u32): i32 {
  const bit = cmsg6(name);
  if (bit) return optPutInt(p, len, sk.cmsgFlags & bit ? 1 : 0);
  switch (name) {
    case IPV6_V6ONLY: return optPutInt(p, len, sk.has(SockFlag.V6ONLY) ? 1 : 0);
    case IPV6_UNICAST_HOPS: return optPutInt(p, len, sk.hopLimit < 0 ? <i32>sysctl(Sysctl.IP6_HOP_LIMIT) : sk.hopLimit);
    case IPV6_MULTICAST_HOPS: return optPutInt(p, len, sk.mcHops);
    case IPV6_MULTICAST_LOOP: return optPutInt(p, len, sk.has(SockFlag.MC6_LOOP) ? 1 : 0);
    case IPV6_MULTICAST_ALL: return optPutInt(p, len, sk.has(SockFlag.MC_ALL) ? 1 : 0);
    case IPV6_MULTICAST_IF: return optPutInt(p, len, sk.mcIf6);
    case IPV6_MTU_DISCOVER: return optPutInt(p, len, sk.pmtudisc6);
    case IPV6_DONTFRAG: return optPutInt(p, len, sk.pmtudisc6 == 2 ? 1 : 0);
    case IPV6_MTU: return mtu(sk, p, len);
    case IPV6_RECVERR: return optPutInt(p, len, sk.has(SockFlag.RECVERR6) ? 1 : 0);
    case IPV6_FREEBIND: return optPutInt(p, len, sk.has(SockFlag.FREEBIND) ? 1 : 0);
    case IPV6_TRANSPARENT: return optPutInt(p, len, sk.has(SockFlag.TRANSPARENT) ? 1 : 0);
    case IPV6_TCLASS: return optPutInt(p, len, sk.tclass);
    case IPV6_CHECKSUM: return sk.kind == <u8>SockKind.RAW ? optPutInt(p, len, pcbOf(sk).csumOffset) : -Errno.EINVAL;
    case IPV6_ADDRFORM: return optPutInt(p, len, AF_INET6);
    case IPV6_AUTOFLOWLABEL: case IPV6_ADDR_PREFERENCES: return optPutInt(p, len, 0);
    default: return -Errno.ENOPROTOOPT;
  }
}

// ---- SOL_RAW, SOL_ICMPV6: type filters ----
const ICMP_FILTER: u32 = 1;

/** ICMP_FILTER (4 bytes) or ICMP6_FILTER (32 bytes). */
export function setFilterOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name != ICMP_FILTER || sk.kind != <u8>SockKind.RAW) return -Errno.ENOPROTOOPT;
  const v4 = sk.protocol == <u16>IPPROTO_ICMP;
  if (!v4 && sk.protocol != <u16>NEXTHDR_ICMP) return -Errno.EOPNOTSUPP;
  memory.copy(pcbOf(sk).filter, p, min<u32>(len, v4 ? 4 : 32));
  return 0;
}
export function getFilterOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name != ICMP_FILTER || sk.kind != <u8>SockKind.RAW) return -Errno.ENOPROTOOPT;
  return optPut(p, len, pcbOf(sk).filter, sk.protocol == <u16>IPPROTO_ICMP ? 4 : 32);
}
