// The loopback device: what is sent comes back at the next softirq round, so that a send never recurses into receive.
import { Drop } from "../core/drop";
import { softirqRaise, Softirq, softirqRegister } from "../core/softirq";
import { CsumState, Skb, SkbQueue, skbDrop } from "../core/skb";
import { ethernetInput } from "./ethernet";
import {
  ARPHRD_LOOPBACK, DevKind, IFF_LOOPBACK, IFF_LOWER_UP, IFF_RUNNING, IFF_UP, NetDevice, loopbackDevice, netDeviceAlloc,
  setLoopbackDevice, setLoopbackXmit,
} from "./net_device";

const QUEUE = changetype<SkbQueue>(memory.data(offsetof<SkbQueue>(), 8));
const QUEUE_LIMIT: u32 = 1000;
const NAME: usize = memory.data<u8>([0x6c, 0x6f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
export const LOOPBACK_MTU: u32 = 65536;

export function loopbackInit(): void {
  const d = netDeviceAlloc(DevKind.LOOPBACK, ARPHRD_LOOPBACK, NAME, LOOPBACK_MTU)!;
  d.flags = IFF_LOOPBACK | IFF_UP | IFF_RUNNING | IFF_LOWER_UP;
  setLoopbackDevice(d);
  setLoopbackXmit(loopbackXmit.index);
  softirqRegister(Softirq.LOOPBACK, loopbackRun.index);
}

function loopbackXmit(d: NetDevice, skb: Skb): void {
  if (QUEUE.count >= QUEUE_LIMIT) {
    d.txDropped++;
    skbDrop(skb, Drop.DEV_XMIT_FULL);
    return;
  }
  // The bytes never leave memory: a partial checksum counts as verified.
  if (skb.csum == CsumState.PARTIAL) skb.looped = 1;
  QUEUE.push(skb);
  softirqRaise(Softirq.LOOPBACK);
}

function loopbackRun(): void {
  let budget = QUEUE.count;
  while (budget--) {
    const skb = QUEUE.shift()!;
    ethernetInput(loopbackDevice(), skb);
  }
  if (QUEUE.count) softirqRaise(Softirq.LOOPBACK);
}
