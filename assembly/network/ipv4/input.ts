// IPv4 input (RFC 791, RFC 1122 3.2.1): header checks, options, local delivery or forwarding, reassembly.
import { addrSetV4, v4IsLoopback, v4IsMulticast } from "../../lib/addr";
import { Drop } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Hook, hook, inetProtoDeliver, inetProtoKnown } from "../../core/proto";
import { CsumState, PktType, Skb, skbDrop, skbFree } from "../../core/skb";
import { Sysctl, sysctl } from "../../core/sysctl";
import { ifaddrIsBroadcast } from "../../link/ifaddr";
import { LOOPED_GROUP } from "../../link/loopback";
import { NetDevice } from "../../link/net_device";
import { ICMP_DEST_UNREACH, ICMP_PARAMETERPROB, ICMP_PROT_UNREACH } from "../../wire/icmp";
import {
  IPPROTO_IGMP, IP_MF, IP_OFFMASK, IPOPT_END, IPOPT_LSRR, IPOPT_NOP, IPOPT_RA, IPOPT_RR, IPOPT_SSRR, IPOPT_TS, IPV4_HLEN, Ipv4Header,
} from "../../wire/ipv4";
import { fibIsLocal } from "../fib";
import { homeTakes } from "../home";
import { reassemble } from "../reassemble";
import { ipv4Forward } from "./forward";
import { icmpSend } from "./icmp";
import { igmpIsMember } from "./igmp";

const DST: usize = memory.data(16, 8);
const KEY: usize = memory.data(40, 8);
/** Offset of the byte that made optionsOk say no. */
const POINTER: usize = memory.data(4, 4);

export function ipv4Input(skb: Skb): void {
  mibInc(Mib.IpInReceives);
  if (skb.len < IPV4_HLEN) {
    drop(skb, Mib.IpInHdrErrors, Drop.PKT_TOO_SMALL);
    return;
  }
  const h = Ipv4Header.at(skb.data);
  const hlen = h.hlen, total = h.totalLen;
  if (h.version != 4 || hlen < IPV4_HLEN || hlen > skb.len || total < hlen) {
    drop(skb, Mib.IpInHdrErrors, Drop.IP_INHDR);
    return;
  }
  if (total > skb.len) {
    drop(skb, Mib.IpInHdrErrors, Drop.HDR_TRUNC);
    return;
  }
  if (!h.checksumOk) {
    drop(skb, Mib.IpInHdrErrors, Drop.IP_CSUM);
    return;
  }
  skb.trim(total);
  skb.net = skb.data;
  skb.trans = skb.data + hlen;
  const d = changetype<NetDevice>(skb.dev);
  const src = h.src, dst = h.dst;
  const limited = dst == 0xffffffff || (dst == 0 && src == 0);
  const broadcast = limited || ifaddrIsBroadcast(d, dst);
  // RFC 1122 3.2.1.3: a source that no host can have.
  if (v4IsMulticast(src) || src == 0xffffffff || (zeroNet(dst) && !limited)
    || (zeroNet(src) && !limited && !(v4IsMulticast(dst) && (dst >> 8 == 0xe00000 || h.proto == IPPROTO_IGMP)))
    || ((v4IsLoopback(src) || v4IsLoopback(dst)) && !d.isLoopback && skb.looped != LOOPED_GROUP)
    || (src != 0 && !d.isLoopback && ifaddrIsBroadcast(d, src))) {
    drop(skb, Mib.IpInAddrErrors, Drop.IP_INADDRERRORS);
    return;
  }
  if (hlen > IPV4_HLEN && !optionsOk(h)) {
    if (load<u32>(POINTER) == u32.MAX_VALUE) {
      drop(skb, Mib.IpInHdrErrors, Drop.IP_SOURCE_ROUTE);
      return;
    }
    icmpSend(skb, ICMP_PARAMETERPROB, 0, load<u32>(POINTER) << 24);
    drop(skb, Mib.IpInHdrErrors, Drop.IP_INHDR);
    return;
  }
  if (v4IsMulticast(dst)) {
    if (!d.isLoopback && !igmpIsMember(d, dst)) {
      drop(skb, Mib.IpInAddrErrors, Drop.IP_INADDRERRORS);
      return;
    }
    if (skb.pktType == PktType.HOST) skb.pktType = PktType.MULTICAST;
    ipv4Deliver(skb);
    return;
  }
  if (broadcast) {
    skb.pktType = PktType.BROADCAST;
    ipv4Deliver(skb);
    return;
  }
  addrSetV4(DST, dst);
  // A spoofed source: our own address on a packet from the wire (Linux calls it martian).
  if (fibIsLocal(DST, d.ifindex)) {
    addrSetV4(DST, src);
    if (!d.isLoopback && src && fibIsLocal(DST, d.ifindex)) {
      drop(skb, Mib.IpInAddrErrors, Drop.IP_INADDRERRORS);
      return;
    }
    // RFC 1122 3.3.6: unicast inside a link-layer broadcast is not for a host to accept; Linux delivers it to sockets all the same.
    ipv4Deliver(skb);
    return;
  }
  if (skb.pktType != PktType.HOST) { // never forward what was broadcast on the link
    drop(skb, Mib.IpInAddrErrors, Drop.IP_INADDRERRORS);
    return;
  }
  if (!sysctl(Sysctl.IP_FORWARD)) {
    drop(skb, Mib.IpInAddrErrors, Drop.IP_NOT_FORWARDING);
    return;
  }
  ipv4Forward(skb);
}

