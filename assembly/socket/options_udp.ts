// Options of UDP and UDP-Lite (SOL_UDP, SOL_UDPLITE).
import { Errno } from "../abi";
import { Sock } from "../core/sock";
import { pcbOf } from "../transport/datagram";
import { udpUncork } from "../transport/udp/output";
import { coverageOf } from "../transport/udp/udplite";
import { IPPROTO_UDPLITE } from "../wire/ipv4";
import { Cmsg } from "./cmsg";
import { optInt, optPutInt } from "./option";

const UDP_CORK: u32 = 1;
const UDPLITE_SEND_CSCOV: u32 = 10;
const UDPLITE_RECV_CSCOV: u32 = 11;
const UDP_ENCAP: u32 = 100;
const UDP_NO_CHECK6_TX: u32 = 101;
const UDP_NO_CHECK6_RX: u32 = 102;
const UDP_SEGMENT: u32 = 103;
const UDP_GRO: u32 = 104;

@inline function isLite(sk: Sock): bool { return <u32>sk.protocol == IPPROTO_UDPLITE; }

export function setUdpOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (len < 4) return -Errno.EINVAL;
  const v = optInt(p, len);
  const pcb = pcbOf(sk);
  switch (name) {
    case UDP_CORK:
      pcb.corked = v ? 1 : 0;
      return v ? 0 : min(udpUncork(sk), 0);
    case UDPLITE_SEND_CSCOV:
      if (!isLite(sk)) return -Errno.ENOPROTOOPT;
      pcb.sendCoverage = coverageOf(v);
      return 0;
    case UDPLITE_RECV_CSCOV:
      if (!isLite(sk)) return -Errno.ENOPROTOOPT;
      pcb.recvCoverage = coverageOf(v);
      return 0;
    case UDP_NO_CHECK6_TX: pcb.noCheck6Tx = v ? 1 : 0; return 0;
    case UDP_NO_CHECK6_RX: pcb.noCheck6Rx = v ? 1 : 0; return 0;
    case UDP_SEGMENT:
      if (v < 0 || v > 65535) return -Errno.EINVAL;
      pcb.gsoSize = <u16>v;
      return 0;
    case UDP_GRO:
      pcb.gro = v ? 1 : 0;
      sk.cmsgFlags = v ? sk.cmsgFlags | Cmsg.GRO : sk.cmsgFlags & ~Cmsg.GRO;
      return 0;
    case UDP_ENCAP: return v ? -Errno.ENOPROTOOPT : 0;
    default: return -Errno.ENOPROTOOPT;
  }
}

export function getUdpOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  const pcb = pcbOf(sk);
  switch (name) {
    case UDP_CORK: return optPutInt(p, len, pcb.corked);
    case UDPLITE_SEND_CSCOV: return isLite(sk) ? optPutInt(p, len, max(pcb.sendCoverage, 0)) : -Errno.ENOPROTOOPT;
    case UDPLITE_RECV_CSCOV: return isLite(sk) ? optPutInt(p, len, max(pcb.recvCoverage, 0)) : -Errno.ENOPROTOOPT;
    case UDP_ENCAP: return optPutInt(p, len, 0);
    case UDP_NO_CHECK6_TX: return optPutInt(p, len, pcb.noCheck6Tx);
    case UDP_NO_CHECK6_RX: return optPutInt(p, len, pcb.noCheck6Rx);
    case UDP_SEGMENT: return optPutInt(p, len, pcb.gsoSize);
    case UDP_GRO: return optPutInt(p, len, pcb.gro);
    default: return -Errno.ENOPROTOOPT;
  }
}
