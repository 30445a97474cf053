// Multicast Listener Discovery, host side: version 2 (RFC 3810), version 1 (RFC 2710) towards older routers.
import { ADDR_LEN, addrCopy, addrIsZero, v6IsLinkLocal, v6IsMulticast } from "../../lib/addr";
import { be16, putBe16 } from "../../lib/bytes";
import { randBelow } from "../../lib/drbg";
import { Drop } from "../../core/drop";
import { Skb, skbAlloc, skbDrop, skbFree } from "../../core/skb";
import { MS, SEC, now } from "../../core/time";
import { NetDevice } from "../../link/net_device";
import { ICMPV6_MLD2_REPORT, ICMPV6_MLD_DONE, ICMPV6_MLD_QUERY, ICMPV6_MLD_REPORT } from "../../wire/icmp";
import { Ipv6Header, NEXTHDR_ICMP } from "../../wire/ipv6";
import { FLOW_NO_MC_LOOP, Flow, flowRoute, ipOutput } from "../flow";
import { Group, groupFind, groupFree, groupHold, groupIsMember, groupNext } from "../group";
import { Ask, ROBUSTNESS, changeRecords, filterAsk, filterSet, recordsAt, recordsCount, recordsLen, stateRecords } from "../group_filter";
import { ifaddrFirst, ifaddrNext } from "../../link/ifaddr";
import { SEEN_MLD_ALERT, in6Of } from "./in6";
import { icmpv6Seal } from "./icmpv6";

