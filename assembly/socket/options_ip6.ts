// IPPROTO_IPV6 options (ipv6(7), RFC 3493, RFC 3542 and its predecessor RFC 2292).
import { Errno } from "../abi";
import { addrCopy, addrIsV4 } from "../lib/addr";
import { Drop } from "../core/drop";
import { AF_INET, AF_INET6, Sock, SockFlag, SockKind } from "../core/sock";
import { Sysctl, sysctl } from "../core/sysctl";
import { netDeviceByIndex } from "../link/net_device";
import { STATE_CONNECTED, pcbOf } from "../transport/datagram";
import { NEXTHDR_ICMP } from "../wire/ipv6";
import { Cmsg } from "./cmsg";
import { Extra, extraHas, extraSet, optInt, optPut, optPutInt } from "./option";
import { pathMtu, policyErrno, setCmsg, setFlag, unicastIfCheck } from "./options_ip";
import { MCAST_JOIN_GROUP, MCAST_MSFILTER, IPV6_JOIN_GROUP, getFilterAny, multicast6, multicastAny } from "./options_multicast";

const IPV6_ADDRFORM: u32 = 1;
const IPV6_2292PKTINFO: u32 = 2;
const IPV6_2292HOPOPTS: u32 = 3;
const IPV6_2292DSTOPTS: u32 = 4;
const IPV6_2292RTHDR: u32 = 5;
const IPV6_2292PKTOPTIONS: u32 = 6;
const IPV6_CHECKSUM: u32 = 7;
const IPV6_2292HOPLIMIT: u32 = 8;
const IPV6_FLOWINFO: u32 = 11;
const IPV6_UNICAST_HOPS: u32 = 16;
const IPV6_MULTICAST_IF: u32 = 17;
const IPV6_MULTICAST_HOPS: u32 = 18;
const IPV6_MULTICAST_LOOP: u32 = 19;
const IPV6_LEAVE_GROUP: u32 = 21;
const IPV6_ROUTER_ALERT: u32 = 22;
const IPV6_MTU_DISCOVER: u32 = 23;
const IPV6_MTU: u32 = 24;
const IPV6_RECVERR: u32 = 25;
const IPV6_V6ONLY: u32 = 26;
const IPV6_JOIN_ANYCAST: u32 = 27;
const IPV6_LEAVE_ANYCAST: u32 = 28;
const IPV6_MULTICAST_ALL: u32 = 29;
const IPV6_ROUTER_ALERT_ISOLATE: u32 = 30;
const IPV6_RECVERR_RFC4884: u32 = 31;
const IPV6_FLOWLABEL_MGR: u32 = 32;
const IPV6_FLOWINFO_SEND: u32 = 33;
const IPV6_IPSEC_POLICY: u32 = 34;
const IPV6_XFRM_POLICY: u32 = 35;
const IPV6_HDRINCL: u32 = 36;
const IPV6_RECVPKTINFO: u32 = 49;
const IPV6_PKTINFO: u32 = 50;
const IPV6_RECVHOPLIMIT: u32 = 51;
const IPV6_RECVHOPOPTS: u32 = 53;
const IPV6_HOPOPTS: u32 = 54;
const IPV6_RTHDRDSTOPTS: u32 = 55;
const IPV6_RECVRTHDR: u32 = 56;
const IPV6_RTHDR: u32 = 57;
const IPV6_RECVDSTOPTS: u32 = 58;
const IPV6_DSTOPTS: u32 = 59;
const IPV6_RECVPATHMTU: u32 = 60;
const IPV6_PATHMTU: u32 = 61;
const IPV6_DONTFRAG: u32 = 62;
const IPV6_RECVTCLASS: u32 = 66;
const IPV6_TCLASS: u32 = 67;
const IPV6_AUTOFLOWLABEL: u32 = 70;
const IPV6_ADDR_PREFERENCES: u32 = 72;
const IPV6_MINHOPCOUNT: u32 = 73;
const IPV6_RECVORIGDSTADDR: u32 = 74;
const IPV6_TRANSPARENT: u32 = 75;
const IPV6_UNICAST_IF: u32 = 76;
const IPV6_RECVFRAGSIZE: u32 = 77;
const IPV6_FREEBIND: u32 = 78;
/** sizeof(struct in6_pktinfo), sizeof(struct ip6_mtuinfo). */
const PKTINFO_LEN: u32 = 20;
const MTUINFO_LEN: u32 = 32;
const MTU_MIN: i32 = 1280;
const IPPROTO_RAW: u16 = 255;
// IPV6_PREFER_SRC_*: as given, and as kept in Sock.addrPrefs.
const PREFER_TMP: u32 = 1;
const PREFER_PUBLIC: u32 = 2;
const PREFER_COA: u32 = 4;
const PREFER_CGA: u32 = 8;
const PREFER_PUBTMP_DEFAULT: u32 = 0x100;
const PREFER_HOME: u32 = 0x400;
const PREFER_NONCGA: u32 = 0x800;
const TMP: usize = memory.data(32, 8);

