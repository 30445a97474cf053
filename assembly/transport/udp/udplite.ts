// UDP-Lite (RFC 3828): a datagram whose length field says how many of its bytes the checksum covers. Its sockets are those of UDP.
import { ADDR_LEN } from "../../lib/addr";
import { csumAdd, csumFinish, csumFold, csumPseudo } from "../../lib/checksum";
import { Skb } from "../../core/skb";
import { Sock } from "../../core/sock";
import { ETH_P_IP } from "../../wire/ethernet";
import { IPPROTO_UDPLITE } from "../../wire/ipv4";
import { UDP_HLEN, UdpHeader } from "../../wire/udp";
import { pcbOf } from "../datagram";
import { COVERED, udpBadChecksum, udpDeliver, udpErrorOf, udpMalformed } from "./input";

export function udpLiteInput(skb: Skb): void {
  const v4 = <u32>skb.protocol == ETH_P_IP;
  if (skb.len < UDP_HLEN) {
    udpMalformed(skb, v4, IPPROTO_UDPLITE);
    return;
  }
  // RFC 3828 3.1: the length is that of the IP payload; coverage 0 is all of it; the header is always covered, and the checksum never absent.
  const u = UdpHeader.at(skb.data), len = skb.len, h = skb.net;
  const coverage = u.len ? u.len : len;
  const pseudo = v4 ? csumPseudo(h + 12, h + 16, 4, IPPROTO_UDPLITE, len) : csumPseudo(h + 8, h + 24, <u32>ADDR_LEN, IPPROTO_UDPLITE, len);
  if (!u.checksum || coverage < UDP_HLEN || coverage > len || csumFold(csumAdd(skb.data, coverage, pseudo)) != 0xffff) udpBadChecksum(skb, v4, IPPROTO_UDPLITE);
  else udpDeliver(skb, u, v4, IPPROTO_UDPLITE, coverage < len ? coverage : COVERED);
}

export function udpLiteError(skb: Skb, errno: u32, type: u32, code: u32, info: u32): void { udpErrorOf(IPPROTO_UDPLITE, skb, errno, type, code, info); }

/** Does `sk` take a datagram of which only `covered` bytes are covered? Not unless UDPLITE_RECV_CSCOV allows so few (as Linux: where it is not set, all may come). */
export function coverageSuffices(sk: Sock, covered: u32): bool {
  const wanted = pcbOf(sk).recvCoverage;
  return wanted < 0 || (wanted > 0 && covered >= <u32>wanted);
}

/** Coverage and checksum of a datagram of `len` bytes with its header at `u`, by UDPLITE_SEND_CSCOV; `pseudo`: the sum of its pseudo-header. */
export function coverageStamp(sk: Sock, u: UdpHeader, len: u32, pseudo: u64): void {
  const wanted = pcbOf(sk).sendCoverage;
  const partly = wanted >= 0 && <u32>wanted < len;
  if (partly) u.len = <u32>wanted;
  const sum = csumFinish(csumAdd(u.ptr, partly && wanted ? <u32>wanted : len, pseudo));
  u.checksum = sum ? sum : 0xffff;
}

/** The value that setting a coverage to `v` has: 0 for everything, and never less than the header. */
export function coverageOf(v: i32): i32 { return v == 0 ? 0 : v < <i32>UDP_HLEN ? <i32>UDP_HLEN : min(v, 65535); }
