// The calls of a transparent gateway: sockets for every address and port, connection requests that wait for the host's verdict, and
// refusals sent later. They are the host's, not a program's: no socket option leads here.
import { Errno, REQ_ISN, REQ_LOCAL, REQ_PEER } from "../abi";
import { addrCopy } from "../lib/addr";
import { be16, putBe16 } from "../lib/bytes";
import { AF_INET6, Sock, SockFlag, SockKind, sockOf } from "../core/sock";
import { softirqRun } from "../core/softirq";
import { netDeviceByIndex } from "../link/net_device";
import { reject } from "../transport/reject";
import { deferredAnswer, deferredNext } from "../transport/tcp/defer";
import { TcpState, tcb } from "../transport/tcp/tcp";
import { tproxySet } from "../transport/tproxy";
import { IPPROTO_UDP } from "../wire/ipv4";

const LOCAL: usize = memory.data(16, 8);
const PEER: usize = memory.data(16, 8);

/**
 * Packets that come in by the interface `h` is bound to (SO_BINDTODEVICE) and find no socket of their own go to `h`: a UDP socket, or a
 * TCP listener, whose SYNs then wait for sys_request_answer. -EBADF; -EINVAL unless it is that, bound and IP_TRANSPARENT.
 */
export function ctl_tproxy(h: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  const tcp = sk.kind == <u8>SockKind.TCP;
  if (!sk.has(SockFlag.TRANSPARENT) || !sk.boundIf || !(tcp ? sk.state == <u8>TcpState.LISTEN : sk.kind == <u8>SockKind.UDP && <u32>sk.protocol == IPPROTO_UDP)) return -Errno.EINVAL;
  if (tcp) tcb(sk).deferSyn = true;
  tproxySet(sk);
  return 0;
}

function listener(h: u32): Sock | null {
  const sk = sockOf(h);
  return sk && sk.kind == <u8>SockKind.TCP && sk.state == <u8>TcpState.LISTEN ? sk : null;
}

function putName(p: usize, addr: usize, port: u32): void {
  memory.fill(p, 0, 28);
  store<u16>(p, <u16>AF_INET6);
  putBe16(p + 2, port);
  addrCopy(p + 8, addr);
}

/** A request of listener `h` that waits, as a record of REQ_SIZE bytes at `p`: each is given once. 0, -EAGAIN, -EBADF. */
export function sys_request_take(h: u32, p: usize): i32 {
  const sk = listener(h);
  if (!sk) return -Errno.EBADF;
  const r = deferredNext(sk);
  if (!r) return -Errno.EAGAIN;
  putName(p + REQ_LOCAL, r.key.laddr, r.lport);
  putName(p + REQ_PEER, r.key.raddr, r.rport);
  store<u32>(p, r.rcvIsn, REQ_ISN);
  return 0;
}

/**
 * What becomes of the request whose record is at `p`. `errno` 0: the SYN-ACK leaves, and sys_accept follows when the peer answers;
 * EINPROGRESS: is it still there?; else the peer is told: ECONNREFUSED by RST, ENETUNREACH, EHOSTUNREACH and EACCES by ICMP, ETIMEDOUT by
 * silence. 0, -ENOENT (it is gone), -EALREADY, -EINVAL, -EBADF.
 */
export function sys_request_answer(h: u32, p: usize, errno: u32): i32 {
  const sk = listener(h);
  if (!sk) return -Errno.EBADF;
  addrCopy(LOCAL, p + REQ_LOCAL + 8);
  addrCopy(PEER, p + REQ_PEER + 8);
  const r = deferredAnswer(LOCAL, be16(p + REQ_LOCAL + 2), PEER, be16(p + REQ_PEER + 2), sk.boundIf, load<u32>(p, REQ_ISN), errno);
  softirqRun();
  return r;
}

/**
 * Tell a sender on interface `ifindex` that its packet of `proto` did not arrive: the ICMP error that means `errno` (ECONNREFUSED,
 * ENETUNREACH, EHOSTUNREACH, EACCES), from the sockaddr_in6 at `p` (who sent it) to the one at `p` + 28, quoting `len` bytes at
 * `quote`, 8 to 512: transport header and payload. 0, -ENODEV, -EINVAL, -ENOBUFS.
 */
export function sys_reject(ifindex: u32, proto: u32, p: usize, quote: usize, len: u32, errno: u32): i32 {
  const d = netDeviceByIndex(ifindex);
  if (!d) return -Errno.ENODEV;
  addrCopy(PEER, p + 8);
  addrCopy(LOCAL, p + 28 + 8);
  const r = reject(d, proto, PEER, LOCAL, quote, len, errno);
  softirqRun();
  return r;
}
