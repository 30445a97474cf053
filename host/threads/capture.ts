// Writing a stack's frames to a pcapng file as they pass. Buffered; the disk is touched by size and by age, in the
// worker's own thread, so a slow disk slows the stack instead of losing frames.
import { closeSync, openSync, writeSync } from 'node:fs';
import * as A from '../abi/constants.js';
import type { CoreMemory } from '../memory.js';
import type { FrameTap } from '../stack.js';
import type { Vif } from '../vif.js';
import { DIRECTION_IN, DIRECTION_OUT, enhancedPacket, interfaceDescription, receivedFrame, sectionHeader, sentFrame } from '../debug/pcapng.js';

const FLUSH_BYTES = 256 << 10;
/** ns. */
const FLUSH_AGE = 100e6;

export class FileCapture implements FrameTap {
  private fd: number;
  private pending: Uint8Array[] = [];
  private bytes = 0;
  private since = 0;
  /** Vif slot -> interface number of the file. */
  private readonly ids: number[] = [];
  private interfaces = 0;

  /** Times are HDR_NOW, of sent frames before they were sent, + HDR_WALL_OFFSET. `anonymous`: slots that nobody has added are described by their numbers. Throws when the file cannot be made. */
  constructor(private readonly mem: CoreMemory, path: string, comments: string[] = [], private readonly anonymous = false) {
    this.fd = openSync(path, 'w');
    this.put(sectionHeader(comments));
  }

  /** Describe a vif before its first frame. */
  add(slot: number, vif: Vif): void {
    this.ids[slot] = this.interfaces++;
    this.put(interfaceDescription(vif.name, { mac: vif.mac, description: vif.dev, l3: (vif.features & A.VifFeature.L3) !== 0 }));
  }

  received(slot: number, descriptor: number): void {
    this.put(enhancedPacket(this.id(slot), this.time(this.mem.u64[(A.HDR + A.HDR_NOW) >>> 3]), receivedFrame(this.mem, descriptor), DIRECTION_IN));
  }
  sent(slot: number, descriptor: number, at: number): void {
    this.put(enhancedPacket(this.id(slot), this.time(BigInt(at)), sentFrame(this.mem, descriptor), DIRECTION_OUT));
  }

  private id(slot: number): number {
    if (this.ids[slot] === undefined && this.anonymous) {
      this.ids[slot] = this.interfaces++;
      this.put(interfaceDescription(`vif${slot}`));
    }
    return this.ids[slot];
  }

  /** Write what is older than a moment; call now and then. */
  idle(now: number): void {
    if (!this.bytes) this.since = now;
    else if (now - this.since > FLUSH_AGE) this.flush();
  }

  flush(): void {
    if (!this.bytes || this.fd < 0) return;
    const all = new Uint8Array(this.bytes);
    let at = 0;
    for (const b of this.pending) {
      all.set(b, at);
      at += b.length;
    }
    this.pending = [];
    this.bytes = 0;
    for (at = 0; at < all.length;) at += writeSync(this.fd, all, at);
  }

  /** Flush and close; later frames are ignored. */
  close(): void {
    if (this.fd < 0) return;
    this.flush();
    closeSync(this.fd);
    this.fd = -1;
  }

  private time(now: bigint): bigint { return now + this.mem.u64[(A.HDR + A.HDR_WALL_OFFSET) >>> 3]; }

  private put(b: Uint8Array): void {
    if (this.fd < 0) return;
    this.pending.push(b);
    this.bytes += b.length;
    if (this.bytes >= FLUSH_BYTES) this.flush();
  }
}
