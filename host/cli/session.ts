// A stack and its programs, as the command's main thread sees them.
import { MAX_NAME_SERVERS, type StackConfig } from '../config/config.js';
import { loadNative } from '../native.js';
import { LaunchError, launch, type ShadowLink } from '../posix/launch.js';
import type { PosixNative } from '../posix/native.js';
import type { StackInterface } from '../threads/messages.js';
import type { RecordStart } from '../threads/recording.js';
import { StackEnded, StackThread } from '../threads/stack_thread.js';
import type { Leases } from './dhcp.js';
import { CliError } from './fail.js';
import type { Counters } from './counters.js';
import type { StackStats } from './format.js';
import { CORE_WASM, entry, requireBuild } from './install.js';
import { Gateways } from './gateways.js';

export type Log = ((text: string) => void) | undefined;
type Stdio = 'inherit' | 'ignore' | 'pipe' | number;

export interface Program {
  readonly pid: number;
  /** Its exit status as a shell would give it: its own, or 128 + signal. */
  readonly exit: Promise<number>;
  /** Resolves when it and everything it started have ended. */
  readonly gone: Promise<void>;
  readonly stdin: NodeJS.WritableStream | null;
}

/** The resolv.conf of a stack's programs. */
export function resolvConf(dns: StackConfig['dns']): string {
  return dns.servers.map((s) => `nameserver ${s}\n`).join('') + (dns.search.length ? `search ${dns.search.join(' ')}\n` : '') || '# no name servers are configured\n';
}

/** How long programs wait for a DHCP server, ms. */
const LEASE_WAIT = 15000;

/** The configuration with what DHCP servers have said; interfaces without an answer go without. */
async function withLeases(thread: StackThread, config: StackConfig): Promise<StackConfig> {
  if (!config.interfaces.some((i) => i.dhcp)) return config;
  const leases = await thread.request('dhcp-leases', LEASE_WAIT) as Leases;
  const dns = { servers: [...config.dns.servers], search: [...config.dns.search] };
  const interfaces = config.interfaces.map((i) => {
    if (!i.dhcp) return i;
    if (!Object.hasOwn(leases, i.name)) {
      process.stderr.write(`nuse: ${i.name}: no DHCP server has answered; it goes on asking\n`);
      return i;
    }
    const { address, prefix, dns: servers, search } = leases[i.name];
    if (!config.dns.servers.length) dns.servers.push(...servers);
    if (!config.dns.search.length) dns.search.push(...search);
    return { ...i, addresses: [...i.addresses, { address, prefix }] };
  });
  dns.servers.splice(MAX_NAME_SERVERS);
  return { ...config, interfaces, dns };
}

/** Restarts of a core within a minute: more would only repeat the trap. */
const RESTARTS = 5;

interface Restarted {
  message: string;
  file: string;
  times: number;
}
/** One line that says what happened. */
function restartLine(r: Restarted, json: boolean): string {
  return json ? `${JSON.stringify({ restarted: r })}\n` : `nuse: the core trapped: ${r.message}; its sockets are reset, it has started again (${r.times}); kept: ${r.file}\n`;
}

export class Session {
  /** Resolves when the stack ends without having been asked to. */
  readonly crashed: Promise<Error>;
  private readonly waiting = new Map<number, () => void>();
  private nextId = 1;

  private constructor(private readonly thread: StackThread, private readonly gateways: Gateways,
    /** As it was given, with what DHCP servers have said at the start. */
    readonly config: StackConfig) {
    thread.on('notice', (kind: string, body: unknown) => {
      if (kind !== 'program-gone') return;
      const { id } = body as { id: number };
      this.waiting.get(id)?.();
      this.waiting.delete(id);
    });
    this.crashed = new Promise((resolve) => { for (const end of [thread.ended, gateways.ended]) void end.then((why) => { if (why) resolve(why); }); });
  }

  get interfaces(): readonly StackInterface[] { return this.thread.interfaces; }

