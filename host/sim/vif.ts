// The interface of a simulated node: frames leave it whole, with their checksums, for a medium; what the medium delivers waits in an
// inbox until the stack's next turn.
import * as A from '../abi/constants.js';
import { sentFrame } from '../debug/pcapng.js';
import { RX_MORE, type Vif, type VifPort, type VifStats } from '../vif.js';

export interface SimVifSpec {
  name: string;
  mac: string;
  mtu: number;
}

export class SimVif implements Vif {
  readonly fd = -1;
  readonly pollOut = false;
  readonly dev = 'sim';
  readonly features = 0;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** Where frames go. */
  transmit: (frame: Uint8Array) => void = () => { this.counters.txDropped++; };
  /** Sees every frame that passes between the node and the medium. */
  tap?: (frame: Uint8Array, sent: boolean) => void;
  private port?: VifPort;
  private inbox: Uint8Array[] = [];
  private readonly counters: VifStats = { rxFrames: 0, rxBytes: 0, rxDropped: 0, txFrames: 0, txBytes: 0, txDropped: 0, txInvalid: 0 };

  constructor(spec: SimVifSpec) {
    this.name = spec.name;
    this.mac = spec.mac;
    this.mtu = spec.mtu;
  }

  attach(port: VifPort): void { this.port = port; }

  /** A frame arrives. */
  deliver(frame: Uint8Array): void {
    this.inbox.push(frame);
    this.port?.wake();
  }

  rx(first: number, max: number): number {
    const { mem, slot } = this.port!, { u8, u16, u32 } = mem, { inbox, counters } = this;
    let n = 0, taken = 0;
    for (; taken < inbox.length && n < max; taken++) {
      const frame = inbox[taken], d = A.RX_DESC + (first + n) * A.RX_DESC_SIZE;
      if (frame.length > u32[(d + A.RXD_CAP) >>> 2]) {
        counters.rxDropped++;
        continue;
      }
      u8.set(frame, u32[(d + A.RXD_BUF) >>> 2]);
      u32[(d + A.RXD_LEN) >>> 2] = frame.length;
      u16[(d + A.RXD_VIF) >>> 1] = slot;
      u8.fill(0, d + A.RXD_FLAGS, d + A.RXD_CSUM_OFFSET + 2);
      counters.rxFrames++;
      counters.rxBytes += frame.length;
      this.tap?.(frame, false);
      n++;
    }
    this.inbox = taken === inbox.length ? [] : inbox.slice(taken);
    return n | (this.inbox.length ? RX_MORE : 0);
  }

  tx(max: number): number {
    const { mem, slot } = this.port!, { u32 } = mem, h = (A.VIF + slot * A.VIF_STRIDE) >>> 2;
    const ring = u32[h + (A.VIF_TX_RING >>> 2)], mask = u32[h + (A.VIF_TX_SIZE >>> 2)] - 1;
    let tail = u32[h + (A.VIF_TX_TAIL >>> 2)], n = 0;
    for (; n < max && tail !== u32[h + (A.VIF_TX_HEAD >>> 2)]; n++, tail = (tail + 1) >>> 0) {
      const frame = sentFrame(mem, ring + (tail & mask) * A.TX_DESC_SIZE);
      this.counters.txFrames++;
      this.counters.txBytes += frame.length;
      this.tap?.(frame, true);
      this.transmit(frame);
    }
    u32[h + (A.VIF_TX_TAIL >>> 2)] = tail;
    return n;
  }

  stats(): VifStats { return { ...this.counters }; }
  /** Unplug. */
  close(): void {
    this.inbox = [];
    this.transmit = () => { this.counters.txDropped++; };
  }
}
