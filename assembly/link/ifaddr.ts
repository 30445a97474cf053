// Addresses of interfaces, both families: one record each, on the list of its device and in one hash table
// (a packet's destination is looked up there first; the host model is weak, as Linux's).
import { Errno, Usage } from "../abi";
import { carve } from "../lib/arena";
import { addrCopy, addrEqual, addrIsV4, addrPrefixEqual, addrV4, v4IsLoopback, v4Mask, v6IsLinkLocal, v6IsLoopback } from "../lib/addr";
import { hashBytes } from "../lib/hash";
import { Pool } from "../lib/pool";
import { NotifyEvent, notify } from "../core/proto";
import { Timer } from "../core/timer";
import { NetDevice, netDeviceByIndex } from "./net_device";

/** IFA_F_* of Linux. */
export const IFA_F_SECONDARY: u32 = 0x01;
export const IFA_F_NODAD: u32 = 0x02;
export const IFA_F_OPTIMISTIC: u32 = 0x04;
export const IFA_F_DADFAILED: u32 = 0x08;
export const IFA_F_DEPRECATED: u32 = 0x20;
export const IFA_F_TENTATIVE: u32 = 0x40;
export const IFA_F_PERMANENT: u32 = 0x80;
export const IFA_F_MANAGETEMPADDR: u32 = 0x100;
export const RT_SCOPE_UNIVERSE: u32 = 0;
export const RT_SCOPE_SITE: u32 = 200;
export const RT_SCOPE_LINK: u32 = 253;
export const RT_SCOPE_HOST: u32 = 254;

@unmanaged @final export class Ifaddr {
  /** On the device's list. */
  next: usize;
  hashNext: usize;
  addr0: u64; addr1: u64;
  /** Prefix length in the 16-byte form: 96 + n for IPv4. */
  plen: u32;
  ifindex: u32;
  flags: u32;
  scope: u32;
  /** Subnet broadcast address, host order; 0 = none (IPv6, /31, /32). */
  broadcast: u32;
  /** When deprecated and when removed, ns; u64.MAX_VALUE = never. */
  preferredUntil: u64;
  validUntil: u64;
  /** When made, ns. */
  created: u64;
  // duplicate address detection and lifetimes, owned by network/
  dadCount: u32;
  /** Nonce of the last DAD solicitation, 6 bytes (RFC 7527). */
  dadNonce: u64;
  /** Made from an advertisement: its prefix route and lifetimes are the router's. */
  auto: u8;
  /** When the address was last defended, ns; 0 = never (RFC 5227 2.4). */
  defended: u64;
  // Timer records (40 bytes each)
  t0: u64; t1: u64; t2: u64; t3: u64; t4: u64;
  u0: u64; u1: u64; u2: u64; u3: u64; u4: u64;

  @inline get addr(): usize { return changetype<usize>(this) + offsetof<Ifaddr>("addr0"); }
  @inline get isV4(): bool { return addrIsV4(this.addr); }
  @inline get dadTimer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<Ifaddr>("t0")); }
  @inline get lifeTimer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<Ifaddr>("u0")); }
  /** Not to be used: DAD failed, or still running without the leave of RFC 4429. */
  @inline get tentative(): bool {
    return (this.flags & IFA_F_DADFAILED) != 0 || (this.flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) == IFA_F_TENTATIVE;
  }
  @inline get device(): NetDevice { return netDeviceByIndex(this.ifindex)!; }
}

const MAX: u32 = 512;
const BUCKETS: u32 = 256;
const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const HASH: usize = memory.data(4, 4);

export function ifaddrInit(): void {
  POOL.init(Usage.ADDRESSES, offsetof<Ifaddr>(), MAX);
  store<usize>(HASH, carve(BUCKETS << 2, 4));
}

@inline function bucket(addr: usize): usize {
  return load<usize>(HASH) + ((hashBytes(addr, 16) & (BUCKETS - 1)) << 2);
}

/**
 * Add an address to the end of `d`'s list, with its scope; `plen` in the 16-byte form. Null when the table is full. The caller has looked
 * for a duplicate, sets flags and lifetimes, and tells the control plane.
 */
