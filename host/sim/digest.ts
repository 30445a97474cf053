// The digest of a frame: what the core's frame_take computes of one that it sends (assembly/lib/digest.ts says how), for
// frames that come from elsewhere.
const STRIPE = 64, LANES = 16;
const PRIME = 0x9e3779b1 | 0;
/** More than any frame has, and whole stripes. */
const ROOM = (1 << 16) + STRIPE;

const mix = (h: number, word: number): number => {
  const x = Math.imul(h ^ word, PRIME);
  return x ^ (x >>> 15);
};

const bytes = new Uint8Array(ROOM);
const words = new Int32Array(bytes.buffer);
const lanes = new Int32Array(LANES);

/** Four words into `out`. */
export function frameDigest(frame: Uint8Array, out: Int32Array): void {
  const { length } = frame, end = Math.ceil(length / STRIPE) * LANES;
  bytes.set(frame);
  bytes.fill(0, length, 4 * end);
  for (let i = 0; i < LANES; i++) lanes[i] = length + i;
  for (let at = 0; at < end; at += LANES) for (let i = 0; i < LANES; i++) lanes[i] = mix(lanes[i], words[at + i]);
  for (let i = 0; i < 4; i++) out[i] = mix(mix(mix(mix(0, lanes[i]), lanes[i + 4]), lanes[i + 8]), lanes[i + 12]);
}
