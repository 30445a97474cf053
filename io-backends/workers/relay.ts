// Frames that concern every worker of a stack. The device gives them to worker 0 (io-backends/steer/steer.c), whose vif copies them to the
// others, over a ring of bytes each: ARP, ICMP, fragments, and whatever else is not plain TCP or UDP.
import * as A from '../../host/abi/constants.js';
import { RX_MORE, type RelaySpec, type Vif, type VifPort, type VifStats } from '../../host/vif.js';
import { EMPTY, FrameRing, MALFORMED } from '../memory/frame_ring.js';

const ETH_HLEN = 14, ETH_P_IP = 0x0800, ETH_P_IPV6 = 0x86dd, IPV4_HLEN = 20, IPV6_HLEN = 40;
const IPPROTO_TCP = 6, IPPROTO_UDP = 17;

/** Whether the frame of `length` bytes at p goes by its flow: TCP or UDP, not in fragments, and in IPv6 without further headers. */
export function isSteered(u8: Uint8Array, p: number, length: number): boolean {
  const type = (u8[p + 12] << 8) | u8[p + 13], ip = p + ETH_HLEN;
  let proto = 0;
  if (type === ETH_P_IP && length >= ETH_HLEN + IPV4_HLEN && !((u8[ip + 6] & 0x3f) | u8[ip + 7])) proto = u8[ip + 9];
  else if (type === ETH_P_IPV6 && length >= ETH_HLEN + IPV6_HLEN) proto = u8[ip + 6];
  return proto === IPPROTO_TCP || proto === IPPROTO_UDP;
}

abstract class RelayVif implements Vif {
  protected port?: VifPort;
  constructor(protected readonly inner: Vif) {}
  get name(): string { return this.inner.name; }
  get mac(): string { return this.inner.mac; }
  get mtu(): number { return this.inner.mtu; }
  get features(): number { return this.inner.features; }
  get dev(): string { return this.inner.dev; }
  get fd(): number { return this.inner.fd; }
  get pollOut(): boolean { return this.inner.pollOut; }
  get group(): number | undefined { return this.inner.group; }
  attach(port: VifPort): void {
    this.port = port;
    this.inner.attach(port);
  }
  abstract rx(first: number, max: number): number;
  tx(max: number): number { return this.inner.tx(max); }
  stats(): VifStats { return this.inner.stats(); }
  close(): void { this.inner.close(); }
}

/** Worker 0's. A ring that is full loses the frame: counted with what was received and dropped. */
class LeaderVif extends RelayVif {
  private readonly rings: FrameRing[];
  private dropped = 0;

  constructor(inner: Vif, rings: readonly ArrayBufferLike[], private readonly ring: (worker: number) => void) {
    super(inner);
    this.rings = rings.map((b) => new FrameRing(b));
  }

  rx(first: number, max: number): number {
    const r = this.inner.rx(first, max), { u8, u32 } = this.port!.mem;
    let copied = false;
    for (let i = first, end = first + (r < 0 ? 0 : r & (RX_MORE - 1)); i < end; i++) {
      const d = A.RX_DESC + i * A.RX_DESC_SIZE, length = u32[(d + A.RXD_LEN) >>> 2];
      u8[d + A.RXD_FLAGS] &= ~A.RX_SHARED;
      if (isSteered(u8, u32[(d + A.RXD_BUF) >>> 2], length)) continue;
      u8[d + A.RXD_FLAGS] |= A.RX_SHARED;
      for (const ring of this.rings) if (!ring.putReceived(this.port!.mem, d, length)) this.dropped++;
      copied = true;
    }
    if (copied) this.rings.forEach((ring, i) => { if (ring.wakesReceiver()) this.ring(i); });
    return r;
  }
  override stats(): VifStats {
    const s = super.stats();
    return { ...s, rxDropped: s.rxDropped + this.dropped };
  }
}

/** A later worker's: its queue of the device, and what worker 0 copies. */
class FollowerVif extends RelayVif {
  private readonly ring: FrameRing;
  private frames = 0;
  private bytes = 0;

  constructor(inner: Vif, ring: ArrayBufferLike, readonly bell: number) {
    super(inner);
    this.ring = new FrameRing(ring);
  }

  rx(first: number, max: number): number {
    const { mem, slot } = this.port!;
    let n = 0;
    while (n < max) {
      const length = this.ring.take(mem, A.RX_DESC + (first + n) * A.RX_DESC_SIZE, slot);
      if (length === EMPTY) {
        if (this.ring.sleep()) break;
        continue;
      }
      if (length === MALFORMED) continue;
      this.frames++;
      this.bytes += length;
      n++;
    }
    if (n === max) return n | RX_MORE;
    const r = this.inner.rx(first + n, max - n);
    if (r < 0) return n ? n | RX_MORE : r;
    for (let i = first + n, end = i + (r & (RX_MORE - 1)); i < end; i++) mem.u8[A.RX_DESC + i * A.RX_DESC_SIZE + A.RXD_FLAGS] &= ~A.RX_SHARED;
    return n + r;
  }
  override stats(): VifStats {
    const s = super.stats();
    return { ...s, rxFrames: s.rxFrames + this.frames, rxBytes: s.rxBytes + this.bytes };
  }
}

/** `signal`: wake the worker that waits at an eventfd. */
export function relayed(inner: Vif, relay: RelaySpec, signal: (bell: number) => void): Vif {
  return relay.bell === undefined ? new LeaderVif(inner, relay.rings, (i) => signal(relay.bells[i])) : new FollowerVif(inner, relay.rings[0], relay.bell);
}
