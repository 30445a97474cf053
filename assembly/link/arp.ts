// ARP (RFC 826) with the conflict rules of RFC 5227: requests, replies, gratuitous announcements, probes, defence.
import { addrSetV4, addrV4, v4IsLoopback, v4IsMulticast } from "../lib/addr";
import { Drop } from "../core/drop";
import { NotifyEvent, notify, ptypeRegister } from "../core/proto";
import { PktType, Skb, skbAlloc, skbDrop, skbFree } from "../core/skb";
import { MS, SEC, now } from "../core/time";
import { workerSilent } from "../core/worker";

import { ARP_LEN, ARPOP_REPLY, ARPOP_REQUEST, ArpPacket } from "../wire/arp";
import { ETH_P_ARP, EthernetHeader, macCopy, macEqual, macIsMulticast, macIsZero } from "../wire/ethernet";
import { randBelow } from "../lib/drbg";
import { ethernetPush } from "./ethernet";
import {
  IFA_F_DADFAILED, IFA_F_TENTATIVE, Ifaddr, addrIsLocal, ifaddrFind, ifaddrFirst, ifaddrFor, ifaddrNext,
} from "./ifaddr";
import { Neighbour, Nud, neighFind, neighGet, neighUpdate } from "./neighbour";
import { NetDevice, devXmit } from "./net_device";

/** RFC 5227 1.1. */
const PROBE_NUM: u32 = 3;
const ANNOUNCE_NUM: u32 = 2;
const PROBE_WAIT: u64 = SEC;
const PROBE_MIN: u64 = SEC;
const PROBE_MAX: u64 = 2 * SEC;
const ANNOUNCE_WAIT: u64 = 2 * SEC;
const ANNOUNCE_INTERVAL: u64 = 2 * SEC;
const DEFEND_INTERVAL: u64 = 10 * SEC;

/** A reply that would change a known address counts only this long after the last change (Linux locktime). */
const LOCKTIME: u64 = SEC;

const ADDR: usize = memory.data(16, 8);

export function arpInit(): void {
  ptypeRegister(ETH_P_ARP, arpInput.index);
}

function send(d: NetDevice, op: u32, dstMac: usize, spa: u32, tha: usize, tpa: u32): void {
  const skb = skbAlloc(ARP_LEN);
  if (!skb) return;
  const p = ArpPacket.at(skb.put(ARP_LEN));
  p.init(op, spa, tpa);
  macCopy(p.sha, d.addr);
  if (tha) macCopy(p.tha, tha);
  else {
    store<u32>(p.tha, 0);
    store<u16>(p.tha, 0, 4);
  }
  skb.protocol = <u16>ETH_P_ARP;
  skb.net = skb.data;
  ethernetPush(d, skb, dstMac);
  devXmit(d, skb);
}

/** The neighbour cache asks: who has this address? Unicast to the known MAC when re-verifying (RFC 1122 2.3.2.1); the target MAC is zero. */
export function arpSolicit(n: Neighbour, unicast: u32): void {
  const d = n.device;
  const own = ifaddrFor(d, n.addr);
  if (!own || own.tentative) return;
  send(d, ARPOP_REQUEST, unicast ? n.mac : d.bcast, addrV4(own.addr), 0, addrV4(n.addr));
}

/** Tell the link that `v4` is here (RFC 5227 2.3): request form. */
export function arpAnnounce(d: NetDevice, v4: u32): void { send(d, ARPOP_REQUEST, d.bcast, v4, 0, v4); }

/** Start duplicate address detection for a tentative IPv4 address (RFC 5227 2.1.1), or announce it at once when DAD is off. */
export function arpDadStart(d: NetDevice, a: Ifaddr): void {
  a.dadTimer.init(dadTimer.index, changetype<usize>(a));
  a.dadCount = 0;
  if (a.flags & IFA_F_TENTATIVE) a.dadTimer.armIn(<u64>randBelow(<u32>(PROBE_WAIT / MS)) * MS);
  else {
    a.dadCount = PROBE_NUM + 1;
    a.dadTimer.armIn(0);
  }
}

