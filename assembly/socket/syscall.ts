// The system calls: argument checks, dispatch by kind of socket, the shared datagram receive path. Every call
// returns >= 0 or -errno and never blocks.
import {
  Errno, MSG_CONTROL, MSG_CONTROLLEN, MSG_DATA, MSG_DATALEN, MSG_FLAGS, MSG_NAME, MSG_NAMELEN, Poll,
} from "../abi";
import { addrCopy, addrIsAny, addrIsV4 } from "../lib/addr";
import {
  AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNSPEC, SHUT_RCV, SHUT_SND, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, Sock, SockFlag, SockKind, sockAlloc,
  sockFree, sockOf, sockRelease, sockShiftRx, sockTakeError, sockWake,
} from "../core/sock";
import { Skb, skbFree, skbRead } from "../core/skb";
import { softirqRun } from "../core/softirq";
import { Sysctl, sysctl } from "../core/sysctl";
import { NetDevice } from "../link/net_device";
import {
  MSG_ERRQUEUE, MSG_FASTOPEN, MSG_OOB, MSG_PEEK, MSG_TRUNC, Message, STATE_CONNECTED, datagramDisconnect, packetAddrs,
} from "../transport/datagram";
import { filterDetach } from "../transport/filter";
import { membershipDropAll } from "../transport/membership";
import { pingBind, pingClose, pingConnect, pingCreate, pingSend } from "../transport/raw/ping";
import { rawBind, rawClose, rawConnect, rawCreate, rawSend } from "../transport/raw/raw";
import {
  tcpAccept, tcpBind, tcpClose, tcpConnect, tcpCreate, tcpDisconnect, tcpGetsockopt, tcpIoctl, tcpKeepalive, tcpListen, tcpPacing, tcpPoll, tcpRxConsume,
  tcpRxPeek, tcpSetsockopt, tcpShutdown, tcpTxCommit, tcpTxReserve,
} from "../transport/tcp/api";
import { udpSend } from "../transport/udp/output";
import { udpBind, udpClose, udpConnect, udpCreate, udpDisconnect } from "../transport/udp/udp";
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from "../wire/ipv4";
import { NEXTHDR_ICMP } from "../wire/ipv6";
import { IPPROTO_IP, IPPROTO_IPV6, SOL_SOCKET, cmsgError, cmsgParse, cmsgReceive } from "./cmsg";
import { SIOCINQ, SIOCOUTQ, ifIoctl, queueIoctl } from "./ioctl";
import {
  netlinkBind, netlinkClose, netlinkCreate, netlinkFrom, netlinkKnown, netlinkName, netlinkSend, netlinkSetOption,
} from "./netlink";
import { optPut, optPutInt } from "./option";
import { getFilterOption, getIpOption, setFilterOption, setIpOption } from "./options_ip";
import { getIpv6Option, setIpv6Option } from "./options_ip6";
import { getSocketOption, onTcpOptions, setSocketOption } from "./options_socket";
import { getUdpOption, setUdpOption } from "./options_udp";
import { packetBind, packetClose, packetCreate, packetFrom, packetGetOption, packetName, packetSend, packetSetOption } from "./packet";
import { streamFastopen, streamReceive, streamSend } from "./stream";
import { NAME, NAME_ADDR, sockaddrRead, sockaddrWrite } from "./sockaddr";

// Linux's TCP states, as far as they matter here
const STATE_CLOSE: u8 = 7;
const STATE_SYN_SENT: u8 = 2;
const STATE_LISTEN: u8 = 10;
/** Types and protocols beyond these are no arguments (Linux SOCK_MAX, IPPROTO_MAX). */
const SOCK_MAX: u32 = 11;
const IPPROTO_MAX: u32 = 263;
const SIOCATMARK: u32 = 0x8905;
const SIOCOUTQNSD: u32 = 0x894b;
const SOL_ICMPV6: u32 = 58;
const SOL_RAW: u32 = 255;
const SOL_PACKET: u32 = 263;
const SOL_NETLINK: u32 = 270;
const SO_PEERNAME: u32 = 28;
const M = changetype<Message>(memory.data(offsetof<Message>(), 8));

/** Run what the call set off, and pass its result through. */
function done(r: i32): i32 {
  softirqRun();
  return r;
}

