// The packet buffer. One record describes a frame being received, built or sent; it owns its linear buffer
// and holds references to the chunks of its gather list. Whoever is handed an skb either passes it on or
// drops it (skbDrop with a reason, skbFree when consumed); there is no other reference.
//
//   buf        data                      data+len         end
//    | headroom  | mac | net | trans | ...   | tailroom     |     then frags[0..nfrags): bytes in chunks
//
// `data`/`len` cover the linear part only and move as headers are pulled and pushed; `total` = len + fragLen.
import { Usage } from "../abi";
import { Pool } from "../lib/pool";
import { csumAdd, csumBlockAdd, csumFold } from "../lib/checksum";
import { Chunk, chunkHold, chunkRelease } from "./chunk";
import { Drop, dropCount } from "./drop";
import { now } from "./time";

export const BUF_SMALL: u32 = 2048;
/** Holds a 64 KiB super-frame with link headers and headroom. */
export const BUF_LARGE: u32 = 68 * 1024;
/** Room kept for headers in front of a packet built here: link 14 + vlan 8 + IP 60 + tunnel 60, rounded. */
export const HEADROOM: u32 = 160;
export const SKB_MAX_FRAGS: u32 = 8;

/** Link-level addressing of a received frame (Linux PACKET_*). */
export const enum PktType { HOST, BROADCAST, MULTICAST, OTHERHOST, OUTGOING, LOOPBACK }
/** State of the transport checksum (Linux CHECKSUM_*). */
export const enum CsumState {
  /** Not looked at: verify. */
  NONE,
  /** Known good. */
  UNNECESSARY,
  /** Only the pseudo-header is summed into the field; device or skbChecksumHelp completes it. */
  PARTIAL,
}

@unmanaged @final export class Skb {
  next: Skb | null;
  prev: Skb | null;
  buf: usize;
  end: usize;
  data: usize;
  len: u32;
  fragLen: u32;
  /** Link, network and transport header, 0 when unknown. */
  mac: usize;
  net: usize;
  trans: usize;
  /** The NetDevice it came in by or leaves by. */
  dev: usize;
  /** EtherType, host order. */
  protocol: u16;
  pktType: i32;
  csum: i32;
  /** With CsumState.PARTIAL: address where summing starts, and the field's offset from there. */
  csumStart: usize;
  csumOffset: u16;
  /** Payload bytes of each segment when this is a super-segment, else 0. */
  gsoSize: u16;
  /** Vnet.GSO_*. */
  gsoType: u8;
  /** Segments this frame stands for (>= 1 on receive). */
  gsoSegs: u16;
  nfrags: u8;
  /** Set on copies looped back to local receivers. */
  looped: u8;
  /** Delivered by forwarding (not locally generated). */
  forwarded: u8;
  /** Every worker has it (core/worker.ts). */
  shared: u8;
  mark: u32;
  priority: u32;
  /** Arrival or creation, ns on the core's clock. */
  tstamp: u64;
  /** The sending Sock, 0 if none: skbFree calls its write-space accounting when `charge` is not 0. */
  sk: usize;
  charge: u32;
  /** Private to the layer that holds the skb. */
  cb0: u64;
  cb1: u64;
  cb2: u64;
  cb3: u64;
  cb4: u64;
  cb5: u64;
  // frags: SKB_MAX_FRAGS records of {chunk, ptr, len}
  f0: u32; f1: u32; f2: u32; f3: u32; f4: u32; f5: u32; f6: u32; f7: u32;
  f8: u32; f9: u32; f10: u32; f11: u32; f12: u32; f13: u32; f14: u32; f15: u32;
  f16: u32; f17: u32; f18: u32; f19: u32; f20: u32; f21: u32; f22: u32; f23: u32;

  @inline get total(): u32 { return this.len + this.fragLen; }
  @inline get headroom(): u32 { return <u32>(this.data - this.buf); }
  @inline get tailroom(): u32 { return <u32>(this.end - this.data - this.len); }
  @inline get tail(): usize { return this.data + this.len; }
  @inline private frag(i: u32): usize { return changetype<usize>(this) + offsetof<Skb>("f0") + i * 12; }
  @inline fragChunk(i: u32): Chunk { return changetype<Chunk>(load<u32>(this.frag(i))); }
  @inline fragPtr(i: u32): usize { return load<u32>(this.frag(i), 4); }
  @inline fragSize(i: u32): u32 { return load<u32>(this.frag(i), 8); }