/** "This network", 0/8: only in limited broadcasts, and to groups of the link while a host has no address (RFC 1122 3.2.1.3). */
@inline function zeroNet(v4: u32): bool { return v4 >> 24 == 0; }

function drop(skb: Skb, mib: Mib, reason: Drop): void {
  mibInc(mib);
  skbDrop(skb, reason);
}

// RFC 791 3.1: every option's length and pointer; source routes are refused (Linux's accept_source_route=0).
function optionsOk(h: Ipv4Header): bool {
  let at: u32 = IPV4_HLEN;
  const end = h.hlen;
  while (at < end) {
    const o = <u32>load<u8>(h.ptr + at);
    if (o == IPOPT_END) return true;
    if (o == IPOPT_NOP) {
      at++;
      continue;
    }
    const n = at + 1 < end ? <u32>load<u8>(h.ptr + at, 1) : 0;
    if (n < 2 || at + n > end) return bad(at); // Linux points at the option
    if (o == IPOPT_LSRR || o == IPOPT_SSRR) return bad(u32.MAX_VALUE);
    if (o == IPOPT_RR) {
      if (n < 3) return bad(at + 1);
      if (load<u8>(h.ptr + at, 2) < 4) return bad(at + 2);
    } else if (o == IPOPT_TS) {
      if (n < 4) return bad(at + 1);
      if (load<u8>(h.ptr + at, 2) < 5) return bad(at + 2);
    } else if (o == IPOPT_RA && n != 4) return bad(at + 1);
    at += n;
  }
  return true;
}
function bad(pointer: u32): bool {
  store<u32>(POINTER, pointer);
  return false;
}

/** The packet is for this host. */
export function ipv4Deliver(skb: Skb): void {
  const h = Ipv4Header.at(skb.data);
  const frag = h.frag;
  if (frag & (IP_MF | IP_OFFMASK)) {
    const whole = defragment(skb, h);
    if (!whole) return;
    skb = whole;
  }
  deliver(skb);
}

function defragment(skb: Skb, h: Ipv4Header): Skb | null {
  mibInc(Mib.IpReasmReqds);
  const hlen = h.hlen;
  const len = skb.len - hlen;
  const offset = (h.frag & IP_OFFMASK) << 3;
  const more = (h.frag & IP_MF) != 0;
  // RFC 791: all but the last are multiples of 8; RFC 1858: nothing beyond 64 KiB; no empty fragments.
  if (len == 0 || (more && len & 7)) {
    mibInc(Mib.IpReasmFails);
    skbDrop(skb, Drop.FRAG_MALFORMED);
    return null;
  }
  if (offset + len > 65535 - IPV4_HLEN) {
    mibInc(Mib.IpReasmFails);
    skbDrop(skb, Drop.FRAG_TOO_LARGE);
    return null;
  }
  addrSetV4(KEY, h.src);
  addrSetV4(KEY + 16, h.dst);
  store<u32>(KEY, h.id, 32);
  store<u32>(KEY, h.proto | (4 << 16), 36);
  skb.pull(hlen);
  const whole = reassemble(KEY, skb, offset, more, h.tos, sysctl(Sysctl.IPFRAG_HIGH_THRESH), sysctl(Sysctl.IPFRAG_TIME));
  if (!whole) return null;
  const wh = Ipv4Header.at(whole.data);
  if (whole.len > 65535) {
    mibInc(Mib.IpReasmFails);
    skbDrop(whole, Drop.FRAG_TOO_LARGE);
    return null;
  }
  wh.totalLen = whole.len;
  wh.frag = 0;
  wh.seal();
  whole.net = whole.data;
  whole.trans = whole.data + wh.hlen;
  whole.csum = CsumState.NONE;
  mibInc(Mib.IpReasmOKs);
  return whole;
}

function deliver(skb: Skb): void {
  const h = Ipv4Header.at(skb.data);
  const proto = h.proto;
  if (!homeTakes(skb, proto, skb.data + h.hlen, h.ptr + 12, h.ptr + 16, 1)) return;
  const raw = hook(Hook.RAW);
  const taken = raw ? call_indirect<i32>(raw, skb, proto) : 0;
  if (!inetProtoKnown(proto)) {
    if (taken) {
      mibInc(Mib.IpInDelivers);
      skbFree(skb);
      return;
    }
    icmpSend(skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
    drop(skb, Mib.IpInUnknownProtos, Drop.IP_NOPROTO);
    return;
  }
  mibInc(Mib.IpInDelivers);
  skb.pull(h.hlen);
  skb.trans = skb.data;
  inetProtoDeliver(proto, skb);
}
