// ICMP (RFC 792) and ICMPv6 (RFC 4443) messages: 0 type  1 code  2 checksum(2)  4 rest of header(4)  8 body.
import { be16, be32, putBe16, putBe32 } from "../lib/bytes";

export const ICMP_HLEN: u32 = 8;
export const ICMP_ECHOREPLY: u32 = 0;
export const ICMP_DEST_UNREACH: u32 = 3;
export const ICMP_SOURCE_QUENCH: u32 = 4;
export const ICMP_REDIRECT: u32 = 5;
export const ICMP_ECHO: u32 = 8;
export const ICMP_TIME_EXCEEDED: u32 = 11;
export const ICMP_PARAMETERPROB: u32 = 12;
export const ICMP_TIMESTAMP: u32 = 13;
export const ICMP_TIMESTAMPREPLY: u32 = 14;
// codes of ICMP_DEST_UNREACH
export const ICMP_NET_UNREACH: u32 = 0;
export const ICMP_HOST_UNREACH: u32 = 1;
export const ICMP_PROT_UNREACH: u32 = 2;
export const ICMP_PORT_UNREACH: u32 = 3;
export const ICMP_FRAG_NEEDED: u32 = 4;
export const ICMP_PKT_FILTERED: u32 = 13;
// codes of ICMP_TIME_EXCEEDED
export const ICMP_EXC_TTL: u32 = 0;
export const ICMP_EXC_FRAGTIME: u32 = 1;

export const ICMPV6_DEST_UNREACH: u32 = 1;
export const ICMPV6_PKT_TOOBIG: u32 = 2;
export const ICMPV6_TIME_EXCEED: u32 = 3;
export const ICMPV6_PARAMPROB: u32 = 4;
export const ICMPV6_ECHO_REQUEST: u32 = 128;
export const ICMPV6_ECHO_REPLY: u32 = 129;
export const ICMPV6_MLD_QUERY: u32 = 130;
export const ICMPV6_MLD_REPORT: u32 = 131;
export const ICMPV6_MLD_DONE: u32 = 132;
export const ICMPV6_RS: u32 = 133;
export const ICMPV6_RA: u32 = 134;
export const ICMPV6_NS: u32 = 135;
export const ICMPV6_NA: u32 = 136;
export const ICMPV6_REDIRECT: u32 = 137;
export const ICMPV6_MLD2_REPORT: u32 = 143;
// codes of ICMPV6_DEST_UNREACH
export const ICMPV6_NOROUTE: u32 = 0;
export const ICMPV6_ADM_PROHIBITED: u32 = 1;
export const ICMPV6_BEYOND_SCOPE: u32 = 2;
export const ICMPV6_ADDR_UNREACH: u32 = 3;
export const ICMPV6_PORT_UNREACH: u32 = 4;
// codes of ICMPV6_PARAMPROB
export const ICMPV6_HDR_FIELD: u32 = 0;
export const ICMPV6_UNK_NEXTHDR: u32 = 1;
export const ICMPV6_UNK_OPTION: u32 = 2;
export const ICMPV6_HDR_INCOMPLETE: u32 = 3;

@unmanaged @final export class IcmpHeader {
  @inline static at(p: usize): IcmpHeader { return changetype<IcmpHeader>(p); }
  @inline get ptr(): usize { return changetype<usize>(this); }
  @inline get type(): u32 { return load<u8>(this.ptr); }
  @inline set type(v: u32) { store<u8>(this.ptr, v); }
  @inline get code(): u32 { return load<u8>(this.ptr, 1); }
  @inline set code(v: u32) { store<u8>(this.ptr, v, 1); }
  /** As stored. */
  @inline get checksum(): u32 { return load<u16>(this.ptr, 2); }
  @inline set checksum(v: u32) { store<u16>(this.ptr, <u16>v, 2); }
  /** Echo identifier. */
  @inline get id(): u32 { return be16(this.ptr + 4); }
  @inline set id(v: u32) { putBe16(this.ptr + 4, v); }
  @inline get seq(): u32 { return be16(this.ptr + 6); }
  /** The second word: MTU, pointer or gateway. */
  @inline get word(): u32 { return be32(this.ptr + 4); }
  @inline set word(v: u32) { putBe32(this.ptr + 4, v); }
}