function cmsg6(name: u32): u32 {
  switch (name) {
    case IPV6_RECVPKTINFO: return Cmsg.PKTINFO6;
    case IPV6_2292PKTINFO: return Cmsg.PKTINFO6_OLD;
    case IPV6_RECVHOPLIMIT: return Cmsg.HOPLIMIT;
    case IPV6_2292HOPLIMIT: return Cmsg.HOPLIMIT_OLD;
    case IPV6_RECVTCLASS: return Cmsg.TCLASS;
    case IPV6_FLOWINFO: return Cmsg.FLOWINFO;
    case IPV6_RECVORIGDSTADDR: return Cmsg.ORIGDSTADDR6;
    default: return 0;
  }
}

// Boolean options that need a whole int.
function extra6(name: u32): u32 {
  switch (name) {
    case IPV6_2292HOPOPTS: return Extra.HOPOPTS_OLD;
    case IPV6_2292DSTOPTS: return Extra.DSTOPTS_OLD;
    case IPV6_2292RTHDR: return Extra.RTHDR_OLD;
    case IPV6_RECVHOPOPTS: return Extra.HOPOPTS;
    case IPV6_RECVRTHDR: return Extra.RTHDR;
    case IPV6_RECVDSTOPTS: return Extra.DSTOPTS;
    case IPV6_RECVPATHMTU: return Extra.PATHMTU;
    case IPV6_ROUTER_ALERT_ISOLATE: return Extra.ISOLATE;
    case IPV6_FLOWINFO_SEND: return Extra.FLOWINFO_SEND;
    default: return 0;
  }
}