const UNSOLICITED_REPORT_INTERVAL: u64 = SEC;
const OLDER_TIMEOUT: u64 = 260 * SEC;
const ALL_NODES: usize = memory.data<u8>([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
const ALL_ROUTERS: usize = memory.data<u8>([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
const V2_ROUTERS: usize = memory.data<u8>([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16]);
/** Hop-by-hop header with router alert for MLD (RFC 2711) and padding; byte 0 is filled by output. */
const ROUTER_ALERT: usize = memory.data<u8>([0, 0, 5, 2, 0, 0, 1, 0]);
const FLOW = changetype<Flow>(memory.data(offsetof<Flow>(), 8));

function isAllNodes(a: usize): bool { return memory.compare(a, ALL_NODES, ADDR_LEN) == 0; }
/** RFC 3810 6: nothing is said about all-nodes and groups of scope 0 or 1. */
function silent(d: NetDevice, a: usize): bool { return d.isLoopback || isAllNodes(a) || (load<u8>(a, 1) & 15) < 2; }

/** Are packets to `group` wanted on `d`? */
export function mldIsMember(d: NetDevice, group: usize): bool { return isAllNodes(group) || groupIsMember(d, group); }

/** One more listener to `group` on `d`, whose wishes mldFilter tells next; false when the table is full. */
export function mldHold(d: NetDevice, group: usize): bool { return groupHold(d, group, timer.index) != null; }
/** One listener less; mldFilter tells what the others want. */
export function mldRelease(d: NetDevice, group: usize): void {
  const g = groupFind(d, group);
  if (g && g.users) g.users--;
}

/** What all listeners to `group` on `d` together want (as filterSet). Told when it is news, and again (RFC 3810 6.1). */
export function mldFilter(d: NetDevice, group: usize, include: u8, n: u32, sources: usize): void {
  const g = groupFind(d, group);
  if (!g) return;
  const news = filterSet(g, include, n, sources);
  if (silent(d, group) || !d.up) {
    g.changes = 0;
    if (!g.users) groupFree(g);
  } else if (news) timer(changetype<usize>(g));
  else if (!g.users && !g.timer.armed) groupFree(g);
}

/** Listen to all that is sent to `group`, for the stack itself. */
export function mldJoin(d: NetDevice, group: usize): bool {
  if (!mldHold(d, group)) return false;
  mldFilter(d, group, 0, 0, 0);
  return true;
}
export function mldLeave(d: NetDevice, group: usize): void {
  mldRelease(d, group);
  const g = groupFind(d, group);
  if (g && !g.users) mldFilter(d, group, 1, 0, 0);
}

/** Tell the link again what we listen to: it came up, or there is a link-local address to say it from now. */
export function mldReportAll(d: NetDevice): void {
  let g = changetype<Group | null>(d.mc6);
  while (g) {
    const next = groupNext(g);
    if (!silent(d, g.addr) && g.users && !g.changes) {
      g.changes = ROBUSTNESS;
      g.modeChanges = ROBUSTNESS;
      timer(changetype<usize>(g));
    }
    g = next;
  }
}

function timer(arg: usize): void {
  const g = changetype<Group>(arg);
  const d = g.device;
  if (!d.up) {
    if (!g.users) groupFree(g);
    return;
  }
  if (in6Of(d).mldV1Until <= now()) tell2(g);
  else tellOld(g);
  g.ask = <u8>Ask.NONE;
  if (g.changes) g.timer.armIn(<u64>randBelow(<u32>(UNSOLICITED_REPORT_INTERVAL / MS)) * MS);
  else if (!g.users) groupFree(g);
}

function tell2(g: Group): void {
  if (g.changes) {
    g.changes--;
    if (changeRecords(g)) report2(g.device);
  }
  if (g.ask && stateRecords(g)) report2(g.device);
  g.reporter = 1;
}
// To version 1 a group is wanted or not.
function tellOld(g: Group): void {
  if (g.changes) g.changes--;
  if (g.users) {
    send1(g.device, g.addr, ICMPV6_MLD_REPORT, g.addr);
    g.reporter = 1;
  } else {
    if (g.reporter) send1(g.device, ALL_ROUTERS, ICMPV6_MLD_DONE, g.addr);
    g.changes = 0;
  }
}

function out(skb: Skb, d: NetDevice, dst: usize): void {
  const f = FLOW;
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  addrCopy(f.dst, dst);
  f.oif = d.ifindex;
  f.proto = <u8>NEXTHDR_ICMP;
  f.ttl = 1;
  f.flags = FLOW_NO_MC_LOOP;
  f.opt = ROUTER_ALERT;
  f.optLen = 8;
  if (flowRoute(f) < 0) {
    skbFree(skb);
    return;
  }
  // RFC 3590: a link-local source, or :: while there is none.
  store<u64>(f.src, 0);
  store<u64>(f.src, 0, 8);
  let a = ifaddrFirst(d);
  while (a) {
    if (!a.isV4 && v6IsLinkLocal(a.addr) && !a.tentative) {
      addrCopy(f.src, a.addr);
      break;
    }
    a = ifaddrNext(a);
  }
  skb.trans = skb.data;
  icmpv6Seal(skb, f.src, f.dst);
  ipOutput(skb, f);
}

function send1(d: NetDevice, dst: usize, type: u32, group: usize): void {
  const skb = skbAlloc(24);
  if (!skb) return;
  const p = skb.put(24);
  store<u64>(p, type);
  addrCopy(p + 8, group);
  out(skb, d, dst);
}

// The records written last.
function report2(d: NetDevice): void {
  const n = recordsLen();
  const skb = skbAlloc(8 + n);
  if (!skb) return;
  const p = skb.put(8 + n);
  store<u64>(p, ICMPV6_MLD2_REPORT);
  putBe16(p + 6, recordsCount());
  memory.copy(p + 8, recordsAt(), n);
  out(skb, d, V2_ROUTERS);
}

// RFC 3810 5.1.3: ms, floating point above 32767.
function maxResponse(code: u32): u64 {
  return <u64>(code < 32768 ? code : ((code & 0xfff) | 0x1000) << (((code >> 12) & 7) + 3)) * MS;
}

/** A validated ICMPv6 message of MLD; consumes it. */
export function mldInput(skb: Skb): void {
  const h = Ipv6Header.at(skb.net);
  const p = skb.data;
  const d = changetype<NetDevice>(skb.dev);
  // RFC 2710 3, RFC 3810 5: link-local source (or :: for reports), hop limit 1.
  if (h.hopLimit != 1 || skb.len < 24 || (!v6IsLinkLocal(h.src) && !(load<u8>(p) != ICMPV6_MLD_QUERY && addrIsZero(h.src)))) {
    if (load<u8>(p) == ICMPV6_MLD2_REPORT) skbFree(skb); // for routers; ours to ignore whatever it says
    else skbDrop(skb, Drop.MLD_MALFORMED);
    return;
  }
  const group = p + 8;
  const type = <u32>load<u8>(p);
  if (type == ICMPV6_MLD_QUERY) {
    if (skb.len > 24 && !(skb.cb5 & SEEN_MLD_ALERT)) { // RFC 3810 6.2: without router alert
      skbDrop(skb, Drop.MLD_MALFORMED);
      return;
    }
    query(skb, d, group);
    return;
  }
  if (type == ICMPV6_MLD_REPORT && !skb.looped) {
    const g = groupFind(d, group);
    if (g && g.timer.armed && in6Of(d).mldV1Until > now()) {
      g.timer.cancel();
      g.reporter = 0;
    }
  }
  skbFree(skb);
}

function query(skb: Skb, d: NetDevice, group: usize): void {
  const p = skb.data;
  const any = addrIsZero(group);
  if (skb.len != 24 && (skb.len < 28 || be16(p + 26) * 16 + 28 > skb.len) || (!any && !v6IsMulticast(group))) {
    skbDrop(skb, Drop.MLD_MALFORMED);
    return;
  }
  const v1 = skb.len == 24;
  if (v1) in6Of(d).mldV1Until = now() + OLDER_TIMEOUT;
  const delay = v1 ? <u64>be16(p + 4) * MS : maxResponse(be16(p + 4));
  const sources = v1 ? 0 : be16(p + 26);
  let g = changetype<Group | null>(d.mc6);
  while (g) {
    if (!silent(d, g.addr) && g.users && (any || memory.compare(g.addr, group, ADDR_LEN) == 0)) {
      filterAsk(g, sources, p + 28, <u32>ADDR_LEN);
      const at = now() + <u64>randBelow(<u32>max<u64>(1, delay / MS)) * MS;
      if (!g.timer.armed || g.timer.expires > at) g.timer.arm(at);
    }
    g = groupNext(g);
  }
  skbFree(skb);
}