export function ifaddrAlloc(d: NetDevice, addr: usize, plen: u32): Ifaddr | null {
  const p = POOL.alloc();
  if (!p) return null;
  const a = changetype<Ifaddr>(p);
  addrCopy(a.addr, addr);
  a.plen = plen;
  a.ifindex = d.ifindex;
  a.preferredUntil = u64.MAX_VALUE;
  a.validUntil = u64.MAX_VALUE;
  a.scope = scopeOf(addr);
  if (a.isV4 && plen < 96 + 31 && plen > 96) a.broadcast = addrV4(addr) | ~v4Mask(plen - 96);
  const b = bucket(addr);
  a.hashNext = load<usize>(b);
  store<usize>(b, p);
  if (!d.addrs) d.addrs = p;
  else {
    let last = changetype<Ifaddr>(d.addrs);
    while (last.next) last = changetype<Ifaddr>(last.next);
    last.next = p;
  }
  return a;
}

function scopeOf(addr: usize): u32 {
  if (addrIsV4(addr)) return v4IsLoopback(addrV4(addr)) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
  return v6IsLoopback(addr) ? RT_SCOPE_HOST : v6IsLinkLocal(addr) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

/** Unlink and free; tells the control plane first. 0 or -EADDRNOTAVAIL. */
export function ifaddrFree(d: NetDevice, a: Ifaddr): i32 {
  let link = changetype<usize>(d) + offsetof<NetDevice>("addrs");
  while (load<usize>(link) && load<usize>(link) != changetype<usize>(a)) link = load<usize>(link) + offsetof<Ifaddr>("next");
  if (!load<usize>(link)) return -Errno.EADDRNOTAVAIL;
  store<usize>(link, a.next);
  link = bucket(a.addr);
  while (load<usize>(link) != changetype<usize>(a)) link = load<usize>(link) + offsetof<Ifaddr>("hashNext");
  store<usize>(link, a.hashNext);
  notify(NotifyEvent.ADDR_DEL, changetype<usize>(a));
  a.dadTimer.cancel();
  a.lifeTimer.cancel();
  POOL.release(changetype<usize>(a));
  return 0;
}

@inline export function ifaddrFirst(d: NetDevice): Ifaddr | null { return changetype<Ifaddr | null>(d.addrs); }
@inline export function ifaddrNext(a: Ifaddr): Ifaddr | null { return changetype<Ifaddr | null>(a.next); }

/** The record of exactly this address on `ifindex` (0 = any device), tentative ones included. */
export function ifaddrFind(addr: usize, ifindex: u32): Ifaddr | null {
  let a = changetype<Ifaddr | null>(load<usize>(bucket(addr)));
  while (a) {
    if (addrEqual(a.addr, addr) && (!ifindex || a.ifindex == ifindex)) return a;
    a = changetype<Ifaddr | null>(a.hashNext);
  }
  return null;
}

/** May packets for `addr` be delivered here and sockets bind to it? Link-local IPv6 needs the right device. 127/8 always is. */
export function addrIsLocal(addr: usize, ifindex: u32): bool {
  if (addrIsV4(addr)) {
    if (v4IsLoopback(addrV4(addr))) return true;
    const a = ifaddrFind(addr, 0);
    return a != null && !a.tentative;
  }
  const a = ifaddrFind(addr, v6IsLinkLocal(addr) ? ifindex : 0);
  return a != null && !a.tentative;
}

/** Is `v4` (host order) the broadcast address of a subnet of `d`? */
export function ifaddrIsBroadcast(d: NetDevice, v4: u32): bool {
  if (v4 == 0xffffffff) return true;
  let a = ifaddrFirst(d);
  while (a) {
    if (a.broadcast && a.broadcast == v4) return true;
    // The all-zeros form of RFC 1122 3.3.6.
    if (a.broadcast && v4 == (a.broadcast & v4Mask(a.plen - 96))) return true;
    a = ifaddrNext(a);
  }
  return false;
}

/** The usable address of `d` (IPv4) to speak for it to `peer`: one on the same subnet, else the first; null when it has none. */
export function ifaddrFor(d: NetDevice, peer: usize): Ifaddr | null {
  let first: Ifaddr | null = null;
  let a = ifaddrFirst(d);
  while (a) {
    if (a.isV4 && !a.tentative) {
      if (addrPrefixEqual(a.addr, peer, a.plen)) return a;
      if (!first) first = a;
    }
    a = ifaddrNext(a);
  }
  return first;
}
