// Marks of congestion on a frame (RFC 3168 5): what is ECN-capable says CE, IPv4's checksum follows (RFC 1624).
import { Packet } from './packet.js';

/** ECN field: not ECN-capable, and congestion experienced. */
const NOT_ECT = 0, CE = 3;
const IPV4 = 0x0800, IPV6 = 0x86dd;

/** The packet, or a marked copy of it if it is IP and ECN-capable and not marked yet. */
export function congestionExperienced(p: Packet): Packet {
  const { frame } = p, type = frame.length < 34 ? 0 : frame[12] << 8 | frame[13];
  if (type === IPV4) {
    const ecn = frame[15] & 3;
    if (ecn === NOT_ECT || ecn === CE) return p;
    const out = frame.slice(), before = frame[14] << 8 | frame[15];
    out[15] |= CE;
    let sum = (~(frame[24] << 8 | frame[25]) & 0xffff) + (~before & 0xffff) + (out[14] << 8 | out[15]);
    sum = (sum & 0xffff) + (sum >>> 16);
    sum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
    out[24] = sum >>> 8;
    out[25] = sum;
    return Packet.copy(out);
  }
  if (type === IPV6) {
    const ecn = frame[15] >> 4 & 3; // version (4 bits), traffic class (8): its last two bits
    if (ecn === NOT_ECT || ecn === CE) return p;
    const out = frame.slice();
    out[15] |= CE << 4;
    return Packet.copy(out);
  }
  return p;
}
