// UDP output: one message, corking, segmentation offload (UDP_SEGMENT), checksum.
import { Errno, Vnet } from "../../abi";
import { ADDR_LEN } from "../../lib/addr";
import { csumFold, csumPseudo } from "../../lib/checksum";
import { Mib } from "../../core/mib";
import { SHUT_SND, Sock, SockFlag, sockCharge } from "../../core/sock";
import { Skb, skbAlloc, skbFree, skbSetPartial } from "../../core/skb";
import { Flow, PMTUDISC_DO, PMTUDISC_PROBE, flowConfirm, flowRoute, flowStale, ipHeaderLen, ipOutput } from "../../network/flow";
import { IPPROTO_UDP, IPPROTO_UDPLITE } from "../../wire/ipv4";
import { UDP_HLEN, UdpHeader } from "../../wire/udp";
import { MSG_CONFIRM, MSG_MORE, Message, datagramErrno, datagramFlow, localTooBig, pcbOf } from "../datagram";
import { udpAutobind, udpCount } from "./udp";
import { coverageStamp } from "./udplite";

const MAX_PAYLOAD: u32 = 65535 - UDP_HLEN;
/** Segments in one UDP_SEGMENT send (Linux UDP_MAX_SEGMENTS). */
const MAX_SEGMENTS: u32 = 128;
/** The flow of a corked message lies in the skb's headroom. */
const CORK_FLOW: usize = 0;

/** Send `len` bytes at `ptr`. Bytes taken or -errno (-EAGAIN: send buffer full). */
export function udpSend(sk: Sock, ptr: usize, len: u32, m: Message): i32 {
  if (sk.shutdown & SHUT_SND) return -Errno.EPIPE;
  const p = pcbOf(sk);
  if (p.cork) return corkAppend(sk, ptr, len, m);
  if (m.named && !m.port) return -Errno.EINVAL;
  const r = udpAutobind(sk);
  if (r < 0) return r;
  const f = datagramFlow(sk, m, sk.protocol);
  if (!f) return datagramErrno();
  if (sk.wmem >= sk.sndbuf) {
    udpCount(Mib.UdpSndbufErrors, f.isV4, sk.protocol);
    return -Errno.EAGAIN;
  }
  const port = m.named ? m.port : <u32>sk.rport;
  // As Linux: IPv6 tells the path MTU of what can never be sent, too (tracepath begins with 128 000 bytes); IPv4 does not.
  if (len > MAX_PAYLOAD) return f.isV4 ? -Errno.EMSGSIZE : localTooBig(sk, f, port);
  const gso = m.gsoSize ? m.gsoSize : <u32>p.gsoSize;
  const more = (m.flags & MSG_MORE) != 0 || p.corked != 0;
  if (!more && (!gso || gso >= len)) {
    const bad = tooBig(sk, f, len, port);
    if (bad) return bad;
  }
  if (m.flags & MSG_CONFIRM) flowConfirm(f);
  const skb = skbAlloc(more ? MAX_PAYLOAD : len);
  if (!skb) return -Errno.ENOBUFS;
  memory.copy(skb.put(len), ptr, len);
  if (more) {
    memory.copy(skb.buf + CORK_FLOW, changetype<usize>(f), offsetof<Flow>());
    skb.cb0 = port;
    skb.cb1 = gso;
    p.cork = changetype<usize>(skb);
    return <i32>len;
  }
  const e = transmit(sk, skb, f, port, gso);
  return e < 0 ? e : <i32>len;
}

function tooBig(sk: Sock, f: Flow, len: u32, port: u32): i32 {
  const must = f.pmtudisc == <u8>PMTUDISC_DO || f.pmtudisc == <u8>PMTUDISC_PROBE;
  return must && len + UDP_HLEN + ipHeaderLen(f) > f.mtu ? localTooBig(sk, f, port) : len + UDP_HLEN + ipHeaderLen(f) > 65535 && f.isV4 ? -Errno.EMSGSIZE : 0;
}

