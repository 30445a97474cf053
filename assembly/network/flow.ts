// A flow: where packets of a socket go. Routed once, cached, and routed again when the tables have changed.
// ipOutput is the one way out for locally generated packets of both families.
import { Errno } from "../abi";
import { addrCopy, addrIsAny, addrIsMulticast, addrIsV4, addrSetV4, addrV4, v6IsLinkLocal, v6IsLoopback } from "../lib/addr";
import { Skb } from "../core/skb";
import { now } from "../core/time";
import { addrIsLocal, ifaddrIsBroadcast } from "../link/ifaddr";
import { neighConfirm } from "../link/neighbour";
import { NetDevice, loopbackDevice, netDeviceByIndex } from "../link/net_device";
import { RouteType, fibGenid, fibIsLocal, fibLookup, pmtuOf, pmtuUntil, routeRefusal } from "./fib";
import { ipv4Output } from "./ipv4/output";
import { mtu6 } from "./ipv6/in6";
import { ipv6Output } from "./ipv6/output";
import { sourceFor4, sourceFor6 } from "./source";

/** IP_PMTUDISC_* of Linux. */
export const PMTUDISC_DONT: u32 = 0;
export const PMTUDISC_WANT: u32 = 1;
export const PMTUDISC_DO: u32 = 2;
export const PMTUDISC_PROBE: u32 = 3;
export const PMTUDISC_INTERFACE: u32 = 4;
export const PMTUDISC_OMIT: u32 = 5;

/** Destination is broadcast (set by flowRoute). */
export const FLOW_BROADCAST: u8 = 1;
export const FLOW_MULTICAST: u8 = 2;
/** Delivered to ourselves through the loopback device. */
export const FLOW_LOCAL: u8 = 4;
/** In: the source was chosen by flowRoute and may be chosen anew. */
export const FLOW_ANYSRC: u8 = 8;
/** In: don't use gateways (SO_DONTROUTE). */
export const FLOW_DONTROUTE: u8 = 16;
/** In: a source that is not ours is allowed (IP_TRANSPARENT, IP_FREEBIND, forwarding of ICMP errors). */
export const FLOW_FOREIGN_SRC: u8 = 32;
/** In: multicast is not to be looped back to local members. */
export const FLOW_NO_MC_LOOP: u8 = 64;

@unmanaged @final export class Flow {
  src0: u64; src1: u64;
  dst0: u64; dst1: u64;
  /** Required outgoing interface, 0 = any. */
  oif: u32;
  proto: u8;
  /** TOS or traffic class. */
  tos: u8;
  /** 0 = the default of net.ipv4.ip_default_ttl or hop_limit. */
  ttl: u8;
  pmtudisc: u8;
  flags: u8;
  flowLabel: u32;
  mark: u32;
  /** NetDevice, chosen. */
  dev: usize;
  nexthop0: u64; nexthop1: u64;
  /** Largest packet with IP header that may leave: device, route and path MTU. */
  mtu: u32;
  /** The same without what was learnt of the path: of device and route. */
  linkMtu: u32;
  genid: u32;
  /** When a learnt path MTU in `mtu` ends, ns; 0 = none in use. */
  mtuUntil: u64;
  /** IPv4 options to insert: address of bytes, length (multiple of 4). */
  opt: usize;
  optLen: u32;

  @inline get src(): usize { return changetype<usize>(this) + offsetof<Flow>("src0"); }
  @inline get dst(): usize { return changetype<usize>(this) + offsetof<Flow>("dst0"); }
  @inline get nexthop(): usize { return changetype<usize>(this) + offsetof<Flow>("nexthop0"); }
  @inline get isV4(): bool { return addrIsV4(this.dst); }
  @inline get device(): NetDevice { return changetype<NetDevice>(this.dev); }
}

/** Bytes of IP header in front of the transport, without options. */
@inline export function ipHeaderLen(f: Flow): u32 { return f.isV4 ? 20 : 40; }
@inline export function flowStale(f: Flow): bool { return f.genid != fibGenid() || (f.mtuUntil != 0 && now() >= f.mtuUntil); }

/**
 * Choose device, next hop, source (when it is any) and MTU for f.dst. 0, or -ENETUNREACH, -EHOSTUNREACH, -EADDRNOTAVAIL (source not ours),
 * -ENODEV, -EINVAL (link-local without interface).
 */
export function flowRoute(f: Flow): i32 {
  const any = addrIsAny(f.src);
  if (any) f.flags |= FLOW_ANYSRC;
  f.flags &= ~(FLOW_BROADCAST | FLOW_MULTICAST | FLOW_LOCAL);
  f.mtuUntil = 0;
  const v4 = f.isV4;
  if (!any && addrIsV4(f.src) != v4) return -Errno.ENETUNREACH;
  // A destination of "any" means this host (RFC 1122 3.2.1.3; Linux connects to loopback).
  if (addrIsAny(f.dst)) {
    if (v4) addrSetV4(f.dst, 0x7f000001);
    else {
      store<u64>(f.dst, 0);
      store<u64>(f.dst, 0x0100000000000000, 8);
    }
  }
  if (!any && !(f.flags & FLOW_FOREIGN_SRC) && !fibIsLocal(f.src, f.oif)) {
    if (!(f.flags & FLOW_ANYSRC)) return -Errno.EADDRNOTAVAIL;
    clearSource(f, v4);
  }
  const r = addrIsMulticast(f.dst) || (v4 && addrV4(f.dst) == 0xffffffff) ? routeGroup(f) : routeUnicast(f, v4);
  if (r < 0) return r;
  const d = f.device;
  if (addrIsAny(f.src)) {
    const a = v4 ? sourceFor4(d, f.nexthop) : sourceFor6(d, f.dst);
    if (a) addrCopy(f.src, a.addr);
    else if (f.flags & FLOW_LOCAL) addrCopy(f.src, f.dst);
    else if (!(f.flags & (FLOW_BROADCAST | FLOW_MULTICAST))) return v4 ? -Errno.ENETUNREACH : -Errno.EADDRNOTAVAIL;
  }
  if (v4) {
    if (ifaddrIsBroadcast(d, addrV4(f.dst))) f.flags |= FLOW_BROADCAST;
  }
  f.genid = fibGenid();
  return 0;
}

