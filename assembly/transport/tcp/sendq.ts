// The send queue: one list of chunks with every byte from SND.UNA to the end of what the application wrote.
// Transmission refers to the chunks (gather lists), so nothing is copied again.
import { IOV, IOV_MAX } from "../../abi";
import { seqGt, seqLeq } from "../../lib/seq";
import { CHUNK_LARGE, CHUNK_SMALL, Chunk, chunkAlloc, chunkMemory, chunkMemoryUsed, chunkRelease } from "../../core/chunk";
import { SKB_MAX_FRAGS, Skb } from "../../core/skb";
import { Tcb } from "./tcp";

/** Is chunk memory so scarce that buffers must stop growing? */
@inline export function memoryPressure(): bool { return chunkMemoryUsed() > chunkMemory() - (chunkMemory() >> 3); }
/** Is next to nothing of it left? Buffers that fill stop at the pressure above; this takes more connections than there is memory for. */
@inline export function memoryExhausted(): bool { return chunkMemoryUsed() > chunkMemory() - (chunkMemory() >> 5); }
/** Bytes queued from which on a connection without an application is worth a reset for its memory. */
const ORPHAN_QUEUED: u32 = 65536;
@inline export function holdsMemory(tp: Tcb): bool { return tp.orphan && tp.txQueued > ORPHAN_QUEUED; }

// The tail chunk is the one with room; those behind it (if any) are empty, waiting for a commit.
function tailWithRoom(tp: Tcb): Chunk | null {
  let c = changetype<Chunk | null>(tp.txLast);
  while (c && !c.len && c.prev && c.prev!.room) c = c.prev;
  return c && c.room ? c : null;
}

function append(tp: Tcb, c: Chunk): void {
  const last = changetype<Chunk | null>(tp.txLast);
  c.prev = last;
  c.next = null;
  if (last) last.next = c;
  else tp.txFirst = changetype<usize>(c);
  tp.txLast = changetype<usize>(c);
}

function drop(tp: Tcb, c: Chunk): void {
  const p = c.prev, n = c.next;
  if (p) p.next = n;
  else tp.txFirst = changetype<usize>(n);
  if (n) n.prev = p;
  else tp.txLast = changetype<usize>(p);
  chunkRelease(c);
}

/** Offer room for `n` bytes as (address, length) pairs at IOV; the number of pairs (fewer bytes when chunks run out). */
export function sendqReserve(tp: Tcb, n: u32): u32 {
  let count: u32 = 0;
  let c = tailWithRoom(tp);
  while (n && count < IOV_MAX) {
    if (!c) {
      c = chunkAlloc(tp.txQueued == 0 && n <= CHUNK_SMALL ? CHUNK_SMALL : CHUNK_LARGE);
      if (!c) break;
      append(tp, c);
    }
    const k = min(n, c.room);
    store<u32>(IOV + (count << 3), <u32>c.tail);
    store<u32>(IOV + (count << 3), k, 4);
    count++;
    n -= k;
    c = c.next;
  }
  return count;
}

/** The first `n` bytes of the reserved room are data now; unused chunks go back. Returns the bytes taken, at most what was reserved. */
export function sendqCommit(tp: Tcb, n: u32): u32 {
  let done: u32 = 0;
  let c = tailWithRoom(tp);
  while (c && done < n) {
    const k = min(n - done, c.room);
    if (!c.len) c.seq = tp.writeSeq + done;
    c.end += k;
    done += k;
    c = c.next;
  }
  let last = changetype<Chunk | null>(tp.txLast);
  while (last && !last.len) {
    drop(tp, last);
    last = changetype<Chunk | null>(tp.txLast);
  }
  tp.writeSeq += done;
  tp.txQueued += done;
  return done;
}

/** Give back the chunks below `una`. */
export function sendqAck(tp: Tcb, una: u32): void {
  let c = changetype<Chunk | null>(tp.txFirst);
  while (c && c.len && seqLeq(c.seq + c.len, una)) {
    tp.txQueued -= c.len;
    drop(tp, c);
    c = changetype<Chunk | null>(tp.txFirst);
  }
  if (c && c.len && seqGt(una, c.seq)) {
    const k = una - c.seq;
    c.off += k;
    c.seq = una;
    tp.txQueued -= k;
  }
}

export function sendqPurge(tp: Tcb): void {
  let c = changetype<Chunk | null>(tp.txFirst);
  while (c) {
    drop(tp, c);
    c = changetype<Chunk | null>(tp.txFirst);
  }
  tp.txQueued = 0;
}

/** How many of the `len` bytes at `seq` one gather list can hold, starting in `chunk`. */
export function sendqSpan(chunk: usize, seq: u32, len: u32): u32 {
  let c = changetype<Chunk | null>(chunk);
  let done: u32 = 0;
  let at = seq;
  for (let i: u32 = 0; c && done < len && i < SKB_MAX_FRAGS; i++) {
    const k = min(len - done, c.seq + c.len - at);
    done += k;
    at += k;
    c = c.next;
  }
  return done;
}

/** Refer `skb` to the `len` bytes at `seq`, which start in `chunk`; `len` within sendqSpan. */
export function sendqGather(skb: Skb, chunk: usize, seq: u32, len: u32): void {
  let c = changetype<Chunk | null>(chunk);
  while (len && c) {
    const off = seq - c.seq;
    const k = min(len, c.len - off);
    if (!skb.addFrag(c, c.data + off, k)) break;
    seq += k;
    len -= k;
    c = c.next;
  }
  assert(!len, "tcp: gather past the send queue");
}
