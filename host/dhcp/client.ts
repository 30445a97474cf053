// A DHCP client for one interface (RFC 2131 section 4.4): finds a lease, renews it at T1 with its server and at T2 with any, and begins
// anew when it ends. It owns no clock and no socket: the caller gives both. Browser-safe.
import { Op, SERVER_PORT, Type, decode, encode, isHostAddress, type DhcpMessage, type DhcpRoute } from './message.js';
import type { DatagramSocket } from '../sockets/endpoints.js';

const SEC = 1e9;
/** RFC 2131 4.1: 4 s, doubled up to 64 s, each varied by up to a second. */
const FIRST_RETRY = 4 * SEC, LAST_RETRY = 64 * SEC;
/** RFC 2131 4.4.5: no renewal is repeated sooner. */
const RENEW_RETRY = 60 * SEC;
/** Attempts at a request before the offer is given up. */
const REQUESTS = 4;
/** Bounds of a believed lease, s: shorter ones would keep the client busy. */
const LEASE_MIN = 30, LEASE_MAX = 0xffffffff;
const BROADCAST = '255.255.255.255';

export interface Lease {
  address: string;
  prefix: number;
  routes: DhcpRoute[];
  dns: string[];
  search: string[];
  server: string;
  /** s; 2^32-1: for ever. */
  seconds: number;
}

export interface DhcpHost {
  /** ns, monotonic. */
  now(): number;
  setTimer(at: number, fn: () => void): number;
  clearTimer(id: number): void;
  /** 32 random bits. */
  random(): number;
  /** A lease holds from now on; the one before is void. */
  bound(lease: Lease): void;
  /** The lease has ended or was refused. */
  lost(): void;
}

const enum State { SELECTING, REQUESTING, BOUND, RENEWING, REBINDING }

export class DhcpClient {
  private state = State.SELECTING;
  private xid = 0;
  private offer?: DhcpMessage;
  private lease?: Lease;
  private timer = -1;
  private retry = FIRST_RETRY;
  private tries = 0;
  /** ns: when this exchange began, and when the lease is to be renewed, rebound and given up. */
  private begun = 0;
  private t1 = 0;
  private t2 = 0;
  private end = 0;

  /** `socket`: bound to 0.0.0.0:68 on the interface, with SO_BROADCAST. */
  constructor(private readonly host: DhcpHost, private socket: DatagramSocket, private readonly mac: Uint8Array) {
    this.reopen(socket);
  }

  /** Ask anew, over another socket: the one before is gone. */
  reopen(socket: DatagramSocket): void {
    this.host.clearTimer(this.timer);
    this.socket = socket;
    socket.onreadable = () => this.receive();
    this.discover();
  }

  /** Give the lease back and stop. */
  close(): void {
    this.host.clearTimer(this.timer);
    if (this.lease && this.state >= State.BOUND) this.send({ type: Type.RELEASE, ciaddr: this.lease.address, server: this.lease.server }, this.lease.server);
    this.socket.close();
  }

  private discover(): void {
    this.state = State.SELECTING;
    this.begin();
    this.again(() => this.send({ type: Type.DISCOVER, broadcast: true, requested: this.lease?.address }));
  }
  private begin(): void {
    this.xid = this.host.random() >>> 0;
    this.begun = this.host.now();
    this.retry = FIRST_RETRY;
    this.tries = 0;
  }
  /** Send, and again until something else happens. */
  private again(send: () => void): void {
    send();
    this.tries++;
    this.at(this.host.now() + this.retry + (this.host.random() % 2000 - 1000) * 1e6, () => {
      if (this.state === State.REQUESTING && this.tries >= REQUESTS) return this.discover();
      this.retry = Math.min(2 * this.retry, LAST_RETRY);
      this.again(send);
    });
  }
  private at(time: number, fn: () => void): void {
    this.host.clearTimer(this.timer);
    this.timer = this.host.setTimer(time, fn);
  }

  private receive(): void {
    for (let d = this.socket.receive(); d; d = this.socket.receive()) {
      const m = decode(d.data);
      if (!m || m.op !== Op.REPLY || m.xid !== this.xid || m.mac.some((x, i) => x !== this.mac[i])) continue;
      if (m.type === Type.OFFER) this.offered(m);
      else if (m.type === Type.ACK) this.acknowledged(m);
      else if (m.type === Type.NAK) this.refused();
    }
  }

  private offered(m: DhcpMessage): void {
    if (this.state !== State.SELECTING || !isHostAddress(m.yiaddr) || !isHostAddress(m.server)) return;
    this.offer = m;
    this.state = State.REQUESTING;
    this.retry = FIRST_RETRY;
    this.tries = 0;
    this.again(() => this.send({ type: Type.REQUEST, broadcast: true, requested: m.yiaddr, server: m.server }));
  }

  private acknowledged(m: DhcpMessage): void {
    if (this.state === State.SELECTING || this.state === State.BOUND || !isHostAddress(m.yiaddr)) return;
    const server = m.server ?? this.offer?.server ?? this.lease?.server;
    if (!isHostAddress(server)) return;
    const seconds = Math.min(Math.max(m.lease ?? 3600, LEASE_MIN), LEASE_MAX), forever = seconds === LEASE_MAX;
    const routes = m.routes ?? (m.routers ?? []).slice(0, 1).map((via) => ({ network: '0.0.0.0', prefix: 0, via }));
    this.lease = { address: m.yiaddr, prefix: m.prefix ?? 24, routes, dns: m.dns ?? [], search: m.domain ? [m.domain] : [], server, seconds };
    // RFC 2131 4.4.5: counted from when the request was sent; the defaults are half and seven eighths.
    const t2 = Math.min(m.t2 ?? seconds * 0.875, seconds), t1 = Math.min(m.t1 ?? seconds / 2, t2);
    this.t1 = this.begun + t1 * SEC;
    this.t2 = this.begun + t2 * SEC;
    this.end = forever ? Infinity : this.begun + seconds * SEC;
    this.state = State.BOUND;
    this.host.clearTimer(this.timer);
    this.host.bound(this.lease);
    if (!forever) this.at(this.t1, () => this.renew());
  }

  private refused(): void {
    if (this.state === State.SELECTING || this.state === State.BOUND) return;
    const had = this.state >= State.RENEWING;
    this.lease = undefined;
    if (had) this.host.lost();
    this.discover();
  }

  /** T1: ask the server itself. */
  private renew(): void {
    this.state = State.RENEWING;
    this.begin();
    this.renewAgain();
  }
  private renewAgain(): void {
    const now = this.host.now(), lease = this.lease!;
    if (now >= this.end) {
      this.lease = undefined;
      this.host.lost();
      return this.discover();
    }
    if (now >= this.t2) this.state = State.REBINDING;
    this.send({ type: Type.REQUEST, ciaddr: lease.address, broadcast: this.state === State.REBINDING }, this.state === State.RENEWING ? lease.server : BROADCAST);
    // RFC 2131 4.4.5: half of what is left, not below a minute; nor later than what comes next.
    const next = this.state === State.RENEWING ? this.t2 : this.end;
    this.at(Math.min(next, now + Math.max((next - now) / 2, RENEW_RETRY)), () => this.renewAgain());
  }

  private send(m: Pick<DhcpMessage, 'type'> & Partial<DhcpMessage>, to = BROADCAST): void {
    const secs = Math.floor((this.host.now() - this.begun) / SEC);
    this.socket.send(encode({ op: Op.REQUEST, xid: this.xid, secs, mac: this.mac, ...m }), to, SERVER_PORT);
  }
}
