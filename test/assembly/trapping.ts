// For a test-only build of the core: IP protocol 253 (for experiments, RFC 3692) has a transport that traps at every packet.
import { inetProtoRegister } from "../../assembly/core/proto";
import { Skb } from "../../assembly/core/skb";

function trapAt(skb: Skb): void {
  if (skb.len) unreachable();
}
inetProtoRegister(253, trapAt.index, 0);
