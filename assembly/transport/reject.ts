// Telling a sender that its packet got nowhere, when the host finds out later than the packet was here: an ICMP error about a
// packet of which only the addresses and the beginning of the transport header are known (nftables' `reject`).
import { Errno } from "../abi";
import { addrIsV4, addrV4, addrCopy } from "../lib/addr";
import { skbAlloc, skbFree } from "../core/skb";
import { NetDevice } from "../link/net_device";
import { icmpSend } from "../network/ipv4/icmp";
import { icmpv6Send } from "../network/ipv6/icmpv6";
import { ETH_P_IP, ETH_P_IPV6 } from "../wire/ethernet";
import {
  ICMPV6_ADDR_UNREACH, ICMPV6_ADM_PROHIBITED, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, ICMPV6_PORT_UNREACH, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH, ICMP_PKT_FILTERED, ICMP_PORT_UNREACH,
} from "../wire/icmp";
import { IPV4_HLEN, Ipv4Header } from "../wire/ipv4";
import { IPV6_HLEN, Ipv6Header } from "../wire/ipv6";

/** Bytes of a transport header that an error must quote (RFC 792). */
export const QUOTE_MIN: u32 = 8;
/** Most that is quoted. */
export const QUOTE_MAX: u32 = 512;

// The code that makes a sender see `errno` (the inverse of Linux's icmp_err_convert), -1 when there is none.
function code4(errno: u32): i32 {
  switch (errno) {
    case Errno.ECONNREFUSED: return ICMP_PORT_UNREACH;
    case Errno.ENETUNREACH: return ICMP_NET_UNREACH;
    case Errno.EHOSTUNREACH: return ICMP_HOST_UNREACH;
    case Errno.EACCES: return ICMP_PKT_FILTERED;
    default: return -1;
  }
}
function code6(errno: u32): i32 {
  switch (errno) {
    case Errno.ECONNREFUSED: return ICMPV6_PORT_UNREACH;
    case Errno.ENETUNREACH: return ICMPV6_NOROUTE;
    case Errno.EHOSTUNREACH: return ICMPV6_ADDR_UNREACH;
    case Errno.EACCES: return ICMPV6_ADM_PROHIBITED;
    default: return -1;
  }
}

/**
 * Send the error that means `errno` about a packet of `proto` from `src` to `dst` that came in by `d`. `quote`: the first `len` bytes
 * (QUOTE_MIN to QUOTE_MAX) of its transport header and payload. 0, -EINVAL (no such error), -ENOBUFS. Rate limits hold.
 */
export function reject(d: NetDevice, proto: u32, src: usize, dst: usize, quote: usize, len: u32, errno: u32): i32 {
  const v4 = addrIsV4(src);
  const code = v4 ? code4(errno) : code6(errno);
  if (code < 0 || addrIsV4(dst) != v4 || len < QUOTE_MIN || len > QUOTE_MAX) return -Errno.EINVAL;
  const hlen = v4 ? IPV4_HLEN : IPV6_HLEN;
  const skb = skbAlloc(hlen + len);
  if (!skb) return -Errno.ENOBUFS;
  const p = skb.put(hlen + len);
  if (v4) {
    const h = Ipv4Header.at(p);
    h.init(hlen, 0, hlen + len, 0, 0, 64, proto, addrV4(src), addrV4(dst));
    h.seal();
  } else {
    const h = Ipv6Header.at(p);
    h.init(0, 0, len, proto, 64);
    addrCopy(h.src, src);
    addrCopy(h.dst, dst);
  }
  memory.copy(p + hlen, quote, len);
  skb.net = p;
  skb.trans = p + hlen;
  skb.dev = changetype<usize>(d);
  skb.protocol = <u16>(v4 ? ETH_P_IP : ETH_P_IPV6);
  if (v4) icmpSend(skb, ICMP_DEST_UNREACH, code, 0);
  else icmpv6Send(skb, ICMPV6_DEST_UNREACH, code, 0);
  skbFree(skb);
  return 0;
}
