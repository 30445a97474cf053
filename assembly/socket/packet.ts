// Packet sockets (packet(7)): frames of one or all interfaces, with or without link header, in and out.
import { Errno } from "../abi";
import { be16 } from "../lib/bytes";
import { Drop, dropCount } from "../core/drop";
import { Hook, hookSet } from "../core/proto";
import { SOCK_DGRAM, SOCK_RAW, Sock, sockCharge, sockQueueRx } from "../core/sock";
import { CsumState, PktType, Skb, skbAlloc, skbChecksumHelp, skbCopy, skbDrop, skbFree, skbShrink } from "../core/skb";
import { ethernetPush } from "../link/ethernet";
import { NetDevice, devXmit, netDeviceByIndex } from "../link/net_device";
import { groupFilter } from "../network/group";
import { sockFilter } from "../transport/filter";
import { ETH_ALEN, ETH_HLEN, ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 } from "../wire/ethernet";

export const SOCKADDR_LL: u32 = 20;
export const PACKET_ADD_MEMBERSHIP: u32 = 1;
export const PACKET_DROP_MEMBERSHIP: u32 = 2;
export const PACKET_STATISTICS: u32 = 6;
export const PACKET_AUXDATA: u32 = 8;
export const PACKET_IGNORE_OUTGOING: u32 = 23;
const MR_PROMISC: u32 = 1;
const MR_ALLMULTI: u32 = 2;
const MR_UNICAST: u32 = 3;
const AF_PACKET16: u16 = 17;

/** First packet socket; they are linked by bindNext. sk.lport: EtherType; sk.state: 1 = no outgoing; sk.boundIf: interface. */
const HEAD: usize = memory.data(4, 4);

export function packetCreate(sk: Sock, protocol: u32): void {
  sk.lport = <u16>protocol;
  sk.bindNext = load<usize>(HEAD);
  store<usize>(HEAD, changetype<usize>(sk));
  hookSet(Hook.TAP, packetTap.index);
}

export function packetClose(sk: Sock): void {
  let link = HEAD;
  while (load<usize>(link) != changetype<usize>(sk)) link = load<usize>(link) + offsetof<Sock>("bindNext");
  store<usize>(link, sk.bindNext);
  // Nobody looks any more: the packet path pays nothing.
  if (!load<usize>(HEAD)) hookSet(Hook.TAP, 0);
}

/** sockaddr_ll: 0 family  2 protocol(BE)  4 ifindex  8 hatype(2)  10 pkttype  11 halen  12 addr(8). */
export function packetBind(sk: Sock, p: usize, len: u32): i32 {
  if (len < 12 || load<u16>(p) != AF_PACKET16) return -Errno.EINVAL;
  const ifindex = load<u32>(p, 4);
  if (ifindex && !netDeviceByIndex(ifindex)) return -Errno.ENODEV;
  if (be16(p + 2)) sk.lport = <u16>be16(p + 2);
  sk.boundIf = ifindex;
  return 0;
}

export function packetName(sk: Sock, p: usize): u32 {
  const d = sk.boundIf ? netDeviceByIndex(sk.boundIf) : null;
  return writeName(p, sk.lport, sk.boundIf, d ? d.type : 0, 0, d ? d.addr : 0);
}

function writeName(p: usize, protocol: u32, ifindex: u32, hatype: u32, pktType: u32, addr: usize): u32 {
  store<u16>(p, AF_PACKET16);
  store<u16>(p, bswap<u16>(<u16>protocol), 2);
  store<u32>(p, ifindex, 4);
  store<u16>(p, <u16>hatype, 8);
  store<u8>(p, pktType, 10);
  store<u8>(p, addr ? ETH_ALEN : 0, 11);
  store<u64>(p, 0, 12);
  if (addr) memory.copy(p + 12, addr, ETH_ALEN);
  return SOCKADDR_LL;
}

// The hook: a frame with data at the link header, coming in or about to leave.
function packetTap(skb: Skb): void {
  const d = changetype<NetDevice>(skb.dev);
  const out = skb.pktType == PktType.OUTGOING;
  const protocol = <u32>skb.protocol;
  let sk = changetype<Sock | null>(load<usize>(HEAD));
  while (sk) {
    const next = changetype<Sock | null>(sk.bindNext);
    const all = <u32>sk.lport == ETH_P_ALL;
    // A socket does not see what it has sent itself (skb_loop_sk of Linux).
    const own = out && skb.sk == changetype<usize>(sk);
    if (sk.lport && !own && (all || (!out && <u32>sk.lport == protocol)) && (!sk.boundIf || sk.boundIf == d.ifindex) && !(out && sk.state)) copy(sk, skb, d);
    sk = next;
  }
}

