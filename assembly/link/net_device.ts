// Network devices: a table of interfaces, the receive entry, and transmission through a per-device FIFO into
// the descriptor ring that the host drains. A device that is full holds frames back (bounded), never blocks.
import {
  HDR, HDR_TX_PENDING, TX_DESC_SIZE, TX_RING, TXD_CHARGE, TXD_CSUM_OFFSET, TXD_CSUM_START, TXD_FLAGS, TXD_FRAGS, TXD_GSO_SIZE,
  TXD_GSO_TYPE, TXD_HDR_LEN, TXD_LEN, TXD_NFRAGS, TXD_SKB, VIF, VIF_IFINDEX, VIF_MAX, VIF_MULTICAST, VIF_STRIDE, VIF_TX_HEAD, VIF_TX_RING,
  VIF_TX_SIZE, VIF_TX_TAIL, VifFeature, Vnet, Usage,
} from "../abi";
import { carveRaw } from "../lib/arena";
import { Pool } from "../lib/pool";
import { Drop } from "../core/drop";
import { Hook, NotifyEvent, hook, notify } from "../core/proto";
import { CsumState, PktType, Skb, SkbQueue, skbChecksumHelp, skbDrop, skbFree } from "../core/skb";
import { ETH_HLEN, macCopy } from "../wire/ethernet";
import { gsoCapable, gsoSegment } from "./gso";

export const IFF_UP: u32 = 0x1;
export const IFF_BROADCAST: u32 = 0x2;
export const IFF_LOOPBACK: u32 = 0x8;
export const IFF_POINTOPOINT: u32 = 0x10;
export const IFF_RUNNING: u32 = 0x40;
export const IFF_NOARP: u32 = 0x80;
export const IFF_PROMISC: u32 = 0x100;
export const IFF_ALLMULTI: u32 = 0x200;
export const IFF_MULTICAST: u32 = 0x1000;
export const IFF_LOWER_UP: u32 = 0x10000;
export const ARPHRD_ETHER: u16 = 1;
export const ARPHRD_LOOPBACK: u16 = 772;
export const ARPHRD_NONE: u16 = 0xfffe;

/** What moves frames for a device. */
export const enum DevKind { LOOPBACK, VIF }

@unmanaged @final export class NetDevice {
  next: usize;
  /** 1, 2, ...: as if_nametoindex. */
  ifindex: u32;
  kind: u8;
  /** ARPHRD_*. */
  type: u16;
  flags: u32;
  mtu: u32;
  /** Vif slot (VIF_* headers) for DevKind.VIF. */
  vif: u32;
  /** VifFeature bits. */
  features: u32;
  // name[16], NUL terminated
  name0: u64; name1: u64;
  // hardware address and broadcast address (6 bytes used)
  addr0: u64;
  bcast0: u64;
  /** Holders of promiscuous mode (packet sockets). */
  promisc: u32;
  txqueuelen: u32;
  qFirst: usize; qLast: usize; qCount: u32; qBytes: u32;
  /** Ring entries already given back to their skbs. */
  reaped: u32;
  rxPackets: u64; rxBytes: u64; rxDropped: u64; rxErrors: u64;
  txPackets: u64; txBytes: u64; txDropped: u64; txErrors: u64;
  multicast: u64;
  /** Head of the list of addresses (Ifaddr), owned by network/. */
  addrs: usize;
  /** Multicast group lists, owned by network/ (IPv4, IPv6). */
  mc4: usize;
  mc6: usize;
  /** Reachable time and retransmission interval routers advertised for IPv6, ms; 0 = the defaults. */
  ndReachable: u32;
  ndRetrans: u32;
  /** Per-family state records, owned by network/ipv4 and network/ipv6. */
  in4: usize;
  in6: usize;

