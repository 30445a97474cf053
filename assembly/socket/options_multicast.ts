// Multicast options of both families: IP_ADD_MEMBERSHIP and its kin, the protocol-independent ones and full-state filters (RFC 3678).
import { Errno } from "../abi";
import { addrCopy, addrIsMulticast, addrIsV4, addrSetV4, addrV4, v4IsMulticast } from "../lib/addr";
import { be32, putBe32 } from "../lib/bytes";
import { AF_INET, AF_INET6, Sock } from "../core/sock";
import { ifaddrFind } from "../link/ifaddr";
import { NetDevice, netDeviceByIndex } from "../link/net_device";
import { fibLookup } from "../network/fib";
import { Membership, membershipAdd, membershipDrop, membershipFind, membershipSource, membershipSources, sourcesMax } from "../transport/membership";

const A: usize = memory.data(16, 8);
const B: usize = memory.data(16, 8);
export const IP_MULTICAST_IF: u32 = 32;
export const IP_ADD_MEMBERSHIP: u32 = 35;
const IP_DROP_MEMBERSHIP: u32 = 36;
const IP_UNBLOCK_SOURCE: u32 = 37;
const IP_BLOCK_SOURCE: u32 = 38;
const IP_ADD_SOURCE_MEMBERSHIP: u32 = 39;
const IP_DROP_SOURCE_MEMBERSHIP: u32 = 40;
export const IP_MSFILTER: u32 = 41;
export const MCAST_JOIN_GROUP: u32 = 42;
const MCAST_BLOCK_SOURCE: u32 = 43;
const MCAST_UNBLOCK_SOURCE: u32 = 44;
const MCAST_LEAVE_GROUP: u32 = 45;
const MCAST_JOIN_SOURCE_GROUP: u32 = 46;
const MCAST_LEAVE_SOURCE_GROUP: u32 = 47;
export const MCAST_MSFILTER: u32 = 48;
export const IPV6_JOIN_GROUP: u32 = 20;
/** Bytes before the sources of ip_msfilter and group_filter. */
const MSFILTER_HEAD: u32 = 16;
const GROUP_FILTER_HEAD: u32 = 144;
/** sizeof(struct sockaddr_storage). */
const STORAGE: u32 = 128;

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

/** IP_MULTICAST_IF: in_addr, ip_mreq or ip_mreqn. */
export function multicastIf4(sk: Sock, p: usize, len: u32): i32 {
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
  if (sk.boundIf && sk.boundIf != d.ifindex) return -Errno.EINVAL;
  sk.mcIf = d.ifindex;
  sk.mcAddr = addr;
  return 0;
}

/** IP_ADD_MEMBERSHIP .. MCAST_MSFILTER of an IPPROTO_IP level. */
export function multicast4(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name == IP_MSFILTER) return setFilter4(sk, p, len);
  if (name >= MCAST_JOIN_GROUP) return multicastAny(sk, name, p, len, AF_INET);
  if (name > IP_DROP_MEMBERSHIP) return source4(sk, name, p, len);
  if (sk.type == 1) return -Errno.EPROTO;
  if (len < 8) return -Errno.EINVAL;
  const ifindex = len >= 12 ? load<u32>(p, 8) : 0;
  addrSetV4(A, be32(p));
  const group = addrIsMulticast(A);
  if (name == IP_ADD_MEMBERSHIP) {
    if (!group) return -Errno.EINVAL;
    const d = deviceFor(be32(p + 4), ifindex, A);
    return d ? membershipAdd(sk, d, A) : -Errno.ENODEV;
  }
  if (!be32(p)) return -Errno.EADDRNOTAVAIL;
  const d = deviceFor(be32(p + 4), ifindex, A);
  const any = !be32(p + 4) && !ifindex;
  if (!d && any) return -Errno.ENODEV;
  return membershipDrop(sk, d && !any ? d.ifindex : 0, A);
}

