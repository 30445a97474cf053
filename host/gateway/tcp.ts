// TCP from the stack: a SYN becomes a connect of the host, whose outcome becomes the answer to the SYN.
import { connect, type Socket } from 'node:net';
import { Errno } from '../abi/constants.js';
import { MAX_NAME_SERVERS } from '../config/config.js';
import type { GatewayContext } from './context.js';
import { Splice } from './splice.js';
import { refusal } from './target.js';
import { AnyListener, pairKey, plain, type ConnectionRequest } from './transparent.js';

/** Connections in the making, and all of them, at most: SYNs beyond wait for their repetition. */
const MAX_OPENING = 512;
const MAX_FLOWS = 2048;
/** Requests the core holds. */
const BACKLOG = 1024;
/** How often it is looked whether peers still want what the host is connecting, ns. */
const SWEEP = 2e9;

interface Opening {
  request: ConnectionRequest;
  socket: Socket;
  /** The host is connected and the SYN-ACK is on its way. */
  connected: boolean;
}

/** End a connection that nobody wants any more; node would wait for one in the making to be established before it resets it. */
function abandon(socket: Socket): void {
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

export class TcpForwarder {
  private readonly opening = new Map<string, Opening>();
  private readonly splices = new Set<Splice>();
  private readonly listener: AnyListener;

  constructor(private readonly gateway: GatewayContext) {
    this.listener = new AnyListener(gateway.sockets, gateway.device, BACKLOG);
    this.listener.onrequest = () => this.requests();
    this.listener.onconnection = () => this.connections();
    this.sweepLater();
  }

  get size(): number { return this.opening.size + this.splices.size; }

  /** A splice of this or of published ports, counted and ended with the gateway. */
  splice(stream: ConstructorParameters<typeof Splice>[1], socket: Socket): void {
    const s: Splice = new Splice(this.gateway, stream, socket, () => this.splices.delete(s));
    this.splices.add(s);
  }
  /** Room for another connection? */
  get room(): boolean { return this.size < MAX_FLOWS; }

  /** End everything. */
  close(): void {
    for (const { socket } of this.opening.values()) abandon(socket);
    this.opening.clear();
    for (const s of [...this.splices]) s.end();
    this.listener.close();
  }

  private requests(): void {
    for (let r = this.listener.request(); r; r = this.listener.request()) this.open(r);
  }

  /** `tried`: name servers that have refused it. */
  private open(request: ConnectionRequest, tried = 0): void {
    const { router } = this.gateway;
    if (this.opening.size >= MAX_OPENING || !this.room) return void request.answer(Errno.ETIMEDOUT);
    const target = router.target(request.local.address, request.local.port, 'tcp');
    if (typeof target === 'number') return void request.answer(target);
    // The peer has given up an earlier attempt with these ports.
    const key = pairKey(request);
    this.forget(key);
    const socket = connect({ host: target.address, port: target.port, allowHalfOpen: true, autoSelectFamily: false });
    socket.pause(); // its bytes are moved by the splice, not read by libuv
    const opening: Opening = { request, socket, connected: false };
    this.opening.set(key, opening);
    socket.once('connect', () => {
      opening.connected = true;
      if (request.answer(0) < 0) this.forget(key);
    });
    socket.on('error', (e: NodeJS.ErrnoException) => {
      const another = target.dns && this.gateway.resolvers.failed(target.address) && tried < MAX_NAME_SERVERS;
      if (this.opening.get(key) !== opening) return;
      this.opening.delete(key);
      if (opening.connected) return; // the stack's side finds it destroyed
      if (another) this.open(request, tried + 1);
      else request.answer(refusal(e.code));
    });
  }

  /** The stack's side of an answered request is there. */
  private connections(): void {
    for (let stream = this.listener.accept(); stream; stream = this.listener.accept()) {
      const { remote, local } = stream;
      const key = remote && local ? pairKey({ peer: plain(remote), local: plain(local) }) : '';
      const opening = this.opening.get(key);
      this.opening.delete(key);
      if (!opening || opening.socket.destroyed) stream.reset();
      else this.splice(stream, opening.socket);
    }
  }

  private forget(key: string): void {
    const o = this.opening.get(key);
    if (!o) return;
    this.opening.delete(key);
    abandon(o.socket);
  }

  private sweepLater(): void {
    const { loop } = this.gateway;
    loop.setTimer(loop.now() + SWEEP, () => {
      this.connections(); // those established are no requests any more, and not gone
      for (const [key, o] of this.opening) if (!o.request.waiting) this.forget(key);
      this.sweepLater();
    });
  }
}
