// Raw sockets of both families (raw(7), RFC 3542): every packet of their protocol is copied to them; what they
// send gets a header or brings its own (IP_HDRINCL, IPV6_HDRINCL).
import { Errno } from "../../abi";
import { ADDR_LEN, addrCopy, addrEqual, addrIsAny, addrIsMulticast } from "../../lib/addr";
import { csumAdd, csumFinish, csumFold, csumPseudo } from "../../lib/checksum";
import { Drop, dropCount } from "../../core/drop";
import { Hook, hookSet } from "../../core/proto";
import { AF_INET, AF_INET6, SHUT_SND, Sock, SockFlag, sockCharge, sockQueueRx } from "../../core/sock";
import { Skb, skbAlloc, skbCopy, skbDrop, skbFree, skbShrink } from "../../core/skb";
import { NetDevice } from "../../link/net_device";
import { icmpIsHard } from "../../network/ipv4/icmp";
import { ipv4Send } from "../../network/ipv4/output";
import { icmpv6IsHard } from "../../network/ipv6/icmpv6";
import { ipv6Send } from "../../network/ipv6/output";
import { Flow, PMTUDISC_DO, ipHeaderLen, ipOutput } from "../../network/flow";
import { ETH_P_IP, ETH_P_IPV6 } from "../../wire/ethernet";
import { IPPROTO_ICMP, IPPROTO_RAW, IPV4_HLEN, Ipv4Header } from "../../wire/ipv4";
import { IPV6_HLEN, NEXTHDR_ICMP } from "../../wire/ipv6";
import {
  Message, bindCheck, datagramConnect, datagramCreate, datagramErrno, datagramError, datagramFlow, datagramRelease, localTooBig, packetAddrs,
  pcbOf, quotedAddrs,
} from "../datagram";
import { sockFilter } from "../filter";
import { membershipAllows } from "../membership";

const HEAD: usize = memory.data(4, 4);
const SRC: usize = memory.data(16, 8);
const DST: usize = memory.data(16, 8);

export function rawInit(): void {
  hookSet(Hook.RAW, rawInput.index);
  hookSet(Hook.RAW_ERROR, rawError.index);
}

export function rawCreate(sk: Sock): i32 {
  const r = datagramCreate(sk);
  if (r < 0) return r;
  sk.set(SockFlag.REUSEADDR, true);
  if (sk.protocol == <u16>IPPROTO_RAW) sk.set(SockFlag.HDRINCL, true);
  if (sk.family == <u16>AF_INET6 && sk.protocol == <u16>NEXTHDR_ICMP) pcbOf(sk).csumOffset = 2; // RFC 3542 3.1
  sk.bindNext = load<usize>(HEAD);
  store<usize>(HEAD, changetype<usize>(sk));
  return 0;
}

export function rawClose(sk: Sock): void {
  let link = HEAD;
  while (load<usize>(link) != changetype<usize>(sk)) link = load<usize>(link) + offsetof<Sock>("bindNext");
  store<usize>(link, sk.bindNext);
  datagramRelease(sk);
}

export function rawBind(sk: Sock, addr: usize, scope: u32): i32 {
  const bad = bindCheck(sk, addr, scope);
  if (bad) return bad;
  addrCopy(sk.laddr, addr);
  sk.set(SockFlag.BOUND_ADDR, !addrIsAny(addr));
  if (scope && !sk.boundIf) sk.boundIf = scope;
  return 0;
}

export function rawConnect(sk: Sock, addr: usize, scope: u32): i32 {
  return datagramConnect(sk, addr, 0, scope, sk.protocol);
}

// The hook: a packet with data at its IPv4 header, or at its IPv6 upper-layer header. 1 if anybody took it.
function rawInput(skb: Skb, proto: u32): i32 {
  let sk = changetype<Sock | null>(load<usize>(HEAD));
  if (!sk) return 0;
  const v4 = <u32>skb.protocol == ETH_P_IP;
  const dif = changetype<NetDevice>(skb.dev).ifindex;
  packetAddrs(skb, SRC, DST);
  let taken = 0;
  while (sk) {
    const next = changetype<Sock | null>(sk.bindNext);
    if (<u32>sk.protocol == proto && (sk.family == <u16>AF_INET) == v4 && matches(sk, dif) && !blocked(sk, skb, proto, v4)) {
      taken = 1;
      deliver(sk, skb, v4);
    }
    sk = next;
  }
  return taken;
}

function matches(sk: Sock, dif: u32): bool {
  return (addrIsAny(sk.laddr) || addrEqual(sk.laddr, DST)) && (sk.state != 1 || addrEqual(sk.raddr, SRC)) && (!sk.boundIf || sk.boundIf == dif)
    && (!addrIsMulticast(DST) || membershipAllows(sk, DST, SRC, dif));
}

// ICMP_FILTER and ICMP6_FILTER.
function blocked(sk: Sock, skb: Skb, proto: u32, v4: bool): bool {
  const f = pcbOf(sk).filter;
  if (v4) {
    if (proto != IPPROTO_ICMP) return false;
    const at = skb.data + Ipv4Header.at(skb.data).hlen;
    if (at >= skb.tail) return false;
    const type = <u32>load<u8>(at);
    return type < 32 && ((load<u32>(f) >> type) & 1) != 0;
  }
  if (proto != NEXTHDR_ICMP || !skb.len) return false;
  const type = <u32>load<u8>(skb.data);
  return ((load<u32>(f + ((type >> 5) << 2)) >> (type & 31)) & 1) != 0;
}

