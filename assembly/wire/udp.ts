// UDP header (RFC 768): 0 source port(2)  2 destination port(2)  4 length(2)  6 checksum(2)
import { be16, putBe16 } from "../lib/bytes";

export const UDP_HLEN: u32 = 8;

@unmanaged @final export class UdpHeader {
  @inline static at(p: usize): UdpHeader { return changetype<UdpHeader>(p); }
  @inline get ptr(): usize { return changetype<usize>(this); }
  @inline get src(): u32 { return be16(this.ptr); }
  @inline get dst(): u32 { return be16(this.ptr + 2); }
  /** Of UDP-Lite: the checksum's coverage. */
  @inline get len(): u32 { return be16(this.ptr + 4); }
  @inline set len(v: u32) { putBe16(this.ptr + 4, v); }
  /** As stored; 0 = none. */
  @inline get checksum(): u32 { return load<u16>(this.ptr, 6); }
  @inline set checksum(v: u32) { store<u16>(this.ptr, <u16>v, 6); }
  init(src: u32, dst: u32, len: u32): void {
    putBe16(this.ptr, src);
    putBe16(this.ptr + 2, dst);
    putBe16(this.ptr + 4, len);
    store<u16>(this.ptr, 0, 6);
  }
}
