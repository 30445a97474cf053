// IGMP, host side: version 3 (RFC 3376), and version 2 (RFC 2236) or 1 towards older routers.
//
//   v1/v2: 0 type  1 max response (0.1 s)  2 checksum(2)  4 group(4)
//   v3 query adds: 8 flags/QRV  9 QQIC  10 number of sources(2)  12 sources
//   v3 report: 0 type 0x22  2 checksum  6 number of records(2)  8 records {type, aux, sources(2), group(4)}
import { addrSetV4, addrV4, v4IsMulticast } from "../../lib/addr";
import { be16, be32, putBe16, putBe32 } from "../../lib/bytes";
import { csumAdd, csumFinish, csumFold } from "../../lib/checksum";
import { randBelow } from "../../lib/drbg";
import { Drop } from "../../core/drop";
import { inetProtoRegister } from "../../core/proto";
import { Skb, skbAlloc, skbDrop, skbFree } from "../../core/skb";
import { MS, SEC, now } from "../../core/time";
import { NetDevice } from "../../link/net_device";
import { IPPROTO_IGMP, Ipv4Header } from "../../wire/ipv4";
import { FLOW_NO_MC_LOOP, Flow, flowRoute, ipOutput } from "../flow";
import { Group, groupFind, groupFree, groupHold, groupIsMember, groupNext } from "../group";
import { Ask, ROBUSTNESS, changeRecords, filterAsk, filterSet, recordsAt, recordsCount, recordsLen, stateRecords } from "../group_filter";

const QUERY: u32 = 0x11;
const REPORT_V1: u32 = 0x12;
const REPORT_V2: u32 = 0x16;
const LEAVE: u32 = 0x17;
const REPORT_V3: u32 = 0x22;
/** RFC 3376 8. */
const UNSOLICITED_REPORT_INTERVAL: u64 = SEC;
const OLDER_QUERIER_TIMEOUT: u64 = 260 * SEC;

const ALL_HOSTS: u32 = 0xe0000001;
const ALL_ROUTERS: u32 = 0xe0000002;
const V3_ROUTERS: u32 = 0xe0000016;
const ROUTER_ALERT: usize = memory.data<u8>([148, 4, 0, 0]);
const FLOW = changetype<Flow>(memory.data(offsetof<Flow>(), 8));
const ADDR: usize = memory.data(16, 8);
/** Until when v1 and v2 queriers count as present: (v1, v2) u64 pairs by ifindex & 63. */
const OLDER: usize = memory.data(64 * 16, 8);

export function igmpInit(): void { inetProtoRegister(IPPROTO_IGMP, igmpInput.index, 0); }

@inline function older(d: NetDevice): usize { return OLDER + ((d.ifindex & 63) << 4); }
function version(d: NetDevice): u32 { return load<u64>(older(d)) > now() ? 1 : load<u64>(older(d), 8) > now() ? 2 : 3; }

/** Are packets to `group` (host order) wanted on `d`? All hosts always are (RFC 1112 7.1). */
export function igmpIsMember(d: NetDevice, group: u32): bool {
  if (group == ALL_HOSTS) return true;
  addrSetV4(ADDR, group);
  return groupIsMember(d, ADDR);
}

/** One more member of the 16-byte (mapped) `group` on `d`, whose wishes igmpFilter tells next; false when the table is full. */
export function igmpJoin(d: NetDevice, group: usize): bool { return groupHold(d, group, timer.index) != null; }

/** One member less; igmpFilter tells what the others want. */
export function igmpLeave(d: NetDevice, group: usize): void {
  const g = groupFind(d, group);
  if (g && g.users) g.users--;
}

/** What all members of `group` on `d` together want (as filterSet). Told when it is news, and again (RFC 3376 5.1). */
export function igmpFilter(d: NetDevice, group: usize, include: u8, n: u32, sources: usize): void {
  const g = groupFind(d, group);
  if (!g) return;
  const news = filterSet(g, include, n, sources);
  if (d.isLoopback || addrV4(group) == ALL_HOSTS || !d.up) {
    g.changes = 0;
    if (!g.users) groupFree(g);
  } else if (news) timer(changetype<usize>(g));
  else if (!g.users && !g.timer.armed) groupFree(g);
}

/** The link came up: say again what we are members of. */
export function igmpReportAll(d: NetDevice): void {
  let g = changetype<Group | null>(d.mc4);
  while (g) {
    const next = groupNext(g);
    if (addrV4(g.addr) != ALL_HOSTS && !g.changes) change(g);
    g = next;
  }
}

// Tell the present state as if it were new.
function change(g: Group): void {
  if (!g.users) return;
  g.changes = ROBUSTNESS;
  g.modeChanges = ROBUSTNESS;
  timer(changetype<usize>(g));
}

function timer(arg: usize): void {
  const g = changetype<Group>(arg);
  const d = g.device;
  if (!d.up) {
    if (!g.users) groupFree(g);
    return;
  }
  if (version(d) == 3) tell3(g);
  else tellOld(g);
  g.ask = <u8>Ask.NONE;
  if (g.changes) g.timer.armIn(<u64>randBelow(<u32>(UNSOLICITED_REPORT_INTERVAL / MS)) * MS);
  else if (!g.users) groupFree(g);
}

