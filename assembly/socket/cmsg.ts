// Ancillary data in Linux's 64-bit layout: {len u64, level i32, type i32, data}, aligned to 8.
import { Errno, MSG_CONTROL, MSG_CONTROLLEN, MSG_FLAGS } from "../abi";
import { addrCopy, addrIsAny, addrIsV4, addrSetV4, addrV4 } from "../lib/addr";
import { alignUp, be16, be32, putBe16, putBe32 } from "../lib/bytes";
import { AF_INET, AF_INET6, Sock, SockFlag } from "../core/sock";
import { Skb } from "../core/skb";
import { wallClock, now } from "../core/time";
import { NetDevice } from "../link/net_device";
import { ETH_P_IP } from "../wire/ethernet";
import { Ipv4Header } from "../wire/ipv4";
import { Ipv6Header } from "../wire/ipv6";
import { MSG_CTRUNC, Message } from "../transport/datagram";

import { sourceFor4 } from "../network/source";

export const SOL_SOCKET: u32 = 1;
export const IPPROTO_IP: u32 = 0;
export const IPPROTO_IPV6: u32 = 41;
export const SOL_UDP: u32 = 17;

/** Bits of Sock.cmsgFlags: which ancillary data recvmsg returns. */
export const enum Cmsg {
  PKTINFO = 1, TTL = 2, TOS = 4, ORIGDSTADDR = 8, PKTINFO6 = 16, HOPLIMIT = 32, TCLASS = 64, ORIGDSTADDR6 = 128, OPTIONS = 256, GRO = 512,
  RETOPTS = 1024, PKTINFO6_OLD = 2048, HOPLIMIT_OLD = 4096, FLOWINFO = 8192,
}

const IP_TOS: u32 = 1;
const IP_TTL: u32 = 2;
const IP_PKTINFO: u32 = 8;
const IP_ORIGDSTADDR: u32 = 20;
const IP_RECVERR: u32 = 11;
const IPV6_RECVERR: u32 = 25;
const IPV6_2292PKTINFO: u32 = 2;
const IPV6_2292HOPLIMIT: u32 = 8;
const IPV6_FLOWINFO: u32 = 11;
const IPV6_PKTINFO: u32 = 50;
const IPV6_HOPLIMIT: u32 = 52;
const IPV6_TCLASS: u32 = 67;
const IPV6_ORIGDSTADDR: u32 = 74;
const SO_TIMESTAMP: u32 = 29;
const SO_TIMESTAMPNS: u32 = 35;
const SO_TIMESTAMPING: u32 = 37;
const SO_TIMESTAMP_NEW: u32 = 63;
const SO_TIMESTAMPNS_NEW: u32 = 64;
const SO_TIMESTAMPING_NEW: u32 = 65;
/** SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE. */
const STAMPING_RX: u32 = 8 | 16;
const SO_RXQ_OVFL: u32 = 40;
const UDP_SEGMENT: u32 = 103;
const UDP_GRO: u32 = 104;

/** Read what sendmsg brings into `m`. 0 or -EINVAL. */
export function cmsgParse(sk: Sock, p: usize, len: u32, m: Message): i32 {
  let at: u32 = 0;
  while (at + 16 <= len) {
    const c = p + at;
    const n = load<u64>(c);
    if (n < 16 || n > <u64>(len - at)) return -Errno.EINVAL;
    const r = one(sk, load<u32>(c, 8), load<u32>(c, 12), c + 16, <u32>n - 16, m);
    if (r < 0) return r;
    at += <u32>alignUp(<usize>n, 8);
  }
  return 0;
}

function one(sk: Sock, level: u32, type: u32, d: usize, n: u32, m: Message): i32 {
  if (level == IPPROTO_IP) {
    if (type == IP_PKTINFO && n >= 12) {
      m.oif = load<u32>(d);
      if (load<u32>(d, 4)) {
        addrSetV4(m.src, be32(d + 4));
        m.sourced = 1;
      }
    } else if (type == IP_TTL && n >= 4) {
      const v = load<i32>(d);
      if (v < 1 || v > 255) return -Errno.EINVAL;
      m.ttl = v;
    } else if (type == IP_TOS && n >= 1) m.tos = n >= 4 ? load<i32>(d) & 255 : load<u8>(d);
    else return -Errno.EINVAL;
  } else if (level == IPPROTO_IPV6 && sk.family == <u16>AF_INET6) {
    if ((type == IPV6_PKTINFO || type == IPV6_2292PKTINFO) && n >= 20) {
      m.oif = load<u32>(d, 16);
      if (!addrIsAny(d)) {
        addrCopy(m.src, d);
        m.sourced = 1;
      }
    } else if ((type == IPV6_HOPLIMIT || type == IPV6_2292HOPLIMIT) && n >= 4) {
      const v = load<i32>(d);
      if (v < -1 || v > 255) return -Errno.EINVAL;
      m.ttl = v;
    } else if (type == IPV6_TCLASS && n >= 4) {
      const v = load<i32>(d);
      if (v < -1 || v > 255) return -Errno.EINVAL;
      m.tos = v;
    } else return -Errno.EINVAL;
  } else if (level == SOL_UDP && type == UDP_SEGMENT && n >= 2) m.gsoSize = load<u16>(d);
  else if (level != SOL_SOCKET) return -Errno.EINVAL;
  return 0;
}

