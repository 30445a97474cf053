// setsockopt and getsockopt at level IPPROTO_TCP, with Linux's numbers, ranges and errors (tcp(7)).
import { Errno } from "../../abi";
import { Sock, SockFlag } from "../../core/sock";
import { Sysctl, sysctl } from "../../core/sysctl";
import { writeSpace } from "./ack";
import { aoGetKeys, aoInfo, aoSetsockopt } from "./auth/ao_options";
import { md5Setsockopt } from "./auth/options";
import { CA_NAME_MAX, caByName, caInfo, caInit, caName } from "./congestion/congestion";
import { FastopenMode } from "./fastopen";
import { fastopenKeyBytes, fastopenKeys, fastopenSetKeys } from "./fastopen_listen";
import { TCP_INFO_SIZE, tcpInfo } from "./info";
import { pushPending } from "./output";
import { cleanupRbuf } from "./receive";
import { tsNow } from "./rtt";
import { AckSched, MIN_MSS, Nagle, Tcb, TcpState, tcb } from "./tcp";
import { keepaliveUpdate } from "./timer";

const enum Opt {
  NODELAY = 1, MAXSEG = 2, CORK = 3, KEEPIDLE = 4, KEEPINTVL = 5, KEEPCNT = 6, SYNCNT = 7, LINGER2 = 8, DEFER_ACCEPT = 9,
  WINDOW_CLAMP = 10, INFO = 11, QUICKACK = 12, CONGESTION = 13, MD5SIG = 14, THIN_LINEAR_TIMEOUTS = 16, THIN_DUPACK = 17,
  USER_TIMEOUT = 18, REPAIR = 19, FASTOPEN = 23, TIMESTAMP = 24, NOTSENT_LOWAT = 25, CC_INFO = 26, FASTOPEN_CONNECT = 30, ULP = 31, MD5SIG_EXT = 32,
  FASTOPEN_KEY = 33, FASTOPEN_NO_COOKIE = 34, INQ = 36, AO_ADD_KEY = 38, AO_DEL_KEY = 39, AO_INFO = 40, AO_GET_KEYS = 41,
}
const MAX_KEEPIDLE: i32 = 32767;
const MAX_KEEPINTVL: i32 = 32767;
const MAX_KEEPCNT: i32 = 127;
const MAX_SYNCNT: i32 = 127;
const MAX_WINDOW: i32 = 32767;
/** Longest TCP_LINGER2, s. */
const FIN_TIMEOUT_MAX: i32 = 120;
const MIN_CLAMP: u32 = 1152;
/** First SYN-ACK timeout and its maximum, s. */
const TIMEOUT_INIT: u32 = 1;
const TIMEOUT_MAX: u32 = 120;

@inline function inRange(v: i32, lo: i32, hi: i32): bool { return v >= lo && v <= hi; }

// Retransmissions that span `seconds`, and back (TCP_DEFER_ACCEPT is kept as a count, as in Linux).
function secsToRetrans(seconds: i32): u32 {
  if (seconds <= 0) return 0;
  let n: u32 = 1, timeout = TIMEOUT_INIT, period = TIMEOUT_INIT;
  while (<u32>seconds > period && n < 255) {
    n++;
    timeout = min(timeout << 1, TIMEOUT_MAX);
    period += timeout;
  }
  return n;
}
function retransToSecs(n: u32): u32 {
  let timeout = TIMEOUT_INIT, period: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    period += timeout;
    timeout = min(timeout << 1, TIMEOUT_MAX);
  }
  return period;
}

function setCork(tp: Tcb, on: bool): void {
  if (on) {
    tp.nonagle |= Nagle.CORK;
    return;
  }
  tp.nonagle &= ~Nagle.CORK;
  flush(tp);
}
// Send what Nagle or the cork held back, this once.
function flush(tp: Tcb): void {
  if (tp.nonagle & Nagle.OFF) tp.nonagle |= Nagle.PUSH;
  pushPending(tp);
  tp.nonagle &= ~Nagle.PUSH;
}

function setQuickack(tp: Tcb, v: i32): void {
  if (!v) {
    tp.pingpong = 1;
    return;
  }
  tp.pingpong = 0;
  const state = tp.sk.state;
  if ((state == <u8>TcpState.ESTABLISHED || state == <u8>TcpState.CLOSE_WAIT) && tp.ackFlags & AckSched.SCHED) {
    tp.ackFlags |= AckSched.PUSHED;
    cleanupRbuf(tp, 1);
    if (!(v & 1)) tp.pingpong = 1;
  }
}

function setClamp(tp: Tcb, v: i32): i32 {
  if (v == 0) {
    if (tp.sk.state != <u8>TcpState.CLOSE) return -Errno.EINVAL;
    tp.bindWindowClamp = 0;
    return 0;
  }
  tp.bindWindowClamp = max(<u32>max(v, 0), MIN_CLAMP);
  tp.windowClamp = min(tp.windowClamp ? tp.windowClamp : u32.MAX_VALUE, tp.bindWindowClamp);
  tp.rcvSsthresh = min(tp.rcvSsthresh, tp.windowClamp);
  return 0;
}

