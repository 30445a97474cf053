// TCP_AO_ADD_KEY, TCP_AO_DEL_KEY, TCP_AO_INFO and TCP_AO_GET_KEYS, with Linux's structures, checks and errors (linux/tcp.h).
import { Errno } from "../../../abi";
import { addrCopy, addrEqual, addrIsAny, addrIsV4, addrMask } from "../../../lib/addr";
import { AF_INET, AF_INET6, Sock } from "../../../core/sock";
import { Tcb, TcpState, tcb } from "../tcp";
import { AUTH_ADDR, authAddress, authAddressOf, authSettle } from "./address";
import { Auth, AuthKey, KEY_MAX, aoFind, authAlloc, authOf, keyAlloc, keyFree, md5Find } from "./keys";
import { AoAlg, aoDigestLen, aoMasterKey } from "./mac";
import { authUpdate } from "./sign";

// struct tcp_ao_add: 0 address(128)  128 algorithm(64)  192 ifindex(4)  196 set_current, set_rnext(bits)  200 reserved(2)  202 prefix
//   203 sndid  204 rcvid  205 maclen  206 keyflags  207 keylen  208 key(80)
const ADD_SIZE: u32 = 288;
// struct tcp_ao_del: 0 address(128)  128 ifindex(4)  132 set_current, set_rnext, del_async(bits)  136 reserved(2)  138 prefix  139 sndid
//   140 rcvid  141 current_key  142 rnext  143 keyflags
const DEL_SIZE: u32 = 144;
// struct tcp_ao_info_opt: 0 set_current, set_rnext, ao_required, set_counters, accept_icmps(bits)  4 reserved(2)  6 current_key  7 rnext
//   8 good(8)  16 bad(8)  24 key not found(8)  32 required(8)  40 dropped ICMPs(8)
const INFO_SIZE: u32 = 48;
// struct tcp_ao_getsockopt: 0 address(128)  128 algorithm(64)  192 key(80)  272 nkeys(4)  276 is_current, is_rnext, get_all(bits of 2)
//   278 sndid  279 rcvid  280 prefix  281 maclen  282 keyflags  283 keylen  284 ifindex(4)  288 good(8)  296 bad(8)
const GET_SIZE: u32 = 304;

const KEYF_IFINDEX: u32 = 1;
const KEYF_EXCLUDE_OPT: u32 = 2;
const SET_CURRENT: u32 = 1;
const SET_RNEXT: u32 = 2;
const DEL_ASYNC: u32 = 4;
const INFO_REQUIRED: u32 = 4;
const INFO_COUNTERS: u32 = 8;
const INFO_ICMPS: u32 = 16;
const GET_ALL: u32 = 4;
const MACLEN_DEFAULT: u32 = 12;
/** A longer MAC leaves no room in a SYN for MSS, timestamps and window scale. */
const MACLEN_MAX: u32 = 16;
const ALG_NAME: u32 = 64;
const SHA1_NAME: usize = memory.data<u8>([0x68, 0x6d, 0x61, 0x63, 0x28, 0x73, 0x68, 0x61, 0x31, 0x29, 0]); // hmac(sha1)
const CMAC_NAME: usize = memory.data<u8>([0x63, 0x6d, 0x61, 0x63, 0x28, 0x61, 0x65, 0x73, 0x29, 0]); // cmac(aes)
const CMAC128_NAME: usize = memory.data<u8>([0x63, 0x6d, 0x61, 0x63, 0x28, 0x61, 0x65, 0x73, 0x31, 0x32, 0x38, 0x29, 0]); // cmac(aes128)

const enum What { ADD = 38, DEL = 39, INFO = 40 }

@inline function bit(on: bool, mask: u32): u32 { return on ? mask : 0; }

