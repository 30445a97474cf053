// What vifs have in common that hand frames from core to core without a device: descriptors, counters, offload. Browser-safe.
import * as A from '../../host/abi/constants.js';
import { RX_MORE, type Vif, type VifPort, type VifSpec, type VifStats } from '../../host/vif.js';
import { gatheredLength, type Memory } from './frame_record.js';
import { EMPTY, MALFORMED } from './frame_ring.js';

export interface MemorySpec extends Omit<VifSpec, 'type' | 'mac'> {
  mac: string;
}

/** What became of a frame to send. */
export const enum Put { DONE, FULL, UNPLUGGED }

export abstract class FrameVif implements Vif {
  readonly fd = -1;
  readonly pollOut = false;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly features: number;
  protected port?: VifPort;
  private readonly counters: VifStats = { rxFrames: 0, rxBytes: 0, rxDropped: 0, txFrames: 0, txBytes: 0, txDropped: 0, txInvalid: 0 };

  constructor(spec: MemorySpec, readonly dev: string) {
    this.name = spec.name;
    this.mac = spec.mac;
    this.mtu = spec.mtu ?? 1500;
    this.features = spec.offload === false ? 0 : A.VifFeature.CSUM | A.VifFeature.TSO4 | A.VifFeature.TSO6 | A.VifFeature.USO;
  }

  /** Send the frame of the transmit descriptor at d. */
  protected abstract put(mem: Memory, d: number, length: number): Put;
  /** Move the next frame to the receive descriptor at d; its length, EMPTY or MALFORMED. */
  protected abstract take(mem: Memory, d: number, slot: number): number;
  /** After frames were put, or taken. */
  protected abstract sent(): void;
  protected abstract received(): void;
  /** Nothing is left to take: be told of what comes. False when something has come by now. */
  protected abstract sleep(): boolean;
  abstract close(): void;

  attach(port: VifPort): void { this.port = port; }

  rx(first: number, max: number): number {
    const { mem, slot } = this.port!;
    let n = 0, more = RX_MORE;
    while (n < max) {
      const length = this.take(mem, A.RX_DESC + (first + n) * A.RX_DESC_SIZE, slot);
      if (length === EMPTY) {
        if (!this.sleep()) continue;
        more = 0;
        break;
      }
      if (length === MALFORMED) {
        this.counters.rxDropped++;
        continue;
      }
      this.counters.rxFrames++;
      this.counters.rxBytes += length;
      n++;
    }
    this.received();
    return n | more;
  }

  tx(max: number): number {
    const { mem, slot } = this.port!, { u32 } = mem, h = (A.VIF + slot * A.VIF_STRIDE) >>> 2;
    const ring = u32[h + (A.VIF_TX_RING >>> 2)], mask = u32[h + (A.VIF_TX_SIZE >>> 2)] - 1;
    let tail = u32[h + (A.VIF_TX_TAIL >>> 2)], n = 0;
    for (; n < max && tail !== u32[h + (A.VIF_TX_HEAD >>> 2)]; n++, tail = (tail + 1) >>> 0) {
      const d = ring + (tail & mask) * A.TX_DESC_SIZE, length = gatheredLength(mem, d);
      if (!length) {
        this.counters.txInvalid++;
        continue;
      }
      const put = this.put(mem, d, length);
      if (put === Put.FULL) break;
      if (put === Put.UNPLUGGED) this.counters.txDropped++;
      else {
        this.counters.txFrames++;
        this.counters.txBytes += length;
      }
    }
    u32[h + (A.VIF_TX_TAIL >>> 2)] = tail;
    this.sent();
    return n;
  }

  stats(): VifStats { return { ...this.counters }; }
}
