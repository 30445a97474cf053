// SOL_SOCKET options (socket(7)).
import { Errno } from "../abi";
import { AF_INET, AF_INET6, AF_NETLINK, Sock, SockFlag, SockKind, sockTakeError } from "../core/sock";
import { Sysctl, sysctl } from "../core/sysctl";
import { NetDevice, netDeviceByIndex, netDeviceByName } from "../link/net_device";
import { filterAttach, filterDetach } from "../transport/filter";
import { Extra, extraHas, extraSet, optInt, optPut, optPutInt } from "./option";

const SO_DEBUG: u32 = 1;
const SO_REUSEADDR: u32 = 2;
const SO_TYPE: u32 = 3;
const SO_ERROR: u32 = 4;
const SO_DONTROUTE: u32 = 5;
const SO_BROADCAST: u32 = 6;
const SO_SNDBUF: u32 = 7;
const SO_RCVBUF: u32 = 8;
const SO_KEEPALIVE: u32 = 9;
const SO_OOBINLINE: u32 = 10;
const SO_NO_CHECK: u32 = 11;
const SO_PRIORITY: u32 = 12;
const SO_LINGER: u32 = 13;
const SO_REUSEPORT: u32 = 15;
const SO_PASSCRED: u32 = 16;
const SO_RCVLOWAT: u32 = 18;
const SO_SNDLOWAT: u32 = 19;
const SO_RCVTIMEO: u32 = 20;
const SO_SNDTIMEO: u32 = 21;
const SO_BINDTODEVICE: u32 = 25;
const SO_ATTACH_FILTER: u32 = 26;
const SO_DETACH_FILTER: u32 = 27;
const SO_TIMESTAMP: u32 = 29;
const SO_ACCEPTCONN: u32 = 30;
const SO_SNDBUFFORCE: u32 = 32;
const SO_RCVBUFFORCE: u32 = 33;
const SO_TIMESTAMPNS: u32 = 35;
const SO_MARK: u32 = 36;
const SO_PROTOCOL: u32 = 38;
const SO_DOMAIN: u32 = 39;
const SO_RXQ_OVFL: u32 = 40;
const SO_BUSY_POLL: u32 = 46;
const SO_MAX_PACING_RATE: u32 = 47;
const SO_INCOMING_CPU: u32 = 49;
const SO_COOKIE: u32 = 57;
const SO_ZEROCOPY: u32 = 60;
const SO_BINDTOIFINDEX: u32 = 62;
const SO_TIMESTAMP_NEW: u32 = 63;
const SO_TIMESTAMPNS_NEW: u32 = 64;
const SO_RCVTIMEO_NEW: u32 = 66;
const SO_SNDTIMEO_NEW: u32 = 67;
const SO_BSDCOMPAT: u32 = 14;
const SO_PEERCRED: u32 = 17;
const SO_PASSSEC: u32 = 34;
const SO_TIMESTAMPING: u32 = 37;
const SO_WIFI_STATUS: u32 = 41;
const SO_PEEK_OFF: u32 = 42;
const SO_NOFCS: u32 = 43;
const SO_LOCK_FILTER: u32 = 44;
const SO_SELECT_ERR_QUEUE: u32 = 45;
const SO_BPF_EXTENSIONS: u32 = 48;
const SO_CNX_ADVICE: u32 = 53;
const SO_MEMINFO: u32 = 55;
const SO_INCOMING_NAPI_ID: u32 = 56;
const SO_PEERGROUPS: u32 = 59;
const SO_TIMESTAMPING_NEW: u32 = 65;
const SO_DETACH_REUSEPORT_BPF: u32 = 68;
const SO_PREFER_BUSY_POLL: u32 = 69;
const SO_BUSY_POLL_BUDGET: u32 = 70;
const SO_NETNS_COOKIE: u32 = 71;
const SO_BUF_LOCK: u32 = 72;
const SO_RESERVE_MEM: u32 = 73;
const SO_TXREHASH: u32 = 74;
const SO_RCVMARK: u32 = 75;
const SO_PASSPIDFD: u32 = 76;
const SO_PEERPIDFD: u32 = 77;
const SO_RCVPRIORITY: u32 = 82;
const SO_PASSRIGHTS: u32 = 83;
/** SOF_TIMESTAMPING_*: all there are, and those with conditions. */
const STAMPING_MASK: u32 = 0x7ffff;
const STAMPING_OPT_ID: u32 = 1 << 7;
const STAMPING_TSONLY: u32 = 1 << 11;
const STAMPING_STATS: u32 = 1 << 12;
const STAMPING_BIND_CLOCK: u32 = 1 << 15;
const STAMPING_ID_TCP: u32 = 1 << 16;
const TCP_CLOSE: u8 = 7;
const TCP_LISTEN: u8 = 10;
/** Smallest buffers (Linux SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF). */
const MIN_RCVBUF: u32 = 2304;
const MIN_SNDBUF: u32 = 4608;

