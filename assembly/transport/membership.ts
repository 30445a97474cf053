// A socket's multicast memberships, both families, with source filters (RFC 3678); the interface's own list is in network/.
import { Errno, Usage } from "../abi";
import { addrCopy, addrEqual, addrIsV4 } from "../lib/addr";
import { Pool } from "../lib/pool";
import { Sock, SockFlag } from "../core/sock";
import { Sysctl, sysctl } from "../core/sysctl";
import { NetDevice, netDeviceByIndex } from "../link/net_device";
import { groupFind } from "../network/group";
import { FILTER_SOURCES } from "../network/group_filter";
import { igmpFilter, igmpJoin, igmpLeave } from "../network/ipv4/igmp";
import { mldFilter, mldHold, mldRelease } from "../network/ipv6/mld";

const SOURCES_MAX: u32 = 16;
/** Values of the filter mode. */
const MODE_EXCLUDE: u32 = 0;
const MODE_INCLUDE: u32 = 1;

export function sourcesMax(): u32 { return SOURCES_MAX; }

@unmanaged @final export class Membership {
  next: usize;
  addr0: u64; addr1: u64;
  ifindex: u32;
  /** 1: only the listed sources; 0: all but the listed. */
  include: u32;
  count: u32;
  @inline get addr(): usize { return changetype<usize>(this) + offsetof<Membership>("addr0"); }
  @inline source(i: u32): usize { return changetype<usize>(this) + offsetof<Membership>() + (<usize>i << 4); }
}
const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

export function membershipInit(): void { POOL.init(Usage.MEMBERSHIPS, offsetof<Membership>() + (<usize>SOURCES_MAX << 4), 1024); }

/** The membership of `sk` in `group` (ifindex 0: on any interface). */
export function membershipFind(sk: Sock, group: usize, ifindex: u32): Membership | null {
  let m = changetype<Membership | null>(sk.memberships);
  while (m && !(addrEqual(m.addr, group) && (!ifindex || m.ifindex == ifindex))) m = changetype<Membership | null>(m.next);
  return m;
}

/** Join `group` on `d`. 0, -EADDRINUSE (already), -ENOBUFS. */
export function membershipAdd(sk: Sock, d: NetDevice, group: usize): i32 {
  const r = join(sk, d, group);
  if (r == 0) tell(d, group);
  return r;
}

function join(sk: Sock, d: NetDevice, group: usize): i32 {
  if (membershipFind(sk, group, d.ifindex)) return -Errno.EADDRINUSE;
  let n: u32 = 0;
  let o = changetype<Membership | null>(sk.memberships);
  while (o) {
    n++;
    o = changetype<Membership | null>(o.next);
  }
  if (n >= sysctl(Sysctl.IGMP_MAX_MEMBERSHIPS)) return -Errno.ENOBUFS;
  const p = POOL.alloc();
  if (!p) return -Errno.ENOBUFS;
  if (!(addrIsV4(group) ? igmpJoin(d, group) : mldHold(d, group))) {
    POOL.release(p);
    return -Errno.ENOBUFS;
  }
  const m = changetype<Membership>(p);
  addrCopy(m.addr, group);
  m.ifindex = d.ifindex;
  m.next = sk.memberships;
  sk.memberships = p;
  return 0;
}

/** Leave; ifindex 0 = wherever it was joined. 0 or -EADDRNOTAVAIL. */
export function membershipDrop(sk: Sock, ifindex: u32, group: usize): i32 {
  const m = membershipFind(sk, group, ifindex);
  if (!m) return -Errno.EADDRNOTAVAIL;
  let link = changetype<usize>(sk) + offsetof<Sock>("memberships");
  while (load<usize>(link) != changetype<usize>(m)) link = load<usize>(link) + offsetof<Membership>("next");
  store<usize>(link, m.next);
  const d = netDeviceByIndex(m.ifindex);
  addrCopy(LEFT, m.addr);
  POOL.release(changetype<usize>(m));
  if (d) {
    if (addrIsV4(LEFT)) igmpLeave(d, LEFT);
    else mldRelease(d, LEFT);
    tell(d, LEFT);
  }
  return 0;
}
const LEFT: usize = memory.data(16, 8);

// What all sockets together want of `group` on `d` (RFC 3376 3.2): all but what everybody excludes and nobody includes, or what anybody
// includes. More sources than can be named, and a member that is no socket: everything.
function tell(d: NetDevice, group: usize): void {
  let exclude = false, members: u32 = 0;
  let n: u32 = 0;
  for (let i: u32 = 0; i < POOL.capacity; i++) {
    const m = member(i, d, group);
    if (!m) continue;
    members++;
    if (m.include) continue;
    n = exclude ? narrow(m, n, true) : widen(m, 0);
    exclude = true;
  }
  let all = false;
  for (let i: u32 = 0; i < POOL.capacity && !all; i++) {
    const m = member(i, d, group);
    if (!m || !m.include) continue;
    if (exclude) n = narrow(m, n, false);
    else {
      n = widen(m, n);
      all = n > FILTER_SOURCES;
    }
  }
  const g = groupFind(d, group);
  if (all || (g && g.users > members)) {
    exclude = true;
    n = 0;
  }
  if (addrIsV4(group)) igmpFilter(d, group, exclude ? 0 : 1, n, MERGED);
  else mldFilter(d, group, exclude ? 0 : 1, n, MERGED);
}
/** Room for one list more than can be told. */
const MERGED: usize = memory.data(48 << 4, 8);

