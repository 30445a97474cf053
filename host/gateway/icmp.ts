// Echo requests from the stack: those for the gateway it answers itself, others go out by ICMP sockets of the host, which need no
// privilege where net.ipv4.ping_group_range allows them; where it does not, the stack hears that this is prohibited.
import { DATA, ErrnoName } from '../abi/constants.js';
import { formatIp, parseIp } from '../config/address.js';
import { EPOLLIN } from '../native.js';
import type { SocketAddress } from '../sockets/address.js';
import type { CoreDatagram } from '../sockets/core_datagram.js';
import type { Datagram } from '../sockets/endpoints.js';
import { SocketError } from '../sockets/error.js';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_IPV6, IP_PKTINFO, IPV6_PKTINFO, SOCK_RAW } from '../sockets/linux.js';
import type { GatewayContext } from './context.js';
import { refusal } from './target.js';
import { pairKey, reject, type Pair } from './transparent.js';

const ECHO = 8, ECHO_REPLY = 0, ECHO6 = 128, ECHO_REPLY6 = 129;
const SOL_RAW = 255, ICMP_FILTER = 1, SOL_ICMPV6 = 58, ICMPV6_FILTER = 1, IPV6_RECVPKTINFO = 49;
const ICMP_HEADER = 8, CMSG_HEADER = 16;
/** The largest echo message passed on, bytes. */
const MESSAGE_MAX = 65536;
/** Exchanges (a program's ping of one address) at a time, and how long one lasts without a packet, ns. */
const MAX_FLOWS = 128, IDLE = 30e9, SWEEP = 5e9;

/** Opens an ICMP socket of the host that is connected to `address`: its descriptor or -errno. */
export type PingOpen = (address: string) => number;

/** An echo request: ICMP message, who sent it to whom. `port` of both is the identifier. */
interface Request extends Pair {
  message: Buffer;
}

interface Flow {
  pair: Pair;
  fd: number;
  source: number;
  used: number;
}

/** Whether the first byte of a message makes it an echo request, by family. */
const isEcho = (m: Uint8Array, v6: boolean): boolean => m.length >= ICMP_HEADER && m[0] === (v6 ? ECHO6 : ECHO);

export class EchoForwarder {
  private readonly raw: { 4: CoreDatagram; 6: CoreDatagram };
  private readonly flows = new Map<string, Flow>();

