// Which of our addresses to send from: RFC 6724 section 5 for IPv6, Linux's rule for IPv4.
import { addrCommonPrefix, addrEqual, addrIsV4, addrPrefixEqual, v6IsLinkLocal, v6IsLoopback, v6IsMulticast } from "../lib/addr";
import { IFA_F_DEPRECATED, IFA_F_OPTIMISTIC, Ifaddr, RT_SCOPE_HOST, ifaddrFirst, ifaddrNext } from "../link/ifaddr";
import { NetDevice, netDeviceFirst, netDeviceNext } from "../link/net_device";

// RFC 6724 2.1, the labels of the default policy table.
function label(a: usize): u32 {
  if (v6IsLoopback(a)) return 0;
  if (addrIsV4(a)) return 4;
  const w = load<u16>(a);
  if (w == 0x0220) return 2; // 2002::/16
  if (load<u32>(a) == 0x00000120) return 5; // 2001::/32
  if ((load<u8>(a) & 0xfe) == 0xfc) return 13; // fc00::/7
  if (load<u64>(a) == 0 && load<u32>(a, 8) == 0) return 3; // ::/96
  if ((bswap<u16>(w) & 0xffc0) == 0xfec0) return 11; // fec0::/10
  if (w == 0xfe3f) return 12; // 3ffe::/16
  return 1;
}

/** Scope as RFC 6724 3.1: 2 link-local, 5 site, 14 global; a multicast destination carries its own. */
function scope(a: usize): u32 {
  if (v6IsMulticast(a)) return load<u8>(a, 1) & 15;
  if (v6IsLinkLocal(a) || v6IsLoopback(a)) return 2;
  if ((load<u8>(a) & 0xff) == 0xfe && (load<u8>(a, 1) & 0xc0) == 0xc0) return 5;
  return 14;
}

// Is `a` to be preferred over `b` for `dst` sent out of `oif`? Rules 1, 2, 3, 5, 6, 8 of RFC 6724 5 (no home
// addresses: 4; no temporary addresses: 7).
function better(a: Ifaddr, b: Ifaddr, dst: usize, oif: u32): bool {
  if (addrEqual(a.addr, dst) != addrEqual(b.addr, dst)) return addrEqual(a.addr, dst);
  const sa = scope(a.addr), sb = scope(b.addr), sd = scope(dst);
  if (sa != sb) return sa < sb ? sa >= sd : sb < sd;
  // An optimistic address counts as deprecated (RFC 4429 3.1).
  const da = (a.flags & (IFA_F_DEPRECATED | IFA_F_OPTIMISTIC)) != 0, db = (b.flags & (IFA_F_DEPRECATED | IFA_F_OPTIMISTIC)) != 0;
  if (da != db) return !da;
  if ((a.ifindex == oif) != (b.ifindex == oif)) return a.ifindex == oif;
  const ld = label(dst), la = label(a.addr) == ld, lb = label(b.addr) == ld;
  if (la != lb) return la;
  return min(addrCommonPrefix(a.addr, dst), a.plen) > min(addrCommonPrefix(b.addr, dst), b.plen);
}

/** The source for IPv6 `dst` out of `dev`, or null. Link-scope destinations take addresses of `dev` only. */
export function sourceFor6(dev: NetDevice, dst: usize): Ifaddr | null {
  let best: Ifaddr | null = null;
  let d = netDeviceFirst();
  while (d) {
    if (d.up && (d === dev || scope(dst) > 2)) {
      let a = ifaddrFirst(d);
      while (a) {
        const usable = !a.isV4 && !a.tentative && !(d !== dev && v6IsLinkLocal(a.addr)) && !(d !== dev && a.scope == RT_SCOPE_HOST);
        if (usable && (!best || better(a, best, dst, dev.ifindex))) best = a;
        a = ifaddrNext(a);
      }
    }
    d = netDeviceNext(d);
  }
  return best;
}

/** The source for IPv4: an address of `dev` in the next hop's subnet, else its first, else the first of any device but loopback. */
export function sourceFor4(dev: NetDevice, nexthop: usize): Ifaddr | null {
  let first: Ifaddr | null = null;
  let a = ifaddrFirst(dev);
  while (a) {
    if (a.isV4 && !a.tentative) {
      if (addrPrefixEqual(a.addr, nexthop, a.plen)) return a;
      if (!first) first = a;
    }
    a = ifaddrNext(a);
  }
  if (first) return first;
  let d = netDeviceFirst();
  while (d) {
    a = ifaddrFirst(d);
    while (a) {
      if (a.isV4 && !a.tentative && a.scope != RT_SCOPE_HOST && d.up) return a;
      a = ifaddrNext(a);
    }
    d = netDeviceNext(d);
  }
  return null;
}
