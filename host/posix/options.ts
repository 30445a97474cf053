// setsockopt and getsockopt. The core keeps the options; those that govern the native data path are set on the pair too.
import { ARG, DATA, DATA_SIZE } from '../abi/constants.js';
import { SCRATCH, type Call } from './call.js';
import {
  AO_KEY_SIZE, AO_NKEYS,
  EDOM, EFAULT, EINVAL, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPV6_RECVERR, IP_RECVERR, SOL_SOCKET, SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF, SO_ERROR, SO_LINGER, SO_OOBINLINE, SO_RCVBUF, SO_RCVBUFFORCE,
  SO_RCVLOWAT, SO_RCVTIMEO, SO_RCVTIMEO_NEW, SO_SNDBUF, SO_SNDBUFFORCE, SO_SNDTIMEO, SO_SNDTIMEO_NEW, TCP_AO_GET_KEYS,
} from './linux.js';
import type { PosixSocket } from './socket.js';

/** sizeof(struct timeval). */
const TIMEVAL = 16;
/** sizeof(struct sock_fprog). */
const FPROG = 16;
/** Instructions of a classic BPF program, BPF_MAXINSNS, 8 bytes each. */
const BPF_MAX = 4096;
/** Options longer than ARG has room for travel in DATA. */
const SMALL = 2048;

const timeoutOf = (name: number): number =>
  name === SO_RCVTIMEO || name === SO_RCVTIMEO_NEW ? SO_RCVTIMEO : name === SO_SNDTIMEO || name === SO_SNDTIMEO_NEW ? SO_SNDTIMEO : 0;

/** SO_RCVTIMEO or SO_SNDTIMEO: 0 or -errno. */
function setTimeout(s: PosixSocket, call: Call, option: number): number {
  if (call.int(4) < TIMEVAL) return -EINVAL;
  if (call.read(call.long(3), SCRATCH, 0, TIMEVAL) < 0) return -EFAULT;
  const v = new DataView(SCRATCH.buffer);
  const seconds = Number(v.getBigInt64(0, true)), micros = Number(v.getBigInt64(8, true));
  if (micros < 0 || micros >= 1e6) return -EDOM;
  // A negative time is no time at all, but 0 means for ever: the shortest there is.
  const total = seconds < 0 ? 1 : seconds * 1e6 + micros;
  s.setTimeout(option, Math.min(total, 1e15));
  return 0;
}

function getTimeout(s: PosixSocket, option: number, v: DataView): number {
  const us = option === SO_RCVTIMEO ? s.receiveTimeout : s.sendTimeout;
  v.setBigInt64(ARG, BigInt(Math.floor(us / 1e6)), true);
  v.setBigInt64(ARG + 8, BigInt(us % 1e6), true);
  return TIMEVAL;
}

/** struct sock_fprog, its program behind it where the core has it: 0 or -errno. */
function attachFilter(s: PosixSocket, call: Call, name: number): number {
  const { mem, core } = s.sup;
  if (call.int(4) !== FPROG) return -EINVAL;
  if (call.read(call.long(3), mem.u8, DATA, FPROG) < 0) return -EFAULT;
  const count = mem.view.getUint16(DATA, true);
  const program = mem.view.getUint32(DATA + 8, true) + mem.view.getUint32(DATA + 12, true) * 4294967296;
  if (count === 0 || count > BPF_MAX) return -EINVAL;
  if (call.read(program, mem.u8, DATA + FPROG, count * 8) < 0) return -EFAULT;
  return core.sys_setsockopt(s.handle, SOL_SOCKET, name, DATA, FPROG + count * 8);
}

/** What the pair must know of an option that the core has accepted. */
function mirror(s: PosixSocket, name: number, length: number): void {
  const value = length >= 4 ? s.sup.mem.view.getInt32(ARG, true) : 0;
  if (name === SO_RCVBUF || name === SO_RCVBUFFORCE) s.mirror(SO_RCVBUF, value);
  else if (name === SO_SNDBUF || name === SO_SNDBUFFORCE) s.mirror(SO_SNDBUF, value);
  else if (name === SO_RCVLOWAT) s.mirror(SO_RCVLOWAT, value);
  else if (name === SO_LINGER) s.mirror(SO_LINGER, value ? s.sup.mem.view.getInt32(ARG + 4, true) : -1);
}