function create(sk: Sock): i32 {
  switch (<i32>sk.kind) {
    case SockKind.TCP:
      onTcpOptions(tcpKeepalive.index, tcpPacing.index);
      return tcpCreate(sk);
    case SockKind.UDP: return udpCreate(sk);
    case SockKind.RAW: return rawCreate(sk);
    case SockKind.PING: return pingCreate(sk);
    case SockKind.PACKET: packetCreate(sk, bswap<u16>(sk.protocol)); return 0;
    case SockKind.NETLINK: netlinkCreate(sk); return 0;
    default: return -Errno.ESOCKTNOSUPPORT;
  }
}

// Which implementation serves (family, type, protocol): the kind, or -errno.
function kindOf(family: u32, type: u32, protocol: u32): i32 {
  if (type >= SOCK_MAX) return -Errno.EINVAL;
  if (family == AF_PACKET) return type == SOCK_RAW || type == SOCK_DGRAM ? SockKind.PACKET : -Errno.ESOCKTNOSUPPORT;
  if (family == AF_NETLINK) {
    if (type != SOCK_RAW && type != SOCK_DGRAM) return -Errno.ESOCKTNOSUPPORT;
    return netlinkKnown(protocol) ? SockKind.NETLINK : -Errno.EPROTONOSUPPORT;
  }
  if (family != AF_INET && family != AF_INET6) return -Errno.EAFNOSUPPORT;
  if (protocol >= IPPROTO_MAX) return -Errno.EINVAL;
  const icmp = family == AF_INET ? IPPROTO_ICMP : NEXTHDR_ICMP;
  switch (type) {
    case SOCK_STREAM: return protocol == 0 || protocol == IPPROTO_TCP ? SockKind.TCP : -Errno.EPROTONOSUPPORT;
    case SOCK_DGRAM:
      if (protocol == 0 || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE) return SockKind.UDP;
      return protocol == icmp ? SockKind.PING : -Errno.EPROTONOSUPPORT;
    case SOCK_RAW: return protocol == 0 || protocol > 255 ? -Errno.EPROTONOSUPPORT : SockKind.RAW;
    default: return -Errno.ESOCKTNOSUPPORT;
  }
}

/** socket(2); `type` without SOCK_NONBLOCK and SOCK_CLOEXEC. A handle or -errno. */
export function sys_socket(family: u32, type: u32, protocol: u32): i32 {
  const kind = kindOf(family, type, protocol);
  if (kind < 0) return kind;
  const proto = kind == SockKind.TCP ? IPPROTO_TCP : kind == SockKind.UDP && !protocol ? IPPROTO_UDP : protocol;
  const sk = sockAlloc(family, type, proto, kind);
  if (!sk) return -Errno.ENOBUFS;
  if (sysctl(Sysctl.BINDV6ONLY) && family == AF_INET6) sk.set(SockFlag.V6ONLY, true);
  const r = create(sk);
  if (r < 0) {
    sockFree(sk);
    return r;
  }
  return <i32>sk.handle;
}

/** bind(2); the sockaddr of `len` bytes at `p`. */
export function sys_bind(h: u32, p: usize, len: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  if (sk.kind == <u8>SockKind.PACKET) return packetBind(sk, p, len);
  if (sk.kind == <u8>SockKind.NETLINK) return netlinkBind(sk, p, len);
  const need: u32 = sk.family == <u16>AF_INET ? 16 : 24;
  if (len < need) return -Errno.EINVAL;
  const e = sockaddrRead(sk, p, len);
  if (e < 0) return e;
  // Linux: AF_UNSPEC passes for AF_INET with INADDR_ANY; a v6 socket wants AF_INET6.
  if (NAME.family == AF_UNSPEC && !(sk.family == <u16>AF_INET && addrIsAny(NAME_ADDR))) return -Errno.EAFNOSUPPORT;
  if (sk.family == <u16>AF_INET6 && NAME.family != AF_INET6) return -Errno.EAFNOSUPPORT;
  const low = NAME.port && NAME.port < sysctl(Sysctl.IP_UNPRIVILEGED_PORT_START) && sk.uid != 0;
  if (low && sk.kind != <u8>SockKind.RAW) return -Errno.EACCES;
  switch (<i32>sk.kind) {
    case SockKind.TCP: return tcpBind(sk, NAME_ADDR, NAME.port, NAME.scope);
    case SockKind.UDP: return udpBind(sk, NAME_ADDR, NAME.port, NAME.scope);
    case SockKind.RAW: return rawBind(sk, NAME_ADDR, NAME.scope);
    case SockKind.PING: return pingBind(sk, NAME_ADDR, NAME.port, NAME.scope);
    default: return -Errno.EOPNOTSUPP;
  }
}

