// An Ethernet frame in one line, in the manner of tcpdump -nn -S: what a person needs to recognise it. Whatever the bytes are, there is a
// line: what is cut or unknown is called so.
import { formatIp, formatMac } from '../config/address.js';

const FLAGS: readonly [number, string][] = [[2, 'S'], [1, 'F'], [4, 'R'], [8, 'P'], [64, 'E'], [128, 'W'], [32, 'U'], [16, '.']];
const ICMP4: Readonly<Record<number, string>> = { 0: 'echo reply', 3: 'unreachable', 5: 'redirect', 8: 'echo request', 11: 'time exceeded', 12: 'parameter problem' };
const ICMP6: Readonly<Record<number, string>> = {
  1: 'unreachable', 2: 'packet too big', 3: 'time exceeded', 4: 'parameter problem', 128: 'echo request', 129: 'echo reply', 130: 'multicast listener query',
  131: 'multicast listener report', 133: 'router solicitation', 134: 'router advertisement', 135: 'neighbor solicitation', 136: 'neighbor advertisement', 137: 'redirect',
  143: 'multicast listener report v2',
};
const TCP = 6, UDP = 17, ICMP = 1, ICMPV6 = 58, HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60;
const TCP_OPTION_SACK = 5, TCP_OPTION_MSS = 2;

class Cursor {
  private readonly view: DataView;
  constructor(private readonly b: Uint8Array) { this.view = new DataView(b.buffer, b.byteOffset, b.length); }
  has(n: number): boolean { return this.b.length >= n; }
  u8(at: number): number { return this.view.getUint8(at); }
  u16(at: number): number { return this.view.getUint16(at); }
  u32(at: number): number { return this.view.getUint32(at); }
  bytes(at: number, n: number): Uint8Array { return this.b.subarray(at, at + n); }
  from(at: number): Cursor { return new Cursor(this.b.subarray(at)); }
  to(n: number): Cursor { return new Cursor(this.b.subarray(0, n)); }
  get length(): number { return this.b.length; }
}

export function dissect(frame: Uint8Array): string {
  const c = new Cursor(frame);
  if (!c.has(14)) return `[cut: ${c.length} bytes]`;
  const type = c.u16(12), body = c.from(14);
  if (type === 0x0800) return ipv4(body);
  if (type === 0x86dd) return ipv6(body);
  if (type === 0x0806) return arp(body);
  return `${formatMac(c.bytes(6, 6))} > ${formatMac(c.bytes(0, 6))}, ethertype 0x${type.toString(16).padStart(4, '0')}, length ${c.length}`;
}

function arp(c: Cursor): string {
  if (!c.has(28)) return 'ARP [cut]';
  const ip = (at: number): string => formatIp(c.bytes(at, 4)), op = c.u16(6);
  if (op === 1) return `ARP, Request who-has ${ip(24)} tell ${ip(14)}`;
  return op === 2 ? `ARP, Reply ${ip(14)} is-at ${formatMac(c.bytes(8, 6))}` : `ARP, operation ${op}`;
}

function ipv4(c: Cursor): string {
  const header = c.has(20) ? (c.u8(0) & 15) * 4 : 0;
  if (header < 20 || !c.has(header)) return 'IP [cut]';
  const whole = Math.min(Math.max(c.u16(2), header), c.length), fragment = c.u16(6), offset = (fragment & 0x1fff) * 8;
  const ends: [string, string] = [formatIp(c.bytes(12, 4)), formatIp(c.bytes(16, 4))];
  const more = offset || fragment & 0x2000 ? `, frag ${c.u16(4)}:${whole - header}@${offset}${fragment & 0x2000 ? '+' : ''}` : '';
  return `IP ${offset ? `${ends.join(' > ')}: protocol ${c.u8(9)}, length ${whole - header}` : transport(c.u8(9), c.to(whole).from(header), ends)}${more}`;
}

