// sendmsg and recvmsg on stream sockets: copies between a message's buffer and the stream's chunks.
import { Errno, IOV, IOV_MAX, MSG_CONTROL, MSG_CONTROLLEN, MSG_DATA, MSG_DATALEN, MSG_FLAGS, MSG_NAMELEN } from "../abi";
import { AF_UNSPEC, Sock } from "../core/sock";
import { Sysctl, sysctl } from "../core/sysctl";
import { MSG_OOB, MSG_PEEK, MSG_TRUNC } from "../transport/datagram";
import { tcpDeferred, tcpFastopen, tcpInq, tcpRecvUrg, tcpRxConsume, tcpRxPeek, tcpStreamEnded, tcpTxCommit, tcpTxReserve } from "../transport/tcp/api";
import { IPPROTO_TCP } from "../wire/tcp";
import { NAME, NAME_ADDR, sockaddrRead } from "./sockaddr";

const TCP_CM_INQ: u32 = 36;
const CMSG_INQ_LEN: u64 = 20;
const CMSG_INQ_SPACE: u32 = 24;

/**
 * sendmsg(2) with MSG_FASTOPEN to the name of `nameLen` bytes at `name`: bytes that the SYN has taken, -EINPROGRESS when it has left without
 * any, or the error (RFC 7413 appendix A; Linux's tcp_sendmsg_fastopen).
 */
export function streamFastopen(sk: Sock, name: usize, nameLen: u32, p: usize, len: u32, flags: u32): i32 {
  if (!(sysctl(Sysctl.TCP_FASTOPEN) & 1)) return -Errno.EOPNOTSUPP;
  if (tcpDeferred(sk)) return streamSend(sk, p, len, flags);
  const e = name ? sockaddrRead(sk, name, nameLen) : -Errno.EINVAL;
  if (e < 0) return e;
  if (NAME.family == AF_UNSPEC) return -Errno.EOPNOTSUPP;
  const r = tcpFastopen(sk, NAME_ADDR, NAME.port, NAME.scope);
  if (r < 0) return r;
  let n = streamSend(sk, p, len, flags);
  if (n == -Errno.EAGAIN) n = tcpTxCommit(sk, 0, flags);
  return n ? n : -Errno.EINPROGRESS;
}

/** Bytes queued (fewer than `len` when the buffer is full), -EAGAIN when none, or the error. */
export function streamSend(sk: Sock, p: usize, len: u32, flags: u32): i32 {
  let done: u32 = 0;
  while (done < len || !len) {
    const n = tcpTxReserve(sk, len - done);
    if (n < 0) return done ? <i32>done : n;
    if (!len) return tcpDeferred(sk) ? tcpTxCommit(sk, 0, flags) : 0;
    if (!n) break;
    let k: u32 = 0;
    for (let i: u32 = 0; i < <u32>n; i++) {
      const size = load<u32>(IOV + (i << 3), 4);
      memory.copy(load<u32>(IOV + (i << 3)), p + done + k, size);
      k += size;
    }
    // The urgent mark belongs to the last byte; more of this call is to follow unless this was all.
    const last = done + k == len;
    const r = tcpTxCommit(sk, k, last ? flags : flags & ~MSG_OOB);
    if (r < 0) return done ? <i32>done : r;
    done += k;
  }
  return done ? <i32>done : -Errno.EAGAIN;
}

/** Bytes received, 0 at the end of the stream, -EAGAIN, or the error. */
export function streamReceive(sk: Sock, msg: usize, flags: u32): i32 {
  store<u32>(msg, 0, MSG_NAMELEN);
  const controlRoom = load<u32>(msg, MSG_CONTROLLEN);
  store<u32>(msg, 0, MSG_CONTROLLEN);
  const dst = <usize>load<u32>(msg, MSG_DATA);
  const room = load<u32>(msg, MSG_DATALEN);
  if (flags & MSG_OOB) {
    const r = tcpRecvUrg(sk, dst, (flags & MSG_PEEK) != 0);
    if (r > 0) {
      store<u32>(msg, MSG_OOB, MSG_FLAGS);
      store<u32>(msg, r, MSG_DATALEN);
    }
    return r;
  }
  let done: u32 = 0;
  while (done < room) {
    const n = tcpRxPeek(sk, room - done);
    if (n < 0) return n;
    if (!n) break;
    let k: u32 = 0;
    for (let i: u32 = 0; i < <u32>n; i++) {
      const size = load<u32>(IOV + (i << 3), 4);
      // MSG_TRUNC on a stream: count the bytes and throw them away (tcp(7)).
      if (!(flags & MSG_TRUNC)) memory.copy(dst + done + k, load<u32>(IOV + (i << 3)), size);
      k += size;
    }
    done += k;
    if (flags & MSG_PEEK) break;
    tcpRxConsume(sk, k);
    // One call never reads across an urgent mark, nor takes an error along with data.
    if (<u32>n < IOV_MAX) break;
  }
  store<u32>(msg, flags & MSG_TRUNC ? 0 : done, MSG_DATALEN);
  if (done && controlRoom >= CMSG_INQ_SPACE && load<u32>(msg, MSG_CONTROL)) putInq(sk, msg);
  if (done || !room || tcpStreamEnded(sk)) return <i32>done;
  return -Errno.EAGAIN;
}

// TCP_INQ: how much is left to read, as a control message (tcp(7)).
function putInq(sk: Sock, msg: usize): void {
  const left = tcpInq(sk);
  if (left < 0) return;
  const p = <usize>load<u32>(msg, MSG_CONTROL);
  store<u64>(p, CMSG_INQ_LEN);
  store<u32>(p, IPPROTO_TCP, 8);
  store<u32>(p, TCP_CM_INQ, 12);
  store<u64>(p, <u32>left, 16);
  store<u32>(msg, CMSG_INQ_SPACE, MSG_CONTROLLEN);
}