function set(s: PosixSocket, call: Call): number {
  const { mem, core } = s.sup;
  const level = call.int(1), name = call.int(2), length = call.int(4);
  if (level === SOL_SOCKET && timeoutOf(name)) return setTimeout(s, call, timeoutOf(name));
  if (level === SOL_SOCKET && (name === SO_ATTACH_FILTER || name === SO_ATTACH_REUSEPORT_CBPF)) return attachFilter(s, call, name);
  if (length < 0 || length > DATA_SIZE) return -EINVAL;
  const at = length > SMALL ? DATA : ARG;
  if (length && call.read(call.long(3), mem.u8, at, length) < 0) return -EFAULT;
  const r = core.sys_setsockopt(s.handle, level, name, at, length);
  if (r >= 0 && level === SOL_SOCKET) mirror(s, name, length);
  if (r >= 0 && ((level === IPPROTO_IP && name === IP_RECVERR) || (level === IPPROTO_IPV6 && name === IPV6_RECVERR)) && mem.u8[at]) s.showErrors(call);
  return r;
}

export function setsockopt(s: PosixSocket, call: Call): void {
  // Urgent bytes reach the program through the pair, which also decides where they are read.
  if (call.int(1) === SOL_SOCKET && call.int(2) === SO_OOBINLINE) call.pass();
  else call.answer(set(s, call));
}

/** TCP_AO_GET_KEYS: the length is that of one structure, behind which there is room for as many as its nkeys says. */
function getKeys(s: PosixSocket, call: Call): number {
  const { mem, core } = s.sup;
  if (call.read(call.long(3), mem.u8, DATA, AO_KEY_SIZE) < 0) return -EFAULT;
  const room = Math.max(1, Math.min(mem.view.getUint32(DATA + AO_NKEYS, true), Math.floor(DATA_SIZE / AO_KEY_SIZE)));
  const length = core.sys_getsockopt(s.handle, IPPROTO_TCP, TCP_AO_GET_KEYS, DATA, room * AO_KEY_SIZE);
  if (length < 0) return length;
  if (length > AO_KEY_SIZE && call.write(call.long(3) + AO_KEY_SIZE, mem.u8, DATA + AO_KEY_SIZE, length - AO_KEY_SIZE) < 0) return -EFAULT;
  return call.store(mem.u8, DATA, AO_KEY_SIZE, call.long(3), call.long(4));
}

function get(s: PosixSocket, call: Call): number {
  const { mem, core } = s.sup;
  const level = call.int(1), name = call.int(2);
  if (call.read(call.long(4), SCRATCH, 0, 4) < 0) return -EFAULT;
  const room = new DataView(SCRATCH.buffer).getInt32(0, true);
  if (room < 0) return -EINVAL;
  if (level === IPPROTO_TCP && name === TCP_AO_GET_KEYS && room === AO_KEY_SIZE) return getKeys(s, call);
  const at = room > SMALL ? DATA : ARG;
  let length: number;
  if (level === SOL_SOCKET && name === SO_ERROR) {
    mem.view.setInt32(at, s.takeError(), true);
    length = 4;
  } else if (level === SOL_SOCKET && timeoutOf(name)) {
    length = getTimeout(s, timeoutOf(name), mem.view);
    mem.u8.copyWithin(at, ARG, ARG + length);
  } else {
    // Some options read an argument from the value.
    const given = Math.min(room, DATA_SIZE);
    if (call.read(call.long(3), mem.u8, at, given) < 0) mem.u8.fill(0, at, at + given);
    length = core.sys_getsockopt(s.handle, level, name, at, given);
    if (length < 0) return length;
  }
  length = Math.min(length, room);
  return call.store(mem.u8, at, length, call.long(3), call.long(4));
}

export function getsockopt(s: PosixSocket, call: Call): void {
  if (call.int(1) === SOL_SOCKET && call.int(2) === SO_OOBINLINE) call.pass();
  else call.answer(get(s, call));
}
