// RTM_*ADDR: addresses of interfaces.
//
//   ifaddrmsg: 0 family(1)  1 prefixlen(1)  2 flags(1)  3 scope(1)  4 index(4)
import { Errno } from "../abi";
import { addrCopy, addrSetV4 } from "../lib/addr";
import { be32, putBe32 } from "../lib/bytes";
import { AF_INET, AF_INET6 } from "../core/sock";
import { MS, SEC, now } from "../core/time";
import { IFA_F_NODAD, IFA_F_OPTIMISTIC, IFA_F_TENTATIVE, Ifaddr, ifaddrFind, ifaddrFirst, ifaddrNext } from "../link/ifaddr";
import { netDeviceByIndex, netDeviceFirst, netDeviceNext } from "../link/net_device";
import { addressAdd, addressDel, addressSetLifetimes } from "../network/address";
import { NLM_F_EXCL, NLM_F_REPLACE } from "../wire/netlink";
import { attribute, attributeU32 } from "./attributes";
import { attr, attrName, attrRoom, attrU32, begin, end } from "./writer";

export const RTM_NEWADDR: u32 = 20;
export const RTM_DELADDR: u32 = 21;
const IFA_ADDRESS: u32 = 1;
const IFA_LOCAL: u32 = 2;
const IFA_LABEL: u32 = 3;
const IFA_BROADCAST: u32 = 4;
const IFA_CACHEINFO: u32 = 6;
const IFA_FLAGS: u32 = 8;
const ADDR: usize = memory.data(16, 8);
const FOREVER: u32 = u32.MAX_VALUE;

/** Write one address as a message of `type`. */
export function putAddress(a: Ifaddr, type: u32): void {
  const v4 = a.isV4;
  const p = begin(type, 8);
  store<u8>(p, v4 ? AF_INET : AF_INET6);
  store<u8>(p, v4 ? a.plen - 96 : a.plen, 1);
  store<u8>(p, a.flags, 2);
  store<u8>(p, a.scope, 3);
  store<u32>(p, a.ifindex, 4);
  if (v4) {
    attr(IFA_ADDRESS, a.addr + 12, 4);
    attr(IFA_LOCAL, a.addr + 12, 4);
    if (a.broadcast) putBe32(attrRoom(IFA_BROADCAST, 4), a.broadcast);
    const d = netDeviceByIndex(a.ifindex);
    if (d) attrName(IFA_LABEL, d.name);
  } else attr(IFA_ADDRESS, a.addr, 16);
  attrU32(IFA_FLAGS, a.flags);
  const c = attrRoom(IFA_CACHEINFO, 16);
  store<u32>(c, seconds(a.preferredUntil));
  store<u32>(c, seconds(a.validUntil), 4);
  store<u32>(c, <u32>(a.created / (10 * MS)), 8);
  store<u32>(c, <u32>(a.created / (10 * MS)), 12);
  end();
}
function seconds(until: u64): u32 { return until == u64.MAX_VALUE ? FOREVER : until > now() ? <u32>((until - now()) / SEC) : 0; }

/** Dump the addresses of `family` (0 = both). */
export function dumpAddresses(family: u32): void {
  let d = netDeviceFirst();
  while (d) {
    let a = ifaddrFirst(d);
    while (a) {
      if (!family || (family == AF_INET) == a.isV4) putAddress(a, RTM_NEWADDR);
      a = ifaddrNext(a);
    }
    d = netDeviceNext(d);
  }
}

// The address of a request into ADDR; false when there is none.
function read(p: usize): bool {
  const family = <u32>load<u8>(p);
  if (family == AF_INET) {
    let a = attribute(IFA_LOCAL, 4);
    if (!a) a = attribute(IFA_ADDRESS, 4);
    if (a) addrSetV4(ADDR, be32(a));
    return a != 0;
  }
  let a = attribute(IFA_LOCAL, 16);
  if (!a) a = attribute(IFA_ADDRESS, 16);
  if (a) addrCopy(ADDR, a);
  return a != 0 && family == AF_INET6;
}

function until(s: u32): u64 { return s == FOREVER ? u64.MAX_VALUE : now() + <u64>s * SEC; }

export function newAddress(p: usize, flags: u32): i32 {
  const d = netDeviceByIndex(load<u32>(p, 4));
  if (!d) return -Errno.ENODEV;
  if (!read(p)) return -Errno.EINVAL;
  let preferred = u64.MAX_VALUE, valid = u64.MAX_VALUE;
  const c = attribute(IFA_CACHEINFO, 16);
  if (c) {
    preferred = until(load<u32>(c));
    valid = until(load<u32>(c, 4));
    if (valid <= now() || preferred > valid) return -Errno.EINVAL;
  }
  const old = ifaddrFind(ADDR, d.ifindex);
  if (old) {
    if (flags & NLM_F_EXCL || !(flags & NLM_F_REPLACE)) return -Errno.EEXIST;
    addressSetLifetimes(old, preferred, valid);
    return 0;
  }
  let f = attributeU32(IFA_FLAGS, load<u8>(p, 2));
  // IPv6 is used while its uniqueness is being checked (RFC 4429); IPv4 is checked only when asked for, as on Linux.
  if (load<u8>(p) == <u8>AF_INET6 && !(f & IFA_F_NODAD)) f |= IFA_F_TENTATIVE | IFA_F_OPTIMISTIC;
  const r = addressAdd(d, ADDR, load<u8>(p, 1), f, preferred, valid, true);
  const b = attribute(IFA_BROADCAST, 4);
  if (r == 0 && b && load<u8>(p) == <u8>AF_INET) ifaddrFind(ADDR, d.ifindex)!.broadcast = be32(b);
  return r;
}

export function delAddress(p: usize): i32 {
  const d = netDeviceByIndex(load<u32>(p, 4));
  if (!d) return -Errno.ENODEV;
  return read(p) ? addressDel(d, ADDR) : -Errno.EINVAL;
}