  /** Prepend `n` bytes and return their address. The headroom must suffice. */
  @inline push(n: u32): usize {
    assert(n <= this.headroom, "skb: no headroom");
    this.data -= n;
    this.len += n;
    return this.data;
  }
  /** It lies in a large buffer, of which there are few. */
  @inline get large(): bool { return <u32>(this.end - this.buf) != BUF_SMALL; }
  /** Remove `n` bytes (n <= len) from the front; the new data pointer. */
  @inline pull(n: u32): usize {
    assert(n <= this.len, "skb: pull past the end");
    this.data += n;
    this.len -= n;
    return this.data;
  }
  /** Append `n` bytes and return their address. The tailroom must suffice. */
  @inline put(n: u32): usize {
    assert(n <= this.tailroom, "skb: no tailroom");
    const p = this.data + this.len;
    this.len += n;
    return p;
  }
  /** Cut the linear part to `n` bytes (padding of a received frame). */
  @inline trim(n: u32): void {
    if (n < this.len) this.len = n;
  }
  /** Append `len` bytes at `ptr` of chunk `c` to the gather list; false when the list is full. */
  addFrag(c: Chunk, ptr: usize, len: u32): bool {
    const i = <u32>this.nfrags;
    if (i >= SKB_MAX_FRAGS) return false;
    const f = this.frag(i);
    store<u32>(f, <u32>changetype<usize>(c));
    store<u32>(f, <u32>ptr, 4);
    store<u32>(f, len, 8);
    chunkHold(c);
    this.nfrags = <u8>(i + 1);
    this.fragLen += len;
    return true;
  }
}

const RECORDS = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const SMALL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const LARGE = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
/** Function index called as (sk, charge) when a charged skb is freed. */
const UNCHARGE: usize = memory.data(4, 4);

export function skbInit(small: u32, large: u32): void {
  RECORDS.init(Usage.PACKETS, offsetof<Skb>(), small + large);
  SMALL.init(Usage.PACKETS_SMALL, BUF_SMALL, small, 64);
  LARGE.init(Usage.PACKETS_LARGE, BUF_LARGE, large, 64);
}
/** Set by core/sock: who takes back a freed skb's charge. */
export function skbSetUncharge(fnIndex: u32): void { store<u32>(UNCHARGE, fnIndex); }

/** An empty skb with HEADROOM before `data` and room for `size` bytes after it; null when the pools are exhausted. */
export function skbAlloc(size: u32): Skb | null {
  const small = size <= BUF_SMALL - HEADROOM;
  if (!small && size > BUF_LARGE - HEADROOM) return null;
  const buf = small ? SMALL.allocRaw() : LARGE.allocRaw();
  if (!buf) return null;
  const s = changetype<Skb>(RECORDS.alloc());
  s.buf = buf;
  s.end = buf + (small ? BUF_SMALL : BUF_LARGE);
  s.data = buf + HEADROOM;
  s.gsoSegs = 1;
  s.tstamp = now();
  return s;
}

/** A large receive buffer (the host fills it); null when `reserve` are left, or a quarter of all in a small memory, so that senders keep some. */
export function skbAllocRx(reserve: u32): Skb | null {
  if (LARGE.left <= min(reserve, LARGE.capacity >> 2)) return null;
  return skbAlloc(BUF_LARGE - HEADROOM);
}

/** The sender is done with it: its send buffer has the room again. */
export function skbOrphan(s: Skb): void {
  const charge = s.charge;
  if (!charge) return;
  s.charge = 0;
  call_indirect<void>(load<u32>(UNCHARGE), s.sk, charge);
}

/** The skb was consumed: give everything back without counting a drop. */
export function skbFree(s: Skb): void {
  skbOrphan(s);
  for (let i: u32 = 0; i < s.nfrags; i++) chunkRelease(s.fragChunk(i));
  if (s.large) LARGE.release(s.buf);
  else SMALL.release(s.buf);
  RECORDS.release(changetype<usize>(s));
}

/** The skb is dropped: count why, then free it. */
export function skbDrop(s: Skb, reason: Drop): void {
  dropCount(reason);
  skbFree(s);
}

// Bytes from the link or network header, whichever comes first, to data.
function pulled(s: Skb): u32 {
  const front = s.mac && s.mac < s.data ? s.mac : s.net && s.net < s.data ? s.net : s.data;
  return <u32>(s.data - front);
}

/**
 * A copy with its own linear buffer holding all bytes (gather list flattened), the headers before data that were pulled, however
 * long (extension headers), and the same metadata; null without memory.
 */
export function skbCopy(s: Skb): Skb | null {
  const back = pulled(s), more = back > HEADROOM ? back : 0;
  const c = skbAlloc(more + s.total);
  if (!c) return null;
  c.data += more;
  c.len = s.total;
  skbRead(s, 0, c.data, s.total);
  const d = c.data - s.data;
  if (s.mac) c.mac = s.mac + d;
  if (s.net) c.net = s.net + d;
  if (s.trans) c.trans = s.trans + d;
  if (s.csumStart) c.csumStart = s.csumStart + d;
  memory.copy(c.data - back, s.data - back, back);
  c.dev = s.dev;
  c.protocol = s.protocol;
  c.pktType = s.pktType;
  c.csum = s.csum;
  c.csumOffset = s.csumOffset;
  c.gsoSize = s.gsoSize;
  c.gsoType = s.gsoType;
  c.gsoSegs = s.gsoSegs;
  c.mark = s.mark;
  c.priority = s.priority;
  c.shared = s.shared;
  c.tstamp = s.tstamp;
  return c;
}

