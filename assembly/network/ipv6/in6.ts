// Per-interface IPv6 state (RFC 4861 6.3.2): what routers advertised and what is asked of them.
import { Usage } from "../../abi";
import { Pool } from "../../lib/pool";
import { Timer } from "../../core/timer";
import { NetDevice, netDeviceByIndex } from "../../link/net_device";

/** Bits of Skb.cb5 while IPv6 holds a received packet: it had a fragment header; it had MLD's router alert. */
export const SEEN_FRAGMENT: u64 = 1;
export const SEEN_MLD_ALERT: u64 = 2;

@unmanaged @final export class In6 {
  ifindex: u32;
  /** Advertised link MTU, 0 = the device's. */
  mtu: u32;
  /** Advertised hop limit, 0 = net.ipv6.conf.*.hop_limit. */
  hopLimit: u32;
  /** Make addresses from prefixes (`slaac` of the configuration). */
  autoconf: u8;
  acceptRa: u8;
  /** DAD transmits; 0 = off (net.ipv6.conf.*.dad_transmits). */
  dadTransmits: u8;
  rsCount: u8;
  /** Until when MLDv1 routers count as present, ns. */
  mldV1Until: u64;
  // recursive DNS servers from RDNSS (RFC 8106): up to 3
  dns0: u64; dns1: u64; dns2: u64; dns3: u64; dns4: u64; dns5: u64;
  dnsCount: u32;
  t0: u64; t1: u64; t2: u64; t3: u64; t4: u64;

  @inline get rsTimer(): Timer { return changetype<Timer>(changetype<usize>(this) + offsetof<In6>("t0")); }
  @inline get dns(): usize { return changetype<usize>(this) + offsetof<In6>("dns0"); }
  @inline get device(): NetDevice { return netDeviceByIndex(this.ifindex)!; }
}

const POOL = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

export function in6Init(): void { POOL.init(Usage.IN6, offsetof<In6>(), 66); }

/** The state of `d`, made on first use (there are as many records as devices). */
export function in6Of(d: NetDevice): In6 {
  if (!d.in6) {
    const i = changetype<In6>(POOL.alloc());
    i.ifindex = d.ifindex;
    i.acceptRa = 1;
    i.autoconf = 1;
    i.dadTransmits = 1;
    d.in6 = changetype<usize>(i);
  }
  return changetype<In6>(d.in6);
}

/** MTU for IPv6 packets on `d`. */
export function mtu6(d: NetDevice): u32 {
  const i = in6Of(d);
  return i.mtu && i.mtu < d.mtu ? i.mtu : d.mtu;
}