// The boolean option's flag, 0 when the option is not a flag.
function flagOf(name: u32): u32 {
  switch (name) {
    case SO_REUSEADDR: return SockFlag.REUSEADDR;
    case SO_REUSEPORT: return SockFlag.REUSEPORT;
    case SO_DONTROUTE: return SockFlag.DONTROUTE;
    case SO_BROADCAST: return SockFlag.BROADCAST;
    case SO_KEEPALIVE: return SockFlag.KEEPALIVE;
    case SO_OOBINLINE: return SockFlag.OOBINLINE;
    case SO_NO_CHECK: return SockFlag.NO_CHECK;
    case SO_RXQ_OVFL: return SockFlag.RXQ_OVFL;
    default: return 0;
  }
}

// The bit of Sock.extra an option switches, 0 when it is none.
function extraOf(name: u32): u32 {
  switch (name) {
    case SO_DEBUG: return Extra.DEBUG;
    case SO_WIFI_STATUS: return Extra.WIFI;
    case SO_NOFCS: return Extra.NOFCS;
    case SO_SELECT_ERR_QUEUE: return Extra.SELECT_ERR;
    case SO_PREFER_BUSY_POLL: return Extra.PREFER_POLL;
    case SO_RCVMARK: return Extra.RCVMARK;
    case SO_RCVPRIORITY: return Extra.RCVPRIORITY;
    default: return 0;
  }
}

@inline function isInet(sk: Sock): bool { return sk.family == <u16>AF_INET || sk.family == <u16>AF_INET6; }
@inline function isTcp(sk: Sock): bool { return sk.kind == <u8>SockKind.TCP; }
@inline function isUdp(sk: Sock): bool { return sk.kind == <u8>SockKind.UDP; }

// SO_TIMESTAMP and its kin: one choice of resolution and layout.
function stampKind(name: u32): u32 { return name == SO_TIMESTAMP ? 1 : name == SO_TIMESTAMPNS ? 2 : name == SO_TIMESTAMP_NEW ? 5 : name == SO_TIMESTAMPNS_NEW ? 6 : 0; }
function setStamp(sk: Sock, kind: u32, on: bool): i32 {
  sk.set(SockFlag.TIMESTAMP, on);
  sk.set(SockFlag.TIMESTAMPNS, on && (kind & 2) != 0);
  if (on) sk.set(SockFlag.TSTAMP_NEW, (kind & 4) != 0);
  return 0;
}
function getStamp(sk: Sock, kind: u32): i32 {
  return sk.has(SockFlag.TIMESTAMP) && sk.has(SockFlag.TIMESTAMPNS) == ((kind & 2) != 0) && sk.has(SockFlag.TSTAMP_NEW) == ((kind & 4) != 0) ? 1 : 0;
}

