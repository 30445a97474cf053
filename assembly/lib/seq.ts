// Serial arithmetic modulo 2^32 (RFC 9293 3.4, RFC 1982).

@inline export function seqLt(a: u32, b: u32): bool { return <i32>(a - b) < 0; }
@inline export function seqLeq(a: u32, b: u32): bool { return <i32>(a - b) <= 0; }
@inline export function seqGt(a: u32, b: u32): bool { return <i32>(a - b) > 0; }
@inline export function seqGeq(a: u32, b: u32): bool { return <i32>(a - b) >= 0; }
/** lo <= x < hi. */
@inline export function seqIn(x: u32, lo: u32, hi: u32): bool { return x - lo < hi - lo; }
