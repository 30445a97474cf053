// nuse.conf: text -> StackConfig. The original format of NUSE, unchanged, and the extended keys of docs/configuration.md.
import { formatIp, isLoopback, isMulticast, isUnspecified, maskBits, networkOf, parseIp, parseIpv4, parseMac, formatMac } from './address.js';
import { readBlocks, type Block, type Entry } from './blocks.js';
import { checkConfig, type Places } from './check.js';
import {
  IPV6_MIN_MTU, MAX_MEMORY_BYTES, MAX_NAME_SERVERS, MAX_QUEUES, MAX_SOCKETS, MIN_MEMORY_BYTES, NAME_MAX, VIF_TYPES, emptyConfig,
  type AddressConfig, type InterfaceConfig, type RouteConfig, type StackConfig, type VifType,
} from './config.js';
import { WORKERS_MAX } from '../abi/constants.js';
import { Problems } from './errors.js';
import { MAX_EGRESS, parseEgress } from './egress.js';
import { MAX_PUBLISH, parsePublish } from './publish.js';
import { sysctlValues } from './sysctl.js';
import { completeUser, userNetwork, userNetworkProblem } from './user_network.js';

/** Files larger than this are refused. */
export const MAX_FILE_BYTES = 1 << 20;

export const INTERFACE_KEYS = [
  'address', 'netmask', 'macaddr', 'viftype', 'pipepath', 'address6', 'gateway', 'gateway6', 'dev', 'mtu', 'slaac', 'dad', 'offload', 'neigh',
  'dhcp', 'egress', 'publish', 'host-loopback', 'queue',
];
export const ROUTE_KEYS = ['network', 'netmask', 'gateway', 'dev', 'metric'];
export const GLOBAL_KEYS = ['dns', 'search', 'sysctl', 'pcap', 'seed', 'memory', 'sockets', 'workers'];
const REPEATABLE = new Set(['address', 'address6', 'neigh', 'dns', 'search', 'sysctl', 'egress', 'publish']);
/** Keys that take one word or more. */
const WORDS = ['dns', 'search', 'sysctl', 'pcap', 'egress'];
/** Keys of interfaces that lead through a gateway. */
const USER_KEYS = ['egress', 'publish', 'host-loopback'];
const SAMPLE_IP = { any: '192.0.2.1 or 2001:db8::1', 4: '192.0.2.1', 6: '2001:db8::1' };

/**
 * Parse and check a configuration. Throws ConfigError naming every mistake found; `file` is only for the messages. `forPrograms`: what unmodified
 * programs cannot be given is a mistake.
 */
export function parseConfig(text: string, file: string, forPrograms = false): StackConfig {
  const problems = new Problems(file);
  if (text.length > MAX_FILE_BYTES) {
    problems.add(0, '', `larger than ${MAX_FILE_BYTES} bytes`, 'name a nuse.conf');
    problems.check();
  }
  const reader = new Reader(problems);
  const { blocks, globals } = readBlocks(text);
  for (const b of blocks) {
    if (b.head.key === 'interface') reader.interface(b);
    else reader.route(b);
  }
  reader.globals(globals);
  checkConfig(reader.config, reader.places, problems, forPrograms);
  problems.check();
  completeUser(reader.config);
  return reader.config;
}

class Reader {
  readonly config = emptyConfig();
  readonly places: Places = new Map();

  constructor(private readonly problems: Problems) {}

  private bad(e: Entry, message: string, remedy: string): void {
    this.problems.add(e.line, e.key, message, remedy);
  }
  private place(what: object, e: Entry): void {
    this.places.set(what, { line: e.line, key: e.key });
  }