/** connect(2): TCP answers -EINPROGRESS until sys_poll says OUT or ERR. */
export function sys_connect(h: u32, p: usize, len: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  if (sk.kind == <u8>SockKind.PACKET) return -Errno.EOPNOTSUPP;
  if (sk.kind == <u8>SockKind.NETLINK) return 0; // only the kernel can be meant
  const e = sockaddrRead(sk, p, len);
  if (e < 0) return e;
  if (NAME.family == AF_UNSPEC) return done(disconnect(sk));
  switch (<i32>sk.kind) {
    case SockKind.TCP: return done(tcpConnect(sk, NAME_ADDR, NAME.port, NAME.scope));
    case SockKind.UDP: return done(udpConnect(sk, NAME_ADDR, NAME.port, NAME.scope));
    case SockKind.RAW: return done(rawConnect(sk, NAME_ADDR, NAME.scope));
    case SockKind.PING: return done(pingConnect(sk, NAME_ADDR, NAME.scope));
    default: return -Errno.EOPNOTSUPP;
  }
}

function disconnect(sk: Sock): i32 {
  switch (<i32>sk.kind) {
    case SockKind.TCP: return tcpDisconnect(sk);
    case SockKind.UDP: udpDisconnect(sk); return 0;
    case SockKind.RAW: case SockKind.PING: datagramDisconnect(sk); return 0;
    default: return -Errno.EOPNOTSUPP;
  }
}

export function sys_listen(h: u32, backlog: i32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  return sk.kind == <u8>SockKind.TCP ? tcpListen(sk, backlog) : -Errno.EOPNOTSUPP;
}

/** A handle, or -EAGAIN when nothing waits. */
export function sys_accept(h: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  if (sk.kind != <u8>SockKind.TCP) return -Errno.EOPNOTSUPP;
  if (sk.state != STATE_LISTEN) return -Errno.EINVAL;
  const child = tcpAccept(sk);
  return child ? <i32>child.handle : -Errno.EAGAIN;
}

/** Writes a sockaddr at `p` (128 bytes of room); its length. */
export function sys_getsockname(h: u32, p: usize): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  if (sk.kind == <u8>SockKind.PACKET) return packetName(sk, p);
  if (sk.kind == <u8>SockKind.NETLINK) return netlinkName(sk, p);
  return sockaddrWrite(sk, p, sk.laddr, sk.lport, sk.boundIf);
}

export function sys_getpeername(h: u32, p: usize): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  if (sk.kind == <u8>SockKind.PACKET) return -Errno.EOPNOTSUPP;
  if (sk.kind == <u8>SockKind.NETLINK) {
    memory.fill(p, 0, 12);
    store<u16>(p, <u16>AF_NETLINK);
    return 12;
  }
  const stream = sk.kind == <u8>SockKind.TCP;
  if (stream ? !sk.rport || sk.state == STATE_CLOSE || sk.state == STATE_SYN_SENT : sk.state != STATE_CONNECTED) return -Errno.ENOTCONN;
  return sockaddrWrite(sk, p, sk.raddr, sk.rport, sk.boundIf);
}

export function sys_setsockopt(h: u32, level: u32, name: u32, p: usize, len: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  switch (level) {
    case SOL_SOCKET: return setSocketOption(sk, name, p, len);
    case IPPROTO_IP: return hasIpLevel(sk) ? done(setIpOption(sk, name, p, len)) : -Errno.ENOPROTOOPT;
    case IPPROTO_IPV6: return sk.family == <u16>AF_INET6 ? done(setIpv6Option(sk, name, p, len)) : -Errno.ENOPROTOOPT;
    case IPPROTO_TCP: return sk.kind == <u8>SockKind.TCP ? done(tcpSetsockopt(sk, name, p, len)) : -Errno.ENOPROTOOPT;
    case IPPROTO_UDP: case IPPROTO_UDPLITE: return hasUdpLevel(sk, level) ? done(setUdpOption(sk, name, p, len)) : -Errno.ENOPROTOOPT;
    case SOL_RAW: case SOL_ICMPV6: return setFilterOption(sk, level, name, p, len);
    case SOL_PACKET: return sk.kind == <u8>SockKind.PACKET ? packetSetOption(sk, name, p, len) : -Errno.ENOPROTOOPT;
    case SOL_NETLINK: return sk.kind == <u8>SockKind.NETLINK ? netlinkSetOption(sk, name, p, len) : -Errno.ENOPROTOOPT;
    default: return -Errno.ENOPROTOOPT;
  }
}

