// IPv4 options that an echo reply takes over from its request (RFC 1122 3.2.2.6): record route and timestamp (RFC 791 3.1). As on Linux
// this host adds itself twice, for the request it received and for the reply it sends, as far as there is room.
import { addrSetV4 } from "../../lib/addr";
import { be32, putBe32 } from "../../lib/bytes";
import { MS, now, wallClock, wallKnown } from "../../core/time";
import { IPOPT_END, IPOPT_NOP, IPOPT_RR, IPOPT_TS, IPV4_HLEN, Ipv4Header } from "../../wire/ipv4";
import { fibIsLocal } from "../fib";

const OUT: usize = memory.data(40, 4);
const ADDR: usize = memory.data(16, 8);
/** Flags of a timestamp option. */
const TS_ONLY: u32 = 0;
const TS_ADDR: u32 = 1;
const TS_PRESPEC: u32 = 3;
const DAY_MS: u64 = 86_400_000;

/** Milliseconds since midnight UT; by the core's own clock, of which the high bit tells, when the host has told no time of day (RFC 792). */
export function ipTimestamp(): u32 {
  return wallKnown() ? <u32>(wallClock() / MS % DAY_MS) : <u32>(now() / MS % DAY_MS) | 0x80000000;
}

/** Where echoedOptions has written. */
export function echoedAt(): usize { return OUT; }

/** The options of the checked header `h` that its answer from `own` (host order) carries; their length, a multiple of 4. */
export function echoedOptions(h: Ipv4Header, own: u32): u32 {
  let n: u32 = 0;
  let p = h.ptr + IPV4_HLEN;
  const end = h.ptr + h.hlen;
  while (p < end && load<u8>(p) != IPOPT_END) {
    if (load<u8>(p) == IPOPT_NOP) {
      p++;
      continue;
    }
    const type = <u32>load<u8>(p), len = <u32>load<u8>(p, 1);
    if (type == IPOPT_RR || type == IPOPT_TS) {
      memory.copy(OUT + n, p, len);
      for (let i = 0; i < 2; i++) {
        if (type == IPOPT_RR) recordRoute(OUT + n, len, own);
        else timestamp(OUT + n, len, own);
      }
      n += len;
    }
    p += len;
  }
  while (n & 3) store<u8>(OUT + n++, IPOPT_END);
  return n;
}

function recordRoute(o: usize, len: u32, own: u32): void {
  const at = <u32>load<u8>(o, 2);
  if (at + 3 > len) return;
  putBe32(o + at - 1, own);
  store<u8>(o, <u8>(at + 4), 2);
}

function timestamp(o: usize, len: u32, own: u32): void {
  const at = <u32>load<u8>(o, 2), flags = <u32>load<u8>(o, 3);
  const kind = flags & 15;
  const size: u32 = kind == TS_ONLY ? 4 : 8;
  if (kind != TS_ONLY && kind != TS_ADDR && kind != TS_PRESPEC) return;
  if (at + size - 1 > len) {
    if (kind != TS_PRESPEC && flags < 0xf0) store<u8>(o, <u8>(flags + 16), 3); // one more host had no room
    return;
  }
  const p = o + at - 1;
  if (kind == TS_PRESPEC) {
    addrSetV4(ADDR, be32(p));
    if (!fibIsLocal(ADDR, 0)) return; // somebody else's turn
  } else if (kind == TS_ADDR) putBe32(p, own);
  putBe32(p + size - 4, ipTimestamp());
  store<u8>(o, <u8>(at + size), 2);
}
