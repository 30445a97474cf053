// Out-of-order data: chunks sorted by sequence number, without overlap, bounded by the receive buffer; and
// what is told about it: SACK blocks (RFC 2018 4) and duplicate SACKs (RFC 2883).
import { seqGeq, seqGt, seqLeq, seqLt } from "../../lib/seq";
import { CHUNK_LARGE, CHUNK_SMALL, Chunk, chunkAlloc, chunkRelease } from "../../core/chunk";
import { Mib, mibInc } from "../../core/mib";
import { Skb, skbRead } from "../../core/skb";
import { Sysctl, sysctl } from "../../core/sysctl";
import { TCP_NUM_SACKS } from "../../wire/tcp";
import { rxAppendChunk } from "./receive";
import { memoryPressure } from "./sendq";
import { Sack, Tcb } from "./tcp";

// ---- the queue ----
/** Bytes that follow each other, for a large chunk to take them. */
const RUN: u32 = 3 * CHUNK_LARGE;

@inline function chunkEnd(c: Chunk): u32 { return c.seq + c.len; }

function insertBefore(tp: Tcb, c: Chunk, pos: Chunk | null): void {
  const prev = pos ? pos.prev : changetype<Chunk | null>(tp.ofoLast);
  c.prev = prev;
  c.next = pos;
  if (prev) prev.next = c;
  else tp.ofoFirst = changetype<usize>(c);
  if (pos) pos.prev = c;
  else tp.ofoLast = changetype<usize>(c);
  tp.ofoMem += c.cap;
}

function unlink(tp: Tcb, c: Chunk): void {
  const p = c.prev, n = c.next;
  if (p) p.next = n;
  else tp.ofoFirst = changetype<usize>(n);
  if (n) n.prev = p;
  else tp.ofoLast = changetype<usize>(p);
  tp.ofoMem -= c.cap;
  tp.ofoBytes -= c.len;
}

/** Forget all of it. */
export function ofoPurge(tp: Tcb): void {
  let c = changetype<Chunk | null>(tp.ofoFirst);
  while (c) {
    unlink(tp, c);
    chunkRelease(c);
    c = changetype<Chunk | null>(tp.ofoFirst);
  }
  tp.ofoFin = false;
  tp.nsacks = 0;
}

@inline function memLimit(tp: Tcb): u32 { return max(memoryPressure() ? sysctl(Sysctl.TCP_RMEM_MIN) : tp.sk.rcvbuf, CHUNK_SMALL); }

// Make room for `cap` bytes of chunk below `seq`, dropping from the top. False: the new data itself is the top.
function makeRoom(tp: Tcb, seq: u32, cap: u32): bool {
  const limit = memLimit(tp);
  let pruned = false;
  while (tp.ofoMem + cap > limit) {
    const last = changetype<Chunk | null>(tp.ofoLast);
    if (!last || !seqLt(seq, last.seq)) return false;
    unlink(tp, last);
    chunkRelease(last);
    pruned = true;
  }
  if (pruned) {
    // What was sacked is gone: tell nothing rather than something untrue.
    tp.nsacks = 0;
    tp.ofoFin = false;
    mibInc(Mib.TcpExtTCPRcvPruned);
  }
  return true;
}

// The chunk for `left` bytes with `gap` bytes until what is there already, that follow `prev` if it is not null. Large only for a run that fills
// three: chunks of whole segments then take at most 1.4 times what they hold, as much as the buffer allows a window (scaleWindow), and nothing sacked
// is dropped for want of room.
function chunkFor(tp: Tcb, prev: Chunk | null, left: u32, gap: u32): u32 {
  if (gap < CHUNK_LARGE || tp.ofoMem + 2 * CHUNK_LARGE > memLimit(tp)) return CHUNK_SMALL;
  let run = left, c = prev;
  while (c && run < RUN) {
    if (c.cap > CHUNK_SMALL) return CHUNK_LARGE;
    run += c.len;
    const before = c.prev;
    c = before && chunkEnd(before) == c.seq ? before : null;
  }
  return run < RUN ? CHUNK_SMALL : CHUNK_LARGE;
}

// Store `len` bytes for [seq, seq+len), which nothing covers, before `pos`. Bytes stored.
function put(tp: Tcb, skb: Skb, offset: u32, seq: u32, len: u32, pos: Chunk | null): u32 {
  let done: u32 = 0;
  while (done < len) {
    const prev = pos ? pos.prev : changetype<Chunk | null>(tp.ofoLast);
    const follows = prev != null && chunkEnd(prev) == seq + done;
    if (follows && prev!.room) {
      const k = min(len - done, prev!.room);
      skbRead(skb, offset + done, prev!.tail, k);
      prev!.end += k;
      done += k;
      tp.ofoBytes += k;
      continue;
    }
    const posSeq: u32 = pos ? pos.seq : 0;
    const want = chunkFor(tp, follows ? prev : changetype<Chunk | null>(0), len - done, pos ? posSeq - seq - done : u32.MAX_VALUE);
    if (!makeRoom(tp, seq + done, want)) break;
    if (pos && (!tp.ofoLast || seqGt(posSeq, changetype<Chunk>(tp.ofoLast).seq))) pos = null; // pruned
    const c = chunkAlloc(want);
    if (!c) break;
    c.seq = seq + done;
    insertBefore(tp, c, pos);
  }
  return done;
}

