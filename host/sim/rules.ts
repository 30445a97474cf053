// What happens to frames on a medium besides waiting: each rule sees each frame and adds to its fate. Rules compose, in the order in
// which they were added, and can be removed while the simulation runs.
import type { RandomStream } from './random.js';

/** What is to become of a frame. */
export interface Fate {
  lost: boolean;
  /** Additional copies. */
  copies: number;
  /** One bit of it is turned over. */
  corrupt: boolean;
  /** On top of the propagation delay, ns. */
  extra: number;
  /** It may pass those before it. */
  overtakes: boolean;
}

/** `frame`: to look at only. `now`: ns of the run. */
export type Rule = (fate: Fate, frame: Uint8Array, now: number) => void;

/** Each frame on its own, with probability p. */
export const bernoulliLoss = (p: number, random: RandomStream): Rule => (fate) => { if (random.chance(p)) fate.lost = true; };

export interface GilbertElliott {
  /** Probabilities, per frame, to change from good to bad and back. */
  toBad: number;
  toGood: number;
  /** Loss in each state. */
  lossBad: number;
  lossGood: number;
}

/** Bursts of loss: a chain of two states (Gilbert 1960, Elliott 1963). */
export function gilbertElliottLoss(o: GilbertElliott, random: RandomStream): Rule {
  let bad = false;
  return (fate) => {
    bad = bad ? !random.chance(o.toGood) : random.chance(o.toBad);
    if (random.chance(bad ? o.lossBad : o.lossGood)) fate.lost = true;
  };
}

/** The frames with these numbers, counted from 1 as they come to the rule. */
export function listLoss(numbers: readonly number[]): Rule {
  const lost = new Set(numbers);
  let n = 0;
  return (fate) => { if (lost.has(++n)) fate.lost = true; };
}

/** IP protocols that a filter knows. */
const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;
export type FilteredProtocol = keyof typeof PROTOCOLS;

/** A filter in the way: every packet of these protocols. Of IPv6, those without extension headers. */
export function protocolDrop(protocols: readonly FilteredProtocol[]): Rule {
  const numbers = new Set<number>(protocols.map((p) => PROTOCOLS[p]));
  return (fate, f) => {
    const type = f[12] << 8 | f[13], protocol = type === 0x0800 ? f[23] : type === 0x86dd ? f[20] : -1;
    if (numbers.has(protocol)) fate.lost = true;
  };
}

export const duplication = (p: number, random: RandomStream): Rule => (fate) => { if (random.chance(p)) fate.copies++; };
export const corruption = (p: number, random: RandomStream): Rule => (fate) => { if (random.chance(p)) fate.corrupt = true; };

/** With probability p, a frame is up to `most` ns late, and what comes after it passes it. */
export function reordering(p: number, most: number, random: RandomStream): Rule {
  return (fate) => {
    if (!random.chance(p)) return;
    fate.extra += Math.floor(random.uniform() * most);
    fate.overtakes = true;
  };
}
/** Up to `most` ns more delay, uniformly; the order is kept. */
export const jitter = (most: number, random: RandomStream): Rule => (fate) => { fate.extra += Math.floor(random.uniform() * most); };
