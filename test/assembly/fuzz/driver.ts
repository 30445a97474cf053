// The fuzz driver: one test case is a string of bytes, read as frames, system calls and time for a core that has been set up
// (two interfaces, addresses, routes). The same module runs under V8 beside the shipped core.wasm and, through wasm2c, under libFuzzer.
import { HDR, HDR_RX_POSTED, Usage } from "../../../assembly/abi";
import { Broken } from "./broken";
import {
  callEnd, callStart, calls, netlinkEnd, netlinkSend, netlinkStart, opAccept, opBind, opClose, opConnect, opDeviceConf, opGateway, opGetOption, opInfo, opIoctl, opListen,
  opNames, opNetlink, opRead, opReceive, opSend, opSetOption, opShutdown, opSocket, opSysctl, opWrite,
} from "./call";
import { fail, usage } from "./core";
import { flowStart, opSegment, opSyn } from "./flow";
import { opAnswer, opDatagram, opIcmpError, opRaw } from "./frame";
import { INPUT, INPUT_MAX, inputOp, inputStart, u8In } from "./input";
import { framesIn, framesOut, hashNow, pass, stall, turn, wireStart } from "./wire";

/** Order and number are the format of the corpus: append only. */
const enum Op {
  SEGMENT, SYN, DATAGRAM, RAW, ANSWER, ICMP_ERROR, TIME, STALL, SOCKET, BIND, CONNECT, LISTEN, ACCEPT, SET_OPTION, GET_OPTION, SHUTDOWN, CLOSE, IOCTL, SEND,
  RECEIVE, WRITE, READ, NAMES, INFO, NETLINK, SYSCTL, DEVICE_CONF, GATEWAY, COUNT,
}
/** Deadlines visited in one TIME op. */
const TIME_POLLS: u32 = 200;
/** Time after the last op: steps of 200 s, 400 s ... with so many deadlines visited in each; a test case can set timeouts of 68 years. */
const END_STEPS: u32 = 25;
const END_POLLS: u32 = 100;
const END_FIRST: u64 = 200_000_000_000;
/** Links, in the order of their ifindex, with the loopback device. */
const LINKS: u32 = 3;

/** Where the host puts a test case, and how long it may be. */
export function input(): usize { return INPUT; }
export function input_max(): u32 { return INPUT_MAX; }
/** After run(): the hash of all that the core sent and answered, frames in and out, calls. */
export function hash(): u64 { return hashNow(); }
export function frames_in(): u32 { return framesIn; }
export function frames_out(): u32 { return framesOut; }
export function calls_made(): u32 { return calls; }

/** Run the test case of `len` bytes at input() and end it; `traced`: tell the host about frames. */
export function run(len: u32, traced: u32): void {
  inputStart(len);
  wireStart(traced);
  flowStart();
  callStart();
  netlinkStart();
  for (let op = inputOp(); op >= 0; op = inputOp()) step(op % <i32>Op.COUNT);
  finish();
}

function step(op: i32): void {
  switch (op) {
    case Op.SEGMENT: opSegment(); return;
    case Op.SYN: opSyn(); return;
    case Op.DATAGRAM: opDatagram(); return;
    case Op.RAW: opRaw(); return;
    case Op.ANSWER: opAnswer(); return;
    case Op.ICMP_ERROR: opIcmpError(); return;
    case Op.TIME: { // mantissa and exponent: 0 .. 31 * 2^31 * 64 us
      const e = u8In();
      pass((<u64>(e & 31) << (e >> 5 << 2)) * 100_000, TIME_POLLS);
      return;
    }
    case Op.STALL: stall(u8In()); return;
    default: call(op);
  }
}

function call(op: i32): void {
  switch (op) {
    case Op.SOCKET: opSocket(); break;
    case Op.BIND: opBind(); break;
    case Op.CONNECT: opConnect(); break;
    case Op.LISTEN: opListen(); break;
    case Op.ACCEPT: opAccept(); break;
    case Op.SET_OPTION: opSetOption(); break;
    case Op.GET_OPTION: opGetOption(); break;
    case Op.SHUTDOWN: opShutdown(); break;
    case Op.CLOSE: opClose(); break;
    case Op.IOCTL: opIoctl(); break;
    case Op.SEND: opSend(); break;
    case Op.RECEIVE: opReceive(); break;
    case Op.WRITE: opWrite(); break;
    case Op.READ: opRead(); break;
    case Op.NAMES: opNames(); break;
    case Op.INFO: opInfo(); break;
    case Op.NETLINK: opNetlink(); break;
    case Op.SYSCTL: opSysctl(); break;
    case Op.DEVICE_CONF: opDeviceConf(); break;
    default: opGateway(); break;
  }
  turn();
}

/** struct ifinfomsg: interface, flags and which of them to change. */
const LINK: usize = memory.data(16, 4);

// Everything closed, links down, time to run out: then every pool but those of the configuration must be empty.
function finish(): void {
  stall(0);
  turn();
  callEnd();
  for (let ifindex: u32 = 1; ifindex <= LINKS; ifindex++) {
    store<u32>(LINK, ifindex, 4);
    store<u32>(LINK, 1, 12);
    for (let up: i32 = 1; up >= 0; up--) { // up first: what was added while it was down goes only when it goes down
      store<u32>(LINK, up, 8);
      netlinkSend(0, 16, 0, LINK, 16, 32);
    }
  }
  netlinkEnd();
  turn();
  for (let i: u32 = 0; i < END_STEPS && leaked() >= 0; i++) pass(END_FIRST << i, END_POLLS);
  const leak = leaked();
  if (leak >= 0) fail(Broken.LEAK, leak, usage(leak));
}

// The first Usage that must be empty and is not, or -1.
function leaked(): i32 {
  const posted = load<u32>(HDR, HDR_RX_POSTED);
  if (usage(Usage.PACKETS) > posted) return Usage.PACKETS;
  if (usage(Usage.PACKETS_SMALL)) return Usage.PACKETS_SMALL;
  if (usage(Usage.SOCKETS)) return Usage.SOCKETS;
  for (let what: u32 = Usage.CHUNKS; what < <u32>Usage.COUNT; what++) {
    switch (what) {
      // The configuration's, which a test case may change; these pools are bounded like all others.
      case Usage.BYTES: case Usage.PACKETS_SMALL: case Usage.PACKETS_LARGE: case Usage.DEVICES: case Usage.ADDRESSES: case Usage.ROUTES: case Usage.GROUPS: case Usage.IN6:
      case Usage.TIMERS: break;
      default: if (usage(what)) return what;
    }
  }
  return -1;
}
