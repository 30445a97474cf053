// Redirects, host side (RFC 1122 3.2.2.2, RFC 4861 8.3): a better first hop for one destination, as a host route that
// ends by itself. The tables' share is bounded; a stack that forwards does not listen. None are ever sent.
import { addrEqual, addrIsMulticast } from "../lib/addr";
import { SEC, now } from "../core/time";
import { addrIsLocal } from "../link/ifaddr";
import { NetDevice } from "../link/net_device";
import { RTPROT_REDIRECT, RouteType, fibAdd, fibAt, fibCapacity, fibDel, fibFind, fibIsOnLink, fibLookup, fibSetExpiry } from "./fib";

/** As Linux's ip_rt_gc_timeout: 300 s. */
const LIFETIME: u64 = 300 * SEC;
const MAX: u32 = 64;
const METRIC: u32 = 0;

function count(): u32 {
  let n: u32 = 0;
  for (let i: u32 = 0; i < fibCapacity(); i++) {
    const r = fibAt(i);
    if (r && r.protocol == <u8>RTPROT_REDIRECT) n++;
  }
  return n;
}

/**
 * `from` (16 bytes, as the others) says that packets for `dst` had better go to `gw`, which is `dst` itself when that is on the link.
 * Believed only from the present first hop, for a neighbour. True when it was taken.
 */
export function redirectLearn(d: NetDevice, from: usize, dst: usize, gw: usize): bool {
  if (addrIsMulticast(dst) || addrIsMulticast(gw) || addrIsLocal(gw, d.ifindex) || addrIsLocal(dst, d.ifindex)) return false;
  const r = fibLookup(dst, d.ifindex);
  if (!r || r.type != RouteType.UNICAST || !r.hasGateway || !addrEqual(r.gw, from) || addrEqual(gw, from)) return false;
  const onLink = addrEqual(gw, dst);
  if (!onLink && !fibIsOnLink(gw, d.ifindex)) return false;
  const old = fibFind(dst, 128, 0, d.ifindex, METRIC, false);
  if (old) {
    if (old.protocol != <u8>RTPROT_REDIRECT) return false;
    fibDel(old);
  } else if (count() >= MAX) return false;
  const n = fibAdd(dst, 128, onLink ? 0 : gw, d.ifindex, METRIC, RouteType.UNICAST, RTPROT_REDIRECT, 0, 0);
  if (!n) return false;
  fibSetExpiry(n, now() + LIFETIME);
  return true;
}
