// A SYN flood: the openings of connections that nobody wants, from addresses that are not the sender's (RFC 4987).
import type { AppCount, Ends, Metrics, SeparableApp } from './apps.js';
import type { DatagramSocket } from '../sockets/endpoints.js';
import { SOCK_RAW } from '../sockets/linux.js';
import { RandomStream } from './random.js';
import type { AppSpec } from './scenario.js';

const IPPROTO_TCP = 6, IPPROTO_RAW = 255, IP_BYTES = 20, TCP_BYTES = 24, SYN = 2, TTL = 64;
/** 198.18.0.0/15: addresses for tests (RFC 2544), of no node; what the victim answers goes nowhere. */
const SPOOFED = 198 * 2 ** 24 + 18 * 2 ** 16;

/** The internet checksum of whole 16-bit words, upon `sum`. */
function checksum(v: DataView, from: number, to: number, sum: number): number {
  for (let i = from; i < to; i += 2) sum += v.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export class SynFlood implements SeparableApp {
  private sent = 0;
  private refused = 0;
  private readonly random: RandomStream;
  private readonly packet = new Uint8Array(IP_BYTES + TCP_BYTES);

  constructor(readonly name: string, private readonly spec: Extract<AppSpec, { type: 'synflood' }>, private readonly ends: Ends) {
    this.random = new RandomStream(ends.from.sim.seed, `app ${name}`);
  }

  start(): void {
    const { spec, ends: { from } } = this;
    // The header is in what a socket of this protocol sends.
    from.after(spec.start, () => this.send(from.sockets.datagram(4, SOCK_RAW, IPPROTO_RAW)));
  }

  private send(s: DatagramSocket): void {
    const { spec, ends: { from, address } } = this;
    if (from.sim.now >= (spec.stop ?? Infinity)) return s.close();
    this.fill();
    this.sent++;
    if (!s.send(this.packet, address)) this.refused++;
    from.after(Math.round(1e9 / spec.perSecond), () => this.send(s));
  }

  /** The next SYN, with an MSS and a checksum; the socket fills in what it does of the IPv4 header. */
  private fill(): void {
    const { packet, random, ends: { address, port } } = this, v = new DataView(packet.buffer);
    packet.fill(0);
    v.setUint8(0, 0x45);
    v.setUint16(2, packet.length);
    v.setUint8(8, TTL);
    v.setUint8(9, IPPROTO_TCP);
    v.setUint32(12, SPOOFED + random.below(2 ** 17));
    packet.set(address.split('.').map(Number), 16);
    const tcp = IP_BYTES;
    v.setUint16(tcp, 1024 + random.below(64512));
    v.setUint16(tcp + 2, port);
    v.setUint32(tcp + 4, random.u32());
    v.setUint8(tcp + 12, TCP_BYTES / 4 << 4);
    v.setUint8(tcp + 13, SYN);
    v.setUint16(tcp + 14, 65535);
    v.setUint32(tcp + 20, 2 << 24 | 4 << 16 | 1460);
    v.setUint16(tcp + 16, checksum(v, 12, packet.length, IPPROTO_TCP + TCP_BYTES));
  }

  counted(): AppCount { return { sent: this.sent, refused: this.refused }; }
  takeIn(other: AppCount): void {
    this.sent += other.sent as number;
    this.refused += other.refused as number;
  }
  metrics(): Metrics { return { sent: this.sent, refused: this.refused }; }
}
