// Address Resolution Protocol packet for IPv4 over Ethernet (RFC 826).
//
//   0 hardware type(2)=1  2 protocol type(2)=0x0800  4 hlen=6  5 plen=4  6 operation(2)
//   8 sender MAC(6)  14 sender IPv4(4)  18 target MAC(6)  24 target IPv4(4)
import { be16, be32, putBe16, putBe32 } from "../lib/bytes";

export const ARP_LEN: u32 = 28;
export const ARPOP_REQUEST: u32 = 1;
export const ARPOP_REPLY: u32 = 2;

@unmanaged @final export class ArpPacket {
  @inline static at(p: usize): ArpPacket { return changetype<ArpPacket>(p); }
  @inline get ptr(): usize { return changetype<usize>(this); }
  /** Is it the one form we speak? Needs ARP_LEN readable bytes. */
  @inline get valid(): bool { return load<u32>(this.ptr) == 0x00080100 && load<u16>(this.ptr, 4) == 0x0406; }
  @inline get op(): u32 { return be16(this.ptr + 6); }
  @inline get sha(): usize { return this.ptr + 8; }
  @inline get spa(): u32 { return be32(this.ptr + 14); }
  @inline get tha(): usize { return this.ptr + 18; }
  @inline get tpa(): u32 { return be32(this.ptr + 24); }
  /** Fill everything but the two hardware addresses. */
  init(op: u32, spa: u32, tpa: u32): void {
    store<u32>(this.ptr, 0x00080100);
    store<u16>(this.ptr, 0x0406, 4);
    putBe16(this.ptr + 6, op);
    putBe32(this.ptr + 14, spa);
    putBe32(this.ptr + 24, tpa);
  }
}
