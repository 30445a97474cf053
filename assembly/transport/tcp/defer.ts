// Requests whose SYN-ACK waits for the host: it learns of the SYN, finds out whether the real destination takes the connection, and
// says so. Until then the record keeps repeated SYNs from becoming new requests, and ends when the peer has given up.
import { Errno } from "../../abi";
import { putBe16, putBe32 } from "../../lib/bytes";
import { Drop, dropCount } from "../../core/drop";
import { Mib, mibInc } from "../../core/mib";
import { Skb } from "../../core/skb";
import { Sock } from "../../core/sock";
import { now } from "../../core/time";
import { netDeviceByIndex } from "../../link/net_device";
import { IPPROTO_TCP, TcpFlag } from "../../wire/tcp";
import { QUOTE_MIN, reject } from "../reject";
import { requestAuth } from "./auth/sign";
import { replyFlow, replyReset, replySend } from "./reply";
import { Request, requestArm, requestDrop, requestSyn, requestUntold, sendSynAck } from "./request";
import { IN } from "./segin";
import { MiniKind, connHash, miniFind } from "./table";
import { tcb } from "./tcp";

const QUOTE: usize = memory.data(QUOTE_MIN, 4);

/** A segment for a request that waits (as requestInput). */
export function deferredInput(r: Request, skb: Skb): void {
  if (IN.has(TcpFlag.ACK)) {
    // It has seen no SYN-ACK of ours (RFC 9293 3.10.7.2 second).
    replyReset();
    dropCount(Drop.TCP_INVALID_ACK);
  } else if (IN.has(TcpFlag.RST)) {
    if (IN.seq == r.rcvIsn + 1) requestDrop(r);
    dropCount(Drop.TCP_RESET);
  } else if (IN.has(TcpFlag.SYN)) {
    if (IN.seq == r.rcvIsn) {
      requestArm(r);
      return;
    }
    // The peer has begun anew with the same ports.
    const lsk = r.listener;
    requestDrop(r);
    requestSyn(lsk, 0, skb);
  } else dropCount(Drop.TCP_FLAGS);
}

/** The newest request of listener `sk` that the host has not been told of, now told; null when there is none. */
export function deferredNext(sk: Sock): Request | null {
  const r = requestUntold(tcb(sk));
  if (!r) return null;
  const list = tcb(sk).requests;
  r.told = true;
  r.listNode.unlink();
  r.listNode.insertBefore(list);
  return r;
}

/**
 * The host's verdict on the request from `raddr`:`rport` to `laddr`:`lport` with the peer's sequence number `isn`. 0: the SYN-ACK leaves
 * now. EINPROGRESS: none yet. ECONNREFUSED: RST. ETIMEDOUT: silence. Others: the ICMP error that means `errno`.
 * 0, -ENOENT when the request is no more, -EALREADY when it was accepted before, -EINVAL for an errno that cannot be told.
 */
export function deferredAnswer(laddr: usize, lport: u32, raddr: usize, rport: u32, ifindex: u32, isn: u32, errno: u32): i32 {
  const m = miniFind(connHash(laddr, raddr, lport, rport), laddr, raddr, lport, rport, ifindex);
  if (!m || m.kind != MiniKind.REQUEST) return -Errno.ENOENT;
  const r = changetype<Request>(m);
  if (r.rcvIsn != isn) return -Errno.ENOENT;
  if (errno == Errno.EINPROGRESS) return 0;
  if (!r.deferred) return -Errno.EALREADY;
  if (!errno) {
    r.deferred = false;
    r.sent = now();
    requestArm(r);
    sendSynAck(r);
    return 0;
  }
  const told = errno == Errno.ECONNREFUSED ? refuse(r) : errno == Errno.ETIMEDOUT ? 0 : unreachable(r, errno);
  if (told == -Errno.EINVAL) return told;
  mibInc(Mib.TcpAttemptFails);
  requestDrop(r);
  return 0;
}

function refuse(r: Request): i32 {
  const f = replyFlow(r.key.laddr, r.key.raddr, r.inIf, 0);
  if (!f) return 0;
  mibInc(Mib.TcpOutRsts);
  replySend(f, r.lport, r.rport, 0, r.rcvIsn + 1, TcpFlag.RST | TcpFlag.ACK, 0, false, 0, 0, requestAuth(r));
  return 0;
}

function unreachable(r: Request, errno: u32): i32 {
  const d = netDeviceByIndex(r.inIf);
  if (!d) return 0;
  putBe16(QUOTE, r.rport);
  putBe16(QUOTE + 2, r.lport);
  putBe32(QUOTE + 4, r.rcvIsn);
  return reject(d, IPPROTO_TCP, r.key.raddr, r.key.laddr, QUOTE, QUOTE_MIN, errno);
}
