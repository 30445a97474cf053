// The interface of a simulated node: frames leave it whole, with their checksums, for a medium; what the medium delivers waits in an
// inbox until the stack's next turn.
import * as A from '../abi/constants.js';
import type { CoreMemory } from '../memory.js';
import { RX_MORE, type Vif, type VifPort, type VifStats } from '../vif.js';
import { Packet } from './packet.js';

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
  transmit: (p: Packet) => void = () => { this.counters.txDropped++; };
  /** Sees every frame that passes between the node and the medium; the packet is the caller's afterwards. */
  tap?: (p: Packet, sent: boolean) => void;
  private port?: VifPort;
  /** What has arrived: those from `taken` to `arrived`. */
  private readonly inbox: (Packet | undefined)[] = [];
  private taken = 0;
  private arrived = 0;
  private readonly counters: VifStats = { rxFrames: 0, rxBytes: 0, rxDropped: 0, txFrames: 0, txBytes: 0, txDropped: 0, txInvalid: 0 };

  constructor(spec: SimVifSpec) {
    this.name = spec.name;
    this.mac = spec.mac;
    this.mtu = spec.mtu;
  }

  attach(port: VifPort): void { this.port = port; }

  /** A frame arrives. One to a group that the node is not in goes no further, as in a network adapter: most of what is said on a large segment. */
  deliver(p: Packet): void {
    if (!this.wanted(p.frame)) {
      this.tap?.(p, false);
      p.release();
      return;
    }
    this.inbox[this.arrived++] = p;
    this.port?.wake();
  }
  private wanted(f: Uint8Array): boolean {
    if ((f[0] & 1) === 0 || f[0] === 0xff || !this.port) return true;
    const { mem, slot } = this.port, bit = ((f[3] << 3) ^ (f[4] >> 2) ^ f[5]) & 63;
    return (mem.u32[(A.VIF + slot * A.VIF_STRIDE + A.VIF_MULTICAST + (bit >> 5 << 2)) >>> 2] >>> (bit & 31) & 1) !== 0;
  }

  rx(first: number, max: number): number {
    const { mem, slot } = this.port!, { u8, u32 } = mem, { inbox, counters } = this;
    let n = 0;
    while (this.taken < this.arrived && n < max) {
      const p = inbox[this.taken]!, { frame } = p, { length } = frame, d = (A.RX_DESC + (first + n) * A.RX_DESC_SIZE) >>> 2;
      inbox[this.taken++] = undefined;
      if (length > u32[d + (A.RXD_CAP >>> 2)]) {
        counters.rxDropped++;
        continue;
      }
      u8.set(frame, u32[d + (A.RXD_BUF >>> 2)]);
      u32[d + (A.RXD_LEN >>> 2)] = length;
      // The vif; flags and all that concerns super-segments 0.
      u32[d + (A.RXD_VIF >>> 2)] = slot;
      u32[d + (A.RXD_GSO_SIZE >>> 2)] = u32[d + (A.RXD_CSUM_START >>> 2)] = 0;
      counters.rxFrames++;
      counters.rxBytes += length;
      this.tap?.(p, false);
      p.release();
      n++;
    }
    if (this.taken < this.arrived) return n | RX_MORE;
    this.taken = this.arrived = 0;
    return n;
  }

  tx(max: number): number {
    const { mem, slot } = this.port!, { u32 } = mem, { counters } = this, h = (A.VIF + slot * A.VIF_STRIDE) >>> 2;
    const ring = u32[h + (A.VIF_TX_RING >>> 2)], mask = u32[h + (A.VIF_TX_SIZE >>> 2)] - 1, head = u32[h + (A.VIF_TX_HEAD >>> 2)];
    let tail = u32[h + (A.VIF_TX_TAIL >>> 2)], n = 0;
    for (; n < max && tail !== head; n++, tail = (tail + 1) >>> 0) {
      const p = gathered(mem, (ring + (tail & mask) * A.TX_DESC_SIZE) >>> 2);
      counters.txFrames++;
      counters.txBytes += p.frame.length;
      this.tap?.(p, true);
      this.transmit(p);
    }
    u32[h + (A.VIF_TX_TAIL >>> 2)] = tail;
    return n;
  }

  stats(): VifStats { return { ...this.counters }; }
  /** Unplug. */
  close(): void {
    this.taken = this.arrived = this.inbox.length = 0;
    this.transmit = () => { this.counters.txDropped++; };
  }
}

/** The frame of a transmit descriptor at word `d`: the one copy between the sender's memory and the receiver's. */
function gathered({ u8, u32, u16 }: CoreMemory, d: number): Packet {
  const p = Packet.make(u32[d + (A.TXD_LEN >>> 2)]), pieces = u16[(d << 1) + (A.TXD_NFRAGS >>> 1)];
  let at = 0;
  for (let i = 0; i < pieces; i++) {
    const f = d + (A.TXD_FRAGS >>> 2) + 2 * i, from = u32[f], length = u32[f + 1];
    p.frame.set(u8.subarray(from, from + length), at);
    at += length;
  }
  return p.seal();
}