  /** Start a stack. Throws CliError with the reason. */
  static async start(config: StackConfig, options: { log?: Log; record?: RecordStart; json?: boolean } = {}): Promise<Session> {
    requireBuild();
    const { log } = options;
    let gateways: Gateways | undefined;
    try {
      gateways = new Gateways(entry('gateway_worker'), CORE_WASM, config);
      // What has sockets of its own comes before the programs', which wait for the end of all others.
      const extensions = { ...(config.interfaces.some((i) => i.dhcp) ? { dhcp: {} } : {}), programs: {}, counters: {} };
      const thread = await StackThread.start({ entry: entry('stack_worker'), wasm: CORE_WASM, config: gateways.config, restarts: RESTARTS, record: options.record, extensions });
      thread.on('log', (_level: number, text: string) => log?.(text));
      thread.on('notice', (kind: string, body: unknown) => {
        if (kind === 'vif-error') log?.(`interface error: ${JSON.stringify(body)}`);
        if (kind === 'restarted') process.stderr.write(restartLine(body as Restarted, !!options.json));
        if (kind === 'warning') process.stderr.write(`nuse: ${String(body)}\n`);
      });
      for (const i of thread.interfaces) log?.(`${i.name}: ${i.type} on ${i.dev}, ${i.mac}, mtu ${i.mtu}`);
      if (config.pcap !== undefined) log?.(`writing ${config.pcap}`);
      try {
        await gateways.start();
        return new Session(thread, gateways, await withLeases(thread, config));
      } catch (error) {
        await thread.close();
        throw error;
      }
    } catch (error) {
      await gateways?.close();
      throw new CliError((error as Error).message, '`nuse doctor` tells what this machine allows');
    }
  }

  /** Start a program. Throws CliError when nuse-exec could not get it ready; it has said why on stderr. */
  async launch(argv: readonly string[], stdio: [Stdio, Stdio, Stdio] = ['inherit', 'inherit', 'inherit']): Promise<Program> {
    try {
      const native = loadNative() as unknown as PosixNative;
      const links = this.links();
      const { child, notify, shadows, go, exit } = await launch(native, { command: [...argv], resolvConf: resolvConf(this.config.dns), links, stdio });
      const { id, gone } = this.expect();
      await this.thread.request('program', { notify, id, shadows: shadows.map((fd, i) => ({ fd, ifindex: links[i].ifindex })) });
      go();
      return { pid: child.pid!, exit, gone, stdin: child.stdin };
    } catch (error) {
      throw error instanceof LaunchError ? new CliError(error.message) : error;
    }
  }

  /** The interfaces with the addresses they were configured with. */
  private links(): ShadowLink[] {
    return this.interfaces.map(({ name, ifindex, mac, mtu }) => {
      const addresses = this.config.interfaces.find((i) => i.name === name)?.addresses ?? [];
      return { name, ifindex, mac, mtu, addresses: addresses.map((a) => `${a.address}/${a.prefix}`) };
    });
  }

  /** Take a program whose nuse-exec is at the other end of this socket (our descriptor); resolves when it may begin. */
  async take(socket: number): Promise<{ gone: Promise<void> } | null> {
    const { id, gone } = this.expect();
    return (await this.thread.request('take-program', { socket, id })) ? { gone } : null;
  }

  async stats(): Promise<StackStats> {
    const [a, b] = await Promise.all([this.thread.request('statistics'), this.thread.request('counters')]);
    const { usage, vifs } = a as StackStats;
    return { ...(b as Counters), usage, vifs };
  }

  /** The stack first: its gateway passes on what it has sent. */
  async close(): Promise<void> {
    const said = this.gateways.starting && await this.hasSpoken();
    await this.thread.close();
    await this.gateways.close(said);
  }
  /** Has the stack sent anything but what announces it on the link? */
  private async hasSpoken(): Promise<boolean> {
    try {
      const { mib } = await this.thread.request('counters') as Counters;
      return ['IpOutRequests', 'Udp6OutDatagrams'].some((name) => (mib[name] ?? 0) > 0);
    } catch (e) {
      if (e instanceof StackEnded) return false;
      throw e;
    }
  }

  private expect(): { id: number; gone: Promise<void> } {
    const id = this.nextId++;
    return { id, gone: new Promise((resolve) => this.waiting.set(id, resolve)) };
  }
}