// SO_TIMESTAMPING: struct so_timestamping { flags, bind_phc } or the flags alone.
function setStamping(sk: Sock, name: u32, p: usize, len: u32): i32 {
  const v = load<u32>(p);
  if (v & ~STAMPING_MASK) return -Errno.EINVAL;
  if (v & STAMPING_ID_TCP && !(v & STAMPING_OPT_ID)) return -Errno.EINVAL;
  if (isTcp(sk) && v & STAMPING_OPT_ID && !(sk.stamping & STAMPING_OPT_ID) && (sk.state == TCP_CLOSE || sk.state == TCP_LISTEN)) return -Errno.EINVAL;
  if (v & STAMPING_STATS && !(v & STAMPING_TSONLY)) return -Errno.EINVAL;
  if (v & STAMPING_BIND_CLOCK) return -Errno.EOPNOTSUPP; // no device has a clock
  sk.stamping = v;
  sk.stampClock = len == 8 ? load<u32>(p, 4) : 0;
  sk.set(SockFlag.TSTAMP_NEW, name == SO_TIMESTAMPING_NEW);
  return 0;
}

// Tell TCP that an option it acts upon has changed: fn(sk).
const KEEPALIVE_HOOK: usize = memory.data(4, 4);
const PACING_HOOK: usize = memory.data(4, 4);
/** Functions that TCP wants called after SO_KEEPALIVE and SO_MAX_PACING_RATE. */
export function onTcpOptions(keepalive: u32, pacing: u32): void {
  store<u32>(KEEPALIVE_HOOK, keepalive);
  store<u32>(PACING_HOOK, pacing);
}

export function setSocketOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name == SO_BINDTODEVICE) return bindToDevice(sk, p, len);
  if (len < 4) return -Errno.EINVAL;
  if (name == SO_DETACH_FILTER) {
    if (extraHas(sk, Extra.LOCK_FILTER)) return -Errno.EPERM;
    if (!sk.filter) return -Errno.ENOENT;
    filterDetach(sk);
    return 0;
  }
  if (name == SO_ATTACH_FILTER) return extraHas(sk, Extra.LOCK_FILTER) ? -Errno.EPERM : attach(sk, p, len);
  const v = optInt(p, len);
  const flag = flagOf(name);
  if (flag) {
    if (name == SO_REUSEPORT && v && !isInet(sk)) return -Errno.EOPNOTSUPP;
    sk.set(flag, v != 0);
    if (name == SO_KEEPALIVE && sk.kind == <u8>SockKind.TCP && load<u32>(KEEPALIVE_HOOK)) call_indirect<void>(load<u32>(KEEPALIVE_HOOK), sk);
    return 0;
  }
  const bit = extraOf(name);
  if (bit) return extraSet(sk, bit, v != 0);
  if (stampKind(name)) return setStamp(sk, stampKind(name), v != 0);
  switch (name) {
    case SO_SNDBUF: // doubled for overhead, as Linux
      sk.sndbuf = max(min(<u32>v, sysctl(Sysctl.CORE_WMEM_MAX)) * 2, MIN_SNDBUF);
      sk.set(SockFlag.SNDBUF_LOCK, true);
      return 0;
    case SO_RCVBUF:
      sk.rcvbuf = max(min(<u32>v, sysctl(Sysctl.CORE_RMEM_MAX)) * 2, MIN_RCVBUF);
      sk.set(SockFlag.RCVBUF_LOCK, true);
      return 0;
    case SO_SNDBUFFORCE:
      sk.sndbuf = max(min<u32>(<u32>max(v, 0), 64 << 20) * 2, MIN_SNDBUF);
      sk.set(SockFlag.SNDBUF_LOCK, true);
      return 0;
    case SO_RCVBUFFORCE:
      sk.rcvbuf = max(min<u32>(<u32>max(v, 0), 64 << 20) * 2, MIN_RCVBUF);
      sk.set(SockFlag.RCVBUF_LOCK, true);
      return 0;
    case SO_PRIORITY:
      if (sk.uid != 0 && (v < 0 || v > 6)) return -Errno.EPERM;
      sk.priority = v;
      return 0;
    case SO_MARK:
      if (sk.uid != 0) return -Errno.EPERM;
      sk.mark = v;
      return 0;
    case SO_RCVLOWAT:
      sk.rcvlowat = lowat(sk, v);
      return 0;
    case SO_LINGER:
      if (len < 8) return -Errno.EINVAL;
      sk.set(SockFlag.LINGER, v != 0);
      if (v) sk.linger = load<u32>(p, 4);
      return 0;
    case SO_BINDTOIFINDEX:
      if (v < 0) return -Errno.EINVAL;
      sk.boundIf = v;
      return 0;
    case SO_BUF_LOCK:
      if (v & ~3) return -Errno.EINVAL;
      sk.set(SockFlag.SNDBUF_LOCK, (v & 1) != 0);
      sk.set(SockFlag.RCVBUF_LOCK, (v & 2) != 0);
      return 0;
    case SO_LOCK_FILTER:
      return extraHas(sk, Extra.LOCK_FILTER) && !v ? -Errno.EPERM : extraSet(sk, Extra.LOCK_FILTER, v != 0);
    default: return setHint(sk, name, v, p, len);
  }
}

