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
import { Group, groupFind, groupFree, groupHold, groupNext } from "../group";
import { ifaddrFirst, ifaddrNext } from "../../link/ifaddr";
import { SEEN_MLD_ALERT, in6Of } from "./in6";
import { icmpv6Seal } from "./icmpv6";

const MODE_IS_EXCLUDE: u32 = 2;
const CHANGE_TO_INCLUDE: u32 = 3;
const CHANGE_TO_EXCLUDE: u32 = 4;
const ROBUSTNESS: u8 = 2;
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
export function mldIsMember(d: NetDevice, group: usize): bool { return isAllNodes(group) || groupFind(d, group) != null; }

export function mldJoin(d: NetDevice, group: usize): bool {
  const g = groupHold(d, group, timer.index);
  if (!g) return false;
  if (g.users == 1 && !silent(d, group)) {
    g.changes = ROBUSTNESS;
    timer(changetype<usize>(g));
  }
  return true;
}

/** Tell the link again what we listen to: it came up, or there is a link-local address to say it from now. */
export function mldReportAll(d: NetDevice): void {
  let g = changetype<Group | null>(d.mc6);
  while (g) {
    if (!silent(d, g.addr) && !g.changes) {
      g.changes = ROBUSTNESS;
      timer(changetype<usize>(g));
    }
    g = groupNext(g);
  }
}

export function mldLeave(d: NetDevice, group: usize): void {
  const g = groupFind(d, group);
  if (!g || --g.users) return;
  if (!silent(d, group) && d.up) {
    if (in6Of(d).mldV1Until <= now()) report2(g, CHANGE_TO_INCLUDE);
    else if (g.reporter) send1(d, ALL_ROUTERS, ICMPV6_MLD_DONE, group);
  }
  groupFree(g);
}

function timer(arg: usize): void {
  const g = changetype<Group>(arg);
  const d = g.device;
  if (!d.up) return;
  const changing = g.changes > 0;
  if (changing) g.changes--;
  if (in6Of(d).mldV1Until <= now()) report2(g, changing ? CHANGE_TO_EXCLUDE : MODE_IS_EXCLUDE);
  else send1(d, g.addr, ICMPV6_MLD_REPORT, g.addr);
  g.reporter = 1;
  if (g.changes) g.timer.armIn(<u64>randBelow(<u32>(UNSOLICITED_REPORT_INTERVAL / MS)) * MS);
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

function report2(g: Group, record: u32): void {
  const skb = skbAlloc(28);
  if (!skb) return;
  const p = skb.put(28);
  store<u64>(p, ICMPV6_MLD2_REPORT);
  putBe16(p + 6, 1);
  store<u32>(p, record, 8);
  addrCopy(p + 12, g.addr);
  out(skb, g.device, V2_ROUTERS);
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
  let g = changetype<Group | null>(d.mc6);
  while (g) {
    if (!silent(d, g.addr) && (any || memory.compare(g.addr, group, ADDR_LEN) == 0)) {
      const at = now() + <u64>randBelow(<u32>max<u64>(1, delay / MS)) * MS;
      if (!g.timer.armed || g.timer.expires > at) g.timer.arm(at);
    }
    g = groupNext(g);
  }
  skbFree(skb);
}
