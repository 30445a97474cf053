// RTM_*LINK: interfaces (rtnetlink(7)).
//
//   ifinfomsg: 0 family(1)  2 type(2)  4 index(4)  8 flags(4)  12 change(4)
import { Errno } from "../abi";
import { NetDevice, IFF_UP, netDeviceByIndex, netDeviceByName, netDeviceFirst, netDeviceNext, netDeviceSetAddr } from "../link/net_device";
import { NotifyEvent, notify } from "../core/proto";
import { neighFlush } from "../link/neighbour";
import { deviceSetUp } from "../network/address";
import { fibBump } from "../network/fib";
import { macIsMulticast } from "../wire/ethernet";
import { attribute, attributeName, attributeU32 } from "./attributes";
import { attr, attrName, attrRoom, attrU32, attrU8, begin, end } from "./writer";

export const RTM_NEWLINK: u32 = 16;
export const RTM_DELLINK: u32 = 17;
const IFLA_ADDRESS: u32 = 1;
const IFLA_BROADCAST: u32 = 2;
const IFLA_IFNAME: u32 = 3;
const IFLA_MTU: u32 = 4;
const IFLA_QDISC: u32 = 6;
const IFLA_STATS: u32 = 7;
const IFLA_TXQLEN: u32 = 13;
const IFLA_OPERSTATE: u32 = 16;
const IFLA_LINKMODE: u32 = 17;
const IFLA_STATS64: u32 = 23;
const IFLA_GROUP: u32 = 27;
const IFLA_PROMISCUITY: u32 = 30;
const IFLA_NUM_TX_QUEUES: u32 = 31;
const IFLA_NUM_RX_QUEUES: u32 = 32;
const IFLA_CARRIER: u32 = 33;
const IFLA_MIN_MTU: u32 = 50;
const IFLA_MAX_MTU: u32 = 51;
const PFIFO: usize = memory.data<u8>([0x70, 0x66, 0x69, 0x66, 0x6f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const NOQUEUE: usize = memory.data<u8>([0x6e, 0x6f, 0x71, 0x75, 0x65, 0x75, 0x65, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const OPER_UNKNOWN: u32 = 0;
const OPER_DOWN: u32 = 2;
const OPER_UP: u32 = 6;

/** Write one link as a message of `type`. */
export function putLink(d: NetDevice, type: u32): void {
  const p = begin(type, 16);
  store<u16>(p, d.type, 2);
  store<u32>(p, d.ifindex, 4);
  store<u32>(p, d.flags | (d.promisc ? 0x100 : 0), 8);
  attrName(IFLA_IFNAME, d.name);
  attrU32(IFLA_TXQLEN, d.txqueuelen);
  attrU8(IFLA_OPERSTATE, d.isLoopback ? OPER_UNKNOWN : d.up ? OPER_UP : OPER_DOWN);
  attrU8(IFLA_LINKMODE, 0);
  attrU32(IFLA_MTU, d.mtu);
  attrU32(IFLA_MIN_MTU, 68);
  attrU32(IFLA_MAX_MTU, 65535);
  attrU32(IFLA_GROUP, 0);
  attrU32(IFLA_PROMISCUITY, d.promisc);
  attrU32(IFLA_NUM_TX_QUEUES, 1);
  attrU32(IFLA_NUM_RX_QUEUES, 1);
  attrU8(IFLA_CARRIER, d.up ? 1 : 0);
  attrName(IFLA_QDISC, d.isLoopback ? NOQUEUE : PFIFO);
  attr(IFLA_ADDRESS, d.addr, 6);
  attr(IFLA_BROADCAST, d.bcast, 6);
  const s = attrRoom(IFLA_STATS64, 25 * 8);
  stats(d, s, 8);
  stats(d, attrRoom(IFLA_STATS, 24 * 4), 4);
  end();
}

// struct rtnl_link_stats(64): rx/tx packets, bytes, errors, dropped, multicast ...
function stats(d: NetDevice, p: usize, size: u32): void {
  put(p, 0, size, d.rxPackets);
  put(p, 1, size, d.txPackets);
  put(p, 2, size, d.rxBytes);
  put(p, 3, size, d.txBytes);
  put(p, 4, size, d.rxErrors);
  put(p, 5, size, d.txErrors);
  put(p, 6, size, d.rxDropped);
  put(p, 7, size, d.txDropped);
  put(p, 8, size, d.multicast);
}
function put(p: usize, i: u32, size: u32, v: u64): void {
  if (size == 8) store<u64>(p + (i << 3), v);
  else store<u32>(p + (i << 2), <u32>v);
}

export function dumpLinks(): void {
  let d = netDeviceFirst();
  while (d) {
    putLink(d, RTM_NEWLINK);
    d = netDeviceNext(d);
  }
}

// The device a request means, by index or name.
function target(p: usize): NetDevice | null {
  const index = load<u32>(p, 4);
  if (index) return netDeviceByIndex(index);
  const name = attributeName(IFLA_IFNAME);
  return name ? netDeviceByName(name) : null;
}

export function getLink(p: usize): i32 {
  const d = target(p);
  if (!d) return -Errno.ENODEV;
  putLink(d, RTM_NEWLINK);
  return 0;
}

/** Change flags, MTU, address or queue length of an existing link; making and removing kinds of links is not supported here. */
export function setLink(p: usize): i32 {
  const d = target(p);
  if (!d) return -Errno.ENODEV;
  const mtu = attributeU32(IFLA_MTU, d.mtu);
  if (mtu < 68 || mtu > 65536) return -Errno.EINVAL;
  const mac = attribute(IFLA_ADDRESS, 6);
  if (mac && (macIsMulticast(mac) || d.isLoopback)) return -Errno.EADDRNOTAVAIL;
  if (mtu != d.mtu) {
    d.mtu = mtu;
    fibBump();
    notify(NotifyEvent.LINK_CHANGE, changetype<usize>(d));
  }
  if (mac) {
    if (d.up) return -Errno.EBUSY;
    neighFlush(d, true);
    netDeviceSetAddr(d, mac);
  }
  d.txqueuelen = attributeU32(IFLA_TXQLEN, d.txqueuelen);
  const flags = load<u32>(p, 8), change = load<u32>(p, 12);
  if (change & IFF_UP || (!change && flags & IFF_UP)) deviceSetUp(d, (flags & IFF_UP) != 0);
  return 0;
}
