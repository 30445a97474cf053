// What each export of the core reads of linear memory when it is called, and what it gives besides its result. One
// description serves recording (the bytes go into the record), replay (the record's bytes go into memory) and the hash of
// what a core gives. The type makes a new export without a description a compile error.
import * as A from '../abi/constants.js';
import type { CoreExports } from '../abi/exports.js';
import type { CoreMemory } from '../memory.js';

/** Takes what a call reads: recorded, or put there by a replay. */
export interface Inputs {
  /** The bytes [p, p+n); what lies outside of memory is left out. */
  bytes(p: number, n: number): void;
  /** The first n bytes of the room that sys_tx_reserve showed for this socket last. */
  reserved(handle: number, n: number): void;
}
/** Takes what a call gave. */
export interface Outputs {
  bytes(p: number, n: number): void;
}

export interface CallShape {
  /** Number in record files: append only. */
  readonly id: number;
  /** Number of arguments; none beyond the fifth says what is read or given. */
  readonly args: number;
  reads?(m: CoreMemory, io: Inputs, a: number, b: number, c: number, d: number, e: number): void;
  /** Called when the result r is not negative. */
  gives?(m: CoreMemory, out: Outputs, r: number, a: number, b: number, c: number, d: number, e: number): void;
}

const NAME = 16, MAC = 6, SOCKADDR = 128, SOCKADDR_IN6 = 28;
/** Longest argument structure of an ioctl (struct ifreq); SIOCGIFCONF's list follows 16 bytes of structure. */
const IFREQ = 40, IFCONF = 16, SIOCGIFCONF = 0x8912;
/** Of a receive descriptor: what the host fills in. */
export const FILLED = A.RXD_LEN;
const FILLED_SIZE = A.RXD_CSUM_OFFSET + 2 - A.RXD_LEN;

const at = (m: CoreMemory, p: number): number => m.u32[p >>> 2];

/** The (address, length) pairs at IOV. */
function pieces(m: CoreMemory, out: Outputs, count: number): void {
  for (let i = 0; i < count && i < A.IOV_MAX; i++) out.bytes(at(m, A.IOV + 8 * i), at(m, A.IOV + 8 * i + 4));
}

/** Descriptors and frames of the first n receive descriptors. */
function frames(m: CoreMemory, io: Inputs, n: number): void {
  for (let i = 0; i < n && i < A.RX_RING; i++) {
    const d = A.RX_DESC + i * A.RX_DESC_SIZE;
    io.bytes(d + FILLED, FILLED_SIZE);
    io.bytes(at(m, d + A.RXD_BUF), Math.min(at(m, d + A.RXD_LEN), at(m, d + A.RXD_CAP)));
  }
}

/** What enters a core: every call but those that change nothing which another one sees. */
export type CallName = Exclude<keyof CoreExports, 'frame_take'>;

