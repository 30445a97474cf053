// TCP-AO on a connection (RFC 5925): which initial sequence numbers and which of its keys a segment is under, traffic keys, extended
// sequence numbers. A request has no record of its own: one on the stack stands for it, with the keys of its listener.
import { addrIsV4 } from "../../../lib/addr";
import { seqLt } from "../../../lib/seq";
import { Skb } from "../../../core/skb";
import { TCPOLEN_AO_BASE, TcpFlag, TcpHeader } from "../../../wire/tcp";
import { Auth, AuthIsn, AuthKey, aoFind, authOf } from "./keys";
import { aoSegment, aoTrafficKey } from "./mac";

/** Traffic key of a segment that has one of its own: a SYN, or one of a request. */
const TRAFFIC: usize = memory.data(20, 4);
const MAC: usize = memory.data(20, 4);

// ---- extension of sequence numbers (RFC 5925 6.2) ----
/** How often sequence number `seq` has come round, when `base`, not far from it, has come round `sne` times. */
function extend(sne: u32, base: u32, seq: u32): u32 {
  if (seqLt(seq, base)) return seq > base ? sne - 1 : sne;
  return seq < base ? sne + 1 : sne;
}
/** SND.UNA is `una` now: less than half of the sequence space further than the last time. */
export function aoSent(a: Auth, una: u32): void {
  if (una < a.sndSeq) a.sndSne++;
  a.sndSeq = una;
}
/** RCV.NXT is `nxt` now. */
export function aoReceived(a: Auth, nxt: u32): void {
  if (nxt < a.rcvSeq) a.rcvSne++;
  a.rcvSeq = nxt;
}

// ---- sequence numbers become known ----
/** We open a connection, with `iss`. */
export function aoOpen(a: Auth, iss: u32): void {
  a.isn = AuthIsn.OURS;
  a.lisn = iss;
  a.sndSeq = iss;
  a.sndSne = 0;
  a.rcvSeq = 0;
  a.rcvSne = 0;
}
/** The peer's is `irs`. */
export function aoPeer(a: Auth, irs: u32): void {
  a.isn = AuthIsn.BOTH;
  a.risn = irs;
  a.rcvSeq = irs;
  a.rcvSne = 0;
}
/** The keys of a new connection: those whose ids the peer's SYN bears, the KeyID it signs with and the one it asks for; else the first. */
export function aoChoose(a: Auth, keyId: i32, rnextId: i32): void {
  const current = aoFind(a, 0, rnextId, -1), rnext = aoFind(a, 0, -1, keyId);
  a.current = current ? changetype<usize>(current) : a.ao;
  a.rnext = rnext ? changetype<usize>(rnext) : a.ao;
}

// ---- MACs ----
/** RFC 5925 5.2: send_other and receive_other, once both sequence numbers are known. */
function derive(a: Auth, k: AuthKey, laddr: usize, raddr: usize, lport: u32, rport: u32): void {
  const v4 = addrIsV4(raddr);
  aoTrafficKey(k.alg, k.key, k.keyLen, laddr, raddr, v4, lport, rport, a.lisn, a.risn, k.sendKey);
  aoTrafficKey(k.alg, k.key, k.keyLen, raddr, laddr, v4, rport, lport, a.risn, a.lisn, k.recvKey);
  k.derived = true;
}

/** Sign `skb`, a finished segment from `laddr` to `raddr` whose option is at `option`, with key `k` of `a`. */
export function aoSign(a: Auth, k: AuthKey, skb: Skb, laddr: usize, raddr: usize, option: usize): void {
  const th = TcpHeader.at(skb.data), v4 = addrIsV4(raddr);
  let traffic = k.sendKey;
  if (a.isn == AuthIsn.OURS || changetype<usize>(a) == REQUEST_AUTH) {
    traffic = TRAFFIC;
    aoTrafficKey(k.alg, k.key, k.keyLen, laddr, raddr, v4, th.sport, th.dport, a.lisn, a.isn == AuthIsn.BOTH ? a.risn : 0, traffic);
  } else if (th.flags & TcpFlag.SYN && !(th.flags & TcpFlag.ACK)) { // ours again, after the peer's has crossed it
    traffic = TRAFFIC;
    aoTrafficKey(k.alg, k.key, k.keyLen, laddr, raddr, v4, th.sport, th.dport, a.lisn, 0, traffic);
  } else if (!k.derived) derive(a, k, laddr, raddr, th.sport, th.dport);
  aoSegment(skb, k.alg, traffic, extend(a.sndSne, a.sndSeq, th.seq), laddr, raddr, v4, option, k.macLen, k.exclude, MAC);
  memory.copy(option + TCPOLEN_AO_BASE, MAC, k.macLen);
}

/** The MAC that `skb`, a segment received from `raddr` with its option at `option`, should have under key `k` of `a`; its address. 0: nobody can know. */
export function aoExpected(a: Auth, k: AuthKey, skb: Skb, laddr: usize, raddr: usize, option: usize): usize {
  const th = TcpHeader.at(skb.data), v4 = addrIsV4(raddr), seq = th.seq;
  const syn = (th.flags & TcpFlag.SYN) != 0, ack = (th.flags & TcpFlag.ACK) != 0;
  let sisn = seq, disn: u32 = 0, sne: u32 = 0, traffic = TRAFFIC, own = true;
  if (!syn || ack) {
    if (a.isn == AuthIsn.BOTH) {
      sne = extend(a.rcvSne, a.rcvSeq, seq);
      sisn = a.risn;
      disn = a.lisn;
      own = changetype<usize>(a) == REQUEST_AUTH;
    } else if (a.isn == AuthIsn.OURS) disn = a.lisn; // SYN-ACK, or the reset of one who has no connection
    else if (ack && !syn) {
      // A listener's: perhaps a SYN cookie comes back.
      sisn = seq - 1;
      disn = th.ack - 1;
      sne = extend(0, sisn, seq);
    } else return 0;
  }
  if (own) aoTrafficKey(k.alg, k.key, k.keyLen, raddr, laddr, v4, th.sport, th.dport, sisn, disn, traffic);
  else {
    if (!k.derived) derive(a, k, laddr, raddr, th.dport, th.sport);
    traffic = k.recvKey;
  }
  aoSegment(skb, k.alg, traffic, sne, raddr, laddr, v4, option, k.macLen, k.exclude, MAC);
  return MAC;
}

// ---- requests ----
const REQUEST_AUTH: usize = memory.data(offsetof<Auth>(), 8);

/**
 * What signs for a request of a listener with the record `auth` (0: its keys have gone): until the next call a record with the ISNs of the request and the keys that
 * its SYN asked for. Without the one to sign with nothing may be sent: `current` is 0.
 */
export function aoRequest(auth: usize, addr: usize, iss: u32, irs: u32, keyId: i32, rnextId: i32): usize {
  const a = authOf(REQUEST_AUTH);
  memory.fill(REQUEST_AUTH, 0, offsetof<Auth>());
  a.hasAo = true;
  if (auth) a.ao = authOf(auth).ao;
  const current = aoFind(a, addr, rnextId, -1), rnext = aoFind(a, addr, -1, keyId);
  aoOpen(a, iss);
  aoPeer(a, irs);
  a.current = rnext ? changetype<usize>(current) : 0;
  a.rnext = changetype<usize>(rnext);
  return REQUEST_AUTH;
}
/** Is `auth` the record of a request? Its counters are those of the listener. */
@inline export function aoIsRequest(auth: usize): bool { return auth == REQUEST_AUTH; }
