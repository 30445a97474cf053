// The neighbour cache of both families: the state machine of RFC 4861 7.3 (ARP uses the same one, as Linux
// does), packets that wait for an address, and its bound. ARP and ND register how to solicit and what to say
// when nobody answers.
import { Errno, Usage } from "../abi";
import { carve } from "../lib/arena";
import { addrCopy, addrEqual, addrIsMulticast, addrIsV4, addrV4 } from "../lib/addr";
import { randBelow } from "../lib/drbg";
import { hashBytes } from "../lib/hash";
import { Pool } from "../lib/pool";
import { Drop } from "../core/drop";
import { NotifyEvent, notify } from "../core/proto";
import { Skb, SkbQueue, skbDrop, skbShrink } from "../core/skb";
import { MS, SEC, now } from "../core/time";
import { Timer } from "../core/timer";
import { macCopy, macEqual } from "../wire/ethernet";
import { ethernetPush } from "./ethernet";
import { ifaddrIsBroadcast } from "./ifaddr";
import { ARPHRD_NONE, IFF_NOARP, NetDevice, devXmit } from "./net_device";

/** NUD_* of Linux. */
export const enum Nud { NONE = 0, INCOMPLETE = 1, REACHABLE = 2, STALE = 4, DELAY = 8, PROBE = 16, FAILED = 32, NOARP = 64, PERMANENT = 128 }

/** RFC 4861 10. */
const RETRANS_TIMER: u64 = SEC;
const REACHABLE_TIME: u64 = 30 * SEC;
const DELAY_FIRST_PROBE_TIME: u64 = 5 * SEC;
const MAX_SOLICIT: u32 = 3;
/** A failed entry is kept this long so that senders learn it at once. */
const FAILED_TIME: u64 = 3 * SEC;
/** One that was a router is asked again after this long: others serve meanwhile (RFC 4861 6.3.6). */
const ROUTER_RETRY: u64 = 60 * SEC;
/** Packets that wait for one address (the oldest goes first) and for all together. */
const QUEUE_MAX: u32 = 64;
const WAITING_MAX: u32 = 128;
/** Of these, in large buffers: answers must find room to come in. (Linux: unres_qlen_bytes, for each neighbour.) */
const WAITING_LARGE_MAX: u32 = 8;
/** An entry that was sent to within this time is in use. */
const IN_USE: u64 = 5 * SEC;
const MAX: u32 = 1024;
const BUCKETS: u32 = 1024;

@unmanaged @final export class Neighbour {
  hashNext: usize;
  addr0: u64; addr1: u64;
  /** Right behind the address: the pair is the hash key. */
  ifindex: u32;
  state: u8;
  isRouter: u8;
  probes: u8;
  mac0: u64;
  dev: usize;
  /** ns of the last proof of reachability, and of the last packet sent to it (0 = none). */
  confirmed: u64;
  used: u64;
  updated: u64;
  qFirst: usize; qLast: usize; qCount: u32; qBytes: u32;
  t0: u64; t1: u64; t2: u64; t3: u64; t4: u64;

  @inline get addr(): usize { return changetype<usize>(this) + offsetof<Neighbour>("addr0"); }
  @inline get mac(): usize { return changetype<usize>(this) + offsetof<Neighbour>("mac0"); }
  @inline get queue(): SkbQueue { return changetype<SkbQueue>(changetype<usize>(this) + offsetof<Neighbour>("qFirst")); }
  @inline get timer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<Neighbour>("t0")); }
  @inline get device(): NetDevice { return changetype<NetDevice>(this.dev); }
  /** Is `mac` usable? */
  @inline get valid(): bool { return (this.state & (Nud.REACHABLE | Nud.STALE | Nud.DELAY | Nud.PROBE | Nud.NOARP | Nud.PERMANENT)) != 0; }
}

const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
@unmanaged @final class State {
  hash: usize;
  /** Where the search for a victim goes on. */
  hand: u32;
  /** Packets in all queues. */
  waiting: u32;
  /** Of these, in large buffers. */
  waitingLarge: u32;
  /** fn(neighbour, unicast: u32): send a solicitation. */
  solicit4: u32;
  solicit6: u32;
  /** fn(skb): report that the packet could not be delivered and consume it. */
  fail4: u32;
  fail6: u32;
  /** fn(): a router was lost or found again: routes are to be chosen anew. */
  routerChange: u32;
}
const S = changetype<State>(memory.data(offsetof<State>(), 8));

