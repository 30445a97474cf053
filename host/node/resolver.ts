// Names to addresses with the name servers of the configuration, shaped like dns.lookup (RFC 1035; RFC 7766: TCP when an answer was
// cut; RFC 5452: random id and port, answers only from whom was asked). The messages are dns-packet's.
import { randomInt } from 'node:crypto';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import dns, { type Answer, type DecodedPacket, type RecordType } from 'dns-packet';
import type { StackConfig } from '../config/config.js';
import type { SocketProvider } from '../sockets/endpoints.js';
import { SocketError } from '../sockets/error.js';

/** As resolv.conf(5): seconds for one server, and rounds over all of them. */
const TIMEOUT_MS = 5000, ATTEMPTS = 2;
const PORT = 53;
/** Largest answer by UDP that is asked for (RFC 6891 6.2.5; DNS flag day 2020). */
const UDP_SIZE = 1232;
/** Longest chain of CNAMEs followed in one answer. */
const CNAMES_MAX = 16;
/** TC of the header (RFC 1035 4.1.1), as dns-packet numbers flags. */
const TRUNCATED = 1 << 9;
const NXDOMAIN = 3, NOERROR = 0;

/** A name that could not be resolved; as dns.lookup's errors. */
export class LookupError extends Error {
  readonly syscall = 'getaddrinfo';
  constructor(readonly code: 'ENOTFOUND' | 'EAI_AGAIN', readonly hostname: string) {
    super(`getaddrinfo ${code} ${hostname}`);
  }
}

type Family = 4 | 6;
const typeOf = (f: Family): RecordType => (f === 4 ? 'A' : 'AAAA');

export class Resolver {
  constructor(private readonly provider: SocketProvider, private readonly dns: StackConfig['dns'], private readonly timeoutMs = TIMEOUT_MS) {}

