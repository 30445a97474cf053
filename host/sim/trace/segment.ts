// What a frame carries of TCP or UDP: enough to tell its flow, and to know the same segment again behind any number of routers.
import { formatIp, isMulticast } from '../../config/address.js';

export const TCP = 6, UDP = 17;
const ETHERNET = 14, IPV4 = 0x0800, IPV6 = 0x86dd;
const HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60;
const FIN = 1, SYN = 2, ACK = 16;
const OPTION_END = 0, OPTION_NOP = 1, OPTION_TIMESTAMPS = 8;
/** Bytes of a datagram's payload that tell it from others. */
const TELLING = 12;

export interface Segment {
  protocol: typeof TCP | typeof UDP;
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
  /** Bytes of payload, of the whole datagram when this is its first fragment. */
  payload: number;
  /** TCP: the place in sequence space, and its size with SYN and FIN. */
  seq: number;
  span: number;
  syn: boolean;
  fin: boolean;
  /** TCP: the acknowledgment, if there is one. */
  ack: number | undefined;
  /** The same for each copy of the segment, and for hardly any other of its flow. */
  key: string;
}

/** The segment in an Ethernet frame; undefined for all else, multicast, later fragments and headers that lie about their length. */
export function segmentOf(frame: Uint8Array): Segment | undefined {
  const v = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < ETHERNET + 20) return undefined;
  const type = v.getUint16(12);
  return type === IPV4 ? ipv4(frame, v) : type === IPV6 ? ipv6(frame, v) : undefined;
}

function ipv4(frame: Uint8Array, v: DataView): Segment | undefined {
  const at = ETHERNET, fragment = v.getUint16(at + 6), end = at + v.getUint16(at + 2);
  if (fragment & 0x1fff || frame[at] >> 4 !== 4 || end > frame.length) return undefined;
  return transport(frame, v, frame[at + 9], at + (frame[at] & 15) * 4, end, frame.subarray(at + 12, at + 16), frame.subarray(at + 16, at + 20), v.getUint16(at + 4));
}

function ipv6(frame: Uint8Array, v: DataView): Segment | undefined {
  if (frame.length < ETHERNET + 40) return undefined;
  const at = ETHERNET, end = at + 40 + v.getUint16(at + 4);
  let next = frame[at + 6], p = at + 40;
  if (end > frame.length) return undefined;
  while ((next === HOP_BY_HOP || next === ROUTING || next === DESTINATION || next === FRAGMENT) && p + 8 <= end) {
    if (next === FRAGMENT && v.getUint16(p + 2) & 0xfff8) return undefined;
    const size = next === FRAGMENT ? 8 : 8 + 8 * frame[p + 1];
    next = frame[p];
    p += size;
  }
  return transport(frame, v, next, p, end, frame.subarray(at + 8, at + 24), frame.subarray(at + 24, at + 40), 0);
}

function transport(frame: Uint8Array, v: DataView, protocol: number, at: number, end: number, from: Uint8Array, to: Uint8Array, id: number): Segment | undefined {
  if ((protocol !== TCP && protocol !== UDP) || isMulticast(to) || at + (protocol === TCP ? 20 : 8) > end) return undefined;
  const s: Segment = {
    protocol, source: formatIp(from), sourcePort: v.getUint16(at), destination: formatIp(to), destinationPort: v.getUint16(at + 2),
    payload: 0, seq: 0, span: 0, syn: false, fin: false, ack: undefined, key: '',
  };
  if (protocol === UDP) {
    s.payload = v.getUint16(at + 4) - 8;
    if (s.payload < 0) return undefined;
    s.key = `${id} ${v.getUint16(at + 6)} ${s.payload}`;
    for (let p = at + 8; p + 4 <= Math.min(end, at + 8 + TELLING); p += 4) s.key += ` ${v.getUint32(p)}`;
    return s;
  }
  const header = (frame[at + 12] >> 4) * 4, flags = frame[at + 13];
  if (header < 20 || at + header > end) return undefined;
  s.payload = end - at - header;
  s.seq = v.getUint32(at + 4);
  s.syn = (flags & SYN) !== 0;
  s.fin = (flags & FIN) !== 0;
  s.span = s.payload + Number(s.syn) + Number(s.fin);
  if (flags & ACK) s.ack = v.getUint32(at + 8);
  // The timestamp is another one when the same bytes are sent again a millisecond later.
  s.key = `${s.seq} ${v.getUint32(at + 8)} ${v.getUint16(at + 16)} ${flags} ${s.payload} ${timestamp(v, at + 20, Math.min(at + header, end))}`;
  return s;
}

function timestamp(v: DataView, from: number, end: number): number {
  for (let p = from; p + 1 < end;) {
    const kind = v.getUint8(p);
    if (kind === OPTION_NOP) {
      p++;
      continue;
    }
    const size = v.getUint8(p + 1);
    if (kind === OPTION_END || size < 2) break;
    if (kind === OPTION_TIMESTAMPS && p + 6 <= end) return v.getUint32(p + 2);
    p += size;
  }
  return 0;
}
