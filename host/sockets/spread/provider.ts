// Sockets of a stack with several workers, behind the calls of a socket of one: connections are spread over the workers, listeners are in
// all of them, a datagram socket is in the one that its port leads to (assembly/core/worker.ts). Browser-safe.
import type { IpFamily } from '../address.js';
import type { DatagramSocket, ListenSocket, SocketProvider, StreamSocket } from '../endpoints.js';
import { IPPROTO_UDP, IPPROTO_UDPLITE, SOCK_DGRAM } from '../linux.js';
import { SpreadDatagrams } from './datagrams.js';
import { SpreadListener } from './listener.js';
import { SpreadStream } from './stream.js';

export class SpreadSockets implements SocketProvider {
  /** The worker of the next socket that may be in any. */
  private turn = 0;

  /** Those of the workers, in their order. */
  constructor(private readonly workers: readonly SocketProvider[]) {}

  stream(family: IpFamily): StreamSocket { return new SpreadStream(this.workers, family, this.next()); }
  listener(family: IpFamily): ListenSocket { return new SpreadListener(this.workers, family); }
  datagram(family: IpFamily, type = SOCK_DGRAM, protocol = 0): DatagramSocket {
    const ports = type === SOCK_DGRAM && (protocol === 0 || protocol === IPPROTO_UDP || protocol === IPPROTO_UDPLITE);
    // What has no ports is seen whole by worker 0 only.
    return ports ? new SpreadDatagrams(this.workers, family, protocol, this.next()) : this.workers[0].datagram(family, type, protocol);
  }
  interfaceIndex(name: string): number { return this.workers[0].interfaceIndex(name); }

  private next(): number {
    this.turn = (this.turn + 1) % this.workers.length;
    return this.turn;
  }
}
