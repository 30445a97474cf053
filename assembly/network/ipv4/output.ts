// IPv4 output: header, identification, fragmentation (RFC 791, 1122 3.2.1, 1191, 6864).
import { Errno } from "../../abi";
import { addrV4 } from "../../lib/addr";
import { randU32 } from "../../lib/drbg";
import { hashBytes } from "../../lib/hash";
import { Drop } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { PktType, Skb, skbAlloc, skbChecksumHelp, skbCopy, skbDrop, skbFree, skbRead } from "../../core/skb";
import { Sysctl, sysctl } from "../../core/sysctl";
import { neighOutput } from "../../link/neighbour";
import { LOOPED_GROUP } from "../../link/loopback";
import { NetDevice, loopbackDevice } from "../../link/net_device";
import { ETH_P_IP } from "../../wire/ethernet";
import { IP_DF, IP_MF, IP_OFFMASK, IPOPT_END, IPOPT_NOP, IPV4_HLEN, Ipv4Header } from "../../wire/ipv4";
import {
  FLOW_BROADCAST, FLOW_LOCAL, FLOW_MULTICAST, FLOW_NO_MC_LOOP, Flow, PMTUDISC_DO, PMTUDISC_DONT, PMTUDISC_INTERFACE,
  PMTUDISC_OMIT, PMTUDISC_PROBE,
} from "../flow";
import { igmpIsMember } from "./igmp";

/** Identification counters, one per hash of (source, destination, protocol), stepped by a random amount (RFC 7739). */
const IDS: usize = memory.data(1024 * 2, 2);
const ID_KEY: usize = memory.data(12, 4);

function nextId(src: u32, dst: u32, proto: u32, segments: u32): u32 {
  store<u32>(ID_KEY, src);
  store<u32>(ID_KEY, dst, 4);
  store<u32>(ID_KEY, proto, 8);
  const p = IDS + ((hashBytes(ID_KEY, 12) & 1023) << 1);
  const id = (<u32>load<u16>(p) + 1 + (randU32() & 3)) & 0xffff;
  store<u16>(p, <u16>(id + segments - 1));
  return id;
}

export function ipv4Output(skb: Skb, f: Flow): i32 {
  const src = addrV4(f.src), dst = addrV4(f.dst);
  const hlen = IPV4_HLEN + f.optLen;
  const total = skb.total + hlen;
  mibInc(Mib.IpOutRequests);
  if (total > 65535) {
    skbDrop(skb, Drop.PKT_TOO_BIG);
    return -Errno.EMSGSIZE;
  }
  const fits = total <= f.mtu || skb.gsoSize != 0;
  const disc = <u32>f.pmtudisc;
  const must = disc == PMTUDISC_DO || disc == PMTUDISC_PROBE;
  const df = must || (fits && disc != PMTUDISC_DONT && disc != PMTUDISC_INTERFACE && disc != PMTUDISC_OMIT && !sysctl(Sysctl.IP_NO_PMTU_DISC));
  if (!fits && must) {
    skbDrop(skb, Drop.PKT_TOO_BIG);
    return -Errno.EMSGSIZE;
  }
  let ttl = <u32>f.ttl;
  if (!ttl) ttl = f.flags & FLOW_MULTICAST ? 1 : sysctl(Sysctl.IP_DEFAULT_TTL);
  const h = Ipv4Header.at(skb.push(hlen));
  // An atomic datagram's identification means nothing (RFC 6864 4.1); it is still unique where segments follow.
  h.init(hlen, f.tos, total, nextId(src, dst, f.proto, skb.gsoSegs), df ? IP_DF : 0, ttl, f.proto, src, dst);
  if (f.optLen) memory.copy(h.ptr + IPV4_HLEN, f.opt, f.optLen);
  h.seal();
  skb.net = h.ptr;
  skb.protocol = <u16>ETH_P_IP;
  return ipv4Send(skb, f, fits);
}