// Options that are kept and told but change little or nothing here.
function setHint(sk: Sock, name: u32, v: i32, p: usize, len: u32): i32 {
  switch (name) {
    // The glue acts on the times itself.
    case SO_RCVTIMEO: case SO_SNDTIMEO: case SO_RCVTIMEO_NEW: case SO_SNDTIMEO_NEW: case SO_BSDCOMPAT: case SO_CNX_ADVICE: return 0;
    case SO_TIMESTAMPING: case SO_TIMESTAMPING_NEW: return setStamping(sk, name, p, len);
    case SO_BUSY_POLL:
      if (v < 0) return -Errno.EINVAL;
      sk.busyPoll = v;
      return 0;
    case SO_BUSY_POLL_BUDGET: return v < 0 || v > 65535 ? -Errno.EINVAL : 0;
    case SO_MAX_PACING_RATE:
      sk.pacing = len >= 8 ? load<u64>(p) : v == -1 ? u64.MAX_VALUE : <u64><u32>v;
      if (sk.kind == <u8>SockKind.TCP && load<u32>(PACING_HOOK)) call_indirect<void>(load<u32>(PACING_HOOK), sk);
      return 0;
    case SO_INCOMING_CPU:
      sk.incomingCpu = v;
      return 0;
    case SO_PEEK_OFF:
      if (!isTcp(sk) && !isUdp(sk)) return -Errno.EOPNOTSUPP;
      sk.peekOff = v;
      return 0;
    case SO_ZEROCOPY:
      if (!isTcp(sk) && !isUdp(sk)) return -Errno.EOPNOTSUPP;
      return v < 0 || v > 1 ? -Errno.EINVAL : extraSet(sk, Extra.ZEROCOPY, v != 0);
    case SO_TXREHASH:
      if (!isTcp(sk)) return -Errno.EOPNOTSUPP;
      return v < -1 || v > 1 ? -Errno.EINVAL : extraSet(sk, Extra.NO_TXREHASH, v == 0);
    case SO_RESERVE_MEM: return v < 0 ? -Errno.EINVAL : -Errno.EOPNOTSUPP;
    case SO_DETACH_REUSEPORT_BPF: return sk.has(SockFlag.REUSEPORT) ? -Errno.ENOENT : -Errno.EINVAL;
    case SO_PASSCRED: case SO_PASSSEC: case SO_PASSPIDFD: case SO_PASSRIGHTS: return sk.family == <u16>AF_NETLINK ? 0 : -Errno.EOPNOTSUPP;
    default: return -Errno.ENOPROTOOPT;
  }
}

