// Router discovery and stateless address autoconfiguration (RFC 4861 6.3, RFC 4862 5.5, RFC 8106 for DNS).
import { addrCopy, addrIsZero, addrMask, v6IsLinkLocal, v6IsMulticast } from "../../lib/addr";
import { be16, be32 } from "../../lib/bytes";
import { randBelow } from "../../lib/drbg";
import { Drop } from "../../core/drop";
import { Skb, skbAlloc } from "../../core/skb";
import { Sysctl, sysctl } from "../../core/sysctl";
import { MS, SEC, now } from "../../core/time";
import { IFA_F_OPTIMISTIC, IFA_F_TENTATIVE, Ifaddr, ifaddrFind, ifaddrFirst, ifaddrNext } from "../../link/ifaddr";
import { Nud, neighFind, neighGet, neighUpdate } from "../../link/neighbour";
import { NetDevice } from "../../link/net_device";
import { macCopy, macIsMulticast } from "../../wire/ethernet";
import { ICMPV6_RS } from "../../wire/icmp";
import { IPV6_MIN_MTU, Ipv6Header } from "../../wire/ipv6";
import { RTPROT_KERNEL, RTPROT_RA, RouteType, fibAdd, fibAt, fibBump, fibCapacity, fibDel, fibFind, fibSetExpiry } from "../fib";
import { addressAdd, addressSetLifetimes } from "../address";
import { in6Of } from "./in6";
import { OPT_SOURCE_LLADDR, ndOption, ndSend } from "./nd";