/** Send a packet with its header in place (raw sockets with IP_HDRINCL, forwarded replies). */
export function ipv4Send(skb: Skb, f: Flow, fits: bool): i32 {
  if (f.flags & (FLOW_MULTICAST | FLOW_BROADCAST)) loopCopy(skb, f);
  const d = f.device;
  if (f.flags & FLOW_MULTICAST && Ipv4Header.at(skb.net).ttl == 0) { // RFC 1112 6.1: never leaves the host
    skbFree(skb);
    return 0;
  }
  return fits ? neighOutput(d, f.nexthop, skb) : ipv4Fragment(skb, f.mtu, d, f.nexthop);
}

// RFC 1112 6.3: members on this host hear what this host sends, unless the socket said no; broadcasts likewise.
function loopCopy(skb: Skb, f: Flow): void {
  if (f.flags & FLOW_LOCAL || f.device.isLoopback) return;
  if (f.flags & FLOW_MULTICAST && (f.flags & FLOW_NO_MC_LOOP || !igmpIsMember(f.device, addrV4(f.dst)))) return;
  const c = skbCopy(skb);
  if (!c) return;
  c.looped = LOOPED_GROUP;
  c.cb0 = f.dev;
  neighOutput(loopbackDevice(), f.nexthop, c);
}

/**
 * Cut a packet into fragments of at most `mtu` bytes and send them (RFC 791 3.2). Options without the copy flag stay in the
 * first only. Consumes skb. 0 or the first error.
 */
export function ipv4Fragment(skb: Skb, mtu: u32, d: NetDevice, nexthop: usize): i32 {
  skbChecksumHelp(skb);
  const h = Ipv4Header.at(skb.data);
  const hlen = h.hlen;
  const total = skb.total;
  const base = h.frag;
  if (mtu < hlen + 8) {
    mibInc(Mib.IpFragFails);
    skbDrop(skb, Drop.PKT_TOO_BIG);
    return -Errno.EMSGSIZE;
  }
  const step = (mtu - hlen) & ~7;
  let at = hlen;
  let err: i32 = 0;
  while (at < total) {
    const n = min(step, total - at);
    const last = at + n == total;
    const s = skbAlloc(hlen + n);
    if (!s) {
      err = -Errno.ENOBUFS;
      break;
    }
    const fh = Ipv4Header.at(s.put(hlen));
    memory.copy(fh.ptr, h.ptr, hlen);
    if (at > hlen) blankUncopiedOptions(fh);
    skbRead(skb, at, s.put(n), n);
    fh.totalLen = hlen + n;
    const offset = (base & IP_OFFMASK) + ((at - hlen) >> 3);
    fh.frag = offset | (last ? base & IP_MF : IP_MF); // a locally fragmented packet does not carry DF
    fh.seal();
    s.net = fh.ptr;
    s.protocol = <u16>ETH_P_IP;
    s.pktType = PktType.HOST;
    s.mark = skb.mark;
    mibInc(Mib.IpFragCreates);
    const e = neighOutput(d, nexthop, s);
    if (e < 0 && !err) err = e;
    at += n;
  }
  if (err) mibInc(Mib.IpFragFails);
  else mibInc(Mib.IpFragOKs);
  skbFree(skb);
  return err;
}

function blankUncopiedOptions(h: Ipv4Header): void {
  let p = h.ptr + IPV4_HLEN;
  const end = h.ptr + h.hlen;
  while (p < end) {
    const o = <u32>load<u8>(p);
    if (o == IPOPT_END) break;
    if (o == IPOPT_NOP) {
      p++;
      continue;
    }
    const n = p + 1 < end ? <u32>load<u8>(p, 1) : 0;
    if (n < 2 || p + n > end) break;
    if (!(o & 0x80)) memory.fill(p, <u8>IPOPT_NOP, n);
    p += n;
  }
}
