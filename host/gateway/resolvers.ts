// The host's name servers, from its resolv.conf: the gateway's name service hands queries on to one of them.
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';

/** How often it is looked whether the file has changed, ms. */
const LOOK_MS = 1000;

/** `nameserver` and `search` lines (resolv.conf(5)). */
export function parseResolvConf(text: string): { servers: string[]; search: string[] } {
  const servers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [key, ...words] = line.trim().split(/\s+/);
    if (key === 'nameserver' && words[0] && isIP(words[0].split('%')[0])) servers.push(words[0]);
    else if (key === 'search' || key === 'domain') search = words;
  }
  return { servers, search };
}

export class Resolvers {
  private servers: string[] = [];
  private at = 0;
  private looked = -Infinity;
  private modified = NaN;

  constructor(private readonly file = '/etc/resolv.conf') {}

  /** The server to ask now; undefined when the host has none. The file is looked at again when it has changed. */
  get current(): string | undefined {
    this.look();
    return this.servers[this.at % Math.max(1, this.servers.length)];
  }

  /** This server refused or stayed silent: ask another next. True when there is one. */
  failed(server: string): boolean {
    if (server === this.current) this.at++;
    return this.servers.length > 1;
  }

  private look(): void {
    const now = performance.now();
    if (now - this.looked < LOOK_MS) return;
    this.looked = now;
    let text = '';
    try {
      const { mtimeMs } = statSync(this.file);
      if (mtimeMs === this.modified) return;
      this.modified = mtimeMs;
      text = readFileSync(this.file, 'utf8');
    } catch (e) {
      // A host without the file has no name servers.
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
    }
    this.servers = parseResolvConf(text).servers;
    this.at = 0;
  }
}
