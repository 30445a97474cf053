// The gateway's DHCP service (RFC 2131 section 4.3): one address, always the same, for the stack at the other end of the link.
import { Op, CLIENT_PORT, SERVER_PORT, Type, decode, encode, type DhcpMessage } from '../dhcp/message.js';
import type { CoreDatagram } from '../sockets/core_datagram.js';
import { SocketError } from '../sockets/error.js';
import { SOL_SOCKET, SO_BROADCAST } from '../sockets/linux.js';
import type { GatewayContext } from './context.js';

const SO_BINDTODEVICE = 25;
/** s. */
const LEASE = 86400;
const BROADCAST = '255.255.255.255';

export class DhcpServer {
  private readonly socket: CoreDatagram;

  constructor(private readonly gateway: GatewayContext) {
    const s = this.socket = gateway.sockets.datagram(4);
    s.setOption(SOL_SOCKET, SO_BINDTODEVICE, new TextEncoder().encode(`${gateway.device}\0`));
    s.setOption(SOL_SOCKET, SO_BROADCAST, 1);
    s.bind('0.0.0.0', SERVER_PORT);
    s.onreadable = () => this.receive();
  }
  close(): void { this.socket.close(); }

  private receive(): void {
    for (let d = this.socket.receive(); d; d = this.socket.receive()) {
      const m = decode(d.data), answer = m && m.op === Op.REQUEST ? this.answer(m) : undefined;
      if (m && answer) this.send(m, answer);
    }
  }

  /** The reply's own fields; undefined: none. */
  private answer(m: DhcpMessage): Partial<DhcpMessage> & { type: Type } | undefined {
    const { guest, prefix, gateway, dns } = this.gateway.network.v4;
    const offered = { prefix, routers: [gateway], dns: [dns], yiaddr: guest, lease: LEASE };
    switch (m.type) {
      case Type.DISCOVER: return { type: Type.OFFER, ...offered };
      case Type.REQUEST: {
        if (m.server !== undefined && m.server !== gateway) return undefined; // it has chosen another
        return (m.requested ?? m.ciaddr) === guest ? { type: Type.ACK, ...offered } : { type: Type.NAK };
      }
      case Type.INFORM: return { type: Type.ACK, prefix, routers: [gateway], dns: [dns] };
      default: return undefined; // RELEASE, DECLINE: the address stays what it is
    }
  }

  private send(m: DhcpMessage, answer: Partial<DhcpMessage> & { type: Type }): void {
    const reply = encode({ op: Op.REPLY, xid: m.xid, mac: m.mac, broadcast: m.broadcast, ciaddr: m.ciaddr, server: this.gateway.network.v4.gateway, ...answer });
    // RFC 2131 4.1: a client with an address gets it there; others, and every NAK, by broadcast.
    const to = m.ciaddr !== undefined && answer.type !== Type.NAK ? m.ciaddr : BROADCAST;
    try {
      this.socket.send(reply, to, CLIENT_PORT);
    } catch (e) {
      if (!(e instanceof SocketError)) throw e; // an address that cannot be reached: the client's claim
    }
  }
}
