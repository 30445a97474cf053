// Every export of the core, and nothing else.
import {
  ABI_VERSION, DATA, DATA_SIZE, Errno, HDR, HDR_ABI, HDR_DEADLINE, HDR_DIGEST, HDR_MAGIC, HDR_MAX_SOCKETS, HDR_MEMORY, HDR_SEED,
  TXD_FRAGS, TXD_MAX_FRAGS, TXD_NFRAGS, Usage, VIF_MAX,
} from "./abi";
import { arenaInit, arenaIsLarge, arenaLeft, arenaSeal, arenaUsed, carve } from "./lib/arena";
import { digest } from "./lib/digest";
import { drbgInit } from "./lib/drbg";
import { hashInit } from "./lib/hash";
import { poolUsed } from "./lib/pool";
import { BUF_LARGE, BUF_SMALL, skbInit } from "./core/skb";
import { CHUNK_LARGE, CHUNK_SMALL, chunkInit } from "./core/chunk";
import { dropTable } from "./core/drop";
import { mibTable } from "./core/mib";
import { sockEvents, sockInit } from "./core/sock";
import { softirqRun } from "./core/softirq";
import { Sysctl, sysctl, sysctlInit, sysctlSet } from "./core/sysctl";
import { timerCount, timerDeadline, timerInit, timerRun } from "./core/timer";
import { now } from "./core/time";
import { workerSet } from "./core/worker";
import { loopbackInit } from "./link/loopback";
import {
  ARPHRD_ETHER, DevKind, IFF_BROADCAST, IFF_MULTICAST, devReapAll, netDeviceAlloc, netDeviceByVif, netDeviceInit, vifAttach, vifRingCarve,
} from "./link/net_device";
import { rxPost, rxTake } from "./link/receive";
import { networkInit } from "./network/network";
import { deviceConfGet, deviceConfSet } from "./control/device_conf";
import { rtnetlinkInit } from "./control/rtnetlink";
import { sockDiagInit } from "./control/sock_diag";
import { socketInit } from "./socket/socket";
export {
  sys_accept, sys_bind, sys_close, sys_connect, sys_getpeername, sys_getsockname, sys_getsockopt, sys_ioctl, sys_listen, sys_poll, sys_recvmsg,
  sys_rx_consume, sys_rx_peek, sys_sendmsg, sys_setsockopt, sys_shutdown, sys_socket, sys_tx_commit, sys_tx_reserve,
} from "./socket/syscall";
export { ctl_tproxy, sys_reject, sys_request_answer, sys_request_take } from "./socket/tproxy";
import { macCopy } from "./wire/ethernet";

const DEFAULT_SOCKETS: u32 = 4096;
/** With what the digest writes behind it, it fits into DATA. */
const FRAME_MAX: usize = DATA_SIZE - 128;
/** What the red zones of the sanitizer build add to a buffer and its record. */
const GUARD: u32 = isDefined(SANITIZE) ? 192 : 0;
/** Transmit rings are carved at init, so that devices can come and go later. */
const RINGS: usize = memory.data(64 * 4, 4);
/** Those of a small memory. */
const FEW_RINGS: u32 = 8;

/**
 * Build all tables in the memory described by the header block: HDR_MEMORY bytes, HDR_SEED, HDR_NOW, HDR_MAX_SOCKETS.
 * Call once. Traps (with a reason through host.panic) when the memory is too small.
 */
export function init(): void {
  store<u32>(HDR, 0x4553554e, HDR_MAGIC);
  store<u32>(HDR, ABI_VERSION, HDR_ABI);
  const size = <usize>load<u32>(HDR, HDR_MEMORY);
  let sockets = load<u32>(HDR, HDR_MAX_SOCKETS);
  if (!sockets) sockets = DEFAULT_SOCKETS;
  arenaInit(__heap_base, size);
  drbgInit(HDR + HDR_SEED);
  hashInit();
  sysctlInit();
  timerInit();
  sockInit(sockets, carve(<usize>sockets << 1, 4));
  netDeviceInit();
  const rings = arenaIsLarge() ? VIF_MAX : FEW_RINGS;
  for (let i: u32 = 0; i < rings; i++) store<usize>(RINGS + (<usize>i << 2), vifRingCarve());
  loopbackInit();
  networkInit();
  socketInit(sockets);
  rtnetlinkInit();
  sockDiagInit();
  // What is left is packet and stream memory: a quarter for packets, three quarters for socket buffers.
  const left = arenaLeft() - 65536;
  const packets = left / 4;
  skbInit(<u32>(packets / 4 / (BUF_SMALL + 256 + GUARD)), <u32>(packets / 4 * 3 / (BUF_LARGE + 256 + GUARD)));
  const chunks = left / 4 * 3;
  chunkInit(<u32>(chunks / 4 / (CHUNK_SMALL + 64 + GUARD)), <u32>(chunks / 4 * 3 / (CHUNK_LARGE + 64 + GUARD)));
  arenaSeal();
  rxPost(0);
  store<u64>(HDR, now(), HDR_DEADLINE);
}

