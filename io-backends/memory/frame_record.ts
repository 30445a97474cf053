// A frame as it lies between two cores, in a ring or a message: from a transmit descriptor and into a receive descriptor.
//
//   0      4                       14     16          16 + length
//   | length u32 | offload fields | unused | the frame | up to a multiple of 8
//
// The offload fields are those of both descriptors, from flags to csum_offset (virtio_net_hdr). Little-endian. Browser-safe.
import * as A from '../../host/abi/constants.js';
import type { VifPort } from '../../host/vif.js';

/** Linear memory of a core. */
export type Memory = VifPort['mem'];

export const RECORD_HEADER = 16;
/** Longest frame, bytes: more than any super-segment with its headers. */
export const FRAME_MAX = 128 << 10;
const OFFLOAD = 4, OFFLOAD_BYTES = 10;

/** Bytes of the record of a frame of `length` bytes. */
export const recordBytes = (length: number): number => (RECORD_HEADER + length + 7) & ~7;

/** Length of the frame that the transmit descriptor at d gathers; 0 when it does not add up. */
export function gatheredLength({ u8, u16, u32 }: Memory, d: number): number {
  const count = u16[(d + A.TXD_NFRAGS) >>> 1];
  if (count > A.TXD_MAX_FRAGS) return 0;
  let length = 0;
  for (let i = 0, p = (d + A.TXD_FRAGS) >>> 2; i < count; i++, p += 2) {
    if (u32[p] + u32[p + 1] > u8.length) return 0;
    length += u32[p + 1];
  }
  return length === u32[(d + A.TXD_LEN) >>> 2] && length <= FRAME_MAX ? length : 0;
}

/** Write the record of the descriptor at d, whose length was found, to `at` (a multiple of 8). */
export function writeRecord(to: Uint8Array, words: Uint32Array, at: number, { u8, u16, u32 }: Memory, d: number, length: number): void {
  words[at >>> 2] = length;
  for (let i = 0; i < OFFLOAD_BYTES; i++) to[at + OFFLOAD + i] = u8[d + A.TXD_FLAGS + i];
  const count = u16[(d + A.TXD_NFRAGS) >>> 1];
  at += RECORD_HEADER;
  for (let i = 0, p = (d + A.TXD_FRAGS) >>> 2; i < count; i++, p += 2) {
    to.set(u8.subarray(u32[p], u32[p] + u32[p + 1]), at);
    at += u32[p + 1];
  }
}

/** As writeRecord, of the frame that was received into the descriptor at d. */
export function writeReceived(to: Uint8Array, words: Uint32Array, at: number, { u8, u32 }: Memory, d: number, length: number): void {
  const frame = u32[(d + A.RXD_BUF) >>> 2];
  words[at >>> 2] = length;
  for (let i = 0; i < OFFLOAD_BYTES; i++) to[at + OFFLOAD + i] = u8[d + A.RXD_FLAGS + i];
  to.set(u8.subarray(frame, frame + length), at + RECORD_HEADER);
}

/** Fill the receive descriptor at d with the frame whose record lies at `at`; whether it fits there. */
export function readRecord(from: Uint8Array, at: number, length: number, { u8, u16, u32 }: Memory, d: number, slot: number): boolean {
  if (length > u32[(d + A.RXD_CAP) >>> 2]) return false;
  const frame = at + RECORD_HEADER, offload = at + OFFLOAD;
  u8.set(from.subarray(frame, frame + length), u32[(d + A.RXD_BUF) >>> 2]);
  u32[(d + A.RXD_LEN) >>> 2] = length;
  u16[(d + A.RXD_VIF) >>> 1] = slot;
  u8[d + A.RXD_FLAGS] = from[offload];
  u8[d + A.RXD_GSO_TYPE] = from[offload + 1];
  u8[d + A.RXD_GSO_SIZE] = from[offload + 2];
  u8[d + A.RXD_GSO_SIZE + 1] = from[offload + 3];
  u8[d + A.RXD_HDR_LEN] = from[offload + 4];
  u8[d + A.RXD_HDR_LEN + 1] = from[offload + 5];
  for (let i = 0; i < 4; i++) u8[d + A.RXD_CSUM_START + i] = from[offload + 6 + i];
  return true;
}
