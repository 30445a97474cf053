// ICMP echo sockets (SOCK_DGRAM with IPPROTO_ICMP or IPPROTO_ICMPV6): the identifier is the local port, only echo
// requests go out and only the replies to them come back.
import { Errno } from "../../abi";
import { ADDR_LEN, addrCopy, addrEqual, addrIsAny, addrIsV4 } from "../../lib/addr";
import { csumAdd, csumFinish, csumPseudo } from "../../lib/checksum";
import { Drop } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { AF_INET, SHUT_SND, Sock, SockFlag, sockCharge, sockQueueRx } from "../../core/sock";
import { Skb, skbAlloc, skbDrop, skbFree, skbShrink } from "../../core/skb";
import { NetDevice } from "../../link/net_device";
import { PMTUDISC_DO, ipHeaderLen, ipOutput } from "../../network/flow";
import { icmpIsHard, icmpSetPing } from "../../network/ipv4/icmp";
import { icmpv6IsHard, icmpv6SetPing } from "../../network/ipv6/icmpv6";
import { ICMP_ECHO, ICMP_HLEN, ICMPV6_ECHO_REQUEST, IcmpHeader } from "../../wire/icmp";
import { IPPROTO_ICMP } from "../../wire/ipv4";
import { NEXTHDR_ICMP } from "../../wire/ipv6";
import {
  Message, bindCheck, datagramConnect, datagramCreate, datagramErrno, datagramError, datagramFlow, datagramRelease, localTooBig, packetAddrs,
  quotedAddrs,
} from "../datagram";
import { sockFilter } from "../filter";
import { randU32 } from "../../lib/drbg";

const HEAD: usize = memory.data(4, 4);
const SRC: usize = memory.data(16, 8);
const DST: usize = memory.data(16, 8);

export function pingInit(): void {
  icmpSetPing(pingReply.index, pingError.index);
  icmpv6SetPing(pingReply.index, pingError.index);
}

export function pingCreate(sk: Sock): i32 {
  const r = datagramCreate(sk);
  if (r < 0) return r;
  sk.set(SockFlag.REUSEADDR, true);
  if (sk.family != <u16>AF_INET) sk.set(SockFlag.V6ONLY, true);
  sk.bindNext = load<usize>(HEAD);
  store<usize>(HEAD, changetype<usize>(sk));
  return 0;
}

export function pingClose(sk: Sock): void {
  let link = HEAD;
  while (load<usize>(link) != changetype<usize>(sk)) link = load<usize>(link) + offsetof<Sock>("bindNext");
  store<usize>(link, sk.bindNext);
  datagramRelease(sk);
}

function taken(sk: Sock, id: u32): bool {
  let o = changetype<Sock | null>(load<usize>(HEAD));
  while (o) {
    if (o !== sk && <u32>o.lport == id && o.family == sk.family) return true;
    o = changetype<Sock | null>(o.bindNext);
  }
  return false;
}

/** bind(2): the port is the echo identifier; 0 picks one. */
export function pingBind(sk: Sock, addr: usize, id: u32, scope: u32): i32 {
  if (sk.lport) return -Errno.EINVAL;
  const bad = bindCheck(sk, addr, scope);
  if (bad) return bad;
  if (id && taken(sk, id)) return -Errno.EADDRINUSE;
  addrCopy(sk.laddr, addr);
  sk.set(SockFlag.BOUND_ADDR, !addrIsAny(addr));
  if (scope && !sk.boundIf) sk.boundIf = scope;
  if (!id) return autobind(sk);
  sk.lport = <u16>id;
  return 0;
}

function autobind(sk: Sock): i32 {
  if (sk.lport) return 0;
  const start = randU32();
  for (let i: u32 = 0; i < 65535; i++) {
    const id = (start + i) & 0xffff;
    if (id && !taken(sk, id)) {
      sk.lport = <u16>id;
      return 0;
    }
  }
  return -Errno.EADDRINUSE;
}

