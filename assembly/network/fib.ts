// The forwarding table of both families: longest prefix match by one hash probe per prefix length in use
// (Waldvogel 1997, without markers: a stack has few lengths), metrics within a prefix, and learnt path MTUs.
// Prefix lengths count in the 16-byte form: 0.0.0.0/0 is ::ffff:0:0/96.
import { Errno, Usage } from "../abi";
import { arenaIsLarge, carve } from "../lib/arena";
import { addrCopy, addrEqual, addrIsV4, addrIsZero, addrMask, addrPrefixEqual } from "../lib/addr";
import { hashBytes } from "../lib/hash";
import { Pool } from "../lib/pool";
import { NotifyEvent, notify } from "../core/proto";
import { SEC, now } from "../core/time";
import { Timer } from "../core/timer";
import { neighFind } from "../link/neighbour";
import { addrIsLocal } from "../link/ifaddr";
import { NetDevice, netDeviceByIndex } from "../link/net_device";

/** RTN_* of Linux. */
export const enum RouteType { UNICAST = 1, LOCAL = 2, BROADCAST = 3, MULTICAST = 5, BLACKHOLE = 6, UNREACHABLE = 7, PROHIBIT = 8 }
/** RTPROT_* of Linux. */
export const RTPROT_REDIRECT: u32 = 1;
export const RTPROT_KERNEL: u32 = 2;
export const RTPROT_BOOT: u32 = 3;
export const RTPROT_STATIC: u32 = 4;
export const RTPROT_RA: u32 = 9;

@unmanaged @final export class Route {
  hashNext: usize;
  dst0: u64; dst1: u64;
  /** Behind dst: the pair is the hash key. 0..128. */
  plen: u32;
  ifindex: u32;
  /** Gateway, all zeros when on-link. */
  gw0: u64; gw1: u64;
  /** Preferred source, zeros when none. */
  src0: u64; src1: u64;
  metric: u32;
  type: u8;
  protocol: u8;
  /** Learnt from a router advertisement, which may change or end it. */
  fromRa: u8;
  scope: u8;
  /** 0 = the device's. */
  mtu: u32;
  /** ns; u64.MAX_VALUE = never. */
  expires: u64;
  t0: u64; t1: u64; t2: u64; t3: u64; t4: u64;

  @inline get dst(): usize { return changetype<usize>(this) + offsetof<Route>("dst0"); }
  @inline get gw(): usize { return changetype<usize>(this) + offsetof<Route>("gw0"); }
  @inline get src(): usize { return changetype<usize>(this) + offsetof<Route>("src0"); }
  @inline get timer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<Route>("t0")); }
  @inline get hasGateway(): bool { return !addrIsZero(this.gw); }
  @inline get isV4(): bool { return this.plen >= 96 && addrIsV4(this.dst); }
}

/** What path MTU discovery learnt for one destination. */
@unmanaged @final class PmtuEntry {
  dst0: u64; dst1: u64;
  mtu: u32;
  /** ns; 0 = free. */
  until: u64;
}

/** A router of a large simulated network has thousands of networks to lead to. */
const MAX: u32 = 4096;
/** Routes in a small memory. */
const FEW: u32 = 1024;
const BUCKETS: u32 = 2048;
/** RFC 1981 4 / RFC 1191 6.3: ask again after 10 minutes. */
const PMTU_AGE: u64 = 600 * SEC;
const PMTU_SETS: u32 = 128;
const PMTU_WAYS: u32 = 4;

@unmanaged @final class State {
  hash: usize;
  pmtu: usize;
  /** Raised whenever a cached decision may have become wrong. */
  genid: u32;
  /** Routes of type local. */
  locals: u32;
}
const S = changetype<State>(memory.data(offsetof<State>(), 8));
const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
/** Routes per prefix length 0..128. */
const LENGTHS: usize = memory.data(129 * 4, 4);
const KEY: usize = memory.data(24, 8);
/** What fibLookup found of late, by a hash of the destination's last word: one flow's packets do not pay for every prefix length each time. */
@unmanaged @final class Recent {
  dst0: u64; dst1: u64;
  oif: u32;
  /** Of when it was found; another one now: it is worth nothing. */
  genid: u32;
  route: usize;

  @inline get dst(): usize { return changetype<usize>(this); }
}
const RECENT: usize = memory.data(16 * 32, 8);
const RECENT_SHIFT: u32 = 32 - 4;

export function fibInit(): void {
  POOL.init(Usage.ROUTES, offsetof<Route>(), arenaIsLarge() ? MAX : FEW);
  S.hash = carve(BUCKETS << 2, 4);
  S.pmtu = carve(PMTU_SETS * PMTU_WAYS * offsetof<PmtuEntry>(), 8);
  S.genid = 1;
}

@inline export function fibGenid(): u32 { return S.genid; }
/** Something a cached route depends on has changed (address, device, neighbour). */
export function fibBump(): void { S.genid++; }

