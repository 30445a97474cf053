// Per-interface settings of net.ipv6.conf.<name>.*, by number.
import { Errno } from "../abi";
import { fibBump } from "../network/fib";
import { In6, in6Of } from "../network/ipv6/in6";
import { netDeviceByIndex } from "../link/net_device";

/** Append only: the number is the ABI. */
export const enum DeviceConf { ACCEPT_RA, AUTOCONF, DAD_TRANSMITS, HOP_LIMIT, MTU }

export function deviceConfSet(ifindex: u32, key: u32, v: u32): i32 {
  const d = netDeviceByIndex(ifindex);
  if (!d) return -Errno.ENODEV;
  const i = in6Of(d);
  switch (key) {
    case DeviceConf.ACCEPT_RA: i.acceptRa = v ? 1 : 0; return 0;
    case DeviceConf.AUTOCONF: i.autoconf = v ? 1 : 0; return 0;
    case DeviceConf.DAD_TRANSMITS: i.dadTransmits = <u8>min<u32>(v, 255); return 0;
    case DeviceConf.HOP_LIMIT:
      if (v < 1 || v > 255) return -Errno.EINVAL;
      i.hopLimit = v;
      return 0;
    case DeviceConf.MTU:
      if (v < 1280 || v > d.mtu) return -Errno.EINVAL;
      i.mtu = v;
      fibBump();
      return 0;
    default: return -Errno.EINVAL;
  }
}

/** The value, or -errno. */
export function deviceConfGet(ifindex: u32, key: u32): i32 {
  const d = netDeviceByIndex(ifindex);
  if (!d) return -Errno.ENODEV;
  const i: In6 = in6Of(d);
  switch (key) {
    case DeviceConf.ACCEPT_RA: return i.acceptRa;
    case DeviceConf.AUTOCONF: return i.autoconf;
    case DeviceConf.DAD_TRANSMITS: return i.dadTransmits;
    case DeviceConf.HOP_LIMIT: return i.hopLimit ? i.hopLimit : 64;
    case DeviceConf.MTU: return i.mtu ? i.mtu : d.mtu;
    default: return -Errno.EINVAL;
  }
}
