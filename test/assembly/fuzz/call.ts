// Ops that are system calls, with arguments that may be anything a program could pass: the host hands over copies, so addresses
// are always inside the areas of the ABI; lengths, handles, names and contents are the test case's.
import {
  ARG, CONTROL, CONTROL_SIZE, DATA, IOV, MSGHDR_SIZE, MSG_CONTROL, MSG_CONTROLLEN, MSG_DATA, MSG_DATALEN, MSG_NAME, MSG_NAMELEN, REQ_SIZE,
} from "../../../assembly/abi";
import { Sysctl } from "../../../assembly/core/sysctl";
import { csumAdd } from "../../../assembly/lib/checksum";
import { Broken } from "./broken";
import {
  ctl_device_conf_get, ctl_device_conf_set, ctl_sysctl_get, ctl_sysctl_set, ctl_tproxy, fail, sys_accept, sys_bind, sys_close, sys_connect, sys_getpeername,
  sys_getsockname, sys_getsockopt, sys_ioctl, sys_listen, sys_poll, sys_recvmsg, sys_reject, sys_request_answer, sys_request_take, sys_rx_consume, sys_rx_peek,
  sys_sendmsg, sys_setsockopt, sys_shutdown, sys_socket, sys_tx_commit, sys_tx_reserve,
} from "./core";
import { flowForeign } from "./flow";
import { left, rest, skip, u16In, u8In } from "./input";
import { mix } from "./wire";

const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_PACKET: u32 = 17;
const SOCK_RAW: u32 = 3;
const NAME: usize = ARG + 256;
const VALUE: usize = ARG + 512;
/** Longest option value, ioctl argument. */
const VALUE_MAX: u32 = 2048;
const DATA_MAX: u32 = 0x10000;

/** Open sockets: handles, and their families. */
const SOCKETS: u32 = 24;
const HANDLES: usize = memory.data(24 * 4, 4);
const FAMILIES: usize = memory.data(24 * 4, 4);
let sockets: u32 = 0;
export let calls: u32 = 0;
/** Settings as they were at the start. */
const SETTINGS: usize = memory.data(128 * 4, 4);

export function callStart(): void {
  sockets = 0;
  slot = 0;
  calls = 0;
  taken = false;
  for (let k: u32 = 0; k < <u32>Sysctl.COUNT; k++) store<u32>(SETTINGS + (k << 2), ctl_sysctl_get(k));
}

/** Close everything and restore the settings: the last thing a test case does. */
export function callEnd(): void {
  for (let k: u32 = 0; k < <u32>Sysctl.COUNT; k++) ctl_sysctl_set(k, load<u32>(SETTINGS + (k << 2)));
  while (sockets) sys_close(load<u32>(HANDLES + (--sockets << 2)));
}

// Every result goes into the hash; the worst errno Linux has is 133.
function result(r: i32): i32 {
  calls++;
  if (r < -133) fail(Broken.RESULT, r, 0);
  mix(<u64>r);
  return r;
}

function opened(r: i32, family: u32): void {
  if (result(r) < 0) return;
  if (sockets == SOCKETS) {
    result(sys_close(r));
    return;
  }
  store<i32>(HANDLES + (sockets << 2), r);
  store<u32>(FAMILIES + (sockets++ << 2), family);
}

// The socket an operand means: 0..199 one of the open ones, above that a handle that is not a socket's.
function handleIn(): u32 {
  const i = u8In();
  if (i >= 200) return i * 0x01010101;
  slot = sockets ? i % sockets : 0;
  return sockets ? load<u32>(HANDLES + (slot << 2)) : 0;
}
let slot: u32 = 0;
@inline function family(): u32 { return sockets ? load<u32>(FAMILIES + (slot << 2)) : AF_INET; }

const FAMILY_TABLE: usize = memory.data<u32>([2, 10, 16, 17, 2, 10, 0, 1]);
const PROTOCOL_TABLE: usize = memory.data<u32>([0, 6, 17, 1, 58, 255, 4, 2, 0x0300, 0x0008, 0xdd86, 136, 89, 256, 41, 0x0608]);

