// What a USER interface lets out: rules over destination networks, ports and protocol; the first that matches decides. Browser-safe.
import { formatIp, networkOf, parseIp, samePrefix } from './address.js';

export interface EgressRule {
  allow: boolean;
  /** Network in text, without host bits; absent: every address. */
  network?: string;
  prefix?: number;
  /** First and last port; absent: every port, and what has none (ICMP). */
  ports?: [number, number];
  /** Absent: both, and ICMP when there are no ports. */
  protocol?: 'tcp' | 'udp';
}

/** Rules of one interface at most. */
export const MAX_EGRESS = 256;

/** Addresses that no rule but an explicit one lets through: link-local ones reach the machine's own link, with its services. */
const BUILT_IN: readonly EgressRule[] = ['169.254.0.0/16', 'fe80::/10', '224.0.0.0/4', '240.0.0.0/4', 'ff00::/8']
  .map((text) => parseEgress(`deny ${text}`) as EgressRule);
/** Addresses by which the host's kernel means itself: no rule opens them. */
const HOST_ITSELF = ['0.0.0.0/8', '127.0.0.0/8', '::/127', '::ffff:0:0/96'].map((text) => network(text)!);

function network(text: string): { bytes: Uint8Array; prefix: number } | undefined {
  const [address, slash, ...rest] = text.split('/');
  const bytes = parseIp(address);
  if (!bytes || rest.length || (slash !== undefined && !/^\d{1,3}$/.test(slash))) return undefined;
  const prefix = slash === undefined ? bytes.length * 8 : Number(slash);
  return prefix <= bytes.length * 8 ? { bytes, prefix } : undefined;
}

function ports(text: string): [number, number] | undefined {
  const m = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (!m) return undefined;
  const first = Number(m[1]), last = Number(m[2] ?? m[1]);
  return first >= 1 && first <= last && last <= 65535 ? [first, last] : undefined;
}

/** `allow|deny any|NETWORK[/PREFIX] [PORT[-PORT]][/tcp|/udp]`: the rule, or what is wrong with it. */
export function parseEgress(text: string): EgressRule | string {
  const [action, where, what, ...rest] = text.trim().split(/\s+/);
  if (action !== 'allow' && action !== 'deny') return `\`${action}\` is neither allow nor deny`;
  if (!where || rest.length) return 'is not `allow|deny any|NETWORK [PORTS][/tcp|/udp]`';
  const rule: EgressRule = { allow: action === 'allow' };
  if (where !== 'any') {
    const n = network(where);
    if (!n) return `\`${where}\` is no network`;
    const clean = networkOf(n.bytes, n.prefix);
    if (clean.some((x, i) => x !== n.bytes[i])) return `\`${where}\` has bits of a host set: write ${formatIp(clean)}/${n.prefix}`;
    [rule.network, rule.prefix] = [formatIp(clean), n.prefix];
  }
  if (what === undefined) return rule;
  const [range, protocol, ...more] = what.split('/');
  if (more.length || (protocol !== undefined && protocol !== 'tcp' && protocol !== 'udp')) return `\`${what}\` is not PORT, PORT-PORT, with /tcp or /udp`;
  if (protocol) rule.protocol = protocol;
  if (range === '') return protocol ? rule : `\`${what}\` has no port`;
  rule.ports = ports(range);
  return rule.ports ? rule : `\`${range}\` is no port or range of ports from 1 to 65535`;
}

export type EgressProtocol = 'tcp' | 'udp' | 'icmp';

function matches(r: EgressRule, address: Uint8Array, port: number, protocol: EgressProtocol): boolean {
  if (r.network !== undefined && !samePrefix(parseIp(r.network)!, address, r.prefix!)) return false;
  if (r.protocol && r.protocol !== protocol) return false;
  return !r.ports || (protocol !== 'icmp' && port >= r.ports[0] && port <= r.ports[1]);
}

/** May a packet of `protocol` go to `address`:`port`? Default: yes, but not to the machine's link, nor to groups. */
export function egressAllows(rules: readonly EgressRule[], address: Uint8Array, port: number, protocol: EgressProtocol): boolean {
  if (HOST_ITSELF.some((n) => samePrefix(n.bytes, address, n.prefix))) return false;
  const rule = rules.find((r) => matches(r, address, port, protocol)) ?? BUILT_IN.find((r) => matches(r, address, port, protocol));
  return rule?.allow ?? true;
}