function deliver(sk: Sock, skb: Skb, v4: bool): void {
  if (sk.filter && !sockFilter(sk, skb)) {
    dropCount(Drop.SOCKET_FILTER);
    return;
  }
  const p = pcbOf(sk);
  if (!v4 && p.csumOffset >= 0 && skb.csum == 0
    && csumFold(csumAdd(skb.data, skb.len, csumPseudo(SRC, DST, <u32>ADDR_LEN, sk.protocol, skb.len))) != 0xffff) {
    dropCount(Drop.RAW_CSUM);
    return;
  }
  let c = skbCopy(skb);
  if (!c) return;
  c = skbShrink(c);
  if (!sockQueueRx(sk, c)) skbDrop(c, Drop.SOCKET_RCVBUFF);
}

function rawError(skb: Skb, errno: u32, type: u32, code: u32, info: u32): void {
  const v4 = Ipv4Header.at(skb.data).version == 4;
  quotedAddrs(skb, SRC, DST);
  const proto = v4 ? Ipv4Header.at(skb.data).proto : 0;
  let sk = changetype<Sock | null>(load<usize>(HEAD));
  while (sk) {
    const next = changetype<Sock | null>(sk.bindNext);
    const mine = (sk.family == <u16>AF_INET) == v4 && (!v4 || <u32>sk.protocol == proto) && (addrIsAny(sk.laddr) || addrEqual(sk.laddr, SRC))
      && (sk.state != 1 || addrEqual(sk.raddr, DST));
    if (mine) datagramError(sk, skb, errno, type, code, info, 0, skb.trans, v4 ? icmpIsHard(type, code) : icmpv6IsHard(type, code));
    sk = next;
  }
}

/** Send `len` bytes at `ptr`. */
export function rawSend(sk: Sock, ptr: usize, len: u32, m: Message): i32 {
  if (sk.shutdown & SHUT_SND) return -Errno.EPIPE;
  const own = sk.has(SockFlag.HDRINCL);
  if (len > 65535) return -Errno.EMSGSIZE;
  const proto = m.proto && sk.protocol == <u16>IPPROTO_RAW ? m.proto : <u32>sk.protocol;
  const f = datagramFlow(sk, m, proto);
  if (!f) return datagramErrno();
  if (sk.wmem >= sk.sndbuf) return -Errno.EAGAIN;
  const skb = skbAlloc(len);
  if (!skb) return -Errno.ENOBUFS;
  memory.copy(skb.put(len), ptr, len);
  skb.trans = skb.data;
  skb.priority = sk.priority;
  if (own) return sendIncluded(sk, skb, f);
  if (f.pmtudisc == <u8>PMTUDISC_DO && len + ipHeaderLen(f) > f.mtu) {
    skbFree(skb);
    return localTooBig(sk, f, 0);
  }
  const offset = pcbOf(sk).csumOffset;
  if (!f.isV4 && offset >= 0) {
    if (<u32>offset + 2 > len) {
      skbFree(skb);
      return -Errno.EINVAL;
    }
    store<u16>(skb.data + <u32>offset, 0);
    const sum = csumFinish(csumAdd(skb.data, len, csumPseudo(f.src, f.dst, <u32>ADDR_LEN, proto, len)));
    store<u16>(skb.data + <u32>offset, <u16>(sum ? sum : 0xffff));
  }
  const p = pcbOf(sk);
  if (p.optLen && f.isV4) {
    f.opt = p.opt;
    f.optLen = p.optLen;
  }
  sockCharge(sk, skb);
  const r = ipOutput(skb, f);
  f.optLen = 0;
  return r < 0 ? r : <i32>len;
}

// The packet is complete: IP_HDRINCL, IPV6_HDRINCL.
function sendIncluded(sk: Sock, skb: Skb, f: Flow): i32 {
  const len = skb.len;
  const e = f.isV4 ? includeHeader(skb, f) : len < IPV6_HLEN ? -Errno.EINVAL : 0;
  if (e < 0) {
    skbFree(skb);
    return e;
  }
  if (len > (f.isV4 ? f.mtu : f.device.mtu)) {
    skbFree(skb);
    return localTooBig(sk, f, 0);
  }
  skb.net = skb.data;
  skb.protocol = <u16>(f.isV4 ? ETH_P_IP : ETH_P_IPV6);
  sockCharge(sk, skb);
  const r = f.isV4 ? ipv4Send(skb, f, true) : ipv6Send(skb, f);
  return r < 0 ? r : <i32>len;
}

// raw(7): the kernel fills checksum and length always, source and id when zero. A header of IPv6 leaves as it is.
function includeHeader(skb: Skb, f: Flow): i32 {
  if (skb.len < IPV4_HLEN) return -Errno.EINVAL;
  const h = Ipv4Header.at(skb.data);
  if (h.version != 4 || h.hlen < IPV4_HLEN || h.hlen > skb.len) return -Errno.EINVAL;
  h.totalLen = skb.len;
  skb.trans = skb.data + h.hlen;
  if (!h.src) store<u32>(h.ptr, load<u32>(f.src, 12), 12);
  h.seal();
  return 0;
}