  @inline get name(): usize { return changetype<usize>(this) + offsetof<NetDevice>("name0"); }
  @inline get addr(): usize { return changetype<usize>(this) + offsetof<NetDevice>("addr0"); }
  @inline get bcast(): usize { return changetype<usize>(this) + offsetof<NetDevice>("bcast0"); }
  @inline get queue(): SkbQueue { return changetype<SkbQueue>(changetype<usize>(this) + offsetof<NetDevice>("qFirst")); }
  @inline get up(): bool { return (this.flags & IFF_UP) != 0; }
  @inline get isLoopback(): bool { return (this.flags & IFF_LOOPBACK) != 0; }
  /** Bytes of link header in front of the network header. */
  @inline get hardHeaderLen(): u32 { return this.type == ARPHRD_NONE ? 0 : ETH_HLEN; }
}

@unmanaged @final class Devices {
  first: usize;
  count: u32;
  nextIndex: u32;
  loopback: usize;
}
const D = changetype<Devices>(memory.data(offsetof<Devices>(), 8));
const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
/** Vif slot -> NetDevice. */
const BY_VIF: usize = memory.data(64 * 4, 4);
/** Bit n: vif n has frames in its ring that were not given back. */
const BUSY: usize = memory.data(8, 8);
/** The filter's bit of 01:00:5e:00:00:01 and 33:33:00:00:00:01. */
const ALL_HOSTS: u64 = 1 << 1;
const LOOPBACK_XMIT: usize = memory.data(4, 4);

export function netDeviceInit(): void {
  POOL.init(Usage.DEVICES, offsetof<NetDevice>(), VIF_MAX + 1);
  D.first = 0;
  D.count = 0;
  D.nextIndex = 1;
}

/** Set by link/loopback: its transmit function. */
export function setLoopbackXmit(fnIndex: u32): void { store<u32>(LOOPBACK_XMIT, fnIndex); }

/** A new device at the end of the table, down, without addresses; null when the table is full. `name`: 16 bytes. */
export function netDeviceAlloc(kind: DevKind, type: u16, name: usize, mtu: u32): NetDevice | null {
  const p = POOL.alloc();
  if (!p) return null;
  const d = changetype<NetDevice>(p);
  d.ifindex = D.nextIndex++;
  d.kind = <u8>kind;
  d.type = type;
  d.mtu = mtu;
  d.txqueuelen = 1000;
  memory.copy(d.name, name, 16);
  store<u8>(d.name, 0, 15);
  if (!D.first) D.first = p;
  else {
    let last = changetype<NetDevice>(D.first);
    while (last.next) last = changetype<NetDevice>(last.next);
    last.next = p;
  }
  D.count++;
  return d;
}

/** First device; walk on with `next`. */
@inline export function netDeviceFirst(): NetDevice | null { return changetype<NetDevice | null>(D.first); }
@inline export function netDeviceNext(d: NetDevice): NetDevice | null { return changetype<NetDevice | null>(d.next); }
export function netDeviceByIndex(ifindex: u32): NetDevice | null {
  let d = netDeviceFirst();
  while (d && d.ifindex != ifindex) d = netDeviceNext(d);
  return d;
}
/** By NUL-terminated name of at most 15 bytes. */
export function netDeviceByName(name: usize): NetDevice | null {
  let d = netDeviceFirst();
  while (d) {
    let i: usize = 0;
    while (i < 15 && load<u8>(d.name + i) && load<u8>(d.name + i) == load<u8>(name + i)) i++;
    if (i == 15 || load<u8>(d.name + i) == load<u8>(name + i)) return d;
    d = netDeviceNext(d);
  }
  return null;
}
@inline export function netDeviceByVif(vif: u32): NetDevice | null {
  return vif < VIF_MAX ? changetype<NetDevice | null>(load<usize>(BY_VIF + (vif << 2))) : null;
}
@inline export function loopbackDevice(): NetDevice { return changetype<NetDevice>(D.loopback); }
export function setLoopbackDevice(d: NetDevice): void { D.loopback = changetype<usize>(d); }

