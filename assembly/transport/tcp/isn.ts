// Secrets of TCP: initial sequence numbers (RFC 6528), timestamp offsets, SYN cookies (RFC 4987 3.6, in
// Linux's layout: 5 bits of minute count and a 24-bit hash that hides the MSS index).
import { addrCopy } from "../../lib/addr";
import { randU64 } from "../../lib/drbg";
import { sipHash } from "../../lib/hash";
import { MS, SEC, now } from "../../core/time";
import { IN, OPT } from "./segin";

@unmanaged @final class Secrets {
  isn0: u64; isn1: u64;
  ts0: u64; ts1: u64;
  ca0: u64; ca1: u64;
  cb0: u64; cb1: u64;
}
const K = changetype<Secrets>(memory.data(offsetof<Secrets>(), 8));
const BUF: usize = memory.data(48, 8);
const COOKIE_BITS: u32 = 24;
const COOKIE_MASK: u32 = (1 << 24) - 1;
/** Cookies of this and the previous minute are good. */
const COOKIE_MAX_AGE: u32 = 2;
/** TSval bits that carry options in a cookie's SYN-ACK: window scale (4), SACK (1). */
const TS_OPT_BITS: u32 = 6;
const TS_OPT_MASK: u32 = (1 << 6) - 1;
const TS_NO_WSCALE: u32 = 15;
const TS_SACK: u32 = 16;

export function isnInit(): void {
  for (let i: usize = 0; i < offsetof<Secrets>(); i += 8) store<u64>(changetype<usize>(K) + i, randU64());
}

function tuple(laddr: usize, raddr: usize, lport: u32, rport: u32): usize {
  addrCopy(BUF, laddr);
  addrCopy(BUF + 16, raddr);
  store<u32>(BUF, lport | (rport << 16), 32);
  return BUF;
}

/** RFC 6528 3: a keyed hash of the connection plus a clock of 64 ns. */
export function initialSeq(laddr: usize, raddr: usize, lport: u32, rport: u32): u32 {
  return <u32>sipHash(tuple(laddr, raddr, lport, rport), 36, K.isn0, K.isn1) + <u32>(now() >> 6);
}
/** Offset of TSval for a pair of hosts (one clock per peer keeps RFC 6191 working). */
export function tsOffsetFor(laddr: usize, raddr: usize): u32 {
  return <u32>sipHash(tuple(laddr, raddr, 0, 0), 32, K.ts0, K.ts1);
}
/** Hash that seeds the choice of ephemeral ports (RFC 6056 3.3.3). */
export function portHash(laddr: usize, raddr: usize, rport: u32): u32 {
  return <u32>sipHash(tuple(laddr, raddr, 0, rport), 36, K.ts1, K.isn0);
}

/** The key of Fast Open cookies when nobody has set one: 16 bytes at `dst`, for the life of the stack. */
export function fastopenSecret(dst: usize): void {
  memory.fill(BUF, 0, 16);
  store<u64>(dst, sipHash(BUF, 16, K.ca0 ^ K.isn1, K.cb0));
  store<u8>(BUF, 1);
  store<u64>(dst, sipHash(BUF, 16, K.ca0 ^ K.isn1, K.cb0), 8);
}

// ---- SYN cookies ----
function mssOf(i: u32): u32 { return i == 0 ? 536 : i == 1 ? 1300 : i == 2 ? 1440 : 1460; }
@inline function minute(): u32 { return <u32>(now() / SEC / 60); }
function hashA(): u32 { return <u32>sipHash(tuple(IN.daddr, IN.saddr, IN.dport, IN.sport), 36, K.ca0, K.ca1); }
function hashB(count: u32): u32 {
  store<u32>(tuple(IN.daddr, IN.saddr, IN.dport, IN.sport), count, 36);
  return <u32>sipHash(BUF, 40, K.cb0, K.cb1);
}

/** The initial sequence number that stands for the SYN in IN; `mss`: the peer's. */
export function cookieMake(mss: u32): u32 {
  let i: u32 = 3;
  while (i && mssOf(i) > mss) i--;
  const count = minute();
  return hashA() + IN.seq + (count << COOKIE_BITS) + ((hashB(count) + i) & COOKIE_MASK);
}
/** The MSS behind the cookie that the ACK in IN returns, 0 when it is none of ours. */
export function cookieCheck(): u32 {
  const cookie = IN.ack - 1 - hashA() - (IN.seq - 1);
  const count = minute();
  const diff = (count - (cookie >> COOKIE_BITS)) & 0xff;
  if (diff >= COOKIE_MAX_AGE) return 0;
  const i = (cookie - hashB(count - diff)) & COOKIE_MASK;
  return i < 4 ? mssOf(i) : 0;
}
/** TSval for the SYN-ACK, its low bits telling the options of the SYN in OPT; before the offset is added. */
export function cookieTs(): u32 {
  const opts: u32 = (OPT.hasWscale ? OPT.wscale : TS_NO_WSCALE) | (OPT.sackOk ? TS_SACK : 0);
  const t = <u32>(now() / MS);
  let ts = (t & ~TS_OPT_MASK) | opts;
  if (<i32>(ts - t) > 0) ts -= 1 << TS_OPT_BITS;
  return ts;
}
/** From an echoed cookie timestamp (offset removed): window scale, -1 when none. */
export function cookieWscale(ts: u32): i32 { return (ts & 15) == TS_NO_WSCALE ? -1 : <i32>(ts & 15); }
export function cookieSack(ts: u32): bool { return (ts & TS_SACK) != 0; }
