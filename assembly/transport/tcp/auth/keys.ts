// The keys that authenticate the segments of a socket: TCP MD5 signatures (RFC 2385), master key tuples of TCP-AO (RFC 5925 3.1). A
// listener has those of many peers, a connection those of its own; a socket without any has no record at all.
import { Usage } from "../../../abi";
import { addrCopy, addrIsV4, addrPrefixEqual } from "../../../lib/addr";
import { arenaIsLarge } from "../../../lib/arena";
import { Pool } from "../../../lib/pool";

/** TCP_MD5SIG_MAXKEYLEN, TCP_AO_MAXKEYLEN. */
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
  // ---- TCP-AO ----
  /** KeyID of segments we send, and of those we receive. */
  sndId: u8;
  rcvId: u8;
  macLen: u8;
  /** AoAlg. */
  alg: u8;
  /** The MAC leaves out the other options. */
  exclude: bool;
  /** The traffic keys are those of the connection. */
  derived: bool;
  // traffic keys, AO_DIGEST_MAX bytes each
  t0: u64; t1: u64; t2: u32;
  u0: u64; u1: u64; u2: u32;
  /** Segments verified, and those that failed. */
  good: u64;
  bad: u64;
  @inline get addr(): usize { return changetype<usize>(this) + offsetof<AuthKey>("a0"); }
  @inline get key(): usize { return changetype<usize>(this) + offsetof<AuthKey>("k0"); }
  @inline get sendKey(): usize { return changetype<usize>(this) + offsetof<AuthKey>("t0"); }
  @inline get recvKey(): usize { return changetype<usize>(this) + offsetof<AuthKey>("u0"); }
  /** Is it for the peer at `addr`? */
  matches(addr: usize): bool {
    return this.v4 == addrIsV4(addr) && addrPrefixEqual(this.addr, addr, this.v4 ? <u32>this.prefix + 96 : this.prefix);
  }
}

/** What Auth knows of the initial sequence numbers. */
export const enum AuthIsn { NONE, OURS, BOTH }

/** Of a socket or a TIME_WAIT record. */
@unmanaged @final export class Auth {
  /** Lists of AuthKey. */
  md5: usize;
  ao: usize;
  /** TCP-AO is in use, if without keys (TCP_AO_INFO). */
  hasAo: bool;
  /** No connection without it. */
  aoRequired: bool;
  acceptIcmps: bool;
  isn: AuthIsn;
  /** Keys of the connection: what it signs with, what it asks the peer for (RFC 5925 3.3). 0 = none. */
  current: usize;
  rnext: usize;
  lisn: u32;
  risn: u32;
  // Sequence numbers seen last and how often they have come round (RFC 5925 6.2): SND.UNA and RCV.NXT.
  sndSeq: u32;
  sndSne: u32;
  rcvSeq: u32;
  rcvSne: u32;
  // counters of TCP_AO_INFO
  good: u64;
  bad: u64;
  keyNotFound: u64;
  required: u64;
  droppedIcmp: u64;
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
  keysFree(authOf(p).ao);
  AUTHS.release(p);
}
export function keysFree(p: usize): void {
  while (p) {
    const next = changetype<AuthKey>(p).next;
    keyFree(changetype<AuthKey>(p));
    p = next;
  }
}
export function keyAlloc(): AuthKey | null { return changetype<AuthKey | null>(KEYS.alloc()); }
/** Nothing of a key stays behind. */
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

/** The first key of TCP-AO for the peer at `addr` (0: any, as on a connection) with these KeyIDs, -1 = whichever. */
export function aoFind(a: Auth, addr: usize, sndId: i32, rcvId: i32): AuthKey | null {
  for (let p = a.ao; p; p = changetype<AuthKey>(p).next) {
    const k = changetype<AuthKey>(p);
    if ((sndId < 0 || <i32>k.sndId == sndId) && (rcvId < 0 || <i32>k.rcvId == rcvId) && (!addr || k.matches(addr))) return k;
  }
  return null;
}
/** Must segments of the peer at `addr` have the option of TCP-AO? */
export function aoWanted(a: Auth, addr: usize): bool { return a.hasAo && (a.aoRequired || aoFind(a, addr, -1, -1) != null); }

function keyCopy(k: AuthKey): AuthKey | null {
  const c = keyAlloc();
  if (!c) return null;
  memory.copy(changetype<usize>(c), changetype<usize>(k), offsetof<AuthKey>());
  c.next = 0;
  c.derived = false;
  c.good = 0;
  c.bad = 0;
  return c;
}

/** A record that holds a copy of the MD5 key `k`, for the peer at `addr` alone; 0 without memory. */
export function md5Copy(k: AuthKey, addr: usize): usize {
  const p = authAlloc();
  if (!p) return 0;
  const c = keyCopy(k);
  if (!c) {
    AUTHS.release(p);
    return 0;
  }
  addrCopy(c.addr, addr);
  c.prefix = c.v4 ? 32 : 128;
  authOf(p).md5 = changetype<usize>(c);
  return p;
}

/** A record with copies of all keys of TCP-AO in `from` for the peer at `addr`, in the same order; 0 without memory. */
export function aoCopy(from: Auth, addr: usize): usize {
  const p = authAlloc();
  if (!p) return 0;
  const a = authOf(p);
  a.hasAo = true;
  a.aoRequired = from.aoRequired;
  a.acceptIcmps = from.acceptIcmps;
  let link = p + offsetof<Auth>("ao");
  for (let q = from.ao; q; q = changetype<AuthKey>(q).next) {
    if (!changetype<AuthKey>(q).matches(addr)) continue;
    const c = keyCopy(changetype<AuthKey>(q));
    if (!c) {
      authFree(p);
      return 0;
    }
    store<usize>(link, changetype<usize>(c));
    link = changetype<usize>(c) + offsetof<AuthKey>("next");
  }
  return p;
}

/** Keys of TCP-AO that are not for the peer at `addr` go. */
export function aoKeepOnly(a: Auth, addr: usize): void {
  let link = changetype<usize>(a) + offsetof<Auth>("ao");
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const k = changetype<AuthKey>(p);
    if (k.matches(addr)) {
      link = p + offsetof<AuthKey>("next");
      k.derived = false;
      continue;
    }
    if (a.current == p) a.current = 0;
    if (a.rnext == p) a.rnext = 0;
    store<usize>(link, k.next);
    keyFree(k);
  }
}
