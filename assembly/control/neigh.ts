// RTM_*NEIGH: the neighbour cache.
//
//   ndmsg: 0 family(1)  4 ifindex(4)  8 state(2)  10 flags(1)  11 type(1)
import { Errno } from "../abi";
import { addrCopy, addrIsV4, addrSetV4 } from "../lib/addr";
import { be32 } from "../lib/bytes";
import { AF_INET, AF_INET6 } from "../core/sock";
import { MS, now } from "../core/time";
import { Neighbour, neighAt, neighCapacity, neighFind, neighFree, neighSetPermanent } from "../link/neighbour";
import { netDeviceByIndex } from "../link/net_device";
import { attribute } from "./attributes";
import { attr, attrRoom, attrU32, begin, end } from "./writer";

export const RTM_NEWNEIGH: u32 = 28;
export const RTM_DELNEIGH: u32 = 29;
const NDA_DST: u32 = 1;
const NDA_LLADDR: u32 = 2;
const NDA_CACHEINFO: u32 = 3;
const NDA_PROBES: u32 = 4;
const NTF_ROUTER: u32 = 0x80;
const RTN_UNICAST: u32 = 1;
const ADDR: usize = memory.data(16, 8);

export function putNeighbour(n: Neighbour, type: u32): void {
  const v4 = addrIsV4(n.addr);
  const p = begin(type, 12);
  store<u8>(p, v4 ? AF_INET : AF_INET6);
  store<u32>(p, n.ifindex, 4);
  store<u16>(p, n.state, 8);
  store<u8>(p, n.isRouter ? NTF_ROUTER : 0, 10);
  store<u8>(p, RTN_UNICAST, 11);
  if (v4) attr(NDA_DST, n.addr + 12, 4);
  else attr(NDA_DST, n.addr, 16);
  if (n.valid) attr(NDA_LLADDR, n.mac, 6);
  const c = attrRoom(NDA_CACHEINFO, 16);
  store<u32>(c, ticks(n.confirmed));
  store<u32>(c, ticks(n.used), 4);
  store<u32>(c, ticks(n.updated), 8);
  attrU32(NDA_PROBES, n.probes);
  end();
}
// Age in USER_HZ.
function ticks(at: u64): u32 { return <u32>((now() - at) / (10 * MS)); }

export function dumpNeighbours(family: u32): void {
  for (let i: u32 = 0; i < neighCapacity(); i++) {
    const n = neighAt(i);
    if (n && (!family || (family == AF_INET) == addrIsV4(n.addr))) putNeighbour(n, RTM_NEWNEIGH);
  }
}

function read(p: usize): bool {
  const v4 = load<u8>(p) == <u8>AF_INET;
  const a = attribute(NDA_DST, v4 ? 4 : 16);
  if (!a) return false;
  if (v4) addrSetV4(ADDR, be32(a));
  else addrCopy(ADDR, a);
  return true;
}

/** A permanent entry. */
export function newNeighbour(p: usize): i32 {
  const d = netDeviceByIndex(load<u32>(p, 4));
  if (!d) return -Errno.ENODEV;
  const mac = attribute(NDA_LLADDR, 6);
  if (!read(p) || !mac) return -Errno.EINVAL;
  return neighSetPermanent(d, ADDR, mac);
}

export function delNeighbour(p: usize): i32 {
  const d = netDeviceByIndex(load<u32>(p, 4));
  if (!d) return -Errno.ENODEV;
  const n = read(p) ? neighFind(d, ADDR) : null;
  if (!n) return -Errno.ENOENT;
  neighFree(n);
  return 0;
}
