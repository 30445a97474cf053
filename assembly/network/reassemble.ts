// Reassembly of fragments, both families (RFC 791 3.2, RFC 8200 4.5). Fragments are kept sorted; a duplicate is
// ignored, any other overlap throws the whole datagram away (RFC 5722, and for IPv4 as Linux, which ignores an IPv4
// fragment inside what is already held). ECN marks are merged (RFC 3168 5.3). Memory and the number of datagrams are
// bounded; the oldest goes first.
import { Usage } from "../abi";
import { carve } from "../lib/arena";
import { be16, putBe16 } from "../lib/bytes";
import { hashBytes } from "../lib/hash";
import { Pool } from "../lib/pool";
import { Drop, dropCount } from "../core/drop";
import { Skb, skbAlloc, skbDrop, skbFree, skbShrink } from "../core/skb";
import { SEC, now } from "../core/time";
import { Timer } from "../core/timer";
import { Ipv4Header } from "../wire/ipv4";
import { FRAG_HLEN, IPV6_HLEN, Ipv6Header } from "../wire/ipv6";

/** Key of a datagram: source and destination (16 bytes each), identification, and protocol | family << 16. */
export const FRAG_KEY: usize = 40;
/** Mark of FragQueue.key's last word: IPv4. */
const FAMILY_V4: u32 = 4;
/** Fragments of one datagram. */
const MAX_PIECES: u32 = 1024;
const MAX: u32 = 256;
const BUCKETS: u32 = 256;

@unmanaged @final export class FragQueue {
  hashNext: usize;
  k0: u64; k1: u64; k2: u64; k3: u64; k4: u64;
  /** Sorted by offset, linked by skb.next; an skb's cb0 is its offset, cb1 its bytes of payload, data at its payload. */
  first: Skb | null;
  pieces: u32;
  /** Payload bytes held. */
  meat: u32;
  /** Payload length, 0 until the last fragment came. */
  total: u32;
  /** Memory held. */
  size: u32;
  /** ECN codepoints seen, a bit for each. */
  ecn: u32;
  born: u64;
  t0: u64; t1: u64; t2: u64; t3: u64; t4: u64;

  @inline get key(): usize { return changetype<usize>(this) + offsetof<FragQueue>("k0"); }
  @inline get timer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<FragQueue>("t0")); }
  @inline get isV4(): bool { return load<u16>(this.key, 38) == FAMILY_V4; }
  /** The fragment with offset 0, or null. */
  get head(): Skb | null {
    const f = this.first;
    return f && f.cb0 == 0 ? f : null;
  }
}

@unmanaged @final class State {
  hash: usize;
  memory: u32;
  /** fn(queue): the time is over. */
  timeout: u32;
}
const S = changetype<State>(memory.data(offsetof<State>(), 8));
const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

/** `timeout`: function index called with a FragQueue before it is thrown away for age. */
export function reassembleInit(timeout: u32): void {
  POOL.init(Usage.FRAGMENTS, offsetof<FragQueue>(), MAX);
  S.hash = carve(BUCKETS << 2, 4);
  S.timeout = timeout;
}

@inline function bucket(key: usize): usize { return S.hash + ((hashBytes(key, FRAG_KEY) & (BUCKETS - 1)) << 2); }

function find(key: usize): FragQueue | null {
  let q = changetype<FragQueue | null>(load<usize>(bucket(key)));
  while (q) {
    if (memory.compare(q.key, key, FRAG_KEY) == 0) return q;
    q = changetype<FragQueue | null>(q.hashNext);
  }
  return null;
}

/** Throw a queue away, counting `reason` once per fragment; Drop.COUNT = consumed. */
function kill(q: FragQueue, reason: Drop): void {
  let link = bucket(q.key);
  while (load<usize>(link) != changetype<usize>(q)) link = load<usize>(link) + offsetof<FragQueue>("hashNext");
  store<usize>(link, q.hashNext);
  q.timer.cancel();
  let s = q.first;
  while (s) {
    const n = s.next;
    if (reason == Drop.COUNT) skbFree(s);
    else skbDrop(s, reason);
    s = n;
  }
  S.memory -= q.size;
  POOL.release(changetype<usize>(q));
}

function expire(arg: usize): void {
  const q = changetype<FragQueue>(arg);
  call_indirect<void>(S.timeout, q);
  kill(q, Drop.FRAG_TIMEOUT);
}

function oldest(not: FragQueue | null): FragQueue | null {
  let best: FragQueue | null = null;
  for (let i: u32 = 0; i < MAX; i++) {
    if (!POOL.live(i)) continue;
    const q = changetype<FragQueue>(POOL.at(i));
    if (q !== not && (!best || q.born < best.born)) best = q;
  }
  return best;
}

/** What a buffer costs: small or large class. */
@inline function cost(s: Skb): u32 { return <u32>(s.end - s.buf); }

/**
 * Take one fragment: net at its IP header, data at its payload of skb.len bytes, `offset` in bytes, `more` = not the last, `ecn` the two
 * bits of its header. `limit`: bytes of memory for all datagrams; `life`: seconds. The complete packet (a new skb, data and net at the IP
 * header of the first fragment, without IPv6 extension headers, its lengths still to be set); or null while incomplete or dropped.
 */
