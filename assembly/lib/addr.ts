// Addresses. Sockets, routes and neighbours of both families hold 16 bytes in wire order; an IPv4 address
// is its v4-mapped form ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so one table serves both families.
// A bare IPv4 address in a u32 is always in host order (192.0.2.1 = 0xc0000201).
import { be32, putBe32 } from "./bytes";

export const ADDR_LEN: usize = 16;

@inline export function addrCopy(dst: usize, src: usize): void {
  store<u64>(dst, load<u64>(src));
  store<u64>(dst, load<u64>(src, 8), 8);
}
@inline export function addrEqual(a: usize, b: usize): bool {
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8);
}
/** :: */
@inline export function addrIsZero(p: usize): bool { return (load<u64>(p) | load<u64>(p, 8)) == 0; }
/** :: or 0.0.0.0 in mapped form. */
@inline export function addrIsAny(p: usize): bool {
  return load<u64>(p) == 0 && (load<u64>(p, 8) == 0 || load<u64>(p, 8) == 0x00000000ffff0000);
}
@inline export function addrIsV4(p: usize): bool { return load<u64>(p) == 0 && load<u32>(p, 8) == 0xffff0000; }
@inline export function addrSetV4(p: usize, v4: u32): void {
  store<u64>(p, 0);
  store<u32>(p, 0xffff0000, 8);
  putBe32(p + 12, v4);
}
/** The IPv4 address inside a mapped one, host order. */
@inline export function addrV4(p: usize): u32 { return be32(p + 12); }

// IPv4 classes (host order).
@inline export function v4IsMulticast(a: u32): bool { return (a & 0xf0000000) == 0xe0000000; }
@inline export function v4IsLoopback(a: u32): bool { return a >> 24 == 127; }
/** The mask of a prefix length 0..32. */
@inline export function v4Mask(plen: u32): u32 { return plen ? <u32>-1 << (32 - plen) : 0; }

// IPv6 classes (RFC 4291 2.4).
@inline export function v6IsMulticast(p: usize): bool { return load<u8>(p) == 0xff; }
@inline export function v6IsLinkLocal(p: usize): bool { return load<u8>(p) == 0xfe && (load<u8>(p, 1) & 0xc0) == 0x80; }
@inline export function v6IsLoopback(p: usize): bool { return load<u64>(p) == 0 && load<u64>(p, 8) == 0x0100000000000000; }

/** Multicast of the family the address is in. */
export function addrIsMulticast(p: usize): bool { return addrIsV4(p) ? v4IsMulticast(addrV4(p)) : v6IsMulticast(p); }

/** Do the first `plen` bits (0..128, counted in the 16-byte form) of `a` and `b` agree? */
export function addrPrefixEqual(a: usize, b: usize, plen: u32): bool {
  const hi = be64Xor(a, b);
  if (plen <= 64) return plen == 0 || hi >> (64 - plen) == 0;
  if (hi) return false;
  const lo = be64Xor(a + 8, b + 8);
  return plen >= 128 ? lo == 0 : lo >> (128 - plen) == 0;
}
@inline function be64Xor(a: usize, b: usize): u64 { return bswap<u64>(load<u64>(a) ^ load<u64>(b)); }

/** Length of the common prefix in bits, 0..128. */
export function addrCommonPrefix(a: usize, b: usize): u32 {
  const hi = be64Xor(a, b);
  if (hi) return <u32>clz<u64>(hi);
  const lo = be64Xor(a + 8, b + 8);
  return lo ? 64 + <u32>clz<u64>(lo) : 128;
}

/** Keep the first `plen` bits of the address at `p`, clear the rest. */
export function addrMask(p: usize, plen: u32): void {
  const hi = plen >= 64 ? <u64>-1 : plen ? <u64>-1 << (64 - plen) : 0;
  const lo = plen <= 64 ? 0 : plen >= 128 ? <u64>-1 : <u64>-1 << (128 - plen);
  store<u64>(p, load<u64>(p) & bswap<u64>(hi));
  store<u64>(p, load<u64>(p, 8) & bswap<u64>(lo), 8);
}
