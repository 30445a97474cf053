// Sockets that take what finds no other socket, on any address and port: what nftables' `tproxy` statement does with IP_TRANSPARENT
// sockets (Documentation/networking/tproxy.rst). One for each transport.
import { Sock, SockKind } from "../core/sock";

@unmanaged @final class Takers {
  tcp: usize;
  udp: usize;
}
const T = changetype<Takers>(memory.data(offsetof<Takers>(), 4));

/** `sk`, of TCP or UDP, takes everything of its protocol that finds no socket; it replaces another. */
export function tproxySet(sk: Sock): void {
  if (sk.kind == <u8>SockKind.TCP) T.tcp = changetype<usize>(sk);
  else T.udp = changetype<usize>(sk);
}

/** `sk` closes. */
export function tproxyForget(sk: Sock): void {
  if (T.tcp == changetype<usize>(sk)) T.tcp = 0;
  if (T.udp == changetype<usize>(sk)) T.udp = 0;
}

/** The socket for a packet of `kind` that came in by `ifindex` and that no other socket wants; null when there is none. */
export function tproxyFind(kind: SockKind, ifindex: u32): Sock | null {
  const sk = changetype<Sock | null>(kind == SockKind.TCP ? T.tcp : T.udp);
  return sk && sk.boundIf == ifindex ? sk : null;
}