  /** The entries whose key belongs here and has the right number of words; single keys only once. */
  private *known(entries: readonly Entry[], keys: readonly string[], where: string): Generator<Entry> {
    const seen = new Map<string, number>();
    for (const e of entries) {
      if (!keys.includes(e.key)) {
        this.bad(e, `unknown ${where} key`, this.placeOf(e.key) ?? `${where} keys are ${keys.join(', ')}`);
        continue;
      }
      const before = seen.get(e.key);
      if (before && !REPEATABLE.has(e.key)) {
        this.bad(e, `given twice (first at line ${before})`, 'keep one of them');
        continue;
      }
      seen.set(e.key, e.line);
      const want = e.key === 'neigh' ? 2 : 1;
      if (WORDS.includes(e.key) ? e.words.length < 1 : e.words.length !== want) {
        this.bad(e, e.words.length ? `takes ${want} word${want > 1 ? 's' : ''}, not ${e.words.length}` : 'has no value', `write \`${e.key} ${this.example(e.key)}\``);
        continue;
      }
      yield e;
    }
  }

  private example(key: string): string {
    const samples: Record<string, string> = {
      address: '192.0.2.10/24', netmask: '255.255.255.0', macaddr: '02:00:00:00:00:01', viftype: VIF_TYPES.join('|'), pipepath: '/run/link0',
      address6: '2001:db8::10/64', gateway: SAMPLE_IP.any, gateway6: SAMPLE_IP[6], dev: 'eth0', mtu: '1500', slaac: 'on|off', dad: 'on|off', offload: 'on|off',
      neigh: '192.0.2.1 02:00:00:00:00:02', network: '192.0.2.0/24', metric: '100', dns: SAMPLE_IP[4], search: 'example.org',
      dhcp: 'on|off', egress: 'deny 10.0.0.0/8', publish: '8080:80/tcp', 'host-loopback': 'on|off', queue: '0',
      sysctl: 'net.ipv4.ip_forward=1', pcap: 'nuse.pcapng', seed: '<64 hexadecimal digits>', memory: '64M', sockets: '4096', workers: '2',
    };
    return samples[key];
  }

  /** Where a key that stands in the wrong place belongs. */
  private placeOf(key: string): string | undefined {
    if (GLOBAL_KEYS.includes(key)) return 'it stands outside of blocks: put a blank line before it';
    const inInterface = INTERFACE_KEYS.includes(key), inRoute = ROUTE_KEYS.includes(key);
    if (!inInterface && !inRoute) return undefined;
    return `it belongs in an \`${inInterface ? 'interface NAME' : 'route'}\`${inInterface && inRoute ? ' or `route`' : ''} block, before the blank line that ends it`;
  }

  private flag(e: Entry): boolean {
    const w = e.words[0].toLowerCase();
    if (['on', 'yes', 'true', '1'].includes(w)) return true;
    if (!['off', 'no', 'false', '0'].includes(w)) this.bad(e, `\`${e.words[0]}\` is neither on nor off`, 'write on or off');
    return false;
  }

  private integer(e: Entry, min: number, max: number): number | undefined {
    const n = /^\d{1,10}$/.test(e.words[0]) ? Number(e.words[0]) : NaN;
    if (n >= min && n <= max) return n;
    this.bad(e, `\`${e.words[0]}\` is no number from ${min} to ${max}`, `write \`${e.key} ${this.example(e.key)}\``);
    return undefined;
  }

  /** Address bytes; family 4, 6 or either. */
  private ip(e: Entry, text: string, family: 4 | 6 | 'any'): Uint8Array | undefined {
    const a = parseIp(text);
    if (a && (family === 'any' || a.length === (family === 4 ? 4 : 16))) return a;
    const other = a ? `IPv${a.length === 4 ? 4 : 6}, IPv${family} is needed` : `no IPv${family === 'any' ? '4 or IPv6' : family} address`;
    this.bad(e, `\`${text}\` is ${other}`, `write it like ${SAMPLE_IP[family]}`);
    return undefined;
  }

  /** The number after the slash, checked; undefined when it is wrong. */
  private bits(e: Entry, text: string, address: Uint8Array): number | undefined {
    const n = /^\d{1,3}$/.test(text) ? Number(text) : NaN, max = address.length * 8;
    if (n <= max) return n;
    this.bad(e, `prefix length \`${text}\` is not from 0 to ${max}`, `write it like ${formatIp(address)}/${max === 32 ? 24 : 64}`);
    return undefined;
  }