  /** dns.lookup(hostname, options, callback). */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    const wanted = options as LookupOptions;
    this.resolve(hostname, wanted).then((found) => {
      if (wanted.all) callback(null, found);
      else callback(null, found[0].address, found[0].family);
    }, (error: unknown) => callback(error as NodeJS.ErrnoException, [] as never));
  };

  /** All addresses of a name, IPv4 first; rejects with LookupError when there is none. */
  async resolve(hostname: string, options: LookupOptions = {}): Promise<LookupAddress[]> {
    const given = isIP(hostname.split('%')[0]);
    if (given) return [{ address: hostname, family: given }];
    const families = ([4, 6] as const).filter((f) => !options.family || options.family === f || options.family === `IPv${f}`);
    const name = hostname.replace(/\.$/, '').toLowerCase();
    // RFC 6761 6.3: never asked for.
    if (name === 'localhost' || name.endsWith('.localhost')) return families.map((f) => ({ address: f === 4 ? '127.0.0.1' : '::1', family: f }));
    for (const candidate of this.candidates(hostname, name)) {
      const found = (await Promise.all(families.map((f) => this.ask(candidate, f, hostname)))).flat();
      if (found.length) return found;
    }
    throw new LookupError('ENOTFOUND', hostname);
  }

  /** Names to try, as of resolv.conf with ndots:1. */
  private candidates(hostname: string, name: string): string[] {
    const searched = this.dns.search.map((d) => `${name}.${d}`);
    if (hostname.endsWith('.')) return [name];
    return name.includes('.') ? [name, ...searched] : [...searched, name];
  }

  /** The addresses one family has; none when the name, or the record, does not exist. Rejects when no server answers. */
  private async ask(name: string, family: Family, hostname: string): Promise<LookupAddress[]> {
    for (let round = 0; round < ATTEMPTS; round++) {
      for (const server of this.dns.servers) {
        const answer = await this.query(server, name, family);
        if (answer) return addresses(answer, name, family);
      }
    }
    throw new LookupError('EAI_AGAIN', hostname);
  }

  /** One server's answer; undefined when it gives none that is of use. */
  private async query(server: string, name: string, family: Family): Promise<DecodedPacket | undefined> {
    const id = randomInt(65536), query = dns.encode({
      type: 'query', id, flags: dns.RECURSION_DESIRED, questions: [{ type: typeOf(family), name }],
      additionals: [{ type: 'OPT', name: '.', udpPayloadSize: UDP_SIZE, flags: 0, options: [] } as never],
    });
    const usable = (m: DecodedPacket | undefined): m is DecodedPacket => m !== undefined && isAnswer(m, id, name, family);
    try {
      let m = await this.overUdp(server, query, usable);
      if (m && (m.flags ?? 0) & TRUNCATED) m = await this.overTcp(server, query, usable);
      return m && [NOERROR, NXDOMAIN].includes((m.flags ?? 0) & 15) ? m : undefined;
    } catch (error) {
      // Refused, unreachable: as if it did not answer.
      if (error instanceof SocketError) return undefined;
      throw error;
    }
  }

  private overUdp(server: string, query: Uint8Array, usable: (m: DecodedPacket | undefined) => m is DecodedPacket): Promise<DecodedPacket | undefined> {
    const s = this.provider.datagram(server.includes(':') ? 6 : 4);
    return this.limited<DecodedPacket | undefined>(s, (resolve, reject) => {
      s.onreadable = () => {
        try {
          for (let d; (d = s.receive());) {
            const m = decode(d.data);
            if (!usable(m)) continue;
            resolve(m);
            return;
          }
        } catch (error) {
          reject(error);
        }
      };
      s.connect(server, PORT);
      s.send(query);
    });
  }

  private overTcp(server: string, query: Uint8Array, usable: (m: DecodedPacket | undefined) => m is DecodedPacket): Promise<DecodedPacket | undefined> {
    const s = this.provider.stream(server.includes(':') ? 6 : 4);
    return this.limited<DecodedPacket | undefined>(s, (resolve) => {
      let got = Buffer.alloc(0);
      s.onopen = () => s.write(Buffer.concat([Buffer.of(query.length >> 8, query.length & 255), query]));
      s.onreadable = () => {
        s.read((piece) => { got = Buffer.concat([got, piece]); });
        const whole = got.length >= 2 && got.length >= 2 + got.readUInt16BE(0);
        const m = whole ? decode(got.subarray(2, 2 + got.readUInt16BE(0))) : undefined;
        if (whole || s.ended) resolve(usable(m) ? m : undefined);
      };
      s.connect(server, PORT);
    });
  }

  /** Run an exchange on a socket until it is settled, fails, or has taken too long (undefined); the socket is closed. */
  private async limited<T>(s: { onerror?: (e: SocketError) => void; close(): void }, start: (resolve: (v: T | undefined) => void, reject: (e: unknown) => void) => void): Promise<T | undefined> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<T | undefined>((resolve, reject) => {
        timer = setTimeout(() => resolve(undefined), this.timeoutMs);
        s.onerror = reject;
        start(resolve, reject);
      });
    } finally {
      clearTimeout(timer);
      s.close();
    }
  }
}

/** The message, or undefined when it is malformed: from anyone, and as if nothing had come. */
function decode(bytes: Uint8Array): DecodedPacket | undefined {
  try {
    return dns.decode(Buffer.from(bytes));
  } catch {
    return undefined;
  }
}

/** Whether it answers exactly this question (RFC 5452 9.1). */
function isAnswer(m: DecodedPacket, id: number, name: string, family: Family): boolean {
  const q = m.questions?.[0];
  return m.type === 'response' && m.id === id && m.questions?.length === 1 && q?.type === typeOf(family) && q.name.toLowerCase() === name;
}

/** The addresses of `name` in an answer, through its CNAMEs. */
function addresses(m: DecodedPacket, name: string, family: Family): LookupAddress[] {
  const answers: readonly Answer[] = m.answers ?? [];
  let at = name;
  for (let i = 0; i < CNAMES_MAX; i++) {
    const of = answers.filter((a) => a.name.toLowerCase() === at);
    const found = of.filter((a) => a.type === typeOf(family)).map((a) => ({ address: (a as { data: string }).data, family }));
    if (found.length) return found;
    const alias = of.find((a) => a.type === 'CNAME');
    if (!alias) return [];
    at = (alias as { data: string }).data.toLowerCase();
  }
  return [];
}