const OPT_PREFIX: u32 = 3;
const OPT_MTU: u32 = 5;
const OPT_RDNSS: u32 = 25;
const PREFIX_ONLINK: u32 = 0x80;
const PREFIX_AUTO: u32 = 0x40;
/** RFC 4861 10. */
const MAX_RTR_SOLICITATIONS: u32 = 3;
const RTR_SOLICITATION_INTERVAL: u64 = 4 * SEC;
/** Metric of routes from advertisements (Linux IP6_RT_PRIO_USER / ADDRCONF). */
const METRIC_DEFAULT: u32 = 1024;
const METRIC_PREFIX: u32 = 256;
/** Addresses of one link, and routes from advertisements of all, we take at most: a flood must not fill the tables. */
const MAX_ADDRESSES: u32 = 16;
const MAX_ROUTES: u32 = 32;
/** RFC 4861 6.2.1: a reachable time above an hour is not believed; Linux bounds the interval likewise. */
const MAX_REACHABLE_MS: u32 = 3600000;
const MAX_RETRANS_MS: u32 = 60000;
const ALL_ROUTERS: usize = memory.data<u8>([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
const ANY: usize = memory.data(16, 8);
const ADDR: usize = memory.data(16, 8);

/** The interface identifier from a MAC (RFC 2464 4: modified EUI-64) into the last 8 bytes of `addr`. */
export function eui64(addr: usize, mac: usize): void {
  store<u8>(addr, load<u8>(mac) ^ 2, 8);
  store<u16>(addr, load<u16>(mac, 1), 9);
  store<u16>(addr, 0xfeff, 11);
  store<u8>(addr, load<u8>(mac, 3), 13);
  store<u16>(addr, load<u16>(mac, 4), 14);
}

/** The link-local address works: look for routers (RFC 4861 6.3.7). */
export function slaacLinkLocalReady(d: NetDevice): void {
  const i = in6Of(d);
  if (d.isLoopback || !i.acceptRa || sysctl(Sysctl.IP6_FORWARD)) return;
  i.rsTimer.cancel(); // a second link-local address (the MAC changed) starts it over
  i.rsTimer.init(rsTimer.index, changetype<usize>(d));
  i.rsCount = 0;
  i.rsTimer.armIn(<u64>randBelow(100) * MS);
}

function rsTimer(arg: usize): void {
  const d = changetype<NetDevice>(arg);
  const i = in6Of(d);
  if (!d.up || <u32>i.rsCount >= MAX_RTR_SOLICITATIONS) return;
  i.rsCount++;
  i.rsTimer.armIn(RTR_SOLICITATION_INTERVAL);
  let own: Ifaddr | null = null;
  let a = ifaddrFirst(d);
  while (a) {
    if (!a.isV4 && v6IsLinkLocal(a.addr) && !(a.flags & IFA_F_TENTATIVE)) own = a;
    a = ifaddrNext(a);
  }
  const n: u32 = own ? 16 : 8;
  const skb = skbAlloc(n);
  if (!skb) return;
  const p = skb.put(n);
  store<u64>(p, ICMPV6_RS);
  if (own) {
    store<u16>(p, 0x0101, 8);
    macCopy(p + 10, d.addr);
  }
  ndSend(skb, d, own ? own.addr : 0, ALL_ROUTERS);
}

/** Router advertisement (RFC 4861 6.1.2, 6.3.4). A drop reason, or -1. */
export function raInput(skb: Skb, h: Ipv6Header): i32 {
  const d = changetype<NetDevice>(skb.dev);
  const p = skb.data;
  if (skb.len < 16 || !v6IsLinkLocal(h.src)) return Drop.IPV6_NDISC_MALFORMED;
  const opts = p + 16, n = skb.len - 16;
  const lladdr = ndOption(opts, n, OPT_SOURCE_LLADDR);
  if (lladdr < 0) return Drop.IPV6_NDISC_BAD_OPTIONS;
  const i = in6Of(d);
  if (!i.acceptRa || sysctl(Sysctl.IP6_FORWARD) || d.isLoopback) return -1;
  if (ifaddrFind(h.src, d.ifindex)) return -1; // our own, sent back
  if (be16(p + 6)) { // RFC 4861 6.3.7: a router has answered
    i.rsTimer.cancel();
    i.rsCount = <u8>MAX_RTR_SOLICITATIONS;
  }
  const reachable = be32(p + 8), retrans = be32(p + 12);
  if (reachable && reachable <= MAX_REACHABLE_MS) d.ndReachable = reachable;
  if (retrans && retrans <= MAX_RETRANS_MS) d.ndRetrans = max<u32>(retrans, 10);
  if (load<u8>(p, 4)) i.hopLimit = load<u8>(p, 4);
  defaultRouter(d, h.src, be16(p + 6), (load<u8>(p, 5) >> 3) & 3);
  if (lladdr > 0 && load<u8>(lladdr, 1) == 1 && !macIsMulticast(<usize>lladdr + 2)) {
    const nb = neighGet(d, h.src);
    if (nb) {
      nb.isRouter = 1;
      neighUpdate(nb, <usize>lladdr + 2, Nud.STALE, true);
    }
  } else {
    const nb = neighFind(d, h.src);
    if (nb) nb.isRouter = 1;
  }
  let at: u32 = 0;
  while (at < n) {
    const o = opts + at;
    const len = <u32>load<u8>(o, 1) << 3;
    const type = <u32>load<u8>(o);
    if (type == OPT_PREFIX && len == 32) prefix(d, o);
    else if (type == OPT_MTU && len == 8) {
      const mtu = be32(o + 4);
      if (mtu >= IPV6_MIN_MTU && mtu <= d.mtu && i.mtu != mtu) {
        i.mtu = mtu;
        fibBump();
      }
    } else if (type == OPT_RDNSS && len >= 24) rdnss(d, o, len);
    at += len;
  }
  return -1;
}

// Routes from advertisements in the table.
function learnt(): u32 {
  let n: u32 = 0;
  for (let i: u32 = 0; i < fibCapacity(); i++) {
    const r = fibAt(i);
    if (r && r.fromRa) n++;
  }
  return n;
}

function defaultRouter(d: NetDevice, router: usize, life: u32, preference: u32): void {
  let r = fibFind(ANY, 0, router, d.ifindex, u32.MAX_VALUE, true);
  if (r && !r.fromRa) return; // configured by hand
  if (!life) {
    if (r) fibDel(r);
    return;
  }
  // RFC 4191 2.1: high 01, medium 00, low 11.
  const metric = METRIC_DEFAULT + (preference == 3 ? 1 : preference == 1 ? -1 : 0);
  if (r && r.metric != metric) {
    fibDel(r);
    r = null;
  }
  if (!r) {
    if (learnt() >= MAX_ROUTES) return;
    r = fibAdd(ANY, 0, router, d.ifindex, metric, RouteType.UNICAST, RTPROT_RA, 0, 0);
    if (r) r.fromRa = 1;
  }
  if (r) fibSetExpiry(r, now() + <u64>life * SEC);
}

function lifetime(seconds: u32): u64 { return seconds == u32.MAX_VALUE ? u64.MAX_VALUE : now() + <u64>seconds * SEC; }

// Prefix information (RFC 4861 4.6.2): on-link route and address.
function prefix(d: NetDevice, o: usize): void {
  const plen = <u32>load<u8>(o, 2), flags = <u32>load<u8>(o, 3);
  const valid = be32(o + 4), preferred = be32(o + 8);
  const p = o + 16;
  if (plen > 128 || v6IsMulticast(p) || v6IsLinkLocal(p) || addrIsZero(p)) return;
  if (flags & PREFIX_ONLINK) {
    let r = fibFind(p, plen, 0, d.ifindex, METRIC_PREFIX, true);
    if (!r && valid && learnt() < MAX_ROUTES) {
      r = fibAdd(p, plen, 0, d.ifindex, METRIC_PREFIX, RouteType.UNICAST, RTPROT_KERNEL, 0, 0);
      if (r) r.fromRa = 1;
    }
    if (r && r.fromRa) { // the route of an address given by hand is not the router's to end
      if (valid) fibSetExpiry(r, lifetime(valid));
      else fibDel(r);
    }
  }
  // RFC 4862 5.5.3
  if (!(flags & PREFIX_AUTO) || plen != 64 || preferred > valid || !in6Of(d).autoconf) return;
  addrCopy(ADDR, p);
  addrMask(ADDR, 64);
  eui64(ADDR, d.addr);
  const a = ifaddrFind(ADDR, d.ifindex);
  if (a) {
    // (e): a valid lifetime is never cut below two hours by an unauthenticated advertisement.
    if (!a.auto) return;
    const left = a.validUntil == u64.MAX_VALUE ? a.validUntil : a.validUntil > now() ? a.validUntil - now() : 0;
    const twoHours = 7200 * SEC;
    let until = lifetime(valid);
    if (<u64>valid * SEC <= twoHours && <u64>valid * SEC <= left) until = left <= twoHours ? a.validUntil : now() + twoHours;
    addressSetLifetimes(a, lifetime(preferred), until);
    return;
  }
  if (!valid || count(d) >= MAX_ADDRESSES) return;
  addressAdd(d, ADDR, 64, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC, lifetime(preferred), lifetime(valid), false);
}

function count(d: NetDevice): u32 {
  let n: u32 = 0;
  let a = ifaddrFirst(d);
  while (a) {
    n++;
    a = ifaddrNext(a);
  }
  return n;
}

function rdnss(d: NetDevice, o: usize, len: u32): void {
  const i = in6Of(d);
  const n = (len - 8) >> 4;
  const life = be32(o + 4);
  i.dnsCount = life ? min<u32>(n, 3) : 0;
  for (let k: u32 = 0; k < i.dnsCount; k++) addrCopy(i.dns + (k << 4), o + 8 + (k << 4));
}
