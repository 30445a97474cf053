// UDP (RFC 768, RFC 1122 4.1, RFC 8200 8.1) and UDP-Lite (RFC 3828), whose ports are its own: the port table, binding and its conflicts,
// lookup by score as Linux.
import { Errno } from "../../abi";
import { carve } from "../../lib/arena";
import { addrCopy, addrEqual, addrIsAny, addrIsV4 } from "../../lib/addr";
import { Mib, mibInc } from "../../core/mib";
import { inetProtoRegister } from "../../core/proto";
import { AF_INET6, Sock, SockFlag } from "../../core/sock";
import { workerOwnsPort } from "../../core/worker";
import { IPPROTO_UDP, IPPROTO_UDPLITE } from "../../wire/ipv4";
import { bindCheck, datagramConnect, datagramCreate, datagramDisconnect, datagramInit, datagramRelease, familyMatch } from "../datagram";
import { portCount, portEphemeral, portHash } from "../port";
import { tproxyForget } from "../tproxy";
import { udpError, udpInput } from "./input";
import { udpLiteError, udpLiteInput } from "./udplite";

const BUCKETS: u32 = 1024;
const TABLE: usize = memory.data(4, 4);

export function udpInit(sockets: u32): void {
  datagramInit(sockets);
  store<usize>(TABLE, carve(BUCKETS << 2, 4));
  inetProtoRegister(IPPROTO_UDP, udpInput.index, udpError.index);
  inetProtoRegister(IPPROTO_UDPLITE, udpLiteInput.index, udpLiteError.index);
}

/** Count under the names of a protocol and family; `which`: the counter of UDP over IPv4. */
export function udpCount(which: Mib, v4: bool, proto: u32): void {
  let c: i32 = which;
  if (!v4) c += Mib.Udp6InDatagrams - Mib.UdpInDatagrams;
  if (proto == IPPROTO_UDPLITE) c += Mib.UdpLiteInDatagrams - Mib.UdpInDatagrams;
  mibInc(c);
}

@inline function bucket(port: u32): usize { return load<usize>(TABLE) + ((port & (BUCKETS - 1)) << 2); }
/** First socket of a port's chain; walk on with sk.bindNext. */
@inline export function udpChain(port: u32): Sock | null { return changetype<Sock | null>(load<usize>(bucket(port))); }

export function udpCreate(sk: Sock): i32 { return datagramCreate(sk); }

function hash(sk: Sock): void {
  const b = bucket(sk.lport);
  sk.bindNext = load<usize>(b);
  store<usize>(b, changetype<usize>(sk));
}
function unhash(sk: Sock): void {
  let link = bucket(sk.lport);
  while (load<usize>(link) && load<usize>(link) != changetype<usize>(sk)) link = load<usize>(link) + offsetof<Sock>("bindNext");
  if (load<usize>(link)) store<usize>(link, sk.bindNext);
  sk.bindNext = 0;
}

// Could both sockets receive the same packet?
function overlap(a: Sock, addr: usize, b: Sock): bool {
  if (a.protocol != b.protocol) return false;
  if (a.boundIf && b.boundIf && a.boundIf != b.boundIf) return false;
  const anyA = addrIsAny(addr), anyB = addrIsAny(b.laddr);
  if (anyA || anyB) {
    // A wildcard of one family meets the other family only through a dual-stack socket.
    const v4a = addrIsV4(addr), v4b = addrIsV4(b.laddr);
    if (v4a == v4b) return true;
    const six = v4a ? b : a;
    const sixAny = v4a ? anyB : anyA;
    return sixAny && !six.has(SockFlag.V6ONLY);
  }
  return addrEqual(addr, b.laddr);
}

function conflict(sk: Sock, addr: usize, port: u32): bool {
  let o = udpChain(port);
  while (o) {
    if (o !== sk && <u32>o.lport == port && overlap(sk, addr, o)
      && !(sk.has(SockFlag.REUSEADDR) && o.has(SockFlag.REUSEADDR))
      && !(sk.has(SockFlag.REUSEPORT) && o.has(SockFlag.REUSEPORT))) return true;
    o = changetype<Sock | null>(o.bindNext);
  }
  return false;
}

