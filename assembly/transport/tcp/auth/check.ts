// Is a segment what its sender's key says? Asked before anything of a connection changes (RFC 2385 2.0, RFC 5925 7.5), with Linux's answers:
// a segment with the wrong signature, without the one that is wanted, or with one that nobody asked for is dropped in silence.
import { addrIsV4 } from "../../../lib/addr";
import { macEqual } from "../../../lib/crypto/hmac_sha1";
import { Drop, dropCount } from "../../../core/drop";
import { Mib, mibInc } from "../../../core/mib";
import { Skb } from "../../../core/skb";
import { AuthOption } from "../../../wire/tcp";
import { IN, OPT } from "../segin";
import { listenerFind } from "../table";
import { tcb } from "../tcp";
import { Auth, AuthKey, authOf, md5Find } from "./keys";
import { MD5_LEN, md5Segment } from "./mac";

const MAC: usize = memory.data(20, 4);

function refuse(reason: Drop, counter: Mib): bool {
  dropCount(reason);
  mibInc(counter);
  return false;
}

function md5Good(k: AuthKey, skb: Skb): bool {
  md5Segment(skb, IN.saddr, IN.daddr, addrIsV4(IN.saddr), k.key, k.keyLen, MAC);
  return macEqual(MAC, OPT.authAt, MD5_LEN);
}

/** May the segment in IN, `skb`, be processed by what has the keys `auth` (0: none)? They sign the reset that may answer it. */
export function authCheck(auth: usize, skb: Skb): bool {
  if (OPT.auth == <u32>AuthOption.INVALID) {
    dropCount(Drop.TCP_AUTH_HDR);
    return false;
  }
  const k = auth ? md5Find(authOf(auth), IN.saddr) : null;
  if (OPT.auth == <u32>AuthOption.NONE) {
    if (k) return refuse(Drop.TCP_MD5NOTFOUND, Mib.TcpExtTCPMD5NotFound);
    return true;
  }
  if (!k) return refuse(Drop.TCP_MD5UNEXPECTED, Mib.TcpExtTCPMD5Unexpected);
  if (!md5Good(k, skb)) return refuse(Drop.TCP_MD5FAILURE, Mib.TcpExtTCPMD5Failure);
  IN.auth = auth;
  return true;
}

/**
 * The signed segment in IN is for nobody. A reset is for those who sign it: with the key that a listener at the peer's port number would want,
 * for where both sides listen at one port the connection may just have gone (as Linux). False: no answer.
 */
export function authStray(skb: Skb): bool {
  if (OPT.auth != <u32>AuthOption.MD5) return false;
  const lsk = listenerFind(IN.hash, IN.daddr, IN.sport, IN.ifindex);
  const auth = lsk ? tcb(lsk).auth : 0;
  if (!auth) return false;
  const k = md5Find(authOf(auth), IN.saddr);
  if (!k || !md5Good(k, skb)) return false;
  IN.auth = auth;
  return true;
}
