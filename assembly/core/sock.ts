// The part of a socket every family shares: identity, readiness, errors, options, the datagram receive queue
// and buffer accounting. Protocol state hangs off `pcb`. The system-call layer above is socket/.
import { EVENTS, EVENTS_MAX, HDR, HDR_EVENTS_PENDING, Poll, Usage } from "../abi";
import { ListNode } from "../lib/list";
import { Pool } from "../lib/pool";
import { Drop } from "./drop";
import { Skb, SkbQueue, skbSetUncharge } from "./skb";

export const AF_UNSPEC: u32 = 0;
export const AF_INET: u32 = 2;
export const AF_INET6: u32 = 10;
export const AF_NETLINK: u32 = 16;
export const AF_PACKET: u32 = 17;
export const SOCK_STREAM: u32 = 1;
export const SOCK_DGRAM: u32 = 2;
export const SOCK_RAW: u32 = 3;

/** Which protocol implementation serves the socket. */
export const enum SockKind { NONE, TCP, UDP, RAW, PING, PACKET, NETLINK }
export const SHUT_RCV: u8 = 1;
export const SHUT_SND: u8 = 2;

/** Boolean options, bits of Sock.flags. */
export const enum SockFlag {
  REUSEADDR = 1, REUSEPORT = 2, BROADCAST = 4, KEEPALIVE = 8, LINGER = 16, OOBINLINE = 32, DONTROUTE = 64,
  V6ONLY = 128, TIMESTAMP = 256, TIMESTAMPNS = 512, BOUND_ADDR = 1024, BOUND_PORT = 2048, HDRINCL = 4096,
  TRANSPARENT = 8192, FREEBIND = 16384, NO_CHECK = 32768,
  /** Wants IP_RECVERR / IPV6_RECVERR queues. */
  RECVERR = 65536, RECVERR6 = 131072,
  /** The application has closed its end; the protocol finishes alone and then frees the sock. */
  ORPHAN = 262144,
  MC_LOOP = 524288, MC6_LOOP = 1048576, MC_ALL = 2097152,
  RXQ_OVFL = 4194304, RCVBUF_LOCK = 8388608, SNDBUF_LOCK = 16777216,
  MC6_ALL = 33554432,
  /** Time stamps in the 64-bit layouts (SO_TIMESTAMP_NEW). */
  TSTAMP_NEW = 67108864,
  /** IPV6_DONTFRAG. */
  DONTFRAG6 = 134217728,
}

@unmanaged @final export class Sock {
  // readiness list; must come first (ListNode)
  evNext: usize;
  evPrev: usize;
  /** What the application calls it: slot | generation << 20. */
  handle: u32;
  /** Edges not yet told to the host (Poll bits). */
  events: u32;
  family: u16;
  type: u8;
  kind: u8;
  /** IP or netlink protocol. */
  protocol: u16;
  /** SHUT_RCV | SHUT_SND. */
  shutdown: u8;
  /** Protocol-specific; for TCP a state of Linux's enum (TCP_ESTABLISHED = 1 ...). */
  state: u8;
  /** Pending SO_ERROR, errno > 0. */
  err: u32;
  /** Soft error: told only if the connection times out. */
  errSoft: u32;
  flags: u32;
  pcb: usize;
  // local and remote address (16 bytes, v4 mapped) and port (host order)
  laddr0: u64; laddr1: u64;
  raddr0: u64; raddr1: u64;
  lport: u16;
  rport: u16;
  /** SO_BINDTODEVICE / sin6_scope_id: interface index or 0. */
  boundIf: u32;
  // hash chains of the protocol (established/connected) and of the bound port
  hashNext: usize; hashPrev: usize;
  bindNext: usize; bindPrev: usize;
  // generic options
  rcvbuf: u32;
  sndbuf: u32;
  rcvlowat: u32;
  priority: u32;
  mark: u32;
  /** Seconds, with SockFlag.LINGER. */
  linger: u32;
  // inet options
  tos: u8;
  tclass: u8;
  /** 0 = default. */
  ttl: u8;
  /** -1 = default. */
  hopLimit: i16;
  mcTtl: u8;
  mcHops: i16;
  pmtudisc: u8;
  pmtudisc6: u8;
  mcIf: u32;
  mcIf6: u32;
  mcAddr: u32;
  flowLabel: u32;
  /** Which ancillary data recvmsg returns: CMSG_* bits owned by socket/. */
  cmsgFlags: u32;
  /** Multicast memberships: head of a list owned by socket/. */
  memberships: usize;
  /** Attached classic BPF program, 0 if none. */
  filter: usize;
  /** Bytes held in rxq and errq (truesize) and handed to the device but not yet freed. */
  rmem: u32;
  wmem: u32;
  drops: u32;
  rxFirst: usize; rxLast: usize; rxCount: u32; rxBytes: u32;
  errFirst: usize; errLast: usize; errCount: u32; errBytes: u32;
  uid: u32;
  /** ns of the last packet given to the application (SIOCGSTAMP). */
  stamp: u64;
  reuseSeed: u32;
  /** Seldom used boolean options, bits owned by socket/option.ts. */
  extra: u64;
  /** SO_MAX_PACING_RATE, bytes/s. */
  pacing: u64;
  /** IPV6_PKTINFO for every packet: address (16 bytes) and interface. */
  sticky0: u64; sticky1: u64;
  stickyIf: u32;
  /** IP_UNICAST_IF, IPV6_UNICAST_IF: interface of unicast packets, 0 = by route. */
  unicastIf: u32; unicastIf6: u32;
  /** SO_TIMESTAMPING: flags and clock. */
  stamping: u32; stampClock: u32;
  busyPoll: u32;
  incomingCpu: i32;
  peekOff: i32;
  /** IP_LOCAL_PORT_RANGE: low | high << 16. */
  portRange: u32;
  /** IPV6_MTU. */
  fragSize: u32;
  minTtl: u8; minHops: u8;
  /** IPV6_ADDR_PREFERENCES. */
  addrPrefs: u8;

