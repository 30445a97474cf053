// IPv4's start, and what happens to a device's addresses: subnet routes, announcements, groups.
import { ADDR_LEN, addrCopy, addrMask, addrSetV4, addrV4, v4IsLoopback } from "../../lib/addr";
import { ptypeRegister } from "../../core/proto";
import { Drop } from "../../core/drop";
import { Skb, skbDrop } from "../../core/skb";
import { arpDadStart, arpInit, arpSolicit } from "../../link/arp";
import { Ifaddr } from "../../link/ifaddr";
import { neighRegister4 } from "../../link/neighbour";
import { NetDevice, loopbackDevice } from "../../link/net_device";
import { ETH_P_IP } from "../../wire/ethernet";
import { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH } from "../../wire/icmp";
import { RTPROT_KERNEL, RouteType, fibAdd, fibBump, fibDel, fibFind } from "../fib";
import { icmpInit, icmpSend } from "./icmp";
import { igmpInit } from "./igmp";
import { ipv4Input } from "./input";

const DST: usize = memory.data(16, 8);
const SCOPE_LINK: u32 = 253;

export function ipv4Init(): void {
  ptypeRegister(ETH_P_IP, ipv4Input.index);
  neighRegister4(arpSolicit.index, unreachable.index);
  arpInit();
  icmpInit();
  igmpInit();
}

// Nobody answered ARP: tell the source (RFC 1812 5.2.7.1; for our own packets it comes back through loopback).
function unreachable(skb: Skb): void {
  skb.net = skb.data;
  const dev = skb.dev;
  if (!dev) skb.dev = changetype<usize>(loopbackDevice());
  skb.pktType = 0;
  icmpSend(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
  skbDrop(skb, Drop.NEIGH_FAILED);
}

/** An address became usable on a device that is up: its subnet's route, and the link is told. */
export function ipv4AddrUp(d: NetDevice, a: Ifaddr): void {
  fibBump();
  const v4 = addrV4(a.addr);
  if (a.plen < 128 && !v4IsLoopback(v4)) {
    addrCopy(DST, a.addr);
    addrMask(DST, a.plen);
    if (!fibFind(DST, a.plen, 0, d.ifindex, 0, true)) fibAdd(DST, a.plen, 0, d.ifindex, 0, RouteType.UNICAST, RTPROT_KERNEL, SCOPE_LINK, a.addr);
  }
  if (!d.isLoopback) arpDadStart(d, a);
}

/** The address goes: so does its subnet's route when it was its preferred source. */
export function ipv4AddrDown(d: NetDevice, a: Ifaddr): void {
  fibBump();
  a.dadTimer.cancel();
  const r = fibFind(a.addr, a.plen, 0, d.ifindex, 0, true);
  if (r && r.protocol == RTPROT_KERNEL && memory.compare(r.src, a.addr, ADDR_LEN) == 0) fibDel(r);
}

/** 127.0.0.1/8 as a mapped address, for the loopback device. */
export function loopback4(p: usize): void { addrSetV4(p, 0x7f000001); }
