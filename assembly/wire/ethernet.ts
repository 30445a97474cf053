// Ethernet II header (RFC 894).
//
//   0 destination(6)  6 source(6)  12 EtherType(2)  14 payload
import { be16, putBe16 } from "../lib/bytes";

export const ETH_HLEN: u32 = 14;
export const ETH_ALEN: usize = 6;
/** Smallest frame without its checksum; shorter ones were padded. */
export const ETH_ZLEN: u32 = 60;
export const ETH_P_IP: u32 = 0x0800;
export const ETH_P_ARP: u32 = 0x0806;
export const ETH_P_8021Q: u32 = 0x8100;
export const ETH_P_IPV6: u32 = 0x86dd;
export const ETH_P_ALL: u32 = 0x0003;

@unmanaged @final export class EthernetHeader {
  @inline static at(p: usize): EthernetHeader { return changetype<EthernetHeader>(p); }
  @inline get ptr(): usize { return changetype<usize>(this); }
  @inline get dst(): usize { return this.ptr; }
  @inline get src(): usize { return this.ptr + 6; }
  @inline get etherType(): u32 { return be16(this.ptr + 12); }
  @inline set etherType(v: u32) { putBe16(this.ptr + 12, v); }
}

@inline export function macEqual(a: usize, b: usize): bool {
  return load<u32>(a) == load<u32>(b) && load<u16>(a, 4) == load<u16>(b, 4);
}
@inline export function macCopy(dst: usize, src: usize): void {
  store<u32>(dst, load<u32>(src));
  store<u16>(dst, load<u16>(src, 4), 4);
}
/** Group bit (IEEE 802.3 3.2.3). */
@inline export function macIsMulticast(p: usize): bool { return (load<u8>(p) & 1) != 0; }
@inline export function macIsBroadcast(p: usize): bool { return load<u32>(p) == 0xffffffff && load<u16>(p, 4) == 0xffff; }
@inline export function macIsZero(p: usize): bool { return load<u32>(p) == 0 && load<u16>(p, 4) == 0; }