/** Writes cmsgs into the room a msghdr record offers. */
@unmanaged @final export class CmsgWriter {
  p: usize;
  room: u32;
  used: u32;
  truncated: u32;

  init(msg: usize): void {
    this.p = load<u32>(msg, MSG_CONTROL);
    this.room = this.p ? load<u32>(msg, MSG_CONTROLLEN) : 0;
    this.used = 0;
    this.truncated = 0;
  }
  /** Room for `n` bytes of data, or 0 with the truncation noted. */
  put(level: u32, type: u32, n: u32): usize {
    if (this.used + 16 + n > this.room) {
      this.truncated = 1;
      return 0;
    }
    const c = this.p + this.used;
    store<u64>(c, 16 + n);
    store<u32>(c, level, 8);
    store<u32>(c, type, 12);
    memory.fill(c + 16, 0, min<usize>(alignUp(n, 8), this.room - this.used - 16));
    this.used = min(this.room, this.used + 16 + <u32>alignUp(n, 8));
    return c + 16;
  }
  putInt(level: u32, type: u32, v: u32): void {
    const d = this.put(level, type, 4);
    if (d) store<u32>(d, v);
  }
  done(msg: usize): void {
    store<u32>(msg, this.used, MSG_CONTROLLEN);
    if (this.truncated) store<u32>(msg, load<u32>(msg, MSG_FLAGS) | MSG_CTRUNC, MSG_FLAGS);
  }
}
const W = changetype<CmsgWriter>(memory.data(offsetof<CmsgWriter>(), 4));
const ADDR: usize = memory.data(16, 8);

function stamp(w: CmsgWriter, sk: Sock, s: Skb): void {
  const t = s.tstamp + (wallClock() - now());
  const renewed = sk.has(SockFlag.TSTAMP_NEW);
  if (sk.has(SockFlag.TIMESTAMP)) {
    const fine = sk.has(SockFlag.TIMESTAMPNS);
    const d = w.put(SOL_SOCKET, fine ? (renewed ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS) : renewed ? SO_TIMESTAMP_NEW : SO_TIMESTAMP, 16);
    if (d) {
      store<u64>(d, t / 1_000_000_000);
      store<u64>(d, fine ? t % 1_000_000_000 : t % 1_000_000_000 / 1000, 8);
    }
  }
  if ((sk.stamping & STAMPING_RX) == STAMPING_RX) { // struct scm_timestamping: software, none, hardware
    const d = w.put(SOL_SOCKET, renewed ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING, 48);
    if (d) {
      memory.fill(d, 0, 48);
      store<u64>(d, t / 1_000_000_000);
      store<u64>(d, t % 1_000_000_000, 8);
    }
  }
}

/** Ancillary data of a received datagram, as the socket asked for it. */
export function cmsgReceive(sk: Sock, s: Skb, msg: usize): void {
  const w = W;
  w.init(msg);
  const want = sk.cmsgFlags;
  stamp(w, sk, s);
  if (sk.has(SockFlag.RXQ_OVFL) && sk.drops) w.putInt(SOL_SOCKET, SO_RXQ_OVFL, sk.drops);
  if (want && s.net) {
    if (<u32>s.protocol == ETH_P_IP) receive4(w, sk, s, want);
    else receive6(w, s, want);
  }
  if (want & Cmsg.GRO && s.gsoSize) w.putInt(SOL_UDP, UDP_GRO, s.gsoSize);
  w.done(msg);
}