@inline function member(i: u32, d: NetDevice, group: usize): Membership | null {
  if (!POOL.live(i)) return null;
  const m = changetype<Membership>(POOL.at(i));
  return m.ifindex == d.ifindex && addrEqual(m.addr, group) ? m : null;
}
function merged(n: u32, a: usize): bool {
  for (let i: u32 = 0; i < n; i++) if (addrEqual(MERGED + (<usize>i << 4), a)) return true;
  return false;
}
// Add the sources of `m` to the first `n` merged ones; how many there are then.
function widen(m: Membership, n: u32): u32 {
  if (n > FILTER_SOURCES) return n;
  for (let i: u32 = 0; i < m.count; i++) if (!merged(n, m.source(i))) addrCopy(MERGED + (<usize>(n++) << 4), m.source(i));
  return n;
}
// Keep of the first `n` merged ones those that `m` lists (or with `listed` false those it does not); how many are left.
function narrow(m: Membership, n: u32, listed: bool): u32 {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const a = MERGED + (<usize>i << 4);
    let found = false;
    for (let k: u32 = 0; k < m.count && !found; k++) found = addrEqual(m.source(k), a);
    if (found == listed) addrCopy(MERGED + (<usize>(kept++) << 4), a);
  }
  return kept;
}

/** Leave everything (close). */
export function membershipDropAll(sk: Sock): void {
  while (sk.memberships) {
    const m = changetype<Membership>(sk.memberships);
    membershipDrop(sk, m.ifindex, m.addr);
  }
}

/**
 * Add or remove a source: `include` as IP_ADD/DROP_SOURCE_MEMBERSHIP (joins on first use, leaves with the last), else IP_BLOCK/UNBLOCK_SOURCE.
 */
export function membershipSource(sk: Sock, d: NetDevice, group: usize, source: usize, add: bool, include: bool): i32 {
  let m = membershipFind(sk, group, d.ifindex);
  if (!m) {
    if (!add || !include) return -Errno.EINVAL;
    const r = join(sk, d, group);
    if (r < 0) return r;
    m = membershipFind(sk, group, d.ifindex)!;
    m.include = 1;
  }
  if ((m.include != 0) != include) {
    // A filter without sources may change its mode.
    if (m.count) return -Errno.EINVAL;
    m.include = include ? 1 : 0;
  }
  for (let i: u32 = 0; i < m.count; i++) {
    if (!addrEqual(m.source(i), source)) continue;
    if (add) return -Errno.EADDRNOTAVAIL;
    addrCopy(m.source(i), m.source(--m.count));
    if (include && !m.count) return membershipDrop(sk, d.ifindex, group);
    tell(d, group);
    return 0;
  }
  if (!add) return -Errno.EADDRNOTAVAIL;
  if (m.count >= SOURCES_MAX) return -Errno.ENOBUFS;
  addrCopy(m.source(m.count++), source);
  tell(d, group);
  return 0;
}

/** Replace the whole filter of a membership: `mode` 0 = all but the `n` sources (16 bytes each), 1 = only them; none of them leaves the group. */
export function membershipSources(sk: Sock, d: NetDevice | null, group: usize, mode: u32, n: u32, sources: usize): i32 {
  if (mode != MODE_EXCLUDE && mode != MODE_INCLUDE) return -Errno.EINVAL;
  if (!d) return -Errno.ENODEV;
  if (mode == MODE_INCLUDE && !n) return membershipDrop(sk, d.ifindex, group);
  const m = membershipFind(sk, group, d.ifindex);
  if (!m) return -Errno.EINVAL;
  m.include = mode;
  m.count = n;
  memory.copy(m.source(0), sources, <usize>n << 4);
  tell(d, group);
  return 0;
}

/** May a packet to `group` from `source` that came in by `ifindex` go to `sk`? */
export function membershipAllows(sk: Sock, group: usize, source: usize, ifindex: u32): bool {
  const m = membershipFind(sk, group, ifindex);
  if (!m) return sk.has(addrIsV4(group) ? SockFlag.MC_ALL : SockFlag.MC6_ALL);
  for (let i: u32 = 0; i < m.count; i++) if (addrEqual(m.source(i), source)) return m.include != 0;
  return m.include == 0;
}
