// The keys that authenticate the segments of a socket. A listener has those of many peers, a connection the one of its own;
// a socket without any has no record at all.
import { Usage } from "../../../abi";
import { addrCopy, addrIsV4, addrPrefixEqual } from "../../../lib/addr";
import { arenaIsLarge } from "../../../lib/arena";
import { Pool } from "../../../lib/pool";

/** TCP_MD5SIG_MAXKEYLEN. */
export const KEY_MAX: u32 = 80;

@unmanaged @final export class AuthKey {
  next: usize;
  /** The peers it is for: `prefix` bits (0..32 of an IPv4 address, 0..128) of an address in the 16-byte form. */
  a0: u64; a1: u64;
  v4: bool;
  /** Given with the flag IFINDEX; there being no VRFs, it matches the same peers. */
  bound: bool;
  prefix: u8;
  keyLen: u8;
  // KEY_MAX bytes
  k0: u64; k1: u64; k2: u64; k3: u64; k4: u64; k5: u64; k6: u64; k7: u64; k8: u64; k9: u64;
  @inline get addr(): usize { return changetype<usize>(this) + offsetof<AuthKey>("a0"); }
  @inline get key(): usize { return changetype<usize>(this) + offsetof<AuthKey>("k0"); }
  /** Is it for the peer at `addr`? */
  matches(addr: usize): bool {
    return this.v4 == addrIsV4(addr) && addrPrefixEqual(this.addr, addr, this.v4 ? <u32>this.prefix + 96 : this.prefix);
  }
}

/** Of a socket or a TIME_WAIT record. */
@unmanaged @final export class Auth {
  /** List of AuthKey: TCP MD5 signatures. */
  md5: usize;
}

const KEYS = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const AUTHS = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
/** Keys of a stack, in a large memory and in a small one, but no more than sockets. */
const KEYS_MAX: u32 = 4096;
const KEYS_SMALL: u32 = 256;

export function authInit(maxSockets: u32): void {
  const n = min(maxSockets, arenaIsLarge() ? KEYS_MAX : KEYS_SMALL);
  KEYS.init(Usage.TCP_KEYS, offsetof<AuthKey>(), n);
  AUTHS.init(Usage.TCP_AUTHS, offsetof<Auth>(), n);
}

@inline export function authOf(p: usize): Auth { return changetype<Auth>(p); }
/** An empty record, or 0. */
export function authAlloc(): usize { return AUTHS.alloc(); }
/** Free a record and its keys; 0 is none. */
export function authFree(p: usize): void {
  if (!p) return;
  keysFree(authOf(p).md5);
  AUTHS.release(p);
}
function keysFree(p: usize): void {
  while (p) {
    const next = changetype<AuthKey>(p).next;
    keyFree(changetype<AuthKey>(p));
    p = next;
  }
}
export function keyAlloc(): AuthKey | null { return changetype<AuthKey | null>(KEYS.alloc()); }
export function keyFree(k: AuthKey): void {
  memory.fill(changetype<usize>(k), 0, offsetof<AuthKey>());
  KEYS.release(changetype<usize>(k));
}

/** The MD5 key for the peer at `addr`: of the longest prefix. */
export function md5Find(a: Auth, addr: usize): AuthKey | null {
  let best: AuthKey | null = null;
  for (let p = a.md5; p; p = changetype<AuthKey>(p).next) {
    const k = changetype<AuthKey>(p);
    if ((!best || k.prefix > best.prefix) && k.matches(addr)) best = k;
  }
  return best;
}

/** A record that holds a copy of the MD5 key `k`, for the peer at `addr` alone; 0 without memory. */
export function md5Copy(k: AuthKey, addr: usize): usize {
  const p = authAlloc();
  if (!p) return 0;
  const c = keyAlloc();
  if (!c) {
    AUTHS.release(p);
    return 0;
  }
  memory.copy(changetype<usize>(c), changetype<usize>(k), offsetof<AuthKey>());
  addrCopy(c.addr, addr);
  c.prefix = c.v4 ? 32 : 128;
  c.next = 0;
  authOf(p).md5 = changetype<usize>(c);
  return p;
}