function receive4(w: CmsgWriter, sk: Sock, s: Skb, want: u32): void {
  const h = Ipv4Header.at(s.net);
  const dev = changetype<NetDevice>(s.dev);
  if (want & Cmsg.PKTINFO) {
    const d = w.put(IPPROTO_IP, IP_PKTINFO, 12);
    if (d) {
      store<u32>(d, dev.ifindex);
      // ipi_spec_dst: the local address; for a group, one of the interface's.
      addrSetV4(ADDR, h.src);
      const own = sourceFor4(dev, ADDR);
      putBe32(d + 4, s.pktType != 0 && own ? addrV4(own.addr) : h.dst);
      putBe32(d + 8, h.dst);
    }
  }
  if (want & Cmsg.TTL) w.putInt(IPPROTO_IP, IP_TTL, h.ttl);
  if (want & Cmsg.TOS) {
    const d = w.put(IPPROTO_IP, IP_TOS, 1);
    if (d) store<u8>(d, h.tos);
  }
  if (want & Cmsg.ORIGDSTADDR && s.trans) {
    const d = w.put(IPPROTO_IP, IP_ORIGDSTADDR, 16);
    if (d) {
      store<u16>(d, <u16>AF_INET);
      putBe16(d + 2, be16(s.trans + 2));
      putBe32(d + 4, h.dst);
    }
  }
  if (sk.family != <u16>AF_INET6) return;
  addrSetV4(ADDR, h.dst);
  pktinfo6(w, want, ADDR, dev);
  hops6(w, want, h.ttl);
  if (want & Cmsg.TCLASS) w.putInt(IPPROTO_IPV6, IPV6_TCLASS, h.tos);
}

// IPV6_PKTINFO in either numbering.
function pktinfo6(w: CmsgWriter, want: u32, dst: usize, dev: NetDevice): void {
  for (let old: u32 = 0; old < 2; old++) {
    if (!(want & (old ? Cmsg.PKTINFO6_OLD : Cmsg.PKTINFO6))) continue;
    const d = w.put(IPPROTO_IPV6, old ? IPV6_2292PKTINFO : IPV6_PKTINFO, 20);
    if (!d) continue;
    addrCopy(d, dst);
    store<u32>(d, dev.ifindex, 16);
  }
}
function hops6(w: CmsgWriter, want: u32, hops: u32): void {
  if (want & Cmsg.HOPLIMIT) w.putInt(IPPROTO_IPV6, IPV6_HOPLIMIT, hops);
  if (want & Cmsg.HOPLIMIT_OLD) w.putInt(IPPROTO_IPV6, IPV6_2292HOPLIMIT, hops);
}

function receive6(w: CmsgWriter, s: Skb, want: u32): void {
  const h = Ipv6Header.at(s.net);
  pktinfo6(w, want, h.dst, changetype<NetDevice>(s.dev));
  hops6(w, want, h.hopLimit);
  if (want & Cmsg.FLOWINFO && be32(s.net) & 0xfffffff) {
    const d = w.put(IPPROTO_IPV6, IPV6_FLOWINFO, 4);
    if (d) putBe32(d, be32(s.net) & 0xfffffff);
  }
  if (want & Cmsg.TCLASS) w.putInt(IPPROTO_IPV6, IPV6_TCLASS, h.tclass);
  if (want & Cmsg.ORIGDSTADDR6 && s.trans) {
    const d = w.put(IPPROTO_IPV6, IPV6_ORIGDSTADDR, 28);
    if (d) {
      store<u16>(d, <u16>AF_INET6);
      putBe16(d + 2, be16(s.trans + 2));
      addrCopy(d + 8, h.dst);
    }
  }
}

/** struct sock_extended_err and the offender's address, for MSG_ERRQUEUE (`s` as errorQueue made it). */
export function cmsgError(sk: Sock, s: Skb, msg: usize): void {
  const w = W;
  w.init(msg);
  const v6 = ((s.cb0 >> 32) & 255) == 3 || (sk.family == <u16>AF_INET6 && !addrIsV4(changetype<usize>(s) + offsetof<Skb>("cb2")));
  const size: u32 = v6 ? 28 : 16;
  const d = v6 ? w.put(IPPROTO_IPV6, IPV6_RECVERR, 16 + size) : w.put(IPPROTO_IP, IP_RECVERR, 16 + size);
  if (d) {
    store<u32>(d, <u32>s.cb0);
    store<u8>(d, <u8>(s.cb0 >> 32), 4);
    store<u8>(d, <u8>(s.cb0 >> 40), 5);
    store<u8>(d, <u8>(s.cb0 >> 48), 6);
    store<u32>(d, <u32>s.cb1, 8);
    store<u32>(d, 0, 12);
    if (((s.cb0 >> 32) & 255) != 1) {
      if (v6) {
        store<u16>(d, <u16>AF_INET6, 16);
        addrCopy(d + 24, s.buf);
      } else {
        store<u16>(d, <u16>AF_INET, 16);
        putBe32(d + 20, addrV4(s.buf));
      }
    }
  }
  w.done(msg);
}