/** family, type, protocol (each an index). */
export function opSocket(): void {
  const f = load<u32>(FAMILY_TABLE + ((u8In() & 7) << 2)), type = u8In(), protocol = load<u32>(PROTOCOL_TABLE + ((u8In() & 15) << 2));
  if (f == AF_PACKET || (type & 15) == SOCK_RAW) flowForeign();
  opened(sys_socket(f, type & 15, protocol), f);
}
export function opAccept(): void {
  const h = handleIn();
  opened(sys_accept(h), family());
}
export function opClose(): void {
  const h = handleIn();
  if (h != (sockets ? load<u32>(HANDLES + (slot << 2)) : 0)) {
    result(sys_close(h));
    return;
  }
  result(sys_close(h));
  if (!sockets) return;
  sockets--;
  store<u32>(HANDLES + (slot << 2), load<u32>(HANDLES + (sockets << 2)));
  store<u32>(FAMILIES + (slot << 2), load<u32>(FAMILIES + (sockets << 2)));
}

const V4: usize = memory.data<u8>([
  0, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 127, 0, 0, 1, 10, 1, 0, 2, 10, 1, 0, 1, 255, 255, 255, 255, 10, 0, 0, 255,
  224, 0, 0, 251, 239, 255, 255, 255, 192, 0, 2, 1, 10, 0, 0, 77, 10, 9, 0, 1, 127, 0, 0, 2, 232, 1, 2, 3, 240, 0, 0, 1,
]);

// Operands: choice (low 4 bits the address, 16 the other family, 32 v4-mapped, 64 raw bytes follow), port; into NAME, its length.
function nameIn(): u32 {
  const choice = u8In(), port = u16In();
  memory.fill(NAME, 0, 160);
  if (choice & 64) {
    const n = min<u32>(left(), 128);
    memory.copy(NAME, rest(), n);
    skip(n);
    return n;
  }
  let f = family();
  if (choice & 16) f = f == AF_INET ? AF_INET6 : AF_INET;
  const v4 = V4 + ((choice & 15) << 2);
  store<u16>(NAME, <u16>f);
  store<u8>(NAME + 2, <u8>(port >> 8));
  store<u8>(NAME + 3, <u8>port);
  if (f == AF_INET) {
    memory.copy(NAME + 4, v4, 4);
    return 16;
  }
  if (f == AF_PACKET) { // sockaddr_ll: interface, address of the peer
    store<u16>(NAME + 2, <u16>port);
    store<u32>(NAME + 4, choice & 3);
    store<u64>(NAME + 11, 0x0200000000000206 + (<u64>0x02 << 8));
    return 20;
  }
  if (f == 16) return 12;
  if (choice & 32) {
    store<u16>(NAME + 18, 0xffff);
    memory.copy(NAME + 20, v4, 4);
    return 28;
  }
  name6(choice & 15);
  return 28;
}

// The IPv6 counterpart of V4's entries.
function name6(i: u32): void {
  const p = NAME + 8;
  switch (i) {
    case 0: break;
    case 1: case 2: case 11: store<u8>(p, 0xfd), store<u8>(p + 15, <u8>(i == 11 ? 77 : i)); break;
    case 3: store<u8>(p + 15, 1); break;
    case 4: case 5: store<u16>(p, 0x01fd), store<u8>(p + 15, i == 4 ? 2 : 1); break;
    case 6: case 8: store<u16>(p, 0x02ff), store<u8>(p + 15, i == 6 ? 1 : 0xfb), store<u32>(p + 16, 2); break;
    case 7: store<u16>(p, 0x80fe), store<u8>(p + 15, 2), store<u32>(p + 16, 2); break;
    case 9: store<u16>(p, 0x05ff), store<u16>(p + 14, 0x3412); break;
    default: store<u32>(p, 0xb80d0120), store<u8>(p + 15, <u8>i); break;
  }
}

export function opBind(): void {
  const h = handleIn(), n = nameIn();
  result(sys_bind(h, NAME, n));
}
export function opConnect(): void {
  const h = handleIn(), n = nameIn();
  result(sys_connect(h, NAME, n));
}
export function opListen(): void {
  const h = handleIn();
  result(sys_listen(h, <i32>u8In() - 2));
}
export function opShutdown(): void {
  const h = handleIn();
  result(sys_shutdown(h, u8In()));
}
export function opNames(): void {
  const h = handleIn();
  result(sys_getsockname(h, NAME));
  result(sys_getpeername(h, NAME));
  result(sys_poll(h));
}

const LEVELS: usize = memory.data<u32>([1, 0, 41, 6, 17, 255, 58, 263, 270, 136, 1, 0, 41, 6, 17, 99]);
const INTS: usize = memory.data<i32>([0, 1, -1, 2, 3, 7, 16, 64, 255, 256, 536, 1280, 4096, 65535, 0x7fffffff, -0x80000000]);

