// The scoreboard: one record per transmission unit in flight (up to a 64 KiB super-segment), in sequence
// order for acknowledgment and in order of last transmission for RACK. A record is cut when only a part of
// it is acknowledged, sacked or retransmitted, and neighbours that were both sacked are joined again.
import { Usage } from "../../abi";
import { ListNode } from "../../lib/list";
import { Pool } from "../../lib/pool";
import { seqGeq, seqGt, seqLt } from "../../lib/seq";
import { Chunk } from "../../core/chunk";
import { Tcb } from "./tcp";

export const enum SegFlag {
  SACKED = 1,
  /** A retransmission of it is in flight. */
  RETRANS = 2,
  LOST = 4,
  SYN = 8,
  FIN = 16,
  PSH = 32,
  EVER_RETRANS = 64,
  URG = 128,
}

@unmanaged @final export class Seg {
  // ListNode in sequence order
  next: usize;
  prev: usize;
  // ListNode in order of transmission
  tNext: usize;
  tPrev: usize;
  seq: u32;
  /** Behind the last byte; SYN and FIN count. */
  end: u32;
  flags: u32;
  /** MSS-sized packets it stands for. */
  pcount: u32;
  mss: u32;
  /** Chunk that holds the first byte, 0 without payload. */
  chunk: usize;
  /** ns of the last transmission. */
  time: u64;
  // state of delivery when it was sent, for rate samples
  firstTx: u64;
  deliveredTime: u64;
  delivered: u32;
  appLimited: bool;
  txCount: u8;

  @inline has(f: SegFlag): bool { return (this.flags & f) != 0; }
  @inline get timeNode(): ListNode { return changetype<ListNode>(changetype<usize>(this) + offsetof<Seg>("tNext")); }
  /** Payload bytes. */
  @inline get len(): u32 {
    return this.end - this.seq - ((this.flags & SegFlag.FIN) ? 1 : 0) - ((this.flags & SegFlag.SYN) ? 1 : 0);
  }
}

const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

export function segInit(count: u32): void { POOL.init(Usage.TCP_SEGMENTS, offsetof<Seg>(), count); }

@inline export function segOfTime(n: ListNode): Seg { return changetype<Seg>(changetype<usize>(n) - offsetof<Seg>("tNext")); }
/** First unacknowledged record, or null. */
@inline export function segFirst(tp: Tcb): Seg | null { return tp.segs.empty ? null : changetype<Seg>(tp.segs.next); }
@inline export function segLast(tp: Tcb): Seg | null { return tp.segs.empty ? null : changetype<Seg>(tp.segs.prev); }
@inline export function segNext(tp: Tcb, s: Seg): Seg | null {
  return s.next == changetype<usize>(tp.segs) ? null : changetype<Seg>(s.next);
}

function packets(len: u32, mss: u32): u32 { return len <= mss ? 1 : (len + mss - 1) / mss; }

/** A record for [seq, end) at the end of the scoreboard, counted in packets_out; null when the pool is empty. */
export function segPush(tp: Tcb, seq: u32, end: u32, flags: u32, mss: u32, chunk: usize): Seg | null {
  const p = POOL.alloc();
  if (!p) return null;
  const s = changetype<Seg>(p);
  s.seq = seq;
  s.end = end;
  s.flags = flags;
  s.mss = mss;
  s.chunk = chunk;
  s.pcount = packets(s.len, mss);
  s.timeNode.init();
  changetype<ListNode>(s).insertBefore(tp.segs);
  tp.packetsOut += s.pcount;
  return s;
}

/** Note a (re)transmission at `time` ns: to the end of the time order. */
export function segTouch(tp: Tcb, s: Seg, time: u64): void {
  const n = s.timeNode;
  if (n.linked) n.unlink();
  s.time = time;
  n.insertBefore(tp.byTime);
}
/** Out of the time order: nothing more is to be learnt from its send time. */
@inline export function segUntime(s: Seg): void {
  const n = s.timeNode;
  if (n.linked) n.unlink();
}

// Packets of `s` are added to (or with n < 0 taken from) every counter its flags put it in.
function count(tp: Tcb, s: Seg, n: i32): void {
  tp.packetsOut += n;
  if (s.flags & SegFlag.SACKED) tp.sackedOut += n;
  if (s.flags & SegFlag.LOST) tp.lostOut += n;
  if (s.flags & SegFlag.RETRANS) tp.retransOut += n;
}

/** Remove from the scoreboard and from all counters. */
export function segRemove(tp: Tcb, s: Seg): void {
  count(tp, s, -(<i32>s.pcount));
  segUntime(s);
  if (tp.retransHint == changetype<usize>(s)) tp.retransHint = 0;
  changetype<ListNode>(s).unlink();
  POOL.release(changetype<usize>(s));
}

/** Forget the whole scoreboard. */
export function segPurge(tp: Tcb): void {
  let s = segFirst(tp);
  while (s) {
    segRemove(tp, s);
    s = segFirst(tp);
  }
  tp.retransHint = 0;
  tp.sackedOut = 0; // without SACK an estimate from duplicate ACKs, not a sum over the records
}