export function neighInit(): void {
  POOL.init(Usage.NEIGHBOURS, offsetof<Neighbour>(), MAX);
  S.hash = carve(BUCKETS << 2, 4);
}
export function neighRegister4(solicit: u32, fail: u32): void {
  S.solicit4 = solicit;
  S.fail4 = fail;
}
/** `routerChange`: fn(), a router's reachability has changed. */
export function neighRegister6(solicit: u32, fail: u32, routerChange: u32): void {
  S.solicit6 = solicit;
  S.fail6 = fail;
  S.routerChange = routerChange;
}

const KEY: usize = memory.data(24, 8);
@inline function bucket(addr: usize, ifindex: u32): usize {
  addrCopy(KEY, addr);
  store<u32>(KEY, ifindex, 16);
  return S.hash + ((hashBytes(KEY, 20) & (BUCKETS - 1)) << 2);
}

export function neighFind(d: NetDevice, addr: usize): Neighbour | null {
  let n = changetype<Neighbour | null>(load<usize>(bucket(addr, d.ifindex)));
  while (n) {
    if (n.ifindex == d.ifindex && addrEqual(n.addr, addr)) return n;
    n = changetype<Neighbour | null>(n.hashNext);
  }
  return null;
}

/** Find or make the entry; null when the table is full of entries in use. */
export function neighGet(d: NetDevice, addr: usize): Neighbour | null {
  const old = neighFind(d, addr);
  if (old) return old;
  if (!POOL.left && !evict()) return null;
  const n = changetype<Neighbour>(POOL.alloc());
  addrCopy(n.addr, addr);
  n.ifindex = d.ifindex;
  n.dev = changetype<usize>(d);
  n.updated = now();
  n.timer.init(neighTimer.index, changetype<usize>(n));
  const b = bucket(addr, d.ifindex);
  n.hashNext = load<usize>(b);
  store<usize>(b, changetype<usize>(n));
  return n;
}

// May `n` go? Pass 0: failed, or told by a neighbour nobody here has sent to; 1: unresolved; 2: idle.
function expendable(n: Neighbour, pass: i32): bool {
  if (n.state & (Nud.PERMANENT | Nud.NOARP)) return false;
  if (pass == 0) return (n.state & Nud.FAILED) != 0 || !n.used;
  if (pass == 1) return !n.valid;
  return now() - n.used > IN_USE;
}

// A bounded sweep for an entry nobody needs: a flood of solicitations or of unresolved addresses pushes out its own
// kind, and what is in use stays.
function evict(): bool {
  for (let pass = 0; pass < 3; pass++) {
    for (let i: u32 = 0; i < MAX; i++) {
      S.hand = (S.hand + 1) % MAX;
      if (!POOL.live(S.hand)) continue;
      const n = changetype<Neighbour>(POOL.at(S.hand));
      if (expendable(n, pass)) {
        neighFree(n);
        return true;
      }
    }
  }
  return false;
}

/** Remove an entry; packets waiting in it are dropped. */
export function neighFree(n: Neighbour): void {
  let link = bucket(n.addr, n.ifindex);
  while (load<usize>(link) != changetype<usize>(n)) link = load<usize>(link) + offsetof<Neighbour>("hashNext");
  store<usize>(link, n.hashNext);
  n.timer.cancel();
  for (let s = dequeue(n); s; s = dequeue(n)) skbDrop(s, Drop.NEIGH_FAILED);
  notify(NotifyEvent.NEIGH_DEL, changetype<usize>(n));
  POOL.release(changetype<usize>(n));
}

/** Forget everything learnt on a device (it went down or changed its address); permanent entries stay if `keep`. */
export function neighFlush(d: NetDevice, keep: bool): void {
  for (let i: u32 = 0; i < MAX; i++) {
    if (!POOL.live(i)) continue;
    const n = changetype<Neighbour>(POOL.at(i));
    if (n.ifindex == d.ifindex && !(keep && n.state & Nud.PERMANENT)) neighFree(n);
  }
}

/** Entry in slot `i` or null: for dumps, i < neighCapacity(). */
export function neighAt(i: u32): Neighbour | null { return POOL.live(i) ? changetype<Neighbour>(POOL.at(i)) : null; }
export function neighCapacity(): u32 { return MAX; }

