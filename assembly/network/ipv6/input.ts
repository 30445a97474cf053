// IPv6 input (RFC 8200): header checks, extension headers in order, local delivery or forwarding, reassembly.
import { addrCopy, addrIsZero, v6IsLoopback, v6IsMulticast } from "../../lib/addr";
import { be16, be32 } from "../../lib/bytes";
import { Drop } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Hook, hook, inetProtoDeliver, inetProtoKnown } from "../../core/proto";
import { CsumState, PktType, Skb, skbDrop, skbFree } from "../../core/skb";
import { Sysctl, sysctl } from "../../core/sysctl";
import { ifaddrFind } from "../../link/ifaddr";
import { LOOPED_GROUP } from "../../link/loopback";
import { NetDevice } from "../../link/net_device";
import { ICMPV6_HDR_FIELD, ICMPV6_HDR_INCOMPLETE, ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR, ICMPV6_UNK_OPTION } from "../../wire/icmp";
import {
  FRAG_HLEN, IPV6_HLEN, Ipv6Header, NEXTHDR_DEST, NEXTHDR_FRAGMENT, NEXTHDR_HOP, NEXTHDR_ICMP, NEXTHDR_NONE, NEXTHDR_ROUTING,
} from "../../wire/ipv6";
import { fibIsLocal, fibRoutesLocal } from "../fib";
import { homeTakes } from "../home";
import { reassemble } from "../reassemble";
import { ipv6Forward } from "./forward";
import { icmpv6Send } from "./icmpv6";
import { SEEN_FRAGMENT, SEEN_MLD_ALERT } from "./in6";
import { mldIsMember } from "./mld";

const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;
const TCP_HLEN: u32 = 20;
const KEY: usize = memory.data(40, 8);
/** Headers walked in one packet at most; more is an attack. */
const MAX_HEADERS: u32 = 16;
const OPT_PAD1: u32 = 0;
const OPT_PADN: u32 = 1;
const OPT_ROUTER_ALERT: u32 = 5;
const OPT_JUMBO: u32 = 0xc2;

function drop(skb: Skb, mib: Mib, reason: Drop): void {
  mibInc(mib);
  skbDrop(skb, reason);
}

export function ipv6Input(skb: Skb): void {
  mibInc(Mib.Ip6InReceives);
  skb.cb5 = 0;
  if (skb.len < IPV6_HLEN) {
    drop(skb, Mib.Ip6InHdrErrors, Drop.PKT_TOO_SMALL);
    return;
  }
  const h = Ipv6Header.at(skb.data);
  if (h.version != 6) {
    drop(skb, Mib.Ip6InHdrErrors, Drop.IP_INHDR);
    return;
  }
  const total = IPV6_HLEN + h.payloadLen;
  if (total > skb.len) {
    drop(skb, Mib.Ip6InTruncatedPkts, Drop.HDR_TRUNC);
    return;
  }
  skb.trim(total);
  skb.net = skb.data;
  const d = changetype<NetDevice>(skb.dev);
  const ours = d.isLoopback || skb.looped == LOOPED_GROUP;
  // RFC 4291 2.5.3, 2.7; v4-mapped addresses never appear on the wire.
  if (v6IsMulticast(h.src) || (!ours && (v6IsLoopback(h.src) || v6IsLoopback(h.dst))) || mapped(h.src) || mapped(h.dst)
    || (v6IsMulticast(h.dst) && (load<u8>(h.dst, 1) & 15) == 0) || (!ours && v6IsMulticast(h.dst) && (load<u8>(h.dst, 1) & 15) == 1)
    || addrIsZero(h.dst)) {
    drop(skb, Mib.Ip6InAddrErrors, Drop.IP_INADDRERRORS);
    return;
  }
  // RFC 4291 2.5.2: the unspecified address speaks to groups only (duplicate address detection, MLD).
  if (addrIsZero(h.src) && !v6IsMulticast(h.dst)) {
    drop(skb, Mib.Ip6InAddrErrors, Drop.IP_INADDRERRORS);
    return;
  }
  if (v6IsMulticast(h.dst)) {
    if (skb.pktType == PktType.HOST) skb.pktType = PktType.MULTICAST;
    if (!ours && !mldIsMember(d, h.dst)) {
      drop(skb, Mib.Ip6InAddrErrors, Drop.IP_INADDRERRORS);
      return;
    }
    ipv6Deliver(skb);
    return;
  }
  if (fibIsLocal(h.dst, d.ifindex) || (ifaddrFind(h.dst, d.ifindex) != null && h.nextHeader == NEXTHDR_ICMP)) {
    if (!ours && fibRoutesLocal(h.src)) { // an answer would come to ourselves (martian, as for IPv4)
      drop(skb, Mib.Ip6InAddrErrors, Drop.IP_INADDRERRORS);
      return;
    }
    ipv6Deliver(skb);
    return;
  }
  if (skb.pktType != PktType.HOST) {
    drop(skb, Mib.Ip6InAddrErrors, Drop.IP_INADDRERRORS);
    return;
  }
  if (!sysctl(Sysctl.IP6_FORWARD)) {
    drop(skb, Mib.Ip6InAddrErrors, Drop.IP_NOT_FORWARDING);
    return;
  }
  if (h.nextHeader == NEXTHDR_HOP) {
    skb.pull(IPV6_HLEN);
    if (options(skb) < 0) return;
    skb.data = skb.net;
    skb.len = total;
  }
  ipv6Forward(skb);
}