/** bind(2); port 0 picks one. 0 or -errno. */
export function udpBind(sk: Sock, addr: usize, port: u32, scope: u32): i32 {
  if (sk.lport) return -Errno.EINVAL;
  const bad = bindCheck(sk, addr, scope);
  if (bad) return bad;
  if (!port) {
    port = pick(sk, addr);
    if (!port) return -Errno.EADDRINUSE;
  } else {
    if (conflict(sk, addr, port)) return -Errno.EADDRINUSE;
    sk.set(SockFlag.BOUND_PORT, true);
  }
  if (scope && !sk.boundIf) sk.boundIf = scope;
  addrCopy(sk.laddr, addr);
  if (!addrIsAny(addr)) sk.set(SockFlag.BOUND_ADDR, true);
  sk.lport = <u16>port;
  hash(sk);
  return 0;
}

function pick(sk: Sock, addr: usize): u32 {
  const h = portHash(addr, sk.raddr, sk.rport);
  const n = portCount();
  for (let i: u32 = 0; i < n; i++) {
    const port = portEphemeral(h, i);
    if (!workerOwnsPort(port)) continue;
    // An ephemeral port is never shared, whatever REUSEADDR says (else two clients would steal each other's answers).
    let taken = false;
    let o = udpChain(port);
    while (o) {
      if (<u32>o.lport == port && overlap(sk, addr, o)) taken = true;
      o = changetype<Sock | null>(o.bindNext);
    }
    if (!taken) return port;
  }
  return 0;
}

/** Bind to a port of the stack's choosing if not bound. */
export function udpAutobind(sk: Sock): i32 {
  if (sk.lport) return 0;
  const port = pick(sk, sk.laddr);
  if (!port) return -Errno.EAGAIN;
  sk.lport = <u16>port;
  hash(sk);
  return 0;
}

/** connect(2). */
export function udpConnect(sk: Sock, addr: usize, port: u32, scope: u32): i32 {
  const r = udpAutobind(sk);
  if (r < 0) return r;
  return datagramConnect(sk, addr, port, scope, sk.protocol);
}

/** connect(AF_UNSPEC): an automatic port is given up too. */
export function udpDisconnect(sk: Sock): void {
  datagramDisconnect(sk);
  if (!sk.has(SockFlag.BOUND_PORT) && sk.lport) {
    unhash(sk);
    sk.lport = 0;
  }
}

/** Unhash and give back the control block. */
export function udpClose(sk: Sock): void {
  tproxyForget(sk);
  if (sk.lport) unhash(sk);
  datagramRelease(sk);
}

/** How well `sk` fits a packet of `proto` to daddr:dport from saddr:sport on `dif`; -1 = not at all. */
export function udpScore(sk: Sock, proto: u32, saddr: usize, sport: u32, daddr: usize, dport: u32, dif: u32): i32 {
  if (<u32>sk.lport != dport || <u32>sk.protocol != proto || !familyMatch(sk, daddr)) return -1;
  let score: i32 = sk.family == <u16>AF_INET6 ? 0 : 1;
  if (!addrIsAny(sk.laddr)) {
    if (!addrEqual(sk.laddr, daddr)) return -1;
    score += 2;
  }
  if (sk.rport) {
    if (<u32>sk.rport != sport) return -1;
    score += 2;
  }
  if (sk.state == 1) {
    if (!addrEqual(sk.raddr, saddr)) return -1;
    score += 2;
  }
  if (sk.boundIf) {
    if (sk.boundIf != dif) return -1;
    score += 1;
  }
  return score;
}

/** The socket for a unicast packet; sockets of one REUSEPORT group share by hash of the flow. */
export function udpLookup(proto: u32, saddr: usize, sport: u32, daddr: usize, dport: u32, dif: u32): Sock | null {
  let best: Sock | null = null;
  let score: i32 = -1;
  let same: u32 = 0;
  let sk = udpChain(dport);
  while (sk) {
    const s = udpScore(sk, proto, saddr, sport, daddr, dport, dif);
    if (s > score) {
      best = sk;
      score = s;
      same = 1;
    } else if (s == score && s >= 0 && sk.has(SockFlag.REUSEPORT)) same++;
    sk = changetype<Sock | null>(sk.bindNext);
  }
  if (same < 2 || !best || !best.has(SockFlag.REUSEPORT)) return best;
  let k = portHash(daddr, saddr, sport) % same;
  sk = udpChain(dport);
  while (sk) {
    if (udpScore(sk, proto, saddr, sport, daddr, dport, dif) == score && (sk === best || sk.has(SockFlag.REUSEPORT))) {
      if (!k--) return sk;
    }
    sk = changetype<Sock | null>(sk.bindNext);
  }
  return best;
}
