// IPv4 forwarding (RFC 1812 5.2, 5.3): TTL, MTU, ICMP errors, checksum updated incrementally (RFC 1624).
import { Vnet } from "../../abi";
import { addrSetV4 } from "../../lib/addr";
import { csumReplace16 } from "../../lib/checksum";
import { Drop } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Skb, skbDrop } from "../../core/skb";
import { workerSilent } from "../../core/worker";
import { neighOutput } from "../../link/neighbour";
import { netDeviceByIndex } from "../../link/net_device";
import {
  ICMP_DEST_UNREACH, ICMP_EXC_TTL, ICMP_FRAG_NEEDED, ICMP_HOST_UNREACH, ICMP_NET_UNREACH, ICMP_TIME_EXCEEDED,
} from "../../wire/icmp";
import { IP_DF, Ipv4Header } from "../../wire/ipv4";
import { RouteType, fibLookup } from "../fib";
import { icmpSend } from "./icmp";
import { ipv4Fragment } from "./output";

const DST: usize = memory.data(16, 8);

export function ipv4Forward(skb: Skb): void {
  if (workerSilent(skb)) {
    skbDrop(skb, Drop.WORKER_OTHERS);
    return;
  }
  const h = Ipv4Header.at(skb.data);
  if (h.ttl <= 1) {
    mibInc(Mib.IpInHdrErrors);
    icmpSend(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
    skbDrop(skb, Drop.IP_TTL_EXCEEDED);
    return;
  }
  addrSetV4(DST, h.dst);
  const r = fibLookup(DST, 0);
  if (!r || r.type != RouteType.UNICAST) {
    mibInc(Mib.IpOutNoRoutes);
    if (!r || r.type != RouteType.BLACKHOLE) icmpSend(skb, ICMP_DEST_UNREACH, !r ? ICMP_NET_UNREACH : r.type == RouteType.PROHIBIT ? 13 : ICMP_HOST_UNREACH, 0);
    skbDrop(skb, Drop.IP_INNOROUTES);
    return;
  }
  const d = netDeviceByIndex(r.ifindex)!;
  const mtu = r.mtu ? min(r.mtu, d.mtu) : d.mtu;
  // A received super-segment goes on whole when its segments fit.
  const tooBig = (skb.gsoSize ? segmentLen(skb) : skb.total) > mtu;
  if (tooBig && h.frag & IP_DF) {
    mibInc(Mib.IpFragFails);
    icmpSend(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    skbDrop(skb, Drop.PKT_TOO_BIG);
    return;
  }
  mibInc(Mib.IpForwDatagrams);
  const old = load<u16>(h.ptr, 8);
  h.ttl = h.ttl - 1;
  store<u16>(h.ptr, <u16>csumReplace16(load<u16>(h.ptr, 10), old, load<u16>(h.ptr, 8)), 10);
  skb.forwarded = 1;
  const hop = r.hasGateway ? r.gw : DST;
  if (tooBig && !skb.gsoSize) ipv4Fragment(skb, mtu, d, hop);
  else neighOutput(d, hop, skb);
}

// Bytes of one segment of a super-segment, IP header included.
function segmentLen(skb: Skb): u32 {
  const ihl = Ipv4Header.at(skb.data).hlen;
  const l4: u32 = skb.gsoType == Vnet.GSO_UDP_L4 ? 8 : (<u32>load<u8>(skb.data + ihl, 12) >> 4) << 2;
  return ihl + l4 + skb.gsoSize;
}