/**
 * One turn: take the frames in the first `nrx` receive descriptors, run timers and bottom halves, fill the
 * transmit rings, post receive buffers, and write HDR_DEADLINE.
 */
export function poll(nrx: u32): void {
  devReapAll();
  rxTake(nrx);
  timerRun();
  const more = softirqRun();
  devReapAll();
  rxPost(nrx);
  store<u64>(HDR, more ? now() : timerDeadline(), HDR_DEADLINE);
}

/** Write up to `max` pending readiness events to EVENTS; their number. */
export function events(max: u32): u32 { return sockEvents(max); }

/**
 * Gather the frame of the transmit descriptor at `d` at DATA, and write its digest to HDR_DIGEST. Its length; 0 when that is more than a frame can have.
 * Writes nothing but those two.
 */
export function frame_take(d: usize): u32 {
  const pieces = min<u32>(load<u16>(d, TXD_NFRAGS), TXD_MAX_FRAGS);
  let n: usize = 0;
  for (let i: u32 = 0; i < pieces; i++) {
    const f = d + (<usize>i << 3), length = <usize>load<u32>(f, TXD_FRAGS + 4);
    if (length > FRAME_MAX || n + length > FRAME_MAX) return 0;
    memory.copy(<usize>DATA + n, load<u32>(f, TXD_FRAGS), length);
    n += length;
  }
  digest(DATA, n, HDR + HDR_DIGEST);
  return <u32>n;
}

/**
 * Make the Ethernet device behind vif slot `vif`, down and without addresses.
 * `name`: 16 bytes, NUL padded; `mac`: 6 bytes; `features`: VifFeature bits. Returns the ifindex or -errno.
 */
export function dev_register(vif: u32, name: usize, mac: usize, mtu: u32, features: u32): i32 {
  if (vif >= VIF_MAX || netDeviceByVif(vif)) return -Errno.EEXIST;
  const ring = load<usize>(RINGS + (<usize>vif << 2));
  if (!ring) return -Errno.ENOMEM;
  if (mtu < 68 || mtu > 65535) return -Errno.EINVAL;
  const d = netDeviceAlloc(DevKind.VIF, ARPHRD_ETHER, name, mtu);
  if (!d) return -Errno.ENOMEM;
  d.flags = IFF_BROADCAST | IFF_MULTICAST;
  d.features = features;
  macCopy(d.addr, mac);
  store<u32>(d.bcast, 0xffffffff);
  store<u16>(d.bcast, 0xffff, 4);
  vifAttach(d, vif, ring);
  return <i32>d.ifindex;
}

/** Set the Sysctl number `key`; 0 or -EINVAL. */
export function ctl_sysctl_set(key: u32, value: u32): i32 {
  if (key >= <u32>Sysctl.COUNT) return -Errno.EINVAL;
  sysctlSet(key, value);
  return 0;
}
export function ctl_sysctl_get(key: u32): u32 { return key < <u32>Sysctl.COUNT ? sysctl(key) : 0; }
/** Be worker `index` of `count`, which the host steers frames to by the 80-byte key at `key` (core/worker.ts); 0 or -EINVAL. Before there are sockets. */
export function ctl_worker(index: u32, count: u32, key: usize): i32 { return workerSet(index, count, key) ? 0 : -Errno.EINVAL; }
/** Set or read a DeviceConf value of an interface. */
export function ctl_device_conf_set(ifindex: u32, key: u32, value: u32): i32 { return deviceConfSet(ifindex, key, value); }
export function ctl_device_conf_get(ifindex: u32, key: u32): i32 { return deviceConfGet(ifindex, key); }

/** Address of the u64 drop counters, indexed by Drop. */
export function drop_counters(): usize { return dropTable(); }
/** Address of the u64 SNMP counters, indexed by Mib. */
export function mib_counters(): usize { return mibTable(); }
/** How much of one kind is in use, by Usage. */
export function usage(what: u32): u32 {
  if (what == Usage.BYTES) return <u32>arenaUsed();
  if (what == Usage.TIMERS) return timerCount();
  return poolUsed(what);
}
