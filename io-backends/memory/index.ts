// A cable between two cores of one thread: frames are copied from one's transmit ring to the other's descriptors.
// For tests, the browser and simple simulations. The queue is bounded; a full one holds the sender back.
import * as A from '../../host/abi/constants.js';
import { RX_MORE, type Vif, type VifPort, type VifSpec, type VifStats } from '../../host/vif.js';

/** Frames on their way in one direction, at most. */
const QUEUE_MAX = 256;

interface Parcel {
  bytes: Uint8Array;
  /** The 10 bytes of offload fields of the transmit descriptor, from TXD_FLAGS to TXD_CSUM_OFFSET. */
  offload: Uint8Array;
}

export class MemoryVif implements Vif {
  readonly fd = -1;
  readonly pollOut = false;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly features: number;
  readonly dev = 'memory';
  private peer?: MemoryVif;
  private port?: VifPort;
  private queue: Parcel[] = [];
  private readonly counters: VifStats = { rxFrames: 0, rxBytes: 0, rxDropped: 0, txFrames: 0, txBytes: 0, txDropped: 0, txInvalid: 0 };

  private constructor(spec: MemorySpec) {
    this.name = spec.name;
    this.mac = spec.mac;
    this.mtu = spec.mtu ?? 1500;
    this.features = spec.offload === false ? 0 : A.VifFeature.CSUM | A.VifFeature.TSO4 | A.VifFeature.TSO6 | A.VifFeature.USO;
  }

  /** The two ends of a new cable. */
  static pair(a: MemorySpec, b: MemorySpec): [MemoryVif, MemoryVif] {
    const x = new MemoryVif(a), y = new MemoryVif(b);
    x.peer = y;
    y.peer = x;
    return [x, y];
  }

  attach(port: VifPort): void { this.port = port; }

  rx(first: number, max: number): number {
    const { u8, u16, u32 } = this.port!.mem;
    const full = this.queue.length >= QUEUE_MAX;
    let n = 0;
    while (n < max && this.queue.length) {
      const { bytes, offload } = this.queue.shift()!, d = A.RX_DESC + (first + n) * A.RX_DESC_SIZE;
      if (bytes.length > u32[(d + A.RXD_CAP) >>> 2]) {
        this.counters.rxDropped++;
        continue;
      }
      u8.set(bytes, u32[(d + A.RXD_BUF) >>> 2]);
      u32[(d + A.RXD_LEN) >>> 2] = bytes.length;
      u16[(d + A.RXD_VIF) >>> 1] = this.port!.slot;
      u8[d + A.RXD_FLAGS] = offload[0];
      u8[d + A.RXD_GSO_TYPE] = offload[1];
      u8.set(offload.subarray(2, 4), d + A.RXD_GSO_SIZE);
      u8.set(offload.subarray(4, 6), d + A.RXD_HDR_LEN);
      u8.set(offload.subarray(6, 10), d + A.RXD_CSUM_START);
      this.counters.rxFrames++;
      this.counters.rxBytes += bytes.length;
      n++;
    }
    if (full && n) this.peer?.port?.wake();
    return this.queue.length ? n | RX_MORE : n;
  }

  tx(max: number): number {
    const { u8, u16, u32 } = this.port!.mem, h = (A.VIF + this.port!.slot * A.VIF_STRIDE) >>> 2;
    const ring = u32[h + (A.VIF_TX_RING >>> 2)], mask = u32[h + (A.VIF_TX_SIZE >>> 2)] - 1;
    let tail = u32[h + (A.VIF_TX_TAIL >>> 2)], n = 0;
    for (; n < max && tail !== u32[h + (A.VIF_TX_HEAD >>> 2)]; n++, tail = (tail + 1) >>> 0) {
      if (this.peer && this.peer.queue.length >= QUEUE_MAX) break;
      const d = ring + (tail & mask) * A.TX_DESC_SIZE, pieces: Uint8Array[] = [];
      const count = u16[(d + A.TXD_NFRAGS) >>> 1];
      for (let i = 0; i < count && count <= A.TXD_MAX_FRAGS; i++) {
        const p = (d + A.TXD_FRAGS + 8 * i) >>> 2;
        pieces.push(u8.subarray(u32[p], u32[p] + u32[p + 1]));
      }
      const length = pieces.reduce((sum, p) => sum + p.length, 0);
      if (!length || length !== u32[(d + A.TXD_LEN) >>> 2]) this.counters.txInvalid++;
      else if (!this.peer) this.counters.txDropped++;
      else this.send(this.peer, pieces, length, u8.slice(d + A.TXD_FLAGS, d + A.TXD_FLAGS + 10));
    }
    u32[h + (A.VIF_TX_TAIL >>> 2)] = tail;
    return n;
  }

  stats(): VifStats { return { ...this.counters }; }

  /** Unplug: the other end's frames are dropped from now on. */
  close(): void {
    if (this.peer) {
      const { peer } = this;
      peer.peer = undefined;
      this.peer = undefined;
      peer.port?.wake();
    }
    this.queue = [];
  }

  private send(peer: MemoryVif, pieces: Uint8Array[], length: number, offload: Uint8Array): void {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const p of pieces) {
      bytes.set(p, at);
      at += p.length;
    }
    peer.queue.push({ bytes, offload });
    this.counters.txFrames++;
    this.counters.txBytes += length;
    peer.port?.wake();
  }
}

export interface MemorySpec extends Omit<VifSpec, 'type' | 'mac'> {
  mac: string;
}
