// Building netlink answers: messages with attributes in one static buffer, queued to the socket when it is full.
import { Sock } from "../core/sock";
import { netlinkMulticast, netlinkQueue } from "../socket/netlink";
import { NLMSG_DONE, NLMSG_ERROR, NLMSG_HDRLEN, NLM_F_MULTI, NlMsg, nlAlign } from "../wire/netlink";

const BUF: usize = memory.data(32768, 8);
/** A datagram of a dump holds about this much (libnl and iproute2 read with 32 KiB). */
const FLUSH: u32 = 15000;

@unmanaged @final class State {
  used: u32;
  /** Start of the open message. */
  start: u32;
  /** Where the request came from: sk, its sequence number and flags of every answer. */
  sk: Sock | null;
  seq: u32;
  flags: u32;
  /** Multicast group when there is no socket. */
  group: u32;
  protocol: u32;
}
const S = changetype<State>(memory.data(offsetof<State>(), 4));

/** Answers go to `sk` with `seq`; `multi`: part of a dump. */
export function answerTo(sk: Sock, seq: u32, multi: bool): void {
  S.sk = sk;
  S.seq = seq;
  S.flags = multi ? NLM_F_MULTI : 0;
  S.used = 0;
}
/** Messages go to the members of `group`. */
export function announceTo(protocol: u32, group: u32): void {
  S.sk = null;
  S.seq = 0;
  S.flags = 0;
  S.group = group;
  S.protocol = protocol;
  S.used = 0;
}

export function flush(): void {
  if (!S.used) return;
  const sk = S.sk;
  if (sk) netlinkQueue(sk, BUF, S.used, 0);
  else netlinkMulticast(S.protocol, S.group, BUF, S.used);
  S.used = 0;
}

/** Open a message with `n` bytes of family header (zeroed); its address. */
export function begin(type: u32, n: u32): usize {
  if (S.used > FLUSH) flush();
  S.start = S.used;
  const m = NlMsg.at(BUF + S.used);
  m.type = <u16>type;
  m.flags = <u16>S.flags;
  m.seq = S.seq;
  const sk = S.sk;
  m.pid = sk ? sk.boundIf : 0;
  const body = BUF + S.used + NLMSG_HDRLEN;
  memory.fill(body, 0, nlAlign(n));
  S.used += NLMSG_HDRLEN + nlAlign(n);
  return body;
}
export function end(): void { NlMsg.at(BUF + S.start).len = S.used - S.start; }

/** An attribute of `n` bytes to fill (padding zeroed); its address. */
export function attrRoom(type: u32, n: u32): usize {
  const p = BUF + S.used;
  store<u16>(p, <u16>(n + 4));
  store<u16>(p, <u16>type, 2);
  memory.fill(p + 4, 0, nlAlign(n));
  S.used += 4 + nlAlign(n);
  return p + 4;
}
export function attr(type: u32, data: usize, n: u32): void { memory.copy(attrRoom(type, n), data, n); }
export function attrU32(type: u32, v: u32): void { store<u32>(attrRoom(type, 4), v); }
export function attrU8(type: u32, v: u32): void { store<u8>(attrRoom(type, 1), v); }
/** NUL-terminated text at `p`, at most 15 bytes. */
export function attrName(type: u32, p: usize): void {
  let n: u32 = 0;
  while (n < 15 && load<u8>(p + n)) n++;
  memory.copy(attrRoom(type, n + 1), p, n);
}
/** Open a nested attribute; its place for nestEnd. */
export function nest(type: u32): u32 {
  const at = S.used;
  store<u16>(BUF + at, <u16>type, 2);
  S.used += 4;
  return at;
}
export function nestEnd(at: u32): void { store<u16>(BUF + at, <u16>(S.used - at)); }

/** NLMSG_ERROR with the request's header: the answer to NLM_F_ACK, or a failure. `errno` 0 or negative. */
export function acknowledge(request: NlMsg, errno: i32): void {
  const quoted: u32 = errno && request.len <= 1024 ? request.len : NLMSG_HDRLEN;
  const flags = S.flags;
  S.flags = 0;
  const p = begin(NLMSG_ERROR, 4 + quoted);
  S.flags = flags;
  store<i32>(p, errno);
  memory.copy(p + 4, changetype<usize>(request), quoted);
  end();
}
export function dumpDone(): void {
  store<u32>(begin(NLMSG_DONE, 4), 0);
  end();
}
