// ICMPv6 (RFC 4443): echo, errors sent and received, path MTU (RFC 8201); hands ND and MLD their messages.
import { Errno } from "../../abi";
import { ADDR_LEN, addrCopy, addrIsZero, v6IsMulticast } from "../../lib/addr";
import { csumAdd, csumFinish, csumFold, csumPseudo } from "../../lib/checksum";
import { Drop, dropCount } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Hook, hook, inetProtoError, inetProtoRegister } from "../../core/proto";
import { CsumState, PktType, Skb, skbAlloc, skbDrop, skbFree } from "../../core/skb";
import { Sysctl, sysctl } from "../../core/sysctl";
import { workerSilent } from "../../core/worker";
import { addrIsLocal } from "../../link/ifaddr";
import { NetDevice } from "../../link/net_device";
import {
  ICMPV6_ADDR_UNREACH, ICMPV6_DEST_UNREACH, ICMPV6_ECHO_REPLY, ICMPV6_ECHO_REQUEST, ICMPV6_MLD2_REPORT, ICMPV6_MLD_DONE, ICMPV6_MLD_QUERY, ICMPV6_MLD_REPORT,
  ICMPV6_HDR_INCOMPLETE, ICMPV6_NA, ICMPV6_NS, ICMPV6_PARAMPROB, ICMPV6_PKT_TOOBIG, ICMPV6_PORT_UNREACH, ICMPV6_RA, ICMPV6_REDIRECT, ICMPV6_RS, ICMPV6_TIME_EXCEED,
  ICMPV6_UNK_NEXTHDR, ICMPV6_UNK_OPTION, ICMP_HLEN, IcmpHeader,
} from "../../wire/icmp";
import {
  FRAG_HLEN, IPV6_HLEN, IPV6_MIN_MTU, Ipv6Header, NEXTHDR_AUTH, NEXTHDR_DEST, NEXTHDR_FRAGMENT, NEXTHDR_HOP, NEXTHDR_ICMP, NEXTHDR_ROUTING,
} from "../../wire/ipv6";
import { fibIsLocal } from "../fib";
import { Flow, flowRoute, ipOutput } from "../flow";
import { icmpAllow } from "../ipv4/icmp";
import { FragQueue } from "../reassemble";
import { mldInput } from "./mld";
import { ndInput } from "./nd";

const FLOW = changetype<Flow>(memory.data(offsetof<Flow>(), 8));
const ECHO_REPLY: usize = memory.data(4, 4);
const ECHO_ERROR: usize = memory.data(4, 4);

export function icmpv6Init(): void { inetProtoRegister(NEXTHDR_ICMP, icmpv6Input.index, pingError.index); }

/** As icmpSetPing of IPv4. */
export function icmpv6SetPing(reply: u32, error: u32): void {
  store<u32>(ECHO_REPLY, reply);
  store<u32>(ECHO_ERROR, error);
}
function pingError(skb: Skb, errno: u32, type: u32, code: u32, info: u32): void {
  const fn = load<u32>(ECHO_ERROR);
  if (fn) call_indirect<void>(fn, skb, errno, type, code, info);
}

/** Fill the checksum of the message at skb.data (RFC 4443 2.3). `src`, `dst`: 16 bytes each. */
export function icmpv6Seal(skb: Skb, src: usize, dst: usize): void {
  const ih = IcmpHeader.at(skb.data);
  ih.checksum = 0;
  ih.checksum = csumFinish(csumAdd(skb.data, skb.len, csumPseudo(src, dst, <u32>ADDR_LEN, NEXTHDR_ICMP, skb.len)));
}

// The upper-layer protocol and its offset in the packet at `p` of `n` bytes: offset << 8 | proto, or -1 (not there, or a later fragment).
function upper(p: usize, n: u32): i32 {
  let next = Ipv6Header.at(p).nextHeader;
  let at: u32 = IPV6_HLEN;
  for (let i = 0; i < 16; i++) {
    if (next == NEXTHDR_FRAGMENT) {
      if (at + FRAG_HLEN > n || (bswap<u16>(load<u16>(p + at, 2)) & ~7)) return -1;
      next = load<u8>(p + at);
      at += FRAG_HLEN;
    } else if (next == NEXTHDR_HOP || next == NEXTHDR_ROUTING || next == NEXTHDR_DEST || next == NEXTHDR_AUTH) {
      if (at + 2 > n) return -1;
      const len = <u32>load<u8>(p + at, 1);
      const step = next == NEXTHDR_AUTH ? (len + 2) << 2 : (len + 1) << 3;
      next = load<u8>(p + at);
      at += step;
    } else return <i32>((at << 8) | next);
    if (at > n) return -1;
  }
  return -1;
}

/** RFC 4443 2.4 (e.1), (e.2): what no error is sent about. */
function isError(type: u32): bool { return type < 128 || type == ICMPV6_REDIRECT; }