export function setIpv6Option(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name >= MCAST_JOIN_GROUP && name <= MCAST_MSFILTER) return multicastAny(sk, name, p, len, AF_INET6);
  if (name == IPV6_JOIN_GROUP || name == IPV6_LEAVE_GROUP) return multicast6(sk, name, p, len);
  const short = len < 4;
  const v = short ? 0 : optInt(p, len);
  const bit = cmsg6(name);
  if (bit) return short ? -Errno.EINVAL : setCmsg(sk, bit, v != 0);
  const extra = extra6(name);
  if (extra) return short ? -Errno.EINVAL : extraSet(sk, extra, v != 0);
  switch (name) {
    case IPV6_V6ONLY:
      if (short || sk.lport || sk.kind == <u8>SockKind.RAW) return -Errno.EINVAL;
      return setFlag(sk, SockFlag.V6ONLY, v != 0);
    case IPV6_UNICAST_HOPS:
      if (short || v < -1 || v > 255) return -Errno.EINVAL;
      sk.hopLimit = <i16>v;
      return 0;
    case IPV6_MULTICAST_HOPS:
      if (sk.type == 1) return -Errno.ENOPROTOOPT;
      if (short || v < -1 || v > 255) return -Errno.EINVAL;
      sk.mcHops = v == -1 ? 1 : <i16>v;
      return 0;
    case IPV6_MULTICAST_LOOP: return !short && (v == 0 || v == 1) ? setFlag(sk, SockFlag.MC6_LOOP, v != 0) : -Errno.EINVAL;
    case IPV6_MULTICAST_ALL: return short ? -Errno.EINVAL : setFlag(sk, SockFlag.MC6_ALL, v != 0);
    case IPV6_MULTICAST_IF:
      if (sk.type == 1) return -Errno.ENOPROTOOPT;
      if (short) return -Errno.EINVAL;
      if (v && !netDeviceByIndex(v)) return -Errno.ENODEV;
      if (v && sk.boundIf && sk.boundIf != <u32>v) return -Errno.EINVAL;
      sk.mcIf6 = v;
      return 0;
    case IPV6_UNICAST_IF: {
      const r = unicastIfCheck(sk, bswap<u32>(v), len);
      if (!r) sk.unicastIf6 = bswap<u32>(v);
      return r;
    }
    case IPV6_MTU_DISCOVER:
      if (short || v < 0 || v > 5) return -Errno.EINVAL;
      sk.pmtudisc6 = <u8>v;
      return 0;
    case IPV6_RECVERR:
      if (short) return -Errno.EINVAL;
      if (!v) sk.errq.purge(Drop.COUNT);
      return setFlag(sk, SockFlag.RECVERR6, v != 0);
    case IPV6_FREEBIND: return short ? -Errno.EINVAL : setFlag(sk, SockFlag.FREEBIND, v != 0);
    case IPV6_TRANSPARENT:
      if (v && sk.uid != 0) return -Errno.EPERM;
      return short ? -Errno.EINVAL : setFlag(sk, SockFlag.TRANSPARENT, v != 0);
    case IPV6_TCLASS:
      if (short || v < -1 || v > 255) return -Errno.EINVAL;
      sk.tclass = v == -1 ? (sk.type == 1 ? sk.tclass & 3 : 0) : sk.type == 1 ? <u8>((v & ~3) | (sk.tclass & 3)) : <u8>v;
      return 0;
    case IPV6_CHECKSUM: return setChecksum(sk, v, short);
    case IPV6_PKTINFO: return setSticky(sk, p, len);
    default: return setRare(sk, name, v, len);
  }
}

function setChecksum(sk: Sock, v: i32, short: bool): i32 {
  if (sk.kind != <u8>SockKind.RAW) return -Errno.ENOPROTOOPT;
  if (short || sk.protocol == <u16>NEXTHDR_ICMP || (v > 0 && v & 1)) return -Errno.EINVAL;
  pcbOf(sk).csumOffset = v < 0 ? -1 : v;
  return 0;
}

// IPV6_PKTINFO: source and interface of every packet (RFC 3542 6.2).
function setSticky(sk: Sock, p: usize, len: u32): i32 {
  if (len < PKTINFO_LEN) return -Errno.EINVAL;
  const ifindex = load<u32>(p, 16);
  if (sk.boundIf && ifindex != sk.boundIf) return -Errno.EINVAL;
  addrCopy(sk.sticky, p);
  sk.stickyIf = ifindex;
  return 0;
}

