// TCP_MD5SIG and TCP_MD5SIG_EXT, with Linux's structure, checks and errors.
import { Errno } from "../../../abi";
import { addrCopy, addrEqual, addrIsV4 } from "../../../lib/addr";
import { Sock } from "../../../core/sock";
import { tcb } from "../tcp";
import { AUTH_ADDR, authAddress, authSettle } from "./address";
import { Auth, AuthKey, KEY_MAX, aoWanted, authAlloc, authOf, keyAlloc, keyFree } from "./keys";
import { authUpdate } from "./sign";

// struct tcp_md5sig: 0 address(128)  128 flags(1)  129 prefix length(1)  130 key length(2)  132 ifindex(4)  136 key(80)
const MD5SIG_SIZE: u32 = 216;
const MD5_FLAGS: usize = 128;
const MD5_PREFIX: usize = 129;
const MD5_KEYLEN: usize = 130;
const MD5_IFINDEX: usize = 132;
const MD5_KEY: usize = 136;
const MD5F_PREFIX: u32 = 1;
const MD5F_IFINDEX: u32 = 2;

/** setsockopt of `len` bytes at `p`; `ext`: prefix and interface count. 0 or -errno. */
export function md5Setsockopt(sk: Sock, p: usize, len: u32, ext: bool): i32 {
  if (len < MD5SIG_SIZE || !authAddress(sk, p)) return -Errno.EINVAL;
  const flags = ext ? <u32>load<u8>(p, MD5_FLAGS) : 0;
  const most: u32 = addrIsV4(AUTH_ADDR) ? 32 : 128;
  const prefix = flags & MD5F_PREFIX ? <u32>load<u8>(p, MD5_PREFIX) : most;
  if (prefix > most) return -Errno.EINVAL;
  const bound = (flags & MD5F_IFINDEX) != 0;
  if (bound && load<u32>(p, MD5_IFINDEX)) return -Errno.EINVAL; // must name the master of a VRF: there is none
  const keyLen = <u32>load<u16>(p, MD5_KEYLEN);
  // Not beside a key of TCP-AO for the same peer.
  if (keyLen && keyLen <= KEY_MAX && tcb(sk).auth && aoWanted(authOf(tcb(sk).auth), AUTH_ADDR)) return -Errno.EKEYREJECTED;
  const r = !keyLen ? md5Delete(sk, prefix, bound) : keyLen > KEY_MAX ? -Errno.EINVAL : md5Add(sk, prefix, bound, p + MD5_KEY, keyLen);
  authSettle(tcb(sk));
  if (r == 0) authUpdate(tcb(sk));
  return r;
}

// Address of the link to the key for exactly AUTH_ADDR/`prefix` (and, `bound`, for the VRF without number) in the list at `link`; 0 when there is none.
function find(link: usize, prefix: u32, bound: bool): usize {
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const k = changetype<AuthKey>(p);
    if (k.prefix == prefix && k.bound == bound && k.v4 == addrIsV4(AUTH_ADDR) && addrEqual(k.addr, AUTH_ADDR)) return link;
    link = p + offsetof<AuthKey>("next");
  }
  return 0;
}
@inline function md5List(auth: usize): usize { return auth + offsetof<Auth>("md5"); }

function md5Add(sk: Sock, prefix: u32, bound: bool, key: usize, keyLen: u32): i32 {
  const tp = tcb(sk);
  if (!tp.auth) tp.auth = authAlloc();
  if (!tp.auth) return -Errno.ENOMEM;
  const link = find(md5List(tp.auth), prefix, bound);
  let k = link ? changetype<AuthKey | null>(load<usize>(link)) : null;
  if (!k) {
    k = keyAlloc();
    if (!k) return -Errno.ENOMEM;
    addrCopy(k.addr, AUTH_ADDR);
    k.v4 = addrIsV4(AUTH_ADDR);
    k.prefix = <u8>prefix;
    k.bound = bound;
    k.next = authOf(tp.auth).md5;
    authOf(tp.auth).md5 = changetype<usize>(k);
  }
  memory.copy(k.key, key, keyLen);
  k.keyLen = <u8>keyLen;
  return 0;
}

function md5Delete(sk: Sock, prefix: u32, bound: bool): i32 {
  const tp = tcb(sk);
  const link = tp.auth ? find(md5List(tp.auth), prefix, bound) : 0;
  if (!link) return -Errno.ENOENT;
  const k = changetype<AuthKey>(load<usize>(link));
  store<usize>(link, k.next);
  keyFree(k);
  return 0;
}