/** Queue the `len` payload bytes at `offset` of `skb`, sequence [seq, seq+len) above RCV.NXT. False when some were dropped. */
export function ofoInsert(tp: Tcb, skb: Skb, offset: u32, seq: u32, len: u32): bool {
  const end = seq + len;
  let at = seq;
  // Most arrive at the end.
  let pos = changetype<Chunk | null>(tp.ofoLast);
  if (pos && seqGeq(seq, chunkEnd(pos))) pos = null;
  else pos = changetype<Chunk | null>(tp.ofoFirst);
  let duplicate: u32 = 0;
  while (seqLt(at, end)) {
    while (pos && seqLeq(chunkEnd(pos), at)) pos = pos.next;
    if (pos && seqLeq(pos.seq, at)) {
      const to = seqLt(chunkEnd(pos), end) ? chunkEnd(pos) : end;
      dsackExtend(tp, at, to);
      duplicate += to - at;
      at = to;
      continue;
    }
    const gapEnd = pos && seqLt(pos.seq, end) ? pos.seq : end;
    const n = put(tp, skb, offset + (at - seq), at, gapEnd - at, pos);
    at += n;
    if (at != gapEnd) break;
    pos = changetype<Chunk | null>(tp.ofoFirst); // pruning may have freed it
  }
  if (duplicate == len) mibInc(Mib.TcpExtTCPOFOMerge);
  if (at != seq && tp.sackOk) sackNew(tp, seq, at);
  return at == end;
}

/** Move what has become in order to the receive queue, up to a FIN that waits. True when anything moved. */
export function ofoDrain(tp: Tcb): bool {
  let moved = false;
  let c = changetype<Chunk | null>(tp.ofoFirst);
  while (c && seqLeq(c.seq, tp.rcvNxt) && !(tp.ofoFin && tp.rcvNxt == tp.ofoFinSeq)) {
    unlink(tp, c);
    if (tp.ofoFin && seqGt(chunkEnd(c), tp.ofoFinSeq)) c.end -= chunkEnd(c) - tp.ofoFinSeq; // it came before the FIN did
    if (seqLt(c.seq, tp.rcvNxt)) dsackExtend(tp, c.seq, seqLt(chunkEnd(c), tp.rcvNxt) ? chunkEnd(c) : tp.rcvNxt);
    if (seqGt(chunkEnd(c), tp.rcvNxt)) {
      c.off += tp.rcvNxt - c.seq;
      c.seq = tp.rcvNxt;
      tp.rcvNxt += c.len;
      tp.bytesReceived += c.len;
      rxAppendChunk(tp, c);
      moved = true;
    } else chunkRelease(c);
    c = changetype<Chunk | null>(tp.ofoFirst);
  }
  return moved;
}

// ---- SACK blocks ----
function extend(sp: Sack, seq: u32, end: u32): bool {
  if (seqGt(seq, sp.end) || seqGt(sp.start, end)) return false;
  if (seqLt(seq, sp.start)) sp.start = seq;
  if (seqGt(end, sp.end)) sp.end = end;
  return true;
}
@inline function word(tp: Tcb, i: u32): usize { return changetype<usize>(tp.sack(i)); }

function remove(tp: Tcb, i: u32): void {
  tp.nsacks--;
  for (let j = i; j < tp.nsacks; j++) store<u64>(word(tp, j), load<u64>(word(tp, j + 1)));
}

// The block with the newest data comes first (RFC 2018 4).
export function sackNew(tp: Tcb, seq: u32, end: u32): void {
  for (let i: u32 = 0; i < tp.nsacks; i++) {
    if (!extend(tp.sack(i), seq, end)) continue;
    const w = load<u64>(word(tp, i));
    for (let j = i; j > 0; j--) store<u64>(word(tp, j), load<u64>(word(tp, j - 1)));
    store<u64>(word(tp, 0), w);
    let k: u32 = 1;
    while (k < tp.nsacks) {
      if (extend(tp.sack(0), tp.sack(k).start, tp.sack(k).end)) remove(tp, k);
      else k++;
    }
    return;
  }
  if (tp.nsacks < TCP_NUM_SACKS) tp.nsacks++;
  for (let j = tp.nsacks - 1; j > 0; j--) store<u64>(word(tp, j), load<u64>(word(tp, j - 1)));
  tp.sack(0).start = seq;
  tp.sack(0).end = end;
}

/** RCV.NXT has advanced: blocks below it are history. */
export function sackRemove(tp: Tcb): void {
  if (!tp.ofoFirst && !tp.ofoFin) {
    tp.nsacks = 0;
    return;
  }
  let i: u32 = 0;
  while (i < tp.nsacks) {
    if (seqGeq(tp.rcvNxt, tp.sack(i).start)) remove(tp, i);
    else i++;
  }
}

/** Report [seq, end) as received twice with the next ACK. */
export function dsackSet(tp: Tcb, seq: u32, end: u32): void {
  if (!tp.sackOk || !sysctl(Sysctl.TCP_DSACK)) return;
  mibInc(seqLt(seq, tp.rcvNxt) ? Mib.TcpExtTCPDSACKOldSent : Mib.TcpExtTCPDSACKOfoSent);
  tp.dsack = true;
  tp.dsackStart = seq;
  tp.dsackEnd = end;
}
function dsackExtend(tp: Tcb, seq: u32, end: u32): void {
  if (!tp.dsack) {
    dsackSet(tp, seq, end);
    return;
  }
  if (seqGt(seq, tp.dsackEnd) || seqGt(tp.dsackStart, end)) return;
  if (seqLt(seq, tp.dsackStart)) tp.dsackStart = seq;
  if (seqGt(end, tp.dsackEnd)) tp.dsackEnd = end;
}
