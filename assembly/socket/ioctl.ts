// Socket ioctls of netdevice(7), read side: interface names, flags, addresses; configuration goes through netlink.
import { Errno } from "../abi";
import { addrV4, v4Mask } from "../lib/addr";
import { putBe32 } from "../lib/bytes";
import { AF_INET, Sock, SockKind } from "../core/sock";
import { now, wallClock } from "../core/time";
import { Ifaddr, ifaddrFirst, ifaddrNext } from "../link/ifaddr";
import { NetDevice, netDeviceByIndex, netDeviceByName, netDeviceFirst, netDeviceNext } from "../link/net_device";

export const SIOCINQ: u32 = 0x541b;
export const SIOCOUTQ: u32 = 0x5411;
const SIOCGSTAMP: u32 = 0x8906;
const SIOCGSTAMPNS: u32 = 0x8907;
const SIOCGIFNAME: u32 = 0x8910;
const SIOCGIFCONF: u32 = 0x8912;
const SIOCGIFFLAGS: u32 = 0x8913;
const SIOCGIFADDR: u32 = 0x8915;
const SIOCGIFDSTADDR: u32 = 0x8917;
const SIOCGIFBRDADDR: u32 = 0x8919;
const SIOCGIFNETMASK: u32 = 0x891b;
const SIOCGIFMETRIC: u32 = 0x891d;
const SIOCGIFMTU: u32 = 0x8921;
const SIOCGIFHWADDR: u32 = 0x8927;
const SIOCGIFINDEX: u32 = 0x8933;
const SIOCGIFTXQLEN: u32 = 0x8942;
const SIOCGIFMAP: u32 = 0x8970;
const IFREQ: u32 = 40;

/** Bytes to read now (SIOCINQ) or still unsent (SIOCOUTQ) of a datagram socket. */
export function queueIoctl(sk: Sock, cmd: u32): i32 {
  if (cmd == SIOCOUTQ) return <i32>sk.wmem;
  const s = sk.rxq.first;
  if (sk.kind == <u8>SockKind.PACKET || sk.kind == <u8>SockKind.NETLINK) return <i32>sk.rxBytes;
  return s ? <i32>s.total : 0;
}

function firstV4(d: NetDevice): Ifaddr | null {
  let a = ifaddrFirst(d);
  while (a && !a.isV4) a = ifaddrNext(a);
  return a;
}

function putAddr(p: usize, v4: u32): void {
  store<u64>(p, AF_INET);
  store<u64>(p, 0, 8);
  putBe32(p + 4, v4);
}

/** `p`: struct ifreq (40 bytes), or ifconf {len i32, pad, pointer} with its buffer following at p+16. */
export function ifIoctl(sk: Sock, cmd: u32, p: usize): i32 {
  if (cmd == SIOCGIFCONF) return ifconf(p);
  if (cmd == SIOCGSTAMP || cmd == SIOCGSTAMPNS) {
    if (!sk.stamp) return -Errno.ENOENT;
    const t = sk.stamp + (wallClock() - now());
    store<u64>(p, t / 1_000_000_000);
    store<u64>(p, cmd == SIOCGSTAMP ? t % 1_000_000_000 / 1000 : t % 1_000_000_000, 8);
    return 0;
  }
  if (cmd == SIOCGIFNAME) {
    const d = netDeviceByIndex(load<u32>(p, 16));
    if (!d) return -Errno.ENODEV;
    memory.copy(p, d.name, 16);
    return 0;
  }
  store<u8>(p, 0, 15);
  const d = netDeviceByName(p);
  if (!d) return cmd >= 0x8910 && cmd <= 0x8970 ? -Errno.ENODEV : -Errno.ENOTTY;
  const v = p + 16;
  switch (cmd) {
    case SIOCGIFINDEX: store<u32>(v, d.ifindex); return 0;
    case SIOCGIFFLAGS: store<u16>(v, <u16>(d.flags | (d.promisc ? 0x100 : 0))); return 0;
    case SIOCGIFMTU: store<u32>(v, d.mtu); return 0;
    case SIOCGIFMETRIC: store<u32>(v, 0); return 0;
    case SIOCGIFTXQLEN: store<u32>(v, d.txqueuelen); return 0;
    case SIOCGIFMAP: memory.fill(v, 0, 24); return 0;
    case SIOCGIFHWADDR:
      store<u16>(v, d.type);
      memory.copy(v + 2, d.addr, 6);
      store<u64>(v, 0, 8);
      return 0;
    case SIOCGIFADDR: case SIOCGIFDSTADDR: case SIOCGIFBRDADDR: case SIOCGIFNETMASK: {
      const a = firstV4(d);
      if (!a) return -Errno.EADDRNOTAVAIL;
      const own = addrV4(a.addr);
      putAddr(v, cmd == SIOCGIFNETMASK ? v4Mask(a.plen - 96) : cmd == SIOCGIFBRDADDR ? a.broadcast : own);
      return 0;
    }
    default: return cmd >= 0x8914 && cmd <= 0x8943 ? -Errno.EPERM : -Errno.ENOTTY;
  }
}

// One ifreq per interface with an IPv4 address.
function ifconf(p: usize): i32 {
  const len = load<u32>(p);
  const out = p + 16;
  const want = load<u64>(p, 8) != 0;
  let used: u32 = 0;
  let d = netDeviceFirst();
  while (d) {
    const a = firstV4(d);
    if (a) {
      if (want) {
        if (used + IFREQ > len) break;
        memory.fill(out + used, 0, IFREQ);
        memory.copy(out + used, d.name, 16);
        putAddr(out + used + 16, addrV4(a.addr));
      }
      used += IFREQ;
    }
    d = netDeviceNext(d);
  }
  store<u32>(p, used);
  return 0;
}
