// Where a packet from the stack is to go on the host's network, or why it may not.
import { Errno } from '../abi/constants.js';
import { parseIp } from '../config/address.js';
import { egressAllows, type EgressProtocol, type EgressRule } from '../config/egress.js';
import type { UserNetwork } from '../config/user_network.js';
import type { Resolvers } from './resolvers.js';

/** The domain name service's port. */
const DNS_PORT = 53;

export interface Target {
  address: string;
  port: number;
  /** A query that the host's name server shall answer: tell Resolvers when it does not. */
  dns?: boolean;
}

/** A peer's address as sockets of IPv6 show it, in its own family. */
export const unmapped = (address: string): string => (address.startsWith('::ffff:') ? address.slice(7) : address);

export class Router {
  constructor(private readonly network: UserNetwork, private readonly egress: readonly EgressRule[], private readonly hostLoopback: boolean, private readonly resolvers: Resolvers) {}

  /** Is this address the gateway's own? */
  own(address: string): boolean {
    const { v4, v6 } = this.network;
    return [v4.gateway, v4.dns, v6.gateway, v6.dns].includes(address);
  }

  /** The host's destination for `address`:`port`, or the errno that the sender shall see. */
  target(address: string, port: number, protocol: EgressProtocol): Target | number {
    const { v4, v6 } = this.network;
    const bytes = parseIp(address);
    if (!bytes || !egressAllows(this.egress, bytes, port, protocol)) return Errno.EACCES;
    if (address === v4.dns || address === v6.dns) {
      const server = port === DNS_PORT ? this.resolvers.current : undefined;
      return server === undefined ? Errno.ECONNREFUSED : { address: server, port: DNS_PORT, dns: true };
    }
    if (address !== v4.gateway && address !== v6.gateway) return { address, port };
    return this.hostLoopback ? { address: address === v4.gateway ? '127.0.0.1' : '::1', port } : Errno.EACCES;
  }
}

/** What the stack is told when a host's call failed with this code: the errno of deferred answers and refusals. */
export function refusal(code: string | undefined): number {
  switch (code) {
    case 'ECONNREFUSED': case 'ECONNRESET': return Errno.ECONNREFUSED;
    case 'EACCES': case 'EPERM': return Errno.EACCES;
    case 'ENETUNREACH': case 'EADDRNOTAVAIL': case 'EAFNOSUPPORT': case 'ENETDOWN': return Errno.ENETUNREACH;
    // Nothing was heard; or the host has no room now, and the stack may try again.
    case 'ETIMEDOUT': case 'EMFILE': case 'ENFILE': case 'ENOBUFS': case 'ENOMEM': case 'EAGAIN': return Errno.ETIMEDOUT;
    default: return Errno.EHOSTUNREACH;
  }
}
