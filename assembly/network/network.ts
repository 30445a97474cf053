// The network layer's start: tables, both families, loopback's addresses.
import { ifaddrInit } from "../link/ifaddr";
import { neighInit } from "../link/neighbour";
import { loopbackAddresses } from "./address";
import { fibInit } from "./fib";
import { groupInit } from "./group";
import { groupFilterInit } from "./group_filter";
import { icmpReassemblyTimeout } from "./ipv4/icmp";
import { ipv4Init } from "./ipv4/ipv4";
import { icmpv6ReassemblyTimeout } from "./ipv6/icmpv6";
import { ipv6Init } from "./ipv6/ipv6";
import { FragQueue, reassembleInit } from "./reassemble";

export function networkInit(): void {
  ifaddrInit();
  neighInit();
  fibInit();
  groupInit();
  groupFilterInit();
  reassembleInit(timeout.index);
  ipv4Init();
  ipv6Init();
  loopbackAddresses();
}

function timeout(q: FragQueue): void {
  if (q.isV4) icmpReassemblyTimeout(q);
  else icmpv6ReassemblyTimeout(q);
}
