// Reading and writing option values as Linux does: an int is four bytes, and most byte-sized options take either.

/** The value at `p`: 4 bytes, or 1 when that is all there is. */
export function optInt(p: usize, len: u32): i32 { return len >= 4 ? load<i32>(p) : len ? <i32>load<u8>(p) : 0; }

/** Write an int cut to `len` bytes; bytes written. */
export function optPutInt(p: usize, len: u32, v: i32): i32 {
  if (len >= 4) {
    store<i32>(p, v);
    return 4;
  }
  if (len == 0) return 0;
  store<u8>(p, <u8>v);
  return 1;
}

/** Copy `n` bytes of value, cut to `len`; bytes written. */
export function optPut(p: usize, len: u32, value: usize, n: u32): i32 {
  const k = min(n, len);
  memory.copy(p, value, k);
  return <i32>k;
}
