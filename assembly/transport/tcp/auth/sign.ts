// The signatures of our segments. The option goes behind all others, its MAC is filled in when the segment is complete.
import { Errno } from "../../../abi";
import { TCPOLEN_AO_BASE, TCPOLEN_MD5_ALIGNED, TCPOLEN_TSTAMP_ALIGNED, TCP_MAX_OPTIONS, putOptAo, putOptMd5 } from "../../../wire/tcp";
import { Skb } from "../../../core/skb";
import { Flow } from "../../../network/flow";
import { headerLenSet, syncMss } from "../mss";
import { Request } from "../request";
import { Tcb, TcpState, tcb } from "../tcp";
import { aoChoose, aoOpen, aoPeer, aoIsRequest, aoRequest, aoSent, aoSign } from "./ao";
import { AuthKey, aoCopy, aoFind, aoKeepOnly, authOf, keysFree, md5Copy, md5Find } from "./keys";
import { MD5_LEN, md5Segment } from "./mac";

/** The longest option beside which timestamps and a SACK block have room. */
export const TCPOLEN_AUTH_TSTAMP: u32 = TCP_MAX_OPTIONS - TCPOLEN_TSTAMP_ALIGNED - 12;

@unmanaged @final class Pending {
  /** Of the option just put: its key and place; with TCP-AO whose key it is. */
  key: usize;
  option: usize;
  auth: usize;
}
const P = changetype<Pending>(memory.data(offsetof<Pending>(), 8));

/** Bytes of option that `auth` (0: no keys) puts in segments to `addr`; -1 = no segment may be sent, the key that it should have is missing. */
export function authLength(auth: usize, addr: usize): i32 {
  if (!auth) return 0;
  const a = authOf(auth);
  if (a.current) return (TCPOLEN_AO_BASE + changetype<AuthKey>(a.current).macLen + 3) & ~3;
  if (md5Find(a, addr)) return TCPOLEN_MD5_ALIGNED;
  return aoIsRequest(auth) || (a.hasAo && aoFind(a, addr, -1, -1)) ? -1 : 0;
}

/** Put the option of a segment to `addr` at `p`, where authLength says there is one; the address behind it. authSign must follow. */
export function authPut(auth: usize, addr: usize, p: usize): usize {
  const a = authOf(auth);
  if (a.current) {
    const k = changetype<AuthKey>(a.current);
    P.key = a.current;
    P.option = p;
    P.auth = auth;
    return putOptAo(p, k.sndId, changetype<AuthKey>(a.rnext).rcvId, k.macLen);
  }
  P.key = changetype<usize>(md5Find(a, addr));
  P.auth = 0;
  const end = putOptMd5(p);
  P.option = end - MD5_LEN;
  return end;
}
/** As authPut, of a segment of connection `tp`. */
export function authPutOwn(tp: Tcb, p: usize): usize {
  const a = authOf(tp.auth);
  if (a.current) aoSent(a, tp.sndUna);
  return authPut(tp.auth, tp.sk.raddr, p);
}

/** Sign the finished segment that `skb` begins with; the checksum is not part of it. */
export function authSign(skb: Skb, f: Flow): void {
  const k = changetype<AuthKey>(P.key);
  if (P.auth) aoSign(authOf(P.auth), k, skb, f.src, f.dst, P.option);
  else md5Segment(skb, f.src, f.dst, f.isV4, k.key, k.keyLen, P.option);
}

// ---- connections ----
/** May `tp`, which has keys, open a connection to `addr`? 0, or -EKEYREJECTED: keys of both kinds, or none of TCP-AO where that is wanted. */
export function authAllowed(tp: Tcb, addr: usize): i32 {
  const a = authOf(tp.auth);
  const md5 = md5Find(a, addr) != null, ao = aoFind(a, addr, -1, -1) != null;
  return (md5 && (ao || a.aoRequired)) || (!md5 && a.hasAo && !ao) ? -Errno.EKEYREJECTED : 0;
}

/** `tp` opens a connection, its peer and initial sequence number known: keys for others and of the other kind go. */
export function authConnect(tp: Tcb): void {
  const a = authOf(tp.auth), addr = tp.sk.raddr;
  if (md5Find(a, addr)) {
    keysFree(a.ao);
    a.ao = 0;
    a.hasAo = false;
    a.current = 0;
    a.rnext = 0;
  } else if (a.hasAo) {
    keysFree(a.md5);
    a.md5 = 0;
    aoKeepOnly(a, addr);
    if (!a.current) a.current = a.ao;
    if (!a.rnext) a.rnext = a.ao;
    aoOpen(a, tp.iss);
  }
  tp.authLen = authLength(tp.auth, addr);
  if (tp.authLen > TCPOLEN_AUTH_TSTAMP) tp.tsOk = false;
}
/** The peer's initial sequence number is known. */
export function authPeer(tp: Tcb): void { aoPeer(authOf(tp.auth), tp.irs); }

/** What signs for request `r`: until the next call, or of its listener. */
export function requestAuth(r: Request): usize {
  const auth = tcb(r.listener).auth;
  return r.ao ? aoRequest(auth, r.key.raddr, r.sndIsn, r.rcvIsn, r.aoKeyId, r.aoRnextId) : auth;
}

/** `tp` is a child made of `r`, its peer known: it takes over the keys for that. False without memory. */
export function authChild(tp: Tcb, r: Request): bool {
  const addr = tp.sk.raddr, auth = tcb(r.listener).auth;
  if (!auth) return !r.ao; // taken away since the SYN
  const from = authOf(auth);
  if (r.ao) {
    tp.auth = aoCopy(from, addr);
    if (!tp.auth) return false;
    const a = authOf(tp.auth);
    aoOpen(a, r.sndIsn);
    aoPeer(a, r.rcvIsn);
    aoChoose(a, r.aoKeyId, r.aoRnextId);
    if (!a.ao) return false;
  } else {
    const k = md5Find(from, addr);
    if (!k) return true;
    tp.auth = md5Copy(k, addr);
    if (!tp.auth) return false;
  }
  tp.authLen = authLength(tp.auth, addr);
  return true;
}

/** The keys of `tp` have changed: how long its headers are now. */
export function authUpdate(tp: Tcb): void {
  const sk = tp.sk;
  tp.authLen = sk.state == <u8>TcpState.CLOSE || sk.state == <u8>TcpState.LISTEN ? 0 : max(authLength(tp.auth, sk.raddr), 0);
  headerLenSet(tp);
  if (tp.pmtu) syncMss(tp, tp.pmtu);
}
