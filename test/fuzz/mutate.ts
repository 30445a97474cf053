// The structure-aware mutator: test cases made of records of the corpus, cut, repeated, moved and changed where it matters.
import { Op, record, records } from './case.js';

type Random = (n: number) => number;
/** Values at which lengths, counts and flags change their meaning. */
const EDGES = [0, 1, 2, 3, 4, 7, 8, 15, 16, 20, 31, 32, 40, 60, 63, 64, 127, 128, 192, 254, 255];
const OPS = Object.keys(Op).length;
/** Offset of the IP header, of the ports or ICMP type, and of TCP's data offset in a frame record, by which most frames are judged. */
const FRAME_BYTES = 64;

export interface Corpus {
  cases: Uint8Array[];
  /** The records of each. */
  parts: Uint8Array[][];
}

export function corpusOf(cases: Uint8Array[]): Corpus { return { cases, parts: cases.map(records) }; }

/** A test case of about `target` records. */
export function compose(r: Random, corpus: Corpus, target: number): Uint8Array {
  const first = r(corpus.cases.length);
  const out: Uint8Array[] = [];
  // One whole case sets the scene; pieces of others follow, from the same state of the world or not.
  take(r, out, corpus.parts[first], 0, corpus.parts[first].length);
  while (out.length < target) {
    const other = corpus.parts[r(corpus.parts.length)];
    if (!other.length) continue;
    if (r(3)) take(r, out, other, 0, other.length);
    else {
      const from = r(other.length);
      take(r, out, other, from, Math.min(other.length, from + 1 + r(20)));
    }
  }
  // Now and then a test case moves on in another prepared state.
  const world = r(8) ? corpus.cases[first][0] : r(3);
  return join(world, out);
}

// Copy records [from, to) to `out`, most of them unchanged.
function take(r: Random, out: Uint8Array[], parts: readonly Uint8Array[], from: number, to: number): void {
  const rate = [1000, 40, 15, 6][r(4)];
  for (let i = from; i < to; i++) {
    if (r(rate)) {
      out.push(parts[i]);
      continue;
    }
    switch (r(7)) {
      case 0: break; // lost
      case 1: for (let k = 1 + r(4); k > 0; k--) out.push(parts[i]); break;
      case 2: out.push(parts[from + r(to - from)], parts[i]); break;
      case 3: out.push(Uint8Array.from(record(Op.TIME, [r(256)])), parts[i]); break;
      case 4: out.push(Uint8Array.from(record(r(OPS), Array.from({ length: r(20) }, () => (r(2) ? r(8) : r(256)))))); break;
      default: out.push(changed(r, parts[i]));
    }
  }
}

// Operands changed: edges, small steps, bits, anything; near the front of frames, where the headers are; or the record is cut short.
function changed(r: Random, part: Uint8Array): Uint8Array {
  const head = part[0] & 0x80 ? 3 : 2;
  const body = part.slice(head);
  if (!body.length) return part;
  const span = Math.min(body.length, r(3) ? FRAME_BYTES : body.length);
  for (let k = 1 + r(4); k > 0; k--) {
    const at = r(span);
    switch (r(5)) {
      case 0: body[at] = EDGES[r(EDGES.length)]; break;
      case 1: body[at] += r(2) ? 1 : 255; break;
      case 2: body[at] ^= 1 << r(8); break;
      case 3: body[at] = r(256); break;
      default: if (at + 1 < body.length) [body[at], body[at + 1]] = [body[at + 1], body[at]];
    }
  }
  return Uint8Array.from(record(part[0] & 0x7f, r(12) ? body : body.subarray(0, r(body.length))));
}

function join(world: number, parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(1 + parts.reduce((n, p) => n + p.length, 0));
  out[0] = world;
  let at = 1;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** The shortest test case that still fails: records are left out as long as `fails` says so. */
export function shrink(testCase: Uint8Array, fails: (candidate: Uint8Array) => boolean): Uint8Array {
  let parts = records(testCase);
  for (let size = parts.length >> 1; size >= 1; size >>= 1) {
    for (let i = 0; i < parts.length;) {
      const without = [...parts.slice(0, i), ...parts.slice(i + size)];
      if (fails(join(testCase[0], without))) parts = without;
      else i += size;
    }
  }
  return join(testCase[0], parts);
}