/** Socket, level (index), name, form (high 4 bits 0: int of INTS; else the bytes that follow, their length lies by the low bits). */
export function opSetOption(): void {
  const h = handleIn(), level = load<u32>(LEVELS + ((u8In() & 15) << 2)), name = u8In(), form = u8In();
  let n: u32 = 4;
  memory.fill(VALUE, 0, 512);
  if (form < 16) store<i32>(VALUE, load<i32>(INTS + (form << 2)));
  else {
    n = min<u32>(left(), VALUE_MAX);
    memory.copy(VALUE, rest(), n);
    skip(n);
  }
  if (level == 0 && name == 3) flowForeign(); // IP_HDRINCL
  result(sys_setsockopt(h, level, name, VALUE, n));
}
/** Socket, level, name, length, then the value going in. */
export function opGetOption(): void {
  const h = handleIn(), level = load<u32>(LEVELS + ((u8In() & 15) << 2)), name = u8In(), len = min(u16In(), VALUE_MAX);
  const n = min<u32>(left(), VALUE_MAX);
  memory.copy(VALUE, rest(), n);
  skip(n);
  const r = result(sys_getsockopt(h, level, name, VALUE, len));
  if (r > <i32>len) fail(Broken.RESULT, r, len);
}
/** Socket, command, then the argument. */
export function opIoctl(): void {
  const h = handleIn(), cmd = u16In();
  memory.fill(VALUE, 0, 64);
  memory.copy(VALUE, rest(), min<u32>(left(), 40));
  skip(40);
  if (cmd == 0x8912) store<u32>(VALUE, min(load<u32>(VALUE), VALUE_MAX)); // SIOCGIFCONF: the host bounds its room
  result(sys_ioctl(h, cmd, VALUE));
}

const SEND_FLAGS: usize = memory.data<u32>([0, 0x8000, 0x40, 1, 0x4000, 4, 0x800, 0x8001]);
const RECEIVE_FLAGS: usize = memory.data<u32>([0, 2, 0x20, 0x2000, 1, 0x40, 0x100, 0x22]);

function message(named: u32, len: u32, control: u32): void {
  memory.fill(ARG, 0, MSGHDR_SIZE);
  store<u32>(ARG, named ? <u32>NAME : 0, MSG_NAME);
  store<u32>(ARG, named, MSG_NAMELEN);
  store<u32>(ARG, DATA, MSG_DATA);
  store<u32>(ARG, len, MSG_DATALEN);
  store<u32>(ARG, control ? CONTROL : 0, MSG_CONTROL);
  store<u32>(ARG, control, MSG_CONTROLLEN);
}

/** Socket, how (low 3 bits flags, 8 with a name, 16 with ancillary data, 32 data follows), length, name, control length and data. */
export function opSend(): void {
  const h = handleIn(), how = u8In(), len = u16In();
  const named = how & 8 ? nameIn() : 0;
  let control: u32 = 0;
  if (how & 16) {
    control = min(min(u8In(), left()), CONTROL_SIZE);
    memory.copy(CONTROL, rest(), control);
    skip(control);
  }
  for (let i: u32 = 0; i < min<u32>(len, 64); i++) store<u8>(DATA + i, <u8>i);
  const n = min(left(), len);
  memory.copy(DATA, rest(), n);
  skip(n);
  message(named, len, control);
  result(sys_sendmsg(h, ARG, load<u32>(SEND_FLAGS + ((how & 7) << 2))));
}
/** Socket, how (low 3 bits flags, 8 with a name, 16 with ancillary data), room, room for control. */
export function opReceive(): void {
  const h = handleIn(), how = u8In(), room = u16In();
  message(how & 8 ? 128 : 0, room, how & 16 ? u8In() : 0);
  const r = result(sys_recvmsg(h, ARG, load<u32>(RECEIVE_FLAGS + ((how & 7) << 2))));
  if (r > 0) mix(csumAdd(DATA, min<u32>(min<u32>(r, room), 256)));
}
/** Socket, bytes wanted, bytes committed (may be more), flags. */
export function opWrite(): void {
  const h = handleIn(), want = u16In(), n = u16In(), flags = load<u32>(SEND_FLAGS + ((u8In() & 7) << 2));
  const pairs = result(sys_tx_reserve(h, want));
  for (let i: i32 = 0; i < pairs; i++) memory.fill(load<u32>(IOV + (i << 3)), <u8>n, load<u32>(IOV + (i << 3), 4));
  result(sys_tx_commit(h, n, flags));
}
/** Socket, bytes looked at, bytes taken (may be more). */
export function opRead(): void {
  const h = handleIn(), want = u16In(), n = u16In();
  const pairs = result(sys_rx_peek(h, want));
  for (let i: i32 = 0; i < pairs; i++) mix(csumAdd(load<u32>(IOV + (i << 3)), load<u32>(IOV + (i << 3), 4)));
  result(sys_rx_consume(h, n));
}

