// The signatures of our segments. The option goes behind all others, its MAC is filled in when the segment is complete.
import { TCPOLEN_MD5_ALIGNED, TCPOLEN_TSTAMP_ALIGNED, TCP_MAX_OPTIONS, putOptMd5 } from "../../../wire/tcp";
import { Skb } from "../../../core/skb";
import { Flow } from "../../../network/flow";
import { headerLenSet, syncMss } from "../mss";
import { Tcb, TcpState } from "../tcp";
import { AuthKey, authOf, md5Copy, md5Find } from "./keys";
import { MD5_LEN, md5Segment } from "./mac";

/** The longest option beside which timestamps and a SACK block have room. */
export const TCPOLEN_AUTH_TSTAMP: u32 = TCP_MAX_OPTIONS - TCPOLEN_TSTAMP_ALIGNED - 12;

@unmanaged @final class Pending {
  /** Of the option just put: its key, and where its MAC goes. */
  key: usize;
  at: usize;
}
const P = changetype<Pending>(memory.data(offsetof<Pending>(), 8));

/** Bytes of option that `auth` (0: no keys) puts in segments to `addr`. */
export function authLength(auth: usize, addr: usize): u32 {
  return auth && md5Find(authOf(auth), addr) ? TCPOLEN_MD5_ALIGNED : 0;
}

/** Put the option of a segment to `addr` at `p`, where authLength says there is one; the address behind it. authSign must follow. */
export function authPut(auth: usize, addr: usize, p: usize): usize {
  P.key = changetype<usize>(md5Find(authOf(auth), addr));
  const end = putOptMd5(p);
  P.at = end - MD5_LEN;
  return end;
}

/** Sign the finished segment that `skb` begins with; the checksum is not part of it. */
export function authSign(skb: Skb, f: Flow): void {
  const k = changetype<AuthKey>(P.key);
  md5Segment(skb, f.src, f.dst, f.isV4, k.key, k.keyLen, P.at);
}

/** `tp` opens a connection, its peer known. */
export function authConnect(tp: Tcb): void {
  tp.authLen = authLength(tp.auth, tp.sk.raddr);
  if (tp.authLen > TCPOLEN_AUTH_TSTAMP) tp.tsOk = false;
}

/** `tp` is a child of listener `lt`, its peer known: it takes over the key for that. False without memory. */
export function authChild(tp: Tcb, lt: Tcb): bool {
  const addr = tp.sk.raddr, k = md5Find(authOf(lt.auth), addr);
  if (!k) return true;
  tp.auth = md5Copy(k, addr);
  tp.authLen = authLength(tp.auth, addr);
  return tp.auth != 0;
}

/** The keys or the peer of `tp` have changed: how long its headers are now. */
export function authUpdate(tp: Tcb): void {
  const sk = tp.sk;
  tp.authLen = sk.state == <u8>TcpState.CLOSE || sk.state == <u8>TcpState.LISTEN ? 0 : authLength(tp.auth, sk.raddr);
  if (tp.authLen || tp.tcpHeaderLen) headerLenSet(tp);
  if (tp.pmtu) syncMss(tp, tp.pmtu);
}