function dadTimer(arg: usize): void {
  const a = changetype<Ifaddr>(arg);
  const d = a.device;
  if (!d.up) return;
  if (a.dadCount < PROBE_NUM) {
    send(d, ARPOP_REQUEST, d.bcast, 0, 0, addrV4(a.addr));
    a.dadCount++;
    a.dadTimer.armIn(a.dadCount < PROBE_NUM ? PROBE_MIN + <u64>randBelow(<u32>((PROBE_MAX - PROBE_MIN) / MS)) * MS : ANNOUNCE_WAIT);
    return;
  }
  if (a.flags & IFA_F_TENTATIVE) {
    a.flags &= ~IFA_F_TENTATIVE;
    a.dadCount = PROBE_NUM + 1;
    notify(NotifyEvent.ADDR_NEW, arg);
  }
  arpAnnounce(d, addrV4(a.addr));
  if (++a.dadCount <= PROBE_NUM + ANNOUNCE_NUM) a.dadTimer.armIn(ANNOUNCE_INTERVAL);
}

// Somebody else uses or probes for `v4` (RFC 5227 2.1.1, 2.4); `silent`: another worker defends it. True when the packet needs no further look.
function conflict(d: NetDevice, p: ArpPacket, silent: bool): bool {
  const spa = p.spa;
  let a = ifaddrFirst(d);
  while (a) {
    if (a.isV4) {
      const own = addrV4(a.addr);
      const probeClash = !spa && p.tpa == own && a.tentative && p.op == ARPOP_REQUEST;
      if (spa == own || probeClash) {
        if (a.flags & IFA_F_TENTATIVE) {
          a.flags = (a.flags & ~IFA_F_TENTATIVE) | IFA_F_DADFAILED;
          a.dadTimer.cancel();
          notify(NotifyEvent.ADDR_NEW, changetype<usize>(a));
        } else if (spa == own && !silent && (!a.defended || now() - a.defended >= DEFEND_INTERVAL)) { // 2.4 (c), defend without giving up
          a.defended = now();
          arpAnnounce(d, own);
        }
        return true;
      }
    }
    a = ifaddrNext(a);
  }
  return false;
}

export function arpInput(skb: Skb): void {
  const d = changetype<NetDevice>(skb.dev);
  if (skb.len < ARP_LEN) {
    skbDrop(skb, Drop.ARP_MALFORMED);
    return;
  }
  const p = ArpPacket.at(skb.data);
  const op = p.op, spa = p.spa, tpa = p.tpa;
  // An address that cannot be a host's is never cached (Linux arp_process); nor is a group MAC.
  if (!p.valid || (op != ARPOP_REQUEST && op != ARPOP_REPLY) || macIsMulticast(p.sha) || macIsZero(p.sha)
    || v4IsMulticast(tpa) || v4IsMulticast(spa) || v4IsLoopback(tpa) || v4IsLoopback(spa) || spa == 0xffffffff) {
    skbDrop(skb, Drop.ARP_MALFORMED);
    return;
  }
  if (macEqual(p.sha, d.addr) || macEqual(EthernetHeader.at(skb.mac).src, d.addr)) { // our own frame came back
    skbDrop(skb, Drop.ARP_NOT_FOR_US);
    return;
  }
  if (conflict(d, p, workerSilent(skb))) {
    skbFree(skb);
    return;
  }
  addrSetV4(ADDR, tpa);
  const own = ifaddrFind(ADDR, 0);
  const forUs = own != null && !own.tentative && addrIsLocal(ADDR, d.ifindex);
  const answer = forUs && op == ARPOP_REQUEST && !workerSilent(skb);
  if (!spa) { // RFC 5227 probe: answer to defend, learn nothing
    if (answer) send(d, ARPOP_REPLY, p.sha, tpa, p.sha, 0);
    skbFree(skb);
    return;
  }
  // RFC 826: merge if known; add only when we are the target.
  addrSetV4(ADDR, spa);
  const n = forUs && op == ARPOP_REQUEST ? neighGet(d, ADDR) : neighFind(d, ADDR);
  if (n) {
    // Of several answers to one question the first counts (Linux arp_process).
    const replace = (op == ARPOP_REQUEST && forUs) || spa == tpa || now() - n.updated > LOCKTIME;
    if (replace || !n.valid || macEqual(n.mac, p.sha)) {
      neighUpdate(n, p.sha, op == ARPOP_REPLY && skb.pktType == PktType.HOST ? Nud.REACHABLE : Nud.STALE, true);
    }
  }
  if (answer) send(d, ARPOP_REPLY, p.sha, tpa, p.sha, spa);
  else if (!n) {
    skbDrop(skb, Drop.ARP_NOT_FOR_US);
    return;
  }
  skbFree(skb);
}
