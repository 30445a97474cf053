// What is summed over a segment: the MD5 signature (RFC 2385 2.0; IPv6 as Linux). Both options cover a pseudo-header, the TCP
// header with a checksum of zero, and the payload.
import { putBe16, putBe32 } from "../../../lib/bytes";
import { MD5_LEN, Md5 } from "../../../lib/crypto/md5";
import { Skb } from "../../../core/skb";
import { IPPROTO_TCP, TCP_HLEN } from "../../../wire/tcp";

const MD5 = changetype<Md5>(memory.data(offsetof<Md5>(), 8));
/** Where the headers to be summed are put together: a pseudo-header, or the TCP header with its options. */
const HEADERS: usize = memory.data(64, 8);

/** Write the pseudo-header of a segment of `len` bytes between two 16-byte addresses; its length, 12 or 40. */
function pseudoHeader(p: usize, src: usize, dst: usize, v4: bool, len: u32): u32 {
  if (v4) {
    store<u32>(p, load<u32>(src, 12));
    store<u32>(p, load<u32>(dst, 12), 4);
    store<u8>(p, 0, 8);
    store<u8>(p, <u8>IPPROTO_TCP, 9);
    putBe16(p + 10, len);
    return 12;
  }
  memory.copy(p, src, 16);
  memory.copy(p + 16, dst, 16);
  putBe32(p + 32, len);
  putBe32(p + 36, IPPROTO_TCP);
  return 40;
}

/** The signature of the segment that `skb` begins with, under the `keyLen` bytes at `key`; `src` and `dst` of 16 bytes. 16 bytes at `out`. */
export function md5Segment(skb: Skb, src: usize, dst: usize, v4: bool, key: usize, keyLen: u32, out: usize): void {
  MD5.init();
  MD5.update(HEADERS, pseudoHeader(HEADERS, src, dst, v4, skb.total));
  memory.copy(HEADERS, skb.data, TCP_HLEN);
  store<u16>(HEADERS, 0, 16);
  MD5.update(HEADERS, TCP_HLEN);
  const hlen = (<u32>load<u8>(skb.data, 12) >> 4) << 2;
  MD5.update(skb.data + hlen, skb.len - hlen);
  for (let i: u32 = 0; i < skb.nfrags; i++) MD5.update(skb.fragPtr(i), skb.fragSize(i));
  MD5.update(key, keyLen);
  MD5.final(out);
}
export { MD5_LEN };
