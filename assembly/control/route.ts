// RTM_*ROUTE: the forwarding table, and `ip route get`.
//
//   rtmsg: 0 family  1 dst_len  2 src_len  3 tos  4 table  5 protocol  6 scope  7 type  8 flags(4)
import { Errno } from "../abi";
import { addrCopy, addrIsZero, addrMask, addrSetV4 } from "../lib/addr";
import { be32 } from "../lib/bytes";
import { AF_INET, AF_INET6 } from "../core/sock";
import { SEC, now } from "../core/time";
import { Ifaddr, ifaddrFirst, ifaddrNext } from "../link/ifaddr";
import { netDeviceByIndex, netDeviceFirst, netDeviceNext } from "../link/net_device";
import { Route, RouteType, fibAdd, fibAt, fibBump, fibCapacity, fibDel, fibFind, fibIsOnLink } from "../network/fib";
import { FLOW_LOCAL, Flow, flowRoute } from "../network/flow";
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../wire/netlink";
import { attribute, attributeU32 } from "./attributes";
import { attr, attrRoom, attrU32, attrU8, begin, end, nest, nestEnd } from "./writer";

export const RTM_NEWROUTE: u32 = 24;
export const RTM_DELROUTE: u32 = 25;
const RTA_DST: u32 = 1;
const RTA_OIF: u32 = 4;
const RTA_GATEWAY: u32 = 5;
const RTA_PRIORITY: u32 = 6;
const RTA_PREFSRC: u32 = 7;
const RTA_METRICS: u32 = 8;
const RTA_CACHEINFO: u32 = 12;
const RTA_UID: u32 = 25;
const RTA_TABLE: u32 = 15;
const RTA_PREF: u32 = 20;
const RTAX_MTU: u32 = 2;
const RT_TABLE_MAIN: u32 = 254;
const RT_TABLE_LOCAL: u32 = 255;
/** What `ip -6 route add` without a metric means. */
const METRIC_DEFAULT6: u32 = 1024;
const DST: usize = memory.data(16, 8);
const GW: usize = memory.data(16, 8);
const SRC: usize = memory.data(16, 8);
const ZERO: usize = memory.data(16, 8);
const FLOW = changetype<Flow>(memory.data(offsetof<Flow>(), 8));

function putAddr(type: u32, v4: bool, a: usize): void {
  if (v4) attr(type, a + 12, 4);
  else attr(type, a, 16);
}

/** Write one route as a message of `type`. */
export function putRoute(r: Route, type: u32): void {
  const v4 = r.isV4;
  const p = begin(type, 12);
  const plen = v4 ? r.plen - 96 : r.plen;
  store<u8>(p, v4 ? AF_INET : AF_INET6);
  store<u8>(p, plen, 1);
  const table = r.type == <u8>RouteType.LOCAL ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
  store<u8>(p, table, 4);
  store<u8>(p, r.protocol, 5);
  store<u8>(p, r.scope, 6);
  store<u8>(p, r.type, 7);
  attrU32(RTA_TABLE, table);
  if (plen) putAddr(RTA_DST, v4, r.dst);
  if (r.metric) attrU32(RTA_PRIORITY, r.metric);
  if (r.mtu) {
    const n = nest(RTA_METRICS);
    attrU32(RTAX_MTU, r.mtu);
    nestEnd(n);
  }
  if (!addrIsZero(r.src)) putAddr(RTA_PREFSRC, v4, r.src);
  if (r.hasGateway) putAddr(RTA_GATEWAY, v4, r.gw);
  if (r.ifindex) attrU32(RTA_OIF, r.ifindex);
  if (!v4) {
    const c = attrRoom(RTA_CACHEINFO, 32);
    store<u32>(c, r.expires == u64.MAX_VALUE ? 0 : r.expires > now() ? <u32>((r.expires - now()) / (SEC / 100)) : 0, 8);
    attrU8(RTA_PREF, 0);
  }
  end();
}

// Addresses of our own, as Linux's table `local` shows them.
function putLocal(a: Ifaddr): void {
  const v4 = a.isV4;
  const p = begin(RTM_NEWROUTE, 12);
  store<u8>(p, v4 ? AF_INET : AF_INET6);
  store<u8>(p, v4 ? 32 : 128, 1);
  store<u8>(p, RT_TABLE_LOCAL, 4);
  store<u8>(p, 2, 5);
  store<u8>(p, v4 ? 254 : 0, 6);
  store<u8>(p, RouteType.LOCAL, 7);
  attrU32(RTA_TABLE, RT_TABLE_LOCAL);
  putAddr(RTA_DST, v4, a.addr);
  if (v4) putAddr(RTA_PREFSRC, true, a.addr);
  attrU32(RTA_OIF, a.ifindex);
  end();
}

/** Dump the routes of `family` (0 = both). */
export function dumpRoutes(family: u32): void {
  for (let i: u32 = 0; i < fibCapacity(); i++) {
    const r = fibAt(i);
    if (r && (!family || (family == AF_INET) == r.isV4)) putRoute(r, RTM_NEWROUTE);
  }
  let d = netDeviceFirst();
  while (d) {
    let a = ifaddrFirst(d);
    while (a) {
      if (!family || (family == AF_INET) == a.isV4) putLocal(a);
      a = ifaddrNext(a);
    }
    d = netDeviceNext(d);
  }
}

// Read an address attribute into `out`; 0 when absent.
function readAddr(type: u32, v4: bool, out: usize): usize {
  const a = attribute(type, v4 ? 4 : 16);
  if (!a) return 0;
  if (v4) addrSetV4(out, be32(a));
  else addrCopy(out, a);
  return out;
}

