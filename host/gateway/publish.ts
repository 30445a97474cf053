// Published ports: sockets of the host that lead to the stack. The stack sees the peer's own address, or the gateway's when the peer is
// the host itself by its loopback interface.
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { PublishConfig } from '../config/publish.js';
import type { CoreDatagram } from '../sockets/core_datagram.js';
import type { CoreStream } from '../sockets/core_stream.js';
import { SocketError } from '../sockets/error.js';
import type { GatewayContext } from './context.js';
import { unmapped } from './target.js';
import type { TcpForwarder } from './tcp.js';
import { makeTransparent } from './transparent.js';

/** Clients of one published UDP port at a time; beyond, the one idle longest gives way. */
const MAX_CLIENTS = 256;
/** RFC 4787 REQ-5. */
const IDLE = 120e9, SWEEP = 5e9;

interface Published {
  close(): void;
}

/** The address under which the stack sees a peer of the host. */
function seenAs(gateway: GatewayContext, peer: string): string {
  const v6 = isIPv6(peer);
  const family = v6 ? gateway.network.v6 : gateway.network.v4;
  const local = v6 ? peer === '::1' || peer.startsWith('fe80:') : peer.startsWith('127.') || peer === family.guest;
  return local ? family.gateway : peer;
}

/** Give the core's socket the peer's name: with its port where that is free. */
function nameAs(s: CoreStream | CoreDatagram, address: string, port: number): void {
  makeTransparent(s);
  try {
    s.bind(address, port);
  } catch (e) {
    if (!(e instanceof SocketError) || e.code !== 'EADDRINUSE') throw e;
    s.bind(address, 0);
  }
}

class PublishedTcp implements Published {
  private readonly server: Server;

  constructor(private readonly gateway: GatewayContext, private readonly tcp: TcpForwarder, private readonly config: PublishConfig) {
    this.server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.connection(socket));
  }

  listen(): Promise<void> {
    return new Promise((resolve, fail) => {
      this.server.once('error', fail);
      this.server.listen({ port: this.config.hostPort, host: this.config.address, ipv6Only: isIPv6(this.config.address) }, resolve);
    });
  }
  close(): void { this.server.close(); }

  /** The host's kernel has accepted for us; nothing is read before the stack has accepted, too. */
  private connection(socket: Socket): void {
    const { gateway, tcp } = this, peer = unmapped(socket.remoteAddress ?? '');
    socket.on('error', () => socket.destroy());
    if (!peer || !tcp.room) return void socket.resetAndDestroy();
    const v6 = isIPv6(peer), { guest } = v6 ? gateway.network.v6 : gateway.network.v4;
    let stream: CoreStream | undefined;
    try {
      stream = gateway.sockets.stream(6);
      nameAs(stream, seenAs(gateway, peer), socket.remotePort ?? 0);
      const s = stream;
      s.onopen = () => {
        if (socket.destroyed) s.reset();
        else tcp.splice(s, socket);
      };
      s.onerror = () => socket.resetAndDestroy();
      s.connect(guest, this.config.port);
    } catch (e) {
      if (!(e instanceof SocketError)) throw e;
      stream?.close();
      socket.resetAndDestroy();
    }
  }
}

interface Client {
  inside: CoreDatagram;
  used: number;
}

class PublishedUdp implements Published {
  private readonly socket: UdpSocket;
  private readonly clients = new Map<string, Client>();

  constructor(private readonly gateway: GatewayContext, private readonly config: PublishConfig) {
    const v6 = isIPv6(config.address);
    this.socket = createSocket({ type: v6 ? 'udp6' : 'udp4', ipv6Only: v6 });
    this.socket.on('message', (data, from) => this.inward(data, from));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, fail) => {
      this.socket.once('error', fail);
      this.socket.bind({ port: this.config.hostPort, address: this.config.address }, resolve);
    });
    this.socket.removeAllListeners('error');
    this.socket.on('error', () => undefined); // about a client that is gone: the client's matter
    this.sweepLater();
  }
  close(): void {
    this.socket.close();
    for (const c of this.clients.values()) c.inside.close();
    this.clients.clear();
  }

  private inward(data: Buffer, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`;
    try {
      const client = this.clients.get(key) ?? this.open(key, from);
      client.used = this.gateway.loop.now();
      client.inside.send(data);
    } catch (e) {
      // The stack refused an earlier datagram, or cannot take this one: it is lost, as on any path.
      if (!(e instanceof SocketError)) throw e;
    }
  }

  private open(key: string, from: RemoteInfo): Client {
    const { gateway, clients } = this, v6 = from.family === 'IPv6';
    if (clients.size >= MAX_CLIENTS) this.end([...clients.entries()].reduce((a, b) => (b[1].used < a[1].used ? b : a))[0]);
    const inside = gateway.sockets.datagram(6), client = { inside, used: 0 };
    nameAs(inside, seenAs(gateway, from.address), from.port);
    inside.connect((v6 ? gateway.network.v6 : gateway.network.v4).guest, this.config.port);
    inside.onreadable = () => this.outward(client, from);
    clients.set(key, client);
    return client;
  }

  private outward(client: Client, to: RemoteInfo): void {
    try {
      for (let d = client.inside.receive(); d; d = client.inside.receive()) {
        client.used = this.gateway.loop.now();
        this.socket.send(Buffer.from(d.data), to.port, to.address);
      }
    } catch (e) {
      // Nobody listens inside (port unreachable). A datagram socket cannot pass that on to one of its peers.
      if (!(e instanceof SocketError)) throw e;
    }
  }

  private end(key: string): void {
    this.clients.get(key)?.inside.close();
    this.clients.delete(key);
  }
  private sweepLater(): void {
    const { loop } = this.gateway;
    loop.setTimer(loop.now() + SWEEP, () => {
      const now = loop.now();
      for (const [key, c] of this.clients) if (now - c.used > IDLE) this.end(key);
      this.sweepLater();
    });
  }
}

/** Open all published ports. Rejects with the first that cannot be had, its `code` kept and its port named. */
export async function publish(gateway: GatewayContext, tcp: TcpForwarder, list: readonly PublishConfig[]): Promise<Published[]> {
  const out: Published[] = [];
  for (const config of list) {
    const p = config.protocol === 'tcp' ? new PublishedTcp(gateway, tcp, config) : new PublishedUdp(gateway, config);
    try {
      await p.listen();
    } catch (e) {
      for (const o of out) o.close();
      const { code = '', message } = e as NodeJS.ErrnoException;
      throw Object.assign(new Error(`port ${config.hostPort}/${config.protocol} of ${config.address} cannot be published: ${message}`), { code });
    }
    out.push(p);
  }
  return out;
}