// The bucket of dst/plen; leaves the masked address in KEY.
function bucket(dst: usize, plen: u32): usize {
  addrCopy(KEY, dst);
  addrMask(KEY, plen);
  store<u32>(KEY, plen, 16);
  return S.hash + ((hashBytes(KEY, 20) & (BUCKETS - 1)) << 2);
}

/**
 * Add a route; `plen` 0..128, `gw` or 0. Routes to one prefix are kept by metric; the same prefix, metric, device and
 * gateway is EEXIST. Null on EEXIST or a full table: `fibFind` tells which.
 */
export function fibAdd(dst: usize, plen: u32, gw: usize, ifindex: u32, metric: u32, type: RouteType, protocol: u32, scope: u32, src: usize): Route | null {
  if (fibFind(dst, plen, gw, ifindex, metric, true)) return null;
  const p = POOL.alloc();
  if (!p) return null;
  const r = changetype<Route>(p);
  const b = bucket(dst, plen);
  addrCopy(r.dst, KEY);
  r.plen = plen;
  r.ifindex = ifindex;
  if (gw) addrCopy(r.gw, gw);
  if (src) addrCopy(r.src, src);
  r.metric = metric;
  r.type = <u8>type;
  r.protocol = <u8>protocol;
  r.scope = <u8>scope;
  r.expires = u64.MAX_VALUE;
  r.timer.init(fibExpire.index, p);
  // Behind every route of the bucket with the same or a smaller metric.
  let link = b;
  while (load<usize>(link) && changetype<Route>(load<usize>(link)).metric <= metric) link = load<usize>(link) + offsetof<Route>("hashNext");
  r.hashNext = load<usize>(link);
  store<usize>(link, p);
  store<u32>(LENGTHS + (plen << 2), load<u32>(LENGTHS + (plen << 2)) + 1);
  if (type == RouteType.LOCAL) S.locals++;
  S.genid++;
  notify(NotifyEvent.ROUTE_NEW, p);
  return r;
}

/** The route that matches; gw 0 and ifindex 0 match any unless `exact`; metric u32.MAX_VALUE matches any. */
export function fibFind(dst: usize, plen: u32, gw: usize, ifindex: u32, metric: u32, exact: bool): Route | null {
  let r = changetype<Route | null>(load<usize>(bucket(dst, plen)));
  while (r) {
    if (r.plen == plen && addrEqual(r.dst, KEY)
      && (metric == u32.MAX_VALUE || r.metric == metric)
      && (gw ? addrEqual(r.gw, gw) : !exact || !r.hasGateway)
      && (ifindex ? r.ifindex == ifindex : !exact)) return r;
    r = changetype<Route | null>(r.hashNext);
  }
  return null;
}

export function fibDel(r: Route): void {
  let link = bucket(r.dst, r.plen);
  while (load<usize>(link) != changetype<usize>(r)) link = load<usize>(link) + offsetof<Route>("hashNext");
  store<usize>(link, r.hashNext);
  store<u32>(LENGTHS + (r.plen << 2), load<u32>(LENGTHS + (r.plen << 2)) - 1);
  r.timer.cancel();
  if (r.type == <u8>RouteType.LOCAL) S.locals--;
  S.genid++;
  notify(NotifyEvent.ROUTE_DEL, changetype<usize>(r));
  POOL.release(changetype<usize>(r));
}

/** Let a route end at `at` ns (router lifetimes); u64.MAX_VALUE = never. */
export function fibSetExpiry(r: Route, at: u64): void {
  r.expires = at;
  if (at == u64.MAX_VALUE) r.timer.cancel();
  else r.timer.arm(at);
}
function fibExpire(arg: usize): void { fibDel(changetype<Route>(arg)); }

/** Remove every route through a device. */
export function fibFlush(ifindex: u32): void {
  for (let i: u32 = 0; i < POOL.capacity; i++) {
    const r = fibAt(i);
    if (r && r.ifindex == ifindex) fibDel(r);
  }
}

/** Route in slot `i` or null: for dumps, i < fibCapacity(). */
export function fibAt(i: u32): Route | null { return POOL.live(i) ? changetype<Route>(POOL.at(i)) : null; }
export function fibCapacity(): u32 { return POOL.capacity; }

/** Longest match with a device that is up (and is `oif` unless 0), best metric first; null when there is none. */
export function fibLookup(dst: usize, oif: u32): Route | null {
  const e = changetype<Recent>(RECENT + (<usize>((load<u32>(dst, 12) * 0x9e3779b1) >>> RECENT_SHIFT)) * offsetof<Recent>());
  if (e.genid == S.genid && e.oif == oif && addrEqual(e.dst, dst) && usable(changetype<Route>(e.route))) return changetype<Route>(e.route);
  const r = longestMatch(dst, oif);
  // Which of the default routers learnt it is depends on their neighbour entries, too.
  if (!r || (!r.plen && r.fromRa)) return r;
  addrCopy(e.dst, dst);
  e.oif = oif;
  e.genid = S.genid;
  e.route = changetype<usize>(r);
  return r;
}