// Family and prefix of a request into DST; the prefix length in the 16-byte form, or -1.
function readPrefix(p: usize): i32 {
  const family = <u32>load<u8>(p);
  const v4 = family == AF_INET;
  if (!v4 && family != AF_INET6) return -1;
  const plen = <u32>load<u8>(p, 1);
  const most: u32 = v4 ? 32 : 128;
  if (plen > most) return -1;
  if (!readAddr(RTA_DST, v4, DST)) {
    if (plen) return -1;
    if (v4) addrSetV4(DST, 0);
    else addrCopy(DST, ZERO);
  }
  return <i32>(v4 ? plen + 96 : plen);
}

export function newRoute(p: usize, flags: u32): i32 {
  const plen = readPrefix(p);
  if (plen < 0) return -Errno.EINVAL;
  const v4 = load<u8>(p) == <u8>AF_INET;
  const type = <i32>load<u8>(p, 7);
  const refuse = type == RouteType.BLACKHOLE || type == RouteType.UNREACHABLE || type == RouteType.PROHIBIT;
  if (!refuse && type != RouteType.UNICAST && type != RouteType.LOCAL) return -Errno.EINVAL;
  // A destination with host bits set is a mistake (Linux says EINVAL).
  addrCopy(SRC, DST);
  addrMask(SRC, plen);
  if (memory.compare(SRC, DST, 16)) return -Errno.EINVAL;
  const gw = readAddr(RTA_GATEWAY, v4, GW);
  if (gw && type == RouteType.LOCAL) return -Errno.EINVAL;
  let oif = attributeU32(RTA_OIF, 0);
  if (!refuse) {
    if (gw) {
      const d = fibIsOnLink(gw, oif);
      const ll = !v4 && load<u8>(gw) == 0xfe;
      if (!d && !(ll && oif)) return -Errno.ENETUNREACH;
      if (d) oif = d.ifindex;
    }
    const d = netDeviceByIndex(oif);
    if (!d) return -Errno.ENODEV;
    if (!d.up) return -Errno.ENETDOWN;
  } else oif = 0;
  const metric = attributeU32(RTA_PRIORITY, v4 ? 0 : METRIC_DEFAULT6);
  const old = fibFind(DST, plen, 0, 0, metric, false);
  if (old) {
    if (flags & NLM_F_EXCL) return -Errno.EEXIST;
    if (flags & NLM_F_REPLACE) {
      // The same route beside the one to replace: both stay (Linux fib_table_insert).
      const same = fibFind(DST, plen, gw, oif, metric, true);
      if (same && same != old) return -Errno.EEXIST;
      fibDel(old);
    } else if (!(flags & NLM_F_APPEND)) return -Errno.EEXIST;
  } else if (!(flags & NLM_F_CREATE)) return -Errno.ENOENT;
  const src = readAddr(RTA_PREFSRC, v4, SRC);
  const r = fibAdd(DST, plen, gw, oif, metric, type, load<u8>(p, 5), load<u8>(p, 6), src);
  if (!r) return fibFind(DST, plen, gw, oif, metric, true) ? -Errno.EEXIST : -Errno.ENOBUFS;
  r.mtu = metricMtu();
  fibBump();
  return 0;
}

// RTAX_MTU inside RTA_METRICS.
function metricMtu(): u32 {
  const m = attribute(RTA_METRICS, 8);
  return m && load<u16>(m, 2) == <u16>RTAX_MTU ? load<u32>(m, 4) : 0;
}

export function delRoute(p: usize): i32 {
  const plen = readPrefix(p);
  if (plen < 0) return -Errno.EINVAL;
  const v4 = load<u8>(p) == <u8>AF_INET;
  const gw = readAddr(RTA_GATEWAY, v4, GW);
  const r = fibFind(DST, plen, gw, attributeU32(RTA_OIF, 0), attributeU32(RTA_PRIORITY, u32.MAX_VALUE), false);
  if (!r) return -Errno.ESRCH;
  fibDel(r);
  return 0;
}

/** `ip route get`: how would a packet to RTA_DST leave? */
export function getRoute(p: usize): i32 {
  const v4 = load<u8>(p) == <u8>AF_INET;
  const f = FLOW;
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  if (!readAddr(RTA_DST, v4, f.dst)) return -Errno.EINVAL;
  if (!readAddr(2, v4, f.src) && v4) addrSetV4(f.src, 0);
  f.oif = attributeU32(RTA_OIF, 0);
  const r = flowRoute(f);
  if (r < 0) return r;
  const out = begin(RTM_NEWROUTE, 12);
  store<u8>(out, v4 ? AF_INET : AF_INET6);
  store<u8>(out, v4 ? 32 : 128, 1);
  store<u8>(out, f.flags & FLOW_LOCAL ? RT_TABLE_LOCAL : RT_TABLE_MAIN, 4);
  store<u8>(out, f.flags & FLOW_LOCAL ? RouteType.LOCAL : RouteType.UNICAST, 7);
  store<u32>(out, 0x200, 8); // RTM_F_CLONED
  attrU32(RTA_TABLE, f.flags & FLOW_LOCAL ? RT_TABLE_LOCAL : RT_TABLE_MAIN);
  putAddr(RTA_DST, v4, f.dst);
  if (memory.compare(f.nexthop, f.dst, 16)) putAddr(RTA_GATEWAY, v4, f.nexthop);
  attrU32(RTA_OIF, f.device.ifindex);
  putAddr(RTA_PREFSRC, v4, f.src);
  // As rt_fill_info and rt6_fill_node of Linux, also where it says nothing: nmap loses the last 16 bytes of an answer.
  if (v4) attrU32(RTA_UID, 0);
  attrRoom(RTA_CACHEINFO, 32);
  if (!v4) attrU8(RTA_PREF, 0);
  end();
  return 0;
}