/** Send an error about a received packet (skb.net at its IPv6 header; not consumed), unless RFC 4443 2.4 (e) or (f) forbids it. */
export function icmpv6Send(skb: Skb, type: u32, code: u32, info: u32): void {
  const h = Ipv6Header.at(skb.net);
  const avail = <u32>(skb.tail - skb.net);
  if (avail < IPV6_HLEN || workerSilent(skb)) return;
  const group = v6IsMulticast(h.dst) || skb.pktType == PktType.MULTICAST || skb.pktType == PktType.BROADCAST;
  if (group && type != ICMPV6_PKT_TOOBIG && !(type == ICMPV6_PARAMPROB && code == ICMPV6_UNK_OPTION)) return;
  if (addrIsZero(h.src) || v6IsMulticast(h.src)) return;
  const up = upper(h.ptr, avail);
  if (up >= 0 && (<u32>up & 255) == NEXTHDR_ICMP) {
    const at = <u32>up >> 8;
    if (at >= avail) { // unknown what it was; of a first fragment that may be said (RFC 8200 4.5)
      if (type != ICMPV6_PARAMPROB || code != ICMPV6_HDR_INCOMPLETE) return;
    } else if (isError(<u32>load<u8>(h.ptr + at))) return;
  }
  const f = FLOW;
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  addrCopy(f.dst, h.src);
  // As icmpSend of IPv4: a port's refusal comes from the host, everything else from an address that is really ours.
  const oif = changetype<NetDevice>(skb.dev).ifindex;
  const host = type == ICMPV6_DEST_UNREACH && code == ICMPV6_PORT_UNREACH;
  if (!v6IsMulticast(h.dst) && (host ? fibIsLocal(h.dst, oif) : addrIsLocal(h.dst, oif))) addrCopy(f.src, h.dst);
  f.proto = <u8>NEXTHDR_ICMP;
  if (load<u8>(f.dst) == 0xfe && skb.dev) f.oif = changetype<NetDevice>(skb.dev).ifindex;
  if (flowRoute(f) < 0) return;
  if (type != ICMPV6_PKT_TOOBIG && !f.device.isLoopback && !icmpAllow(f.dst, sysctl(Sysctl.ICMP6_RATELIMIT))) {
    dropCount(Drop.ICMP_RATELIMIT);
    return;
  }
  const quote = min(avail, IPV6_MIN_MTU - IPV6_HLEN - ICMP_HLEN);
  const e = skbAlloc(ICMP_HLEN + quote);
  if (!e) return;
  const ih = IcmpHeader.at(e.put(ICMP_HLEN + quote));
  ih.type = type;
  ih.code = code;
  ih.word = info;
  memory.copy(ih.ptr + ICMP_HLEN, h.ptr, quote);
  e.trans = e.data;
  icmpv6Seal(e, f.src, f.dst);
  mibInc(Mib.Icmp6OutMsgs);
  mibInc(Mib.Icmp6OutErrors);
  ipOutput(e, f);
}

function icmpv6Input(skb: Skb): void {
  mibInc(Mib.Icmp6InMsgs);
  const h = Ipv6Header.at(skb.net);
  if (skb.len < ICMP_HLEN) {
    // RFC 4861: shorter than any message
    mibInc(Mib.Icmp6InErrors);
    skbDrop(skb, Drop.ICMP_MALFORMED);
    return;
  }
  if (skb.csum == CsumState.NONE && csumFold(csumAdd(skb.data, skb.len, csumPseudo(h.src, h.dst, <u32>ADDR_LEN, NEXTHDR_ICMP, skb.len))) != 0xffff) {
    mibInc(Mib.Icmp6InCsumErrors);
    mibInc(Mib.Icmp6InErrors);
    skbDrop(skb, Drop.ICMP_CSUM);
    return;
  }
  switch (IcmpHeader.at(skb.data).type) {
    case ICMPV6_ECHO_REQUEST:
      echo(skb, h);
      return;
    case ICMPV6_ECHO_REPLY: {
      const fn = load<u32>(ECHO_REPLY);
      if (fn) call_indirect<void>(fn, skb);
      else skbFree(skb);
      return;
    }
    case ICMPV6_DEST_UNREACH: case ICMPV6_PKT_TOOBIG: case ICMPV6_TIME_EXCEED: case ICMPV6_PARAMPROB:
      error(skb);
      return;
    case ICMPV6_RS: case ICMPV6_RA: case ICMPV6_NS: case ICMPV6_NA: case ICMPV6_REDIRECT:
      ndInput(skb);
      return;
    case ICMPV6_MLD_QUERY: case ICMPV6_MLD_REPORT: case ICMPV6_MLD_DONE: case ICMPV6_MLD2_REPORT:
      mldInput(skb);
      return;
    default:
      // RFC 4443 2.4 (a), (b): unknown errors go to the transport, informational messages nowhere.
      if (IcmpHeader.at(skb.data).type < 128) error(skb);
      else skbDrop(skb, Drop.ICMP_UNKNOWN_TYPE);
  }
}

