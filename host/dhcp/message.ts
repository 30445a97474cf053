// DHCP messages (RFC 2131 section 2, RFC 2132, RFC 3442, RFC 3397's plain form): bytes to values and back. Browser-safe.
import { formatIp, parseIp, parseIpv4 } from '../config/address.js';

export const SERVER_PORT = 67, CLIENT_PORT = 68;
export const enum Op { REQUEST = 1, REPLY = 2 }
export const enum Type { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM }

const enum Code {
  PAD = 0, NETMASK = 1, ROUTER = 3, DNS = 6, HOSTNAME = 12, DOMAIN = 15, REQUESTED = 50, LEASE = 51, TYPE = 53, SERVER = 54, PARAMETERS = 55,
  MAX_SIZE = 57, T1 = 58, T2 = 59, CLIENT_ID = 61, ROUTES = 121, END = 255,
}
const COOKIE = [99, 130, 83, 99];
/** Fixed part with the cookie; RFC 1542 2.1: 300 bytes are the least that old relays pass. */
const FIXED = 240, MIN_MESSAGE = 300;
const FLAG_BROADCAST = 0x8000, ETHERNET = 1, MAC_BYTES = 6;
/** What clients ask for. */
const WANTED = [Code.NETMASK, Code.ROUTER, Code.DNS, Code.DOMAIN, Code.LEASE, Code.SERVER, Code.T1, Code.T2, Code.ROUTES];

export interface DhcpRoute {
  network: string;
  prefix: number;
  /** 0.0.0.0: on-link. */
  via: string;
}

/** The fields that matter; times in s; addresses in text, absent when zero. */
export interface DhcpMessage {
  op: Op;
  type: Type;
  xid: number;
  secs?: number;
  broadcast?: boolean;
  mac: Uint8Array;
  ciaddr?: string;
  yiaddr?: string;
  requested?: string;
  server?: string;
  prefix?: number;
  routers?: string[];
  /** Option 121, which goes before routers. */
  routes?: DhcpRoute[];
  dns?: string[];
  domain?: string;
  lease?: number;
  t1?: number;
  t2?: number;
}

const ipBytes = (text: string | undefined): Uint8Array => (text === undefined ? new Uint8Array(4) : parseIpv4(text)!);
const be32 = (v: number): number[] => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
const maskOf = (prefix: number): number[] => be32(prefix ? (0xffffffff << (32 - prefix)) >>> 0 : 0);

/** Bytes of a message; what clients need only is in requests only. */
export function encode(m: DhcpMessage): Uint8Array {
  const options: number[] = [];
  const put = (code: Code, data: Iterable<number> | undefined): void => {
    if (data === undefined) return;
    const bytes = [...data];
    options.push(code, bytes.length, ...bytes);
  };
  const addresses = (list: readonly string[] | undefined): number[] | undefined => (list?.length ? list.flatMap((a) => [...ipBytes(a)]) : undefined);
  const number = (v: number | undefined): number[] | undefined => (v === undefined ? undefined : be32(v));
  put(Code.TYPE, [m.type]);
  if (m.op === Op.REQUEST) {
    put(Code.CLIENT_ID, [ETHERNET, ...m.mac]);
    put(Code.MAX_SIZE, [1500 >> 8, 1500 & 255]);
    if (m.type === Type.DISCOVER || m.type === Type.REQUEST) put(Code.PARAMETERS, WANTED);
  }
  put(Code.REQUESTED, m.requested === undefined ? undefined : ipBytes(m.requested));
  put(Code.SERVER, m.server === undefined ? undefined : ipBytes(m.server));
  put(Code.LEASE, number(m.lease));
  put(Code.T1, number(m.t1));
  put(Code.T2, number(m.t2));
  put(Code.NETMASK, m.prefix === undefined ? undefined : maskOf(m.prefix));
  put(Code.ROUTER, addresses(m.routers));
  put(Code.DNS, addresses(m.dns));
  put(Code.DOMAIN, m.domain === undefined ? undefined : new TextEncoder().encode(m.domain));
  options.push(Code.END);
  const out = new Uint8Array(Math.max(MIN_MESSAGE, FIXED + options.length)), view = new DataView(out.buffer);
  out.set([m.op, ETHERNET, MAC_BYTES, 0]);
  view.setUint32(4, m.xid);
  view.setUint16(8, Math.min(m.secs ?? 0, 65535));
  view.setUint16(10, m.broadcast ? FLAG_BROADCAST : 0);
  out.set(ipBytes(m.ciaddr), 12);
  out.set(ipBytes(m.yiaddr), 16);
  out.set(m.mac, 28);
  out.set(COOKIE, FIXED - 4);
  out.set(options, FIXED);
  return out;
}