/** setsockopt of `len` bytes at `p`; `name` of What. 0 or -errno. */
export function aoSetsockopt(sk: Sock, name: u32, p: usize, len: u32): i32 {
  const tp = tcb(sk), idle = sk.state == <u8>TcpState.CLOSE || sk.state == <u8>TcpState.LISTEN;
  if (!idle && !(tp.auth && authOf(tp.auth).hasAo)) return -Errno.EISCONN;
  const size = name == What.ADD ? ADD_SIZE : name == What.DEL ? DEL_SIZE : INFO_SIZE;
  if (len < size) return -Errno.EINVAL;
  for (let i = size; i < len; i++) if (load<u8>(p + i)) return -Errno.E2BIG;
  const r = name == What.ADD ? add(sk, tp, p) : name == What.DEL ? del(sk, tp, p) : info(sk, tp, p);
  authSettle(tp);
  if (r == 0 && !idle) authUpdate(tp);
  return r;
}

/** Is the prefix one that an address of the family can have, with nothing behind it (`prefix` 0: no address at all)? AUTH_ADDR is the address. */
function prefixGood(prefix: u32): bool {
  if (!prefix) return addrIsAny(AUTH_ADDR);
  const v4 = addrIsV4(AUTH_ADDR);
  if (addrIsAny(AUTH_ADDR) || prefix > (v4 ? <u32>32 : 128)) return false;
  addrCopy(MASKED, AUTH_ADDR);
  addrMask(MASKED, v4 ? prefix + 96 : prefix);
  return addrEqual(MASKED, AUTH_ADDR);
}
const MASKED: usize = memory.data(16, 8);

function named(p: usize, name: usize): bool {
  for (let i: u32 = 0; i < ALG_NAME; i++) {
    const c = load<u8>(name + i);
    if (load<u8>(p + i) != c) return false;
    if (!c) return true;
  }
  return false;
}

// ---- TCP_AO_ADD_KEY ----
function add(sk: Sock, tp: Tcb, p: usize): i32 {
  const set = load<u32>(p, 196), prefix = <u32>load<u8>(p, 202), keyLen = <u32>load<u8>(p, 207), flags = <u32>load<u8>(p, 206);
  if (keyLen > KEY_MAX || set & ~(SET_CURRENT | SET_RNEXT) || load<u16>(p, 200)) return -Errno.EINVAL;
  if (!authAddress(sk, p) || load<u16>(p, 2) || !prefixGood(prefix)) return -Errno.EINVAL;
  if (flags & ~(KEYF_IFINDEX | KEYF_EXCLUDE_OPT) || (set && sk.state == <u8>TcpState.LISTEN)) return -Errno.EINVAL;
  if (load<u32>(p, 192)) return -Errno.EINVAL; // must name the master of a VRF: there is none
  PROBE.v4 = addrIsV4(AUTH_ADDR);
  PROBE.prefix = <u8>prefix;
  addrCopy(PROBE.addr, AUTH_ADDR);
  if (prefix && !addrIsAny(sk.raddr) && !PROBE.matches(sk.raddr)) return -Errno.EINVAL;
  if (tp.auth && md5Find(authOf(tp.auth), AUTH_ADDR) != null) return -Errno.EKEYREJECTED;
  const sndId = load<u8>(p, 203), rcvId = load<u8>(p, 204);
  if (tp.auth && (overlaps(authOf(tp.auth), prefix, sndId, -1) || overlaps(authOf(tp.auth), prefix, -1, rcvId))) return -Errno.EEXIST;
  if (!tp.auth) tp.auth = authAlloc();
  const k = tp.auth ? keyAlloc() : null;
  if (!k) return -Errno.ENOMEM;
  addrCopy(k.addr, AUTH_ADDR);
  k.v4 = addrIsV4(AUTH_ADDR);
  k.prefix = <u8>prefix;
  k.bound = (flags & KEYF_IFINDEX) != 0;
  k.exclude = (flags & KEYF_EXCLUDE_OPT) != 0;
  k.sndId = sndId;
  k.rcvId = rcvId;
  const bad = algorithm(k, p + 128, p + 208, keyLen, load<u8>(p, 205));
  if (bad) {
    keyFree(k);
    return bad;
  }
  append(authOf(tp.auth), k);
  if (set & SET_CURRENT) authOf(tp.auth).current = changetype<usize>(k);
  if (set & SET_RNEXT) authOf(tp.auth).rnext = changetype<usize>(k);
  return 0;
}
const PROBE = changetype<AuthKey>(memory.data(offsetof<AuthKey>(), 8));

