// inetsum: the Internet checksum (RFC 1071) of standard input, as a WASI command in AssemblyScript.
// It uses the core's own checksum code, so it is also a second way to run that code outside the core.
import { alignUp } from '../../assembly/lib/bytes';
import { csumAdd, csumBlockAdd, csumFinish } from '../../assembly/lib/checksum';

const BUFFER = new ArrayBuffer(65536);

let sum: u64 = 0;
let length: u32 = 0;
let n = process.stdin.read(BUFFER);
while (n > 0) {
  sum = csumBlockAdd(sum, csumAdd(changetype<usize>(BUFFER), n), length);
  length += n;
  n = process.stdin.read(BUFFER);
}
// The sum is kept in the byte order of memory; people read network order.
const field = bswap<u16>(<u16>csumFinish(sum));
const words = <u32>alignUp(length, 2) >> 1;
console.log(`${field.toString(16).padStart(4, '0')} ${length.toString()} bytes, ${words.toString()} words`);