// TCP wants at most half of its buffer before it wakes the reader (Linux tcp_set_rcvlowat).
function lowat(sk: Sock, v: i32): u32 {
  let n = v < 0 ? <u32>i32.MAX_VALUE : <u32>v;
  if (isTcp(sk)) n = min(n, (sk.has(SockFlag.RCVBUF_LOCK) ? sk.rcvbuf : sysctl(Sysctl.TCP_RMEM_MAX)) >> 1);
  return n ? n : 1;
}

// Linux: the value is a name; an empty one unbinds.
function bindToDevice(sk: Sock, p: usize, len: u32): i32 {
  const buf = NAME_BUF;
  memory.fill(buf, 0, 16);
  memory.copy(buf, p, min<u32>(len, 15));
  if (!load<u8>(buf)) {
    sk.boundIf = 0;
    return 0;
  }
  const d = netDeviceByName(buf);
  if (!d) return -Errno.ENODEV;
  sk.boundIf = d.ifindex;
  return 0;
}
const NAME_BUF: usize = memory.data(16, 8);

// struct sock_fprog with the instructions copied behind it by the caller: {count u16, pad, pointer u64, insns}.
function attach(sk: Sock, p: usize, len: u32): i32 {
  if (len < 16) return -Errno.EINVAL;
  const count = <u32>load<u16>(p);
  if (len < 16 + (count << 3)) return -Errno.EINVAL;
  return filterAttach(sk, p + 16, count);
}

export function getSocketOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  const flag = flagOf(name);
  if (flag) return optPutInt(p, len, sk.has(flag) ? 1 : 0);
  const bit = extraOf(name);
  if (bit) return optPutInt(p, len, extraHas(sk, bit) ? 1 : 0);
  if (stampKind(name)) return optPutInt(p, len, getStamp(sk, stampKind(name)));
  switch (name) {
    case SO_TYPE: return optPutInt(p, len, sk.type);
    case SO_ERROR: return optPutInt(p, len, <i32>sockTakeError(sk));
    case SO_SNDBUF: return optPutInt(p, len, sk.sndbuf);
    case SO_RCVBUF: return optPutInt(p, len, sk.rcvbuf);
    case SO_PRIORITY: return optPutInt(p, len, sk.priority);
    case SO_MARK: return optPutInt(p, len, sk.mark);
    case SO_RCVLOWAT: return optPutInt(p, len, sk.rcvlowat);
    case SO_SNDLOWAT: return optPutInt(p, len, 1);
    case SO_ACCEPTCONN: return optPutInt(p, len, isTcp(sk) && sk.state == TCP_LISTEN ? 1 : 0);
    case SO_PROTOCOL: return optPutInt(p, len, sk.protocol);
    case SO_DOMAIN: return optPutInt(p, len, sk.family);
    case SO_BINDTOIFINDEX: return optPutInt(p, len, sk.boundIf);
    case SO_LOCK_FILTER: return optPutInt(p, len, extraHas(sk, Extra.LOCK_FILTER) ? 1 : 0);
    case SO_BUF_LOCK: return optPutInt(p, len, (sk.has(SockFlag.SNDBUF_LOCK) ? 1 : 0) | (sk.has(SockFlag.RCVBUF_LOCK) ? 2 : 0));
    case SO_LINGER:
      store<i32>(TMP, sk.has(SockFlag.LINGER) ? 1 : 0);
      store<u32>(TMP, sk.linger, 4);
      return optPut(p, len, TMP, 8);
    case SO_COOKIE:
      store<u64>(TMP, <u64>sk.handle + 1);
      return len < 8 ? -Errno.EINVAL : optPut(p, len, TMP, 8);
    case SO_RCVTIMEO: case SO_SNDTIMEO: case SO_RCVTIMEO_NEW: case SO_SNDTIMEO_NEW:
      store<u64>(TMP, 0);
      store<u64>(TMP, 0, 8);
      return optPut(p, len, TMP, 16);
    case SO_BINDTODEVICE: {
      const d: NetDevice | null = sk.boundIf ? netDeviceByIndex(sk.boundIf) : null;
      if (!d) return sk.boundIf ? -Errno.ENODEV : 0;
      if (len < 16) return -Errno.EINVAL;
      let n: u32 = 0;
      while (n < 15 && load<u8>(d.name + n)) n++;
      return optPut(p, len, d.name, n + 1);
    }
    default: return getHint(sk, name, p, len);
  }
}
const TMP: usize = memory.data(40, 8);

