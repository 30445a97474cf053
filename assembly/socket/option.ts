// Reading and writing option values as Linux does, and the bits of options that are seldom used.
import { Sock } from "../core/sock";

/** Bits of Sock.extra. */
export const enum Extra {
  DEBUG = 1, WIFI = 1 << 1, NOFCS = 1 << 2, LOCK_FILTER = 1 << 3, SELECT_ERR = 1 << 4, PREFER_POLL = 1 << 5, RCVMARK = 1 << 6, RCVPRIORITY = 1 << 7,
  ZEROCOPY = 1 << 8, NO_TXREHASH = 1 << 9, NODEFRAG = 1 << 10, RFC4884 = 1 << 11, BIND_NO_PORT = 1 << 12, PASSSEC = 1 << 13, CHECKSUM = 1 << 14,
  FRAGSIZE = 1 << 15, ROUTER_ALERT = 1 << 16, HOPOPTS = 1 << 17, DSTOPTS = 1 << 18, RTHDR = 1 << 19, HOPOPTS_OLD = 1 << 20, DSTOPTS_OLD = 1 << 21,
  RTHDR_OLD = 1 << 22, PATHMTU = 1 << 23, FRAGSIZE6 = 1 << 24, ISOLATE = 1 << 25, RFC4884_6 = 1 << 26, FLOWINFO_SEND = 1 << 27, NO_AUTOFLOW = 1 << 28,
}

@inline export function extraHas(sk: Sock, bit: u32): bool { return (sk.extra & <u64>bit) != 0; }
/** Switch a bit; 0, as setsockopt answers. */
export function extraSet(sk: Sock, bit: u32, on: bool): i32 {
  sk.extra = on ? sk.extra | <u64>bit : sk.extra & ~<u64>bit;
  return 0;
}

/** The value at `p`: 4 bytes, or 1 when that is all there is. */
export function optInt(p: usize, len: u32): i32 { return len >= 4 ? load<i32>(p) : len ? <i32>load<u8>(p) : 0; }

const INT: usize = memory.data(4, 4);
/** Write an int cut to `len` bytes; bytes written. */
export function optPutInt(p: usize, len: u32, v: i32): i32 {
  store<i32>(INT, v);
  return optPut(p, len, INT, 4);
}

/** IPPROTO_IP: a small value fits one byte when there is no room for four. */
export function optPutByte(p: usize, len: u32, v: i32): i32 {
  if (len == 0 || len >= 4 || v < 0 || v > 255) return optPutInt(p, len, v);
  store<u8>(p, <u8>v);
  return 1;
}

/** Copy `n` bytes of value, cut to `len`; bytes written. */
export function optPut(p: usize, len: u32, value: usize, n: u32): i32 {
  const k = min(n, len);
  memory.copy(p, value, k);
  return <i32>k;
}
