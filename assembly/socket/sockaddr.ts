// Socket addresses in Linux's layout: read into 16-byte addresses, written back in the socket's own family.
//
//   sockaddr_in:  0 family(2)  2 port(2, BE)  4 address(4)  8 zero(8)
//   sockaddr_in6: 0 family(2)  2 port(2, BE)  4 flowinfo(4, BE)  8 address(16)  24 scope_id(4)
import { Errno } from "../abi";
import { addrCopy, addrIsAny, addrIsV4, addrSetV4, addrV4 } from "../lib/addr";
import { be16, be32, putBe16, putBe32 } from "../lib/bytes";
import { AF_INET, AF_INET6, AF_UNSPEC, Sock } from "../core/sock";

export const SOCKADDR_IN: u32 = 16;
export const SOCKADDR_IN6: u32 = 28;
/** What sockaddrRead found. */
export const NAME_ADDR: usize = memory.data(16, 8);
@unmanaged @final class Name {
  port: u32;
  scope: u32;
  flowinfo: u32;
  family: u32;
}
export const NAME = changetype<Name>(memory.data(offsetof<Name>(), 4));

/** Read the sockaddr of `len` bytes at `p` for `sk` into NAME_ADDR and NAME. 0, -EINVAL or -EAFNOSUPPORT. AF_UNSPEC sets NAME.family 0. */
export function sockaddrRead(sk: Sock, p: usize, len: u32): i32 {
  if (len < 2) return -Errno.EINVAL;
  const family = <u32>load<u16>(p);
  NAME.family = family;
  NAME.scope = 0;
  NAME.flowinfo = 0;
  if (family == AF_UNSPEC) {
    // bind(2) of an AF_INET socket takes AF_UNSPEC with INADDR_ANY (Linux); connect(2) disconnects.
    NAME.port = len >= 4 ? be16(p + 2) : 0;
    if (sk.family == <u16>AF_INET) addrSetV4(NAME_ADDR, len >= 8 ? be32(p + 4) : 0);
    else memory.fill(NAME_ADDR, 0, 16);
    return 0;
  }
  if (family == AF_INET) {
    if (len < SOCKADDR_IN) return -Errno.EINVAL;
    NAME.port = be16(p + 2);
    addrSetV4(NAME_ADDR, be32(p + 4));
    return 0;
  }
  if (family == AF_INET6 && sk.family == <u16>AF_INET6) {
    if (len < 24) return -Errno.EINVAL;
    NAME.port = be16(p + 2);
    NAME.flowinfo = be32(p + 4);
    addrCopy(NAME_ADDR, p + 8);
    NAME.scope = len >= SOCKADDR_IN6 ? load<u32>(p, 24) : 0;
    return 0;
  }
  return -Errno.EAFNOSUPPORT;
}

/** Write `addr`:`port` at `p` as `sk` sees it (128 bytes of room); the length. */
export function sockaddrWrite(sk: Sock, p: usize, addr: usize, port: u32, scope: u32): u32 {
  if (sk.family == <u16>AF_INET) {
    store<u16>(p, <u16>AF_INET);
    putBe16(p + 2, port);
    putBe32(p + 4, addrIsV4(addr) ? addrV4(addr) : 0);
    store<u64>(p, 0, 8);
    return SOCKADDR_IN;
  }
  store<u16>(p, <u16>AF_INET6);
  putBe16(p + 2, port);
  store<u32>(p, 0, 4);
  addrCopy(p + 8, addr);
  // An unbound dual-stack socket is ::, not ::ffff:0.0.0.0.
  if (addrIsV4(addr) && addrIsAny(addr)) memory.fill(p + 8, 0, 16);
  store<u32>(p, load<u8>(addr) == 0xfe && (load<u8>(addr, 1) & 0xc0) == 0x80 ? scope : 0, 24);
  return SOCKADDR_IN6;
}
