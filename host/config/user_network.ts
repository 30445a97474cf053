// The network between a stack's USER interface and its gateway: which addresses both have. Browser-safe.
import { formatIp, networkOf, parseIp } from './address.js';
import { emptyConfig, type AddressConfig, type InterfaceConfig, type StackConfig } from './config.js';

/** Addresses as users of slirp know them. */
const DEFAULT4: AddressConfig = { address: '10.0.2.15', prefix: 24 };
const DEFAULT6: AddressConfig = { address: 'fd00::15', prefix: 64 };
/** Host parts of the gateway and of its name service. */
const GATEWAY = 2, DNS = 3;

/** One family's side of the link. */
export interface UserFamily {
  /** The stack's address. */
  guest: string;
  prefix: number;
  gateway: string;
  dns: string;
}
export interface UserNetwork {
  v4: UserFamily;
  v6: UserFamily;
}

function family(a: AddressConfig): UserFamily {
  const bytes = parseIp(a.address)!;
  const host = (n: number): string => {
    const b = networkOf(bytes, a.prefix);
    b[b.length - 1] |= n;
    return formatIp(b);
  };
  return { guest: a.address, prefix: a.prefix, gateway: host(GATEWAY), dns: host(DNS) };
}

/** What the interface's addresses (the first of each family, or the defaults) make of the link. */
export function userNetwork(itf: Pick<InterfaceConfig, 'addresses'>): UserNetwork {
  return {
    v4: family(itf.addresses.find((a) => !a.address.includes(':')) ?? DEFAULT4),
    v6: family(itf.addresses.find((a) => a.address.includes(':')) ?? DEFAULT6),
  };
}

/** Has the network room for guest, gateway and name service? What is wrong, or null. */
export function userNetworkProblem(n: UserNetwork): string | null {
  for (const [f, bits] of [[n.v4, 32], [n.v6, 128]] as const) {
    if (f.prefix > bits - 3) return `/${f.prefix} has no room for the gateway ${f.gateway} and the name service ${f.dns}`;
    if (f.guest === f.gateway || f.guest === f.dns) return `${f.guest} is the gateway's`;
  }
  return null;
}

/** Complete a configuration that has USER interfaces: addresses, default routes and name servers, where none are given. */
export function completeUser(config: StackConfig): void {
  for (const itf of config.interfaces) {
    if (itf.type !== 'USER') continue;
    const { v4, v6 } = userNetwork(itf);
    if (!itf.dhcp && !itf.addresses.some((a) => !a.address.includes(':'))) itf.addresses.push({ address: v4.guest, prefix: v4.prefix });
    if (!itf.slaac && !itf.addresses.some((a) => a.address.includes(':'))) itf.addresses.push({ address: v6.guest, prefix: v6.prefix });
    const routed = (network: string): boolean => config.routes.some((r) => r.network === network && r.prefix === 0);
    if (!itf.dhcp && !routed('0.0.0.0')) config.routes.push({ network: '0.0.0.0', prefix: 0, via: v4.gateway, dev: itf.name });
    if (!itf.slaac && !routed('::')) config.routes.push({ network: '::', prefix: 0, via: v6.gateway, dev: itf.name });
    if (!config.dns.servers.length) config.dns.servers.push(v4.dns);
  }
}

/** What a stack has when nothing is said: an interface to a gateway. */
export function defaultConfig(): StackConfig {
  const config = emptyConfig();
  config.interfaces.push({ name: 'eth0', type: 'USER', dev: '', addresses: [], slaac: false, offload: true });
  completeUser(config);
  return config;
}
