// What can only be judged by looking at the whole configuration: duplicates, and routes that lead nowhere.
import { formatIp, isLinkLocal6, isMulticast, networkOf, parseIp, samePrefix } from './address.js';
import { MAX_ADDRESSES, MAX_INTERFACES, MAX_NEIGHBOURS, MAX_ROUTES, type InterfaceConfig, type NeighbourConfig, type RouteConfig, type StackConfig } from './config.js';
import type { Problems } from './errors.js';

/** Where in the file an interface, address, route or neighbour was given. */
export type Places = Map<object, { line: number; key: string }>;

const NOWHERE = { line: 0, key: '' };

export function checkConfig(config: StackConfig, places: Places, problems: Problems, forPrograms = false): void {
  const at = (o: object) => places.get(o) ?? NOWHERE;
  const bad = (o: object, message: string, remedy: string) => problems.add(at(o).line, at(o).key, message, remedy);
  limits(config, bad);
  uniqueInterfaces(config, at, bad);
  if ((config.workers ?? 1) > 1) {
    workersFit(config, bad);
    if (forPrograms) bad(config, 'programs run on a stack of one worker', 'remove it: several are for stacks of the package (Stack.create)');
  }
  for (const r of config.routes) checkRoute(config, r, bad);
  uniqueRoutes(config, at, bad);
  for (const n of config.neighbours) checkNeighbour(config, n, bad);
}

type Bad = (o: object, message: string, remedy: string) => void;
type At = (o: object) => { line: number; key: string };

function limits(config: StackConfig, bad: Bad): void {
  const few = (what: string, list: readonly object[], max: number) => {
    if (list.length > max) bad(list[max], `more than ${max} ${what}`, `keep ${max}`);
  };
  few('interfaces', config.interfaces, MAX_INTERFACES);
  few('routes', config.routes, MAX_ROUTES);
  few('neighbours', config.neighbours, MAX_NEIGHBOURS);
  for (const i of config.interfaces) few('addresses on one interface', i.addresses, MAX_ADDRESSES);
}

// Several workers need interfaces with a queue for each, and share what is configured, not what is learnt by one.
function workersFit(config: StackConfig, bad: Bad): void {
  for (const i of config.interfaces) {
    const problem = workersProblem(i);
    if (problem) bad(i, ...problem);
  }
}

/** Why several workers cannot have an interface, and what to do about it. */
export function workersProblem(i: InterfaceConfig): [string, string] | undefined {
  if (i.type !== 'TAP' && i.type !== 'RAW') return [`${i.name} is ${i.type}, which has no queues for several workers`, 'use viftype TAP or RAW, or remove workers'];
  return i.dhcp ? [`${i.name} takes its address by DHCP, which works with one worker only`, 'give it an address, or remove workers'] : undefined;
}

function uniqueInterfaces(config: StackConfig, at: At, bad: Bad): void {
  const seen = new Map<string, object>();
  const once = (what: string, value: string | undefined, place: object, remedy: string) => {
    if (value === undefined || value === '') return;
    const key = `${what} ${value}`, before = seen.get(key);
    if (before) bad(place, `${key} is used twice (first at line ${at(before).line})`, remedy);
    else seen.set(key, place);
  };
  for (const i of config.interfaces) {
    if (i.name === 'lo') bad(i, '`lo` is the loopback interface that every stack has', 'choose another name');
    once('interface', i.name, i, 'give each interface a name of its own');
    once('MAC address', i.mac, i, 'give each interface a MAC address of its own, or remove macaddr for a random one');
    once('host device', i.type === 'XDP' ? `${i.dev} queue ${i.queue ?? 0}` : i.dev, i,
      `give each interface a host device of its own with \`dev NAME\`${i.type === 'XDP' ? ', or a queue of its own with `queue N`' : ''}`);
    once('pipepath', i.pipepath, i, 'give each PIPE a path of its own');
    for (const a of i.addresses) once('address', a.address, a, 'remove one of them');
  }
}

/** The interfaces of the stack on whose network this address is. */
function onLink(config: StackConfig, address: Uint8Array, dev?: string): InterfaceConfig[] {
  return config.interfaces.filter((i) => (dev === undefined || i.name === dev)
    && i.addresses.some((a) => samePrefix(parseIp(a.address)!, address, a.prefix)));
}

function networksOf(config: StackConfig, family: number, dev?: string): string {
  const list = config.interfaces.filter((i) => dev === undefined || i.name === dev).flatMap((i) => i.addresses
    .filter((a) => parseIp(a.address)!.length === family)
    .map((a) => `${formatIp(networkOf(parseIp(a.address)!, a.prefix))}/${a.prefix} (${i.name})`));
  return list.length ? `use an address of ${list.join(' or ')}` : `give ${dev ?? 'an interface'} an address on the gateway's network`;
}

function checkRoute(config: StackConfig, r: RouteConfig, bad: Bad): void {
  const dev = r.dev === undefined ? undefined : config.interfaces.find((i) => i.name === r.dev);
  if (r.dev !== undefined && !dev)
    return bad(r, `there is no interface \`${r.dev}\``, `use one of ${config.interfaces.map((i) => i.name).join(', ') || 'the interfaces you define'}`);
  if (r.via === undefined) return;
  const via = parseIp(r.via)!;
  if (via.length !== parseIp(r.network)!.length) return bad(r, `gateway ${r.via} is of the other family than ${r.network}/${r.prefix}`, 'use addresses of one family in a route');
  if (isMulticast(via)) return bad(r, `gateway ${r.via} is a multicast address`, 'use the address of a router');
  const own = config.interfaces.find((i) => i.addresses.some((a) => a.address === r.via));
  if (own) return bad(r, `gateway ${r.via} is the address of ${own.name} itself`, 'use the address of another machine');
  if (isLinkLocal6(via)) {
    if (!dev && config.interfaces.length !== 1) bad(r, `gateway ${r.via} is link-local and there are several interfaces`, 'add `dev NAME`');
    return;
  }
  if (dev?.slaac && via.length === 16) return;
  if (!onLink(config, via, r.dev).length)
    bad(r, `gateway ${r.via} is not on-link: no address of ${r.dev ?? 'any interface'} shares its network`, networksOf(config, via.length, r.dev));
}

function uniqueRoutes(config: StackConfig, at: At, bad: Bad): void {
  const seen = new Map<string, RouteConfig>();
  for (const r of config.routes) {
    const key = `${r.network}/${r.prefix} metric ${r.metric ?? 'default'}`, before = seen.get(key);
    if (before) bad(r, `a second route to ${r.network}/${r.prefix} (first at line ${at(before).line})`, 'remove one, or give them different `metric`s');
    else seen.set(key, r);
  }
}

function checkNeighbour(config: StackConfig, n: NeighbourConfig, bad: Bad): void {
  const a = parseIp(n.address)!;
  if (isMulticast(a)) return bad(n, `${n.address} is a multicast address`, 'neighbours have unicast addresses');
  if (!isLinkLocal6(a) && !onLink(config, a, n.dev).length) bad(n, `${n.address} is not on a network of ${n.dev}`, networksOf(config, a.length, n.dev));
}
