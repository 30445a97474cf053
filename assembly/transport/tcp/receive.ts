// The receive queue: in-order bytes in chunks until the application takes them, the urgent byte (RFC 6093),
// and the window updates that reading causes.
import { Errno, IOV, IOV_MAX } from "../../abi";
import { seqGt } from "../../lib/seq";
import { CHUNK_LARGE, CHUNK_SMALL, Chunk, chunkAlloc, chunkRelease } from "../../core/chunk";
import { Skb, skbRead } from "../../core/skb";
import { SHUT_RCV, SockFlag } from "../../core/sock";
import { sendAck } from "./emit";
import { AckSched, Tcb, TcpState } from "./tcp";
import { desiredWindow, rcvSpaceAdjust, receiveWindow } from "./window";

/** States of the urgent byte (Tcb.urgState). */
export const enum Urg { NONE, NOTYET, VALID, READ }

function append(tp: Tcb, c: Chunk): void {
  const last = changetype<Chunk | null>(tp.rxLast);
  c.prev = last;
  c.next = null;
  if (last) last.next = c;
  else tp.rxFirst = changetype<usize>(c);
  tp.rxLast = changetype<usize>(c);
}

function dropFirst(tp: Tcb, c: Chunk): void {
  const n = c.next;
  if (n) n.prev = null;
  else tp.rxLast = 0;
  tp.rxFirst = changetype<usize>(n);
  chunkRelease(c);
}

/** Append `len` bytes at `offset` of the skb; how many fitted into chunk memory. */
export function rxAppend(tp: Tcb, skb: Skb, offset: u32, len: u32): u32 {
  let done: u32 = 0;
  while (done < len) {
    let c = changetype<Chunk | null>(tp.rxLast);
    if (!c || !c.room) {
      c = chunkAlloc(tp.rxQueued == 0 && len <= CHUNK_SMALL ? CHUNK_SMALL : CHUNK_LARGE);
      if (!c) break;
      append(tp, c);
    }
    const k = min(len - done, c.room);
    skbRead(skb, offset + done, c.tail, k);
    c.end += k;
    done += k;
    tp.rxQueued += k;
  }
  return done;
}

/** Append a whole chunk (it changes hands); small remains are copied so that memory stays dense. */
export function rxAppendChunk(tp: Tcb, c: Chunk): void {
  const n = c.len;
  tp.rxQueued += n;
  const last = changetype<Chunk | null>(tp.rxLast);
  if (last && last.room >= n) {
    memory.copy(last.tail, c.data, n);
    last.end += n;
    chunkRelease(c);
  } else append(tp, c);
}

export function rxPurge(tp: Tcb): void {
  let c = changetype<Chunk | null>(tp.rxFirst);
  while (c) {
    dropFirst(tp, c);
    c = changetype<Chunk | null>(tp.rxFirst);
  }
  tp.rxQueued = 0;
}

function release(tp: Tcb, n: u32): void {
  tp.copiedSeq += n;
  tp.rxQueued -= n;
  while (n) {
    const c = changetype<Chunk>(tp.rxFirst);
    const k = min(n, c.len);
    c.off += k;
    n -= k;
    if (!c.len) dropFirst(tp, c);
  }
  if (tp.urgState && seqGt(tp.copiedSeq, tp.urgSeq)) tp.urgState = Urg.NONE;
}

/** What rxReadable would say, without skipping anything: for readiness. */
export function rxAvailable(tp: Tcb): u32 {
  if (!tp.urgState) return tp.rxQueued;
  if (seqGt(tp.urgSeq, tp.copiedSeq)) return min(tp.rxQueued, tp.urgSeq - tp.copiedSeq);
  const skipped: u32 = tp.urgSeq == tp.copiedSeq && tp.rxQueued && !tp.sk.has(SockFlag.OOBINLINE) ? 1 : 0;
  return tp.rxQueued - skipped;
}

