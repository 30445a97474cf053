// The library layer's functions, exported for test/lib. Not part of the core.
import { arenaInit } from "../../assembly/lib/arena";
import { addrCommonPrefix, addrMask, addrPrefixEqual } from "../../assembly/lib/addr";
import { csumAdd, csumBlockAdd, csumFinish, csumFold, csumReplace16 } from "../../assembly/lib/checksum";
import { chacha20Block, drbgInit, randBytes } from "../../assembly/lib/drbg";
import { sipHash } from "../../assembly/lib/hash";
import { Aes } from "../../assembly/lib/crypto/aes";
import { cmacFinal, cmacInit, cmacUpdate } from "../../assembly/lib/crypto/cmac";
import { hmacFinal, hmacInit, hmacUpdate, macEqual } from "../../assembly/lib/crypto/hmac_sha1";
import { Md5 } from "../../assembly/lib/crypto/md5";
import { Sha1 } from "../../assembly/lib/crypto/sha1";
import { Pool } from "../../assembly/lib/pool";
import { seqIn, seqLt } from "../../assembly/lib/seq";
import { aoHeader, aoMasterKey, aoTrafficKey, macFinal, macUpdate } from "../../assembly/transport/tcp/auth/mac";
import { Timer, timerCount, timerDeadline, timerInit, timerRun } from "../../assembly/core/timer";

const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const TIMERS: usize = memory.data(64 * 40, 8);
/** Ids of fired timers, in order. */
const FIRED: usize = memory.data(4096 * 4, 4);
const FIRED_COUNT: usize = memory.data(4, 4);

export function setup(end: usize): void { arenaInit(__heap_base, end); }

export function checksum(p: usize, n: usize): u32 { return csumFinish(csumAdd(p, n)); }
/** The same sum taken in two blocks cut at `at`. */
export function checksum_split(p: usize, n: usize, at: u32): u32 {
  return csumFinish(csumBlockAdd(csumAdd(p, at), csumAdd(p + at, n - at), at));
}
export function checksum_fold(lo: u32, hi: u32): u32 { return csumFold((<u64>hi << 32) | lo); }
export function checksum_replace(field: u32, old: u32, next: u32): u32 { return csumReplace16(field, old, next); }

export function chacha(out: usize, key: usize, counter: u32, nonce: usize): void { chacha20Block(out, key, counter, nonce); }
export function drbg(seed: usize, out: usize, n: usize): void {
  drbgInit(seed);
  randBytes(out, n);
}
export function siphash(p: usize, n: usize, key: usize, out: usize): void {
  store<u64>(out, sipHash(p, n, load<u64>(key), load<u64>(key, 8)));
}

// ---- crypto: each takes the `n` bytes at `p` in two parts, cut at `at` ----
const MD5 = changetype<Md5>(memory.data(offsetof<Md5>(), 8));
const SHA1 = changetype<Sha1>(memory.data(offsetof<Sha1>(), 8));
const AES = changetype<Aes>(memory.data(352, 8));
export function md5(p: usize, n: u32, at: u32, out: usize): void {
  MD5.init();
  MD5.update(p, at);
  MD5.update(p + at, n - at);
  MD5.final(out);
}
export function sha1(p: usize, n: u32, at: u32, out: usize): void {
  SHA1.init();
  SHA1.update(p, at);
  SHA1.update(p + at, n - at);
  SHA1.final(out);
}
export function hmac_sha1(p: usize, n: u32, at: u32, out: usize, key: usize, keyLen: u32): void {
  hmacInit(key, keyLen);
  hmacUpdate(p, at);
  hmacUpdate(p + at, n - at);
  hmacFinal(out);
}
export function aes128(p: usize, out: usize, key: usize): void {
  assert(Aes.size == 352);
  AES.init(key);
  AES.encrypt(p, out);
}
export function cmac(p: usize, n: u32, at: u32, out: usize, key: usize): void {
  cmacInit(key);
  cmacUpdate(p, at);
  cmacUpdate(p + at, n - at);
  cmacFinal(out);
}
export function mac_equal(a: usize, b: usize, n: u32): bool { return macEqual(a, b, n); }

/** Traffic key at `out`; addresses of 16 bytes at `pair` and behind it. */
export function ao_traffic_key(alg: u32, key: usize, keyLen: u32, pair: usize, v4: bool, sport: u32, dport: u32, sisn: u32, disn: u32, out: usize): void {
  aoTrafficKey(alg, key, keyLen, pair, pair + 16, v4, sport, dport, sisn, disn, out);
}
export function ao_master_key(key: usize, n: u32, out: usize): void { aoMasterKey(key, n, out); }
/** MAC of the segment of `len` bytes at `th` at `out`. */
export function ao_mac(alg: u32, traffic: usize, sne: u32, pair: usize, v4: bool, th: usize, len: u32, option: u32, macLen: u32, exclude: bool, out: usize): void {
  aoHeader(alg, traffic, sne, pair, pair + 16, v4, len, th, th + option, macLen, exclude);
  const hlen = (<u32>load<u8>(th, 12) >> 4) << 2;
  macUpdate(alg, th + hlen, len - hlen);
  macFinal(alg, out);
}

export function seq_lt(a: u32, b: u32): bool { return seqLt(a, b); }
export function seq_in(x: u32, lo: u32, hi: u32): bool { return seqIn(x, lo, hi); }

export function prefix_equal(a: usize, b: usize, plen: u32): bool { return addrPrefixEqual(a, b, plen); }
export function common_prefix(a: usize, b: usize): u32 { return addrCommonPrefix(a, b); }
export function mask(p: usize, plen: u32): void { addrMask(p, plen); }

export function pool_init(size: u32, capacity: u32): void { POOL.init(0, size, capacity); }
export function pool_alloc(): usize { return POOL.alloc(); }
export function pool_release(p: usize): void { POOL.release(p); }
export function pool_used(): u32 { return POOL.used; }
export function pool_failed(): u32 { return POOL.failed; }
export function pool_live(i: u32): bool { return POOL.live(i); }

@inline function timer(id: u32): Timer { return changetype<Timer>(TIMERS + id * 40); }
function fired(id: usize): void {
  const n = load<u32>(FIRED_COUNT);
  store<u32>(FIRED + (<usize>(n & 4095) << 2), <u32>id);
  store<u32>(FIRED_COUNT, n + 1);
  // Timer 63 re-arms itself for "now": it must not fire again in this turn for ever.
  if (id == 63) timer(63).armIn(0);
}
export function timers_init(): void {
  timerInit();
  store<u32>(FIRED_COUNT, 0);
  for (let i: u32 = 0; i < 64; i++) timer(i).init(fired.index, i);
}
/** Arm timer `id` at (hi:lo) ns. */
export function timer_arm(id: u32, lo: u32, hi: u32): void { timer(id).arm((<u64>hi << 32) | lo); }
export function timer_cancel(id: u32): void { timer(id).cancel(); }
export function timers_run(): u32 {
  timerRun();
  return load<u32>(FIRED_COUNT);
}
export function timer_fired(i: u32): u32 { return load<u32>(FIRED + (<usize>i << 2)); }
export function timers_deadline(out: usize): void { store<u64>(out, timerDeadline()); }
export function timers_count(): u32 { return timerCount(); }