  constructor(private readonly gateway: GatewayContext, private readonly pingOpen: PingOpen) {
    const { sockets } = gateway;
    this.raw = { 4: sockets.datagram(4, SOCK_RAW, IPPROTO_ICMP), 6: sockets.datagram(6, SOCK_RAW, IPPROTO_ICMPV6) };
    // Set bits are blocked: all but echo requests.
    this.raw[4].setOption(SOL_RAW, ICMP_FILTER, ~(1 << ECHO));
    const blocked = new Uint8Array(32).fill(255);
    blocked[ECHO6 >> 3] &= ~(1 << (ECHO6 & 7));
    this.raw[6].setOption(SOL_ICMPV6, ICMPV6_FILTER, blocked);
    this.raw[6].setOption(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    this.raw[4].onreadable = () => this.receive(4);
    this.raw[6].onreadable = () => this.receive(6);
    this.sweepLater();
  }

  close(): void {
    for (const f of [...this.flows.values()]) this.end(f);
    this.raw[4].close();
    this.raw[6].close();
  }

  private receive(family: 4 | 6): void {
    const s = this.raw[family];
    for (let d = s.receive(); d; d = s.receive()) {
      const r = family === 4 ? request4(d) : request6(d);
      if (r) this.request(r, family);
    }
  }

  private request(r: Request, family: 4 | 6): void {
    const { router } = this.gateway, v6 = family === 6;
    if (router.own(r.local.address)) return this.reply(r.message, r, v6);
    const target = router.target(r.local.address, 0, 'icmp');
    if (typeof target === 'number') return this.refuse(r, r.message, target);
    const flow = this.flows.get(pairKey(r)) ?? this.open(r, target.address);
    if (!flow) return;
    flow.used = this.gateway.loop.now();
    const { native, loop } = this.gateway;
    loop.core.mem.u8.set(r.message, DATA);
    const n = native.posixSend(flow.fd, loop.core.mem.u8, DATA, r.message.length, 0);
    if (n < 0) this.refuse(r, r.message, refusal(ErrnoName[-n]));
  }

  private open(r: Request, address: string): Flow | undefined {
    if (this.flows.size >= MAX_FLOWS) this.end([...this.flows.values()].reduce((a, b) => (b.used < a.used ? b : a)));
    const fd = this.pingOpen(address);
    if (fd < 0) {
      this.refuse(r, r.message, refusal(ErrnoName[-fd]));
      return undefined;
    }
    const flow: Flow = { pair: { peer: r.peer, local: r.local }, fd, used: 0, source: this.gateway.loop.addSource(fd, EPOLLIN, () => this.answers(flow)) };
    this.flows.set(pairKey(r), flow);
    return flow;
  }

  /** Replies, and errors, of the host's socket. The kernel has chosen an identifier of its own. */
  private answers(flow: Flow): void {
    const { native, loop } = this.gateway, { pair } = flow, v6 = pair.local.family === 'IPv6', { u8 } = loop.core.mem;
    for (;;) {
      const n = native.posixReceive(flow.fd, u8, DATA, MESSAGE_MAX, 0);
      if (n < 0) {
        const code = ErrnoName[-n];
        if (code !== 'EAGAIN') this.refuse(pair, echoHeader(pair, v6), refusal(code));
        return;
      }
      const message = Buffer.from(u8.subarray(DATA, DATA + n));
      if (n < ICMP_HEADER || message[0] !== (v6 ? ECHO_REPLY6 : ECHO_REPLY)) continue;
      flow.used = loop.now();
      message.writeUInt16BE(pair.peer.port, 4);
      this.send(message, pair, v6);
    }
  }

  private reply(message: Buffer, pair: Pair, v6: boolean): void {
    message[0] = v6 ? ECHO_REPLY6 : ECHO_REPLY;
    this.send(message, pair, v6);
  }

  /** To the stack, as if from pair.local. */
  private send(message: Buffer, { peer, local }: Pair, v6: boolean): void {
    message.writeUInt16BE(0, 2);
    if (!v6) message.writeUInt16BE(checksum(message), 2);
    try {
      this.raw[v6 ? 6 : 4].send(message, peer.address, 0, packetInfo(local, v6));
    } catch (e) {
      if (!(e instanceof SocketError)) throw e; // too long for the link, or its peer is gone: lost
    }
  }

  private refuse(pair: Pair, message: Uint8Array, errno: number): void {
    const { sockets, ifindex } = this.gateway;
    if (errno && ErrnoName[errno] !== 'ETIMEDOUT') reject(sockets, ifindex, pair.local.family === 'IPv6' ? IPPROTO_ICMPV6 : IPPROTO_ICMP, pair, message, errno);
  }

  private end(f: Flow): void {
    this.flows.delete(pairKey(f.pair));
    this.gateway.loop.removeSource(f.source);
    this.gateway.native.posixClose(f.fd);
  }
  private sweepLater(): void {
    const { loop } = this.gateway;
    loop.setTimer(loop.now() + SWEEP, () => {
      const now = loop.now();
      for (const f of [...this.flows.values()]) if (now - f.used > IDLE) this.end(f);
      this.sweepLater();
    });
  }
}

/** A raw IPv4 socket gives the packet with its header. */
function request4(d: Datagram): Request | undefined {
  const hlen = (d.data[0] & 15) * 4, message = Buffer.from(d.data.subarray(hlen));
  if (!isEcho(message, false)) return undefined;
  const port = message.readUInt16BE(4), name = (at: number): SocketAddress => ({ address: formatIp(d.data.subarray(at, at + 4)), family: 'IPv4', port });
  return { message, peer: name(12), local: name(16) };
}

/** A raw IPv6 socket gives the message; the destination is in IPV6_PKTINFO. */
function request6(d: Datagram): Request | undefined {
  const message = Buffer.from(d.data);
  if (!isEcho(message, true) || !d.from || d.control.length < CMSG_HEADER + 16) return undefined;
  const port = message.readUInt16BE(4);
  return { message, peer: { ...d.from, port }, local: { address: formatIp(d.control.subarray(CMSG_HEADER, CMSG_HEADER + 16)), family: 'IPv6', port } };
}

/** The header of an echo request of this exchange, for an error that quotes it; its number is not known any more. */
function echoHeader(pair: Pair, v6: boolean): Uint8Array {
  const h = Buffer.alloc(ICMP_HEADER);
  h[0] = v6 ? ECHO6 : ECHO;
  h.writeUInt16BE(pair.peer.port, 4);
  return h;
}

/** RFC 1071. */
function checksum(b: Buffer): number {
  let sum = 0;
  for (let i = 0; i < b.length; i += 2) sum += (b[i] << 8) | (b[i + 1] ?? 0);
  while (sum >>> 16) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Ancillary data that makes `from` the source (IP_PKTINFO, IPV6_PKTINFO). */
function packetInfo(from: SocketAddress, v6: boolean): Uint8Array {
  const data = v6 ? 20 : 12, out = Buffer.alloc(CMSG_HEADER + data);
  out.writeUInt32LE(CMSG_HEADER + data, 0);
  out.writeUInt32LE(v6 ? IPPROTO_IPV6 : IPPROTO_IP, 8);
  out.writeUInt32LE(v6 ? IPV6_PKTINFO : IP_PKTINFO, 12);
  out.set(parseIp(from.address)!, CMSG_HEADER + (v6 ? 0 : 4));
  return out;
}
