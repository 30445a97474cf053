// IPv6 output: header, hop-by-hop options, fragmentation by the source (RFC 8200 3, 4.5).
import { Errno } from "../../abi";
import { addrCopy } from "../../lib/addr";
import { putBe16, putBe32 } from "../../lib/bytes";
import { randU32 } from "../../lib/drbg";
import { Drop } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Skb, skbAlloc, skbChecksumHelp, skbCopy, skbDrop, skbFree, skbRead } from "../../core/skb";
import { Sysctl, sysctl } from "../../core/sysctl";
import { LOOPED_GROUP } from "../../link/loopback";
import { neighOutput } from "../../link/neighbour";
import { loopbackDevice } from "../../link/net_device";
import { ETH_P_IPV6 } from "../../wire/ethernet";
import { FRAG_HLEN, IPV6_HLEN, Ipv6Header, NEXTHDR_FRAGMENT, NEXTHDR_HOP } from "../../wire/ipv6";
import { FLOW_LOCAL, FLOW_MULTICAST, FLOW_NO_MC_LOOP, Flow, PMTUDISC_DO, PMTUDISC_PROBE } from "../flow";
import { in6Of } from "./in6";
import { mldIsMember } from "./mld";

export function ipv6Output(skb: Skb, f: Flow): i32 {
  mibInc(Mib.Ip6OutRequests);
  const payload = skb.total + f.optLen;
  if (payload > 65535) {
    skbDrop(skb, Drop.PKT_TOO_BIG);
    return -Errno.EMSGSIZE;
  }
  const in6 = in6Of(f.device);
  let hops = <u32>f.ttl;
  if (!hops) hops = f.flags & FLOW_MULTICAST ? 1 : in6.hopLimit ? in6.hopLimit : sysctl(Sysctl.IP6_HOP_LIMIT);
  let next = <u32>f.proto;
  if (f.optLen) { // a hop-by-hop header given whole, its first byte ours to fill
    const o = skb.push(f.optLen);
    memory.copy(o, f.opt, f.optLen);
    store<u8>(o, next);
    next = NEXTHDR_HOP;
  }
  const h = Ipv6Header.at(skb.push(IPV6_HLEN));
  h.init(f.tos, f.flowLabel, payload, next, hops);
  addrCopy(h.src, f.src);
  addrCopy(h.dst, f.dst);
  skb.net = h.ptr;
  skb.protocol = <u16>ETH_P_IPV6;
  if (skb.total <= f.mtu || skb.gsoSize) return ipv6Send(skb, f);
  if (f.pmtudisc == <u8>PMTUDISC_DO || f.pmtudisc == <u8>PMTUDISC_PROBE) {
    skbDrop(skb, Drop.PKT_TOO_BIG);
    return -Errno.EMSGSIZE;
  }
  return fragment(skb, f);
}

/** Send a packet whose header is in place. Consumes skb. */
export function ipv6Send(skb: Skb, f: Flow): i32 {
  if (f.flags & FLOW_MULTICAST && !(f.flags & (FLOW_LOCAL | FLOW_NO_MC_LOOP)) && !f.device.isLoopback && mldIsMember(f.device, f.dst)) {
    const c = skbCopy(skb);
    if (c) {
      c.looped = LOOPED_GROUP;
      c.cb0 = f.dev;
      neighOutput(loopbackDevice(), f.nexthop, c);
    }
  }
  if (f.flags & FLOW_MULTICAST && Ipv6Header.at(skb.net).hopLimit == 0) {
    skbFree(skb);
    return 0;
  }
  return neighOutput(f.device, f.nexthop, skb);
}

// RFC 8200 4.5: everything after the IPv6 header is fragmentable here (we send no per-fragment headers but hop-by-hop, never on large packets).
function fragment(skb: Skb, f: Flow): i32 {
  skbChecksumHelp(skb);
  const h = Ipv6Header.at(skb.data);
  const next = h.nextHeader;
  const total = skb.total - IPV6_HLEN;
  const step = (f.mtu - IPV6_HLEN - FRAG_HLEN) & ~7;
  const id = randU32();
  let at: u32 = 0;
  let err: i32 = 0;
  while (at < total) {
    const n = min(step, total - at);
    const s = skbAlloc(IPV6_HLEN + FRAG_HLEN + n);
    if (!s) {
      err = -Errno.ENOBUFS;
      break;
    }
    const fh = Ipv6Header.at(s.put(IPV6_HLEN + FRAG_HLEN));
    memory.copy(fh.ptr, h.ptr, IPV6_HLEN);
    fh.nextHeader = NEXTHDR_FRAGMENT;
    fh.payloadLen = FRAG_HLEN + n;
    const x = fh.ptr + IPV6_HLEN;
    store<u16>(x, <u16>next);
    putBe16(x + 2, at | (at + n < total ? 1 : 0));
    putBe32(x + 4, id);
    skbRead(skb, IPV6_HLEN + at, s.put(n), n);
    s.net = fh.ptr;
    s.protocol = <u16>ETH_P_IPV6;
    s.mark = skb.mark;
    mibInc(Mib.Ip6FragCreates);
    const e = ipv6Send(s, f);
    if (e < 0 && !err) err = e;
    at += n;
  }
  mibInc(err ? Mib.Ip6FragFails : Mib.Ip6FragOKs);
  skbFree(skb);
  return err;
}
