// ICMP (RFC 792, RFC 1122 3.2.2, RFC 1812 4.3): echo, errors sent under a rate limit, errors received and handed to
// the transport whose packet they quote, path MTU (RFC 1191).
import { Errno } from "../../abi";
import { addrSetV4, addrV4, v4IsLoopback, v4IsMulticast } from "../../lib/addr";
import { csumAdd, csumFinish, csumFold } from "../../lib/checksum";
import { hashBytes } from "../../lib/hash";
import { Drop, dropCount } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Hook, hook, inetProtoError, inetProtoRegister } from "../../core/proto";
import { CsumState, PktType, Skb, skbAlloc, skbDrop, skbFree } from "../../core/skb";
import { Sysctl, sysctl } from "../../core/sysctl";
import { MS, SEC, now } from "../../core/time";
import { workerSilent } from "../../core/worker";
import { addrIsLocal, ifaddrIsBroadcast } from "../../link/ifaddr";
import { NetDevice } from "../../link/net_device";
import {
  ICMP_DEST_UNREACH, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_FRAG_NEEDED, ICMP_HLEN, ICMP_PARAMETERPROB, ICMP_PKT_FILTERED, ICMP_PORT_UNREACH, ICMP_PROT_UNREACH,
  ICMP_REDIRECT, ICMP_SOURCE_QUENCH, ICMP_TIME_EXCEEDED, ICMP_TIMESTAMP, ICMP_TIMESTAMPREPLY, IcmpHeader,
} from "../../wire/icmp";
import { IP_OFFMASK, IPPROTO_ICMP, IPV4_HLEN, Ipv4Header } from "../../wire/ipv4";
import { fibIsLocal } from "../fib";
import { Flow, flowRoute, ipOutput } from "../flow";
import { FragQueue } from "../reassemble";
import { redirectLearn } from "../redirect";
import { echoedAt, echoedOptions, ipTimestamp } from "./options";

const FLOW = changetype<Flow>(memory.data(offsetof<Flow>(), 8));
const ADDR: usize = memory.data(16, 8);
const DST: usize = memory.data(16, 8);
const GATEWAY: usize = memory.data(16, 8);
/** Highest code of a destination unreachable (Linux NR_ICMP_UNREACH). */
const MAX_UNREACH: u32 = 15;
/** Smallest path MTU believed (Linux min_pmtu; a smaller report would be an attack). */
const MIN_PMTU: u32 = 552;
/** RFC 1812 4.3.2.3: quote as much as fits 576 bytes. */
const QUOTE_MAX: u32 = 576 - IPV4_HLEN - ICMP_HLEN;

export function icmpInit(): void { inetProtoRegister(IPPROTO_ICMP, icmpInput.index, pingError.index); }

/** Echo replies are for sockets: set by transport/ping. fn(skb) consumes. */
const ECHO_REPLY: usize = memory.data(4, 4);
const ECHO_ERROR: usize = memory.data(4, 4);
/** `reply`: fn(skb) takes a received echo reply, data at the ICMP header, and consumes it. `error`: as TransportError. */
export function icmpSetPing(reply: u32, error: u32): void {
  store<u32>(ECHO_REPLY, reply);
  store<u32>(ECHO_ERROR, error);
}
function pingError(skb: Skb, errno: u32, type: u32, code: u32, info: u32): void {
  const fn = load<u32>(ECHO_ERROR);
  if (fn) call_indirect<void>(fn, skb, errno, type, code, info);
}

// ---- rate limit: one global bucket (icmp_msgs_per_sec, burst) and one per destination (icmp_ratelimit) ----
@unmanaged @final class Limit {
  tokens: u64;
  stamp: u64;
}
const GLOBAL = changetype<Limit>(memory.data(offsetof<Limit>(), 8));
const PEERS: usize = memory.data(256 * 16, 8);
/** Messages one destination may get at once (Linux XRLIM_BURST_FACTOR). */
const PEER_BURST: u64 = 6;

function globalAllow(): bool {
  const rate = <u64>sysctl(Sysctl.ICMP_MSGS_PER_SEC), burst = <u64>sysctl(Sysctl.ICMP_MSGS_BURST);
  if (!rate) return true;
  const full = burst * SEC;
  if (!GLOBAL.stamp) GLOBAL.tokens = full;
  else GLOBAL.tokens = min(full, GLOBAL.tokens + min<u64>(now() - GLOBAL.stamp, 100 * SEC) * rate);
  GLOBAL.stamp = now();
  if (GLOBAL.tokens < SEC) return false;
  GLOBAL.tokens -= SEC;
  return true;
}

