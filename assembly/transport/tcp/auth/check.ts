// Is a segment what its sender's key says? Asked before anything of a connection changes (RFC 2385 2.0, RFC 5925 7.5), with Linux's answers:
// a segment with a wrong MAC, without the one that is wanted, or with one that nobody asked for is dropped in silence.
import { addrIsV4 } from "../../../lib/addr";
import { macEqual } from "../../../lib/crypto/hmac_sha1";
import { Drop, dropCount } from "../../../core/drop";
import { Mib, mibInc } from "../../../core/mib";
import { Skb } from "../../../core/skb";
import { AuthOption, TCPOLEN_AO_BASE } from "../../../wire/tcp";
import { Request } from "../request";
import { IN, OPT } from "../segin";
import { listenerFind } from "../table";
import { Tcb, tcb } from "../tcp";
import { aoExpected, aoIsRequest, aoReceived } from "./ao";
import { AuthIsn, AuthKey, aoFind, aoWanted, authOf, md5Find } from "./keys";
import { MD5_LEN, md5Segment } from "./mac";
import { authLength, authUpdate, requestAuth } from "./sign";

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

/**
 * May the segment in IN, `skb`, be processed by what has the keys `auth` (0: none) and has received everything up to `rcvNxt`? They sign the
 * reset that may answer it. `counts`: whose counters TCP_AO_INFO shows.
 */
function check(auth: usize, counts: usize, skb: Skb, rcvNxt: u32): bool {
  if (OPT.auth == <u32>AuthOption.INVALID) {
    dropCount(Drop.TCP_AUTH_HDR);
    return false;
  }
  if (OPT.auth == <u32>AuthOption.AO) return aoCheck(auth, counts, skb, rcvNxt);
  const k = auth ? md5Find(authOf(auth), IN.saddr) : null;
  if (OPT.auth == <u32>AuthOption.NONE) {
    if (auth && aoWanted(authOf(auth), IN.saddr)) {
      authOf(counts).required++;
      return refuse(Drop.TCP_AONOTFOUND, Mib.TcpExtTCPAORequired);
    }
    if (k) return refuse(Drop.TCP_MD5NOTFOUND, Mib.TcpExtTCPMD5NotFound);
    return true;
  }
  if (!k) return refuse(Drop.TCP_MD5UNEXPECTED, Mib.TcpExtTCPMD5Unexpected);
  if (!md5Good(k, skb)) return refuse(Drop.TCP_MD5FAILURE, Mib.TcpExtTCPMD5Failure);
  IN.auth = auth;
  return true;
}

function aoCheck(auth: usize, counts: usize, skb: Skb, rcvNxt: u32): bool {
  if (!auth || !authOf(auth).hasAo) return refuse(Drop.TCP_AOUNEXPECTED, Mib.TcpExtTCPAOKeyNotFound);
  const a = authOf(auth), k = aoFind(a, IN.saddr, -1, load<u8>(OPT.authAt));
  if (!k) {
    authOf(counts).keyNotFound++;
    return refuse(Drop.TCP_AOKEYNOTFOUND, Mib.TcpExtTCPAOKeyNotFound);
  }
  const connection = a.isn == AuthIsn.BOTH && !aoIsRequest(auth), option = OPT.authAt - 2;
  if (connection) aoReceived(a, rcvNxt);
  const mac = <u32>load<u8>(option, 1) == TCPOLEN_AO_BASE + k.macLen ? aoExpected(a, k, skb, IN.daddr, IN.saddr, option) : option;
  if (!mac) {
    dropCount(Drop.TCP_FLAGS); // a listener's, of a connection that it does not know
    return false;
  }
  if (mac == option || !macEqual(mac, option + TCPOLEN_AO_BASE, k.macLen)) {
    k.bad++;
    authOf(counts).bad++;
    return refuse(Drop.TCP_AOFAILURE, Mib.TcpExtTCPAOBad);
  }
  k.good++;
  authOf(counts).good++;
  mibInc(Mib.TcpExtTCPAOGood);
  if (a.isn != AuthIsn.NONE) IN.auth = auth;
  // RFC 5925 7.5 2.g: the peer asks for another key.
  if (connection) {
    const wanted = aoFind(a, 0, load<u8>(OPT.authAt, 1), -1);
    if (wanted) a.current = changetype<usize>(wanted);
  }
  return true;
}

/** The segment in IN for a listener with the keys `auth` (0: none). */
export function authListener(auth: usize, skb: Skb): bool { return check(auth, auth, skb, 0); }
/** For a TIME_WAIT record. */
export function authTimeWait(auth: usize, rcvNxt: u32, skb: Skb): bool { return check(auth, auth, skb, rcvNxt); }
/** For a connection. */
export function authConnection(tp: Tcb, skb: Skb): bool {
  if (!check(tp.auth, tp.auth, skb, tp.rcvNxt)) return false;
  if (tp.authLen && <u32>authLength(tp.auth, tp.sk.raddr) != tp.authLen) authUpdate(tp);
  return true;
}
/** For a request: as its SYN was. */
export function authRequest(r: Request, skb: Skb): bool {
  if (r.ao != (OPT.auth == <u32>AuthOption.AO) && OPT.auth != <u32>AuthOption.INVALID) return refuse(Drop.TCP_AOFAILURE, Mib.TcpExtTCPAOBad);
  return check(requestAuth(r), tcb(r.listener).auth, skb, 0);
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

/** RFC 5925 7.8: is an ICMP error of `type` and `code` about a connection in a synchronised state to be ignored? */
export function authIgnoresIcmp(tp: Tcb, v4: bool, type: u32, code: u32): bool {
  const a = authOf(tp.auth);
  if (!a.hasAo || a.acceptIcmps || a.isn != AuthIsn.BOTH) return false;
  // Destination unreachable: protocol, port, fragmentation needed; administratively prohibited, port.
  if (v4 ? type != 3 || code < 2 || code > 4 : type != 1 || (code != 1 && code != 4)) return false;
  a.droppedIcmp++;
  mibInc(Mib.TcpExtTCPAODroppedIcmps);
  return true;
}