// RFC 5925 3.1: where addresses overlap the ids must not.
function overlaps(a: Auth, prefix: u32, sndId: i32, rcvId: i32): bool {
  for (let q = a.ao; q; q = changetype<AuthKey>(q).next) {
    const k = changetype<AuthKey>(q);
    if ((sndId >= 0 && <i32>k.sndId != sndId) || (rcvId >= 0 && <i32>k.rcvId != rcvId)) continue;
    if (k.prefix <= prefix ? k.matches(AUTH_ADDR) : PROBE.matches(k.addr)) return true;
  }
  return false;
}

// Behind the others: the first one is the default.
function append(a: Auth, k: AuthKey): void {
  a.hasAo = true;
  let link = changetype<usize>(a) + offsetof<Auth>("ao");
  while (load<usize>(link)) link = load<usize>(link) + offsetof<AuthKey>("next");
  store<usize>(link, changetype<usize>(k));
}

// 0 or -errno; `name`: ALG_NAME bytes.
function algorithm(k: AuthKey, name: usize, key: usize, keyLen: u32, macLen: u32): i32 {
  const cmac = named(name, CMAC_NAME), cmac128 = named(name, CMAC128_NAME);
  if (!cmac && !cmac128 && !named(name, SHA1_NAME)) return -Errno.ENOENT;
  k.alg = <u8>(cmac || cmac128 ? AoAlg.AES : AoAlg.SHA1);
  k.macLen = <u8>(macLen ? macLen : MACLEN_DEFAULT);
  if (k.macLen > MACLEN_MAX) return -Errno.EMSGSIZE;
  if (cmac && keyLen != 16) return -Errno.EINVAL;
  if (cmac128 && keyLen != 16) {
    aoMasterKey(key, keyLen, k.key);
    k.keyLen = 16;
  } else {
    memory.copy(k.key, key, keyLen);
    k.keyLen = <u8>keyLen;
  }
  return <u32>k.macLen > aoDigestLen(k.alg) ? -Errno.EINVAL : 0;
}

// ---- TCP_AO_DEL_KEY ----
function del(sk: Sock, tp: Tcb, p: usize): i32 {
  const set = load<u32>(p, 132), flags = <u32>load<u8>(p, 143), listening = sk.state == <u8>TcpState.LISTEN;
  if (set & ~(SET_CURRENT | SET_RNEXT | DEL_ASYNC) || load<u16>(p, 136)) return -Errno.EINVAL;
  if ((set & (SET_CURRENT | SET_RNEXT) && listening) || flags & ~KEYF_IFINDEX) return -Errno.EINVAL;
  if (load<u32>(p, 128) && !(flags & KEYF_IFINDEX)) return -Errno.EINVAL;
  if (!tp.auth || !authOf(tp.auth).hasAo) return -Errno.ENOENT;
  const a = authOf(tp.auth);
  const current = set & SET_CURRENT ? changetype<usize>(aoFind(a, 0, load<u8>(p, 141), -1)) : 0;
  const rnext = set & SET_RNEXT ? changetype<usize>(aoFind(a, 0, -1, load<u8>(p, 142))) : 0;
  if ((set & SET_CURRENT && !current) || (set & SET_RNEXT && !rnext)) return -Errno.ENOENT;
  if ((set & DEL_ASYNC && !listening) || load<u16>(p, 2)) return -Errno.EINVAL;
  if (load<u32>(p, 128)) return -Errno.ENOENT;
  if (!authAddress(sk, p)) return -Errno.ENOENT;
  let link = changetype<usize>(a) + offsetof<Auth>("ao");
  for (let q = load<usize>(link); q; q = load<usize>(link)) {
    const k = changetype<AuthKey>(q);
    const same = k.sndId == load<u8>(p, 139) && k.rcvId == load<u8>(p, 140) && k.prefix == load<u8>(p, 138) && k.v4 == addrIsV4(AUTH_ADDR) &&
      k.bound == ((flags & KEYF_IFINDEX) != 0) && addrEqual(k.addr, AUTH_ADDR);
    if (!same || q == current || q == rnext) {
      link = q + offsetof<AuthKey>("next");
      continue;
    }
    if (current) a.current = current;
    if (rnext) a.rnext = rnext;
    if (a.current == q || a.rnext == q) return -Errno.EBUSY;
    store<usize>(link, k.next);
    keyFree(k);
    return 0;
  }
  return -Errno.ENOENT;
}

