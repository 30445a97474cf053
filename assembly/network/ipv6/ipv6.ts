// IPv6's start.
import { ptypeRegister } from "../../core/proto";
import { Drop } from "../../core/drop";
import { PktType, Skb, skbDrop } from "../../core/skb";
import { neighRegister6 } from "../../link/neighbour";
import { loopbackDevice } from "../../link/net_device";
import { ETH_P_IPV6 } from "../../wire/ethernet";
import { ICMPV6_ADDR_UNREACH, ICMPV6_DEST_UNREACH } from "../../wire/icmp";
import { fibBump } from "../fib";
import { icmpv6Init, icmpv6Send } from "./icmpv6";
import { in6Init } from "./in6";
import { ipv6Input } from "./input";
import { ndSolicit } from "./nd";

export function ipv6Init(): void {
  in6Init();
  ptypeRegister(ETH_P_IPV6, ipv6Input.index);
  neighRegister6(ndSolicit.index, unreachable.index, fibBump.index);
  icmpv6Init();
}

// RFC 4861 7.2.2: address resolution failed.
function unreachable(skb: Skb): void {
  skb.net = skb.data;
  if (!skb.dev) skb.dev = changetype<usize>(loopbackDevice());
  skb.pktType = PktType.HOST;
  icmpv6Send(skb, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, 0);
  skbDrop(skb, Drop.NEIGH_FAILED);
}
