// SOL_SOCKET options (socket(7)).
import { Errno } from "../abi";
import { Sock, SockFlag, SockKind, sockTakeError } from "../core/sock";
import { Sysctl, sysctl } from "../core/sysctl";
import { NetDevice, netDeviceByIndex, netDeviceByName } from "../link/net_device";
import { filterAttach, filterDetach } from "../transport/filter";
import { optInt, optPut, optPutInt } from "./option";

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
    case SO_TIMESTAMP: case SO_TIMESTAMP_NEW: return SockFlag.TIMESTAMP;
    case SO_TIMESTAMPNS: case SO_TIMESTAMPNS_NEW: return SockFlag.TIMESTAMPNS;
    case SO_RXQ_OVFL: return SockFlag.RXQ_OVFL;
    default: return 0;
  }
}

/** Tells TCP that an option it acts upon has changed: fn(sk). */
const KEEPALIVE_HOOK: usize = memory.data(4, 4);
export function onKeepalive(fn: u32): void { store<u32>(KEEPALIVE_HOOK, fn); }

export function setSocketOption(sk: Sock, name: u32, p: usize, len: u32): i32 {
  if (name == SO_BINDTODEVICE) return bindToDevice(sk, p, len);
  if (name == SO_DETACH_FILTER) {
    if (!sk.filter) return -Errno.ENOENT;
    filterDetach(sk);
    return 0;
  }
  if (name == SO_ATTACH_FILTER) return attach(sk, p, len);
  if (len < 4) return -Errno.EINVAL;
  const v = optInt(p, len);
  const flag = flagOf(name);
  if (flag) {
    sk.set(flag, v != 0);
    if (flag == SockFlag.TIMESTAMPNS) sk.set(SockFlag.TIMESTAMP, false);
    if (name == SO_KEEPALIVE && sk.kind == <u8>SockKind.TCP && load<u32>(KEEPALIVE_HOOK)) call_indirect<void>(load<u32>(KEEPALIVE_HOOK), sk);
    return 0;
  }
  switch (name) {
    case SO_SNDBUF: // doubled for overhead, as Linux
      sk.sndbuf = max(min(<u32>max(v, 0), sysctl(Sysctl.CORE_WMEM_MAX)) * 2, MIN_SNDBUF);
      sk.set(SockFlag.SNDBUF_LOCK, true);
      return 0;
    case SO_RCVBUF:
      sk.rcvbuf = max(min(<u32>max(v, 0), sysctl(Sysctl.CORE_RMEM_MAX)) * 2, MIN_RCVBUF);
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
      sk.priority = v;
      return 0;
    case SO_MARK:
      sk.mark = v;
      return 0;
    case SO_RCVLOWAT:
      sk.rcvlowat = v < 0 ? i32.MAX_VALUE : max(v, 1);
      return 0;
    case SO_LINGER:
      if (len < 8) return -Errno.EINVAL;
      sk.set(SockFlag.LINGER, v != 0);
      sk.linger = max(load<i32>(p, 4), 0);
      return 0;
    case SO_BINDTOIFINDEX:
      if (v < 0) return -Errno.EINVAL;
      if (v && !netDeviceByIndex(v)) return -Errno.ENODEV;
      sk.boundIf = v;
      return 0;
    // Accepted without effect here: the glue acts on the times itself; the rest are hints.
    case SO_RCVTIMEO: case SO_SNDTIMEO: case SO_RCVTIMEO_NEW: case SO_SNDTIMEO_NEW:
    case SO_DEBUG: case SO_BUSY_POLL: case SO_MAX_PACING_RATE: case SO_INCOMING_CPU: case SO_PASSCRED:
      return 0;
    default:
      return -Errno.ENOPROTOOPT;
  }
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
  switch (name) {
    case SO_TYPE: return optPutInt(p, len, sk.type);
    case SO_ERROR: return optPutInt(p, len, <i32>sockTakeError(sk));
    case SO_SNDBUF: return optPutInt(p, len, sk.sndbuf);
    case SO_RCVBUF: return optPutInt(p, len, sk.rcvbuf);
    case SO_PRIORITY: return optPutInt(p, len, sk.priority);
    case SO_MARK: return optPutInt(p, len, sk.mark);
    case SO_RCVLOWAT: return optPutInt(p, len, sk.rcvlowat);
    case SO_SNDLOWAT: return optPutInt(p, len, 1);
    case SO_ACCEPTCONN: return optPutInt(p, len, sk.kind == <u8>SockKind.TCP && sk.state == TCP_LISTEN ? 1 : 0);
    case SO_PROTOCOL: return optPutInt(p, len, sk.protocol);
    case SO_DOMAIN: return optPutInt(p, len, sk.family);
    case SO_BINDTOIFINDEX: return optPutInt(p, len, sk.boundIf);
    case SO_INCOMING_CPU: case SO_DEBUG: case SO_BUSY_POLL: case SO_PASSCRED: case SO_ZEROCOPY: return optPutInt(p, len, 0);
    case SO_LINGER: {
      store<i32>(TMP, sk.has(SockFlag.LINGER) ? 1 : 0);
      store<u32>(TMP, sk.linger, 4);
      return optPut(p, len, TMP, 8);
    }
    case SO_COOKIE:
      store<u64>(TMP, <u64>sk.handle + 1);
      return len < 8 ? -Errno.EINVAL : optPut(p, len, TMP, 8);
    case SO_RCVTIMEO: case SO_SNDTIMEO: case SO_RCVTIMEO_NEW: case SO_SNDTIMEO_NEW:
      store<u64>(TMP, 0);
      store<u64>(TMP, 0, 8);
      return optPut(p, len, TMP, 16);
    case SO_BINDTODEVICE: {
      const d: NetDevice | null = sk.boundIf ? netDeviceByIndex(sk.boundIf) : null;
      if (!d) return 0;
      let n: u32 = 0;
      while (n < 15 && load<u8>(d.name + n)) n++;
      return len < n + 1 ? -Errno.EINVAL : optPut(p, len, d.name, n + 1);
    }
    default: return -Errno.ENOPROTOOPT;
  }
}
const TMP: usize = memory.data(16, 8);