/** Attach a device to host vif slot `vif`: carve its transmit ring and publish it. */
export function vifAttach(d: NetDevice, vif: u32, ring: usize): void {
  d.vif = vif;
  store<usize>(BY_VIF + (vif << 2), changetype<usize>(d));
  const h = VIF + vif * VIF_STRIDE;
  store<u32>(h, <u32>ring, VIF_TX_RING);
  store<u32>(h, TX_RING, VIF_TX_SIZE);
  store<u32>(h, 0, VIF_TX_HEAD);
  store<u32>(h, 0, VIF_TX_TAIL);
  store<u32>(h, d.ifindex, VIF_IFINDEX);
  store<u64>(h, ALL_HOSTS, VIF_MULTICAST);
}
/** The filter's bit of a multicast MAC with these last three bytes. */
@inline export function vifFilterBit(b3: u32, b4: u32, b5: u32): u64 { return <u64>1 << <u64>(((b3 << 3) ^ (b4 >> 2) ^ b5) & 63); }
/** Say which multicast frames are wanted: bits of vifFilterBit, to which all hosts' comes; all of them while the device is promiscuous. */
export function vifFilter(d: NetDevice, bits: u64): void {
  if (d.kind == DevKind.VIF) store<u64>(VIF + d.vif * VIF_STRIDE, d.promisc ? u64.MAX_VALUE : bits | ALL_HOSTS, VIF_MULTICAST);
}
/** One vif's transmit ring, not touched before it is used; call during init only. */
export function vifRingCarve(): usize { return carveRaw(TX_RING * TX_DESC_SIZE, 64); }

/** Change IFF_UP (and what follows from it) and tell the world. */
export function netDeviceSetUp(d: NetDevice, up: bool): void {
  if (up == d.up) return;
  if (up) d.flags |= IFF_UP | IFF_RUNNING | IFF_LOWER_UP;
  else {
    d.flags &= ~(IFF_UP | IFF_RUNNING | IFF_LOWER_UP);
    d.queue.purge(Drop.DEV_DOWN);
  }
  notify(NotifyEvent.LINK_CHANGE, changetype<usize>(d));
}
export function netDeviceSetAddr(d: NetDevice, mac: usize): void {
  macCopy(d.addr, mac);
  notify(NotifyEvent.LINK_CHANGE, changetype<usize>(d));
}

// ---- transmit ----

/**
 * Send a complete frame (link header in place) out of `d`; consumes the skb. Packet sockets see a copy.
 * 0, or -errno when it was dropped (Linux's ENOBUFS for a full queue, ENETDOWN).
 */
export function devXmit(d: NetDevice, skb: Skb): i32 {
  skb.dev = changetype<usize>(d);
  if (!d.up) {
    skbDrop(skb, Drop.DEV_DOWN);
    return -100;
  }
  const tap = hook(Hook.TAP);
  if (tap) {
    skb.pktType = PktType.OUTGOING;
    call_indirect<void>(tap, skb);
  }
  if (d.kind == DevKind.LOOPBACK) {
    d.txPackets++;
    d.txBytes += skb.total;
    call_indirect<void>(load<u32>(LOOPBACK_XMIT), d, skb);
    return 0;
  }
  if (skb.gsoSize && !gsoCapable(d, skb)) {
    gsoSegment(d, skb, enqueue.index);
    return 0;
  }
  return enqueue(d, skb);
}

function enqueue(d: NetDevice, skb: Skb): i32 {
  skb.dev = changetype<usize>(d);
  if (!d.qCount && ringPut(d, skb)) return 0;
  if (d.qCount >= d.txqueuelen) {
    d.txDropped++;
    skbDrop(skb, Drop.DEV_XMIT_FULL);
    return -105;
  }
  d.queue.push(skb);
  return 0;
}

/** Frames the device still accepts before devXmit drops: what a transport may send now without loss. */
export function devTxRoom(d: NetDevice): u32 {
  if (d.kind == DevKind.LOOPBACK) return u32.MAX_VALUE;
  return d.txqueuelen - min(d.qCount, d.txqueuelen);
}

// Bytes up to the end of the transport header: TCP's data offset, or UDP's 8 bytes.
function gsoHeaderLen(skb: Skb): u32 {
  const start = <u32>(skb.csumStart - skb.data);
  const tcp = skb.gsoType == Vnet.GSO_TCPV4 || skb.gsoType == Vnet.GSO_TCPV6;
  return start + (tcp ? (<u32>load<u8>(skb.csumStart, 12) >> 4) << 2 : 8);
}