  private mask(e: Entry): number | undefined {
    const m = parseIpv4(e.words[0]);
    const bits = m && maskBits(m);
    if (!m) this.bad(e, `\`${e.words[0]}\` is no netmask`, 'write it like 255.255.255.0');
    else if (bits === null) this.bad(e, `\`${e.words[0]}\` has holes: a one bit follows a zero bit`, 'write ones, then zeros, like 255.255.255.0');
    return bits ?? undefined;
  }

  private mac(e: Entry, text: string): string | undefined {
    const m = parseMac(text);
    if (!m) this.bad(e, `\`${text}\` is no MAC address`, 'write six hexadecimal bytes like 02:00:00:00:00:01');
    else if (m[0] & 1) this.bad(e, `\`${text}\` is a group address`, 'make the first byte even, like 02:00:00:00:00:01');
    else return formatMac(m);
    return undefined;
  }

  private deviceName(e: Entry, name: string): boolean {
    if (/^[^\s/:\0]+$/.test(name) && name !== '.' && name !== '..' && new TextEncoder().encode(name).length <= NAME_MAX) return true;
    this.bad(e, `\`${name}\` is no interface name`, `use at most ${NAME_MAX} bytes, without / and :`);
    return false;
  }

  interface(b: Block): void {
    const name = b.head.words[0] ?? '';
    if (b.head.words.length !== 1) return this.bad(b.head, b.head.words.length ? 'takes one name' : 'has no name', 'write `interface eth0`');
    if (!this.deviceName(b.head, name)) return;
    const itf: InterfaceConfig = { name, type: 'RAW', dev: '', addresses: [], slaac: false, offload: true };
    this.place(itf, b.head);
    const found: { entry: Entry; address: Uint8Array; bits?: number }[] = [];
    let netmask: Entry | undefined, bits: number | undefined, dev: Entry | undefined;
    for (const e of this.known(b.entries, INTERFACE_KEYS, 'interface')) {
      switch (e.key) {
        case 'address': this.address(e, 4, found); break;
        case 'address6': this.address(e, 6, found); break;
        case 'netmask': netmask = e; bits = this.mask(e); break;
        case 'macaddr': if (!isUnspecified(parseMac(e.words[0]) ?? new Uint8Array(1).fill(1))) itf.mac = this.mac(e, e.words[0]); break;
        case 'viftype': this.vifType(e, itf); break;
        case 'pipepath': itf.pipepath = e.words[0]; break;
        case 'gateway': this.defaultRoute(e, 4, itf); break;
        case 'gateway6': this.defaultRoute(e, 6, itf); break;
        case 'dev': if (this.deviceName(e, e.words[0])) { dev = e; itf.dev = e.words[0]; } break;
        case 'mtu': itf.mtu = this.integer(e, 68, 65535); break;
        case 'slaac': itf.slaac = this.flag(e); break;
        case 'dad': itf.dad = this.flag(e); break;
        case 'offload': itf.offload = this.flag(e); break;
        case 'dhcp': itf.dhcp = this.flag(e); break;
        case 'queue': itf.queue = this.integer(e, 0, MAX_QUEUES - 1); break;
        case 'host-loopback': itf.hostLoopback = this.flag(e); break;
        case 'egress': this.listed(e, (itf.egress ??= []), parseEgress, MAX_EGRESS); break;
        case 'publish': this.listed(e, (itf.publish ??= []), parsePublish, MAX_PUBLISH); break;
        default: this.neighbour(e, itf);
      }
    }
    if (netmask && found.every((f) => f.bits !== undefined))
      this.bad(netmask, found.some((f) => f.address.length === 4) ? 'the address has a prefix length already' : 'there is no address', 'remove it, or write `address` without a /prefix');
    for (const { entry, address, bits: own = bits } of found) {
      if (own !== undefined) this.addAddress(entry, itf, address, own);
      else if (!netmask) this.bad(entry, 'has no netmask', `add \`netmask 255.255.255.0\` or write ${formatIp(address)}/24`);
    }
    if (itf.type !== 'USER') for (const e of b.entries) if (USER_KEYS.includes(e.key)) this.bad(e, `${itf.name} is ${itf.type} and has no gateway`, 'write `viftype USER` or remove it');
    if (itf.type !== 'XDP') for (const e of b.entries) if (e.key === 'queue') this.bad(e, `${itf.name} is ${itf.type}, which has no queues`, 'write `viftype XDP` or remove it');
    this.finish(b.head, dev, itf);
    this.config.interfaces.push(itf);
  }