export function pingConnect(sk: Sock, addr: usize, scope: u32): i32 {
  const r = autobind(sk);
  return r < 0 ? r : datagramConnect(sk, addr, 0, scope, sk.protocol);
}

/** Send an echo request (ICMP header and data at `ptr`): identifier and checksum are ours. */
export function pingSend(sk: Sock, ptr: usize, len: u32, m: Message): i32 {
  if (sk.shutdown & SHUT_SND) return -Errno.EPIPE;
  if (len < ICMP_HLEN) return -Errno.EINVAL;
  if (len > 65535) return -Errno.EMSGSIZE;
  const v4 = sk.family == <u16>AF_INET;
  if (load<u8>(ptr) != <u8>(v4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST) || load<u8>(ptr, 1)) return -Errno.EINVAL;
  if (m.named && addrIsV4(m.dst) != v4) return -Errno.EAFNOSUPPORT;
  const r = autobind(sk);
  if (r < 0) return r;
  const proto = v4 ? IPPROTO_ICMP : NEXTHDR_ICMP;
  const f = datagramFlow(sk, m, proto);
  if (!f) return datagramErrno();
  if (sk.wmem >= sk.sndbuf) return -Errno.EAGAIN;
  if (f.pmtudisc == <u8>PMTUDISC_DO && len + ipHeaderLen(f) > f.mtu) return localTooBig(sk, f, 0);
  const skb = skbAlloc(len);
  if (!skb) return -Errno.ENOBUFS;
  memory.copy(skb.put(len), ptr, len);
  const ih = IcmpHeader.at(skb.data);
  ih.id = sk.lport;
  ih.checksum = 0;
  ih.checksum = csumFinish(csumAdd(skb.data, len, v4 ? 0 : csumPseudo(f.src, f.dst, <u32>ADDR_LEN, proto, len)));
  skb.trans = skb.data;
  mibInc(v4 ? Mib.IcmpOutMsgs : Mib.Icmp6OutMsgs);
  if (v4) mibInc(Mib.IcmpOutEchos);
  sockCharge(sk, skb);
  const e = ipOutput(skb, f);
  return e < 0 ? e : <i32>len;
}

function lookup(v4: bool, id: u32, local: usize, dif: u32): Sock | null {
  let sk = changetype<Sock | null>(load<usize>(HEAD));
  while (sk) {
    if ((sk.family == <u16>AF_INET) == v4 && <u32>sk.lport == id && (addrIsAny(sk.laddr) || addrEqual(sk.laddr, local))
      && (!sk.boundIf || sk.boundIf == dif)) return sk;
    sk = changetype<Sock | null>(sk.bindNext);
  }
  return null;
}

// An echo reply, data at its ICMP header; consumes it.
function pingReply(skb: Skb): void {
  packetAddrs(skb, SRC, DST);
  const sk = lookup(addrIsV4(SRC), IcmpHeader.at(skb.data).id, DST, changetype<NetDevice>(skb.dev).ifindex);
  if (!sk) {
    skbFree(skb);
    return;
  }
  if (sk.filter && !sockFilter(sk, skb)) {
    skbDrop(skb, Drop.SOCKET_FILTER);
    return;
  }
  skb = skbShrink(skb);
  if (!sockQueueRx(sk, skb)) skbDrop(skb, Drop.SOCKET_RCVBUFF);
}

function pingError(skb: Skb, errno: u32, type: u32, code: u32, info: u32): void {
  quotedAddrs(skb, SRC, DST);
  const v4 = addrIsV4(SRC);
  const ih = IcmpHeader.at(skb.trans);
  if (ih.type != (v4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST)) return;
  const sk = lookup(v4, ih.id, SRC, changetype<NetDevice>(skb.dev).ifindex);
  if (sk) datagramError(sk, skb, errno, type, code, info, 0, skb.trans, v4 ? icmpIsHard(type, code) : icmpv6IsHard(type, code));
}
