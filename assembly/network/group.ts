// Multicast groups an interface is a member of, both families: what IGMP and MLD report and what input accepts.
import { Usage } from "../abi";
import { addrCopy, addrEqual, addrIsV4 } from "../lib/addr";
import { Pool } from "../lib/pool";
import { Timer } from "../core/timer";
import { filterFree } from "./group_filter";
import { NetDevice, netDeviceByIndex, vifFilter, vifFilterBit } from "../link/net_device";

@unmanaged @final export class Group {
  next: usize;
  addr0: u64; addr1: u64;
  ifindex: u32;
  /** Sockets and addresses that hold the membership; without any it stays until its end has been told. */
  users: u32;
  /** Lists of sources, 0 while none are named (group_filter.ts). */
  filter: usize;
  /** Only the listed sources are wanted, else all but them. */
  include: u8;
  /** State-change reports still to send (robustness variable), and how many of them tell of a changed mode. */
  changes: u8;
  modeChanges: u8;
  /** What a router's query has asked for (Ask). */
  ask: u8;
  /** We were the last to report (RFC 2236 3: only then is a leave needed). */
  reporter: u8;
  t0: u64; t1: u64; t2: u64; t3: u64; t4: u64;

  @inline get addr(): usize { return changetype<usize>(this) + offsetof<Group>("addr0"); }
  @inline get timer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<Group>("t0")); }
  @inline get device(): NetDevice { return netDeviceByIndex(this.ifindex)!; }
}

const MAX: u32 = 512;
const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

export function groupInit(): void { POOL.init(Usage.GROUPS, offsetof<Group>(), MAX); }

@inline function head(d: NetDevice, addr: usize): usize {
  return changetype<usize>(d) + (addrIsV4(addr) ? offsetof<NetDevice>("mc4") : offsetof<NetDevice>("mc6"));
}

export function groupFind(d: NetDevice, addr: usize): Group | null {
  let g = changetype<Group | null>(load<usize>(head(d, addr)));
  while (g && !addrEqual(g.addr, addr)) g = changetype<Group | null>(g.next);
  return g;
}

/** Is anybody here a member? */
export function groupIsMember(d: NetDevice, addr: usize): bool {
  const g = groupFind(d, addr);
  return g != null && g.users != 0;
}

/** One more holder of the membership; `users` is 1 when it is new. Null when the table is full. `timerFn`: the protocol's. */
export function groupHold(d: NetDevice, addr: usize, timerFn: u32): Group | null {
  let g = groupFind(d, addr);
  if (!g) {
    const p = POOL.alloc();
    if (!p) return null;
    g = changetype<Group>(p);
    addrCopy(g.addr, addr);
    g.ifindex = d.ifindex;
    g.include = 1; // nothing is wanted yet
    g.timer.init(timerFn, p);
    const h = head(d, addr);
    g.next = load<usize>(h);
    store<usize>(h, p);
    groupFilter(d);
  }
  g.users++;
  return g;
}

/** Unlink and free a group without users. */
export function groupFree(g: Group): void {
  let link = head(g.device, g.addr);
  while (load<usize>(link) != changetype<usize>(g)) link = load<usize>(link) + offsetof<Group>("next");
  store<usize>(link, g.next);
  groupFilter(g.device);
  g.timer.cancel();
  filterFree(g);
  POOL.release(changetype<usize>(g));
}
/** Tell the device which groups' frames are wanted. */
export function groupFilter(d: NetDevice): void { vifFilter(d, bitsOf(d.mc4) | bitsOf(d.mc6)); }
// RFC 1112 6.4, RFC 2464 7: the last 23 or 32 bits of the group are the MAC's.
function bitsOf(first: usize): u64 {
  let bits: u64 = 0;
  for (let g = changetype<Group | null>(first); g; g = changetype<Group | null>(g.next))
    bits |= vifFilterBit(load<u8>(g.addr, 13) & (addrIsV4(g.addr) ? 0x7f : 0xff), load<u8>(g.addr, 14), load<u8>(g.addr, 15));
  return bits;
}
@inline export function groupNext(g: Group): Group | null { return changetype<Group | null>(g.next); }