/** The message in these bytes, or null: another protocol, malformed, or cut short. */
export function decode(b: Uint8Array): DhcpMessage | null {
  if (b.length < FIXED || (b[0] !== 1 && b[0] !== 2) || b[1] !== ETHERNET || b[2] !== MAC_BYTES || COOKIE.some((x, i) => b[FIXED - 4 + i] !== x)) return null;
  const view = new DataView(b.buffer, b.byteOffset, b.length), options = readOptions(b);
  const type = options?.get(Code.TYPE);
  if (!options || type?.length !== 1 || type[0] < 1 || type[0] > 8) return null;
  const address = (at: Uint8Array | undefined): string | undefined => (at?.length === 4 && at.some((x) => x) ? formatIp(at) : undefined);
  const list = (code: Code): string[] | undefined => {
    const o = options.get(code);
    return o && o.length % 4 === 0 ? Array.from({ length: o.length / 4 }, (_, i) => formatIp(o.subarray(4 * i, 4 * i + 4))) : undefined;
  };
  const number = (code: Code): number | undefined => {
    const o = options.get(code);
    return o?.length === 4 ? new DataView(o.buffer, o.byteOffset).getUint32(0) : undefined;
  };
  const domain = options.get(Code.DOMAIN), mask = options.get(Code.NETMASK);
  return {
    op: b[0], type: type[0], xid: view.getUint32(4), secs: view.getUint16(8), broadcast: (view.getUint16(10) & FLAG_BROADCAST) !== 0,
    mac: b.slice(28, 34), ciaddr: address(b.subarray(12, 16)), yiaddr: address(b.subarray(16, 20)),
    requested: address(options.get(Code.REQUESTED)), server: address(options.get(Code.SERVER)),
    prefix: mask?.length === 4 ? prefixOf(mask) : undefined, routers: list(Code.ROUTER), dns: list(Code.DNS), routes: readRoutes(options.get(Code.ROUTES)),
    domain: domain && /^[A-Za-z0-9_.-]{1,253}$/.test(latin1(domain)) ? latin1(domain) : undefined,
    lease: number(Code.LEASE), t1: number(Code.T1), t2: number(Code.T2),
  };
}

const latin1 = (b: Uint8Array): string => String.fromCharCode(...b).replace(/\0+$/, '');

/** Length of a netmask; undefined when it has holes. */
function prefixOf(mask: Uint8Array): number | undefined {
  const bits = [...mask].map((x) => x.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits) ? bits.indexOf('0') < 0 ? 32 : bits.indexOf('0') : undefined;
}

/** Options by code; parts of one option are joined (RFC 3396). Null when one runs over the end. */
function readOptions(b: Uint8Array): Map<number, Uint8Array> | null {
  const out = new Map<number, Uint8Array>();
  for (let at = FIXED; at < b.length && b[at] !== Code.END;) {
    if (b[at] === Code.PAD) {
      at++;
      continue;
    }
    const n = b[at + 1];
    if (n === undefined || at + 2 + n > b.length) return null;
    const before = out.get(b[at]) ?? new Uint8Array(0);
    out.set(b[at], Uint8Array.from([...before, ...b.subarray(at + 2, at + 2 + n)]));
    at += 2 + n;
  }
  return out;
}

/** RFC 3442: width, as many bytes of the network as it needs, router. */
function readRoutes(o: Uint8Array | undefined): DhcpRoute[] | undefined {
  if (!o) return undefined;
  const out: DhcpRoute[] = [];
  for (let at = 0; at < o.length;) {
    const prefix = o[at], n = Math.ceil(prefix / 8);
    if (prefix > 32 || at + 1 + n + 4 > o.length) return undefined;
    const network = new Uint8Array(4);
    network.set(o.subarray(at + 1, at + 1 + n));
    if (prefix % 8) network[n - 1] &= 0xff00 >> (prefix % 8);
    out.push({ network: formatIp(network), prefix, via: formatIp(o.subarray(at + 1 + n, at + 5 + n)) });
    at += 5 + n;
  }
  return out;
}

/** Is this an address that a host may have? */
export function isHostAddress(text: string | undefined): text is string {
  const b = text === undefined ? null : parseIp(text);
  return b !== null && b.length === 4 && b[0] !== 0 && b[0] !== 127 && b[0] < 224;
}
