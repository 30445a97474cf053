// With several cores behind one address: a packet for a transport is only for the core whose flow it is (core/worker.ts).
import { be16, be32 } from "../lib/bytes";
import { Drop } from "../core/drop";
import { Skb, skbDrop } from "../core/skb";
import { workerMany, workerOwnsFlow, workerOwnsPort } from "../core/worker";
import { NetDevice } from "../link/net_device";
import { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from "../wire/ipv4";

/**
 * Whether this core is to take the packet of `proto`, its transport header at `p`; else it is dropped. `src`, `dst`: `words` words of
 * address each. What is taken is no longer shared: this core answers it, whoever else has it.
 */
export function homeTakes(skb: Skb, proto: u32, p: usize, src: usize, dst: usize, words: u32): bool {
  if (!workerMany() || skb.looped || (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_UDPLITE)) return true;
  if (p + 4 > skb.tail || changetype<NetDevice>(skb.dev).isLoopback) return true;
  if (proto == IPPROTO_TCP ? workerOwnsFlow(src, dst, words, be32(p)) : workerOwnsPort(be16(p + 2))) {
    skb.shared = 0;
    return true;
  }
  skbDrop(skb, skb.shared ? Drop.WORKER_OTHERS : Drop.WORKER_MISROUTED);
  return false;
}
