// A core under test: frames in, frames out, system calls, a clock that moves only when told.
import { readFileSync } from 'node:fs';
import * as A from '../../host/abi/constants.js';
import type { CoreExports } from '../../host/abi/exports.js';
import { createCore, type Core, type CoreOptions } from '../../host/core.js';
import { LeakCheck } from '../../host/debug/leak_check.js';

const BUILD = process.env.NUSE_TEST_CORE ?? 'core.debug.wasm';
/** The module under test, and its bytes. */
export const CORE_BYTES = readFileSync(new URL(`../../../${BUILD}`, import.meta.url));
export const module = new WebAssembly.Module(CORE_BYTES);

export const MS = 1e6;
export const SEC = 1e9;

/** A frame as the core sent it. */
export interface TxFrame {
  vif: number;
  /** The whole frame, copied. */
  bytes: Uint8Array;
  gsoType: number;
  gsoSize: number;
  flags: number;
  csumStart: number;
  csumOffset: number;
}

export interface RxMeta {
  flags?: number;
  gsoType?: number;
  gsoSize?: number;
  hdrLen?: number;
  csumStart?: number;
  csumOffset?: number;
}

export class TestCore {
  /** Cores that test/harness/suite has to look at when the test is over. */
  static readonly made: TestCore[] = [];
  now = 1 * SEC;
  readonly x: CoreExports;
  readonly core: Core;
  readonly check: LeakCheck;
  private constructor(bare: Core) {
    this.check = new LeakCheck(bare);
    this.core = this.check.core;
    this.x = this.core.exports;
  }

  /** `layer`: put between the core and all of its callers, as a recorder is. */
  static async create(options: { seed?: number; memoryBytes?: number; maxSockets?: number; layer?: (core: Core, options: CoreOptions) => Core } = {}): Promise<TestCore> {
    const seed = new Uint8Array(32).fill(options.seed ?? 1);
    const own = { seed, now: SEC, memoryBytes: options.memoryBytes ?? 48 << 20, maxSockets: options.maxSockets };
    const bare = await createCore(module, own), core = new TestCore(options.layer?.(bare, own) ?? bare);
    TestCore.made.push(core);
    return core;
  }

  get mem() { return this.core.mem; }

  /** Register an Ethernet device at vif slot `vif`; ifindex. */
  addDevice(vif: number, name: string, mac: string, mtu = 1500, features = 0): number {
    this.stamp();
    this.mem.putCstring(A.ARG, name, 16);
    this.mem.u8.set(mac.split(':').map((h) => parseInt(h, 16)), A.ARG + 16);
    return this.x.dev_register(vif, A.ARG, A.ARG + 16, mtu, features);
  }

  /** Give frames to the core in one poll. */
  rx(vif: number, frames: Uint8Array[], meta: RxMeta = {}): void {
    while (frames.length) {
      const n = Math.min(frames.length, this.mem.u32[(A.HDR + A.HDR_RX_POSTED) >>> 2]);
      if (!n) throw new Error('no receive buffers posted');
      for (let i = 0; i < n; i++) {
        const d = A.RX_DESC + i * A.RX_DESC_SIZE, f = frames[i], v = this.mem.view;
        this.mem.u8.set(f, v.getUint32(d + A.RXD_BUF, true));
        v.setUint32(d + A.RXD_LEN, f.length, true);
        v.setUint16(d + A.RXD_VIF, vif, true);
        v.setUint8(d + A.RXD_FLAGS, meta.flags ?? 0);
        v.setUint8(d + A.RXD_GSO_TYPE, meta.gsoType ?? 0);
        v.setUint16(d + A.RXD_GSO_SIZE, meta.gsoSize ?? 0, true);
        v.setUint16(d + A.RXD_HDR_LEN, meta.hdrLen ?? 0, true);
        v.setUint16(d + A.RXD_CSUM_START, meta.csumStart ?? 0, true);
        v.setUint16(d + A.RXD_CSUM_OFFSET, meta.csumOffset ?? 0, true);
      }
      this.poll(n);
      frames = frames.slice(n);
    }
  }

  poll(nrx = 0): void {
    this.stamp();
    this.x.poll(nrx);
  }

  /** Write the clock: call before any direct use of `x`. */
  stamp(): void {
    this.mem.putNs(A.HDR + A.HDR_NOW, this.now);
  }

  /** Next timer, ns; Infinity when none. */
  get deadline(): number { return this.mem.getNs(A.HDR + A.HDR_DEADLINE); }

  /** Let time pass, stopping at every deadline on the way. */
  advance(ns: number): void {
    const end = this.now + ns;
    while (this.deadline <= end) {
      this.now = Math.max(this.now, this.deadline);
      this.poll();
    }
    this.now = end;
    this.poll();
  }

  /** Drain one vif's transmit ring. */
  tx(vif = 0): TxFrame[] {
    const out: TxFrame[] = [];
    const h = A.VIF + vif * A.VIF_STRIDE, v = this.mem.view;
    const ring = v.getUint32(h + A.VIF_TX_RING, true), size = v.getUint32(h + A.VIF_TX_SIZE, true);
    let tail = v.getUint32(h + A.VIF_TX_TAIL, true);
    for (; tail !== v.getUint32(h + A.VIF_TX_HEAD, true); tail = (tail + 1) >>> 0) {
      const d = ring + (tail & (size - 1)) * A.TX_DESC_SIZE;
      const bytes = new Uint8Array(v.getUint32(d + A.TXD_LEN, true));
      let at = 0;
      for (let i = 0; i < v.getUint16(d + A.TXD_NFRAGS, true); i++) {
        const p = v.getUint32(d + A.TXD_FRAGS + i * 8, true), n = v.getUint32(d + A.TXD_FRAGS + i * 8 + 4, true);
        bytes.set(this.mem.bytes(p, n), at);
        at += n;
      }
      if (at !== bytes.length) throw new Error(`descriptor of ${bytes.length} bytes gathers ${at}`);
      out.push({
        vif, bytes, flags: v.getUint8(d + A.TXD_FLAGS), gsoType: v.getUint8(d + A.TXD_GSO_TYPE),
        gsoSize: v.getUint16(d + A.TXD_GSO_SIZE, true), csumStart: v.getUint16(d + A.TXD_CSUM_START, true),
        csumOffset: v.getUint16(d + A.TXD_CSUM_OFFSET, true),
      });
    }
    v.setUint32(h + A.VIF_TX_TAIL, tail, true);
    return out;
  }

  /** Packets dropped for a reason. */
  drops(reason: keyof typeof A.Drop): number {
    return Number(this.mem.u64[(this.x.drop_counters() >>> 3) + A.Drop[reason]]);
  }
  /** A Linux SNMP counter. */
  mib(name: keyof typeof A.Mib): number {
    return Number(this.mem.u64[(this.x.mib_counters() >>> 3) + A.Mib[name]]);
  }
}
