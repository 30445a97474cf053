// A netlink client of the core: requests in Linux's format through a netlink socket of the core's own.
// Browser-safe: no node:* here.
import * as A from '../abi/constants.js';
import type { Core } from '../core.js';

const AF_NETLINK = 16, SOCK_RAW = 3, NETLINK_ROUTE = 0;
const NLMSG_ERROR = 2, NLMSG_DONE = 3;
export const NLM_F_REQUEST = 1, NLM_F_ACK = 4, NLM_F_DUMP = 0x300, NLM_F_REPLACE = 0x100, NLM_F_EXCL = 0x200, NLM_F_CREATE = 0x400;
const HEADER = 16;
/** Most messages one answer may have: more means that the core loops. */
const ANSWERS_MAX = 100000;

/** A refused request: `code` is the errno's name. */
export class NetlinkError extends Error {
  readonly code: string;
  constructor(readonly errno: number, what: string) {
    const code = A.ErrnoName[errno] ?? `errno ${errno}`;
    super(`${what}: ${code}`);
    this.code = code;
  }
}

export interface NetlinkMessage {
  type: number;
  /** Family header and attributes. */
  body: Uint8Array;
}

/** One request under construction: family header, then attributes. */
export class RequestBuilder {
  private readonly parts: number[] = [];
  header(bytes: readonly number[]): this {
    this.parts.push(...bytes);
    return this.pad();
  }
  /** An attribute of raw bytes. */
  attr(type: number, data: Iterable<number>): this {
    const bytes = [...data];
    const n = bytes.length + 4;
    this.parts.push(n & 255, n >> 8, type & 255, type >> 8, ...bytes);
    return this.pad();
  }
  u32(type: number, v: number): this { return this.attr(type, [v & 255, (v >>> 8) & 255, (v >>> 16) & 255, v >>> 24]); }
  text(type: number, s: string): this { return this.attr(type, [...new TextEncoder().encode(s), 0]); }
  private pad(): this {
    while (this.parts.length % 4) this.parts.push(0);
    return this;
  }
  get bytes(): Uint8Array { return Uint8Array.from(this.parts); }
}

export class NetlinkClient {
  private readonly handle: number;
  private seq = 1;

  /** Throws when the core has no socket left. The caller has set HDR_NOW. */
  constructor(private readonly core: Core) {
    this.handle = core.exports.sys_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (this.handle < 0) throw new NetlinkError(-this.handle, 'netlink socket');
  }

  /** Send one request and collect the answer; throws NetlinkError when it is refused (`what` names the request). */
  request(type: number, flags: number, body: Uint8Array, what: string): NetlinkMessage[] {
    const { mem, exports: x } = this.core;
    const n = HEADER + body.length;
    if (n > A.DATA_SIZE) throw new RangeError(`${what}: a request of ${n} bytes`);
    const seq = this.seq++;
    const v = mem.view;
    v.setUint32(A.DATA, n, true);
    v.setUint16(A.DATA + 4, type, true);
    v.setUint16(A.DATA + 6, flags | NLM_F_REQUEST | ((flags & NLM_F_DUMP) === NLM_F_DUMP ? 0 : NLM_F_ACK), true);
    v.setUint32(A.DATA + 8, seq, true);
    v.setUint32(A.DATA + 12, 0, true);
    mem.u8.set(body, A.DATA + HEADER);
    this.record(n);
    const sent = x.sys_sendmsg(this.handle, A.ARG, 0);
    if (sent < 0) throw new NetlinkError(-sent, what);
    return this.collect(seq, what);
  }

  close(): void { this.core.exports.sys_close(this.handle); }

  private record(len: number): void {
    const v = this.core.mem.view;
    this.core.mem.u8.fill(0, A.ARG, A.ARG + A.MSGHDR_SIZE);
    v.setUint32(A.ARG + A.MSG_DATA, A.DATA, true);
    v.setUint32(A.ARG + A.MSG_DATALEN, len, true);
  }

  private collect(seq: number, what: string): NetlinkMessage[] {
    const { mem, exports: x } = this.core;
    const out: NetlinkMessage[] = [];
    while (out.length < ANSWERS_MAX) {
      this.record(A.DATA_SIZE);
      const n = x.sys_recvmsg(this.handle, A.ARG, 0);
      if (n < 0) throw new NetlinkError(-n, what);
      for (let p = A.DATA; p + HEADER <= A.DATA + n;) {
        const len = mem.view.getUint32(p, true), type = mem.view.getUint16(p + 4, true);
        if (len < HEADER) throw new Error(`${what}: malformed answer`);
        if (mem.view.getUint32(p + 8, true) === seq) {
          if (type === NLMSG_DONE) return out;
          if (type === NLMSG_ERROR) {
            const e = mem.view.getInt32(p + HEADER, true);
            if (e) throw new NetlinkError(-e, what);
            return out;
          }
          out.push({ type, body: mem.u8.slice(p + HEADER, p + len) });
        }
        p += (len + 3) & ~3;
      }
    }
    throw new Error(`${what}: the answer does not end`);
  }
}

/** The attributes behind a family header of `header` bytes: type -> bytes. */
export function attributes(body: Uint8Array, header: number): Map<number, Uint8Array> {
  const out = new Map<number, Uint8Array>();
  const v = new DataView(body.buffer, body.byteOffset, body.length);
  for (let p = (header + 3) & ~3; p + 4 <= body.length;) {
    const n = v.getUint16(p, true);
    if (n < 4 || p + n > body.length) break;
    out.set(v.getUint16(p + 2, true) & 0x3fff, body.subarray(p + 4, p + n));
    p += (n + 3) & ~3;
  }
  return out;
}
