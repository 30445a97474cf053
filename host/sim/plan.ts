// Addresses and routes for the nodes of a scenario: a network for each link, shortest paths (in links) from every node to each.
//
// Link n gets 10.x.y.0/24, or a larger network when it has more than 250 ends, and fd00:n::/64; its k-th end gets address k.
import { emptyConfig, type RouteConfig, type StackConfig } from '../config/config.js';
import { NetworkTree } from './aggregate.js';
import { endsOf, linkName, nodeNames, tapDevice } from './names.js';
import type { Scenario } from './scenario.js';

/** One end of a link. */
export interface PlannedPort {
  link: number;
  /** Which end of it, from 0. */
  end: number;
  /** eth0, eth1 ... of the node. */
  name: string;
  mac: string;
  ipv4: string;
  ipv6: string;
}

export interface PlannedNode {
  name: string;
  ports: PlannedPort[];
  config: StackConfig;
}

/** What the host's device at an end of a link is to be configured with. */
export interface PlannedOutside {
  device: string;
  /** `ADDRESS/PREFIX`. */
  ipv4: string;
  ipv6: string;
  /** The node at the other end, which leads to all others. */
  via: string;
}

export interface PlannedLink {
  name: string;
  /** Its ends: nodes, and `tap:DEVICE`. */
  nodes: string[];
  outside?: PlannedOutside;
  ipv4: { network: string; prefix: number };
  ipv6: { network: string; prefix: number };
}

export interface Plan {
  nodes: Map<string, PlannedNode>;
  links: PlannedLink[];
}

/** Sockets of a node when nothing is said. */
const SOCKETS = 256;
/**
 * Memory of a node, bytes, when nothing is said and it has few links, routes and sockets. What is not used is not resident, but the engine collects
 * garbage more often the more memories there are, and the larger: with those of any stack, a thousand nodes would start half as fast.
 */
const MEMORY = 16 << 20, FEW_LINKS = 8, FEW_ROUTES = 900;
const NET10 = 10 * 2 ** 24, SMALLEST = 256;
const dotted = (n: number): string => [24, 16, 8, 0].map((s) => Math.floor(n / 2 ** s) % 256).join('.');
const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');

function networks(s: Scenario): { planned: PlannedLink[]; first: number[] } {
  let next = NET10;
  const first: number[] = [];
  const planned = s.links.map((l, i) => {
    const nodes = endsOf(l);
    let size = SMALLEST, prefix = 24;
    for (; size < nodes.length + 6; prefix--) size *= 2;
    next = Math.ceil(next / size) * size;
    first.push(next);
    const network = { name: linkName(l, i), nodes, ipv4: { network: dotted(next), prefix }, ipv6: { network: `fd00:${(i + 1).toString(16)}::`, prefix: 64 } };
    next += size;
    return network;
  });
  return { planned, first };
}

/** Addresses and routes. */
export function planNetwork(s: Scenario): Plan {
  const nodes = new Map<string, PlannedNode>(), { planned: links, first } = networks(s);
  for (const name of nodeNames(s)) {
    const own = s.nodes[name], config = { ...emptyConfig(), sockets: own?.sockets ?? SOCKETS };
    config.memory = own?.memory ?? config.memory;
    nodes.set(name, { name, ports: [], config });
  }
  for (const [i, link] of links.entries()) {
    link.nodes.forEach((n, end) => {
      const host = end + 1, device = tapDevice(n);
      if (device !== undefined) {
        link.outside = { device, ipv4: `${dotted(first[i] + host)}/${link.ipv4.prefix}`, ipv6: `fd00:${(i + 1).toString(16)}::${host.toString(16)}/64`, via: dotted(first[i] + (end ? 1 : 2)) };
        return;
      }
      const node = nodes.get(n)!;
      node.ports.push({
        link: i, end, name: `eth${node.ports.length}`, mac: `02:${hex(i >> 8, 2)}:${hex(i & 255, 2)}:00:${hex(host >> 8, 2)}:${hex(host & 255, 2)}`,
        ipv4: dotted(first[i] + host), ipv6: `fd00:${(i + 1).toString(16)}::${host.toString(16)}`,
      });
    });
  }
  for (const node of nodes.values()) configure(node, s, links);
  routes({ nodes, links });
  for (const { name, ports, config } of nodes.values())
    if (s.nodes[name]?.memory === undefined && ports.length <= FEW_LINKS && config.routes.length <= FEW_ROUTES && config.sockets! <= SOCKETS) config.memory = MEMORY;
  return { nodes, links };
}

