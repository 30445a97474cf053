// TCP_MD5SIG and TCP_MD5SIG_EXT, with Linux's structure, checks and errors.
import { Errno } from "../../../abi";
import { addrCopy, addrEqual, addrIsV4 } from "../../../lib/addr";
import { AF_INET, AF_INET6, Sock } from "../../../core/sock";
import { tcb } from "../tcp";
import { Auth, AuthKey, KEY_MAX, authAlloc, authFree, authOf, keyAlloc, keyFree } from "./keys";
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

const ADDR: usize = memory.data(16, 8);

/** The address of the sockaddr at `p`, in 16 bytes at ADDR. False when it is not of the socket's family. */
function readAddress(sk: Sock, p: usize): bool {
  if (load<u16>(p) != sk.family) return false;
  if (sk.family == <u16>AF_INET6) {
    addrCopy(ADDR, p + 8);
    return true;
  }
  if (sk.family != <u16>AF_INET) return false;
  store<u64>(ADDR, 0);
  store<u32>(ADDR, 0xffff0000, 8);
  store<u32>(ADDR, load<u32>(p, 4), 12);
  return true;
}

/** setsockopt of `len` bytes at `p`; `ext`: prefix and interface count. 0 or -errno. */
export function md5Setsockopt(sk: Sock, p: usize, len: u32, ext: bool): i32 {
  if (len < MD5SIG_SIZE || !readAddress(sk, p)) return -Errno.EINVAL;
  const flags = ext ? <u32>load<u8>(p, MD5_FLAGS) : 0;
  const most: u32 = addrIsV4(ADDR) ? 32 : 128;
  const prefix = flags & MD5F_PREFIX ? <u32>load<u8>(p, MD5_PREFIX) : most;
  if (prefix > most) return -Errno.EINVAL;
  const bound = (flags & MD5F_IFINDEX) != 0;
  if (bound && load<u32>(p, MD5_IFINDEX)) return -Errno.EINVAL; // must name the master of a VRF: there is none
  const keyLen = <u32>load<u16>(p, MD5_KEYLEN);
  const r = !keyLen ? md5Delete(sk, prefix, bound) : keyLen > KEY_MAX ? -Errno.EINVAL : md5Add(sk, prefix, bound, p + MD5_KEY, keyLen);
  if (r == 0) authUpdate(tcb(sk));
  return r;
}

// Address of the link to the key for exactly ADDR/`prefix` (and, `bound`, for the VRF without number) in the list at `link`; 0 when there is none.
function find(link: usize, prefix: u32, bound: bool): usize {
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const k = changetype<AuthKey>(p);
    if (k.prefix == prefix && k.bound == bound && k.v4 == addrIsV4(ADDR) && addrEqual(k.addr, ADDR)) return link;
    link = p + offsetof<AuthKey>("next");
  }
  return 0;
}
@inline function md5List(auth: usize): usize { return auth + offsetof<Auth>("md5"); }

function md5Add(sk: Sock, prefix: u32, bound: bool, key: usize, keyLen: u32): i32 {
  const tp = tcb(sk), fresh = tp.auth == 0;
  if (fresh) tp.auth = authAlloc();
  if (!tp.auth) return -Errno.ENOMEM;
  const link = find(md5List(tp.auth), prefix, bound);
  let k = link ? changetype<AuthKey | null>(load<usize>(link)) : null;
  if (!k) {
    k = keyAlloc();
    if (!k) {
      if (fresh) {
        authFree(tp.auth);
        tp.auth = 0;
      }
      return -Errno.ENOMEM;
    }
    addrCopy(k.addr, ADDR);
    k.v4 = addrIsV4(ADDR);
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
  if (!authOf(tp.auth).md5) {
    authFree(tp.auth);
    tp.auth = 0;
  }
  return 0;
}