@inline function mapped(p: usize): bool { return load<u64>(p) == 0 && load<u32>(p, 8) == 0xffff0000; }

/** The packet (data at its IPv6 header) is for this host: walk the headers. */
export function ipv6Deliver(skb: Skb): void {
  let next = Ipv6Header.at(skb.data).nextHeader;
  /** Offset of the field that named `next`, from the IPv6 header. */
  let field: u32 = 6;
  skb.pull(IPV6_HLEN);
  for (let i: u32 = 0; i < MAX_HEADERS; i++) {
    let r: i32;
    switch (next) {
      case NEXTHDR_HOP:
        if (i != 0) { // RFC 8200 4.1: only first
          icmpv6Send(skb, ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR, field);
          drop(skb, Mib.Ip6InHdrErrors, Drop.IPV6_BAD_EXTHDR);
          return;
        }
        r = options(skb);
        break;
      case NEXTHDR_DEST:
        r = options(skb);
        break;
      case NEXTHDR_ROUTING:
        r = routing(skb);
        break;
      case NEXTHDR_FRAGMENT: {
        const whole = defragment(skb);
        if (!whole) return;
        skb = whole;
        next = Ipv6Header.at(skb.net).nextHeader;
        field = 6;
        continue;
      }
      case NEXTHDR_NONE:
        skbFree(skb);
        return;
      default:
        transport(skb, next, field);
        return;
    }
    if (r < 0) return;
    const p = skb.data;
    field = <u32>(p - skb.net);
    next = load<u8>(p);
    skb.pull(<u32>r);
  }
  drop(skb, Mib.Ip6InHdrErrors, Drop.IPV6_BAD_EXTHDR);
}

function transport(skb: Skb, proto: u32, field: u32): void {
  skb.trans = skb.data;
  const h = Ipv6Header.at(skb.net);
  if (!homeTakes(skb, proto, skb.data, h.src, h.dst, 4)) return;
  const raw = hook(Hook.RAW);
  const taken = raw ? call_indirect<i32>(raw, skb, proto) : 0;
  if (inetProtoKnown(proto) && proto != 1 && proto != 2) {
    mibInc(Mib.Ip6InDelivers);
    inetProtoDeliver(proto, skb);
    return;
  }
  if (taken) {
    mibInc(Mib.Ip6InDelivers);
    skbFree(skb);
    return;
  }
  icmpv6Send(skb, ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR, field);
  drop(skb, Mib.Ip6InUnknownProtos, Drop.IP_NOPROTO);
}

// Length of the option or routing header at data, or -1 (dropped).
function extLen(skb: Skb): i32 {
  if (skb.len >= 8) {
    const n = (<u32>load<u8>(skb.data, 1) + 1) << 3;
    if (n <= skb.len) return <i32>n;
  }
  drop(skb, Mib.Ip6InHdrErrors, Drop.HDR_TRUNC);
  return -1;
}

// RFC 8200 4.2: options of a hop-by-hop or destination header; the header's length, or -1 when the packet is gone.
function options(skb: Skb): i32 {
  const n = extLen(skb);
  if (n < 0) return -1;
  const p = skb.data;
  let at: u32 = 2;
  while (at < <u32>n) {
    const type = <u32>load<u8>(p + at);
    if (type == OPT_PAD1) {
      at++;
      continue;
    }
    if (at + 1 >= <u32>n) return badHeader(skb);
    const len = <u32>load<u8>(p + at, 1) + 2;
    if (at + len > <u32>n) return badHeader(skb);
    if (type == OPT_JUMBO) { // packets above 64 KiB do not exist here
      icmpv6Send(skb, ICMPV6_PARAMPROB, ICMPV6_UNK_OPTION, <u32>(p + at - skb.net));
      return badHeader(skb);
    }
    if (type == OPT_ROUTER_ALERT && len == 4 && !load<u16>(p + at, 2)) skb.cb5 |= SEEN_MLD_ALERT; // RFC 2711 2.1: value 0
    if (type != OPT_PADN && type != OPT_ROUTER_ALERT) {
      const action = type >> 6;
      if (action) {
        if (action == 2 || (action == 3 && !v6IsMulticast(Ipv6Header.at(skb.net).dst))) icmpv6Send(skb, ICMPV6_PARAMPROB, ICMPV6_UNK_OPTION, <u32>(p + at - skb.net));
        return badHeader(skb);
      }
    }
    at += len;
  }
  return n;
}

