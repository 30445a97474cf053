// Bytes of a connected stream between the program's socket pair and the core, both directions, without a copy in
// between: the native calls read and write linear memory at the places the core names.
import { DATA, IOV, Poll } from '../abi/constants.js';
import {
  ECONNRESET, EPIPE, EPOLLHUP, FIONREAD, MSG_OOB, MSG_PEEK, SHUT_WR, SIOCATMARK,
} from './linux.js';
import type { StreamSocket } from './stream.js';

/** Bytes moved in one step. */
const CHUNK = 256 * 1024;
/** See pumpOut, bytes. */
const FEW = 4096;
/** Steps of one direction in one turn, so that one bulk transfer does not starve the others. */
const STEPS = 8;

/** What became of a pump's turn. */
export const enum Flow {
  /** Blocked until one side says otherwise. */
  WAIT,
  /** There is more to do in the next turn. */
  MORE,
  /** The program closed its end after everything was read. */
  CLOSED,
  /** The program closed its end without reading what was there: the peer must see a reset. */
  ABORTED,
  /** The connection failed and everything received before that was delivered. */
  BROKEN,
}

/** The program's urgent byte, when the reading has come to its mark. */
function urgentByte(s: StreamSocket): boolean {
  const { core, native, mem } = s.sup;
  if (native.posixQueued(s.fd, SIOCATMARK) !== 1) return false;
  if (core.sys_tx_reserve(s.handle, 1) <= 0) return false;
  s.urgent = false;
  if (native.posixReceive(s.fd, mem.u8, mem.u32[IOV >>> 2], 1, MSG_OOB) !== 1) return false;
  core.sys_tx_commit(s.handle, 1, MSG_OOB);
  return true;
}

/** Program -> core. Room is taken in the core only for what is there: an idle connection holds none. */
export function pumpOut(s: StreamSocket): Flow {
  const { core, native, mem } = s.sup;
  for (let step = 0; step < STEPS; step++) {
    if (!s.readable || s.outEnded) return Flow.WAIT;
    if (s.urgent && urgentByte(s)) continue;
    const there = native.posixQueued(s.fd, FIONREAD) - s.planted;
    if (there <= 0) return nothingThere(s);
    const pieces = core.sys_tx_reserve(s.handle, Math.min(there, CHUNK));
    if (pieces === 0) return Flow.WAIT;
    // The connection takes nothing any more. What the program wrote goes nowhere; its close still has to be seen.
    if (pieces < 0 && s.failedWith(-pieces)) return Flow.BROKEN;
    if (pieces < 0) return s.isAbandoned(native.posixPoll(s.fd, 0)) ? Flow.CLOSED : Flow.WAIT;
    const n = native.posixReadv(s.fd, mem.u8, IOV, pieces, Math.min(there, CHUNK));
    if (n > 0) core.sys_tx_commit(s.handle, n, 0);
    // Few bytes are all there is, as a rule; looking for more would be half of the work for them. Of many, more come meanwhile.
    if (n <= 0 || (n === there && n < FEW && s.bytesOnly && !s.planted)) s.readable = false;
  }
  return Flow.MORE;
}

/** No bytes wait: for now, or for good. */
function nothingThere(s: StreamSocket): Flow {
  const { native, mem } = s.sup;
  if (!s.planted) {
    const n = native.posixReceive(s.fd, mem.u8, DATA, 1, MSG_PEEK);
    // The program closed without reading what it had: its peer must see a reset.
    if (n === -ECONNRESET) return Flow.ABORTED;
    if (n > 0) return Flow.MORE;
    if (n < 0) {
      s.readable = false;
      return Flow.WAIT;
    }
  }
  return outEnd(s);
}

/** The program will write no more: it has shut down this direction, or closed. */
function outEnd(s: StreamSocket): Flow {
  if (s.opening()) return Flow.WAIT;
  const events = s.sup.native.posixPoll(s.fd, 0);
  if (events & EPOLLHUP && s.isAbandoned(events)) return Flow.CLOSED;
  s.outEnded = true;
  s.sup.core.sys_shutdown(s.handle, SHUT_WR);
  return Flow.WAIT;
}

/** Sum of the lengths listed at IOV. */
function listed(s: StreamSocket, pieces: number): number {
  let n = 0;
  for (let i = 0; i < pieces; i++) n += s.sup.mem.u32[(IOV >>> 2) + 2 * i + 1];
  return n;
}

/** The peer's urgent byte, when the reading has come to its mark, passes between the bytes before and after its mark, as an urgent byte of the pair. */
function passUrgent(s: StreamSocket): void {
  const { core, native, mem } = s.sup;
  if (s.sup.coreIoctl(s.handle, SIOCATMARK) !== 1) return;
  const at = s.sup.messages.record(0, 1);
  if (core.sys_recvmsg(s.handle, at, MSG_OOB) !== 1) return;
  native.posixSend(s.fd, mem.u8, DATA, 1, MSG_OOB);
}

/** Core -> program. */
export function pumpIn(s: StreamSocket): Flow {
  const { core, native, mem } = s.sup;
  for (let step = 0; step < STEPS && s.writable && !s.inEnded; step++) {
    const ready = core.sys_poll(s.handle);
    if (ready & Poll.PRI) passUrgent(s);
    const pieces = core.sys_rx_peek(s.handle, CHUNK);
    if (pieces <= 0) {
      if (s.failedWith(-pieces) || ready & Poll.ERR) return Flow.BROKEN;
      if (!(ready & Poll.RDHUP)) return Flow.WAIT;
      s.inEnded = true;
      native.posixShutdown(s.fd, SHUT_WR);
      return Flow.WAIT;
    }
    const offered = listed(s, pieces);
    const n = native.posixWritev(s.fd, mem.u8, IOV, pieces);
    if (n > 0) core.sys_rx_consume(s.handle, n);
    // The program reads no more (SHUT_RD, or closed, which the other direction sees): as TCP, take and forget.
    else if (n === -EPIPE || n === -ECONNRESET) core.sys_rx_consume(s.handle, offered);
    if (n < offered && n !== -EPIPE && n !== -ECONNRESET) s.writable = false;
  }
  // A reset counts even while the program does not read.
  if (!s.writable && core.sys_poll(s.handle) & Poll.ERR) return Flow.BROKEN;
  return s.writable && !s.inEnded ? Flow.MORE : Flow.WAIT;
}