  @inline get laddr(): usize { return changetype<usize>(this) + offsetof<Sock>("laddr0"); }
  @inline get raddr(): usize { return changetype<usize>(this) + offsetof<Sock>("raddr0"); }
  @inline get sticky(): usize { return changetype<usize>(this) + offsetof<Sock>("sticky0"); }
  @inline get rxq(): SkbQueue { return changetype<SkbQueue>(changetype<usize>(this) + offsetof<Sock>("rxFirst")); }
  @inline get errq(): SkbQueue { return changetype<SkbQueue>(changetype<usize>(this) + offsetof<Sock>("errFirst")); }
  @inline has(f: SockFlag): bool { return (this.flags & f) != 0; }
  @inline set(f: SockFlag, on: bool): void { this.flags = on ? this.flags | f : this.flags & ~f; }
}

const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const PENDING = changetype<ListNode>(memory.data(8, 8));
/** Generation of each slot (u16), so that a stale handle never names a new socket. */
const GENERATIONS: usize = memory.data(4, 4);
const SLOT_MASK: u32 = 0xfffff;

export function sockInit(max: u32, generations: usize): void {
  POOL.init(Usage.SOCKETS, offsetof<Sock>(), max);
  PENDING.init();
  store<usize>(GENERATIONS, generations);
  skbSetUncharge(sockUncharge.index);
}

/** A new socket, or null when the table is full. */
export function sockAlloc(family: u32, type: u32, protocol: u32, kind: SockKind): Sock | null {
  const p = POOL.alloc();
  if (!p) return null;
  const sk = changetype<Sock>(p);
  const slot = POOL.indexOf(p);
  const g = load<usize>(GENERATIONS) + (<usize>slot << 1);
  sk.handle = slot | ((<u32>load<u16>(g) & 0x7ff) << 20);
  sk.family = <u16>family;
  sk.type = <u8>type;
  sk.protocol = <u16>protocol;
  sk.kind = <u8>kind;
  sk.rcvbuf = 212992;
  sk.sndbuf = 212992;
  sk.rcvlowat = 1;
  sk.hopLimit = -1;
  sk.mcHops = 1;
  sk.mcTtl = 1;
  sk.incomingCpu = -1;
  sk.peekOff = -1;
  sk.pacing = u64.MAX_VALUE;
  // Linux: an IPv6 socket takes IPv4 groups it has joined only.
  sk.flags = SockFlag.MC_LOOP | SockFlag.MC6_LOOP | SockFlag.MC6_ALL | (family == AF_INET6 ? 0 : SockFlag.MC_ALL);
  return sk;
}

