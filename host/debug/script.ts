// A record taken apart into what entered the core, step by step, so that steps can be left out: numbers of sockets and places of buffers
// are those of the core that the rest is played to. shrink.ts looks for the few that matter.
import * as A from '../abi/constants.js';
import type { Core } from '../core.js';
import { FILLED, type CallName } from './calls.js';
import { Rings } from './rings.js';
import { Room } from './room.js';

/** Bytes that a call reads at an address. */
interface Input {
  at: number;
  bytes: Uint8Array;
}

export interface CallStep {
  kind: 'call';
  name: CallName;
  args: readonly number[];
  inputs: Input[];
  /** What was written into reserved room before it. */
  room?: Uint8Array;
  /** What it returned; undefined when it trapped. */
  result?: number;
}
export type Step =
  /** The clock moves on, ns. */
  | { kind: 'time'; ns: number }
  /** HDR_WALL_OFFSET, as two words. */
  | { kind: 'wall'; lo: number; hi: number }
  /** A device takes so many frames from its transmit ring. */
  | { kind: 'taken'; slot: number; count: number }
  /** A frame arrives: its descriptor from RXD_LEN on, and its bytes. The next poll sees it. */
  | { kind: 'frame'; filled: Uint8Array; bytes: Uint8Array }
  | { kind: 'poll' }
  | CallStep;

/** Calls whose first argument is a socket, and those that give one. */
const takesSocket = (name: CallName): boolean => (name.startsWith('sys_') && name !== 'sys_socket' && name !== 'sys_reject') || name === 'ctl_tproxy';
const givesSocket = (name: CallName): boolean => name === 'sys_socket' || name === 'sys_accept';

/** Steps in the order of a replay, which tells of everything that enters the core. */
export class ScriptWriter {
  readonly steps: Step[] = [];
  private call?: CallStep;

  time(ns: number): void { if (ns) this.steps.push({ kind: 'time', ns }); }
  wall(lo: number, hi: number): void { this.steps.push({ kind: 'wall', lo, hi }); }
  taken(slot: number, count: number): void { this.steps.push({ kind: 'taken', slot, count }); }
  begin(name: CallName, args: readonly number[]): void { this.call = { kind: 'call', name, args, inputs: [] }; }
  input(at: number, bytes: Uint8Array): void { this.call!.inputs.push({ at, bytes: bytes.slice() }); }
  room(bytes: Uint8Array): void {
    const call = this.call!, before = call.room ?? new Uint8Array(0), all = new Uint8Array(before.length + bytes.length);
    all.set(before);
    all.set(bytes, before.length);
    call.room = all;
  }
  /** All that the call reads is known. */
  ready(): void {
    const call = this.call!;
    if (call.name !== 'poll') {
      this.steps.push(call);
      return;
    }
    for (let i = 0; i + 1 < call.inputs.length; i += 2) this.steps.push({ kind: 'frame', filled: call.inputs[i].bytes, bytes: call.inputs[i + 1].bytes });
    this.steps.push({ kind: 'poll' });
  }
  returned(result: number): void { this.call!.result = result; }
}

/** Told of each call that returned, and of the frames it gave. */
export type Observer = (name: CallName, result: number, frames: string) => void;

/** Plays steps to a core. */
export class ScriptPlayer {
  /** Sockets of the record -> of this core. */
  private readonly sockets = new Map<number, number>();
  private readonly rooms = new Map<number, Uint32Array>();
  private readonly rings: Rings;
  /** Frames that wait for the next poll. */
  private waiting = 0;

  /** `running`: the core is not a new one but has sockets already, whose numbers hold. */
  constructor(private readonly core: Core, private readonly running: boolean, private readonly observer?: Observer) { this.rings = new Rings(core.mem); }

  /** Throws what the core throws. */
  play(steps: readonly Step[]): void { for (const s of steps) this.step(s); }

  private step(s: Step): void {
    const { mem } = this.core;
    switch (s.kind) {
      case 'time': mem.putNs(A.HDR + A.HDR_NOW, mem.getNs(A.HDR + A.HDR_NOW) + s.ns); break;
      case 'wall':
        mem.u32[(A.HDR + A.HDR_WALL_OFFSET) >>> 2] = s.lo;
        mem.u32[((A.HDR + A.HDR_WALL_OFFSET) >>> 2) + 1] = s.hi;
        break;
      case 'taken': this.take(s.slot, s.count); break;
      case 'frame': this.frame(s.filled, s.bytes); break;
      case 'poll': this.poll(); break;
      case 'call': this.call(s);
    }
  }
  private take(slot: number, count: number): void {
    const { u32 } = this.core.mem, h = (A.VIF + slot * A.VIF_STRIDE) >>> 2, tail = h + (A.VIF_TX_TAIL >>> 2);
    u32[tail] += Math.min(count, (u32[h + (A.VIF_TX_HEAD >>> 2)] - u32[tail]) >>> 0);
  }
  /** Lost when no buffer waits for it, as in a device. */
  private frame(filled: Uint8Array, bytes: Uint8Array): void {
    const { u8, u32 } = this.core.mem, d = A.RX_DESC + this.waiting * A.RX_DESC_SIZE;
    if (this.waiting >= u32[(A.HDR + A.HDR_RX_POSTED) >>> 2] || bytes.length > u32[(d + A.RXD_CAP) >>> 2]) return;
    u8.set(filled, d + FILLED);
    u8.set(bytes, u32[(d + A.RXD_BUF) >>> 2]);
    this.waiting++;
  }
  private poll(): void {
    const n = this.waiting;
    this.waiting = 0;
    this.core.exports.poll(n);
    this.told('poll', 0);
  }

  private call(s: CallStep): void {
    const { mem, exports } = this.core, args = [...s.args];
    if (takesSocket(s.name)) {
      const own = this.sockets.get(args[0]);
      // Whoever made the socket was left out, or it never was one.
      if (own === undefined && !this.running) return;
      args[0] = own ?? args[0];
    }
    for (const { at, bytes } of s.inputs) mem.u8.set(bytes, at);
    if (s.room) {
      const put = new Room(mem.u8, this.rooms.get(args[0])).put(s.room);
      this.rooms.delete(args[0]);
      args[1] = Math.min(args[1], put);
    }
    const result = (exports[s.name] as (...a: number[]) => number | undefined)(...args) ?? 0;
    if (s.name === 'sys_tx_reserve' && result > 0) this.rooms.set(args[0], mem.u32.slice(A.IOV >>> 2, (A.IOV >>> 2) + 2 * result));
    if (s.name === 'dev_register') this.rings.discover();
    if (givesSocket(s.name) && s.result !== undefined && s.result >= 0) this.sockets.set(s.result, result);
    if (s.name === 'sys_close') this.sockets.delete(s.args[0]);
    this.told(s.name, result);
  }
  private told(name: CallName, result: number): void {
    if (!this.observer) return;
    let frames = '';
    this.rings.produced((slot, first, count) => { frames += `${slot}: ${count} (${this.rings.sum(slot, first, count)}) `; });
    this.observer(name, result, frames);
  }
}

/** What steps are, counted. */
export function countSteps(steps: readonly Step[]): { calls: number; frames: number; ns: number } {
  let calls = 0, frames = 0, ns = 0;
  for (const s of steps) {
    if (s.kind === 'call' || s.kind === 'poll') calls++;
    else if (s.kind === 'frame') frames++;
    else if (s.kind === 'time') ns += s.ns;
  }
  return { calls, frames, ns };
}
