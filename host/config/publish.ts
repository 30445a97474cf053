// Ports of the host that lead to a program on a USER interface. Browser-safe.
import { formatIp, parseIp } from './address.js';

export interface PublishConfig {
  /** Address of the host to listen on. */
  address: string;
  hostPort: number;
  /** Port on the program's side. */
  port: number;
  protocol: 'tcp' | 'udp';
}

/** Published ports of one interface at most. */
export const MAX_PUBLISH = 256;

const port = (text: string): number => (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535 ? Number(text) : NaN);

/** `[ADDRESS:]HOSTPORT:PORT[/tcp|/udp]`, an IPv6 address in brackets: what it means, or what is wrong. On 127.0.0.1 unless an address is given. */
export function parsePublish(text: string): PublishConfig | string {
  const m = /^(?:(\[[^\]]*\]|[^:[\]]*):)?([^:]*):([^:/]*)(?:\/(.*))?$/.exec(text);
  if (!m) return `\`${text}\` is not [ADDRESS:]HOSTPORT:PORT[/tcp|/udp]`;
  const [, host = '127.0.0.1', outside, inside, protocol = 'tcp'] = m;
  const bytes = parseIp(host.replace(/^\[(.*)\]$/, '$1'));
  if (!bytes || host.startsWith('[') !== (bytes.length === 16)) return `\`${host}\` is no address of the host (IPv6 in brackets)`;
  if (Number.isNaN(port(outside)) || Number.isNaN(port(inside))) return `\`${outside}:${inside}\` are no ports from 1 to 65535`;
  if (protocol !== 'tcp' && protocol !== 'udp') return `\`${protocol}\` is neither tcp nor udp`;
  return { address: formatIp(bytes), hostPort: port(outside), port: port(inside), protocol };
}
