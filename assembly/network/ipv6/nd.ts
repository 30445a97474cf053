// Neighbour Discovery (RFC 4861): solicitations and advertisements, redirects. Duplicate address detection is in
// dad.ts, router discovery in slaac.ts.
//
//   NS, NA: ICMPv6 header(4)  flags/reserved(4)  target(16)  options {type, length/8, ...}
import { addrCopy, addrEqual, addrIsZero, v6IsLinkLocal, v6IsMulticast } from "../../lib/addr";
import { bytesEqual } from "../../lib/bytes";
import { Drop } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Skb, skbAlloc, skbDrop, skbFree } from "../../core/skb";
import { Sysctl, sysctl } from "../../core/sysctl";
import { workerSilent } from "../../core/worker";
import { IFA_F_DADFAILED, IFA_F_OPTIMISTIC, IFA_F_TENTATIVE, Ifaddr, ifaddrFind, ifaddrFirst, ifaddrNext } from "../../link/ifaddr";
import { Neighbour, Nud, neighFind, neighGet, neighOutput, neighUpdate } from "../../link/neighbour";
import { NetDevice } from "../../link/net_device";
import { ETH_P_IPV6, macCopy, macEqual, macIsMulticast } from "../../wire/ethernet";
import { ICMPV6_NA, ICMPV6_NS, ICMPV6_RA, ICMPV6_REDIRECT, ICMPV6_RS } from "../../wire/icmp";
import { IPV6_HLEN, Ipv6Header, NEXTHDR_ICMP } from "../../wire/ipv6";
import { FLOW_FOREIGN_SRC, FLOW_NO_MC_LOOP, Flow, flowRoute, ipOutput } from "../flow";
import { fibDel, fibFind } from "../fib";
import { redirectLearn } from "../redirect";
import { dadCollision, dadFailed } from "./dad";
import { SEEN_FRAGMENT } from "./in6";
import { icmpv6Seal } from "./icmpv6";
import { raInput } from "./slaac";