function ipv6(c: Cursor): string {
  if (!c.has(40)) return 'IP6 [cut]';
  const ends: [string, string] = [formatIp(c.bytes(8, 16)), formatIp(c.bytes(24, 16))];
  let next = c.u8(6), at = 40, more = '';
  const body = c.to(Math.min(c.length, 40 + c.u16(4)));
  while ([HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION].includes(next) && body.has(at + 8)) {
    if (next === FRAGMENT) {
      const offset = body.u16(at + 2) & 0xfff8;
      more = `, frag ${body.u32(at + 4)}:${body.length - at - 8}@${offset}${body.u16(at + 2) & 1 ? '+' : ''}`;
      if (offset) return `IP6 ${ends.join(' > ')}: next header ${body.u8(at)}, length ${body.length - at - 8}${more}`;
    }
    const header = at;
    at += next === FRAGMENT ? 8 : 8 * (body.u8(at + 1) + 1);
    next = body.u8(header);
  }
  return `IP6 ${transport(next, body.from(at), ends)}${more}`;
}

function transport(protocol: number, c: Cursor, [source, target]: [string, string]): string {
  const ports = c.has(4) ? `${source}.${c.u16(0)} > ${target}.${c.u16(2)}` : '';
  if (protocol === TCP) return c.has(20) ? `${ports}: ${tcp(c)}` : `${source} > ${target}: TCP [cut]`;
  if (protocol === UDP) return c.has(8) ? `${ports}: UDP, length ${c.u16(4) - 8}` : `${source} > ${target}: UDP [cut]`;
  if (protocol === ICMP || protocol === ICMPV6) return `${source} > ${target}: ${icmp(protocol, c)}`;
  return `${source} > ${target}: protocol ${protocol}, length ${c.length}`;
}

function tcp(c: Cursor): string {
  const bits = c.u8(13), header = Math.max((c.u8(12) >> 4) * 4, 20), length = Math.max(c.length - header, 0), seq = c.u32(4);
  const flags = FLAGS.filter(([bit]) => bits & bit).map(([, name]) => name).join('') || 'none';
  const numbers = length || bits & 7 ? `, seq ${seq}${length ? `:${(seq + length) >>> 0}` : ''}` : '';
  return `Flags [${flags}]${numbers}${bits & 16 ? `, ack ${c.u32(8)}` : ''}, win ${c.u16(14)}${options(c, header)}, length ${length}`;
}
/** Those that say something about the flow. */
function options(c: Cursor, header: number): string {
  let out = '';
  for (let at = 20; at + 1 < Math.min(header, c.length) && c.u8(at) !== 0;) {
    const kind = c.u8(at), n = kind === 1 ? 1 : c.u8(at + 1);
    if (n < 1 || (kind !== 1 && n < 2) || !c.has(at + n)) break;
    if (kind === TCP_OPTION_MSS && n === 4) out += `, mss ${c.u16(at + 2)}`;
    if (kind === TCP_OPTION_SACK) for (let p = at + 2; p + 8 <= at + n; p += 8) out += `, sack ${c.u32(p)}:${c.u32(p + 4)}`;
    at += n;
  }
  return out;
}

function icmp(protocol: number, c: Cursor): string {
  if (!c.has(4)) return 'ICMP [cut]';
  const name = protocol === ICMP ? 'ICMP' : 'ICMP6', type = c.u8(0), what = (protocol === ICMP ? ICMP4 : ICMP6)[type] ?? `type ${type}`;
  const echo = /^echo/.test(what) && c.has(8) ? `, id ${c.u16(4)}, seq ${c.u16(6)}` : '';
  const who = protocol === ICMPV6 && (type === 135 || type === 136) && c.has(24) ? ` ${formatIp(c.bytes(8, 16))}` : '';
  return `${name} ${what}${c.u8(1) && !who ? ` code ${c.u8(1)}` : ''}${who}${echo}, length ${c.length}`;
}