// ---- TCP_AO_INFO ----
function info(sk: Sock, tp: Tcb, p: usize): i32 {
  const set = load<u32>(p);
  if (set & (SET_CURRENT | SET_RNEXT) && sk.state == <u8>TcpState.LISTEN) return -Errno.EINVAL;
  if (set & ~(SET_CURRENT | SET_RNEXT | INFO_REQUIRED | INFO_COUNTERS | INFO_ICMPS) || load<u16>(p, 4)) return -Errno.EINVAL;
  if (!tp.auth) tp.auth = authAlloc();
  if (!tp.auth) return -Errno.ENOMEM;
  const a = authOf(tp.auth);
  if (set & INFO_REQUIRED && a.md5) return -Errno.EKEYREJECTED;
  const current = set & SET_CURRENT ? changetype<usize>(aoFind(a, 0, load<u8>(p, 6), -1)) : 0;
  const rnext = set & SET_RNEXT ? changetype<usize>(aoFind(a, 0, -1, load<u8>(p, 7))) : 0;
  if ((set & SET_CURRENT && !current) || (set & SET_RNEXT && !rnext)) return -Errno.ENOENT;
  if (set & INFO_COUNTERS) {
    a.good = load<u64>(p, 8);
    a.bad = load<u64>(p, 16);
    a.keyNotFound = load<u64>(p, 24);
    a.required = load<u64>(p, 32);
    a.droppedIcmp = load<u64>(p, 40);
  }
  a.hasAo = true;
  a.aoRequired = (set & INFO_REQUIRED) != 0;
  a.acceptIcmps = (set & INFO_ICMPS) != 0;
  if (current) a.current = current;
  if (rnext) a.rnext = rnext;
  return 0;
}

const OUT: usize = memory.data(304, 8);

/** The value of TCP_AO_INFO, at most `len` bytes at `p`. Bytes written or -errno. */
export function aoInfo(sk: Sock, p: usize, len: u32): i32 {
  if (!len) return -Errno.EINVAL;
  memory.fill(OUT, 0, INFO_SIZE);
  memory.copy(OUT, p, min(len, INFO_SIZE));
  if (load<u32>(OUT) >> 5 || load<u16>(OUT, 4)) return -Errno.EINVAL;
  const auth = tcb(sk).auth;
  if (!auth || !authOf(auth).hasAo) return -Errno.ENOENT;
  const a = authOf(auth);
  memory.fill(OUT, 0, INFO_SIZE);
  store<u32>(OUT, bit(a.aoRequired, INFO_REQUIRED) | bit(a.acceptIcmps, INFO_ICMPS) | bit(a.current != 0, SET_CURRENT) | bit(a.rnext != 0, SET_RNEXT));
  if (a.current) store<u8>(OUT, changetype<AuthKey>(a.current).sndId, 6);
  if (a.rnext) store<u8>(OUT, changetype<AuthKey>(a.rnext).rcvId, 7);
  store<u64>(OUT, a.good, 8);
  store<u64>(OUT, a.bad, 16);
  store<u64>(OUT, a.keyNotFound, 24);
  store<u64>(OUT, a.required, 32);
  store<u64>(OUT, a.droppedIcmp, 40);
  const n = min(len, INFO_SIZE);
  memory.copy(p, OUT, n);
  return n;
}