function ringPut(d: NetDevice, skb: Skb): bool {
  const h = VIF + d.vif * VIF_STRIDE;
  const headIdx = load<u32>(h, VIF_TX_HEAD);
  if (headIdx - d.reaped >= TX_RING) return false;
  if (skb.csum == CsumState.PARTIAL && !(d.features & VifFeature.CSUM)) skbChecksumHelp(skb);
  const t = load<u32>(h, VIF_TX_RING) + (headIdx & (TX_RING - 1)) * TX_DESC_SIZE;
  store<u32>(t, skb.total, TXD_LEN);
  store<u16>(t, 1 + skb.nfrags, TXD_NFRAGS);
  const partial = skb.csum == CsumState.PARTIAL;
  store<u8>(t, partial ? Vnet.F_NEEDS_CSUM : 0, TXD_FLAGS);
  store<u8>(t, skb.gsoSize ? skb.gsoType : 0, TXD_GSO_TYPE);
  store<u16>(t, skb.gsoSize, TXD_GSO_SIZE);
  store<u16>(t, partial ? <u16>(skb.csumStart - skb.data) : 0, TXD_CSUM_START);
  store<u16>(t, skb.csumOffset, TXD_CSUM_OFFSET);
  store<u16>(t, skb.gsoSize ? <u16>gsoHeaderLen(skb) : 0, TXD_HDR_LEN);
  store<u32>(t, <u32>changetype<usize>(skb), TXD_SKB);
  store<u32>(t, skb.charge, TXD_CHARGE);
  store<u32>(t, <u32>skb.data, TXD_FRAGS);
  store<u32>(t, skb.len, TXD_FRAGS + 4);
  for (let i: u32 = 0; i < skb.nfrags; i++) {
    store<u32>(t + TXD_FRAGS + 8 + (i << 3), <u32>skb.fragPtr(i));
    store<u32>(t + TXD_FRAGS + 12 + (i << 3), skb.fragSize(i));
  }
  store<u32>(h, headIdx + 1, VIF_TX_HEAD);
  store<u64>(BUSY, load<u64>(BUSY) | (<u64>1 << d.vif));
  if (d.vif < 32) store<u32>(HDR, load<u32>(HDR, HDR_TX_PENDING) | (1 << d.vif), HDR_TX_PENDING);
  d.txPackets += skb.gsoSegs;
  d.txBytes += skb.total;
  return true;
}

/** Free what devices have taken and refill their rings from their queues. Called at the start and end of poll. */
export function devReapAll(): void {
  for (let busy = load<u64>(BUSY); busy; busy &= busy - 1) {
    const d = netDeviceByVif(<u32>ctz<u64>(busy));
    if (d) devReap(d);
  }
}

function devReap(d: NetDevice): void {
  const h = VIF + d.vif * VIF_STRIDE;
  const ring = load<u32>(h, VIF_TX_RING);
  const tail = load<u32>(h, VIF_TX_TAIL);
  const headIdx = load<u32>(h, VIF_TX_HEAD);
  if (tail - d.reaped > headIdx - d.reaped) return; // a host that lies about its progress is ignored
  while (d.reaped != tail) {
    skbFree(changetype<Skb>(load<u32>(ring + (d.reaped & (TX_RING - 1)) * TX_DESC_SIZE, TXD_SKB)));
    d.reaped++;
  }
  while (d.qCount) {
    const skb = d.queue.shift()!;
    if (!ringPut(d, skb)) {
      d.queue.unshift(skb);
      break;
    }
  }
  if (load<u32>(h, VIF_TX_HEAD) != tail) return;
  store<u64>(BUSY, load<u64>(BUSY) & ~(<u64>1 << d.vif));
  if (d.vif < 32) store<u32>(HDR, load<u32>(HDR, HDR_TX_PENDING) & ~(1 << d.vif), HDR_TX_PENDING);
}