function clearSource(f: Flow, v4: bool): void {
  if (v4) addrSetV4(f.src, 0);
  else {
    store<u64>(f.src, 0);
    store<u64>(f.src, 0, 8);
  }
}

// Multicast and limited broadcast: the interface asked for, else the one that holds the source, else the route's, else the first that can.
function routeGroup(f: Flow): i32 {
  let d: NetDevice | null = null;
  if (f.oif) d = netDeviceByIndex(f.oif);
  else {
    const r = fibLookup(f.dst, 0);
    if (r) d = netDeviceByIndex(r.ifindex);
  }
  if (!d) return f.oif ? -Errno.ENODEV : -Errno.ENETUNREACH;
  if (!d.up) return -Errno.ENETDOWN;
  f.dev = changetype<usize>(d);
  addrCopy(f.nexthop, f.dst);
  f.linkMtu = addrIsV4(f.dst) ? d.mtu : mtu6(d);
  f.mtu = f.linkMtu;
  f.flags |= addrIsMulticast(f.dst) ? FLOW_MULTICAST : FLOW_BROADCAST;
  return 0;
}

// To ourselves, through the loopback device.
function routeLocal(f: Flow): i32 {
  const lo = loopbackDevice();
  if (!lo.up) return -Errno.ENETDOWN;
  f.dev = changetype<usize>(lo);
  addrCopy(f.nexthop, f.dst);
  f.linkMtu = lo.mtu;
  f.mtu = lo.mtu;
  f.flags |= FLOW_LOCAL;
  if (addrIsAny(f.src)) addrCopy(f.src, f.dst);
  return 0;
}

function routeUnicast(f: Flow, v4: bool): i32 {
  if (addrIsLocal(f.dst, f.oif)) return routeLocal(f);
  if (!v4 && v6IsLoopback(f.dst)) return -Errno.ENETUNREACH;
  if (!v4 && v6IsLinkLocal(f.dst) && !f.oif && linkLocalAmbiguous()) return -Errno.EINVAL;
  const r = fibLookup(f.dst, f.oif);
  if (!r) {
    // An interface asked for by name needs no route: the destination is then taken to be on its link (Linux SO_BINDTODEVICE).
    const d = f.oif ? netDeviceByIndex(f.oif) : null;
    if (!d || !d.up || !v4) return -Errno.ENETUNREACH;
    f.dev = changetype<usize>(d);
    addrCopy(f.nexthop, f.dst);
    f.linkMtu = d.mtu;
    f.mtu = d.mtu;
    return 0;
  }
  const no = routeRefusal(r);
  if (no) return no;
  if (r.type == <u8>RouteType.LOCAL) return routeLocal(f);
  if (r.hasGateway && f.flags & FLOW_DONTROUTE) return -Errno.ENETUNREACH;
  const d = netDeviceByIndex(r.ifindex)!;
  f.dev = changetype<usize>(d);
  addrCopy(f.nexthop, r.hasGateway ? r.gw : f.dst);
  f.linkMtu = v4 ? d.mtu : mtu6(d);
  if (r.mtu && r.mtu < f.linkMtu) f.linkMtu = r.mtu;
  f.mtu = f.linkMtu;
  const learnt = f.pmtudisc == <u8>PMTUDISC_INTERFACE || f.pmtudisc == <u8>PMTUDISC_PROBE ? <u32>0 : pmtuOf(f.dst);
  if (learnt && learnt < f.mtu) {
    f.mtu = learnt;
    f.mtuUntil = pmtuUntil(f.dst);
  }
  if (addrIsAny(f.src) && load<u64>(r.src, 8)) addrCopy(f.src, r.src);
  return 0;
}

// More than one link could be meant by fe80::.
function linkLocalAmbiguous(): bool {
  const LL = LINK_LOCAL;
  const r = fibLookup(LL, 0);
  if (!r) return false;
  const other = changetype<usize>(r);
  let i: u32 = 1, n: u32 = 0;
  while (i < 65) {
    const q = fibLookup(LL, i);
    if (q && changetype<usize>(q) != other) n++;
    i++;
  }
  return n > 0;
}
const LINK_LOCAL: usize = memory.data<u8>([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

/**
 * Send a packet whose data is at the transport header (skb.trans set, checksum done or PARTIAL). Prepends the IP
 * header, fragments where that is allowed, finds the neighbour. Consumes skb. 0 or -errno (-EMSGSIZE: too big and DF).
 */
export function ipOutput(skb: Skb, f: Flow): i32 {
  skb.mark = f.mark;
  return f.isV4 ? ipv4Output(skb, f) : ipv6Output(skb, f);
}

/** The peer has made progress: its neighbour is reachable (RFC 4861 7.3.1). */
export function flowConfirm(f: Flow): void {
  if (f.dev && !(f.flags & FLOW_LOCAL)) neighConfirm(f.device, f.nexthop);
}