/** Free the record; the protocol has unhashed it and released its pcb. */
export function sockFree(sk: Sock): void {
  if (changetype<ListNode>(sk).linked) changetype<ListNode>(sk).unlink();
  sk.rxq.purge(Drop.COUNT);
  sk.errq.purge(Drop.COUNT);
  const g = load<usize>(GENERATIONS) + (<usize>POOL.indexOf(changetype<usize>(sk)) << 1);
  store<u16>(g, load<u16>(g) + 1);
  POOL.release(changetype<usize>(sk));
}

/** The live socket behind a handle, or null (also when the application has already closed it). */
export function sockOf(handle: u32): Sock | null {
  const slot = handle & SLOT_MASK;
  if (!POOL.live(slot)) return null;
  const sk = changetype<Sock>(POOL.at(slot));
  return sk.handle != handle || sk.has(SockFlag.ORPHAN) ? null : sk;
}

/** Record readiness edges; the host learns them from the next events(). */
export function sockWake(sk: Sock, mask: u32): void {
  if (sk.has(SockFlag.ORPHAN)) return;
  sk.events |= mask;
  const n = changetype<ListNode>(sk);
  if (!n.linked) {
    n.insertBefore(PENDING);
    store<u32>(HDR, 1, HDR_EVENTS_PENDING);
  }
}

/** Set SO_ERROR and wake everybody. */
export function sockError(sk: Sock, errno: u32): void {
  sk.err = errno;
  sockWake(sk, Poll.ERR | Poll.IN | Poll.OUT);
}

/** SO_ERROR semantics: the pending error, cleared. */
export function sockTakeError(sk: Sock): u32 {
  const e = sk.err;
  sk.err = 0;
  return e;
}

/** Move up to `max` pending events to EVENTS as (handle, mask); their number. */
export function sockEvents(max: u32): u32 {
  let n: u32 = 0;
  while (n < min(max, EVENTS_MAX) && !PENDING.empty) {
    const node = PENDING.next;
    const sk = changetype<Sock>(node);
    node.unlink();
    store<u32>(EVENTS + (n << 3), sk.handle);
    store<u32>(EVENTS + (n << 3), sk.events, 4);
    sk.events = 0;
    n++;
  }
  if (PENDING.empty) store<u32>(HDR, 0, HDR_EVENTS_PENDING);
  return n;
}

/** Memory a queued skb costs its socket. */
@inline export function skbTruesize(s: Skb): u32 { return s.total + 256; }

/** Queue a datagram for the application; false (not consumed) when the receive buffer is full. */
export function sockQueueRx(sk: Sock, s: Skb): bool {
  const size = skbTruesize(s);
  if (sk.rmem + size > sk.rcvbuf && sk.rxCount) {
    sk.drops++;
    return false;
  }
  sk.rmem += size;
  sk.rxq.push(s);
  sockWake(sk, Poll.IN);
  return true;
}

/** Take the first datagram; its memory is given back to the receive buffer. */
export function sockShiftRx(sk: Sock): Skb | null {
  const s = sk.rxq.shift();
  if (s) sk.rmem -= skbTruesize(s);
  return s;
}

/** Charge an outgoing skb to the socket's send buffer until the device is done with it. */
export function sockCharge(sk: Sock, s: Skb): void {
  s.sk = changetype<usize>(sk);
  s.charge = skbTruesize(s);
  sk.wmem += s.charge;
}

/** The protocol is done with a closed datagram socket: freed at once, or when the last packet it sent has left. */
export function sockRelease(sk: Sock): void {
  if (changetype<ListNode>(sk).linked) changetype<ListNode>(sk).unlink();
  sk.set(SockFlag.ORPHAN, true);
  if (!sk.wmem) sockFree(sk);
}

function sockUncharge(p: usize, charge: u32): void {
  const sk = changetype<Sock>(p);
  const full = sk.wmem >= sk.sndbuf;
  sk.wmem -= charge;
  if (sk.has(SockFlag.ORPHAN)) {
    if (!sk.wmem) sockFree(sk);
    return;
  }
  if (full && sk.wmem < sk.sndbuf) sockWake(sk, Poll.OUT);
}

/** Every socket there is, open or finishing alone: the one in slot `i` of sockCapacity(), or null. */
export function sockAt(i: u32): Sock | null { return POOL.live(i) ? changetype<Sock>(POOL.at(i)) : null; }
export function sockCapacity(): u32 { return POOL.capacity; }
