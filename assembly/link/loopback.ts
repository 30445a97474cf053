// The loopback device: what is sent comes back at the next softirq round, so that a send never recurses into receive.
import { Drop } from "../core/drop";
import { ptypeDeliver } from "../core/proto";
import { softirqRaise, Softirq, softirqRegister } from "../core/softirq";
import { CsumState, PktType, Skb, SkbQueue, skbCopy, skbDrop, skbFree, skbOrphan } from "../core/skb";
import { ETH_HLEN } from "../wire/ethernet";
import { ethernetInput } from "./ethernet";
import {
  ARPHRD_LOOPBACK, DevKind, IFF_LOOPBACK, IFF_LOWER_UP, IFF_RUNNING, IFF_UP, NetDevice, loopbackDevice, netDeviceAlloc,
  setLoopbackDevice, setLoopbackXmit,
} from "./net_device";

const QUEUE = changetype<SkbQueue>(memory.data(offsetof<SkbQueue>(), 8));
const QUEUE_LIMIT: u32 = 1000;
const NAME: usize = memory.data<u8>([0x6c, 0x6f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
/** Value of skb.looped for a sender's own copy of a multicast or broadcast; skb.cb0 holds the device it was sent by. */
export const LOOPED_GROUP: u8 = 2;
export const LOOPBACK_MTU: u32 = 65536;

export function loopbackInit(): void {
  const d = netDeviceAlloc(DevKind.LOOPBACK, ARPHRD_LOOPBACK, NAME, LOOPBACK_MTU)!;
  d.flags = IFF_LOOPBACK | IFF_UP | IFF_RUNNING | IFF_LOWER_UP;
  setLoopbackDevice(d);
  setLoopbackXmit(loopbackXmit.index);
  softirqRegister(Softirq.LOOPBACK, loopbackRun.index);
}

/** Receivers want linear packets, and a stream's chunks stay with the sender: such a packet is copied. Null: no buffer, the packet is gone. */
function linear(skb: Skb): Skb | null {
  if (!skb.nfrags) return skb;
  const copy = skbCopy(skb);
  if (!copy) {
    skbDrop(skb, Drop.NO_BUFFER);
    return null;
  }
  copy.looped = skb.looped;
  copy.cb0 = skb.cb0;
  skbFree(skb);
  return copy;
}

function loopbackXmit(d: NetDevice, sent: Skb): void {
  if (QUEUE.count >= QUEUE_LIMIT) {
    d.txDropped++;
    skbDrop(sent, Drop.DEV_XMIT_FULL);
    return;
  }
  const skb = linear(sent);
  if (!skb) {
    d.txDropped++;
    return;
  }
  // As Linux: what waits in a receiver's queue is no longer the sender's, which may be that very socket and close first.
  skbOrphan(skb);
  // The bytes never leave memory: a partial checksum counts as verified.
  if (skb.csum == CsumState.PARTIAL && !skb.looped) skb.looped = 1;
  QUEUE.push(skb);
  softirqRaise(Softirq.LOOPBACK);
}

// A copy of what this host sends to a group it is a member of comes in as if by the device it left by.
function groupInput(skb: Skb): void {
  const d = changetype<NetDevice>(<usize>skb.cb0);
  skb.dev = changetype<usize>(d);
  skb.pull(ETH_HLEN);
  skb.net = skb.data;
  skb.pktType = PktType.LOOPBACK;
  ptypeDeliver(skb);
}

function loopbackRun(): void {
  let budget = QUEUE.count;
  while (budget--) {
    const skb = QUEUE.shift()!;
    if (skb.looped == LOOPED_GROUP) groupInput(skb);
    else ethernetInput(loopbackDevice(), skb);
  }
  if (QUEUE.count) softirqRaise(Softirq.LOOPBACK);
}