/** Writes at most `len` bytes at `p`; the length written. */
export function sys_getsockopt(h: u32, level: u32, name: u32, p: usize, len: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  switch (level) {
    case SOL_SOCKET: return name == SO_PEERNAME ? peerName(sk, p, len) : getSocketOption(sk, name, p, len);
    case IPPROTO_IP: return hasIpLevel(sk) ? getIpOption(sk, name, p, len) : -Errno.ENOPROTOOPT;
    case IPPROTO_IPV6: return sk.family == <u16>AF_INET6 ? getIpv6Option(sk, name, p, len) : foreignLevel(sk);
    case IPPROTO_TCP: return sk.kind == <u8>SockKind.TCP ? tcpGetsockopt(sk, name, p, len) : foreignLevel(sk);
    case IPPROTO_UDP: case IPPROTO_UDPLITE: return hasUdpLevel(sk, level) ? getUdpOption(sk, name, p, len) : foreignLevel(sk);
    case SOL_RAW: case SOL_ICMPV6: return getFilterOption(sk, level, name, p, len);
    case SOL_PACKET: return sk.kind == <u8>SockKind.PACKET ? packetGetOption(sk, name, p, len) : foreignLevel(sk);
    case SOL_NETLINK: return sk.kind == <u8>SockKind.NETLINK ? optPutInt(p, len, 0) : foreignLevel(sk);
    default: return foreignLevel(sk);
  }
}

// A raw IPv6 socket has no IPv4 side.
function hasIpLevel(sk: Sock): bool { return sk.family == <u16>AF_INET || (sk.family == <u16>AF_INET6 && sk.kind != <u8>SockKind.RAW); }

// UDP-Lite knows UDP's options, too.
function hasUdpLevel(sk: Sock, level: u32): bool { return sk.kind == <u8>SockKind.UDP && (level == IPPROTO_UDP || <u32>sk.protocol == level); }

// Linux asks the IPv4 code, which knows one level only (do_ip_getsockopt).
function foreignLevel(sk: Sock): i32 { return sk.family == <u16>AF_INET ? -Errno.EOPNOTSUPP : -Errno.ENOPROTOOPT; }

// SO_PEERNAME: getpeername with no more room than the name is long. That of a stream stays when the connection is over
// (Linux's inet_getname with peer 2): accept() tells it of one that was reset meanwhile.
function peerName(sk: Sock, p: usize, len: u32): i32 {
  const n = sk.kind == <u8>SockKind.TCP && sk.rport ? <i32>sockaddrWrite(sk, NAME_OUT, sk.raddr, sk.rport, sk.boundIf) : sys_getpeername(sk.handle, NAME_OUT);
  if (n < 0) return -Errno.ENOTCONN;
  return <u32>n < len ? -Errno.EINVAL : optPut(p, len, NAME_OUT, n);
}

/** `how`: 0 read, 1 write, 2 both. */
export function sys_shutdown(h: u32, how: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  if (how > 2) return -Errno.EINVAL;
  if (sk.kind == <u8>SockKind.PACKET || sk.kind == <u8>SockKind.NETLINK) return -Errno.EOPNOTSUPP;
  if (sk.kind == <u8>SockKind.TCP) return done(tcpShutdown(sk, how));
  // Linux marks an unconnected datagram socket too, but says ENOTCONN.
  sk.shutdown |= <u8>(how == 0 ? SHUT_RCV : how == 1 ? SHUT_SND : SHUT_RCV | SHUT_SND);
  sockWake(sk, Poll.IN | Poll.OUT | Poll.HUP);
  return sk.state == STATE_CONNECTED ? 0 : -Errno.ENOTCONN;
}

/** The application is done with the socket; the handle is dead. */
export function sys_close(h: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  membershipDropAll(sk);
  filterDetach(sk);
  if (sk.kind == <u8>SockKind.TCP) { // lives on until the connection is finished
    tcpClose(sk);
    return done(0);
  }
  switch (<i32>sk.kind) {
    case SockKind.UDP: udpClose(sk); break;
    case SockKind.RAW: rawClose(sk); break;
    case SockKind.PING: pingClose(sk); break;
    case SockKind.PACKET: packetClose(sk); break;
    case SockKind.NETLINK: netlinkClose(sk); break;
  }
  sockRelease(sk);
  return done(0);
}

