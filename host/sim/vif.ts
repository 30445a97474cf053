// The interface of a simulated node, whole frames with their checksums on either side: what arrives goes straight into a descriptor that
// the core has posted, what the core has put into the transmit ring goes to a medium.
import * as A from '../abi/constants.js';
import type { Core } from '../core.js';
import type { LinkEnd } from './link.js';
import { Packet } from './packet.js';

export interface SimVifSpec {
  name: string;
  mac: string;
  mtu: number;
}

/** Views kept of frames to send, by their lengths' last bits. */
const VIEWS = 8, NONE = new Uint8Array(0);
const POSTED = (A.HDR + A.HDR_RX_POSTED) >>> 2;

/** The descriptors that all interfaces of a node share. */
export class Receiver {
  /** Frames that wait for the core in the first descriptors. */
  filled = 0;
  /** What found none left. */
  private readonly late: { vif: SimVif; p: Packet }[] = [];

  /** `wake`: the core is wanted. */
  constructor(readonly core: Core, private readonly wake: () => void) {}

  take(vif: SimVif, p: Packet): void {
    if (this.filled < this.core.mem.u32[POSTED]) this.put(vif, p);
    else this.late.push({ vif, p });
    this.wake();
  }
  /** The core has taken `filled` frames and posted descriptors. */
  taken(): void {
    const { late, core: { mem } } = this;
    this.filled = 0;
    while (late.length && this.filled < mem.u32[POSTED]) {
      const { vif, p } = late.shift()!;
      this.put(vif, p);
    }
  }
  /** No more of them. */
  close(): void { this.filled = this.late.length = 0; }

  private put(vif: SimVif, p: Packet): void {
    const { u8, u32 } = this.core.mem, { length } = p.frame, d = (A.RX_DESC + this.filled * A.RX_DESC_SIZE) >>> 2;
    if (length <= u32[d + (A.RXD_CAP >>> 2)]) {
      u8.set(p.frame, u32[d + (A.RXD_BUF >>> 2)]);
      u32[d + (A.RXD_LEN >>> 2)] = length;
      // The vif; flags and all that concerns super-segments 0.
      u32[d + (A.RXD_VIF >>> 2)] = vif.slot;
      u32[d + (A.RXD_GSO_SIZE >>> 2)] = u32[d + (A.RXD_CSUM_START >>> 2)] = 0;
      vif.tap?.(p, false);
      this.filled++;
    }
    p.release();
  }
}

export class SimVif implements LinkEnd {
  readonly features = 0;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  slot = 0;
  /** Where frames go. */
  transmit: (p: Packet) => void = () => undefined;
  /** Sees every frame that passes between the node and the medium; the packet is the caller's afterwards. */
  tap?: (p: Packet, sent: boolean) => void;
  private receiver?: Receiver;
  private readonly views = new Array<Uint8Array>(VIEWS).fill(NONE);

  constructor(spec: SimVifSpec) {
    this.name = spec.name;
    this.mac = spec.mac;
    this.mtu = spec.mtu;
  }

  attach(receiver: Receiver, slot: number): void {
    this.receiver = receiver;
    this.slot = slot;
  }

  /** A frame arrives. One to a group that the node is not in goes no further, as in a network adapter: most of what is said on a large segment. */
  deliver(p: Packet): void {
    const { receiver } = this;
    if (receiver && this.wanted(p.frame, receiver)) {
      receiver.take(this, p);
      return;
    }
    if (receiver) this.tap?.(p, false);
    p.release();
  }
  private wanted(f: Uint8Array, { core: { mem } }: Receiver): boolean {
    if ((f[0] & 1) === 0 || f[0] === 0xff) return true;
    const bit = ((f[3] << 3) ^ (f[4] >> 2) ^ f[5]) & 63;
    return (mem.u32[(A.VIF + this.slot * A.VIF_STRIDE + A.VIF_MULTICAST + (bit >> 5 << 2)) >>> 2] >>> (bit & 31) & 1) !== 0;
  }

  /** Send all that is in the ring; true: the core waits for the return of what was sent, because a socket is charged for it or frames were held back. */
  send({ mem, exports }: Core): boolean {
    const { u32 } = mem, h = (A.VIF + this.slot * A.VIF_STRIDE) >>> 2, head = u32[h + (A.VIF_TX_HEAD >>> 2)];
    let tail = u32[h + (A.VIF_TX_TAIL >>> 2)];
    if (tail === head) return false;
    const ring = u32[h + (A.VIF_TX_RING >>> 2)], mask = u32[h + (A.VIF_TX_SIZE >>> 2)] - 1;
    let awaited = (head - tail) >>> 0 > mask >>> 1;
    for (; tail !== head; tail = (tail + 1) >>> 0) {
      const d = ring + (tail & mask) * A.TX_DESC_SIZE, p = Packet.taken(mem, this.staged(mem, exports.frame_take(d)));
      if (u32[(d + A.TXD_CHARGE) >>> 2]) awaited = true;
      this.tap?.(p, true);
      this.transmit(p);
    }
    u32[h + (A.VIF_TX_TAIL >>> 2)] = tail;
    return awaited;
  }

  /** The first bytes of DATA, where the core leaves frames. Most have one of a few lengths. */
  private staged({ u8 }: Core['mem'], length: number): Uint8Array {
    const { views } = this, i = length & (VIEWS - 1);
    return views[i].length === length ? views[i] : views[i] = u8.subarray(A.DATA, A.DATA + length);
  }

  /** Unplug. */
  close(): void {
    this.receiver?.close();
    this.receiver = undefined;
    this.transmit = () => undefined;
  }
}