function configure(node: PlannedNode, s: Scenario, links: readonly PlannedLink[]): void {
  const { config } = node;
  config.interfaces = node.ports.map((p) => ({
    name: p.name, type: 'PIPE', dev: '', mac: p.mac, mtu: s.links[p.link].mtu, slaac: false, offload: false,
    addresses: [{ address: p.ipv4, prefix: links[p.link].ipv4.prefix }, ...(s.links[p.link].mtu >= 1280 ? [{ address: p.ipv6, prefix: 64 }] : [])],
  }));
  const forwards: Record<string, string> = node.ports.length > 1 ? { 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' } : {};
  config.sysctl = { ...forwards, ...s.nodes[node.name]?.sysctl };
}

/** The neighbour through which each link is reached first from a node: breadth first, ends in the order of the links. */
function firstHops({ nodes, links }: Plan, from: PlannedNode): Map<number, { port: PlannedPort; via: PlannedPort }> {
  const hops = new Map<number, { port: PlannedPort; via: PlannedPort }>(), seen = new Set([from.name]);
  const direct = new Set(from.ports.map((p) => p.link));
  let edge: { name: string; hop?: { port: PlannedPort; via: PlannedPort } }[] = [{ name: from.name }];
  while (edge.length) {
    const next: typeof edge = [];
    for (const { name, hop } of edge) {
      for (const port of nodes.get(name)!.ports) {
        if (hop && !direct.has(port.link) && !hops.has(port.link)) hops.set(port.link, hop);
        for (const n of links[port.link].nodes) {
          if (seen.has(n) || !nodes.has(n)) continue;
          seen.add(n);
          const via = nodes.get(n)!.ports.find((p) => p.link === port.link)!;
          next.push({ name: n, hop: hop ?? { port, via } });
        }
      }
    }
    edge = next;
  }
  return hops;
}

/** The fewest routes that lead to every link by its first hop, for each family: as the links' networks lie. */
function routes(plan: Plan): void {
  const four = new NetworkTree(plan.links.map(({ ipv4 }) => ({ bits: number(ipv4.network), length: ipv4.prefix })));
  const six = new NetworkTree(plan.links.map((_, i) => ({ bits: NET6 + i + 1, length: 32 })));
  for (const node of plan.nodes.values()) {
    const ways: { port: PlannedPort; via: PlannedPort }[] = [], numbers = new Map<PlannedPort, number>(), to: number[] = [], to6: number[] = [];
    for (const [i, way] of firstHops(plan, node)) {
      let n = numbers.get(way.via);
      if (n === undefined) numbers.set(way.via, n = ways.push(way) - 1);
      to[i] = n;
      if (has6(node, way.port.name)) to6[i] = n;
    }
    node.config.routes = [
      ...four.routes(to).map(({ prefix: { bits, length }, to: n }): RouteConfig => ({ network: four.name(bits, length, dotted), prefix: length, via: ways[n].via.ipv4, dev: ways[n].port.name })),
      ...six.routes(to6).map(({ prefix: { bits, length }, to: n }): RouteConfig => ({ network: six.name(bits, length, network6), prefix: length, via: ways[n].via.ipv6, dev: ways[n].port.name })),
    ];
  }
}
const network6 = (bits: number, length: number): string => (length ? `${hex(Math.floor(bits / 65536), 4)}:${(bits % 65536).toString(16)}::` : '::');
/** fd00::/16, as the first of 32 bits. */
const NET6 = 0xfd00 * 65536;
const number = (address: string): number => address.split('.').reduce((n, part) => n * 256 + Number(part), 0);
const has6 = (node: PlannedNode, dev: string): boolean => node.config.interfaces.some((i) => i.name === dev && i.addresses.length > 1);