// TCP_FASTOPEN of a listener, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE.
function setFastopen(tp: Tcb, name: u32, v: i32): i32 {
  const closed = tp.sk.state == <u8>TcpState.CLOSE;
  const idle = closed || tp.sk.state == <u8>TcpState.LISTEN;
  if (name == Opt.FASTOPEN) {
    if (v < 0 || !idle) return -Errno.EINVAL;
    tp.tfoMax = min<u32>(v, sysctl(Sysctl.CORE_SOMAXCONN));
    return 0;
  }
  if (!inRange(v, 0, 1)) return -Errno.EINVAL;
  if (name == Opt.FASTOPEN_NO_COOKIE) {
    if (!idle) return -Errno.EINVAL;
    tp.tfoNoCookie = v != 0;
    return 0;
  }
  if (!(sysctl(Sysctl.TCP_FASTOPEN) & FastopenMode.CLIENT)) return -Errno.EOPNOTSUPP;
  if (!closed) return -Errno.EINVAL;
  tp.tfoConnect = v != 0;
  return 0;
}

/** The option value is `len` bytes at `p`. 0 or -errno. */
export function tcpSetsockopt(sk: Sock, name: u32, p: usize, len: u32): i32 {
  const tp = tcb(sk);
  if (name == Opt.CONGESTION) {
    if (len < 1) return -Errno.EINVAL;
    const id = caByName(p, len);
    if (id < 0) return -Errno.ENOENT;
    tp.caId = id;
    if (sk.state != <u8>TcpState.CLOSE && sk.state != <u8>TcpState.LISTEN) caInit(tp);
    return 0;
  }
  if (name == Opt.ULP) return -Errno.ENOENT;
  if (name == Opt.FASTOPEN_KEY) return fastopenSetKeys(tp, p, len) ? 0 : -Errno.EINVAL;
  if (len < 4) return -Errno.EINVAL;
  if (name == Opt.MD5SIG || name == Opt.MD5SIG_EXT) return md5Setsockopt(sk, p, len, name == Opt.MD5SIG_EXT);
  if (name >= <u32>Opt.AO_ADD_KEY && name <= <u32>Opt.AO_INFO) return aoSetsockopt(sk, name, p, len);
  const v = load<i32>(p);
  switch (name) {
    case <u32>Opt.NODELAY:
      tp.nonagle = v ? tp.nonagle | Nagle.OFF : tp.nonagle & ~Nagle.OFF;
      if (v) flush(tp);
      return 0;
    case <u32>Opt.MAXSEG:
      if (v && !inRange(v, MIN_MSS, MAX_WINDOW)) return -Errno.EINVAL;
      tp.userMss = v;
      return 0;
    case <u32>Opt.CORK: setCork(tp, v != 0); return 0;
    case <u32>Opt.KEEPIDLE:
      if (!inRange(v, 1, MAX_KEEPIDLE)) return -Errno.EINVAL;
      tp.keepIdle = v;
      if (sk.has(SockFlag.KEEPALIVE)) keepaliveUpdate(tp);
      return 0;
    case <u32>Opt.KEEPINTVL:
      if (!inRange(v, 1, MAX_KEEPINTVL)) return -Errno.EINVAL;
      tp.keepIntvl = v;
      return 0;
    case <u32>Opt.KEEPCNT:
      if (!inRange(v, 1, MAX_KEEPCNT)) return -Errno.EINVAL;
      tp.keepCnt = v;
      return 0;
    case <u32>Opt.SYNCNT:
      if (!inRange(v, 1, MAX_SYNCNT)) return -Errno.EINVAL;
      tp.synRetries = v;
      return 0;
    case <u32>Opt.LINGER2: tp.linger2 = v < 0 ? -1 : min(v, FIN_TIMEOUT_MAX); return 0;
    case <u32>Opt.DEFER_ACCEPT: tp.deferAccept = secsToRetrans(v); return 0;
    case <u32>Opt.WINDOW_CLAMP: return setClamp(tp, v);
    case <u32>Opt.QUICKACK: setQuickack(tp, v); return 0;
    case <u32>Opt.USER_TIMEOUT:
      if (v < 0) return -Errno.EINVAL;
      tp.userTimeout = v;
      return 0;
    case <u32>Opt.NOTSENT_LOWAT:
      tp.notsentLowat = v ? v : sysctl(Sysctl.TCP_NOTSENT_LOWAT);
      writeSpace(tp);
      return 0;
    case <u32>Opt.INQ:
      if (!inRange(v, 0, 1)) return -Errno.EINVAL;
      tp.inq = v != 0;
      return 0;
    // Hints of Linux that change nothing here: values are checked only.
    case <u32>Opt.THIN_LINEAR_TIMEOUTS: case <u32>Opt.THIN_DUPACK: return inRange(v, 0, 1) ? 0 : -Errno.EINVAL;
    case <u32>Opt.FASTOPEN: case <u32>Opt.FASTOPEN_CONNECT: case <u32>Opt.FASTOPEN_NO_COOKIE: return setFastopen(tp, name, v);
    case <u32>Opt.REPAIR: return -Errno.EPERM;
    default: return -Errno.ENOPROTOOPT;
  }
}