// MSG_MORE and UDP_CORK: the destination is that of the first piece.
function corkAppend(sk: Sock, ptr: usize, len: u32, m: Message): i32 {
  const p = pcbOf(sk);
  const skb = changetype<Skb>(p.cork);
  if (skb.len + len > MAX_PAYLOAD) return -Errno.EMSGSIZE;
  memory.copy(skb.put(len), ptr, len);
  if (m.flags & MSG_MORE || p.corked) return <i32>len;
  const e = udpUncork(sk);
  return e < 0 ? e : <i32>len;
}

/** Send what is corked. */
export function udpUncork(sk: Sock): i32 {
  const p = pcbOf(sk);
  if (!p.cork) return 0;
  const skb = changetype<Skb>(p.cork);
  p.cork = 0;
  const f = FLOW;
  memory.copy(changetype<usize>(f), skb.buf + CORK_FLOW, offsetof<Flow>());
  if (flowStale(f)) {
    const r = flowRoute(f);
    if (r < 0) {
      skbFree(skb);
      return r;
    }
  }
  const port = <u32>skb.cb0, gso = <u32>skb.cb1;
  const bad = gso ? 0 : tooBig(sk, f, skb.len, port);
  if (bad) {
    skbFree(skb);
    return bad;
  }
  return transmit(sk, skb, f, port, gso);
}
const FLOW = changetype<Flow>(memory.data(offsetof<Flow>(), 8));

function transmit(sk: Sock, skb: Skb, f: Flow, port: u32, gso: u32): i32 {
  const v4 = f.isV4;
  const payload = skb.len;
  if (gso && payload > gso) {
    const segs = (payload + gso - 1) / gso;
    const lite = <u32>sk.protocol == IPPROTO_UDPLITE;
    if (lite || gso + UDP_HLEN + ipHeaderLen(f) > f.mtu || segs > MAX_SEGMENTS) {
      skbFree(skb);
      return lite ? -Errno.EIO : -Errno.EINVAL;
    }
    skb.gsoSize = <u16>gso;
    skb.gsoType = <u8>Vnet.GSO_UDP_L4;
    skb.gsoSegs = <u16>segs;
  }
  const len = payload + UDP_HLEN;
  const u = UdpHeader.at(skb.push(UDP_HLEN));
  u.init(sk.lport, port, len);
  skb.trans = u.ptr;
  const none = v4 ? sk.has(SockFlag.NO_CHECK) && !gso : pcbOf(sk).noCheck6Tx != 0;
  if (<u32>sk.protocol == IPPROTO_UDPLITE) coverageStamp(sk, u, len, v4 ? csumPseudo(f.src + 12, f.dst + 12, 4, IPPROTO_UDPLITE, len) : csumPseudo(f.src, f.dst, <u32>ADDR_LEN, IPPROTO_UDPLITE, len));
  else if (!none) {
    u.checksum = csumFold(v4 ? csumPseudo(f.src + 12, f.dst + 12, 4, IPPROTO_UDP, len) : csumPseudo(f.src, f.dst, <u32>ADDR_LEN, IPPROTO_UDP, len));
    skbSetPartial(skb, u.ptr, 6);
  }
  skb.priority = sk.priority;
  const p = pcbOf(sk);
  if (p.optLen && v4) {
    f.opt = p.opt;
    f.optLen = p.optLen;
  }
  sockCharge(sk, skb);
  const e = ipOutput(skb, f);
  f.optLen = 0;
  if (e == 0) udpCount(Mib.UdpOutDatagrams, v4, sk.protocol);
  else if (e == -Errno.ENOBUFS) {
    udpCount(Mib.UdpSndbufErrors, v4, sk.protocol);
    // Linux: a full device queue is silent unless IP_RECVERR asked to know.
    return sk.has(v4 ? SockFlag.RECVERR : SockFlag.RECVERR6) ? e : 0;
  }
  return e;
}
