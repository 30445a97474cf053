// Ephemeral ports (RFC 6056): a keyed hash of the destination picks the start, a counter walks on (algorithm 4,
// double hash), so that consecutive ports to one peer differ and nobody outside can guess them.
import { addrCopy } from "../lib/addr";
import { randU32 } from "../lib/drbg";
import { hashBytes } from "../lib/hash";
import { Sysctl, sysctl } from "../core/sysctl";

const KEY: usize = memory.data(36, 8);
const COUNTERS: usize = memory.data(256 * 4, 4);

/** Start of the search for a local port towards `raddr`:`rport` from `laddr` (16 bytes each). */
export function portHash(laddr: usize, raddr: usize, rport: u32): u32 {
  addrCopy(KEY, laddr);
  addrCopy(KEY + 16, raddr);
  store<u32>(KEY, rport, 32);
  return hashBytes(KEY, 36);
}

/** First port of net.ipv4.ip_local_port_range; whatever was set, 1 to 65535. */
function portFirst(): u32 { return min<u32>(max<u32>(sysctl(Sysctl.IP_LOCAL_PORT_MIN), 1), 65535); }

/** Ports in net.ipv4.ip_local_port_range. */
export function portCount(): u32 {
  const lo = portFirst(), hi = min<u32>(sysctl(Sysctl.IP_LOCAL_PORT_MAX), 65535);
  return hi >= lo ? hi - lo + 1 : 1;
}

/** The `attempt`-th candidate (0, 1, ... portCount()-1) for hash `h`; every port of the range comes up once. */
export function portEphemeral(h: u32, attempt: u32): u32 {
  const c = COUNTERS + ((h & 255) << 2);
  if (attempt == 0) store<u32>(c, load<u32>(c) + 1 + (randU32() & 7));
  return portFirst() + ((h >> 8) + load<u32>(c) + attempt) % portCount();
}
