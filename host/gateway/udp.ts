// UDP from the stack: each pair of addresses is a flow with a connected socket on both sides, so that answers find their way and the
// host's errors (ICMP port unreachable and the like) come back. Flows end when they are idle.
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { Errno } from '../abi/constants.js';
import { MAX_NAME_SERVERS } from '../config/config.js';
import type { CoreDatagram } from '../sockets/core_datagram.js';
import { SocketError } from '../sockets/error.js';
import type { GatewayContext } from './context.js';
import { refusal, type Target } from './target.js';
import { AnyDatagram, makeTransparent, pairKey, quoteUdp, reject, type Pair } from './transparent.js';

const IPPROTO_UDP = 17;
/** Flows at a time; beyond, the one idle longest gives way. */
const MAX_FLOWS = 1024;
/** RFC 4787 REQ-5: no flow ends before 2 minutes without a packet; a name lookup does (RFC 6888's way for short exchanges). */
const IDLE = 120e9, IDLE_DNS = 15e9;
const SWEEP = 5e9;
/** Datagrams kept while the host's socket is being connected. */
const MAX_EARLY = 16;
/** A name server that is silent for this long is passed over for the next query, ns. */
const DNS_PATIENCE = 2e9;

/** What a flow asks of the table it is in. */
interface FlowOwner {
  end(pair: Pair): void;
  /** End it, and give this datagram to a new one. */
  restart(pair: Pair, data: Buffer, tried: number): void;
}

class UdpFlow {
  used: number;
  private early: Buffer[] | undefined = [];
  /** The last query to a name server. */
  private query?: Buffer;
  private readonly host: Socket;
  /** A name query waits for its answer since, ns; 0 = none. */
  private asked = 0;

  constructor(private readonly gateway: GatewayContext, readonly pair: Pair, readonly target: Target, private readonly inside: CoreDatagram, private readonly owner: FlowOwner,
    /** Name servers that have refused this flow's query. */
    private readonly tried: number) {
    this.used = gateway.loop.now();
    this.host = createSocket(isIPv6(target.address) ? 'udp6' : 'udp4');
    this.host.on('message', (data) => this.downward(data));
    this.host.on('error', (e: NodeJS.ErrnoException) => this.failed(e.code));
    this.host.once('connect', () => {
      const { early } = this;
      this.early = undefined;
      for (const data of early ?? []) this.pass(data);
    });
    this.host.connect(target.port, target.address);
    inside.onreadable = () => this.upward();
  }

  get idle(): number { return this.target.dns ? IDLE_DNS : IDLE; }

  /** A datagram of the stack's. */
  send(data: Buffer): void {
    this.used = this.gateway.loop.now();
    if (this.target.dns) this.query = data;
    if (this.target.dns && this.silent()) {
      this.gateway.resolvers.failed(this.target.address);
      this.owner.restart(this.pair, data, 0);
    } else if (!this.early) this.pass(data);
    else if (this.early.length < MAX_EARLY) this.early.push(data);
  }
  private pass(data: Buffer): void {
    this.host.send(data, (e) => { if (e) this.failed((e as NodeJS.ErrnoException).code); });
  }

  close(): void {
    this.inside.onreadable = undefined;
    this.inside.close();
    this.host.removeAllListeners();
    this.host.on('error', () => undefined); // of a connect under way, which nobody waits for any more
    this.host.close();
  }

  /** Asking again without an answer in between means that this server is silent: the next one shall be asked. */
  private silent(): boolean {
    if (!this.asked) this.asked = this.used;
    return this.used - this.asked > DNS_PATIENCE;
  }

  private upward(): void {
    try {
      for (let d = this.inside.receive(); d; d = this.inside.receive()) this.send(Buffer.from(d.data));
    } catch (e) {
      // The stack's program is gone (port unreachable): its flow is idle from here on.
      if (!(e instanceof SocketError)) throw e;
    }
  }

  private downward(data: Buffer): void {
    this.used = this.gateway.loop.now();
    this.asked = 0;
    try {
      this.inside.send(data); // without room it is lost, as in any queue
    } catch (e) {
      if (!(e instanceof SocketError)) throw e;
    }
  }

  private failed(code: string | undefined): void {
    if (this.target.dns && this.gateway.resolvers.failed(this.target.address) && this.query && this.tried < MAX_NAME_SERVERS)
      return this.owner.restart(this.pair, this.query, this.tried + 1);
    const errno = refusal(code);
    if (errno !== Errno.ETIMEDOUT) reject(this.gateway.sockets, this.gateway.ifindex, IPPROTO_UDP, this.pair, quoteUdp(this.pair, new Uint8Array(0)), errno);
    this.owner.end(this.pair);
  }
}

export class UdpForwarder implements FlowOwner {
  private readonly flows = new Map<string, UdpFlow>();
  private readonly any: AnyDatagram;

  constructor(private readonly gateway: GatewayContext) {
    this.any = new AnyDatagram(gateway.sockets, gateway.device);
    this.any.onreadable = () => this.receive();
    this.sweepLater();
  }

  get size(): number { return this.flows.size; }

  close(): void {
    for (const f of this.flows.values()) f.close();
    this.flows.clear();
    this.any.close();
  }

  private receive(): void {
    for (let d = this.any.next(); d; d = this.any.next()) {
      const data = Buffer.from(d.data), flow = this.flows.get(pairKey(d)) ?? this.open(d, data);
      flow?.send(data);
    }
  }

  private open(pair: Pair, data: Buffer, tried = 0): UdpFlow | undefined {
    const { gateway } = this, target = gateway.router.target(pair.local.address, pair.local.port, 'udp');
    if (typeof target === 'number') {
      reject(gateway.sockets, gateway.ifindex, IPPROTO_UDP, pair, quoteUdp(pair, data), target);
      return undefined;
    }
    if (this.flows.size >= MAX_FLOWS) this.end([...this.flows.values()].reduce((a, b) => (b.used < a.used ? b : a)).pair);
    const inside = gateway.sockets.datagram(6);
    makeTransparent(inside);
    inside.bind(pair.local.address, pair.local.port);
    inside.connect(pair.peer.address, pair.peer.port);
    const flow = new UdpFlow(gateway, { peer: pair.peer, local: pair.local }, target, inside, this, tried);
    this.flows.set(pairKey(pair), flow);
    return flow;
  }

  end(pair: Pair): void {
    const key = pairKey(pair);
    this.flows.get(key)?.close();
    this.flows.delete(key);
  }
  restart(pair: Pair, data: Buffer, tried: number): void {
    this.end(pair);
    this.open(pair, data, tried)?.send(data);
  }

  private sweepLater(): void {
    const { loop } = this.gateway;
    loop.setTimer(loop.now() + SWEEP, () => {
      const now = loop.now();
      for (const f of this.flows.values()) if (now - f.used > f.idle) this.end(f.pair);
      this.sweepLater();
    });
  }
}
