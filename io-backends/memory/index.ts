// A cable between two cores of one thread: frames are copied from one's transmit ring to a ring of bytes, and from there to
// the other's descriptors. For tests, the browser and simple simulations. A full ring holds the sender back. Browser-safe.
import type { Memory } from './frame_record.js';
import { FrameRing, newRing } from './frame_ring.js';
import { FrameVif, Put, type MemorySpec } from './frame_vif.js';

export type { MemorySpec } from './frame_vif.js';

export class MemoryVif extends FrameVif {
  private peer?: MemoryVif;
  private readonly incoming = new FrameRing(newRing(false));

  private constructor(spec: MemorySpec) { super(spec, 'memory'); }

  /** The two ends of a new cable. */
  static pair(a: MemorySpec, b: MemorySpec): [MemoryVif, MemoryVif] {
    const x = new MemoryVif(a), y = new MemoryVif(b);
    x.peer = y;
    y.peer = x;
    return [x, y];
  }

  protected put(mem: Memory, d: number, length: number): Put {
    if (!this.peer) return Put.UNPLUGGED;
    const { incoming } = this.peer;
    while (!incoming.put(mem, d, length)) if (incoming.hold()) return Put.FULL;
    return Put.DONE;
  }
  protected take(mem: Memory, d: number, slot: number): number { return this.incoming.take(mem, d, slot); }
  protected sent(): void {
    if (this.peer?.incoming.wakesReceiver()) this.peer.port?.wake();
  }
  protected received(): void {
    if (this.incoming.wakesSender()) this.peer?.port?.wake();
  }
  protected sleep(): boolean { return this.incoming.sleep(); }

  /** Unplug: the other end's frames are dropped from now on. */
  close(): void {
    if (!this.peer) return;
    const { peer } = this;
    peer.peer = undefined;
    this.peer = undefined;
    peer.port?.wake();
  }
}
