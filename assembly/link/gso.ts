// Segmentation in software of super-segments for devices that cannot (TSO4, TSO6, USO): one frame in, its
// segments out, headers copied and adjusted, payload gathered by copy. The last segment alone keeps FIN and PSH.
import { VifFeature, Vnet } from "../abi";
import { be32, putBe16, putBe32 } from "../lib/bytes";
import { csumFold, csumPseudo } from "../lib/checksum";
import { Drop } from "../core/drop";
import { Skb, skbAlloc, skbDrop, skbFree, skbRead, skbSetPartial } from "../core/skb";
import { Ipv4Header } from "../wire/ipv4";
import { Ipv6Header } from "../wire/ipv6";
import { NetDevice } from "./net_device";

const TCP_FLAGS: usize = 13;
const TH_FIN: u32 = 1;
const TH_PUSH: u32 = 8;
const TH_CWR: u32 = 0x80;

/** Can `d` take this super-segment whole? */
export function gsoCapable(d: NetDevice, skb: Skb): bool {
  if (!(d.features & VifFeature.CSUM)) return false;
  switch (<u32>skb.gsoType) {
    case Vnet.GSO_TCPV4: return (d.features & VifFeature.TSO4) != 0;
    case Vnet.GSO_TCPV6: return (d.features & VifFeature.TSO6) != 0;
    case Vnet.GSO_UDP_L4: return (d.features & VifFeature.USO) != 0;
    default: return false;
  }
}

/**
 * Cut `skb` (link header in place, checksum PARTIAL) into frames of skb.gsoSize payload bytes and hand each to `xmit`
 * (function index of (device, skb)). Consumes skb.
 */
export function gsoSegment(d: NetDevice, skb: Skb, xmit: u32): void {
  const tcp = <u32>skb.gsoType != Vnet.GSO_UDP_L4;
  const acc = (skb.gsoType & Vnet.GSO_ECN) != 0; // CWR is a bit of the counter ACE (RFC 9768): the same in all segments
  const trans = <u32>(skb.csumStart - skb.data);
  const net = <u32>(skb.net - skb.data);
  if (trans + 20 > skb.len || net >= trans || (!tcp && trans + 8 > skb.len)) {
    skbDrop(skb, Drop.CHECKSUM_START);
    return;
  }
  const hlen = trans + (tcp ? (<u32>load<u8>(skb.csumStart, 12) >> 4) << 2 : 8);
  const total = skb.total;
  if (hlen > skb.len || hlen >= total) {
    skbDrop(skb, Drop.CHECKSUM_START);
    return;
  }
  const mss = <u32>skb.gsoSize;
  const v4 = Ipv4Header.at(skb.net).version == 4;
  let at = hlen;
  let seq = tcp ? be32(skb.csumStart + 4) : 0;
  let id = v4 ? Ipv4Header.at(skb.net).id : 0;
  while (at < total) {
    const n = min(mss, total - at);
    const s = skbAlloc(hlen + n);
    if (!s) {
      skbDrop(skb, Drop.NO_BUFFER);
      return;
    }
    memory.copy(s.put(hlen), skb.data, hlen);
    skbRead(skb, at, s.put(n), n);
    s.mac = s.data;
    s.net = s.data + net;
    s.trans = s.data + trans;
    s.protocol = skb.protocol;
    s.pktType = skb.pktType;
    s.mark = skb.mark;
    ipLength(s, v4, id);
    const last = at + n == total;
    if (tcp) {
      putBe32(s.trans + 4, seq);
      const flags = <u32>load<u8>(s.trans, TCP_FLAGS);
      store<u8>(s.trans, (last ? flags : flags & ~(TH_FIN | TH_PUSH)) & (at == hlen || acc ? 0xff : ~TH_CWR), TCP_FLAGS);
    } else putBe16(s.trans + 4, 8 + n);
    partial(s, v4, tcp);
    call_indirect<i32>(xmit, d, s);
    seq += n;
    id++;
    at += n;
  }
  skbFree(skb);
}

function ipLength(s: Skb, v4: bool, id: u32): void {
  const bytes = <u32>(s.tail - s.net);
  if (v4) {
    const h = Ipv4Header.at(s.net);
    h.totalLen = bytes;
    h.id = id & 0xffff;
    h.seal();
  } else Ipv6Header.at(s.net).payloadLen = bytes - 40;
}

// The pseudo-header's sum depends on the segment's length.
function partial(s: Skb, v4: bool, tcp: bool): void {
  const len = <u32>(s.tail - s.trans);
  const proto: u32 = tcp ? 6 : 17;
  const sum = v4 ? csumPseudo(s.net + 12, s.net + 16, 4, proto, len) : csumPseudo(s.net + 8, s.net + 24, 16, proto, len);
  const offset: u32 = tcp ? 16 : 6;
  store<u16>(s.trans + offset, <u16>csumFold(sum));
  skbSetPartial(s, s.trans, offset);
}
