// The wire between two cores: frames get lost, repeated, overtaken and damaged as links do (`faulty`: TCP must still deliver every
// byte), or are changed with their checksums made right again, cut, answered, reflected and taken from the past (`hostile`).
import { be16, be32, cat, checksum, u16, type Bytes } from '../harness/packet.js';

type Random = (n: number) => number;
export type Manner = 'clean' | 'faulty' | 'hostile';

const ETH = 14;
/** Frames of the past that may come again. */
const HISTORY = 64;
/** Values at which lengths, counts and flags change their meaning. */
const EDGES = [0, 1, 2, 4, 7, 8, 20, 40, 63, 64, 127, 128, 254, 255];
/** Where a checksum lies in the upper header. */
const CHECKSUM_AT = new Map([[6, 16], [17, 6], [136, 6], [1, 2], [58, 2]]);

/** Make the checksums of a frame right, as far as its lengths let it have any. */
export function repair(frame: Uint8Array): void {
  const type = u16(frame, 12), ip = frame.subarray(ETH);
  const v4 = type === 0x0800;
  if ((!v4 && type !== 0x86dd) || ip.length < (v4 ? 20 : 40)) return;
  const head = v4 ? (ip[0] & 15) * 4 : 40;
  if (head < 20 || head > ip.length) return;
  if (v4) {
    ip.set([0, 0], 10);
    ip.set(be16(checksum(ip.subarray(0, head))), 10);
  }
  const next = v4 ? ip[9] : ip[6], at = CHECKSUM_AT.get(next);
  const upper = ip.subarray(head, Math.min(ip.length, v4 ? u16(ip, 2) : 40 + u16(ip, 4)));
  if (at === undefined || upper.length < at + 2 || (v4 && u16(ip, 6) & 0x3fff)) return;
  const pseudo = v4 ? cat(ip.subarray(12, 20), [0, next], be16(upper.length)) : cat(ip.subarray(8, 40), be32(upper.length), [0, 0, 0, next]);
  upper.set([0, 0], at);
  upper.set(be16(next === 1 ? checksum(upper) : checksum(pseudo, upper)), at);
}

/** One bit of `frame`, anywhere: every checksum finds it. */
function flip(r: Random, frame: Bytes): Bytes {
  const f = Uint8Array.from(frame);
  f[ETH + r(f.length - ETH)] ^= 1 << r(8);
  return f;
}

/** Headers changed where it matters, and the checksums made right most of the time. */
function change(r: Random, frame: Bytes): Bytes {
  let f = Uint8Array.from(frame);
  for (let k = 1 + r(3); k > 0; k--) {
    const at = ETH + r(Math.min(f.length - ETH, r(4) ? 80 : f.length - ETH));
    switch (r(5)) {
      case 0: f[at] = EDGES[r(EDGES.length)]; break;
      case 1: f[at] += r(2) ? 1 : 255; break;
      case 2: f[at] ^= 1 << r(8); break;
      case 3: f[at] = r(256); break;
      default: f = f.slice(0, at + 1);
    }
  }
  if (r(8)) repair(f);
  return f;
}

interface Flight { to: 0 | 1; at: number; frame: Bytes }

export class Wire {
  private readonly flying: Flight[] = [];
  private readonly past: Bytes[] = [];
  manner: Manner;
  /** Frames sent, and those that something was done to. */
  sent = 0;
  touched = 0;
  constructor(private readonly r: Random, manner: Manner) { this.manner = manner; }

  /** A frame for end `to`, at turn `now`. */
  send(to: 0 | 1, frame: Bytes, now: number): void {
    const { r, manner } = this;
    this.sent++;
    if (this.past.length < HISTORY) this.past.push(frame);
    else this.past[r(HISTORY)] = frame;
    if (manner === 'clean' || r(6)) {
      this.flying.push({ to, at: now, frame });
      return;
    }
    this.touched++;
    const late = now + 1 + r(12);
    switch (r(manner === 'faulty' ? 4 : 8)) {
      case 0: break;
      case 1: this.flying.push({ to, at: now, frame }, { to, at: late, frame }); break;
      case 2: this.flying.push({ to, at: late, frame }); break;
      case 3: this.flying.push({ to, at: now, frame: flip(r, frame) }); break;
      case 4: this.flying.push({ to, at: now, frame: this.past[r(this.past.length)] }, { to, at: now, frame }); break;
      case 5: this.flying.push({ to: to ? 0 : 1, at: now, frame: change(r, frame) }, { to, at: now, frame }); break;
      default: this.flying.push({ to, at: now, frame: change(r, frame) }, ...(r(2) ? [{ to, at: late, frame }] : []));
    }
  }

  /** What arrives at end `to` by turn `now`. */
  arrived(to: 0 | 1, now: number): Bytes[] {
    const out: Bytes[] = [];
    for (let i = 0; i < this.flying.length;) {
      const f = this.flying[i];
      if (f.to !== to || f.at > now) i++;
      else {
        out.push(f.frame);
        this.flying.splice(i, 1);
      }
    }
    return out;
  }
  get empty(): boolean { return this.flying.length === 0; }
}