// What routers advertised for IPv6 (RFC 4861 6.3.4), else the defaults.
function retransTime(n: Neighbour): u64 {
  const ms = n.device.ndRetrans;
  return ms && !addrIsV4(n.addr) ? <u64>ms * MS : RETRANS_TIMER;
}
function reachableBase(n: Neighbour): u64 {
  const ms = n.device.ndReachable;
  return ms && !addrIsV4(n.addr) ? <u64>ms * MS : REACHABLE_TIME;
}
// RFC 4861 6.3.2: 0.5 .. 1.5 of the base.
function reachableTime(n: Neighbour): u64 {
  const base = reachableBase(n);
  return base / 2 + <u64>randBelow(<u32>(base / MS)) * MS;
}

function setState(n: Neighbour, state: Nud): void {
  n.state = <u8>state;
  n.updated = now();
  if (state == Nud.REACHABLE) {
    n.confirmed = now();
    n.timer.armIn(reachableTime(n));
  } else if (state == Nud.DELAY) n.timer.armIn(DELAY_FIRST_PROBE_TIME);
  else if (state == Nud.STALE || state == Nud.PERMANENT || state == Nud.NOARP) n.timer.cancel();
}

function solicit(n: Neighbour, unicast: bool): void {
  const fn = addrIsV4(n.addr) ? S.solicit4 : S.solicit6;
  n.probes++;
  n.timer.armIn(retransTime(n));
  if (fn) call_indirect<void>(fn, n, <u32>unicast);
}

// Send what waited; the first packet to an address not yet confirmed starts the delay (RFC 4861 7.3.3).
function flush(n: Neighbour): void {
  if (n.qCount && n.state == Nud.STALE) setState(n, Nud.DELAY);
  for (let s = dequeue(n); s; s = dequeue(n)) {
    ethernetPush(n.device, s, n.mac);
    devXmit(n.device, s);
  }
}

function enqueue(n: Neighbour, skb: Skb): void {
  const s = skbShrink(skb);
  if (S.waiting >= WAITING_MAX || (s.large && S.waitingLarge >= WAITING_LARGE_MAX)) {
    skbDrop(s, Drop.NEIGH_QUEUEFULL);
    return;
  }
  S.waiting++;
  if (s.large) S.waitingLarge++;
  n.queue.push(s);
}
function dequeue(n: Neighbour): Skb | null {
  const s = n.queue.shift();
  if (!s) return null;
  S.waiting--;
  if (s.large) S.waitingLarge--;
  return s;
}

function fail(n: Neighbour): void {
  n.state = <u8>Nud.FAILED;
  n.updated = now();
  n.timer.armIn(n.isRouter ? ROUTER_RETRY : FAILED_TIME);
  const fn = addrIsV4(n.addr) ? S.fail4 : S.fail6;
  for (let s = dequeue(n); s; s = dequeue(n)) {
    if (fn) call_indirect<void>(fn, s);
    else skbDrop(s, Drop.NEIGH_FAILED);
  }
  notify(NotifyEvent.NEIGH_NEW, changetype<usize>(n));
  if (n.isRouter && S.routerChange) call_indirect<void>(S.routerChange);
}

function neighTimer(arg: usize): void {
  const n = changetype<Neighbour>(arg);
  switch (<i32>n.state) {
    case Nud.INCOMPLETE:
      if (n.probes < MAX_SOLICIT) solicit(n, false);
      else fail(n);
      break;
    case Nud.REACHABLE: // RFC 4861 7.3.3: a confirmation since the timer was set keeps it
      if (now() - n.confirmed < reachableBase(n) / 2) n.timer.armIn(reachableTime(n));
      else {
        setState(n, Nud.STALE);
        notify(NotifyEvent.NEIGH_NEW, arg);
      }
      break;
    case Nud.DELAY:
      if (now() - n.confirmed < DELAY_FIRST_PROBE_TIME) {
        setState(n, Nud.REACHABLE);
        break;
      }
      setState(n, Nud.PROBE);
      n.probes = 0;
      solicit(n, true);
      break;
    case Nud.PROBE:
      if (n.probes < MAX_SOLICIT) solicit(n, true);
      else fail(n);
      break;
    case Nud.FAILED:
      if (n.isRouter) resolve(n);
      else neighFree(n);
      break;
  }
}

// Ask from the start (RFC 4861 7.2.2).
function resolve(n: Neighbour): void {
  n.state = <u8>Nud.INCOMPLETE;
  n.updated = now();
  n.probes = 0;
  solicit(n, false);
}

/**
 * An IPv6 address of ours on `d` is verified: whoever is being asked is asked afresh, now with our link-layer address (RFC 4429 3.2
 * forbade it). A neighbour that remembers the address at another station has sent its answers there; those tries do not count.
 */
