// Ethernet II input and output (RFC 894; frames are classified as IEEE 802.3 3.2.3 tells).
import { Drop } from "../core/drop";
import { Hook, hook, ptypeDeliver } from "../core/proto";
import { PktType, Skb, skbDrop } from "../core/skb";
import { ETH_HLEN, EthernetHeader, macCopy, macEqual, macIsBroadcast, macIsMulticast } from "../wire/ethernet";
import { NetDevice } from "./net_device";

/** Frames for other stations end here unless the device is promiscuous (packet sockets have had their copy). */
export function ethernetInput(dev: NetDevice, skb: Skb): void {
  skb.dev = changetype<usize>(dev);
  if (skb.len < ETH_HLEN) {
    dev.rxErrors++;
    skbDrop(skb, Drop.PKT_TOO_SMALL);
    return;
  }
  if (!dev.up) {
    skbDrop(skb, Drop.DEV_DOWN);
    return;
  }
  dev.rxPackets += skb.gsoSegs;
  dev.rxBytes += skb.total;
  const eth = EthernetHeader.at(skb.data);
  skb.mac = skb.data;
  skb.protocol = <u16>eth.etherType;
  if (macIsMulticast(eth.dst)) {
    skb.pktType = macIsBroadcast(eth.dst) ? PktType.BROADCAST : PktType.MULTICAST;
    dev.multicast++;
  } else skb.pktType = macEqual(eth.dst, dev.addr) ? PktType.HOST : PktType.OTHERHOST;
  const tap = hook(Hook.TAP);
  if (tap) call_indirect<void>(tap, skb);
  skb.pull(ETH_HLEN);
  skb.net = skb.data;
  if (skb.pktType == PktType.OTHERHOST) {
    skbDrop(skb, Drop.OTHERHOST);
    return;
  }
  ptypeDeliver(skb);
}

/** Prepend the link header to a packet whose data is at the network header and whose `protocol` is set. */
export function ethernetPush(dev: NetDevice, skb: Skb, dst: usize): void {
  const eth = EthernetHeader.at(skb.push(ETH_HLEN));
  skb.mac = eth.ptr;
  macCopy(eth.dst, dst);
  macCopy(eth.src, dev.addr);
  eth.etherType = skb.protocol;
}
