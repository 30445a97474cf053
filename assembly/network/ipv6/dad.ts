// Duplicate address detection (RFC 4862 5.4), optimistic as RFC 4429, with the nonce of RFC 7527 against solicitations
// of ours that the link sends back; then the announcement of the verified address.
import { v6IsLinkLocal } from "../../lib/addr";
import { bytesEqual } from "../../lib/bytes";
import { randBelow, randU32 } from "../../lib/drbg";
import { NotifyEvent, notify } from "../../core/proto";
import { Skb } from "../../core/skb";
import { MS, SEC } from "../../core/time";
import { IFA_F_DADFAILED, IFA_F_OPTIMISTIC, IFA_F_TENTATIVE, Ifaddr } from "../../link/ifaddr";
import { neighAskAgain6 } from "../../link/neighbour";
import { NetDevice } from "../../link/net_device";
import { EthernetHeader, macEqual } from "../../wire/ethernet";
import { ICMPV6_NA, ICMPV6_NS } from "../../wire/icmp";
import { fibBump } from "../fib";
import { in6Of } from "./in6";
import { mldReportAll } from "./mld";
import { ALL_NODES, NA_OVERRIDE, OPT_TARGET_LLADDR, ndMessage, ndOption, ndSend, routerFlag, solicitedNode } from "./nd";
import { slaacLinkLocalReady } from "./slaac";

/** RFC 3971 5.3.2. */
const OPT_NONCE: u32 = 14;
const NONCE_LEN: u32 = 6;
/** RFC 4861 10. */
const MAX_NEIGHBOR_ADVERTISEMENT: u32 = 3;
/** Values of Ifaddr.dadCount from here on count announcements of a verified address. */
const ANNOUNCE: u32 = 0x100;

/** Start duplicate address detection of a tentative address; at once valid when it is off. */
export function dadStart(d: NetDevice, a: Ifaddr): void {
  a.dadTimer.init(timer.index, changetype<usize>(a));
  a.dadCount = 0;
  a.dadNonce = 0;
  if (a.flags & IFA_F_TENTATIVE) a.dadTimer.armIn(<u64>randBelow(100) * MS);
  else done(d, a);
}

function timer(arg: usize): void {
  const a = changetype<Ifaddr>(arg);
  const d = a.device;
  if (!d.up) return;
  if (a.dadCount >= ANNOUNCE) {
    announce(d, a);
    return;
  }
  if (a.dadCount < <u32>in6Of(d).dadTransmits) {
    a.dadCount++;
    probe(d, a);
    a.dadTimer.armIn(<u64>(d.ndRetrans ? d.ndRetrans : 1000) * MS);
    return;
  }
  a.flags &= ~(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC);
  notify(NotifyEvent.ADDR_NEW, arg);
  done(d, a);
}

// From :: to the solicited-node group, with a fresh nonce (RFC 7527 4.1).
function probe(d: NetDevice, a: Ifaddr): void {
  const skb = ndMessage(ICMPV6_NS, 0, a.addr, d, 0);
  if (!skb) return;
  a.dadNonce = (<u64>(randU32() & 0xffff) << 32) | randU32() | 1;
  const o = skb.put(8);
  store<u8>(o, OPT_NONCE);
  store<u8>(o, 1, 1);
  memory.copy(o + 2, changetype<usize>(a) + offsetof<Ifaddr>("dadNonce"), NONCE_LEN);
  ndSend(skb, d, 0, solicitedNode(a.addr));
}

// RFC 4861 7.2.6, RFC 9131: whoever knew the address at another station learns at once.
function announce(d: NetDevice, a: Ifaddr): void {
  const na = ndMessage(ICMPV6_NA, NA_OVERRIDE | routerFlag(), a.addr, d, OPT_TARGET_LLADDR);
  if (na) ndSend(na, d, a.addr, ALL_NODES);
  if (++a.dadCount < ANNOUNCE + MAX_NEIGHBOR_ADVERTISEMENT) a.dadTimer.armIn(SEC);
}

function done(d: NetDevice, a: Ifaddr): void {
  fibBump();
  a.dadCount = ANNOUNCE;
  if (!d.isLoopback) {
    announce(d, a);
    neighAskAgain6(d);
  }
  if (!v6IsLinkLocal(a.addr)) return;
  if (!d.isLoopback) mldReportAll(d); // RFC 3590 4: what was reported from :: is said again
  slaacLinkLocalReady(d);
}

/** The address is somebody else's (RFC 4862 5.4.5). */
export function dadFailed(a: Ifaddr): void {
  a.flags = (a.flags & ~(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) | IFA_F_DADFAILED;
  a.dadTimer.cancel();
  fibBump();
  notify(NotifyEvent.ADDR_NEW, changetype<usize>(a));
}

/** A solicitation (data at it, options checked) from :: for our tentative address: true when it is another node's (RFC 4862 5.4.3). */
export function dadCollision(d: NetDevice, a: Ifaddr, skb: Skb): bool {
  const o = ndOption(skb.data + 24, skb.len - 24, OPT_NONCE);
  const looped = o > 0 && load<u8>(o, 1) == 1 && a.dadNonce && bytesEqual(<usize>o + 2, changetype<usize>(a) + offsetof<Ifaddr>("dadNonce"), NONCE_LEN);
  if (looped || (skb.mac && macEqual(EthernetHeader.at(skb.mac).src, d.addr))) return false;
  dadFailed(a);
  return true;
}
