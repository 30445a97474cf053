// The peer's address in the options that give and take keys.
import { addrCopy } from "../../../lib/addr";
import { AF_INET, AF_INET6, Sock } from "../../../core/sock";
import { Tcb } from "../tcp";
import { authFree, authOf } from "./keys";

/** What was read last, in the 16-byte form. */
export const AUTH_ADDR: usize = memory.data(16, 8);

/** Read the address of the sockaddr at `p`, of `family` AF_INET or AF_INET6. */
export function authAddressOf(family: u32, p: usize): void {
  if (family == AF_INET6) {
    addrCopy(AUTH_ADDR, p + 8);
    return;
  }
  store<u64>(AUTH_ADDR, 0);
  store<u32>(AUTH_ADDR, 0xffff0000, 8);
  store<u32>(AUTH_ADDR, load<u32>(p, 4), 12);
}

/** As authAddressOf, of the family of `sk`; false when the sockaddr is of another. */
export function authAddress(sk: Sock, p: usize): bool {
  const family = <u32>load<u16>(p);
  if (family != <u32>sk.family || (family != AF_INET && family != AF_INET6)) return false;
  authAddressOf(family, p);
  return true;
}

/** A record that holds nothing is none. */
export function authSettle(tp: Tcb): void {
  if (!tp.auth || authOf(tp.auth).md5 || authOf(tp.auth).hasAo) return;
  authFree(tp.auth);
  tp.auth = 0;
}
