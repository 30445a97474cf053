// The receive window: how much to advertise (RFC 9293 3.8.6.2.2, RFC 7323 2), and buffer autotuning by
// dynamic right-sizing. Half of the buffer is payload, half its overhead, until the size of the peer's segments
// is known, as in Linux (scaling_ratio). The right edge is never taken back.
import { CHUNK_SMALL, Chunk } from "../../core/chunk";
import { SockFlag } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { Mib, mibInc } from "../../core/mib";
import { US, now } from "../../core/time";
import { TCP_MAX_WSCALE } from "../../wire/tcp";
import { memoryPressure } from "./sendq";
import { Tcb } from "./tcp";

/** `v` rounded up to a power of two. */
export function roundPow2(v: u32): u32 { return v <= 1 ? 1 : <u32>1 << (32 - clz<u32>(v - 1)); }

/** The share of a buffer that is window, in 256ths: at first, and the most that ofo.ts keeps room for. */
export const DEFAULT_SCALING_RATIO: u32 = 128;
const MAX_SCALING_RATIO: u32 = 192;

/** Payload bytes a buffer of `space` bytes stands for. */
@inline export function winFromSpace(space: u32, ratio: u32): u32 { return <u32>(<u64>space * ratio >> 8); }
@inline export function fullSpace(tp: Tcb): u32 { return winFromSpace(tp.sk.rcvbuf, tp.scalingRatio); }

/** The size of the peer's segments is known anew: what each of them takes of the buffer when it waits for a hole to be filled. */
export function scaleWindow(tp: Tcb): void {
  const mss = tp.rcvMss, space = (mss + CHUNK_SMALL - 1) & ~(CHUNK_SMALL - 1);
  const ratio = min(max((mss << 8) / space, DEFAULT_SCALING_RATIO), MAX_SCALING_RATIO);
  if (ratio == tp.scalingRatio) return;
  tp.scalingRatio = ratio;
  clampWindow(tp);
  tp.rcvqSpace = min(tp.rcvqSpace, tp.windowClamp);
  tp.rcvSsthresh = min(max(tp.rcvSsthresh, tp.rcvWnd), tp.windowClamp);
}

/** The largest window is what the buffer stands for, unless TCP_WINDOW_CLAMP or the header's 16 bits allow less. */
function clampWindow(tp: Tcb): void {
  tp.windowClamp = min(fullSpace(tp), <u32>65535 << tp.rcvWscale);
  if (tp.bindWindowClamp) tp.windowClamp = min(tp.windowClamp, tp.bindWindowClamp);
}

/** Payload bytes that still fit. */
@inline export function freeSpace(tp: Tcb): u32 {
  const full = fullSpace(tp);
  return full > tp.rxQueued ? full - tp.rxQueued : 0;
}

/** What is left of the window already advertised. */
@inline export function receiveWindow(tp: Tcb): u32 {
  const win = <i32>(tp.rcvWup + tp.rcvWnd - tp.rcvNxt);
  return win > 0 ? <u32>win : 0;
}

/** RFC 7323 2: the scale for the largest buffer this socket may ever get. */
export function initialWscale(tp: Tcb): u32 {
  let space = max(max(fullSpace(tp), sysctl(Sysctl.TCP_RMEM_MAX)), sysctl(Sysctl.CORE_RMEM_MAX));
  if (tp.sk.has(SockFlag.RCVBUF_LOCK)) space = winFromSpace(tp.sk.rcvbuf, MAX_SCALING_RATIO); // SO_RCVBUF: it will not grow
  if (tp.bindWindowClamp) space = min(space, tp.bindWindowClamp);
  let shift: u32 = 0;
  while (space > 65535 && shift < TCP_MAX_WSCALE) {
    space >>= 1;
    shift++;
  }
  return shift;
}

/** The first window offered by a buffer with `space` payload bytes: whole segments, within 16 bits. */
export function initialWindow(space: u32, mss: u32, clamp: u32): u32 {
  if (clamp) space = min(space, clamp);
  if (space > mss) space -= space % mss;
  return min<u32>(space, 65535);
}

// What we would like to advertise now.
export function desiredWindow(tp: Tcb): u32 {
  let mss = tp.rcvMss;
  let free = freeSpace(tp);
  const allowed = fullSpace(tp);
  const full = min(tp.windowClamp, allowed);
  if (mss > full) {
    mss = full;
    if (!mss) return 0;
  }
  if (free < full >> 1) {
    tp.quick = 0;
    if (memoryPressure()) tp.rcvSsthresh = min(tp.rcvSsthresh, 4 * tp.advmss);
    // A window must not grow by being rounded to the scale.
    free &= ~(((<u32>1 << tp.rcvWscale)) - 1);
    if (free < allowed >> 4 || free < mss) return 0;
  }
  if (free > tp.rcvSsthresh) free = tp.rcvSsthresh;
  if (tp.rcvWscale) return (free + (1 << tp.rcvWscale) - 1) & ~((<u32>1 << tp.rcvWscale) - 1);
  let window = tp.rcvWnd;
  if (window + mss <= free || window > free) window = free - free % mss;
  else if (mss == full && free > window + (full >> 1)) window = free;
  return window;
}

