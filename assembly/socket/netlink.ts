// Netlink sockets (netlink(7)): messages to the control engine and back, multicast groups. The engine registers
// one function per netlink family at init.
import { Errno } from "../abi";
import { randBelow } from "../lib/drbg";
import { Drop } from "../core/drop";
import { Sock, sockQueueRx } from "../core/sock";
import { Skb, skbAlloc, skbDrop } from "../core/skb";
import { NLMSG_HDRLEN, NlMsg, nlAlign } from "../wire/netlink";

export const NETLINK_ROUTE: u32 = 0;
export const NETLINK_SOCK_DIAG: u32 = 4;
export const SOCKADDR_NL: u32 = 12;
const AF_NETLINK16: u16 = 16;
const PROTOCOLS: u32 = 32;
/** fn(sk, message): handle one request; its length has been checked. */
const ENGINES: usize = memory.data(32 * 4, 4);
const HEAD: usize = memory.data(4, 4);
const NETLINK_ADD_MEMBERSHIP: u32 = 1;
const NETLINK_DROP_MEMBERSHIP: u32 = 2;

export function netlinkRegister(protocol: u32, engine: u32): void { store<u32>(ENGINES + (<usize>protocol << 2), engine); }

/** Is there an engine for this protocol? */
export function netlinkKnown(protocol: u32): bool { return protocol < PROTOCOLS && load<u32>(ENGINES + (<usize>protocol << 2)) != 0; }

// sk.boundIf holds the port id, sk.mark the multicast groups 1..32, sk.flowLabel the options.
export function netlinkCreate(sk: Sock): void {
  sk.bindNext = load<usize>(HEAD);
  store<usize>(HEAD, changetype<usize>(sk));
}
export function netlinkClose(sk: Sock): void {
  let link = HEAD;
  while (load<usize>(link) != changetype<usize>(sk)) link = load<usize>(link) + offsetof<Sock>("bindNext");
  store<usize>(link, sk.bindNext);
}

function portTaken(pid: u32, protocol: u32, not: Sock): bool {
  let o = changetype<Sock | null>(load<usize>(HEAD));
  while (o) {
    if (o !== not && o.boundIf == pid && <u32>o.protocol == protocol) return true;
    o = changetype<Sock | null>(o.bindNext);
  }
  return false;
}

function autobind(sk: Sock): void {
  while (!sk.boundIf) {
    const pid = 1 + randBelow(0x3fffffff);
    if (!portTaken(pid, sk.protocol, sk)) sk.boundIf = pid;
  }
}

/** sockaddr_nl: 0 family  4 pid  8 groups. */
export function netlinkBind(sk: Sock, p: usize, len: u32): i32 {
  if (len < SOCKADDR_NL || load<u16>(p) != AF_NETLINK16) return -Errno.EINVAL;
  const pid = load<u32>(p, 4);
  if (pid && sk.boundIf && pid != sk.boundIf) return -Errno.EINVAL;
  if (pid && portTaken(pid, sk.protocol, sk)) return -Errno.EADDRINUSE;
  if (pid) sk.boundIf = pid;
  autobind(sk);
  sk.mark = load<u32>(p, 8);
  return 0;
}

export function netlinkName(sk: Sock, p: usize): u32 {
  store<u32>(p, AF_NETLINK16);
  store<u32>(p, sk.boundIf, 4);
  store<u32>(p, sk.mark, 8);
  return SOCKADDR_NL;
}

/** Requests from the application: every message of the datagram, up to one whose length is wrong. */
export function netlinkSend(sk: Sock, ptr: usize, len: u32): i32 {
  autobind(sk);
  const engine = load<u32>(ENGINES + (<usize>sk.protocol << 2));
  let at: u32 = 0;
  while (at + NLMSG_HDRLEN <= len) {
    const m = NlMsg.at(ptr + at);
    if (m.len < NLMSG_HDRLEN || m.len > len - at) break;
    const step = nlAlign(m.len);
    call_indirect<void>(engine, sk, m);
    if (step > len - at) break;
    at += step;
  }
  return <i32>len;
}

/** Queue `len` bytes at `ptr` for `sk`; cb0 = the group it was sent to, 0 = an answer. False when the receive buffer is full. */
export function netlinkQueue(sk: Sock, ptr: usize, len: u32, group: u32): bool {
  const s = skbAlloc(len);
  if (!s) return false;
  memory.copy(s.put(len), ptr, len);
  s.cb0 = group;
  if (sockQueueRx(sk, s)) return true;
  skbDrop(s, Drop.SOCKET_RCVBUFF);
  sk.err = Errno.ENOBUFS;
  return false;
}

/** Send to every member of `group` (1..32) of `protocol`. */
export function netlinkMulticast(protocol: u32, group: u32, ptr: usize, len: u32): void {
  let sk = changetype<Sock | null>(load<usize>(HEAD));
  while (sk) {
    if (<u32>sk.protocol == protocol && (sk.mark >> (group - 1)) & 1) netlinkQueue(sk, ptr, len, group);
    sk = changetype<Sock | null>(sk.bindNext);
  }
}

/** Is anybody listening to `group`? */
export function netlinkWanted(protocol: u32, group: u32): bool {
  let sk = changetype<Sock | null>(load<usize>(HEAD));
  while (sk) {
    if (<u32>sk.protocol == protocol && (sk.mark >> (group - 1)) & 1) return true;
    sk = changetype<Sock | null>(sk.bindNext);
  }
  return false;
}

/** The sender of a received message: the kernel, pid 0. */
export function netlinkFrom(s: Skb, p: usize): u32 {
  store<u32>(p, AF_NETLINK16);
  store<u32>(p, 0, 4);
  store<u32>(p, s.cb0 ? <u32>1 << (<u32>s.cb0 - 1) : 0, 8);
  return SOCKADDR_NL;
}

/** SOL_NETLINK: group memberships; the rest (EXT_ACK, GET_STRICT_CHK, CAP_ACK ...) are accepted and change nothing. */
export function netlinkSetOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name != NETLINK_ADD_MEMBERSHIP && name != NETLINK_DROP_MEMBERSHIP) return 0;
  if (len < 4) return -Errno.EINVAL;
  const g = load<u32>(p);
  if (g < 1 || g > 32) return -Errno.EINVAL;
  const bit = <u32>1 << (g - 1);
  sk.mark = name == NETLINK_ADD_MEMBERSHIP ? sk.mark | bit : sk.mark & ~bit;
  return 0;
}