function longestMatch(dst: usize, oif: u32): Route | null {
  const floor: i32 = addrIsV4(dst) ? 96 : 0;
  for (let plen: i32 = 128; plen >= floor; plen--) {
    if (!load<u32>(LENGTHS + (<usize>plen << 2))) continue;
    let r = changetype<Route | null>(load<usize>(bucket(dst, <u32>plen)));
    while (r) {
      if (r.plen == <u32>plen && addrEqual(r.dst, KEY) && (!oif || r.ifindex == oif) && usable(r)) return plen || !r.fromRa ? r : reachableRouter(r, oif);
      r = changetype<Route | null>(r.hashNext);
    }
  }
  return null;
}

// RFC 4861 6.3.6, RFC 4191 3.1: of the default routers learnt, one that may be reachable before one that is not; else the first.
function reachableRouter(first: Route, oif: u32): Route {
  let r: Route | null = first;
  while (r) {
    if (r.plen == 0 && r.fromRa && (!oif || r.ifindex == oif) && usable(r)) {
      const n = neighFind(netDeviceByIndex(r.ifindex)!, r.gw);
      if (n && n.valid) return r;
    }
    r = changetype<Route | null>(r.hashNext);
  }
  return first;
}

function usable(r: Route): bool {
  if (!r.ifindex) return true; // blackhole and its kin
  const d = netDeviceByIndex(r.ifindex);
  return d != null && d.up;
}

/**
 * May packets for `addr` be delivered here and sockets speak as it: an address of an interface, or one that a route of type local
 * covers (Linux's AnyIP, `ip route add local PREFIX dev DEV`)? `ifindex` as of addrIsLocal.
 */
export function fibIsLocal(addr: usize, ifindex: u32): bool { return addrIsLocal(addr, ifindex) || fibRoutesLocal(addr); }

/** Does a route of type local cover `addr`, more closely than any other? */
export function fibRoutesLocal(addr: usize): bool {
  if (!S.locals) return false;
  const r = fibLookup(addr, 0);
  return r != null && r.type == <u8>RouteType.LOCAL;
}

/** Is `addr` on a link we are attached to (a unicast route without gateway)? For checking gateways. */
export function fibIsOnLink(addr: usize, ifindex: u32): NetDevice | null {
  const r = fibLookup(addr, ifindex);
  return r && r.type == RouteType.UNICAST && !r.hasGateway && addrPrefixEqual(addr, r.dst, r.plen) ? netDeviceByIndex(r.ifindex) : null;
}

// ---- path MTU ----
@inline function way(set: u32, i: u32): PmtuEntry { return changetype<PmtuEntry>(S.pmtu + (set * PMTU_WAYS + i) * offsetof<PmtuEntry>()); }

function pmtuFind(dst: usize): PmtuEntry | null {
  const set = hashBytes(dst, 16) & (PMTU_SETS - 1);
  for (let i: u32 = 0; i < PMTU_WAYS; i++) {
    const e = way(set, i);
    if (e.until > now() && addrEqual(changetype<usize>(e), dst)) return e;
  }
  return null;
}
/** The learnt MTU towards `dst`, 0 when none. */
export function pmtuOf(dst: usize): u32 {
  const e = pmtuFind(dst);
  return e ? e.mtu : 0;
}
/** When it ends, ns; 0 when there is none. */
export function pmtuUntil(dst: usize): u64 {
  const e = pmtuFind(dst);
  return e ? e.until : 0;
}

/**
 * A transport vouches for a packet-too-big report about a packet of its own to `dst` (RFC 5927 7.2, RFC 8201 4): remember the MTU
 * unless a smaller one is known. The oldest entry of its set gives way.
 */
export function pmtuLearn(dst: usize, mtu: u32): void {
  const known = pmtuOf(dst);
  if (known && known <= mtu) return;
  const set = hashBytes(dst, 16) & (PMTU_SETS - 1);
  let e = way(set, 0);
  for (let i: u32 = 0; i < PMTU_WAYS; i++) {
    const c = way(set, i);
    if (c.until && addrEqual(changetype<usize>(c), dst)) {
      e = c;
      break;
    }
    if (c.until < e.until) e = c;
  }
  addrCopy(changetype<usize>(e), dst);
  e.mtu = mtu;
  e.until = now() + PMTU_AGE;
  S.genid++;
}

/** -errno of a route that refuses (RTN_UNREACHABLE and kin), 0 for others. */
export function routeRefusal(r: Route): i32 {
  switch (<i32>r.type) {
    case RouteType.BLACKHOLE: return -Errno.EINVAL;
    case RouteType.UNREACHABLE: return -Errno.EHOSTUNREACH;
    case RouteType.PROHIBIT: return -Errno.EACCES;
    default: return 0;
  }
}