/** Choose and record the window of the segment being sent; the 16-bit field. */
export function selectWindow(tp: Tcb): u32 {
  const old = tp.rcvWnd;
  const current = receiveWindow(tp);
  let win = desiredWindow(tp);
  if (win < current) {
    if (!win) mibInc(Mib.TcpExtTCPWantZeroWindowAdv);
    const unit = (<u32>1 << tp.rcvWscale) - 1;
    win = (current + unit) & ~unit;
  }
  tp.rcvWnd = win;
  tp.rcvWup = tp.rcvNxt;
  win = min(win, <u32>65535 << tp.rcvWscale) >> tp.rcvWscale;
  if (!win) {
    if (old) mibInc(Mib.TcpExtTCPToZeroWindowAdv);
  } else if (!old) mibInc(Mib.TcpExtTCPFromZeroWindowAdv);
  return win;
}

/** Data of `len` bytes arrived: let the advertised window follow (slow start of the receiver). */
export function growWindow(tp: Tcb, len: u32): void {
  const limit = min(tp.windowClamp, freeSpace(tp));
  if (tp.rcvSsthresh >= limit || memoryPressure()) return;
  const incr = max(2 * tp.advmss, 2 * len);
  tp.rcvSsthresh += min(limit - tp.rcvSsthresh, incr);
  tp.quick |= 1;
}

/** Window state at the start of the established connection. */
export function initBufferSpace(tp: Tcb): void {
  tp.rcvqSpace = min(tp.rcvWnd, 10 * tp.advmss);
  tp.rcvqTime = now();
  tp.rcvqSeq = tp.copiedSeq;
  const full = fullSpace(tp);
  if (tp.windowClamp >= full) tp.windowClamp = full;
  tp.rcvSsthresh = min(tp.rcvSsthresh, tp.windowClamp);
  if (tp.bindWindowClamp) tp.windowClamp = min(tp.windowClamp, tp.bindWindowClamp);
}

// ---- the receiver's own estimate of the round-trip time ----
function rcvRttUpdate(tp: Tcb, sampleUs: u32, fromWindow: bool): void {
  const m = <u64>max(sampleUs, 1);
  let est = <u64>tp.rcvRtt;
  if (est) {
    // A whole window without timestamps overestimates: take the minimum then, else smooth by 1/8.
    if (!fromWindow) est += m - (est >> 3);
    else if ((m << 3) < est) est = m << 3;
  } else est = m << 3;
  tp.rcvRtt = <u32>min<u64>(est, u32.MAX_VALUE);
}

/** Without timestamps: the time in which one window's worth of data arrives. */
export function rcvRttByWindow(tp: Tcb): void {
  if (tp.rcvRttTime) {
    if (<i32>(tp.rcvNxt - tp.rcvRttSeq) < 0) return;
    rcvRttUpdate(tp, <u32>min<u64>((now() - tp.rcvRttTime) / US, u32.MAX_VALUE), true);
  }
  tp.rcvRttSeq = tp.rcvNxt + tp.rcvWnd;
  tp.rcvRttTime = now();
}

/** With timestamps: a data segment of at least an MSS that echoes a new TSval of ours. `delta`: ms. */
export function rcvRttByTs(tp: Tcb, len: u32, tsNow: u32): void {
  if (tp.rcvRttLastTsecr == tp.rcvTsecr) return;
  tp.rcvRttLastTsecr = tp.rcvTsecr;
  if (len < tp.rcvMss) return;
  const delta = tsNow - tp.rcvTsecr;
  if (delta < 4_000_000) rcvRttUpdate(tp, max(delta * 1000, 1000), false);
}

// The buffer is to hold two round trips of `copied` bytes each, more while the sender is still getting faster, and what waits out of order: what
// follows a hole comes on top of a window that is in flight (Linux's tcp_rcvbuf_grow).
function rcvbufGrow(tp: Tcb, copied: u32): void {
  const before = max(tp.rcvqSpace, 1);
  tp.rcvqSpace = copied;
  if (!sysctl(Sysctl.TCP_MODERATE_RCVBUF) || tp.sk.has(SockFlag.RCVBUF_LOCK) || memoryPressure()) return;
  let win = (<u64>copied << 1) + 16 * tp.advmss;
  win += (win * (copied - before) / before) << 1;
  const last = changetype<Chunk | null>(tp.ofoLast);
  if (last) win += last.seq + last.len - tp.rcvNxt;
  const rcvbuf = <u32>min<u64>((win << 8) / tp.scalingRatio, sysctl(Sysctl.TCP_RMEM_MAX));
  if (rcvbuf <= tp.sk.rcvbuf) return;
  tp.sk.rcvbuf = rcvbuf;
  clampWindow(tp);
}

/** The application has read: grow the buffer so that the window covers two round trips of what it reads. */
export function rcvSpaceAdjust(tp: Tcb): void {
  const elapsed = (now() - tp.rcvqTime) / US;
  if (elapsed < tp.rcvRtt >> 3 || !tp.rcvRtt) return;
  const copied = tp.copiedSeq - tp.rcvqSeq;
  if (copied > tp.rcvqSpace) rcvbufGrow(tp, copied);
  tp.rcvqSeq = tp.copiedSeq;
  tp.rcvqTime = now();
}

/** `len` bytes were queued out of order. A peer without SACK counts duplicate ACKs: the window they carry must not change (RFC 5681 2). */
export function growWindowOfo(tp: Tcb, len: u32): void {
  if (tp.sackOk && len >= 128) growWindow(tp, len);
  if (!tp.unaccepted) rcvbufGrow(tp, tp.rcvqSpace);
}