function putInt(p: usize, len: u32, v: i32): i32 {
  const n = min<u32>(len, 4);
  for (let i: u32 = 0; i < n; i++) store<u8>(p + i, <u8>(v >> (i << 3)));
  return n;
}
function putBytes(p: usize, len: u32, from: usize, size: u32): i32 {
  const n = min(len, size);
  memory.copy(p, from, n);
  return n;
}
const CC_INFO: usize = memory.data(24, 8);
@inline function orSysctl(v: u32, k: Sysctl): i32 { return v ? v : sysctl(k); }

/** Writes at most `len` bytes at `p`; the length written, or -errno. */
export function tcpGetsockopt(sk: Sock, name: u32, p: usize, len: u32): i32 {
  const tp = tcb(sk);
  switch (name) {
    case <u32>Opt.NODELAY: return putInt(p, len, tp.nonagle & Nagle.OFF ? 1 : 0);
    case <u32>Opt.MAXSEG: {
      const idle = sk.state == <u8>TcpState.CLOSE || sk.state == <u8>TcpState.LISTEN;
      return putInt(p, len, idle && tp.userMss ? tp.userMss : tp.mssCache);
    }
    case <u32>Opt.CORK: return putInt(p, len, tp.nonagle & Nagle.CORK ? 1 : 0);
    case <u32>Opt.KEEPIDLE: return putInt(p, len, orSysctl(tp.keepIdle, Sysctl.TCP_KEEPALIVE_TIME));
    case <u32>Opt.KEEPINTVL: return putInt(p, len, orSysctl(tp.keepIntvl, Sysctl.TCP_KEEPALIVE_INTVL));
    case <u32>Opt.KEEPCNT: return putInt(p, len, orSysctl(tp.keepCnt, Sysctl.TCP_KEEPALIVE_PROBES));
    case <u32>Opt.SYNCNT: return putInt(p, len, orSysctl(tp.synRetries, Sysctl.TCP_SYN_RETRIES));
    case <u32>Opt.LINGER2: return putInt(p, len, tp.linger2 ? tp.linger2 : sysctl(Sysctl.TCP_FIN_TIMEOUT));
    case <u32>Opt.DEFER_ACCEPT: return putInt(p, len, retransToSecs(tp.deferAccept));
    case <u32>Opt.WINDOW_CLAMP: return putInt(p, len, tp.bindWindowClamp ? tp.bindWindowClamp : tp.windowClamp);
    case <u32>Opt.INFO: return putBytes(p, len, tcpInfo(tp), TCP_INFO_SIZE);
    case <u32>Opt.QUICKACK: return putInt(p, len, tp.pingpong ? 0 : 1);
    case <u32>Opt.CONGESTION: return putBytes(p, len, caName(tp.caId), CA_NAME_MAX);
    case <u32>Opt.USER_TIMEOUT: return putInt(p, len, tp.userTimeout);
    case <u32>Opt.NOTSENT_LOWAT: return putInt(p, len, tp.notsentLowat);
    case <u32>Opt.TIMESTAMP: return putInt(p, len, tsNow(tp));
    case <u32>Opt.INQ: return putInt(p, len, tp.inq ? 1 : 0);
    case <u32>Opt.CC_INFO: return putBytes(p, len, CC_INFO, caInfo(tp, CC_INFO));
    case <u32>Opt.ULP: return 0;
    case <u32>Opt.THIN_LINEAR_TIMEOUTS: case <u32>Opt.THIN_DUPACK: case <u32>Opt.REPAIR: return putInt(p, len, 0);
    case <u32>Opt.AO_INFO: return aoInfo(sk, p, len);
    case <u32>Opt.AO_GET_KEYS: return aoGetKeys(sk, p, len);
    case <u32>Opt.FASTOPEN: return putInt(p, len, tp.tfoMax);
    case <u32>Opt.FASTOPEN_CONNECT: return putInt(p, len, tp.tfoConnect ? 1 : 0);
    case <u32>Opt.FASTOPEN_NO_COOKIE: return putInt(p, len, tp.tfoNoCookie ? 1 : 0);
    case <u32>Opt.FASTOPEN_KEY: {
      const n = fastopenKeys(tp);
      return putBytes(p, len, fastopenKeyBytes(), n);
    }
    default: return -Errno.ENOPROTOOPT;
  }
}
