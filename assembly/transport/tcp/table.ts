// The tables of TCP: connections by 4-tuple, listeners by port, owners of each local port, and the small
// records (requests, TIME_WAIT) by 4-tuple. Buckets are keyed hashes (SipHash) of remote-chosen values.
import { addrCopy, addrEqual, addrIsAny, addrIsV4 } from "../../lib/addr";
import { carve } from "../../lib/arena";
import { hashBytes } from "../../lib/hash";
import { ListNode } from "../../lib/list";
import { AF_INET, Sock, SockFlag } from "../../core/sock";
import { TcpState } from "./tcp";

@unmanaged @final class Tables {
  /** Bucket arrays of ListNode and their index masks. */
  conns: usize;
  minis: usize;
  connMask: u32;
  listeners: usize;
  ports: usize;
  twPorts: usize;
}
const T = changetype<Tables>(memory.data(offsetof<Tables>(), 8));
const KEY: usize = memory.data(40, 8);
/** Listeners and port owners are few per port; ports are not secret. */
const PORT_BUCKETS: u32 = 4096;
const LISTEN_BUCKETS: u32 = 256;

/** What a request and a TIME_WAIT record have in common; both begin with it. */
@unmanaged @final export class Mini {
  // ListNode of the table
  next: usize;
  prev: usize;
  kind: u32;
  l0: u64; l1: u64;
  r0: u64; r1: u64;
  lport: u16;
  rport: u16;
  /** Interface it is bound to, 0 = any. */
  ifindex: u32;
  @inline get laddr(): usize { return changetype<usize>(this) + offsetof<Mini>("l0"); }
  @inline get raddr(): usize { return changetype<usize>(this) + offsetof<Mini>("r0"); }
}
export const enum MiniKind { REQUEST = 1, TIME_WAIT = 2 }

function buckets(n: u32): usize {
  const p = carve(<usize>n << 3, 8);
  for (let i: u32 = 0; i < n; i++) changetype<ListNode>(p + (<usize>i << 3)).init();
  return p;
}

export function tablesInit(maxSockets: u32): void {
  let n: u32 = 256;
  while (n < maxSockets) n <<= 1;
  T.connMask = n - 1;
  T.conns = buckets(n);
  T.minis = buckets(n);
  T.listeners = buckets(LISTEN_BUCKETS);
  T.ports = buckets(PORT_BUCKETS);
  T.twPorts = buckets(PORT_BUCKETS);
}

/** Keyed hash of a connection. Addresses 16 bytes, ports host order. */
export function connHash(laddr: usize, raddr: usize, lport: u32, rport: u32): u32 {
  addrCopy(KEY, laddr);
  addrCopy(KEY + 16, raddr);
  store<u32>(KEY, lport | (rport << 16), 32);
  return hashBytes(KEY, 36);
}

@inline function head(base: usize, i: u32): ListNode { return changetype<ListNode>(base + (<usize>i << 3)); }
@inline function hashNode(sk: Sock): ListNode { return changetype<ListNode>(changetype<usize>(sk) + offsetof<Sock>("hashNext")); }
@inline function hashSock(n: ListNode): Sock { return changetype<Sock>(changetype<usize>(n) - offsetof<Sock>("hashNext")); }
@inline function bindNode(sk: Sock): ListNode { return changetype<ListNode>(changetype<usize>(sk) + offsetof<Sock>("bindNext")); }
@inline function bindSock(n: ListNode): Sock { return changetype<Sock>(changetype<usize>(n) - offsetof<Sock>("bindNext")); }

// ---- connections ----
export function connInsert(sk: Sock): void {
  hashNode(sk).insertBefore(head(T.conns, connHash(sk.laddr, sk.raddr, sk.lport, sk.rport) & T.connMask));
}
export function connFind(h: u32, laddr: usize, raddr: usize, lport: u32, rport: u32, ifindex: u32): Sock | null {
  const list = head(T.conns, h & T.connMask);
  let n = list.next;
  while (n !== list) {
    const sk = hashSock(n);
    if (sk.lport == lport && sk.rport == rport && addrEqual(sk.raddr, raddr) && addrEqual(sk.laddr, laddr) &&
      (!sk.boundIf || !ifindex || sk.boundIf == ifindex)) return sk;
    n = n.next;
  }
  return null;
}
/** Take a socket out of the connection or listener table. */
export function hashRemove(sk: Sock): void {
  const n = hashNode(sk);
  if (n.linked) n.unlink();
}

// ---- requests and TIME_WAIT ----
export function miniInsert(m: Mini): void {
  changetype<ListNode>(m).insertBefore(head(T.minis, connHash(m.laddr, m.raddr, m.lport, m.rport) & T.connMask));
}
export function miniFind(h: u32, laddr: usize, raddr: usize, lport: u32, rport: u32, ifindex: u32): Mini | null {
  const list = head(T.minis, h & T.connMask);
  let n = list.next;
  while (n !== list) {
    const m = changetype<Mini>(n);
    if (m.lport == lport && m.rport == rport && addrEqual(m.raddr, raddr) && addrEqual(m.laddr, laddr) &&
      (!m.ifindex || !ifindex || m.ifindex == ifindex)) return m;
    n = n.next;
  }
  return null;
}
/** All requests and TIME_WAIT records: chain `i` of miniBuckets(). */
export function miniBuckets(): u32 { return T.connMask + 1; }
export function miniHead(i: u32): ListNode { return head(T.minis, i); }
/** Chain of TIME_WAIT records holding local port `port`. */
@inline export function twPortHead(port: u32): ListNode { return head(T.twPorts, port & (PORT_BUCKETS - 1)); }