/** ioctl(2) with the argument structure at `p`, in and out. */
export function sys_ioctl(h: u32, cmd: u32, p: usize): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  if (sk.kind == <u8>SockKind.TCP && (cmd == SIOCINQ || cmd == SIOCOUTQ || cmd == SIOCATMARK || cmd == SIOCOUTQNSD)) {
    const v = tcpIoctl(sk, cmd);
    if (v < 0) return v;
    store<i32>(p, v);
    return 0;
  }
  if (cmd == SIOCINQ || cmd == SIOCOUTQ) {
    store<i32>(p, queueIoctl(sk, cmd));
    return 0;
  }
  return ifIoctl(sk, cmd, p);
}

/** One message; the msghdr record of abi at `msg`. Bytes sent or -errno. */
export function sys_sendmsg(h: u32, msg: usize, flags: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  const p = <usize>load<u32>(msg, MSG_DATA);
  const len = load<u32>(msg, MSG_DATALEN);
  const name = <usize>load<u32>(msg, MSG_NAME);
  const nameLen = load<u32>(msg, MSG_NAMELEN);
  if (sk.kind == <u8>SockKind.NETLINK) return done(netlinkSend(sk, p, len));
  if (sk.kind == <u8>SockKind.PACKET) return done(packetSend(sk, p, len, name && nameLen ? name : 0, nameLen));
  if (sk.kind == <u8>SockKind.TCP) return done(flags & MSG_FASTOPEN ? streamFastopen(sk, name, nameLen, p, len, flags) : streamSend(sk, p, len, flags));
  const e = <i32>sockTakeError(sk);
  if (e) return -e;
  if (flags & MSG_OOB) return -Errno.EOPNOTSUPP;
  const m = M;
  m.reset();
  m.flags = flags;
  const bad = destination(sk, m, name, nameLen);
  if (bad < 0) return bad;
  if (sk.family == <u16>AF_INET6) stickySource(sk, m);
  const control = <usize>load<u32>(msg, MSG_CONTROL);
  if (control) {
    const c = cmsgParse(sk, control, load<u32>(msg, MSG_CONTROLLEN), m);
    if (c < 0) return c;
  }
  switch (<i32>sk.kind) {
    case SockKind.UDP: return done(udpSend(sk, p, len, m));
    case SockKind.RAW: return done(rawSend(sk, p, len, m));
    case SockKind.PING: return done(pingSend(sk, p, len, m));
    default: return -Errno.EOPNOTSUPP;
  }
}

// IPV6_PKTINFO set on the socket: what neither the name nor ancillary data say otherwise.
function stickySource(sk: Sock, m: Message): void {
  if (addrIsV4(m.named ? m.dst : sk.raddr)) return;
  if (!m.oif) m.oif = sk.stickyIf;
  if (addrIsAny(sk.sticky)) return;
  addrCopy(m.src, sk.sticky);
  m.sourced = 1;
}

function destination(sk: Sock, m: Message, name: usize, nameLen: u32): i32 {
  if (!name || !nameLen) return 0;
  const e = sockaddrRead(sk, name, nameLen);
  if (e < 0) return e;
  if (NAME.family == AF_UNSPEC && sk.family == <u16>AF_INET6) return 0; // Linux: as without a name
  addrCopy(m.dst, NAME_ADDR);
  m.named = 1;
  m.port = NAME.port;
  m.flowLabel = NAME.flowinfo & 0xfffff;
  if (sk.kind == <u8>SockKind.RAW) m.proto = NAME.port;
  if (NAME.scope && !addrIsV4(NAME_ADDR)) m.oif = NAME.scope;
  return 0;
}

/**
 * One message: fills the buffers the msghdr record points at. Bytes received (with MSG_TRUNC in `flags` the full length), -EAGAIN when nothing
 * waits, or the pending error.
 */
export function sys_recvmsg(h: u32, msg: usize, flags: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  store<u32>(msg, 0, MSG_FLAGS);
  if (flags & MSG_ERRQUEUE) return receiveError(sk, msg);
  if (sk.kind == <u8>SockKind.TCP) return done(streamReceive(sk, msg, flags));
  const s = sk.rxq.first;
  if (!s) {
    const e = <i32>sockTakeError(sk);
    if (e) return -e;
    if (!(sk.shutdown & SHUT_RCV)) return -Errno.EAGAIN;
    store<u32>(msg, 0, MSG_NAMELEN);
    store<u32>(msg, 0, MSG_CONTROLLEN);
    store<u32>(msg, 0, MSG_DATALEN);
    return 0;
  }
  const total = s.total;
  const room = load<u32>(msg, MSG_DATALEN);
  const n = min(total, room);
  skbRead(s, 0, load<u32>(msg, MSG_DATA), n);
  if (n < total) store<u32>(msg, MSG_TRUNC, MSG_FLAGS);
  store<u32>(msg, n, MSG_DATALEN);
  writeName(sk, s, msg);
  if (load<u32>(msg, MSG_CONTROL)) cmsgReceive(sk, s, msg);
  else store<u32>(msg, 0, MSG_CONTROLLEN);
  sk.stamp = s.tstamp;
  if (!(flags & MSG_PEEK)) skbFree(sockShiftRx(sk)!);
  return <i32>(flags & MSG_TRUNC ? total : n);
}

