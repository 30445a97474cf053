// Frames into the core and out of it: checksums made right, hashes, the last frames sent, and who is who on the two wires.
import {
  HDR, HDR_DEADLINE, HDR_NOW, HDR_RX_POSTED, RX_DESC, RX_DESC_SIZE, RXD_BUF, RXD_CAP, RXD_CSUM_OFFSET, RXD_CSUM_START, RXD_FLAGS, RXD_GSO_SIZE,
  RXD_GSO_TYPE, RXD_HDR_LEN, RXD_LEN, RXD_VIF, TX_DESC_SIZE, TXD_FLAGS, TXD_FRAGS, TXD_LEN, TXD_NFRAGS, VIF, VIF_STRIDE, VIF_TX_HEAD, VIF_TX_RING,
  VIF_TX_SIZE, VIF_TX_TAIL,
} from "../../../assembly/abi";
import { be16, putBe16 } from "../../../assembly/lib/bytes";
import { csumAdd, csumFinish, csumPseudo } from "../../../assembly/lib/checksum";
import { events, fail, poll, trace } from "./core";
import { flowLearn } from "./flow";
import { Broken } from "./broken";

export const VIFS: u32 = 2;
export const ETH: u32 = 14;
/** Room of one frame under construction. */
export const FRAME_MAX: u32 = 66000;
export const FRAME: usize = memory.data(66000, 16);
/** The last frames the core sent, cut to SLOT bytes. */
const SLOTS: u32 = 16;
const SLOT: u32 = 2048;
const SENT: usize = memory.data(16 * 2048, 16);
const SENT_LEN: usize = memory.data(16 * 4, 4);
const SENT_VIF: usize = memory.data(16 * 4, 4);
/** Most polls of one turn, and descriptors of one batch. */
const POLLS: u32 = 8;
const BATCH: u32 = 32;

let count: u32 = 0;
let held: u32 = 0;
let stalled: u32 = 0;
let tracing: u32 = 0;
let hash: u64 = 0;
/** Frames in and out. */
export let framesIn: u32 = 0;
export let framesOut: u32 = 0;

export function wireStart(traced: u32): void {
  count = 0;
  held = 0;
  stalled = 0;
  tracing = traced;
  hash = 0xcbf29ce484222325;
  framesIn = 0;
  framesOut = 0;
  memory.fill(SENT_LEN, 0, SLOTS * 4);
}

/** Mix a value into the hash of everything the core said (murmur3's mixer). */
export function mix(v: u64): void {
  hash = (hash ^ v) * 0xff51afd7ed558ccd;
  hash ^= hash >> 33;
}
export function hashNow(): u64 { return hash; }

@inline export function now(): u64 { return load<u64>(HDR + HDR_NOW); }
@inline export function setNow(t: u64): void { store<u64>(HDR + HDR_NOW, t); }
@inline export function deadline(): u64 { return load<u64>(HDR + HDR_DEADLINE); }

/** Stop or go on taking frames from a vif. */
export function stall(mask: u32): void { stalled = mask & 3; }

/** One of the last frames sent, counted backwards; its length, 0 when there is none. */
export function sentFrame(i: u32): usize { return SENT + ((count - 1 - i) & (SLOTS - 1)) * SLOT; }
export function sentLen(i: u32): u32 { return load<u32>(SENT_LEN + (((count - 1 - i) & (SLOTS - 1)) << 2)); }
export function sentVif(i: u32): u32 { return load<u32>(SENT_VIF + (((count - 1 - i) & (SLOTS - 1)) << 2)); }

// Take what the core sent on one vif.
function drain(vif: u32): void {
  const h = VIF + vif * VIF_STRIDE;
  const ring = load<u32>(h, VIF_TX_RING), size = load<u32>(h, VIF_TX_SIZE), head = load<u32>(h, VIF_TX_HEAD);
  let tail = load<u32>(h, VIF_TX_TAIL);
  if (!size) return;
  while (tail != head) {
    const d = ring + (tail & (size - 1)) * TX_DESC_SIZE;
    const slot = count & (SLOTS - 1);
    const to = SENT + slot * SLOT;
    let total: u32 = 0, n: u32 = 0;
    for (let i: u32 = 0; i < <u32>load<u16>(d, TXD_NFRAGS); i++) {
      const p = load<u32>(d + TXD_FRAGS + (i << 3)), len = load<u32>(d + TXD_FRAGS + (i << 3), 4);
      mix(csumAdd(p, len) + len);
      const k = min(len, SLOT - n);
      memory.copy(to + n, p, k);
      n += k;
      total += len;
    }
    if (total != load<u32>(d, TXD_LEN)) fail(Broken.DESCRIPTOR, total, load<u32>(d, TXD_LEN));
    if (tracing) trace(vif, 1, to, n);
    store<u32>(SENT_LEN + (slot << 2), n);
    store<u32>(SENT_VIF + (slot << 2), vif);
    count++;
    framesOut++;
    if (n >= ETH) flowLearn(vif, to, n, total, load<u8>(d, TXD_FLAGS));
    tail++;
  }
  store<u32>(h, tail, VIF_TX_TAIL);
}