export function reassemble(key: usize, skb: Skb, offset: u32, more: bool, ecn: u32, limit: u32, life: u32): Skb | null {
  let q = find(key);
  skb = skbShrink(skb);
  const len = skb.len;
  const end = offset + len;
  if (!q) {
    if (!POOL.left) {
      const victim = oldest(null);
      if (victim) kill(victim, Drop.FRAG_LIMIT);
    }
    q = changetype<FragQueue>(POOL.alloc());
    memory.copy(q.key, key, FRAG_KEY);
    q.born = now();
    const b = bucket(key);
    q.hashNext = load<usize>(b);
    store<usize>(b, changetype<usize>(q));
    q.timer.init(expire.index, changetype<usize>(q));
    q.timer.armIn(<u64>life * SEC);
  }
  // The last fragment fixes the length; nothing may lie beyond it, and it may not change.
  if (more ? (q.total && end > q.total) : (q.total && q.total != end)) {
    skbDrop(skb, Drop.FRAG_OVERLAP);
    kill(q, Drop.FRAG_OVERLAP);
    return null;
  }
  if (q.pieces >= MAX_PIECES) {
    skbDrop(skb, Drop.FRAG_LIMIT);
    kill(q, Drop.FRAG_LIMIT);
    return null;
  }
  skb.cb0 = offset;
  skb.cb1 = len;
  let prev: Skb | null = null;
  let s = q.first;
  while (s && <u32>s.cb0 < offset) {
    prev = s;
    s = s.next;
  }
  if ((s && <u32>s.cb0 == offset && <u32>s.cb1 == len) || (q.isV4 && held(q, offset, end))) { // duplicate
    dropCount(Drop.FRAG_OVERLAP);
    skbFree(skb);
    return null;
  }
  if ((prev && <u32>prev.cb0 + <u32>prev.cb1 > offset) || (s && end > <u32>s.cb0)) {
    skbDrop(skb, Drop.FRAG_OVERLAP);
    kill(q, Drop.FRAG_OVERLAP);
    return null;
  }
  if (!more) {
    // A fragment already held beyond the end is an overlap of the same kind.
    if (s) {
      skbDrop(skb, Drop.FRAG_OVERLAP);
      kill(q, Drop.FRAG_OVERLAP);
      return null;
    }
    q.total = end;
  }
  skb.next = s;
  if (prev) prev.next = skb;
  else q.first = skb;
  q.ecn |= 1 << (ecn & 3);
  q.pieces++;
  q.meat += len;
  q.size += cost(skb);
  S.memory += cost(skb);
  if (q.total && q.meat == q.total) return complete(q);
  while (S.memory > limit) {
    const victim = oldest(null);
    if (!victim) break;
    kill(victim, Drop.FRAG_LIMIT);
    if (victim === q) break;
  }
  return null;
}

// Do fragments already held cover offset..end without a gap?
function held(q: FragQueue, offset: u32, end: u32): bool {
  let from: u32 = 0, to: u32 = 0;
  let s = q.first;
  while (s && <u32>s.cb0 <= offset) {
    if (<u32>s.cb0 != to) from = <u32>s.cb0;
    to = <u32>s.cb0 + <u32>s.cb1;
    s = s.next;
  }
  while (s && to < end && <u32>s.cb0 == to) {
    to += <u32>s.cb1;
    s = s.next;
  }
  return from <= offset && end <= to;
}

/** What mergedEcn says of a mixture that no path makes. */
const ECN_INVALID: u32 = 4;
// RFC 3168 5.3, as Linux's ip_frag_ecn_table: CE if any is CE and the others are ECT; Not-ECT mixed with anything else is refused.
function mergedEcn(q: FragQueue, own: u32): u32 {
  if (q.ecn & 1) return q.ecn == 1 ? own : ECN_INVALID;
  return q.ecn & 8 ? 3 : own;
}

function complete(q: FragQueue): Skb | null {
  const head = q.first!;
  const v4 = q.isV4;
  const tos = head.net + (v4 ? 1 : 0);
  const own = v4 ? <u32>load<u8>(tos) & 3 : (be16(tos) >> 4) & 3;
  const ecn = mergedEcn(q, own);
  if (ecn == ECN_INVALID) {
    kill(q, Drop.FRAG_MALFORMED);
    return null;
  }
  const headers = v4 ? Ipv4Header.at(head.net).hlen : IPV6_HLEN;
  const out = skbAlloc(headers + q.total);
  if (!out) {
    kill(q, Drop.NO_BUFFER);
    return null;
  }
  memory.copy(out.put(headers), head.net, headers);
  if (v4) store<u8>(out.data, (load<u8>(out.data, 1) & ~3) | <u8>ecn, 1);
  else {
    putBe16(out.data, (be16(out.data) & ~0x30) | (ecn << 4));
    Ipv6Header.at(out.data).nextHeader = load<u8>(head.data - FRAG_HLEN);
  }
  let s: Skb | null = head;
  while (s) {
    memory.copy(out.put(s.len), s.data, s.len);
    s = s.next;
  }
  out.dev = head.dev;
  out.protocol = head.protocol;
  out.pktType = head.pktType;
  out.shared = head.shared;
  out.mark = head.mark;
  out.tstamp = head.tstamp;
  out.net = out.data;
  kill(q, Drop.COUNT);
  return out;
}

/** Forget everything that came in by a device. */
export function reassembleFlush(dev: usize): void {
  for (let i: u32 = 0; i < MAX; i++) {
    if (!POOL.live(i)) continue;
    const q = changetype<FragQueue>(POOL.at(i));
    const f = q.first;
    if (f && f.dev == dev) kill(q, Drop.DEV_DOWN);
  }
}