function tell3(g: Group): void {
  if (g.changes) {
    g.changes--;
    if (changeRecords(g)) report3(g.device);
  }
  if (g.ask && stateRecords(g)) report3(g.device);
  g.reporter = 1;
}
// To versions 1 and 2 a group is wanted or not.
function tellOld(g: Group): void {
  const d = g.device, v = version(d);
  if (g.changes) g.changes--;
  if (g.users) {
    send(d, addrV4(g.addr), v == 2 ? REPORT_V2 : REPORT_V1, addrV4(g.addr));
    g.reporter = 1;
  } else {
    if (v == 2 && g.reporter) send(d, ALL_ROUTERS, LEAVE, addrV4(g.addr));
    g.changes = 0;
  }
}

function out(skb: Skb, d: NetDevice, dst: u32): void {
  const f = FLOW;
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  addrSetV4(f.src, 0);
  addrSetV4(f.dst, dst);
  f.oif = d.ifindex;
  f.proto = <u8>IPPROTO_IGMP;
  f.ttl = 1;
  f.tos = 0xc0; // RFC 3376 4
  f.flags = FLOW_NO_MC_LOOP;
  f.opt = ROUTER_ALERT;
  f.optLen = 4;
  if (flowRoute(f) < 0) {
    skbFree(skb);
    return;
  }
  const p = skb.data;
  store<u16>(p, 0, 2);
  store<u16>(p, <u16>csumFinish(csumAdd(p, skb.len)), 2);
  skb.trans = p;
  ipOutput(skb, f);
}

function send(d: NetDevice, dst: u32, type: u32, group: u32): void {
  const skb = skbAlloc(8);
  if (!skb) return;
  const p = skb.put(8);
  store<u32>(p, type);
  putBe32(p + 4, group);
  out(skb, d, dst);
}

// The records written last.
function report3(d: NetDevice): void {
  const n = recordsLen();
  const skb = skbAlloc(8 + n);
  if (!skb) return;
  const p = skb.put(8 + n);
  store<u32>(p, REPORT_V3);
  store<u16>(p, 0, 4);
  putBe16(p + 6, recordsCount());
  memory.copy(p + 8, recordsAt(), n);
  out(skb, d, V3_ROUTERS);
}

// RFC 3376 4.1.1: floating point above 127, in 0.1 s.
function maxResponse(code: u32): u64 {
  const tenths = code < 128 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3);
  return <u64>tenths * 100 * MS;
}

function igmpInput(skb: Skb): void {
  const p = skb.data;
  if (skb.len < 8) {
    skbDrop(skb, Drop.IGMP_MALFORMED);
    return;
  }
  if (csumFold(csumAdd(p, skb.len)) != 0xffff) {
    skbDrop(skb, Drop.IGMP_CSUM);
    return;
  }
  const d = changetype<NetDevice>(skb.dev);
  const type = <u32>load<u8>(p);
  if (type == QUERY) query(skb, d);
  else {
    if (type == REPORT_V1 || type == REPORT_V2) { // somebody else spoke for the group (RFC 2236 3)
      addrSetV4(ADDR, be32(p + 4));
      const g = groupFind(d, ADDR);
      if (g && g.timer.armed && version(d) < 3 && !skb.looped) {
        g.timer.cancel();
        g.reporter = 0;
      }
    }
    skbFree(skb);
  }
}

function query(skb: Skb, d: NetDevice): void {
  const p = skb.data;
  const group = be32(p + 4);
  const dst = Ipv4Header.at(skb.net).dst;
  let delay: u64;
  if (skb.len == 8) {
    const v1 = load<u8>(p, 1) == 0;
    store<u64>(older(d) + (v1 ? 0 : 8), now() + OLDER_QUERIER_TIMEOUT);
    delay = v1 ? 10 * SEC : <u64>load<u8>(p, 1) * 100 * MS;
  } else if (skb.len >= 12) {
    if (be16(p + 10) * 4 + 12 > skb.len) {
      skbDrop(skb, Drop.IGMP_MALFORMED);
      return;
    }
    delay = maxResponse(load<u8>(p, 1));
  } else {
    skbDrop(skb, Drop.IGMP_MALFORMED);
    return;
  }
  if (group != 0 && !v4IsMulticast(group) || (group == 0 && dst != ALL_HOSTS && skb.len >= 12)) {
    skbDrop(skb, Drop.IGMP_MALFORMED);
    return;
  }
  const sources = skb.len >= 12 ? be16(p + 10) : 0;
  let g = changetype<Group | null>(d.mc4);
  while (g) {
    const a = addrV4(g.addr);
    if (a != ALL_HOSTS && g.users && (group == 0 || a == group)) {
      filterAsk(g, sources, p + 12, 4);
      const at = now() + <u64>randBelow(<u32>max<u64>(1, delay / MS)) * MS;
      if (!g.timer.armed || g.timer.expires > at) g.timer.arm(at);
    }
    g = groupNext(g);
  }
  skbFree(skb);
}