/** May an error go to the 16-byte address `dst` now? `interval` ms between messages; buckets are shared by hash. */
export function icmpAllow(dst: usize, interval: u32): bool {
  if (!interval) return globalAllow();
  const p = changetype<Limit>(PEERS + ((hashBytes(dst, 16) & 255) << 4));
  const cost = <u64>interval * MS;
  const full = cost * PEER_BURST;
  p.tokens = p.stamp ? min(full, p.tokens + min<u64>(now() - p.stamp, full)) : full;
  p.stamp = now();
  if (p.tokens < cost) return false;
  if (!globalAllow()) return false;
  p.tokens -= cost;
  return true;
}

/** Highest type known (address mask reply). */
const MAX_TYPE: u32 = 18;
/** RFC 1122 3.2.2: the error messages, query messages are the rest. */
function isError(type: u32): bool {
  return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

/**
 * Send an error about a received packet (skb.net at its IP header; not consumed) back to its source. `info`: the second word.
 * Nothing is sent about what RFC 1122 3.2.2 forbids, nor over the rate limit.
 */
export function icmpSend(skb: Skb, type: u32, code: u32, info: u32): void {
  const h = Ipv4Header.at(skb.net);
  const src = h.src, dst = h.dst;
  const d = changetype<NetDevice>(skb.dev);
  const avail = <u32>(skb.tail - skb.net);
  const hlen = h.hlen;
  if (skb.pktType == PktType.BROADCAST || skb.pktType == PktType.MULTICAST || skb.looped > 1 || workerSilent(skb)) return;
  if (v4IsMulticast(dst) || (skb.dev && ifaddrIsBroadcast(d, dst)) || src == 0 || v4IsMulticast(src) || src == 0xffffffff
    || (v4IsLoopback(src) && skb.dev && !d.isLoopback) || h.frag & IP_OFFMASK || avail < hlen) return;
  if (h.proto == IPPROTO_ICMP) {
    if (avail < hlen + 1) return;
    const t = <u32>load<u8>(skb.net + hlen);
    if (isError(t) || t > MAX_TYPE) return; // RFC 1122 3.2.2; of an unknown type nobody knows (Linux)
  }
  const f = FLOW;
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  addrSetV4(f.dst, src);
  // Answer from the address that was spoken to; a router answers from the interface (RFC 1812 4.3.2.4). What a host says of its
  // ports and protocols is said as that host also where a local route makes us speak for it.
  addrSetV4(f.src, dst);
  const host = type == ICMP_DEST_UNREACH && (code == ICMP_PORT_UNREACH || code == ICMP_PROT_UNREACH);
  if (host ? !fibIsLocal(f.src, 0) : !addrIsLocal(f.src, 0)) addrSetV4(f.src, 0);
  f.proto = <u8>IPPROTO_ICMP;
  f.tos = <u8>((h.tos & 0x1e) | 0xc0); // internetwork control, RFC 1812 4.3.2.5
  if (flowRoute(f) < 0) return;
  if (type != ICMP_DEST_UNREACH || code != ICMP_FRAG_NEEDED) {
    if (!f.device.isLoopback && !icmpAllow(f.dst, sysctl(Sysctl.ICMP_RATELIMIT))) {
      mibInc(Mib.IcmpOutRateLimitHost);
      dropCount(Drop.ICMP_RATELIMIT);
      return;
    }
  }
  const quote = min(avail, QUOTE_MAX);
  const e = skbAlloc(ICMP_HLEN + quote);
  if (!e) return;
  const ih = IcmpHeader.at(e.put(ICMP_HLEN + quote));
  ih.type = type;
  ih.code = code;
  ih.checksum = 0;
  ih.word = info;
  memory.copy(ih.ptr + ICMP_HLEN, skb.net, quote);
  e.trans = e.data;
  ih.checksum = csumFinish(csumAdd(ih.ptr, e.len));
  mibInc(Mib.IcmpOutMsgs);
  if (type == ICMP_DEST_UNREACH) mibInc(Mib.IcmpOutDestUnreachs);
  else if (type == ICMP_TIME_EXCEEDED) mibInc(Mib.IcmpOutTimeExcds);
  else if (type == ICMP_PARAMETERPROB) mibInc(Mib.IcmpOutParmProbs);
  ipOutput(e, f);
}

function icmpInput(skb: Skb): void {
  mibInc(Mib.IcmpInMsgs);
  if (skb.len < ICMP_HLEN) {
    mibInc(Mib.IcmpInErrors);
    skbDrop(skb, Drop.ICMP_MALFORMED);
    return;
  }
  if (skb.csum == CsumState.NONE && csumFold(csumAdd(skb.data, skb.len)) != 0xffff) {
    mibInc(Mib.IcmpInCsumErrors);
    mibInc(Mib.IcmpInErrors);
    skbDrop(skb, Drop.ICMP_CSUM);
    return;
  }
  // Errors come to one host (Linux icmp_rcv).
  if (isError(IcmpHeader.at(skb.data).type) && (skb.pktType == PktType.BROADCAST || skb.pktType == PktType.MULTICAST)) {
    mibInc(Mib.IcmpInErrors);
    skbDrop(skb, Drop.ICMP_MALFORMED);
    return;
  }
  switch (IcmpHeader.at(skb.data).type) {
    case ICMP_ECHO:
      mibInc(Mib.IcmpInEchos);
      echo(skb, ICMP_ECHOREPLY);
      return;
    case ICMP_TIMESTAMP:
      timestamp(skb);
      return;
    case ICMP_ECHOREPLY: {
      mibInc(Mib.IcmpInEchoReps);
      const fn = load<u32>(ECHO_REPLY);
      if (fn) call_indirect<void>(fn, skb);
      else skbFree(skb);
      return;
    }
    case ICMP_DEST_UNREACH:
      mibInc(Mib.IcmpInDestUnreachs);
      error(skb);
      return;
    case ICMP_TIME_EXCEEDED:
      mibInc(Mib.IcmpInTimeExcds);
      error(skb);
      return;
    case ICMP_PARAMETERPROB:
      mibInc(Mib.IcmpInParmProbs);
      error(skb);
      return;
    case ICMP_SOURCE_QUENCH: // RFC 6633: ignored
      skbFree(skb);
      return;
    case ICMP_REDIRECT:
      mibInc(Mib.IcmpInRedirects);
      redirect(skb);
      return;
    default:
      // RFC 1122 3.2.2: unknown types are discarded silently (raw sockets have seen them).
      skbDrop(skb, Drop.ICMP_UNKNOWN_TYPE);
  }
}

// Swap the sides of a request and send it back with type `type`.
function reply(skb: Skb, type: u32): void {
  if (workerSilent(skb)) {
    skbFree(skb);
    return;
  }
  const h = Ipv4Header.at(skb.net);
  const f = FLOW;
  memory.fill(changetype<usize>(f), 0, offsetof<Flow>());
  addrSetV4(f.dst, h.src);
  addrSetV4(f.src, h.dst);
  if (!fibIsLocal(f.src, 0)) addrSetV4(f.src, 0); // it came to a group
  f.proto = <u8>IPPROTO_ICMP;
  f.tos = <u8>h.tos;
  if (flowRoute(f) < 0) {
    skbFree(skb);
    return;
  }
  if (h.hlen > IPV4_HLEN) {
    f.optLen = echoedOptions(h, addrV4(f.src));
    f.opt = echoedAt();
  }
  const r = skbAlloc(skb.len);
  if (!r) {
    skbDrop(skb, Drop.NO_BUFFER);
    return;
  }
  memory.copy(r.put(skb.len), skb.data, skb.len);
  const ih = IcmpHeader.at(r.data);
  ih.type = type;
  ih.checksum = 0;
  ih.checksum = csumFinish(csumAdd(r.data, r.len));
  r.trans = r.data;
  r.mark = skb.mark;
  skbFree(skb);
  mibInc(Mib.IcmpOutMsgs);
  if (type == ICMP_ECHOREPLY) mibInc(Mib.IcmpOutEchoReps);
  ipOutput(r, f);
}

function echo(skb: Skb, type: u32): void {
  const group = skb.pktType == PktType.BROADCAST || skb.pktType == PktType.MULTICAST;
  if (sysctl(Sysctl.ICMP_ECHO_IGNORE_ALL) || (group && sysctl(Sysctl.ICMP_ECHO_IGNORE_BROADCASTS))) {
    skbDrop(skb, Drop.ICMP_ECHO_IGNORED);
    return;
  }
  reply(skb, type);
}

// RFC 792 timestamp.
function timestamp(skb: Skb): void {
  if (skb.len < 20 || skb.pktType != PktType.HOST) {
    skbDrop(skb, skb.len < 20 ? Drop.ICMP_MALFORMED : Drop.ICMP_ECHO_IGNORED);
    return;
  }
  const ms = ipTimestamp();
  const p = skb.data;
  store<u32>(p, bswap<u32>(ms), 12);
  store<u32>(p, bswap<u32>(ms), 16);
  reply(skb, ICMP_TIMESTAMPREPLY);
}

// RFC 792, RFC 1122 3.2.2.2: networks are treated as hosts.
function redirect(skb: Skb): void {
  const ih = IcmpHeader.at(skb.data);
  const inner = Ipv4Header.at(skb.data + ICMP_HLEN);
  if (skb.len < ICMP_HLEN + IPV4_HLEN || ih.code > 3 || inner.version != 4) {
    mibInc(Mib.IcmpInErrors);
    skbDrop(skb, Drop.ICMP_MALFORMED);
    return;
  }
  addrSetV4(ADDR, inner.src);
  if (!sysctl(Sysctl.IP_FORWARD) && addrIsLocal(ADDR, 0)) {
    addrSetV4(ADDR, Ipv4Header.at(skb.net).src);
    addrSetV4(DST, inner.dst);
    addrSetV4(GATEWAY, ih.word);
    redirectLearn(changetype<NetDevice>(skb.dev), ADDR, DST, GATEWAY);
  }
  skbFree(skb);
}

// Errno of an unreachable code (Linux icmp_err_convert).
function errnoOf(type: u32, code: u32): u32 {
  if (type == ICMP_TIME_EXCEEDED) return Errno.EHOSTUNREACH;
  if (type == ICMP_PARAMETERPROB) return Errno.EPROTO;
  switch (code) {
    case 0: case 6: case 9: case 11: return Errno.ENETUNREACH;
    case 2: return Errno.ENOPROTOOPT;
    case 3: return Errno.ECONNREFUSED;
    case 4: return Errno.EMSGSIZE;
    case 5: return Errno.EOPNOTSUPP;
    case 7: return Errno.EHOSTDOWN;
    default: return Errno.EHOSTUNREACH;
  }
}

// RFC 1191 7.1: what to try when an old router did not say.
function plateau(old: u32): u32 {
  if (old > 32000) return 32000;
  if (old > 17914) return 17914;
  if (old > 8166) return 8166;
  if (old > 4352) return 4352;
  if (old > 2002) return 2002;
  if (old > 1492) return 1492;
  if (old > 1006) return 1006;
  return MIN_PMTU;
}

// An error about a packet of ours: find it again by its quoted headers.
function error(skb: Skb): void {
  const ih = IcmpHeader.at(skb.data);
  const type = ih.type, code = ih.code, word = ih.word;
  if (skb.len < ICMP_HLEN + IPV4_HLEN) {
    mibInc(Mib.IcmpInErrors);
    skbDrop(skb, Drop.ICMP_MALFORMED);
    return;
  }
  const inner = Ipv4Header.at(skb.data + ICMP_HLEN);
  const hlen = inner.hlen;
  if (inner.version != 4 || hlen < IPV4_HLEN || skb.len < ICMP_HLEN + hlen + 8 || inner.frag & IP_OFFMASK) {
    mibInc(Mib.IcmpInErrors);
    skbDrop(skb, Drop.ICMP_MALFORMED);
    return;
  }
  addrSetV4(ADDR, inner.src);
  if (!fibIsLocal(ADDR, 0) || (type == ICMP_DEST_UNREACH && code > MAX_UNREACH)) {
    skbDrop(skb, Drop.ICMP_NO_SOCKET);
    return;
  }
  let info: u32 = 0;
  if (type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED) {
    if (sysctl(Sysctl.IP_NO_PMTU_DISC) == 1) {
      skbFree(skb);
      return;
    }
    info = word & 0xffff;
    if (!info) info = plateau(inner.totalLen);
    info = max(info, MIN_PMTU);
    if (info >= inner.totalLen) { // it would have fitted: not about that packet
      skbDrop(skb, Drop.ICMP_NO_SOCKET);
      return;
    }
  } else if (type == ICMP_PARAMETERPROB) info = word >> 24;
  const proto = inner.proto;
  skb.pull(ICMP_HLEN);
  skb.trans = inner.ptr + hlen;
  const errno = errnoOf(type, code);
  const raw = hook(Hook.RAW_ERROR);
  if (raw) call_indirect<void>(raw, skb, errno, type, code, info);
  inetProtoError(proto, skb, errno, type, code, info);
  skbFree(skb);
}

/** Reassembly gave up (RFC 792: only when the first fragment is there). */
export function icmpReassemblyTimeout(q: FragQueue): void {
  mibInc(Mib.IpReasmTimeout);
  mibInc(Mib.IpReasmFails);
  const head = q.head;
  if (!head || head.pktType != PktType.HOST) return;
  icmpSend(head, ICMP_TIME_EXCEEDED, 1, 0);
}

/** Codes of a destination unreachable that are fatal (Linux's icmp_err_convert), and ICMP_FRAG_NEEDED, which udp_err treats so. */
const HARD_CODES: u32 = 1 << ICMP_PROT_UNREACH | 1 << ICMP_PORT_UNREACH | 1 << ICMP_FRAG_NEEDED | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10
  | 1 << ICMP_PKT_FILTERED | 1 << 14 | 1 << 15;

/** Is told to connected datagram sockets that did not ask for IP_RECVERR. */
export function icmpIsHard(type: u32, code: u32): bool {
  return type == ICMP_PARAMETERPROB || (type == ICMP_DEST_UNREACH && code <= MAX_UNREACH && ((HARD_CODES >> code) & 1) != 0);
}
