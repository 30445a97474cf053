// The Internet checksum (RFC 1071): one's-complement sum of 16-bit words. Sums are kept in the byte order
// of memory (little-endian words), which RFC 1071 2(B) allows; only the final store matters, and it is
// done with plain store<u16>, so no byte swap is needed anywhere.

/** Fold a running sum to 16 bits. */
@inline export function csumFold(sum: u64): u32 {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  let s = <u32>((sum & 0xffff) + (sum >> 16));
  s = (s & 0xffff) + (s >> 16);
  return (s & 0xffff) + (s >> 16);
}

/** Unfolded sum of `n` bytes at `p`, added to `sum`. An odd last byte is padded with zero (RFC 1071 4.1). */
export function csumAdd(p: usize, n: usize, sum: u64 = 0): u64 {
  if (ASC_FEATURE_SIMD && n >= 64) {
    let acc = i64x2.splat(0);
    const mask = i64x2.splat(0xffffffff);
    while (n >= 32) {
      const a = v128.load(p);
      const b = v128.load(p, 16);
      acc = i64x2.add(acc, i64x2.add(v128.and(a, mask), i64x2.shr_u(a, 32)));
      acc = i64x2.add(acc, i64x2.add(v128.and(b, mask), i64x2.shr_u(b, 32)));
      p += 32;
      n -= 32;
    }
    const lo = <u64>i64x2.extract_lane(acc, 0), hi = <u64>i64x2.extract_lane(acc, 1);
    sum += (lo & 0xffffffff) + (lo >> 32) + (hi & 0xffffffff) + (hi >> 32);
  }
  while (n >= 4) {
    sum += load<u32>(p);
    p += 4;
    n -= 4;
  }
  if (n >= 2) {
    sum += load<u16>(p);
    p += 2;
    n -= 2;
  }
  if (n) sum += load<u8>(p);
  return sum;
}

/** Sum of a block that starts at byte offset `offset` of the whole: an odd offset swaps the bytes (RFC 1071 2(B)). */
export function csumBlockAdd(sum: u64, block: u64, offset: u32): u64 {
  let f = csumFold(block);
  if (offset & 1) f = ((f & 0xff) << 8) | (f >> 8);
  return sum + f;
}

/** The value to store in a header: the complement of the folded sum. */
@inline export function csumFinish(sum: u64): u32 { return ~csumFold(sum) & 0xffff; }

/**
 * Sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1).
 * `src`/`dst`: addresses of `addrLen` (4 or 16) bytes in memory; `len`: upper-layer length, host order.
 */
export function csumPseudo(src: usize, dst: usize, addrLen: u32, proto: u32, len: u32): u64 {
  let s = csumAdd(src, addrLen, csumAdd(dst, addrLen));
  s += <u64>bswap<u32>(len);
  return s + (proto << 8);
}

/** RFC 1624 eqn. 3: the new checksum field after a 16-bit word changed from `old` to `now` (all as loaded). */
export function csumReplace16(field: u32, old: u32, now: u32): u32 {
  let s = (~field & 0xffff) + (~old & 0xffff) + now;
  s = (s & 0xffff) + (s >> 16);
  s = (s & 0xffff) + (s >> 16);
  return ~s & 0xffff;
}