export function neighAskAgain6(d: NetDevice): void {
  for (let i: u32 = 0; i < MAX; i++) {
    if (!POOL.live(i)) continue;
    const n = changetype<Neighbour>(POOL.at(i));
    if (n.ifindex == d.ifindex && n.state == Nud.INCOMPLETE && !addrIsV4(n.addr)) resolve(n);
  }
}

/** Upper layers have seen progress through this neighbour (RFC 4861 7.3.1). */
export function neighConfirm(d: NetDevice, addr: usize): void {
  const n = neighFind(d, addr);
  if (!n) return;
  n.confirmed = now();
  if (n.state & (Nud.STALE | Nud.DELAY | Nud.PROBE)) setState(n, Nud.REACHABLE);
}

/**
 * A link-layer address was learnt (ARP packet; NS, NA, RA option).
 * `state`: what the message proves (REACHABLE for a solicited answer, STALE otherwise); `replace`: may replace a different address.
 */
export function neighUpdate(n: Neighbour, mac: usize, state: Nud, replace: bool): void {
  if (n.state & Nud.PERMANENT) return;
  const known = n.valid;
  const same = known && macEqual(n.mac, mac);
  if (known && !same && !replace) {
    if (n.state == Nud.REACHABLE) setState(n, Nud.STALE); // RFC 4861 7.2.5 I.
    return;
  }
  if (!same) macCopy(n.mac, mac);
  // An unsolicited message with the address we had proves nothing new.
  if (!(same && state == Nud.STALE)) setState(n, state);
  if (!known || !same) notify(NotifyEvent.NEIGH_NEW, changetype<usize>(n));
  if (!known && n.isRouter && S.routerChange) call_indirect<void>(S.routerChange);
  flush(n);
}

/** `ip neigh add`: a fixed entry. */
export function neighSetPermanent(d: NetDevice, addr: usize, mac: usize): i32 {
  const n = neighGet(d, addr);
  if (!n) return -Errno.ENOBUFS;
  macCopy(n.mac, mac);
  setState(n, Nud.PERMANENT);
  notify(NotifyEvent.NEIGH_NEW, changetype<usize>(n));
  flush(n);
  return 0;
}

const MAC: usize = memory.data(8, 8);

/**
 * Send an IP packet (data at its header, skb.protocol set) to `nexthop` on `d`; consumes it. It waits, bounded,
 * when the neighbour is not resolved. 0, or -errno when it was dropped at once.
 */
export function neighOutput(d: NetDevice, nexthop: usize, skb: Skb): i32 {
  if (d.type == ARPHRD_NONE) return devXmit(d, skb);
  if (d.flags & (IFF_NOARP) || d.isLoopback) {
    ethernetPush(d, skb, d.addr);
    return devXmit(d, skb);
  }
  if (addrIsV4(nexthop)) {
    const v4 = addrV4(nexthop);
    if (ifaddrIsBroadcast(d, v4)) {
      ethernetPush(d, skb, d.bcast);
      return devXmit(d, skb);
    }
    if (addrIsMulticast(nexthop)) { // RFC 1112 6.4
      store<u32>(MAC, 0x005e0001);
      store<u8>(MAC, (v4 >> 16) & 0x7f, 3);
      store<u8>(MAC, v4 >> 8, 4);
      store<u8>(MAC, v4, 5);
      ethernetPush(d, skb, MAC);
      return devXmit(d, skb);
    }
  } else if (addrIsMulticast(nexthop)) { // RFC 2464 7
    store<u16>(MAC, 0x3333);
    store<u32>(MAC, load<u32>(nexthop, 12), 2);
    ethernetPush(d, skb, MAC);
    return devXmit(d, skb);
  }
  const n = neighGet(d, nexthop);
  if (!n) {
    skbDrop(skb, Drop.NEIGH_TABLE_FULL);
    return -Errno.ENOBUFS;
  }
  n.used = now();
  if (n.valid) {
    if (n.state == Nud.STALE) setState(n, Nud.DELAY);
    ethernetPush(d, skb, n.mac);
    return devXmit(d, skb);
  }
  if (n.qCount >= QUEUE_MAX) skbDrop(dequeue(n)!, Drop.NEIGH_QUEUEFULL);
  enqueue(n, skb);
  if (n.state != Nud.INCOMPLETE) resolve(n);
  return 0;
}
