// Network byte order (big-endian) access. Wasm loads and stores may be unaligned.

@inline export function be16(p: usize): u32 { return bswap<u16>(load<u16>(p)); }
@inline export function be32(p: usize): u32 { return bswap<u32>(load<u32>(p)); }
@inline export function be24(p: usize): u32 { return (<u32>load<u8>(p) << 16) | be16(p + 1); }
@inline export function putBe16(p: usize, v: u32): void { store<u16>(p, bswap<u16>(<u16>v)); }
@inline export function putBe32(p: usize, v: u32): void { store<u32>(p, bswap<u32>(v)); }
@inline export function putBe24(p: usize, v: u32): void {
  store<u8>(p, <u8>(v >> 16));
  putBe16(p + 1, v);
}

/** `n` rounded up to a multiple of `align`, a power of two. */
@inline export function alignUp(n: usize, align: usize): usize { return (n + align - 1) & ~(align - 1); }

/** True when the `n` bytes at `a` and `b` are equal. */
export function bytesEqual(a: usize, b: usize, n: usize): bool { return memory.compare(a, b, n) == 0; }