// struct ip_mreq_source: group, interface, source
function source4(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (len != 12) return -Errno.EINVAL;
  addrSetV4(A, be32(p));
  if (!addrIsMulticast(A)) return -Errno.EINVAL;
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

/** group_req {interface u32, pad, group sockaddr_storage(128)} and group_source_req with a source behind it. */
export function multicastAny(sk: Sock, name: u32, p: usize, len: u32, family: u32): i32 {
  if (name == MCAST_MSFILTER) return setFilterAny(sk, p, len, family);
  const both = name != MCAST_JOIN_GROUP && name != MCAST_LEAVE_GROUP;
  const need: u32 = both ? 264 : 136;
  if (len < need) return -Errno.EINVAL;
  if (!storageAddr(p + 8, family, A)) return both ? -Errno.EADDRNOTAVAIL : family == AF_INET6 ? -Errno.EADDRNOTAVAIL : -Errno.EINVAL;
  if (both && !storageAddr(p + 8 + STORAGE, family, B)) return -Errno.EADDRNOTAVAIL;
  if (!addrIsMulticast(A)) return -Errno.EINVAL;
  if (sk.type == 1) return -Errno.EPROTO;
  const d = deviceFor(0, load<u32>(p), A);
  if (!d) return -Errno.ENODEV;
  if (!both) return name == MCAST_JOIN_GROUP ? membershipAdd(sk, d, A) : membershipDrop(sk, load<u32>(p), A);
  return sourceOption(sk, name, d);
}

/** IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP: struct ipv6_mreq { group, interface }. */
export function multicast6(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (len < 20) return -Errno.EINVAL;
  if (sk.type == 1) return -Errno.EPROTO;
  addrCopy(A, p);
  if (!addrIsMulticast(A) || addrIsV4(A)) return -Errno.EINVAL;
  const ifindex = load<u32>(p, 16);
  const d = deviceFor(0, ifindex, A);
  if (!d) return -Errno.ENODEV;
  return name == IPV6_JOIN_GROUP ? membershipAdd(sk, d, A) : membershipDrop(sk, ifindex, A);
}

function storageAddr(p: usize, family: u32, out: usize): bool {
  if (<u32>load<u16>(p) != family) return false;
  if (family == AF_INET) addrSetV4(out, be32(p + 4));
  else addrCopy(out, p + 8);
  return true;
}

// ---- full-state filters: the whole list of sources at once ----

const SOURCES: usize = memory.data(16 * 16, 8);

// struct ip_msfilter: 0 group  4 interface  8 mode  12 count  16 sources(4 each)
function setFilter4(sk: Sock, p: usize, len: u32): i32 {
  if (len < MSFILTER_HEAD) return -Errno.EINVAL;
  const n = load<u32>(p, 12);
  if (n > sourcesMax()) return -Errno.ENOBUFS;
  if (len < MSFILTER_HEAD + (n << 2)) return -Errno.EINVAL;
  addrSetV4(A, be32(p));
  if (!addrIsMulticast(A)) return -Errno.EINVAL;
  for (let i: u32 = 0; i < n; i++) addrSetV4(SOURCES + (<usize>i << 4), be32(p + MSFILTER_HEAD + (i << 2)));
  return membershipSources(sk, deviceFor(be32(p + 4), 0, A), A, load<u32>(p, 8), n, SOURCES);
}

// struct group_filter: 0 interface  8 group(128)  136 mode  140 count  144 sources(128 each)
function setFilterAny(sk: Sock, p: usize, len: u32, family: u32): i32 {
  if (len < GROUP_FILTER_HEAD) return -Errno.EINVAL;
  const n = load<u32>(p, 140);
  if (n > sourcesMax()) return -Errno.ENOBUFS;
  if (len < GROUP_FILTER_HEAD + n * STORAGE) return -Errno.EINVAL;
  if (!storageAddr(p + 8, family, A)) return family == AF_INET ? -Errno.EADDRNOTAVAIL : -Errno.EINVAL;
  if (!addrIsMulticast(A)) return -Errno.EINVAL;
  for (let i: u32 = 0; i < n; i++) if (!storageAddr(p + GROUP_FILTER_HEAD + i * STORAGE, family, SOURCES + (<usize>i << 4))) return -Errno.EADDRNOTAVAIL;
  return membershipSources(sk, deviceFor(0, load<u32>(p), A), A, load<u32>(p, 136), n, SOURCES);
}

// The membership a filter request at A names, or null with the reason in REASON.
function wanted(sk: Sock, v4: u32, ifindex: u32): Membership | null {
  const d = deviceFor(v4, ifindex, A);
  const m = d && addrIsMulticast(A) ? membershipFind(sk, A, d.ifindex) : null;
  store<i32>(REASON, !addrIsMulticast(A) ? -Errno.EINVAL : !d ? -Errno.ENODEV : -Errno.EADDRNOTAVAIL);
  return m;
}
const REASON: usize = memory.data(4, 4);

/** getsockopt of IP_MSFILTER: the request comes in the value; as many sources as it has room for. */
export function getFilter4(sk: Sock, p: usize, len: u32): i32 {
  if (len < MSFILTER_HEAD) return -Errno.EINVAL;
  addrSetV4(A, be32(p));
  const m = wanted(sk, be32(p + 4), 0);
  if (!m) return load<i32>(REASON);
  const room = min(min(load<u32>(p, 12), m.count), (len - MSFILTER_HEAD) >> 2);
  store<u32>(p, m.include ? 1 : 0, 8);
  store<u32>(p, m.count, 12);
  for (let i: u32 = 0; i < room; i++) putBe32(p + MSFILTER_HEAD + (i << 2), addrV4(m.source(i)));
  return <i32>(MSFILTER_HEAD + (room << 2));
}

/** getsockopt of MCAST_MSFILTER. */
export function getFilterAny(sk: Sock, p: usize, len: u32, family: u32): i32 {
  if (len < GROUP_FILTER_HEAD) return -Errno.EINVAL;
  if (!storageAddr(p + 8, family, A)) return -Errno.EADDRNOTAVAIL;
  const m = wanted(sk, 0, load<u32>(p));
  if (!m) return load<i32>(REASON);
  const room = min(min(load<u32>(p, 140), m.count), (len - GROUP_FILTER_HEAD) / STORAGE);
  store<u32>(p, m.include ? 1 : 0, 136);
  store<u32>(p, m.count, 140);
  for (let i: u32 = 0; i < room; i++) {
    const s = p + GROUP_FILTER_HEAD + i * STORAGE;
    memory.fill(s, 0, STORAGE);
    store<u16>(s, <u16>family);
    if (family == AF_INET) putBe32(s + 4, addrV4(m.source(i)));
    else addrCopy(s + 8, m.source(i));
  }
  return <i32>(GROUP_FILTER_HEAD + room * STORAGE);
}