  /** A key whose words are one entry of a list. */
  private listed<T extends object>(e: Entry, list: T[], parse: (text: string) => T | string, most: number): void {
    const item = parse(e.words.join(' '));
    if (typeof item === 'string') this.bad(e, item, `write \`${e.key} ${this.example(e.key)}\``);
    else if (list.length >= most) this.bad(e, `more than ${most} of them`, `keep ${most}`);
    else list.push(item);
  }

  private finish(head: Entry, dev: Entry | undefined, itf: InterfaceConfig): void {
    if (itf.type === 'PIPE') {
      if (itf.pipepath === undefined) this.bad(head, `${itf.name} is a PIPE without pipepath`, `add \`pipepath ${this.example('pipepath')}\``);
      if (dev) this.bad(dev, 'a PIPE has no host device', 'remove it');
    } else if (itf.type === 'USER' && (dev ?? itf.pipepath) !== undefined) this.bad(dev ?? head, 'a USER interface has no device and no path', 'remove it');
    else if (itf.pipepath !== undefined) this.bad(head, `${itf.name} has a pipepath but is ${itf.type}`, 'add `viftype PIPE` or remove pipepath');
    const narrow = itf.type === 'USER' ? userNetworkProblem(userNetwork(itf)) : null;
    if (narrow) this.bad(head, narrow, 'write an address like 10.0.2.15/24, or none');
    if (!itf.dev) itf.dev = itf.type === 'TAP' ? `nuse-${itf.name}` : itf.type === 'RAW' || itf.type === 'XDP' ? itf.name : '';
    if (new TextEncoder().encode(itf.dev).length > NAME_MAX)
      this.bad(head, `the TAP's name \`${itf.dev}\` is longer than ${NAME_MAX} bytes`, 'add `dev NAME` with a shorter name');
    if (itf.mtu !== undefined && itf.mtu < IPV6_MIN_MTU && (itf.slaac || itf.addresses.some((a) => a.address.includes(':'))))
      this.bad(head, `mtu ${itf.mtu} is too small for IPv6`, `write \`mtu ${IPV6_MIN_MTU}\` or more, or remove the IPv6 addresses`);
  }

  private vifType(e: Entry, itf: InterfaceConfig): void {
    const type = e.words[0].toUpperCase();
    if ((VIF_TYPES as readonly string[]).includes(type)) itf.type = type as VifType;
    else this.bad(e, `\`${e.words[0]}\` is not available`, `use one of ${VIF_TYPES.join(', ')}`);
  }

  /** `address A[/n]`: those without a prefix length take the block's netmask. 0.0.0.0 means none, as in NUSE. */
  private address(e: Entry, family: 4 | 6, found: { entry: Entry; address: Uint8Array; bits?: number }[]): void {
    const [text, slash, ...rest] = e.words[0].split('/');
    const a = this.ip(e, text, family);
    if (!a || (family === 4 && isUnspecified(a) && slash === undefined)) return;
    if (rest.length) return this.bad(e, `\`${e.words[0]}\` has two slashes`, `write \`${e.key} ${this.example(e.key)}\``);
    if (slash !== undefined) {
      const bits = this.bits(e, slash, a);
      if (bits !== undefined) found.push({ entry: e, address: a, bits });
    } else if (family === 4) found.push({ entry: e, address: a });
    else this.bad(e, 'has no prefix length', `write ${formatIp(a)}/64`);
  }

