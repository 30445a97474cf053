// Capture files in the pcapng format (draft-ietf-opsawg-pcapng): a section with comments, an interface per vif,
// nanosecond time stamps, directions. Partial checksums are completed in the copy that is written; super-segments
// stay whole. Browser-safe: blocks come as bytes, the caller keeps them.
import * as A from '../abi/constants.js';
import type { CoreMemory } from '../memory.js';

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;

const OPT_COMMENT = 1;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_DESCRIPTION = 3;
const IF_MACADDR = 6;
const IF_TSRESOL = 9;
const EPB_FLAGS = 2;

export const DIRECTION_IN = 1;
export const DIRECTION_OUT = 2;

const utf8 = new TextEncoder();
const MAX_OPTION = 65535;

interface Option {
  code: number;
  value: Uint8Array;
}

function text(code: number, s: string): Option {
  return { code, value: utf8.encode(s).subarray(0, MAX_OPTION) };
}

const pad4 = (n: number): number => (n + 3) & ~3;

/** A block: type, total length, body, options, total length. `fixed` is a multiple of 4 bytes; `data` is padded. */
function block(type: number, fixed: number, data: Uint8Array, options: Option[], fill: (v: DataView) => void): Uint8Array {
  const optionBytes = options.reduce((n, o) => n + 4 + pad4(o.value.length), 0) + (options.length ? 4 : 0);
  const size = 12 + fixed + pad4(data.length) + optionBytes;
  const out = new Uint8Array(size), v = new DataView(out.buffer);
  v.setUint32(0, type, true);
  v.setUint32(4, size, true);
  fill(new DataView(out.buffer, 8, fixed));
  out.set(data, 8 + fixed);
  let at = 8 + fixed + pad4(data.length);
  for (const o of options) {
    v.setUint16(at, o.code, true);
    v.setUint16(at + 2, o.value.length, true);
    out.set(o.value, at + 4);
    at += 4 + pad4(o.value.length);
  }
  v.setUint32(size - 4, size, true);
  return out;
}

const NONE = new Uint8Array(0);

/** The section header: the first block of a file. Comments are free text. */
export function sectionHeader(comments: string[] = [], application = 'nuse'): Uint8Array {
  return block(SECTION, 16, NONE, [...comments.map((c) => text(OPT_COMMENT, c)), text(SHB_USERAPPL, application)], (v) => {
    v.setUint32(0, BYTE_ORDER, true);
    v.setUint16(4, 1, true);
    v.setUint16(6, 0, true);
    v.setBigInt64(8, -1n, true);
  });
}

/** An interface; the n-th one written is interface n of the packets. `mac`: `xx:xx:xx:xx:xx:xx`. `l3`: IP packets without a link header. */
export function interfaceDescription(name: string, options: { mac?: string; description?: string; l3?: boolean } = {}): Uint8Array {
  const list = [text(IF_NAME, name), { code: IF_TSRESOL, value: Uint8Array.of(9) }];
  if (options.description) list.push(text(IF_DESCRIPTION, options.description));
  if (options.mac) list.push({ code: IF_MACADDR, value: Uint8Array.from(options.mac.split(':'), (h) => parseInt(h, 16)) });
  return block(INTERFACE, 8, NONE, list, (v) => {
    v.setUint16(0, options.l3 ? LINKTYPE_RAW : LINKTYPE_ETHERNET, true);
    v.setUint32(4, 0, true);
  });
}

/** A packet of interface `iface`, at `time` ns since 1970. */
export function enhancedPacket(iface: number, time: bigint, frame: Uint8Array, direction: number, comment = ''): Uint8Array {
  const flags = Uint8Array.of(direction & 3, 0, 0, 0);
  const options: Option[] = [{ code: EPB_FLAGS, value: flags }];
  if (comment) options.unshift(text(OPT_COMMENT, comment));
  return block(ENHANCED_PACKET, 20, frame, options, (v) => {
    v.setUint32(0, iface, true);
    v.setUint32(4, Number(time >> 32n), true);
    v.setUint32(8, Number(time & 0xffffffffn), true);
    v.setUint32(12, frame.length, true);
    v.setUint32(16, frame.length, true);
  });
}

/**
 * Finish a checksum that was left to the device: the ones' complement sum over [start, end) with the pseudo-header's
 * sum already in the field at start + offset. Does nothing when the field lies outside the frame.
 */
export function completeChecksum(frame: Uint8Array, start: number, offset: number): void {
  const field = start + offset;
  if (field + 2 > frame.length) return;
  let sum = 0;
  for (let i = start; i + 1 < frame.length; i += 2) sum += (frame[i] << 8) | frame[i + 1];
  if ((frame.length - start) & 1) sum += frame[frame.length - 1] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  const value = ~sum & 0xffff;
  // UDP writes 0 as all ones: 0 means no checksum (RFC 768).
  const wire = value === 0 && offset === 6 ? 0xffff : value;
  frame[field] = wire >> 8;
  frame[field + 1] = wire & 255;
}

/** Longest frame that is copied, bytes: more than any device gives, however wrong the descriptor is. */
const FRAME_MAX = 1 << 17;

/** A copy of the frame in a receive descriptor, with its checksum completed. */
export function receivedFrame(mem: CoreMemory, d: number): Uint8Array {
  const { u32, u16, u8 } = mem;
  const buf = u32[(d + A.RXD_BUF) >>> 2];
  const frame = u8.slice(buf, buf + Math.min(u32[(d + A.RXD_LEN) >>> 2], FRAME_MAX));
  if (u8[d + A.RXD_FLAGS] & A.Vnet.F_NEEDS_CSUM) completeChecksum(frame, u16[(d + A.RXD_CSUM_START) >>> 1], u16[(d + A.RXD_CSUM_OFFSET) >>> 1]);
  return frame;
}

/** A copy of the frame gathered by a transmit descriptor, with its checksum completed. */
export function sentFrame(mem: CoreMemory, d: number): Uint8Array {
  const { u32, u16, u8 } = mem;
  const frame = new Uint8Array(Math.min(u32[(d + A.TXD_LEN) >>> 2], FRAME_MAX));
  let at = 0;
  for (let i = 0; i < Math.min(u16[(d + A.TXD_NFRAGS) >>> 1], A.TXD_MAX_FRAGS); i++) {
    const p = (d + A.TXD_FRAGS + 8 * i) >>> 2, piece = u8.subarray(u32[p], u32[p] + u32[p + 1]).subarray(0, frame.length - at);
    frame.set(piece, at);
    at += piece.length;
  }
  if (u8[d + A.TXD_FLAGS] & A.Vnet.F_NEEDS_CSUM) completeChecksum(frame, u16[(d + A.TXD_CSUM_START) >>> 1], u16[(d + A.TXD_CSUM_OFFSET) >>> 1]);
  return frame;
}