/**
 * For a packet that will wait in a queue: when it lies in a large buffer but fits a small one, its copy there (the original
 * is freed); else the skb itself. Receive buffers are large, and a queue of tiny packets must not hold them all.
 */
export function skbShrink(s: Skb): Skb {
  const back = pulled(s);
  if (!s.large || s.total + (back > HEADROOM ? back : 0) > BUF_SMALL - HEADROOM || s.charge) return s;
  const c = skbCopy(s);
  if (!c) return s;
  c.cb0 = s.cb0; c.cb1 = s.cb1; c.cb2 = s.cb2; c.cb3 = s.cb3; c.cb4 = s.cb4; c.cb5 = s.cb5;
  c.looped = s.looped;
  c.forwarded = s.forwarded;
  skbFree(s);
  return c;
}

/** Copy `n` bytes starting `offset` bytes after data, across the gather list, to `dst`. The range must lie inside the skb. */
export function skbRead(s: Skb, offset: u32, dst: usize, n: u32): void {
  assert(offset + n <= s.total, "skb: read past the end");
  if (offset < s.len) {
    const k = min(n, s.len - offset);
    memory.copy(dst, s.data + offset, k);
    dst += k;
    n -= k;
    offset = 0;
  } else offset -= s.len;
  for (let i: u32 = 0; n && i < s.nfrags; i++) {
    const size = s.fragSize(i);
    if (offset >= size) {
      offset -= size;
      continue;
    }
    const k = min(n, size - offset);
    memory.copy(dst, s.fragPtr(i) + offset, k);
    dst += k;
    n -= k;
    offset = 0;
  }
}

/** Unfolded checksum of everything from address `from` (inside the linear part) to the end of the gather list. */
export function skbCsum(s: Skb, from: usize, sum: u64 = 0): u64 {
  let done = <u32>(s.tail - from);
  sum = csumAdd(from, done, sum);
  for (let i: u32 = 0; i < s.nfrags; i++) {
    sum = csumBlockAdd(sum, csumAdd(s.fragPtr(i), s.fragSize(i)), done);
    done += s.fragSize(i);
  }
  return sum;
}

/** Where UDP's checksum field lies in its header. */
const UDP_CSUM_OFFSET: u16 = 6;

/** Complete a PARTIAL checksum in software. UDP's zero becomes all ones (RFC 768), nobody else's does. */
export function skbChecksumHelp(s: Skb): void {
  if (s.csum != CsumState.PARTIAL) return;
  const sum = ~csumFold(skbCsum(s, s.csumStart)) & 0xffff;
  store<u16>(s.csumStart + s.csumOffset, <u16>(!sum && s.csumOffset == UDP_CSUM_OFFSET ? 0xffff : sum));
  s.csum = CsumState.NONE;
}

/** Ask that the transport checksum at `start`+`offset` be completed; the field already holds the folded pseudo-header sum. */
@inline export function skbSetPartial(s: Skb, start: usize, offset: u32): void {
  s.csum = CsumState.PARTIAL;
  s.csumStart = start;
  s.csumOffset = <u16>offset;
}

/** A FIFO of skbs with its byte count, embedded in sockets, neighbours and devices. Zeroed = empty. */
@unmanaged @final export class SkbQueue {
  first: Skb | null;
  last: Skb | null;
  count: u32;
  bytes: u32;

  push(s: Skb): void {
    s.next = null;
    const l = this.last;
    if (l) l.next = s;
    else this.first = s;
    this.last = s;
    this.count++;
    this.bytes += s.total;
  }
  /** Put back at the front. */
  unshift(s: Skb): void {
    s.next = this.first;
    this.first = s;
    if (!this.last) this.last = s;
    this.count++;
    this.bytes += s.total;
  }
  shift(): Skb | null {
    const s = this.first;
    if (!s) return null;
    this.first = s.next;
    if (!this.first) this.last = null;
    s.next = null;
    this.count--;
    this.bytes -= s.total;
    return s;
  }
  /** Free everything queued, counting `reason`; Drop.COUNT = consumed, not counted. */
  purge(reason: Drop): void {
    let s = this.shift();
    while (s) {
      if (reason == Drop.COUNT) skbFree(s);
      else skbDrop(s, reason);
      s = this.shift();
    }
  }
}
