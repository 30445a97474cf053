// A test case in the making: records of the driver's language (test/assembly/fuzz), with names.
import type { Bytes } from '../harness/packet.js';

/** The driver's ops: their numbers are the format of the corpus. */
export const Op = {
  SEGMENT: 0, SYN: 1, DATAGRAM: 2, RAW: 3, ANSWER: 4, ICMP_ERROR: 5, TIME: 6, STALL: 7, SOCKET: 8, BIND: 9, CONNECT: 10, LISTEN: 11, ACCEPT: 12, SET_OPTION: 13, GET_OPTION: 14,
  SHUTDOWN: 15, CLOSE: 16, IOCTL: 17, SEND: 18, RECEIVE: 19, WRITE: 20, READ: 21, NAMES: 22, INFO: 23, NETLINK: 24, SYSCTL: 25, DEVICE_CONF: 26, GATEWAY: 27,
} as const;
const LONG = 0x80;

export const le16 = (v: number): number[] => [v & 255, (v >> 8) & 255];
export const le32 = (v: number): number[] => [v & 255, (v >>> 8) & 255, (v >>> 16) & 255, v >>> 24];

/** One record. */
export function record(op: number, operands: readonly number[] | Bytes): number[] {
  const n = operands.length;
  return n < 256 ? [op, n, ...operands] : [op | LONG, n & 255, n >> 8, ...operands];
}

/** The records of a test case after its first byte, each as its bytes. */
export function records(testCase: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 1; at + 2 <= testCase.length;) {
    const long = testCase[at] & LONG && at + 2 < testCase.length;
    const n = testCase[at + 1] | (long ? testCase[at + 2] << 8 : 0);
    const end = Math.min(testCase.length, at + (long ? 3 : 2) + n);
    out.push(testCase.subarray(at, end));
    at = end;
  }
  return out;
}

/** TCP segment of a known connection. `how` and `options`: bits of test/assembly/fuzz/flow.ts; `extra`: what they want. */
export interface Segment {
  flow?: number;
  flags: number;
  how?: number;
  /** Steps of seq (low 4 bits) and ack from what is due. */
  steps?: number;
  window?: number;
  len?: number;
  options?: number;
  extra?: readonly number[];
}

export class Case {
  private readonly parts: number[];
  constructor(world: number) { this.parts = [world]; }
  get bytes(): Uint8Array { return Uint8Array.from(this.parts); }
  add(op: number, operands: readonly number[] | Bytes = []): this {
    this.parts.push(...record(op, operands));
    return this;
  }
  private static tail(s: Segment): number[] {
    return [s.flags, s.how ?? 0, s.steps ?? 0, ...le16(s.window ?? 20000), ...le16(s.len ?? 0), s.options ?? 0, ...(s.extra ?? [])];
  }
  /** A peer opens: `kind` 1 = IPv6, 2 = second interface. */
  syn(port: number, peerPort: number, s: Partial<Segment> = {}, kind = 0): this {
    return this.add(Op.SYN, [kind, ...le16(port), ...le16(peerPort), ...Case.tail({ flags: 2, options: 15, extra: [...le16(1460), 7, 1], ...s })]);
  }
  seg(s: Segment): this { return this.add(Op.SEGMENT, [s.flow ?? 0, ...Case.tail(s)]); }
  raw(frame: Bytes, how = 28): this { return this.add(Op.RAW, [how, ...frame]); }
  /** ms, rounded to what the format has. */
  time(ms: number): this {
    let e = 0;
    while (e < 7 && ms * 10 > 31 * 16 ** e) e++;
    return this.add(Op.TIME, [(e << 5) | Math.max(1, Math.min(31, Math.round(ms * 10 / 16 ** e)))]);
  }
  socket(family: number, type: number, protocol = 0): this { return this.add(Op.SOCKET, [family, type, protocol]); }
  bind(s: number, address: number, port: number): this { return this.add(Op.BIND, [s, address, ...le16(port)]); }
  connect(s: number, address: number, port: number): this { return this.add(Op.CONNECT, [s, address, ...le16(port)]); }
  /** An int option: `value` is an index of the driver's INTS. */
  int(s: number, level: number, name: number, value: number): this { return this.add(Op.SET_OPTION, [s, level, name, value]); }
  option(s: number, level: number, name: number, value: readonly number[] | Bytes): this { return this.add(Op.SET_OPTION, [s, level, name, 16, ...value]); }
  send(s: number, len: number, to?: [address: number, port: number], flags = 0, control: readonly number[] = []): this {
    const how = flags | (to ? 8 : 0) | (control.length ? 16 : 0);
    return this.add(Op.SEND, [s, how, ...le16(len), ...(to ? [to[0], ...le16(to[1])] : []), ...(control.length ? [control.length, ...control] : [])]);
  }
  receive(s: number, how = 24, room = 2000): this { return this.add(Op.RECEIVE, [s, how, ...le16(room), 255]); }
  write(s: number, n: number, flags = 0): this { return this.add(Op.WRITE, [s, ...le16(n), ...le16(n), flags]); }
  read(s: number, n: number): this { return this.add(Op.READ, [s, ...le16(n), ...le16(n)]); }
  netlink(type: number, flags: number, body: readonly number[] | Bytes, how = 0): this { return this.add(Op.NETLINK, [how, type, ...le16(flags), ...body]); }
}
