// The bytes of a test case: records {op, length, operands}. The length is one byte, or two (little-endian) when the op has
// its high bit set; operands that are missing read as 0, so that every byte string is a test case.

/** Longest test case. */
export const INPUT_MAX: u32 = 1 << 17;
export const INPUT: usize = memory.data(1 << 17, 16);

let at: usize = 0;
let opEnd: usize = 0;
let end: usize = 0;

export function inputStart(len: u32): void {
  at = INPUT;
  opEnd = INPUT;
  end = INPUT + min(len, INPUT_MAX);
}

/** The next record's op (0..127), or -1 at the end. */
export function inputOp(): i32 {
  at = opEnd;
  if (at + 2 > end) return -1;
  const op = load<u8>(at);
  let len = <u32>load<u8>(at + 1);
  at += 2;
  if (op & 0x80 && at < end) len |= <u32>load<u8>(at++) << 8;
  opEnd = min(at + len, end);
  return op & 0x7f;
}

@inline export function left(): u32 { return <u32>(opEnd - at); }
/** Address of the operands that are left. */
@inline export function rest(): usize { return at; }
@inline export function skip(n: u32): void { at = min(at + n, opEnd); }
export function u8In(): u32 { return at < opEnd ? load<u8>(at++) : 0; }
export function u16In(): u32 {
  const v = u8In();
  return v | (u8In() << 8);
}
export function u32In(): u32 {
  const v = u16In();
  return v | (u16In() << 16);
}