  private addAddress(e: Entry, itf: InterfaceConfig, address: Uint8Array, prefix: number): void {
    const text = formatIp(address);
    if (isUnspecified(address) || isMulticast(address) || isLoopback(address))
      return this.bad(e, `${text} is no address of a host`, 'use a unicast address of your network');
    if (prefix === 0) return this.bad(e, 'prefix length 0 would make every address on-link', `write the network's prefix length, like ${text}/${address.length === 4 ? 24 : 64}`);
    if (address.length === 4 && prefix < 31) {
      const host = address.map((x, i) => x & ~networkOf(new Uint8Array(4).fill(255), prefix)[i]);
      const hostMask = networkOf(new Uint8Array(4).fill(255), prefix).map((x) => ~x);
      if (isUnspecified(host)) return this.bad(e, `${text} is the address of the network ${text}/${prefix} itself`, 'use a host address inside it');
      if (host.every((x, i) => x === hostMask[i])) return this.bad(e, `${text} is the broadcast address of its network`, 'use a host address inside it');
    }
    const a: AddressConfig = { address: text, prefix };
    this.place(a, e);
    itf.addresses.push(a);
  }

  private defaultRoute(e: Entry, family: 4 | 6, itf: InterfaceConfig): void {
    const via = this.ip(e, e.words[0], family);
    if (via) this.addRoute(e, { network: family === 4 ? '0.0.0.0' : '::', prefix: 0, via: formatIp(via), dev: itf.name });
  }

  private addRoute(e: Entry, r: RouteConfig): void {
    this.place(r, e);
    this.config.routes.push(r);
  }

  private neighbour(e: Entry, itf: InterfaceConfig): void {
    const address = this.ip(e, e.words[0], 'any'), mac = this.mac(e, e.words[1]);
    if (!address || !mac) return;
    const n = { dev: itf.name, address: formatIp(address), mac };
    this.place(n, e);
    this.config.neighbours.push(n);
  }

  route(b: Block): void {
    if (b.head.words.length) this.bad(b.head, `\`${b.head.words.join(' ')}\` after route`, 'write `route` alone and the keys on lines of their own');
    let net: Entry | undefined, mask: Entry | undefined, bits: number | undefined, via: Uint8Array | undefined, wrong = false;
    const r: RouteConfig = { network: '', prefix: 0 };
    for (const e of this.known(b.entries, ROUTE_KEYS, 'route')) {
      switch (e.key) {
        case 'network': net = e; break;
        case 'netmask': mask = e; bits = this.mask(e); wrong ||= bits === undefined; break;
        case 'gateway': via = this.ip(e, e.words[0], 'any'); wrong ||= !via; this.place(r, e); break;
        case 'dev': r.dev = e.words[0]; break;
        default: r.metric = this.integer(e, 0, 0xffffffff);
      }
    }
    if (!net) return this.bad(b.head, 'has no network', 'add `network 0.0.0.0` and `netmask 0.0.0.0` for a default route, or `network 192.0.2.0/24`');
    const network = this.network(net, mask, bits);
    if (!network || wrong) return;
    [r.network, r.prefix] = [formatIp(network[0]), network[1]];
    if (via && !isUnspecified(via)) r.via = formatIp(via);
    if (!r.via && !r.dev) return this.bad(b.head, 'has neither gateway nor dev', 'add `gateway ADDRESS`, or `dev NAME` for an on-link network');
    if (!this.places.has(r)) this.place(r, net);
    this.config.routes.push(r);
  }