// ---- listeners ----
export function listenerInsert(sk: Sock): void { hashNode(sk).insertBefore(head(T.listeners, sk.lport & (LISTEN_BUCKETS - 1))); }

/** Does a socket bound to `sk.laddr` take packets for `addr`? The score of the match, 0 = none. */
function listenScore(sk: Sock, addr: usize, ifindex: u32): u32 {
  let score: u32 = 1;
  if (sk.boundIf) {
    if (sk.boundIf != ifindex) return 0;
    score += 4;
  }
  if (!addrIsAny(sk.laddr)) return addrEqual(sk.laddr, addr) ? score + 8 : 0;
  if (!coversFamily(sk, addrIsV4(addr))) return 0;
  return sk.family == AF_INET ? score + 2 : score;
}

/** The listener for a packet to `addr`:`port`; of a SO_REUSEPORT group the member that hash `h` picks. */
export function listenerFind(h: u32, addr: usize, port: u32, ifindex: u32): Sock | null {
  const list = head(T.listeners, port & (LISTEN_BUCKETS - 1));
  let best: Sock | null = null;
  let bestScore: u32 = 0;
  let members: u32 = 0;
  let n = list.next;
  while (n !== list) {
    const sk = hashSock(n);
    n = n.next;
    if (sk.lport != port) continue;
    const score = listenScore(sk, addr, ifindex);
    if (score > bestScore) {
      bestScore = score;
      best = sk;
      members = 1;
    } else if (score && score == bestScore && sk.has(SockFlag.REUSEPORT)) members++;
  }
  if (members < 2) return best;
  let pick = <u32>((<u64>h * members) >> 32);
  n = list.next;
  while (n !== list) {
    const sk = hashSock(n);
    n = n.next;
    if (sk.lport == port && listenScore(sk, addr, ifindex) == bestScore && pick-- == 0) return sk;
  }
  return best;
}

// ---- local ports ----
/** Record that `sk` owns sk.lport. */
export function portInsert(sk: Sock): void { bindNode(sk).insertBefore(head(T.ports, sk.lport & (PORT_BUCKETS - 1))); }
export function portRemove(sk: Sock): void {
  const n = bindNode(sk);
  if (n.linked) n.unlink();
}

/** Does `sk` own a local port? */
export function portHeld(sk: Sock): bool { return bindNode(sk).linked; }

/** Can a wildcard-bound socket receive packets of this family? */
@inline function coversFamily(sk: Sock, v4: bool): bool {
  if (sk.family == AF_INET || addrIsV4(sk.laddr)) return v4;
  return !v4 || !sk.has(SockFlag.V6ONLY);
}
@inline function addrCovers(family: u32, v6only: bool, any: usize, v4: bool): bool {
  if (family == AF_INET || addrIsV4(any)) return v4;
  return !v4 || !v6only;
}

/** Would `sk` at `addr` and another holder (its family, V6ONLY and address) receive the same packets? */
export function addrsOverlap(sk: Sock, addr: usize, family: u32, v6only: bool, addr2: usize): bool {
  const any = addrIsAny(addr), any2 = addrIsAny(addr2);
  if (!any && !any2) return addrEqual(addr, addr2);
  const mine = sk.has(SockFlag.V6ONLY);
  if (any && any2) {
    return (addrCovers(sk.family, mine, addr, true) && addrCovers(family, v6only, addr2, true)) ||
      (addrCovers(sk.family, mine, addr, false) && addrCovers(family, v6only, addr2, false));
  }
  return any ? addrCovers(sk.family, mine, addr, addrIsV4(addr2)) : addrCovers(family, v6only, addr2, addrIsV4(addr));
}

/** Does another socket forbid `sk` to bind `addr`:`port`? SO_REUSEADDR and SO_REUSEPORT as Linux. TIME_WAIT records are looked at by timewait.ts. */
export function portConflict(sk: Sock, addr: usize, port: u32): bool {
  const list = head(T.ports, port & (PORT_BUCKETS - 1));
  let n = list.next;
  while (n !== list) {
    const o = bindSock(n);
    n = n.next;
    if (o.lport != port || o === sk) continue;
    if (sk.boundIf && o.boundIf && sk.boundIf != o.boundIf) continue;
    if (sk.has(SockFlag.REUSEADDR) && o.has(SockFlag.REUSEADDR) && o.state != <u8>TcpState.LISTEN) continue;
    if (sk.has(SockFlag.REUSEPORT) && o.has(SockFlag.REUSEPORT) && sk.uid == o.uid) continue;
    if (addrsOverlap(sk, addr, o.family, o.has(SockFlag.V6ONLY), o.laddr)) return true;
  }
  return false;
}

/** May an automatic choice for connect() share `port`? Not when somebody bound it on purpose or listens there. */
export function portShareable(port: u32): bool {
  const list = head(T.ports, port & (PORT_BUCKETS - 1));
  let n = list.next;
  while (n !== list) {
    const o = bindSock(n);
    if (o.lport == port && (o.has(SockFlag.BOUND_PORT) || o.state == <u8>TcpState.LISTEN)) return false;
    n = n.next;
  }
  return true;
}
