// IPv6 forwarding (RFC 8200, RFC 4443 3): hop limit, MTU, errors; routers never fragment.
import { v6IsLinkLocal, v6IsLoopback } from "../../lib/addr";
import { Vnet } from "../../abi";
import { Drop } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Skb, skbDrop } from "../../core/skb";
import { workerSilent } from "../../core/worker";
import { neighOutput } from "../../link/neighbour";
import { netDeviceByIndex } from "../../link/net_device";
import {
  ICMPV6_ADDR_UNREACH, ICMPV6_ADM_PROHIBITED, ICMPV6_BEYOND_SCOPE, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, ICMPV6_PKT_TOOBIG, ICMPV6_TIME_EXCEED,
} from "../../wire/icmp";
import { IPV6_HLEN, IPV6_MIN_MTU, Ipv6Header } from "../../wire/ipv6";
import { RouteType, fibLookup } from "../fib";
import { icmpv6Send } from "./icmpv6";
import { mtu6 } from "./in6";

export function ipv6Forward(skb: Skb): void {
  if (workerSilent(skb)) {
    skbDrop(skb, Drop.WORKER_OTHERS);
    return;
  }
  const h = Ipv6Header.at(skb.data);
  if (h.hopLimit <= 1) {
    mibInc(Mib.Ip6InHdrErrors);
    icmpv6Send(skb, ICMPV6_TIME_EXCEED, 0, 0);
    skbDrop(skb, Drop.IP_TTL_EXCEEDED);
    return;
  }
  if (v6IsLinkLocal(h.src)) { // RFC 4443 3.1 code 2: beyond the scope of the source
    mibInc(Mib.Ip6InAddrErrors);
    icmpv6Send(skb, ICMPV6_DEST_UNREACH, ICMPV6_BEYOND_SCOPE, 0);
    skbDrop(skb, Drop.IP_INADDRERRORS);
    return;
  }
  if (v6IsLinkLocal(h.dst) || v6IsLoopback(h.dst)) {
    mibInc(Mib.Ip6InAddrErrors);
    skbDrop(skb, Drop.IP_INADDRERRORS);
    return;
  }
  const r = fibLookup(h.dst, 0);
  if (!r || r.type != RouteType.UNICAST) {
    mibInc(Mib.Ip6InNoRoutes);
    if (!r || r.type != RouteType.BLACKHOLE) {
      icmpv6Send(skb, ICMPV6_DEST_UNREACH, !r ? ICMPV6_NOROUTE : r.type == RouteType.PROHIBIT ? ICMPV6_ADM_PROHIBITED : ICMPV6_ADDR_UNREACH, 0);
    }
    skbDrop(skb, Drop.IP_INNOROUTES);
    return;
  }
  const d = netDeviceByIndex(r.ifindex)!;
  let mtu = max<u32>(mtu6(d), IPV6_MIN_MTU);
  if (r.mtu && r.mtu < mtu) mtu = r.mtu;
  if (wireLen(skb) > mtu) {
    mibInc(Mib.Ip6InTooBigErrors);
    icmpv6Send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
    skbDrop(skb, Drop.PKT_TOO_BIG);
    return;
  }
  mibInc(Mib.Ip6OutForwDatagrams);
  h.hopLimit = h.hopLimit - 1;
  skb.forwarded = 1;
  neighOutput(d, r.hasGateway ? r.gw : h.dst, skb);
}

// Bytes of the largest packet this skb becomes on a link: a segment of a super-segment.
function wireLen(skb: Skb): u32 {
  if (!skb.gsoSize) return skb.total;
  const l4: u32 = skb.gsoType == Vnet.GSO_UDP_L4 ? 8 : (<u32>load<u8>(skb.csumStart, 12) >> 4) << 2;
  return max<u32>(IPV6_HLEN, <u32>(skb.csumStart - skb.data)) + l4 + skb.gsoSize;
}