function echo(skb: Skb, h: Ipv6Header): void {
  if (sysctl(Sysctl.ICMP_ECHO_IGNORE_ALL) || addrIsZero(h.src)) {
    skbDrop(skb, Drop.ICMP_ECHO_IGNORED);
    return;
  }
  if (workerSilent(skb)) {
    skbFree(skb);
    return;
  }
  const f = FLOW;
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  addrCopy(f.dst, h.src);
  if (!v6IsMulticast(h.dst)) addrCopy(f.src, h.dst);
  f.proto = <u8>NEXTHDR_ICMP;
  f.tos = <u8>h.tclass;
  f.flowLabel = h.flowLabel;
  if (load<u8>(f.dst) == 0xfe) f.oif = changetype<NetDevice>(skb.dev).ifindex;
  let r: Skb | null = null;
  if (flowRoute(f) == 0) r = skbAlloc(skb.len);
  if (!r) {
    skbDrop(skb, Drop.NO_BUFFER);
    return;
  }
  memory.copy(r.put(skb.len), skb.data, skb.len);
  IcmpHeader.at(r.data).type = ICMPV6_ECHO_REPLY;
  r.trans = r.data;
  icmpv6Seal(r, f.src, f.dst);
  skbFree(skb);
  mibInc(Mib.Icmp6OutMsgs);
  ipOutput(r, f);
}

function errnoOf(type: u32, code: u32): u32 {
  if (type == ICMPV6_PKT_TOOBIG) return Errno.EMSGSIZE;
  if (type == ICMPV6_PARAMPROB) return Errno.EPROTO;
  if (type == ICMPV6_TIME_EXCEED) return Errno.EHOSTUNREACH;
  if (type != ICMPV6_DEST_UNREACH) return Errno.EPROTO;
  switch (code) {
    case 0: return Errno.ENETUNREACH;
    case 1: case 5: case 6: return Errno.EACCES;
    case ICMPV6_PORT_UNREACH: return Errno.ECONNREFUSED;
    case 2: case ICMPV6_ADDR_UNREACH: return Errno.EHOSTUNREACH;
    default: return Errno.EPROTO;
  }
}

function error(skb: Skb): void {
  const ih = IcmpHeader.at(skb.data);
  const type = ih.type, code = ih.code;
  const inner = Ipv6Header.at(skb.data + ICMP_HLEN);
  if (skb.len < ICMP_HLEN + IPV6_HLEN || inner.version != 6) {
    mibInc(Mib.Icmp6InErrors);
    skbDrop(skb, Drop.ICMP_MALFORMED);
    return;
  }
  const up = upper(inner.ptr, skb.len - ICMP_HLEN);
  if (up < 0 || ICMP_HLEN + (<u32>up >> 8) + 8 > skb.len) {
    mibInc(Mib.Icmp6InErrors);
    skbDrop(skb, Drop.ICMP_MALFORMED);
    return;
  }
  if (!fibIsLocal(inner.src, changetype<NetDevice>(skb.dev).ifindex)) {
    skbDrop(skb, Drop.ICMP_NO_SOCKET);
    return;
  }
  const info = ih.word;
  if (type == ICMPV6_PKT_TOOBIG && info < IPV6_MIN_MTU) { // RFC 8201 4
    mibInc(Mib.Icmp6InErrors);
    skbDrop(skb, Drop.ICMP_MALFORMED);
    return;
  }
  skb.pull(ICMP_HLEN);
  skb.trans = inner.ptr + (<u32>up >> 8);
  const proto = <u32>up & 255;
  const errno = errnoOf(type, code);
  const raw = hook(Hook.RAW_ERROR);
  if (raw) call_indirect<void>(raw, skb, errno, type, code, info);
  inetProtoError(proto, skb, errno, type, code, info);
  skbFree(skb);
}

/** Reassembly gave up (RFC 8200 4.5). */
export function icmpv6ReassemblyTimeout(q: FragQueue): void {
  mibInc(Mib.Ip6ReasmTimeout);
  mibInc(Mib.Ip6ReasmFails);
  const head = q.head;
  if (head) icmpv6Send(head, ICMPV6_TIME_EXCEED, 1, 0);
}

/** Hard for TCP: port unreachable, administratively prohibited, unknown next header. */
export function icmpv6IsHard(type: u32, code: u32): bool {
  return (type == ICMPV6_DEST_UNREACH && (code == 1 || code == ICMPV6_PORT_UNREACH || code == 5 || code == 6))
    || (type == ICMPV6_PARAMPROB && code == ICMPV6_UNK_NEXTHDR);
}