/** Bytes that can be read now: up to the urgent mark, which is skipped when it is next and not inline. */
export function rxReadable(tp: Tcb): u32 {
  if (tp.urgState && tp.urgSeq == tp.copiedSeq && tp.rxQueued && !tp.sk.has(SockFlag.OOBINLINE)) release(tp, 1);
  if (tp.urgState && seqGt(tp.urgSeq, tp.copiedSeq)) return min(tp.rxQueued, tp.urgSeq - tp.copiedSeq);
  return tp.rxQueued;
}

/** Up to `want` readable bytes as (address, length) pairs at IOV; number of pairs. */
export function rxPeek(tp: Tcb, want: u32): u32 {
  let n = min(want, rxReadable(tp));
  let count: u32 = 0;
  let c = changetype<Chunk | null>(tp.rxFirst);
  while (n && c && count < IOV_MAX) {
    const k = min(n, c.len);
    store<u32>(IOV + (count << 3), <u32>c.data);
    store<u32>(IOV + (count << 3), k, 4);
    count++;
    n -= k;
    c = c.next;
  }
  return count;
}

/** The application took `n` bytes (bounded by what is readable); the number taken. */
export function rxConsume(tp: Tcb, n: u32): u32 {
  n = min(n, rxReadable(tp));
  if (!n) return 0;
  release(tp, n);
  rcvSpaceAdjust(tp);
  cleanupRbuf(tp, n);
  return n;
}

/** Send the ACK or the window update that reading makes due (RFC 9293 3.8.6.2.2). */
export function cleanupRbuf(tp: Tcb, copied: u32): void {
  let due = false;
  const state = tp.sk.state;
  if (state == <u8>TcpState.CLOSE || state == <u8>TcpState.LISTEN || state == <u8>TcpState.SYN_SENT) return;
  if (tp.ackFlags & AckSched.SCHED) {
    const pushed = tp.ackFlags & AckSched.PUSHED2 || (tp.ackFlags & AckSched.PUSHED && !tp.pingpong);
    if (tp.rcvNxt - tp.rcvWup > tp.rcvMss || (copied && pushed && !tp.rxQueued)) due = true;
  }
  if (copied && !due && !(tp.sk.shutdown & SHUT_RCV)) {
    const current = receiveWindow(tp);
    if (current * 2 <= tp.windowClamp) {
      const next = desiredWindow(tp);
      if (next && next >= current * 2) due = true;
    }
  }
  if (due) sendAck(tp);
}

/** Note the urgent pointer of a segment (RFC 9293 3.8.5; it points behind the byte unless tcp_stdurg). */
export function urgPointer(tp: Tcb, mark: u32): bool {
  if (seqGt(tp.copiedSeq, mark) || seqGt(tp.rcvNxt, mark)) return false;
  if (tp.urgState && !seqGt(mark, tp.urgSeq)) return false;
  // A second mark while the first byte waits out of band: the first becomes ordinary data that nobody reads.
  if (tp.urgState && tp.urgSeq == tp.copiedSeq && tp.copiedSeq != tp.rcvNxt && tp.rxQueued && !tp.sk.has(SockFlag.OOBINLINE)) release(tp, 1);
  tp.urgState = Urg.NOTYET;
  tp.urgSeq = mark;
  return true;
}

/** MSG_OOB: the urgent byte at `dst`; 1, 0 (end of stream), -EINVAL (none, or inline), -EAGAIN (not here yet). `peek` leaves it. */
export function urgRead(tp: Tcb, dst: usize, peek: bool): i32 {
  const sk = tp.sk;
  if (sk.has(SockFlag.OOBINLINE) || tp.urgState == Urg.NONE || tp.urgState == Urg.READ) return -Errno.EINVAL;
  if (tp.urgState == Urg.VALID) {
    store<u8>(dst, tp.urgByte);
    if (!peek) tp.urgState = Urg.READ;
    return 1;
  }
  if (sk.state == <u8>TcpState.CLOSE || sk.shutdown & SHUT_RCV) return 0;
  return -Errno.EAGAIN;
}