function copy(sk: Sock, skb: Skb, d: NetDevice): void {
  const c = skbCopy(skb);
  if (!c) return;
  c.mac = c.data;
  // Offloaded frames are completed, as libpcap would otherwise show bad checksums.
  if (c.csum == CsumState.PARTIAL) skbChecksumHelp(c);
  if (sk.type == <u8>SOCK_DGRAM) c.pull(min(d.hardHeaderLen, c.len));
  if (sk.filter && !sockFilter(sk, c)) {
    dropCount(Drop.SOCKET_FILTER);
    skbFree(c);
    return;
  }
  const s = skbShrink(c);
  if (!sockQueueRx(sk, s)) skbDrop(s, Drop.SOCKET_RCVBUFF);
}

/** Name of a received frame at `p` (128 bytes of room). */
export function packetFrom(s: Skb, p: usize): u32 {
  const d = changetype<NetDevice>(s.dev);
  return writeName(p, s.protocol, d.ifindex, d.type, s.pktType, s.mac ? s.mac + 6 : 0);
}

/** Send a frame (SOCK_RAW) or a packet (SOCK_DGRAM: the name's address becomes the destination). `name`: sockaddr_ll or 0. */
export function packetSend(sk: Sock, ptr: usize, len: u32, name: usize, nameLen: u32): i32 {
  let ifindex = sk.boundIf, protocol = <u32>sk.lport;
  if (name) {
    if (nameLen < 12) return -Errno.EINVAL;
    ifindex = load<u32>(name, 4);
    protocol = be16(name + 2);
  }
  const d = netDeviceByIndex(ifindex);
  if (!d) return -Errno.ENXIO;
  if (!d.up) return -Errno.ENETDOWN;
  const raw = sk.type == <u8>SOCK_RAW;
  if (len > d.mtu + (raw ? ETH_HLEN : 0)) return -Errno.EMSGSIZE;
  if (raw && len < ETH_HLEN) return -Errno.EINVAL;
  if (sk.wmem >= sk.sndbuf) return -Errno.EAGAIN;
  const skb = skbAlloc(len);
  if (!skb) return -Errno.ENOBUFS;
  memory.copy(skb.put(len), ptr, len);
  skb.protocol = <u16>(raw ? be16(skb.data + 12) : protocol);
  skb.mac = skb.data;
  if (!raw) {
    if (nameLen < 18) {
      skbFree(skb);
      return -Errno.EINVAL;
    }
    ethernetPush(d, skb, name + 12);
  }
  if (<u32>skb.protocol == ETH_P_IP || <u32>skb.protocol == ETH_P_IPV6) skb.net = skb.data + ETH_HLEN;
  sockCharge(sk, skb);
  const r = devXmit(d, skb);
  return r < 0 ? r : <i32>len;
}

/** Options of SOL_PACKET. */
export function packetSetOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  switch (name) {
    case PACKET_ADD_MEMBERSHIP: case PACKET_DROP_MEMBERSHIP: {
      // struct packet_mreq: 0 ifindex  4 type(2)  6 alen(2)  8 address(8)
      if (len < 16) return -Errno.EINVAL;
      const d = netDeviceByIndex(load<u32>(p));
      const add = name == PACKET_ADD_MEMBERSHIP;
      if (!d) return add ? -Errno.ENODEV : 0;
      const type = <u32>load<u16>(p, 4);
      if (add && (type > MR_UNICAST || (type != MR_PROMISC && type != MR_ALLMULTI && load<u16>(p, 6) != <u16>ETH_ALEN))) return -Errno.EINVAL;
      // The stack already sees every frame its back end does; promiscuous mode is counted for ifi_flags.
      if (type == MR_PROMISC) d.promisc += add ? 1 : d.promisc ? -1 : 0;
      groupFilter(d);
      return 0;
    }
    case PACKET_AUXDATA: return 0;
    case PACKET_IGNORE_OUTGOING:
      if (len < 4) return -Errno.EINVAL;
      sk.state = load<u32>(p) ? 1 : 0;
      return 0;
    default: return -Errno.ENOPROTOOPT;
  }
}

/** PACKET_STATISTICS: received and dropped since the last call. */
export function packetGetOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name != PACKET_STATISTICS || len < 8) return -Errno.ENOPROTOOPT;
  store<u32>(p, sk.rxCount + sk.drops);
  store<u32>(p, sk.drops, 4);
  sk.drops = 0;
  return 8;
}