  /** Address and prefix length of a route's network. */
  private network(net: Entry, mask: Entry | undefined, bits: number | undefined): [Uint8Array, number] | undefined {
    const [text, slash, ...rest] = net.words[0].split('/');
    const a = this.ip(net, text, 'any');
    if (!a) return undefined;
    if (rest.length) return void this.bad(net, `\`${net.words[0]}\` has two slashes`, 'write `network 192.0.2.0/24`');
    if (mask && slash !== undefined) return void this.bad(mask, 'the network has a prefix length already', 'remove the netmask');
    if (mask && a.length === 16) return void this.bad(mask, 'IPv6 has no netmasks', `write \`network ${formatIp(a)}/64\``);
    if (mask && bits === undefined) return undefined;
    const n = slash !== undefined ? this.bits(net, slash, a) : bits;
    if (n === undefined) {
      if (slash === undefined) this.bad(net, 'has no netmask', a.length === 4 ? `add \`netmask 255.255.255.0\` or write ${formatIp(a)}/24` : `write ${formatIp(a)}/64`);
      return undefined;
    }
    const clean = networkOf(a, n);
    if (clean.some((x, i) => x !== a[i]))
      return void this.bad(net, `${formatIp(a)}/${n} has bits of a host set`, `write ${formatIp(clean)}/${n}`);
    return [a, n];
  }

  globals(entries: readonly Entry[]): void {
    const c = this.config;
    for (const e of this.known(entries, GLOBAL_KEYS, 'global')) {
      switch (e.key) {
        case 'dns': for (const w of e.words) this.nameServer(e, w); break;
        case 'search': for (const w of e.words) this.searchDomain(e, w); break;
        case 'sysctl': this.sysctl(e); break;
        case 'pcap': c.pcap = e.words.join(' '); break;
        case 'seed':
          if (/^[0-9a-fA-F]{64}$/.test(e.words[0])) c.seed = e.words[0].toLowerCase();
          else this.bad(e, 'is not 32 bytes', 'write 64 hexadecimal digits, or remove it for a random one');
          break;
        case 'memory': this.memory(e); break;
        case 'workers':
          c.workers = this.integer(e, 1, WORKERS_MAX);
          this.place(c, e);
          break;
        default: c.sockets = this.integer(e, 16, MAX_SOCKETS) ?? c.sockets;
      }
    }
  }

  private nameServer(e: Entry, text: string): void {
    const a = this.ip(e, text, 'any');
    if (!a) return;
    if (this.config.dns.servers.length >= MAX_NAME_SERVERS) return this.bad(e, `more than ${MAX_NAME_SERVERS} name servers`, 'resolvers ignore the rest: remove it');
    this.config.dns.servers.push(formatIp(a));
  }

  private searchDomain(e: Entry, text: string): void {
    if (/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$/.test(text) && this.config.dns.search.length < 6) this.config.dns.search.push(text);
    else this.bad(e, `\`${text}\` is no domain, or there are more than 6`, 'write up to 6 names like example.org');
  }

  private sysctl(e: Entry): void {
    const m = /^([A-Za-z0-9_.-]+)(?:\s*=\s*|\s+)(.+)$/.exec(e.words.join(' '));
    if (!m) return this.bad(e, 'has no value', 'write `sysctl net.ipv4.ip_forward=1`');
    const values = sysctlValues(m[1], m[2]);
    if (typeof values === 'string') return this.problems.add(e.line, `sysctl ${m[1]}`, `\`${m[2]}\` is refused`, values);
    if (m[1] in this.config.sysctl) return this.problems.add(e.line, `sysctl ${m[1]}`, 'given twice', 'keep one of them');
    this.config.sysctl[m[1]] = m[2].trim().split(/\s+/).join(' ');
  }

  private memory(e: Entry): void {
    const m = /^(\d{1,10})([kKmMgG]?)$/.exec(e.words[0]);
    const bytes = m ? Number(m[1]) * { '': 1, k: 1024, m: 1 << 20, g: 1 << 30 }[m[2].toLowerCase() as '' | 'k' | 'm' | 'g'] : NaN;
    if (bytes >= MIN_MEMORY_BYTES && bytes <= MAX_MEMORY_BYTES) this.config.memory = Math.ceil(bytes / 65536) * 65536;
    else this.bad(e, `\`${e.words[0]}\` is not from ${MIN_MEMORY_BYTES >> 20}M to just below 4G`, 'write `memory 64M`');
  }
}