export const OPT_SOURCE_LLADDR: u32 = 1;
export const OPT_TARGET_LLADDR: u32 = 2;
/** Bytes of a solicitation without options. */
const NS_LEN: u32 = 24;
const NA_ROUTER: u32 = 0x80;
const NA_SOLICITED: u32 = 0x40;
export const NA_OVERRIDE: u32 = 0x20;
export const ALL_NODES: usize = memory.data<u8>([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
const SOLICITED_NODE: usize = memory.data<u8>([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0]);
const GROUP: usize = memory.data(16, 8);
const FLOW = changetype<Flow>(memory.data(offsetof<Flow>(), 8));

/** The solicited-node group of `addr` (RFC 4291 2.7.1), in a static buffer. */
export function solicitedNode(addr: usize): usize {
  addrCopy(GROUP, SOLICITED_NODE);
  store<u8>(GROUP, load<u8>(addr, 13), 13);
  store<u16>(GROUP, load<u16>(addr, 14), 14);
  return GROUP;
}

/** Send an ND message (built at skb.data, unsealed) from `src` (0 = ::) to `dst` on `d`, hop limit 255. */
export function ndSend(skb: Skb, d: NetDevice, src: usize, dst: usize): void {
  const f = FLOW;
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  addrCopy(f.dst, dst);
  if (src) addrCopy(f.src, src);
  f.oif = d.ifindex;
  f.proto = <u8>NEXTHDR_ICMP;
  f.ttl = 255;
  f.flags = FLOW_NO_MC_LOOP | FLOW_FOREIGN_SRC;
  if (flowRoute(f) < 0) {
    skbFree(skb);
    return;
  }
  if (src) addrCopy(f.src, src);
  else {
    store<u64>(f.src, 0);
    store<u64>(f.src, 0, 8);
  }
  skb.trans = skb.data;
  icmpv6Seal(skb, f.src, f.dst);
  mibInc(Mib.Icmp6OutMsgs);
  ipOutput(skb, f);
}

/** A solicitation or advertisement; `lladdr` = type of the option with our address, 0 for none. Null without a buffer. */
export function ndMessage(type: u32, flags: u32, target: usize, d: NetDevice, lladdr: u32): Skb | null {
  const n: u32 = lladdr ? 32 : 24;
  const skb = skbAlloc(n);
  if (!skb) return null;
  const p = skb.put(n);
  store<u64>(p, <u64>type | (<u64>flags << 32));
  addrCopy(p + 8, target);
  if (lladdr) {
    store<u8>(p, lladdr, 24);
    store<u8>(p, 1, 25);
    macCopy(p + 26, d.addr);
  }
  return skb;
}

// Our address on `d` to ask from: link-local for link-local targets, else the first usable one; null when there is none.
function speaker(d: NetDevice, target: usize): Ifaddr | null {
  let best: Ifaddr | null = null;
  let a = ifaddrFirst(d);
  while (a) {
    if (!a.isV4 && !a.tentative) {
      const ll = v6IsLinkLocal(a.addr);
      if (!best || ll == v6IsLinkLocal(target)) best = a;
      if (ll == v6IsLinkLocal(target)) break;
    }
    a = ifaddrNext(a);
  }
  return best;
}

/** The neighbour cache asks (RFC 4861 7.2.2). */
export function ndSolicit(n: Neighbour, unicast: u32): void {
  const d = n.device;
  const own = speaker(d, n.addr);
  if (!own) return;
  const optimistic = (own.flags & IFA_F_OPTIMISTIC) != 0;
  // RFC 4429 3.2: ask without the source option, so that nobody's cache is changed before the address is ours.
  const skb = ndMessage(ICMPV6_NS, 0, n.addr, d, optimistic ? 0 : OPT_SOURCE_LLADDR);
  if (skb) ndSend(skb, d, own.addr, unicast ? n.addr : solicitedNode(n.addr));
  if (optimistic && !unicast) askDirectly(d, own.addr, n.addr);
}

// Linux does not answer a solicitation to the group that has no source option from somebody it does not know; to one for its own address
// it answers after resolving the asker. So an optimistic node asks once more in that form, in a frame for the target's group.
function askDirectly(d: NetDevice, own: usize, target: usize): void {
  const skb = ndMessage(ICMPV6_NS, 0, target, d, 0);
  if (!skb) return;
  skb.trans = skb.data;
  icmpv6Seal(skb, own, target);
  const h = Ipv6Header.at(skb.push(IPV6_HLEN));
  h.init(0, 0, NS_LEN, NEXTHDR_ICMP, 255);
  addrCopy(h.src, own);
  addrCopy(h.dst, target);
  skb.net = h.ptr;
  skb.protocol = <u16>ETH_P_IPV6;
  mibInc(Mib.Icmp6OutMsgs);
  mibInc(Mib.Ip6OutRequests);
  neighOutput(d, solicitedNode(target), skb);
}

/** The option of `type` in `n` bytes at `p`, 0 when absent, -1 when the options are malformed (RFC 4861 4.6: zero length, overrun). */
export function ndOption(p: usize, n: u32, type: u32): i32 {
  let at: u32 = 0;
  let found: i32 = 0;
  while (at < n) {
    if (at + 2 > n) return -1;
    const len = <u32>load<u8>(p + at, 1) << 3;
    if (!len || at + len > n) return -1;
    if (load<u8>(p + at) == type && !found) found = <i32>(p + at);
    at += len;
  }
  return found;
}

/** A message whose ICMPv6 checksum was right; consumes it. */
export function ndInput(skb: Skb): void {
  const h = Ipv6Header.at(skb.net);
  if (h.hopLimit != 255) {
    skbDrop(skb, Drop.IPV6_NDISC_BAD_HOPLIMIT);
    return;
  }
  const p = skb.data;
  if (skb.cb5 & SEEN_FRAGMENT) { // RFC 6980 5
    skbDrop(skb, Drop.IPV6_NDISC_FRAG);
    return;
  }
  if (load<u8>(p, 1)) {
    skbDrop(skb, Drop.IPV6_NDISC_BAD_CODE);
    return;
  }
  let reason: i32 = -1;
  switch (<u32>load<u8>(p)) {
    case ICMPV6_NS:
      reason = solicitation(skb, h);
      break;
    case ICMPV6_NA:
      reason = advertisement(skb, h);
      break;
    case ICMPV6_RA:
      reason = raInput(skb, h);
      break;
    case ICMPV6_RS: // for routers
      break;
    case ICMPV6_REDIRECT:
      reason = redirect(skb, h);
      break;
  }
  if (reason >= 0) skbDrop(skb, reason);
  else skbFree(skb);
}

// The MAC in a link-layer address option; 0 when absent or not an Ethernet unicast.
function lladdr(opt: i32): usize {
  if (opt <= 0 || load<u8>(opt, 1) != 1) return 0;
  const mac = <usize>opt + 2;
  return macIsMulticast(mac) ? 0 : mac;
}

/** NA_ROUTER for the advertisements of a stack that forwards (RFC 4861 4.4). */
export function routerFlag(): u32 { return sysctl(Sysctl.IP6_FORWARD) ? NA_ROUTER : 0; }

function isSolicitedNode(a: usize): bool { return bytesEqual(a, SOLICITED_NODE, 13); }

// RFC 4861 7.1.1, 7.2.3. A drop reason, or -1.
function solicitation(skb: Skb, h: Ipv6Header): i32 {
  const d = changetype<NetDevice>(skb.dev);
  const p = skb.data;
  const target = p + 8;
  if (skb.len < 24 || v6IsMulticast(target)) return Drop.IPV6_NDISC_MALFORMED;
  const opt = ndOption(p + 24, skb.len - 24, OPT_SOURCE_LLADDR);
  if (opt < 0) return Drop.IPV6_NDISC_BAD_OPTIONS;
  const dad = addrIsZero(h.src);
  if (dad && (!isSolicitedNode(h.dst) || opt)) return Drop.IPV6_NDISC_MALFORMED;
  const a = ifaddrFind(target, d.ifindex);
  if (!a || a.flags & IFA_F_DADFAILED) return Drop.OTHERHOST;
  if (dad) {
    if (a.flags & IFA_F_TENTATIVE) return dadCollision(d, a, skb) ? Drop.IPV6_NDISC_DAD : -1;
    if (workerSilent(skb)) return -1;
    const na = ndMessage(ICMPV6_NA, NA_OVERRIDE | routerFlag(), target, d, OPT_TARGET_LLADDR);
    if (na) ndSend(na, d, target, ALL_NODES);
    return -1;
  }
  if (a.tentative) return Drop.OTHERHOST;
  const mac = lladdr(opt);
  if (mac) {
    const n = neighGet(d, h.src);
    if (n) neighUpdate(n, mac, Nud.STALE, true);
  }
  if (workerSilent(skb)) return -1;
  const overriding = a.flags & IFA_F_OPTIMISTIC ? 0 : NA_OVERRIDE;
  const na = ndMessage(ICMPV6_NA, NA_SOLICITED | overriding | routerFlag(), target, d, OPT_TARGET_LLADDR);
  if (na) ndSend(na, d, target, h.src);
  return -1;
}

// RFC 4861 7.1.2, 7.2.5; RFC 4862 5.4.4.
function advertisement(skb: Skb, h: Ipv6Header): i32 {
  const d = changetype<NetDevice>(skb.dev);
  const p = skb.data;
  const target = p + 8;
  if (skb.len < 24 || v6IsMulticast(target)) return Drop.IPV6_NDISC_MALFORMED;
  const flags = <u32>load<u8>(p, 4);
  if (v6IsMulticast(h.dst) && flags & NA_SOLICITED) return Drop.IPV6_NDISC_MALFORMED;
  const opt = ndOption(p + 24, skb.len - 24, OPT_TARGET_LLADDR);
  if (opt < 0) return Drop.IPV6_NDISC_BAD_OPTIONS;
  const a = ifaddrFind(target, d.ifindex);
  if (a) {
    if (skb.looped) return -1;
    if (a.flags & IFA_F_TENTATIVE) dadFailed(a);
    return Drop.IPV6_NDISC_DAD;
  }
  const n = neighFind(d, target);
  if (!n || n.state == <u8>Nud.NONE || (n.state == <u8>Nud.FAILED && !n.isRouter)) return -1; // 7.2.5: no entry, nothing to do
  const wasRouter = n.isRouter;
  let mac = lladdr(opt);
  if (!mac) {
    if (!n.valid) return -1;
    mac = n.mac;
  }
  const replace = !n.valid || (flags & NA_OVERRIDE) != 0;
  const other = n.valid && !macEqual(n.mac, mac);
  neighUpdate(n, mac, flags & NA_SOLICITED ? Nud.REACHABLE : Nud.STALE, replace);
  if (other && !replace) return -1;
  n.isRouter = flags & NA_ROUTER ? 1 : 0;
  if (wasRouter && !n.isRouter) { // 7.2.5: no longer a router: its default routes go
    const any = GROUP;
    store<u64>(any, 0);
    store<u64>(any, 0, 8);
    const r = fibFind(any, 0, target, d.ifindex, u32.MAX_VALUE, false);
    if (r && r.fromRa) fibDel(r);
  }
  return -1;
}

// RFC 4861 8.1, 8.3: header(4) reserved(4) target(16) destination(16) options. A drop reason, or -1.
function redirect(skb: Skb, h: Ipv6Header): i32 {
  const d = changetype<NetDevice>(skb.dev);
  const p = skb.data;
  const target = p + 8, dst = p + 24;
  if (skb.len < 40 || !v6IsLinkLocal(h.src) || v6IsMulticast(dst)) return Drop.IPV6_NDISC_MALFORMED;
  const direct = addrEqual(target, dst);
  if (!direct && !v6IsLinkLocal(target)) return Drop.IPV6_NDISC_MALFORMED;
  const opt = ndOption(p + 40, skb.len - 40, OPT_TARGET_LLADDR);
  if (opt < 0) return Drop.IPV6_NDISC_BAD_OPTIONS;
  if (sysctl(Sysctl.IP6_FORWARD) || !redirectLearn(d, h.src, dst, target)) return -1;
  const mac = lladdr(opt);
  const n = mac ? neighGet(d, target) : neighFind(d, target);
  if (!n) return -1;
  if (!direct) n.isRouter = 1;
  if (mac) neighUpdate(n, mac, Nud.STALE, true);
  return -1;
}
