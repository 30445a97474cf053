// IPv4 header (RFC 791 3.1).
//
//   0 version/ihl  1 tos  2 total length(2)  4 id(2)  6 flags/offset(2)  8 ttl  9 protocol  10 checksum(2)
//   12 source(4)  16 destination(4)  20 options
import { be16, be32, putBe16, putBe32 } from "../lib/bytes";
import { csumAdd, csumFinish, csumFold } from "../lib/checksum";

export const IPV4_HLEN: u32 = 20;
export const IP_DF: u32 = 0x4000;
export const IP_MF: u32 = 0x2000;
export const IP_OFFMASK: u32 = 0x1fff;

export const IPPROTO_ICMP: u32 = 1;
export const IPPROTO_IGMP: u32 = 2;
export const IPPROTO_TCP: u32 = 6;
export const IPPROTO_UDP: u32 = 17;
export const IPPROTO_UDPLITE: u32 = 136;
export const IPPROTO_RAW: u32 = 255;

export const IPOPT_END: u32 = 0;
export const IPOPT_NOP: u32 = 1;
export const IPOPT_RR: u32 = 7;
export const IPOPT_TS: u32 = 68;
export const IPOPT_LSRR: u32 = 131;
export const IPOPT_RA: u32 = 148;
export const IPOPT_SSRR: u32 = 137;

@unmanaged @final export class Ipv4Header {
  @inline static at(p: usize): Ipv4Header { return changetype<Ipv4Header>(p); }
  @inline get ptr(): usize { return changetype<usize>(this); }
  @inline get version(): u32 { return <u32>load<u8>(this.ptr) >> 4; }
  /** Header bytes, 20..60 when valid. */
  @inline get hlen(): u32 { return (<u32>load<u8>(this.ptr) & 15) << 2; }
  @inline get tos(): u32 { return load<u8>(this.ptr, 1); }
  @inline get totalLen(): u32 { return be16(this.ptr + 2); }
  @inline set totalLen(v: u32) { putBe16(this.ptr + 2, v); }
  @inline get id(): u32 { return be16(this.ptr + 4); }
  @inline set id(v: u32) { putBe16(this.ptr + 4, v); }
  /** Flags and offset. */
  @inline get frag(): u32 { return be16(this.ptr + 6); }
  @inline set frag(v: u32) { putBe16(this.ptr + 6, v); }
  @inline get ttl(): u32 { return load<u8>(this.ptr, 8); }
  @inline set ttl(v: u32) { store<u8>(this.ptr, v, 8); }
  @inline get proto(): u32 { return load<u8>(this.ptr, 9); }
  @inline get src(): u32 { return be32(this.ptr + 12); }
  @inline get dst(): u32 { return be32(this.ptr + 16); }
  @inline get srcPtr(): usize { return this.ptr + 12; }
  @inline get dstPtr(): usize { return this.ptr + 16; }
  @inline get checksumOk(): bool { return csumFold(csumAdd(this.ptr, this.hlen)) == 0xffff; }
  /** Recompute the header checksum (`hlen` bytes must be final). */
  seal(): void {
    store<u16>(this.ptr, 0, 10);
    store<u16>(this.ptr, <u16>csumFinish(csumAdd(this.ptr, this.hlen)), 10);
  }
  /** A header of `hlen` bytes, unsealed: checksum and options are the caller's. */
  init(hlen: u32, tos: u32, total: u32, id: u32, frag: u32, ttl: u32, proto: u32, src: u32, dst: u32): void {
    store<u8>(this.ptr, 0x40 | (hlen >> 2));
    store<u8>(this.ptr, tos, 1);
    putBe16(this.ptr + 2, total);
    putBe16(this.ptr + 4, id);
    putBe16(this.ptr + 6, frag);
    store<u8>(this.ptr, ttl, 8);
    store<u8>(this.ptr, proto, 9);
    store<u16>(this.ptr, 0, 10);
    putBe32(this.ptr + 12, src);
    putBe32(this.ptr + 16, dst);
  }
}
