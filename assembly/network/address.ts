// Adding and removing addresses, and devices going up and down: everything that must happen together.
import { Errno } from "../abi";
import { addrCopy, addrIsAny, addrIsMulticast, addrIsV4, addrMask } from "../lib/addr";
import { NotifyEvent, notify } from "../core/proto";
import { now } from "../core/time";
import {
  IFA_F_DEPRECATED, IFA_F_NODAD, IFA_F_OPTIMISTIC, IFA_F_PERMANENT, IFA_F_TENTATIVE, Ifaddr, ifaddrAlloc, ifaddrFind, ifaddrFirst, ifaddrFree,
  ifaddrNext,
} from "../link/ifaddr";
import { neighFlush } from "../link/neighbour";
import { NetDevice, loopbackDevice, netDeviceSetUp } from "../link/net_device";
import { RTPROT_KERNEL, RouteType, fibAdd, fibBump, fibDel, fibFind, fibFlush, fibSetExpiry } from "./fib";
import { igmpReportAll } from "./ipv4/igmp";
import { ipv4AddrDown, ipv4AddrUp, loopback4 } from "./ipv4/ipv4";
import { dadStart } from "./ipv6/dad";
import { in6Of } from "./ipv6/in6";
import { mldJoin, mldLeave, mldReportAll } from "./ipv6/mld";
import { solicitedNode } from "./ipv6/nd";
import { eui64 } from "./ipv6/slaac";
import { reassembleFlush } from "./reassemble";

const ADDR: usize = memory.data(16, 8);
const METRIC_KERNEL6: u32 = 256;

/**
 * Add an address with `plen` in its own family's counting; lifetimes in ns (u64.MAX_VALUE = for ever). `flags`: IFA_F_NODAD, IFA_F_TENTATIVE
 * with IFA_F_OPTIMISTIC for detection while in use; `onlink`: also its prefix route (false for IPv6 from an advertisement, which has its own). 0 or -errno.
 */
export function addressAdd(d: NetDevice, addr: usize, plen: u32, flags: u32, preferred: u64, valid: u64, onlink: bool): i32 {
  const v4 = addrIsV4(addr);
  if (plen > (v4 ? <u32>32 : 128) || addrIsMulticast(addr) || addrIsAny(addr)) return -Errno.EINVAL;
  if (ifaddrFind(addr, d.ifindex)) return -Errno.EEXIST;
  const a = ifaddrAlloc(d, addr, v4 ? plen + 96 : plen);
  if (!a) return -Errno.ENOBUFS;
  a.flags = flags;
  a.created = now();
  if (valid == u64.MAX_VALUE) a.flags |= IFA_F_PERMANENT;
  if (d.isLoopback || flags & IFA_F_NODAD || (!v4 && !in6Of(d).dadTransmits)) a.flags &= ~(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC);
  a.auto = onlink ? 0 : 1;
  a.lifeTimer.init(expire.index, changetype<usize>(a));
  setLifetimes(a, preferred, valid);
  if (d.up) up(d, a);
  notify(NotifyEvent.ADDR_NEW, changetype<usize>(a));
  return 0;
}

/** Remove exactly this address. 0 or -EADDRNOTAVAIL. */
export function addressDel(d: NetDevice, addr: usize): i32 {
  const a = ifaddrFind(addr, d.ifindex);
  if (!a) return -Errno.EADDRNOTAVAIL;
  if (d.up) down(d, a);
  const r = ifaddrFree(d, a);
  fibBump();
  return r;
}

function up(d: NetDevice, a: Ifaddr): void {
  if (a.isV4) {
    ipv4AddrUp(d, a);
    return;
  }
  fibBump();
  if (!d.isLoopback) {
    mldJoin(d, solicitedNode(a.addr));
    if (a.plen < 128 && !a.auto) {
      const r = fibFind(a.addr, a.plen, 0, d.ifindex, METRIC_KERNEL6, true);
      if (!r) fibAdd(a.addr, a.plen, 0, d.ifindex, METRIC_KERNEL6, RouteType.UNICAST, RTPROT_KERNEL, 0, 0);
      else if (r.fromRa) { // now ours: no router ends it
        r.fromRa = 0;
        fibSetExpiry(r, u64.MAX_VALUE);
      }
    }
  }
  dadStart(d, a);
}

