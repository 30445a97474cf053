// UDP input: checks, delivery to one socket or to every listener of a group, ICMP port unreachable, errors.
import { ADDR_LEN, addrIsMulticast, addrIsV4 } from "../../lib/addr";
import { csumFold, csumAdd, csumPseudo } from "../../lib/checksum";
import { Vnet } from "../../abi";
import { Drop } from "../../core/drop";
import { Mib } from "../../core/mib";
import { CsumState, PktType, Skb, skbAlloc, skbCopy, skbDrop, skbFree, skbShrink } from "../../core/skb";
import { Sock, SockKind, sockQueueRx } from "../../core/sock";
import { NetDevice } from "../../link/net_device";
import { icmpIsHard, icmpSend } from "../../network/ipv4/icmp";
import { icmpv6IsHard, icmpv6Send } from "../../network/ipv6/icmpv6";
import { ETH_P_IP } from "../../wire/ethernet";
import { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH } from "../../wire/icmp";
import { IPPROTO_UDP, Ipv4Header } from "../../wire/ipv4";
import { UDP_HLEN, UdpHeader } from "../../wire/udp";
import { datagramError, packetAddrs, pcbOf, quotedAddrs } from "../datagram";
import { sockFilter } from "../filter";
import { tproxyFind } from "../tproxy";
import { membershipAllows } from "../membership";
import { udpChain, udpCount, udpLookup, udpScore } from "./udp";
import { coverageSuffices } from "./udplite";

/** The checksum covered all of the datagram. */
export const COVERED: u32 = u32.MAX_VALUE;

const SRC: usize = memory.data(16, 8);
const DST: usize = memory.data(16, 8);

export function udpInput(skb: Skb): void {
  const v4 = <u32>skb.protocol == ETH_P_IP;
  const u = UdpHeader.at(skb.data);
  if (skb.len < UDP_HLEN) {
    udpMalformed(skb, v4, IPPROTO_UDP);
    return;
  }
  let len = u.len;
  // RFC 768: the length covers the header; what IP carries beyond it is padding. A super-segment's header has the length of all or of the first.
  if (skb.gsoSize) len = skb.len;
  if (len < UDP_HLEN || len > skb.len) {
    udpMalformed(skb, v4, IPPROTO_UDP);
    return;
  }
  skb.trim(len);
  if (checksumOk(skb, u, v4, len)) udpDeliver(skb, u, v4, IPPROTO_UDP, COVERED);
  else udpBadChecksum(skb, v4, IPPROTO_UDP);
}