/** TCP_INFO of a socket makes sense: segments sacked and lost are in flight, the window is not absurd. */
export function opInfo(): void {
  const h = handleIn();
  if (result(sys_getsockopt(h, 6, 11, VALUE, 512)) != 280) return;
  const out = load<u32>(VALUE, 24), sacked = load<u32>(VALUE, 28), lost = load<u32>(VALUE, 32), retrans = load<u32>(VALUE, 36), cwnd = load<u32>(VALUE, 80);
  if (load<u8>(VALUE) == 10) return; // of a listener these are its queue
  if (sacked + lost > out || retrans > out || out > 1000000) fail(Broken.TCP_COUNTERS, sacked + lost, out);
  if (cwnd < 1 || cwnd > 1000000) fail(Broken.TCP_COUNTERS, cwnd, 0);
}

/** Setting, value. */
export function opSysctl(): void {
  const key = u8In(), value = load<u32>(INTS + ((u8In() & 15) << 2));
  result(ctl_sysctl_set(key, value));
  mix(ctl_sysctl_get(key));
}
export function opDeviceConf(): void {
  const ifindex = u8In() & 3, key = u8In() & 7, value = load<u32>(INTS + ((u8In() & 15) << 2));
  result(ctl_device_conf_set(ifindex, key, value));
  result(ctl_device_conf_get(ifindex, key));
}

/** The host's calls of a transparent gateway: what, socket, errno. */
export function opGateway(): void {
  const what = u8In(), h = handleIn(), errno = u8In();
  switch (what & 3) {
    case 0: result(ctl_tproxy(h)); break;
    case 1:
      if (!result(sys_request_take(h, REQUEST))) taken = true;
      break;
    case 2:
      if (taken) memory.copy(VALUE, REQUEST, REQ_SIZE);
      else memory.fill(VALUE, 0, REQ_SIZE);
      result(sys_request_answer(h, VALUE, errno));
      break;
    default: {
      const n = nameIn();
      memory.copy(VALUE, NAME, n);
      nameIn();
      memory.copy(VALUE + 28, NAME, 28);
      memory.fill(DATA, 0, 512);
      const len = min(left(), 600);
      memory.copy(DATA, rest(), len);
      skip(len);
      result(sys_reject(what >> 6, what & 4 ? 17 : 6, VALUE, DATA, len, errno));
    }
  }
}
/** The last request taken. */
const REQUEST: usize = memory.data(64, 8);
let taken: bool = false;

let netlink: i32 = -1;
let netlinkProtocol: u32 = 0;
/** The netlink socket that tests the control plane, closed with the others. */
function netlinkOf(protocol: u32): i32 {
  if (netlink >= 0 && netlinkProtocol == protocol) return netlink;
  if (netlink >= 0) sys_close(netlink);
  netlink = sys_socket(16, SOCK_RAW, protocol);
  netlinkProtocol = protocol;
  return netlink;
}
export function netlinkStart(): void { netlink = -1; }
export function netlinkEnd(): void {
  if (netlink >= 0) sys_close(netlink);
  netlink = -1;
}

/** A request: how (1 length lies, 2 sock_diag, 4 plain type), type, flags, body as it is. Answers are read to the end, bounded. */
export function opNetlink(): void {
  const how = u8In(), type = u8In(), flags = u16In();
  const n = min<u32>(left(), 4000);
  netlinkSend(how & 2 ? 4 : 0, type, flags, rest(), n, how & 1 ? u16In() : n + 16);
  skip(n);
}

export function netlinkSend(protocol: u32, type: u32, flags: u32, body: usize, n: u32, length: u32): void {
  const s = netlinkOf(protocol);
  if (s < 0) return;
  store<u32>(DATA, length);
  store<u16>(DATA, <u16>type, 4);
  store<u16>(DATA, <u16>flags | 1, 6);
  store<u64>(DATA, 1, 8);
  memory.copy(DATA + 16, body, n);
  message(0, n + 16, 0);
  result(sys_sendmsg(s, ARG, 0));
  for (let i = 0; i < 64; i++) {
    message(0, DATA_MAX, 0);
    const r = result(sys_recvmsg(s, ARG, 0));
    if (r <= 0) break;
    mix(csumAdd(DATA, r));
  }
}
