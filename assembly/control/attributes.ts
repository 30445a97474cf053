// Reading the attributes of a request: one table of pointers by type, filled per message; later ones win, as Linux.
import { NLA_HDRLEN, nlAlign } from "../wire/netlink";

const MAX: u32 = 64;
const TABLE: usize = memory.data(64 * 4, 4);

/** Index the attributes in `n` bytes at `p`; false when they are malformed. */
export function attributesParse(p: usize, n: u32): bool {
  memory.fill(TABLE, 0, 64 * 4);
  let at: u32 = 0;
  while (at + NLA_HDRLEN <= n) {
    const len = <u32>load<u16>(p + at);
    if (len < NLA_HDRLEN || at + len > n) return false;
    const type = <u32>load<u16>(p + at, 2) & 0x3fff;
    if (type < MAX) store<u32>(TABLE + (type << 2), <u32>(p + at));
    at += nlAlign(len);
  }
  return true;
}
/** Data of attribute `type` when it has at least `n` bytes, else 0. */
export function attribute(type: u32, n: u32): usize {
  const a = <usize>load<u32>(TABLE + (type << 2));
  return a && <u32>load<u16>(a) - NLA_HDRLEN >= n ? a + NLA_HDRLEN : 0;
}
/** The u32 in attribute `type`, or `otherwise`. */
export function attributeU32(type: u32, otherwise: u32): u32 {
  const a = attribute(type, 4);
  return a ? load<u32>(a) : otherwise;
}

const NAME: usize = memory.data(16, 8);
/** The string of at most 15 bytes in attribute `type`, with a NUL behind it, else 0. */
export function attributeName(type: u32): usize {
  const a = attribute(type, 1);
  if (!a) return 0;
  memory.fill(NAME, 0, 16);
  memory.copy(NAME, a, min<usize>(<usize>load<u16>(a - NLA_HDRLEN) - NLA_HDRLEN, 15));
  return NAME;
}