/** Give a datagram of `proto` (data at its header), whose checksum covered `covered` bytes, to those who want it; it is consumed. */
export function udpDeliver(skb: Skb, u: UdpHeader, v4: bool, proto: u32, covered: u32): void {
  packetAddrs(skb, SRC, DST);
  const dif = changetype<NetDevice>(skb.dev).ifindex;
  if (skb.pktType == PktType.BROADCAST || addrIsMulticast(DST)) {
    group(skb, u, dif, v4, proto, covered);
    return;
  }
  let sk = udpLookup(proto, SRC, u.src, DST, u.dst, dif);
  if (!sk && proto == IPPROTO_UDP) sk = tproxyFind(SockKind.UDP, dif);
  if (!sk) {
    udpCount(Mib.UdpNoPorts, v4, proto);
    if (v4) icmpSend(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
    else icmpv6Send(skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
    skbDrop(skb, Drop.NO_SOCKET);
    return;
  }
  if (skb.gsoSize && <u32>skb.gsoType == Vnet.GSO_UDP_L4 && !pcbOf(sk).gro) split(sk, skb, v4);
  else queue(sk, skb, v4, covered);
}

export function udpMalformed(skb: Skb, v4: bool, proto: u32): void {
  udpCount(Mib.UdpInErrors, v4, proto);
  skbDrop(skb, Drop.UDP_MALFORMED);
}
export function udpBadChecksum(skb: Skb, v4: bool, proto: u32): void {
  udpCount(Mib.UdpInCsumErrors, v4, proto);
  udpCount(Mib.UdpInErrors, v4, proto);
  skbDrop(skb, Drop.UDP_CSUM);
}

function checksumOk(skb: Skb, u: UdpHeader, v4: bool, len: u32): bool {
  if (!u.checksum) return v4; // RFC 8200 8.1: never zero over IPv6
  if (skb.csum != CsumState.NONE) return true;
  const h = skb.net;
  const pseudo = v4 ? csumPseudo(h + 12, h + 16, 4, IPPROTO_UDP, len) : csumPseudo(h + 8, h + 24, <u32>ADDR_LEN, IPPROTO_UDP, len);
  return csumFold(csumAdd(skb.data, len, pseudo)) == 0xffff;
}

// Hand the datagram (data at the UDP header) to a socket.
function queue(sk: Sock, skb: Skb, v4: bool, covered: u32): void {
  if (sk.filter && !sockFilter(sk, skb)) {
    skbDrop(skb, Drop.SOCKET_FILTER);
    return;
  }
  if (covered < skb.len && !coverageSuffices(sk, covered)) {
    skbDrop(skb, Drop.UDP_COVERAGE);
    return;
  }
  if (sk.shutdown & 1) {
    skbDrop(skb, Drop.NO_SOCKET);
    return;
  }
  skb.trans = skb.data;
  skb.pull(UDP_HLEN);
  skb = skbShrink(skb);
  if (sockQueueRx(sk, skb)) {
    udpCount(Mib.UdpInDatagrams, v4, sk.protocol);
    return;
  }
  udpCount(Mib.UdpRcvbufErrors, v4, sk.protocol);
  udpCount(Mib.UdpInErrors, v4, sk.protocol);
  skbDrop(skb, Drop.SOCKET_RCVBUFF);
}

// A coalesced run for a socket that did not ask for UDP_GRO: one datagram per segment.
function split(sk: Sock, skb: Skb, v4: bool): void {
  const head = <u32>(skb.data + UDP_HLEN - skb.net);
  const size = <u32>skb.gsoSize;
  let at = skb.data + UDP_HLEN;
  while (at < skb.tail) {
    const n = min(size, <u32>(skb.tail - at));
    const s = skbAlloc(head + n);
    if (!s) break;
    memory.copy(s.put(head), skb.net, head);
    memory.copy(s.put(n), at, n);
    s.net = s.data;
    s.dev = skb.dev;
    s.protocol = skb.protocol;
    s.pktType = skb.pktType;
    s.tstamp = skb.tstamp;
    s.pull(head - UDP_HLEN);
    queue(sk, s, v4, COVERED);
    at += n;
  }
  skbFree(skb);
}

// RFC 1122 4.1.3.5, as Linux: every socket that would take it gets a copy.
function group(skb: Skb, u: UdpHeader, dif: u32, v4: bool, proto: u32, covered: u32): void {
  const sport = u.src, dport = u.dst;
  const multicast = addrIsMulticast(DST);
  let last: Sock | null = null;
  let sk = udpChain(dport);
  while (sk) {
    if (udpScore(sk, proto, SRC, sport, DST, dport, dif) >= 0 && (!multicast || membershipAllows(sk, DST, SRC, dif))) {
      if (last) {
        const c = skbCopy(skb);
        if (c) queue(last, c, v4, covered);
      }
      last = sk;
    }
    sk = changetype<Sock | null>(sk.bindNext);
  }
  if (last) queue(last, skb, v4, covered);
  else skbDrop(skb, Drop.NO_SOCKET);
}

/** An ICMP error quoting a datagram of ours. */
export function udpError(skb: Skb, errno: u32, type: u32, code: u32, info: u32): void { udpErrorOf(IPPROTO_UDP, skb, errno, type, code, info); }

export function udpErrorOf(proto: u32, skb: Skb, errno: u32, type: u32, code: u32, info: u32): void {
  const u = UdpHeader.at(skb.trans);
  quotedAddrs(skb, SRC, DST);
  const v4 = addrIsV4(SRC);
  if (v4 != (Ipv4Header.at(skb.data).version == 4)) return;
  const sk = udpLookup(proto, DST, u.dst, SRC, u.src, changetype<NetDevice>(skb.dev).ifindex);
  if (!sk) return;
  datagramError(sk, skb, errno, type, code, info, u.dst, skb.trans + UDP_HLEN, v4 ? icmpIsHard(type, code) : icmpv6IsHard(type, code));
}