function setRare(sk: Sock, name: u32, v: i32, len: u32): i32 {
  const short = len < 4;
  switch (name) {
    case IPV6_DONTFRAG: return setFlag(sk, SockFlag.DONTFRAG6, v != 0);
    case IPV6_AUTOFLOWLABEL: return extraSet(sk, Extra.NO_AUTOFLOW, v == 0);
    case IPV6_RECVFRAGSIZE: return extraSet(sk, Extra.FRAGSIZE6, v != 0);
    case IPV6_RECVERR_RFC4884: return short || v < 0 || v > 1 ? -Errno.EINVAL : extraSet(sk, Extra.RFC4884_6, v != 0);
    case IPV6_HDRINCL:
      if (sk.kind != <u8>SockKind.RAW) return -Errno.ENOPROTOOPT;
      return short ? -Errno.EINVAL : setFlag(sk, SockFlag.HDRINCL, v != 0);
    case IPV6_ROUTER_ALERT:
      if (short) return -Errno.EINVAL;
      return sk.kind == <u8>SockKind.RAW && sk.protocol == IPPROTO_RAW ? extraSet(sk, Extra.ROUTER_ALERT, v >= 0) : -Errno.ENOPROTOOPT;
    case IPV6_MTU:
      if (short || (v && v < MTU_MIN)) return -Errno.EINVAL;
      sk.fragSize = v;
      return 0;
    case IPV6_MINHOPCOUNT:
      if (short || v < 0 || v > 255) return -Errno.EINVAL;
      sk.minHops = <u8>v;
      return 0;
    case IPV6_ADDR_PREFERENCES: return short ? -Errno.EINVAL : setPreferences(sk, v);
    case IPV6_ADDRFORM: return short || <u32>v != AF_INET ? -Errno.EINVAL : addrForm(sk);
    // No packet options, anycast addresses, flow label leases or IPsec here: only nothing can be asked for.
    case IPV6_2292PKTOPTIONS: return len < 16 ? 0 : -Errno.EINVAL;
    case IPV6_HOPOPTS: case IPV6_RTHDRDSTOPTS: case IPV6_RTHDR: case IPV6_DSTOPTS: return len ? -Errno.EINVAL : 0;
    case IPV6_JOIN_ANYCAST: return len < PKTINFO_LEN ? -Errno.EINVAL : -Errno.EADDRNOTAVAIL;
    case IPV6_LEAVE_ANYCAST: return len < PKTINFO_LEN ? -Errno.EINVAL : -Errno.ENOENT;
    case IPV6_FLOWLABEL_MGR: return -Errno.EINVAL;
    case IPV6_IPSEC_POLICY: return policyErrno(16, true, len);
    case IPV6_XFRM_POLICY: return policyErrno(17, false, len);
    default: return -Errno.ENOPROTOOPT;
  }
}

// The socket cannot become an IPv4 one: why not.
function addrForm(sk: Sock): i32 {
  if (sk.kind != <u8>SockKind.TCP && sk.kind != <u8>SockKind.UDP) return -Errno.ENOPROTOOPT;
  if (sk.state != STATE_CONNECTED) return -Errno.ENOTCONN;
  return addrIsV4(sk.raddr) ? -Errno.EINVAL : -Errno.EADDRNOTAVAIL;
}

// RFC 5014: at most one of each pair of opposites.
function setPreferences(sk: Sock, v: u32): i32 {
  const temporary = v & (PREFER_TMP | PREFER_PUBLIC | PREFER_PUBTMP_DEFAULT), home = v & (PREFER_HOME | PREFER_COA), cga = v & (PREFER_CGA | PREFER_NONCGA);
  if (temporary & (temporary - 1) || home & (home - 1) || cga & (cga - 1)) return -Errno.EINVAL;
  if (temporary) sk.addrPrefs = <u8>((sk.addrPrefs & ~(PREFER_TMP | PREFER_PUBLIC)) | (temporary & 3));
  if (home) sk.addrPrefs = <u8>((sk.addrPrefs & ~PREFER_COA) | (home & PREFER_COA));
  return 0;
}

export function getIpv6Option(sk: Sock, name: u32, p: usize, len: u32): i32 {
  const bit = cmsg6(name);
  if (bit) return optPutInt(p, len, sk.cmsgFlags & bit ? 1 : 0);
  const extra = extra6(name);
  if (extra) return optPutInt(p, len, extraHas(sk, extra) ? 1 : 0);
  switch (name) {
    case IPV6_V6ONLY: return optPutInt(p, len, sk.has(SockFlag.V6ONLY) ? 1 : 0);
    case IPV6_UNICAST_HOPS: return optPutInt(p, len, sk.hopLimit < 0 ? <i32>sysctl(Sysctl.IP6_HOP_LIMIT) : sk.hopLimit);
    case IPV6_MULTICAST_HOPS: return optPutInt(p, len, sk.mcHops);
    case IPV6_MULTICAST_LOOP: return optPutInt(p, len, sk.has(SockFlag.MC6_LOOP) ? 1 : 0);
    case IPV6_MULTICAST_ALL: return optPutInt(p, len, sk.has(SockFlag.MC6_ALL) ? 1 : 0);
    case IPV6_MULTICAST_IF: return optPutInt(p, len, sk.mcIf6);
    case IPV6_UNICAST_IF: return optPutInt(p, len, bswap<u32>(sk.unicastIf6));
    case IPV6_MTU_DISCOVER: return optPutInt(p, len, sk.pmtudisc6);
    case IPV6_RECVERR: return optPutInt(p, len, sk.has(SockFlag.RECVERR6) ? 1 : 0);
    case IPV6_FREEBIND: return optPutInt(p, len, sk.has(SockFlag.FREEBIND) ? 1 : 0);
    case IPV6_TRANSPARENT: return optPutInt(p, len, sk.has(SockFlag.TRANSPARENT) ? 1 : 0);
    case IPV6_TCLASS: return optPutInt(p, len, sk.tclass);
    case IPV6_CHECKSUM: return sk.kind == <u8>SockKind.RAW ? optPutInt(p, len, pcbOf(sk).csumOffset) : -Errno.ENOPROTOOPT;
    case IPV6_MTU: {
      const n = pathMtu(sk);
      return n ? optPutInt(p, len, n) : -Errno.ENOTCONN;
    }
    case IPV6_PATHMTU: return getPathMtu(sk, p, len);
    default: return getRare(sk, name, p, len);
  }
}