function down(d: NetDevice, a: Ifaddr): void {
  if (a.isV4) {
    ipv4AddrDown(d, a);
    return;
  }
  if (!d.isLoopback) mldLeave(d, solicitedNode(a.addr));
  // The prefix route stays while another address shares it.
  let other = false;
  let b = ifaddrFirst(d);
  addrCopy(ADDR, a.addr);
  addrMask(ADDR, a.plen);
  while (b) {
    if (b !== a && !b.isV4 && !b.auto && b.plen == a.plen) {
      const r = fibFind(b.addr, b.plen, 0, d.ifindex, METRIC_KERNEL6, true);
      if (r && memory.compare(r.dst, ADDR, 16) == 0) other = true;
    }
    b = ifaddrNext(b);
  }
  const r = fibFind(a.addr, a.plen, 0, d.ifindex, METRIC_KERNEL6, true);
  if (r && !other && !a.auto && !r.fromRa && r.protocol == RTPROT_KERNEL) fibDel(r);
}

function setLifetimes(a: Ifaddr, preferred: u64, valid: u64): void {
  a.preferredUntil = preferred;
  a.validUntil = valid;
  if (preferred <= now()) a.flags |= IFA_F_DEPRECATED;
  else a.flags &= ~IFA_F_DEPRECATED;
  const next = a.flags & IFA_F_DEPRECATED ? valid : min(preferred, valid);
  if (next == u64.MAX_VALUE) a.lifeTimer.cancel();
  else a.lifeTimer.arm(next);
}
/** New lifetimes, ns on the core's clock. */
export function addressSetLifetimes(a: Ifaddr, preferred: u64, valid: u64): void { setLifetimes(a, preferred, valid); }

function expire(arg: usize): void {
  const a = changetype<Ifaddr>(arg);
  if (a.validUntil <= now()) {
    addressDel(a.device, a.addr);
    return;
  }
  setLifetimes(a, a.preferredUntil, a.validUntil);
  notify(NotifyEvent.ADDR_NEW, arg);
}

/** `ip link set up/down`: routes, groups, link-local address, caches. */
export function deviceSetUp(d: NetDevice, on: bool): void {
  if (on == d.up) return;
  if (on) {
    netDeviceSetUp(d, true);
    fibBump();
    let a = ifaddrFirst(d);
    while (a) {
      up(d, a);
      a = ifaddrNext(a);
    }
    if (!d.isLoopback) {
      linkLocal(d);
      igmpReportAll(d);
      mldReportAll(d);
    }
    return;
  }
  let a = ifaddrFirst(d);
  while (a) {
    const next = ifaddrNext(a);
    down(d, a);
    a.dadTimer.cancel();
    a = next;
  }
  fibFlush(d.ifindex);
  neighFlush(d, false);
  reassembleFlush(changetype<usize>(d));
  in6Of(d).rsTimer.cancel();
  netDeviceSetUp(d, false);
  fibBump();
}

// fe80::/64 with an EUI-64 (RFC 4862 5.3), and the multicast route.
function linkLocal(d: NetDevice): void {
  store<u64>(ADDR, 0x80fe);
  store<u64>(ADDR, 0, 8);
  eui64(ADDR, d.addr);
  const old = ifaddrFind(ADDR, d.ifindex);
  if (!old) addressAdd(d, ADDR, 64, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC, u64.MAX_VALUE, u64.MAX_VALUE, true);
  store<u64>(ADDR, 0xff);
  store<u64>(ADDR, 0, 8);
  if (!fibFind(ADDR, 8, 0, d.ifindex, METRIC_KERNEL6, true)) fibAdd(ADDR, 8, 0, d.ifindex, METRIC_KERNEL6, RouteType.MULTICAST, RTPROT_KERNEL, 0, 0);
}

/** ::1/128 and 127.0.0.1/8 on the loopback device. */
export function loopbackAddresses(): void {
  const lo = loopbackDevice();
  loopback4(ADDR);
  addressAdd(lo, ADDR, 8, IFA_F_NODAD, u64.MAX_VALUE, u64.MAX_VALUE, true);
  store<u64>(ADDR, 0);
  store<u64>(ADDR, 0x0100000000000000, 8);
  addressAdd(lo, ADDR, 128, IFA_F_NODAD, u64.MAX_VALUE, u64.MAX_VALUE, true);
}