/** One turn of the stack with the frames held so far. */
export function turn(): void {
  for (let i: u32 = 0; i < POLLS; i++) {
    poll(held);
    held = 0;
    for (let vif: u32 = 0; vif < VIFS; vif++) if (!(stalled & (1 << vif))) drain(vif);
    if (deadline() > now()) break;
  }
  let n = events(64);
  while (n == 64) n = events(64);
  mix(deadline());
}

/** How a frame is handed over: RXD_FLAGS, GSO type and size, checksum place. */
@unmanaged @final export class Meta {
  flags: u8;
  gsoType: u8;
  gsoSize: u16;
  csumStart: u16;
  csumOffset: u16;
}
export const META = changetype<Meta>(memory.data(8, 4));

/** Give the frame in FRAME to the core; `hold`: with the next one, in one poll. */
export function receive(vif: u32, len: u32, hold: bool): void {
  if (load<u32>(HDR, HDR_RX_POSTED) <= held) turn();
  if (load<u32>(HDR, HDR_RX_POSTED) > held) {
    const d = RX_DESC + held * RX_DESC_SIZE;
    len = min(len, load<u32>(d, RXD_CAP));
    memory.copy(load<u32>(d, RXD_BUF), FRAME, len);
    store<u32>(d, len, RXD_LEN);
    store<u16>(d, <u16>vif, RXD_VIF);
    store<u8>(d, META.flags, RXD_FLAGS);
    store<u8>(d, META.gsoType, RXD_GSO_TYPE);
    store<u16>(d, META.gsoSize, RXD_GSO_SIZE);
    store<u16>(d, 0, RXD_HDR_LEN);
    store<u16>(d, META.csumStart, RXD_CSUM_START);
    store<u16>(d, META.csumOffset, RXD_CSUM_OFFSET);
    held++;
    framesIn++;
    if (tracing) trace(vif, 0, FRAME, min(len, SLOT));
  }
  memory.fill(changetype<usize>(META), 0, offsetof<Meta>());
  if (!hold || held >= BATCH) turn();
}

export const enum Fix { IP = 1, UPPER = 2, LENGTH = 4 }

/** Make lengths and checksums of the `len` bytes in FRAME right, as far as `what` (Fix bits) says. */
export function fixFrame(len: u32, what: u32): void {
  if (len < ETH + 20) return;
  const p = FRAME + ETH;
  const n = len - ETH;
  if (be16(FRAME + 12) == 0x0800) fix4(p, n, what);
  else if (be16(FRAME + 12) == 0x86dd && n >= 40) fix6(p, n, what);
}

function fix4(p: usize, n: u32, what: u32): void {
  const hlen = (<u32>load<u8>(p) & 15) << 2;
  if (hlen < 20 || hlen > n) return;
  if (what & Fix.LENGTH) putBe16(p + 2, n);
  if (what & Fix.UPPER && !(be16(p + 6) & 0x3fff)) {
    const total = min(be16(p + 2), n);
    if (total > hlen) fixUpper(p + 12, 4, load<u8>(p + 9), p + hlen, total - hlen);
  }
  if (what & Fix.IP) {
    store<u16>(p + 10, 0);
    store<u16>(p + 10, <u16>csumFinish(csumAdd(p, hlen)));
  }
}

function fix6(p: usize, n: u32, what: u32): void {
  if (what & Fix.LENGTH) putBe16(p + 4, n - 40);
  if (!(what & Fix.UPPER)) return;
  let next = <u32>load<u8>(p + 6), q = p + 40;
  const stop = p + 40 + min(be16(p + 4), n - 40);
  while ((next == 0 || next == 43 || next == 60) && q + 8 <= stop) {
    next = load<u8>(q);
    q += (<u32>load<u8>(q + 1) + 1) << 3;
  }
  if (q < stop) fixUpper(p + 8, 16, next, q, <u32>(stop - q));
}

// `addrs`: source, then destination.
function fixUpper(addrs: usize, addrLen: u32, proto: u32, q: usize, n: u32): void {
  const at: u32 = proto == 6 ? 16 : proto == 17 ? 6 : 2;
  if ((proto != 6 && proto != 17 && proto != 1 && proto != 2 && proto != 58) || n < at + 2) return;
  store<u16>(q + at, 0);
  if (proto == 17) { // it has a length of its own; too short to cover a checksum, it has none
    n = min(n, be16(q + 4));
    if (n < 8) return;
  }
  const pseudo = proto == 1 || proto == 2 ? 0 : csumPseudo(addrs, addrs + addrLen, addrLen, proto, n);
  const sum = csumFinish(csumAdd(q, n, pseudo));
  store<u16>(q + at, <u16>(proto == 17 && !sum ? 0xffff : sum));
}

/** Let `ns` pass with a poll at every deadline on the way, at most `polls` of them. */
export function pass(ns: u64, polls: u32): void {
  const end = now() + ns;
  while (polls-- && deadline() <= end) {
    setNow(max(now(), deadline()));
    turn();
  }
  setNow(end);
  turn();
}
