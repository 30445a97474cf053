// What is summed over a segment: the MD5 signature (RFC 2385 2.0; IPv6 as Linux), and the MAC of the authentication option (RFC 5925 5.1)
// under traffic keys derived by RFC 5926 3.1. Both cover a pseudo-header, the TCP header with a checksum of zero, and the payload.
import { putBe16, putBe32 } from "../../../lib/bytes";
import { CMAC_LEN, cmacFinal, cmacInit, cmacUpdate } from "../../../lib/crypto/cmac";
import { hmacFinal, hmacInit, hmacUpdate } from "../../../lib/crypto/hmac_sha1";
import { MD5_LEN, Md5 } from "../../../lib/crypto/md5";
import { SHA1_LEN } from "../../../lib/crypto/sha1";
import { Skb } from "../../../core/skb";
import { IPPROTO_TCP, TCPOLEN_AO_BASE, TCP_HLEN } from "../../../wire/tcp";

export { MD5_LEN };
/** MAC and KDF of a key (RFC 5926 3): HMAC-SHA-1, AES-128-CMAC. */
export const enum AoAlg { SHA1, AES }
/** Bytes of a traffic key, which is also the length of the whole MAC. */
@inline export function aoDigestLen(alg: u32): u32 { return alg == <u32>AoAlg.AES ? CMAC_LEN : SHA1_LEN; }
/** Room for a traffic key or a MAC. */
export const AO_DIGEST_MAX: u32 = 20;

const MD5 = changetype<Md5>(memory.data(offsetof<Md5>(), 8));
/** Where what stands in front of the payload is put together. */
const HEADERS: usize = memory.data(64, 8);

// ---- the two MACs under one name ----
export function macInit(alg: u32, key: usize, n: u32): void {
  if (alg == <u32>AoAlg.AES) cmacInit(key);
  else hmacInit(key, n);
}
export function macUpdate(alg: u32, p: usize, n: u32): void {
  if (alg == <u32>AoAlg.AES) cmacUpdate(p, n);
  else hmacUpdate(p, n);
}
export function macFinal(alg: u32, out: usize): void {
  if (alg == <u32>AoAlg.AES) cmacFinal(out);
  else hmacFinal(out);
}

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
@inline function headerLen(th: usize): u32 { return (<u32>load<u8>(th, 12) >> 4) << 2; }

/** The signature of the segment that `skb` begins with, under the `keyLen` bytes at `key`; `src` and `dst` of 16 bytes. 16 bytes at `out`. */
export function md5Segment(skb: Skb, src: usize, dst: usize, v4: bool, key: usize, keyLen: u32, out: usize): void {
  MD5.init();
  MD5.update(HEADERS, pseudoHeader(HEADERS, src, dst, v4, skb.total));
  memory.copy(HEADERS, skb.data, TCP_HLEN);
  store<u16>(HEADERS, 0, 16);
  MD5.update(HEADERS, TCP_HLEN);
  const hlen = headerLen(skb.data);
  MD5.update(skb.data + hlen, skb.len - hlen);
  for (let i: u32 = 0; i < skb.nfrags; i++) MD5.update(skb.fragPtr(i), skb.fragSize(i));
  MD5.update(key, keyLen);
  MD5.final(out);
}

/**
 * The traffic key (RFC 5926 3.1.1) of one direction, from `src` to `dst` (16 bytes each), with the two initial sequence numbers in that order
 * (`disn` is 0 for a SYN). aoDigestLen bytes at `out`.
 */
export function aoTrafficKey(alg: u32, key: usize, keyLen: u32, src: usize, dst: usize, v4: bool, sport: u32, dport: u32, sisn: u32, disn: u32, out: usize): void {
  store<u32>(HEADERS, 0x50435401); // 1, "TCP-AO"
  store<u16>(HEADERS, 0x412d, 4);
  store<u8>(HEADERS, 0x4f, 6);
  let p = HEADERS + 7;
  const n: u32 = v4 ? 4 : 16, skip: usize = v4 ? 12 : 0;
  memory.copy(p, src + skip, n);
  memory.copy(p + n, dst + skip, n);
  p += 2 * n;
  putBe16(p, sport);
  putBe16(p + 2, dport);
  putBe32(p + 4, sisn);
  putBe32(p + 8, disn);
  putBe16(p + 12, aoDigestLen(alg) << 3);
  macInit(alg, key, keyLen);
  macUpdate(alg, HEADERS, <u32>(p + 14 - HEADERS));
  macFinal(alg, out);
}

/** RFC 5926 3.1.1.2: a master key of another length than AES wants becomes one, 16 bytes at `out`. */
export function aoMasterKey(key: usize, n: u32, out: usize): void {
  memory.fill(HEADERS, 0, CMAC_LEN);
  cmacInit(HEADERS);
  cmacUpdate(key, n);
  cmacFinal(out);
}

/**
 * Begin the MAC of a segment of `len` bytes in all whose header is at `th`: extension of the sequence number, pseudo-header, header. The
 * option stands at `option` with a MAC of `macLen` bytes, taken as zeros. `exclude`: the other options are left out. The payload follows.
 */
export function aoHeader(alg: u32, traffic: usize, sne: u32, src: usize, dst: usize, v4: bool, len: u32, th: usize, option: usize, macLen: u32, exclude: bool): void {
  macInit(alg, traffic, aoDigestLen(alg));
  putBe32(HEADERS, sne);
  macUpdate(alg, HEADERS, 4 + pseudoHeader(HEADERS + 4, src, dst, v4, len));
  const all = headerLen(th);
  memory.copy(HEADERS, th, all);
  store<u16>(HEADERS, 0, 16);
  const at = HEADERS + (option - th);
  memory.fill(at + TCPOLEN_AO_BASE, 0, macLen);
  macUpdate(alg, HEADERS, exclude ? TCP_HLEN : all);
  if (exclude) macUpdate(alg, at, TCPOLEN_AO_BASE + macLen);
}

/** The MAC of the segment that `skb` begins with (as aoHeader); aoDigestLen bytes at `out`, of which macLen count. */
export function aoSegment(skb: Skb, alg: u32, traffic: usize, sne: u32, src: usize, dst: usize, v4: bool, option: usize, macLen: u32, exclude: bool, out: usize): void {
  aoHeader(alg, traffic, sne, src, dst, v4, skb.total, skb.data, option, macLen, exclude);
  const hlen = headerLen(skb.data);
  macUpdate(alg, skb.data + hlen, skb.len - hlen);
  for (let i: u32 = 0; i < skb.nfrags; i++) macUpdate(alg, skb.fragPtr(i), skb.fragSize(i));
  macFinal(alg, out);
}