export const CALLS: { readonly [K in CallName]: CallShape } = {
  // Its parameters are in the header of the record.
  init: { id: 1, args: 0 },
  poll: { id: 2, args: 1, reads: (m, io, n) => frames(m, io, n) },
  events: { id: 3, args: 1, gives: (_, out, r) => out.bytes(A.EVENTS, 8 * r) },
  dev_register: {
    id: 4, args: 5,
    reads: (_, io, _vif, namePtr, macPtr) => {
      io.bytes(namePtr, NAME);
      io.bytes(macPtr, MAC);
    },
  },
  drop_counters: { id: 5, args: 0 },
  mib_counters: { id: 6, args: 0 },
  usage: { id: 7, args: 1 },
  ctl_sysctl_set: { id: 8, args: 2 },
  ctl_sysctl_get: { id: 9, args: 1 },
  ctl_device_conf_set: { id: 10, args: 3 },
  ctl_device_conf_get: { id: 11, args: 2 },
  sys_socket: { id: 12, args: 3 },
  sys_bind: { id: 13, args: 3, reads: (_, io, _h, p, len) => io.bytes(p, len) },
  sys_connect: { id: 14, args: 3, reads: (_, io, _h, p, len) => io.bytes(p, len) },
  sys_listen: { id: 15, args: 2 },
  sys_accept: { id: 16, args: 1 },
  sys_getsockname: { id: 17, args: 2, gives: (_, out, r, _h, p) => out.bytes(p, Math.min(r, SOCKADDR)) },
  sys_getpeername: { id: 18, args: 2, gives: (_, out, r, _h, p) => out.bytes(p, Math.min(r, SOCKADDR)) },
  sys_setsockopt: { id: 19, args: 5, reads: (_, io, _h, _level, _name, p, len) => io.bytes(p, len) },
  // Some options read an argument from the value.
  sys_getsockopt: {
    id: 20, args: 5,
    reads: (_, io, _h, _level, _name, p, len) => io.bytes(p, len),
    gives: (_, out, r, _h, _level, _name, p) => out.bytes(p, r),
  },
  sys_shutdown: { id: 21, args: 2 },
  sys_close: { id: 22, args: 1 },
  sys_ioctl: {
    id: 23, args: 3,
    reads: (_, io, _h, _cmd, p) => io.bytes(p, IFREQ),
    gives: (m, out, _r, _h, cmd, p) => out.bytes(p, cmd === SIOCGIFCONF ? IFCONF + (at(m, p + 8) ? at(m, p) : 0) : IFREQ),
  },
  sys_sendmsg: {
    id: 24, args: 3,
    reads: (m, io, _h, msg) => {
      io.bytes(msg, A.MSGHDR_SIZE);
      if (at(m, msg + A.MSG_NAME)) io.bytes(at(m, msg + A.MSG_NAME), at(m, msg + A.MSG_NAMELEN));
      if (at(m, msg + A.MSG_CONTROL)) io.bytes(at(m, msg + A.MSG_CONTROL), at(m, msg + A.MSG_CONTROLLEN));
      io.bytes(at(m, msg + A.MSG_DATA), at(m, msg + A.MSG_DATALEN));
    },
  },
  sys_recvmsg: {
    id: 25, args: 3,
    reads: (_, io, _h, msg) => io.bytes(msg, A.MSGHDR_SIZE),
    gives: (m, out, _r, _h, msg) => {
      out.bytes(msg, A.MSGHDR_SIZE);
      if (at(m, msg + A.MSG_NAME)) out.bytes(at(m, msg + A.MSG_NAME), Math.min(at(m, msg + A.MSG_NAMELEN), SOCKADDR));
      if (at(m, msg + A.MSG_CONTROL)) out.bytes(at(m, msg + A.MSG_CONTROL), at(m, msg + A.MSG_CONTROLLEN));
      out.bytes(at(m, msg + A.MSG_DATA), at(m, msg + A.MSG_DATALEN));
    },
  },
  // The room itself holds whatever was there before: only its places are an output.
  sys_tx_reserve: { id: 26, args: 2, gives: (_, out, r) => out.bytes(A.IOV, 8 * r) },
  sys_tx_commit: { id: 27, args: 3, reads: (_, io, h, n) => io.reserved(h, n) },
  sys_rx_peek: { id: 28, args: 2, gives: (m, out, r) => pieces(m, out, r) },
  sys_rx_consume: { id: 29, args: 2 },
  sys_poll: { id: 30, args: 1 },
  ctl_tproxy: { id: 31, args: 1 },
  sys_request_take: { id: 32, args: 2, gives: (_, out, _r, _h, p) => out.bytes(p, A.REQ_SIZE) },
  sys_request_answer: { id: 33, args: 3, reads: (_, io, _h, p) => io.bytes(p, A.REQ_SIZE) },
  sys_reject: {
    id: 34, args: 6,
    reads: (_, io, _ifindex, _proto, p, quote, len) => {
      io.bytes(p, 2 * SOCKADDR_IN6);
      io.bytes(quote, len);
    },
  },
  ctl_worker: { id: 35, args: 3, reads: (_, io, _index, _count, p) => io.bytes(p, A.WORKER_KEY_SIZE) },
};

export const CALL_NAMES = Object.keys(CALLS) as CallName[];
/** Number in a record -> name. */
export const CALL_BY_ID: ReadonlyMap<number, CallName> = new Map(CALL_NAMES.map((n) => [CALLS[n].id, n]));