function badHeader(skb: Skb): i32 {
  drop(skb, Mib.Ip6InHdrErrors, Drop.IPV6_BAD_EXTHDR);
  return -1;
}

// RFC 8200 4.4, RFC 5095: no routing type is followed; one that is used up is skipped.
function routing(skb: Skb): i32 {
  const n = extLen(skb);
  if (n < 0) return -1;
  if (load<u8>(skb.data, 3)) {
    icmpv6Send(skb, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, <u32>(skb.data + 2 - skb.net));
    return badHeader(skb);
  }
  return n;
}

// Does the first fragment (data behind its fragment header) end before its upper-layer header does?
function headerChainCut(skb: Skb, first: u32): bool {
  let next = first;
  let at: u32 = 0;
  for (let i: u32 = 0; i < MAX_HEADERS; i++) {
    if (next != NEXTHDR_HOP && next != NEXTHDR_ROUTING && next != NEXTHDR_DEST) break;
    if (at + 2 > skb.len) return true;
    next = load<u8>(skb.data + at);
    at += (<u32>load<u8>(skb.data + at, 1) + 1) << 3;
  }
  if (next == NEXTHDR_NONE) return at > skb.len;
  return at + (next == IPPROTO_TCP ? TCP_HLEN : next == IPPROTO_UDP || next == NEXTHDR_ICMP ? 8 : 1) > skb.len;
}

// One fragment: the whole packet (data at its upper layer, net at an IPv6 header right before it), or null.
function defragment(skb: Skb): Skb | null {
  mibInc(Mib.Ip6ReasmReqds);
  if (skb.len < FRAG_HLEN) {
    drop(skb, Mib.Ip6InHdrErrors, Drop.HDR_TRUNC);
    return null;
  }
  const p = skb.data;
  const next = <u32>load<u8>(p);
  const word = be16(p + 2);
  const offset = word & ~7, more = (word & 1) != 0;
  const len = skb.len - FRAG_HLEN;
  const h = Ipv6Header.at(skb.net);
  if (more && len & 7) { // RFC 8200 4.5: pointer to the payload length
    mibInc(Mib.Ip6ReasmFails);
    icmpv6Send(skb, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, 4);
    drop(skb, Mib.Ip6InHdrErrors, Drop.FRAG_MALFORMED);
    return null;
  }
  if (offset + len > 65535) { // pointer to the fragment offset
    mibInc(Mib.Ip6ReasmFails);
    icmpv6Send(skb, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, <u32>(p + 2 - skb.net));
    drop(skb, Mib.Ip6InHdrErrors, Drop.FRAG_TOO_LARGE);
    return null;
  }
  if (len == 0 && (more || offset)) {
    mibInc(Mib.Ip6ReasmFails);
    drop(skb, Mib.Ip6InHdrErrors, Drop.FRAG_MALFORMED);
    return null;
  }
  addrCopy(KEY, h.src);
  addrCopy(KEY + 16, h.dst);
  store<u32>(KEY, be32(p + 4), 32);
  store<u32>(KEY, 6 << 16, 36);
  skb.pull(FRAG_HLEN);
  if (!offset && headerChainCut(skb, next)) { // RFC 7112 5, RFC 8200 4.5
    mibInc(Mib.Ip6ReasmFails);
    icmpv6Send(skb, ICMPV6_PARAMPROB, ICMPV6_HDR_INCOMPLETE, 0);
    drop(skb, Mib.Ip6InHdrErrors, Drop.FRAG_MALFORMED);
    return null;
  }
  if (!offset && !more) { // atomic fragment (RFC 6946): on its own, its IPv6 header moved next to the payload
    memory.copy(skb.data - IPV6_HLEN, skb.net, IPV6_HLEN);
    skb.mac = 0;
    skb.net = skb.data - IPV6_HLEN;
    const ah = Ipv6Header.at(skb.net);
    ah.nextHeader = next;
    ah.payloadLen = len;
    skb.cb5 |= SEEN_FRAGMENT;
    mibInc(Mib.Ip6ReasmOKs);
    return skb;
  }
  const whole = reassemble(KEY, skb, offset, more, h.tclass, sysctl(Sysctl.IP6FRAG_HIGH_THRESH), sysctl(Sysctl.IP6FRAG_TIME));
  if (!whole) return null;
  whole.net = whole.data;
  Ipv6Header.at(whole.net).payloadLen = whole.len - IPV6_HLEN;
  whole.pull(IPV6_HLEN);
  whole.csum = CsumState.NONE;
  whole.cb5 = SEEN_FRAGMENT;
  mibInc(Mib.Ip6ReasmOKs);
  return whole;
}