function getHint(sk: Sock, name: u32, p: usize, len: u32): i32 {
  switch (name) {
    case SO_BSDCOMPAT: case SO_INCOMING_NAPI_ID: case SO_RESERVE_MEM: return optPutInt(p, len, 0);
    case SO_BPF_EXTENSIONS: return optPutInt(p, len, 64); // SKF_AD_MAX
    case SO_BUSY_POLL: return optPutInt(p, len, sk.busyPoll);
    case SO_INCOMING_CPU: return optPutInt(p, len, sk.incomingCpu);
    case SO_ZEROCOPY: return optPutInt(p, len, extraHas(sk, Extra.ZEROCOPY) ? 1 : 0);
    case SO_PEEK_OFF: return isTcp(sk) || isUdp(sk) ? optPutInt(p, len, sk.peekOff) : -Errno.EOPNOTSUPP;
    case SO_TXREHASH: return isTcp(sk) ? optPutInt(p, len, extraHas(sk, Extra.NO_TXREHASH) ? 0 : 1) : -Errno.EOPNOTSUPP;
    case SO_MAX_PACING_RATE:
      store<u64>(TMP, sk.pacing);
      if (len < 8) store<u32>(TMP, <u32>min<u64>(sk.pacing, u32.MAX_VALUE));
      return optPut(p, len, TMP, len < 8 ? 4 : 8);
    case SO_TIMESTAMPING: case SO_TIMESTAMPING_NEW: {
      const mine = sk.has(SockFlag.TSTAMP_NEW) == (name == SO_TIMESTAMPING_NEW);
      store<u32>(TMP, mine ? sk.stamping : 0);
      store<u32>(TMP, mine ? sk.stampClock : 0, 4);
      return optPut(p, len, TMP, 8);
    }
    case SO_MEMINFO:
      socketMemory(sk, TMP);
      return optPut(p, len, TMP, 36);
    case SO_NETNS_COOKIE:
      store<u64>(TMP, 1);
      return len == 8 ? optPut(p, len, TMP, 8) : -Errno.EINVAL;
    case SO_PEERCRED: // struct ucred { 0, -1, -1 }: nobody
      store<u32>(TMP, 0);
      store<i64>(TMP, -1, 4);
      return optPut(p, len, TMP, 12);
    case SO_PEERGROUPS: case SO_PEERPIDFD: return -Errno.ENODATA;
    case SO_PASSCRED: case SO_PASSSEC: case SO_PASSPIDFD: case SO_PASSRIGHTS:
      return sk.family == <u16>AF_NETLINK ? optPutInt(p, len, 0) : -Errno.EOPNOTSUPP;
    default: return -Errno.ENOPROTOOPT;
  }
}

/** SK_MEMINFO_*: nine u32 at `p`: received, receive buffer, sending, send buffer, then forward, queued, options, backlog, drops. */
export function socketMemory(sk: Sock, p: usize): void {
  memory.fill(p, 0, 36);
  store<u32>(p, sk.rmem);
  store<u32>(p, sk.rcvbuf, 4);
  store<u32>(p, sk.wmem, 8);
  store<u32>(p, sk.sndbuf, 12);
  store<u32>(p, sk.drops, 32);
}