// ---- TCP_AO_GET_KEYS ----
/**
 * The keys that the structure at `p` asks for, the first in its place and others behind it as far as `len` bytes have room for whole ones; how many
 * there are in its field nkeys. Bytes written or -errno.
 */
export function aoGetKeys(sk: Sock, p: usize, len: u32): i32 {
  const auth = tcb(sk).auth;
  if (!auth || !authOf(auth).hasAo) return -Errno.ENOENT;
  if (len < GET_SIZE) return -Errno.EINVAL;
  const a = authOf(auth), bits = <u32>load<u16>(p, 276), most = min(load<u32>(p, 272), len / GET_SIZE);
  const special = (bits & (GET_ALL | SET_CURRENT | SET_RNEXT)) != 0;
  const sndId = load<u8>(p, 278), rcvId = load<u8>(p, 279), prefix = <u32>load<u8>(p, 280), flags = <u32>load<u8>(p, 282);
  if (load<u64>(p, 288) || load<u64>(p, 296) || flags & ~KEYF_IFINDEX || (load<u32>(p, 284) && !(flags & KEYF_IFINDEX)) || bits & ~7) return -Errno.EINVAL;
  if (bits & GET_ALL && bits & (SET_CURRENT | SET_RNEXT)) return -Errno.EINVAL;
  const family = <u32>load<u16>(p);
  if (special) {
    if (family == AF_INET || family == AF_INET6 || prefix || sndId || rcvId) return -Errno.EINVAL;
    if (family) return -Errno.EAFNOSUPPORT;
  } else if (family != AF_INET && family != AF_INET6) return -Errno.EAFNOSUPPORT;
  else {
    authAddressOf(family, p);
    if (!prefixGood(prefix)) return -Errno.EINVAL;
  }
  let matched: u32 = 0, out = p;
  for (let q = a.ao; q; q = changetype<AuthKey>(q).next) {
    const k = changetype<AuthKey>(q);
    if (special ? !(bits & GET_ALL || (bits & SET_CURRENT && q == a.current) || (bits & SET_RNEXT && q == a.rnext))
      : k.sndId != sndId || k.rcvId != rcvId || k.prefix != <u8>prefix || k.v4 != addrIsV4(AUTH_ADDR) || !addrEqual(k.addr, AUTH_ADDR)) continue;
    if (matched++ >= most) continue;
    describe(a, k, out);
    out += GET_SIZE;
  }
  store<u32>(p, matched, 272);
  return max(<i32>(out - p), <i32>GET_SIZE);
}

function describe(a: Auth, k: AuthKey, p: usize): void {
  memory.fill(p, 0, GET_SIZE);
  store<u16>(p, <u16>(k.v4 ? AF_INET : AF_INET6));
  if (k.v4) store<u32>(p, load<u32>(k.addr, 12), 4);
  else addrCopy(p + 8, k.addr);
  const name = k.alg == <u8>AoAlg.AES ? CMAC_NAME : SHA1_NAME;
  for (let i: u32 = 0; load<u8>(name + i); i++) store<u8>(p + i, load<u8>(name + i), 128);
  memory.copy(p + 192, k.key, k.keyLen);
  store<u16>(p, <u16>(bit(a.current == changetype<usize>(k), SET_CURRENT) | bit(a.rnext == changetype<usize>(k), SET_RNEXT)), 276);
  store<u8>(p, k.sndId, 278);
  store<u8>(p, k.rcvId, 279);
  store<u8>(p, k.prefix, 280);
  store<u8>(p, k.macLen, 281);
  store<u8>(p, <u8>(bit(k.bound, KEYF_IFINDEX) | bit(k.exclude, KEYF_EXCLUDE_OPT)), 282);
  store<u8>(p, k.keyLen, 283);
  store<u64>(p, k.good, 288);
  store<u64>(p, k.bad, 296);
}