const SRC: usize = memory.data(16, 8);
const DST: usize = memory.data(16, 8);
const NAME_OUT: usize = memory.data(128, 8);

function writeName(sk: Sock, s: Skb, msg: usize): void {
  const p = <usize>load<u32>(msg, MSG_NAME);
  let n: u32 = 0;
  if (sk.kind == <u8>SockKind.PACKET) n = packetFrom(s, NAME_OUT);
  else if (sk.kind == <u8>SockKind.NETLINK) n = netlinkFrom(s, NAME_OUT);
  else if (s.net) {
    packetAddrs(s, SRC, DST);
    const port = sk.kind == <u8>SockKind.UDP && s.trans ? <u32>bswap<u16>(load<u16>(s.trans)) : 0;
    n = sockaddrWrite(sk, NAME_OUT, SRC, port, changetype<NetDevice>(s.dev).ifindex);
  }
  putName(msg, p, n);
}
function putName(msg: usize, p: usize, n: u32): void {
  if (p) memory.copy(p, NAME_OUT, min(n, load<u32>(msg, MSG_NAMELEN)));
  store<u32>(msg, n, MSG_NAMELEN);
}

function receiveError(sk: Sock, msg: usize): i32 {
  const s = sk.errq.shift();
  if (!s) return -Errno.EAGAIN;
  const n = min(s.total, load<u32>(msg, MSG_DATALEN));
  skbRead(s, 0, load<u32>(msg, MSG_DATA), n);
  store<u32>(msg, MSG_ERRQUEUE | (n < s.total ? MSG_TRUNC : 0), MSG_FLAGS);
  const len = sockaddrWrite(sk, NAME_OUT, changetype<usize>(s) + offsetof<Skb>("cb2"), <u32>(s.cb1 >> 32), sk.boundIf);
  putName(msg, load<u32>(msg, MSG_NAME), len);
  store<u32>(msg, n, MSG_DATALEN);
  if (load<u32>(msg, MSG_CONTROL)) cmsgError(sk, s, msg);
  skbFree(s);
  // The next queued error becomes the pending one (Linux sock_dequeue_err_skb).
  const next = sk.errq.first;
  sk.err = next ? <u32>next.cb0 : 0;
  return <i32>n;
}

export function sys_tx_reserve(h: u32, want: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  return sk.kind == <u8>SockKind.TCP ? tcpTxReserve(sk, want) : -Errno.EOPNOTSUPP;
}
export function sys_tx_commit(h: u32, n: u32, flags: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  return sk.kind == <u8>SockKind.TCP ? done(tcpTxCommit(sk, n, flags)) : -Errno.EOPNOTSUPP;
}
export function sys_rx_peek(h: u32, want: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  return sk.kind == <u8>SockKind.TCP ? tcpRxPeek(sk, want) : -Errno.EOPNOTSUPP;
}
export function sys_rx_consume(h: u32, n: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return -Errno.EBADF;
  return sk.kind == <u8>SockKind.TCP ? done(tcpRxConsume(sk, n)) : -Errno.EOPNOTSUPP;
}

/** Level readiness, Poll bits; POLLNVAL (0x20) for a dead handle. */
export function sys_poll(h: u32): i32 {
  const sk = sockOf(h);
  if (!sk) return 0x20;
  if (sk.kind == <u8>SockKind.TCP) return tcpPoll(sk);
  let m: u32 = 0;
  if (sk.rxCount || sk.shutdown & SHUT_RCV) m |= Poll.IN;
  if (sk.wmem < sk.sndbuf || sk.shutdown & SHUT_SND) m |= Poll.OUT;
  if (sk.err || sk.errCount) m |= Poll.ERR;
  if (sk.shutdown & SHUT_RCV) m |= Poll.RDHUP;
  if (sk.shutdown == (SHUT_RCV | SHUT_SND)) m |= Poll.HUP;
  return m;
}
