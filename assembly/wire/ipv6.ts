// IPv6 header and extension headers (RFC 8200).
//
//   0 version/class/label(4)  4 payload length(2)  6 next header  7 hop limit  8 source(16)  24 destination(16)
import { be16, be32, putBe16, putBe32 } from "../lib/bytes";

export const IPV6_HLEN: u32 = 40;
export const IPV6_MIN_MTU: u32 = 1280;
export const NEXTHDR_HOP: u32 = 0;
export const NEXTHDR_ROUTING: u32 = 43;
export const NEXTHDR_FRAGMENT: u32 = 44;
export const NEXTHDR_ESP: u32 = 50;
export const NEXTHDR_AUTH: u32 = 51;
export const NEXTHDR_ICMP: u32 = 58;
export const NEXTHDR_NONE: u32 = 59;
export const NEXTHDR_DEST: u32 = 60;
export const FRAG_HLEN: u32 = 8;

@unmanaged @final export class Ipv6Header {
  @inline static at(p: usize): Ipv6Header { return changetype<Ipv6Header>(p); }
  @inline get ptr(): usize { return changetype<usize>(this); }
  @inline get version(): u32 { return <u32>load<u8>(this.ptr) >> 4; }
  @inline get tclass(): u32 { return (be32(this.ptr) >> 20) & 255; }
  @inline get flowLabel(): u32 { return be32(this.ptr) & 0xfffff; }
  @inline get payloadLen(): u32 { return be16(this.ptr + 4); }
  @inline set payloadLen(v: u32) { putBe16(this.ptr + 4, v); }
  @inline get nextHeader(): u32 { return load<u8>(this.ptr, 6); }
  @inline set nextHeader(v: u32) { store<u8>(this.ptr, v, 6); }
  @inline get hopLimit(): u32 { return load<u8>(this.ptr, 7); }
  @inline set hopLimit(v: u32) { store<u8>(this.ptr, v, 7); }
  @inline get src(): usize { return this.ptr + 8; }
  @inline get dst(): usize { return this.ptr + 24; }
  /** Everything but the two addresses. */
  init(tclass: u32, label: u32, payload: u32, next: u32, hops: u32): void {
    putBe32(this.ptr, (6 << 28) | ((tclass & 255) << 20) | (label & 0xfffff));
    putBe16(this.ptr + 4, payload);
    store<u8>(this.ptr, next, 6);
    store<u8>(this.ptr, hops, 7);
  }
}