function getRare(sk: Sock, name: u32, p: usize, len: u32): i32 {
  switch (name) {
    case IPV6_DONTFRAG: return optPutInt(p, len, sk.has(SockFlag.DONTFRAG6) ? 1 : 0);
    case IPV6_AUTOFLOWLABEL: return optPutInt(p, len, extraHas(sk, Extra.NO_AUTOFLOW) ? 0 : 1);
    case IPV6_RECVFRAGSIZE: return optPutInt(p, len, extraHas(sk, Extra.FRAGSIZE6) ? 1 : 0);
    case IPV6_RECVERR_RFC4884: return optPutInt(p, len, extraHas(sk, Extra.RFC4884_6) ? 1 : 0);
    case IPV6_HDRINCL: return sk.kind == <u8>SockKind.RAW ? optPutInt(p, len, sk.has(SockFlag.HDRINCL) ? 1 : 0) : -Errno.ENOPROTOOPT;
    case IPV6_ROUTER_ALERT: return optPutInt(p, len, extraHas(sk, Extra.ROUTER_ALERT) ? 1 : 0);
    case IPV6_MINHOPCOUNT: return optPutInt(p, len, sk.minHops);
    case IPV6_ADDR_PREFERENCES: {
      const temporary = sk.addrPrefs & 3 ? sk.addrPrefs & 3 : PREFER_PUBTMP_DEFAULT;
      return optPutInt(p, len, temporary | (sk.addrPrefs & PREFER_COA ? PREFER_COA : PREFER_HOME));
    }
    case IPV6_ADDRFORM: {
      if (sk.kind != <u8>SockKind.TCP && sk.kind != <u8>SockKind.UDP) return -Errno.ENOPROTOOPT;
      return sk.state == STATE_CONNECTED ? optPutInt(p, len, AF_INET6) : -Errno.ENOTCONN;
    }
    case IPV6_2292PKTOPTIONS: return sk.type == 1 ? 0 : -Errno.ENOPROTOOPT;
    case IPV6_HOPOPTS: case IPV6_RTHDRDSTOPTS: case IPV6_RTHDR: case IPV6_DSTOPTS: return 0;
    case IPV6_FLOWLABEL_MGR: return -Errno.EINVAL;
    case MCAST_MSFILTER: return getFilterAny(sk, p, len, AF_INET6);
    default: return -Errno.ENOPROTOOPT;
  }
}

// struct ip6_mtuinfo: the destination (sockaddr_in6) and its path MTU.
function getPathMtu(sk: Sock, p: usize, len: u32): i32 {
  if (len < MTUINFO_LEN) return -Errno.EINVAL;
  const n = pathMtu(sk);
  if (!n) return -Errno.ENOTCONN;
  memory.fill(TMP, 0, MTUINFO_LEN);
  store<u16>(TMP, <u16>AF_INET6);
  addrCopy(TMP + 8, sk.raddr);
  store<u32>(TMP, n, 28);
  return optPut(p, len, TMP, MTUINFO_LEN);
}
