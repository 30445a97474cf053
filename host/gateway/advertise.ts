// The gateway as IPv6 router (RFC 4861 section 6.2, RFC 8106): prefix, itself as default router and its name service.
import { parseIp, parseMac } from '../config/address.js';
import type { CoreDatagram } from '../sockets/core_datagram.js';
import { SocketError } from '../sockets/error.js';
import { IPPROTO_ICMPV6, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_IF, SOCK_RAW } from '../sockets/linux.js';
import type { GatewayContext } from './context.js';

const ROUTER_SOLICITATION = 133, ROUTER_ADVERTISEMENT = 134;
const SOL_ICMPV6 = 58, ICMPV6_FILTER = 1;
const OPT_SOURCE_LLADDR = 1, OPT_PREFIX = 3, OPT_MTU = 5, OPT_RDNSS = 25;
/** On-link, and for addresses (RFC 4861 4.6.2). */
const PREFIX_FLAGS = 0xc0;
/** s (RFC 4861 6.2.1): router lifetime 3 times the longest interval; prefix lifetimes. */
const INTERVAL = 600, LIFETIME = 1800, VALID = 2592000, PREFERRED = 604800;
/** RFC 4861 6.2.6: solicited advertisements are this far apart, ns. */
const MIN_DELAY = 3e9;
const ALL_NODES = 'ff02::1';

export class RouterAdvertiser {
  private readonly socket: CoreDatagram;
  private readonly message: Uint8Array;
  private last = -Infinity;
  private timer = -1;

  /** `mac`, `mtu`: of the interface. */
  constructor(private readonly gateway: GatewayContext, mac: string, mtu: number) {
    const s = this.socket = gateway.sockets.datagram(6, SOCK_RAW, IPPROTO_ICMPV6);
    const blocked = new Uint8Array(32).fill(255);
    blocked[ROUTER_SOLICITATION >> 3] &= ~(1 << (ROUTER_SOLICITATION & 7));
    s.setOption(SOL_ICMPV6, ICMPV6_FILTER, blocked);
    s.setOption(IPPROTO_IPV6, IPV6_MULTICAST_IF, gateway.ifindex);
    s.setOption(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255);
    this.message = advertisement(gateway.network.v6, mac, mtu);
    s.onreadable = () => this.solicited();
    this.later(0);
  }
  close(): void {
    this.gateway.loop.clearTimer(this.timer);
    this.socket.close();
  }

  private solicited(): void {
    let asked = false;
    while (this.socket.receive()) asked = true;
    if (asked) this.later(Math.max(0, this.last + MIN_DELAY - this.gateway.loop.now()));
  }
  private later(ns: number): void {
    const { loop } = this.gateway;
    loop.clearTimer(this.timer);
    this.timer = loop.setTimer(loop.now() + ns, () => {
      this.last = loop.now();
      try {
        this.socket.send(this.message, ALL_NODES);
      } catch (e) {
        if (!(e instanceof SocketError)) throw e; // the link is not up yet: the next one goes
      }
      this.later(INTERVAL * 1e9);
    });
  }
}

function advertisement(v6: GatewayContext['network']['v6'], mac: string, mtu: number): Uint8Array {
  const out = new Uint8Array(16 + 8 + 8 + 32 + 24), view = new DataView(out.buffer);
  out[0] = ROUTER_ADVERTISEMENT;
  out[4] = 64; // hop limit
  view.setUint16(6, LIFETIME);
  out.set([OPT_SOURCE_LLADDR, 1, ...parseMac(mac)!], 16);
  out.set([OPT_MTU, 1], 24);
  view.setUint32(28, mtu);
  out.set([OPT_PREFIX, 4, v6.prefix, PREFIX_FLAGS], 32);
  view.setUint32(36, VALID);
  view.setUint32(40, PREFERRED);
  const prefix = parseIp(v6.gateway)!;
  for (let i = 0; i < 16; i++) out[48 + i] = i * 8 < v6.prefix ? prefix[i] : 0;
  out.set([OPT_RDNSS, 3], 64);
  view.setUint32(68, LIFETIME);
  out.set(parseIp(v6.dns)!, 72);
  return out;
}
