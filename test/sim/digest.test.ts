// The digest of frames: the core's and the host's are one, it is the frame's alone, and no change escapes it.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import { CORE_WASM } from '../../host/cli/install.js';
import { createCore } from '../../host/core.js';
import { frameDigest } from '../../host/sim/digest.js';
import { RandomStream } from '../../host/sim/random.js';

const test = suite('sim: digest');
const random = new RandomStream(1, 'digest');
const { mem, exports } = await createCore(new WebAssembly.Module(readFileSync(CORE_WASM)), { seed: new Uint8Array(32), now: 1e9 });

/** The digest that the core computes of a frame that lies in these pieces. */
function ofCore(pieces: readonly Uint8Array[]): number[] {
  const d = A.ARG;
  mem.u8.fill(0, d, d + A.TX_DESC_SIZE);
  // What lies around the pieces must not matter.
  for (let i = 0; i < A.CONTROL_SIZE; i += 4) mem.u32[(A.CONTROL + i) >>> 2] = random.u32();
  for (let i = 0; i < 256; i += 4) mem.u32[(A.DATA + 4 * (i + random.below(300))) >>> 2] = random.u32();
  let at = A.CONTROL;
  for (const [i, p] of pieces.entries()) {
    at += random.below(70);
    mem.u8.set(p, at);
    mem.view.setUint32(d + A.TXD_FRAGS + 8 * i, at, true);
    mem.view.setUint32(d + A.TXD_FRAGS + 8 * i + 4, p.length, true);
    at += p.length;
  }
  mem.view.setUint16(d + A.TXD_NFRAGS, pieces.length, true);
  const length = pieces.reduce((n, p) => n + p.length, 0);
  assert.is(exports.frame_take(d), length);
  assert.equal(mem.u8.slice(A.DATA, A.DATA + length), Uint8Array.from(pieces.flatMap((p) => [...p])));
  return Array.from({ length: 4 }, (_, i) => mem.view.getInt32(A.HDR + A.HDR_DIGEST + 4 * i, true));
}
function ofHost(frame: Uint8Array): number[] {
  const out = new Int32Array(4);
  frameDigest(frame, out);
  return [...out];
}
const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, () => random.below(256));
/** Cut into so many pieces, some of them empty. */
function cut(frame: Uint8Array, pieces: number): Uint8Array[] {
  const ends = Array.from({ length: pieces - 1 }, () => random.below(frame.length + 1)).sort((a, b) => a - b);
  return [...ends, frame.length].map((end, i) => frame.subarray(i ? ends[i - 1] : 0, end));
}

test('the core and the host agree, however a frame lies in memory', () => {
  for (const length of [0, 1, 13, 14, 15, 16, 60, 63, 64, 65, 66, 127, 128, 129, 1500, 1514, 9014, 60000]) {
    const frame = bytes(length), expected = ofHost(frame);
    for (let pieces = 1; pieces <= A.TXD_MAX_FRAGS; pieces++) assert.equal(ofCore(cut(frame, pieces)), expected, `${length} bytes, ${pieces} pieces`);
  }
  for (let i = 0; i < 500; i++) {
    const frame = bytes(random.below(400));
    assert.equal(ofCore(cut(frame, 1 + random.below(A.TXD_MAX_FRAGS))), ofHost(frame), `${frame.length} bytes`);
  }
});

test('a frame that is longer than what is staged is not taken', () => {
  mem.view.setUint16(A.ARG + A.TXD_NFRAGS, 2, true);
  for (const i of [0, 1]) {
    mem.view.setUint32(A.ARG + A.TXD_FRAGS + 8 * i, A.STATIC_BASE, true);
    mem.view.setUint32(A.ARG + A.TXD_FRAGS + 8 * i + 4, A.DATA_SIZE / 2, true);
  }
  assert.is(exports.frame_take(A.ARG), 0);
});

test('every bit counts, and so do length and order', () => {
  const frame = bytes(1514), seen = new Set([ofHost(frame).join()]);
  let flipped = 1;
  for (let bit = 0; bit < 8 * frame.length; bit += 1 + random.below(5), flipped++) {
    frame[bit >> 3] ^= 1 << (bit & 7);
    seen.add(ofHost(frame).join());
    frame[bit >> 3] ^= 1 << (bit & 7);
  }
  assert.is(seen.size, flipped);
  for (let n = 0; n < 200; n++) seen.add(ofHost(new Uint8Array(n)).join());
  assert.is(seen.size, flipped + 200);
  for (let i = 4; i < 1510; i += 4) {
    const other = frame.slice();
    other.copyWithin(i, i - 4, i);
    other.set(frame.subarray(i, i + 4), i - 4);
    seen.add(ofHost(other).join());
  }
  // The frame's words are random: none of them is like its neighbour.
  assert.is(seen.size, flipped + 200 + 377);
});

test.run();