/** The chunk at or after `chunk` that holds sequence number `seq`, 0 when none does. */
export function chunkHolding(chunk: usize, seq: u32): usize {
  let c = changetype<Chunk | null>(chunk);
  while (c && seqGeq(seq, c.seq + c.len)) c = c.next;
  return changetype<usize>(c);
}

/** Cut `len` payload bytes (0 < len < s.len) off the front into `s`; the rest becomes a new record behind it. False without memory. */
export function segSplit(tp: Tcb, s: Seg, len: u32): bool {
  const p = POOL.alloc();
  if (!p) return false;
  const r = changetype<Seg>(p);
  const cut = s.seq + len + (s.flags & SegFlag.SYN ? 1 : 0);
  count(tp, s, -(<i32>s.pcount));
  r.seq = cut;
  r.end = s.end;
  r.flags = s.flags & ~SegFlag.SYN;
  r.mss = s.mss;
  r.chunk = chunkHolding(s.chunk, cut);
  r.time = s.time;
  r.firstTx = s.firstTx;
  r.deliveredTime = s.deliveredTime;
  r.delivered = s.delivered;
  r.appLimited = s.appLimited;
  r.txCount = s.txCount;
  s.end = cut;
  s.flags &= ~(SegFlag.FIN | SegFlag.PSH);
  s.pcount = packets(s.len, s.mss);
  r.pcount = packets(r.len, r.mss);
  changetype<ListNode>(r).insertBefore(changetype<ListNode>(s.next));
  r.timeNode.init();
  if (s.timeNode.linked) r.timeNode.insertBefore(s.timeNode.next);
  count(tp, s, s.pcount);
  count(tp, r, r.pcount);
  return true;
}

/** The front of `s` up to `una` is acknowledged: cut it off. */
export function segTrim(tp: Tcb, s: Seg, una: u32): u32 {
  const before = s.pcount;
  count(tp, s, -(<i32>before));
  s.flags &= ~SegFlag.SYN;
  s.seq = una;
  s.chunk = chunkHolding(s.chunk, una);
  s.pcount = packets(s.len, s.mss);
  count(tp, s, s.pcount);
  return before > s.pcount ? before - s.pcount : 0;
}

/** Recount for a new MSS. */
export function segResize(tp: Tcb, s: Seg, mss: u32): void {
  count(tp, s, -(<i32>s.pcount));
  s.mss = mss;
  s.pcount = packets(s.len, mss);
  count(tp, s, s.pcount);
}

/** Join `s` with its successor when both are sacked and were treated alike: keeps the scoreboard short under loss. */
export function segJoinSacked(tp: Tcb, s: Seg): bool {
  const r = segNext(tp, s);
  const alike = SegFlag.SACKED | SegFlag.RETRANS | SegFlag.LOST | SegFlag.EVER_RETRANS | SegFlag.SYN;
  if (!r || !(s.flags & SegFlag.SACKED) || ((s.flags ^ r.flags) & alike) || s.end != r.seq || s.mss != r.mss || r.has(SegFlag.FIN)) return false;
  if (s.len % s.mss) return false; // the packet count would change
  const n = s.pcount + r.pcount;
  count(tp, s, r.pcount);
  s.end = r.end;
  s.pcount = n;
  s.flags |= r.flags & SegFlag.PSH;
  if (r.time > s.time) s.time = r.time;
  segRemove(tp, r);
  return true;
}

/** Swallow the successor into `s` for a retransmission of both in one packet of at most `room` bytes. False when it does not fit or is sacked. */
export function segCollapse(tp: Tcb, s: Seg, room: u32): bool {
  const r = segNext(tp, s);
  if (!r || r.has(SegFlag.SACKED) || s.has(SegFlag.FIN) || s.pcount > 1 || r.pcount > 1 || s.end != r.seq || s.len + r.len > room) return false;
  if (!s.chunk) s.chunk = r.chunk;
  s.end = r.end;
  s.flags |= r.flags & (SegFlag.FIN | SegFlag.PSH | SegFlag.EVER_RETRANS);
  segRemove(tp, r);
  return true;
}

/** Flag setters that keep the counters. */
export function segMarkLost(tp: Tcb, s: Seg): void {
  if (s.flags & SegFlag.SACKED) return;
  if (!tp.retransHint || seqLt(s.seq, changetype<Seg>(tp.retransHint).seq)) tp.retransHint = changetype<usize>(s);
  if (s.flags & SegFlag.LOST) {
    if (s.flags & SegFlag.RETRANS) {
      s.flags &= ~SegFlag.RETRANS;
      tp.retransOut -= s.pcount;
      tp.lost += s.pcount;
    }
    return;
  }
  tp.lostOut += s.pcount;
  tp.lost += s.pcount;
  s.flags |= SegFlag.LOST;
  if (s.flags & SegFlag.RETRANS) {
    s.flags &= ~SegFlag.RETRANS;
    tp.retransOut -= s.pcount;
  }
}

/** End of the highest sacked data, or snd_una. */
@inline export function highestSackSeq(tp: Tcb): u32 {
  return tp.sackedOut && seqGt(tp.highestSack, tp.sndUna) ? tp.highestSack : tp.sndUna;
}
