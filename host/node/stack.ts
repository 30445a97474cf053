// A stack for programs, with the shapes of Node's net, dgram and dns: `import { Stack } from 'nuse'`.
import type { LookupFunction } from 'node:net';
import type { StackConfig } from '../config/config.js';
import { loadConfig, loadConfigFile } from '../config/load.js';
import { parseConfig } from '../config/parse.js';
import type { SocketProvider } from '../sockets/endpoints.js';
import type { ChannelOptions } from '../sockets/ring/layout.js';
import type { StackThread } from '../threads/stack_thread.js';
import type { Vif } from '../vif.js';
import { startEngine, type Engine, type StackRestart } from './engine.js';
import { NetApi } from './net_api.js';
import { REAL_TIMERS, type Network } from './network.js';
import { Resolver } from './resolver.js';
import type { StackChannel } from './sync.js';

/** build/core.wasm, from where tsc puts this file. */
const CORE_WASM = new URL('../../../core.wasm', import.meta.url);
/** Interval of the timer that keeps a process alive, ms: as long as timers can be. */
const HOLD_MS = 0x7fffffff;

export interface StackOptions {
  /** A nuse.conf; default: the one NUSECONF names, else a stack with a loopback interface only. */
  file?: string;
  /** The text of one. */
  text?: string;
  /** One that is parsed already. */
  config?: StackConfig;
  /**
   * Vifs of this thread (MemoryVif), by interface name: the stack then runs in this thread, and these are all its interfaces.
   * Without, it runs in a worker of its own with the vifs of the configuration (TAP, RAW, PIPE).
   */
  vifs?: Readonly<Record<string, Vif>>;
  /** How many sockets this thread may have to a stack in its worker, and how much of each is on its way. */
  channel?: ChannelOptions;
  /**
   * How often within a minute a core that traps is started again, its sockets failing with ECONNRESET; default 0: the stack ends
   * (see `ended`). Only of a stack in a worker of its own: one in this thread ends.
   */
  restarts?: number;
  /** As the configuration's `workers`, which it overrides: as many cores, each in a thread of its own. */
  workers?: number;
  /** The core has trapped and has been started again. */
  onrestart?: (trap: StackRestart) => void;
  /** Another build of the core. */
  wasm?: string | URL;
  log?: (level: number, text: string) => void;
}

export class Stack extends NetApi {
  /** dns.lookup with the configured name servers. */
  readonly lookup: LookupFunction;
  /** Settles when the stack is gone: undefined after close(), else why (a trap of the core: ERR_NUSE_CORE_TRAP). */
  readonly ended: Promise<Error | undefined>;
  protected readonly network: Network;
  private holders = 0;
  private keepAlive?: NodeJS.Timeout;

  private constructor(private readonly engine: Engine, readonly config: StackConfig) {
    super();
    const { ended } = engine;
    this.ended = ended;
    this.lookup = new Resolver(engine.provider, config.dns).lookup;
    this.network = { provider: engine.provider, lookup: this.lookup, timers: REAL_TIMERS, hold: (by) => this.hold(by) };
    void ended.then(() => clearInterval(this.keepAlive));
  }

  /** Start one. Rejects with ConfigError, or with what its interfaces or the core refuse. */
  static async create(options: StackOptions = {}): Promise<Stack> {
    const config = options.config
      ?? (options.text !== undefined ? parseConfig(options.text, 'text') : options.file !== undefined ? loadConfigFile(options.file) : loadConfig(undefined, process.env));
    const { vifs, channel, log, restarts, onrestart, wasm = CORE_WASM, workers = config.workers } = options;
    return new Stack(await startEngine({ config: { ...config, workers }, wasm, vifs, channel, log, restarts, onrestart }), config);
  }

  /** Sockets below Node's shapes, for what those cannot do (raw sockets, ancillary data, any option). */
  get sockets(): SocketProvider { return this.engine.provider; }

  /** Its workers, to ask each for its `statistics` or `counters`; none when it runs in this thread. */
  get threads(): readonly StackThread[] { return this.engine.threads; }

  /** A channel for blocking sockets in a worker thread: see openChannel. `close` resets what that thread has left open. */
  channel(options?: ChannelOptions): Promise<{ channel: StackChannel; close(): Promise<void> }> { return this.engine.channel(options); }

  /** End it: connections are reset, and all sockets fail with ECONNRESET. */
  async close(): Promise<void> { await this.engine.close(); }
  async [Symbol.asyncDispose](): Promise<void> { await this.close(); }

  /** A stack does not keep the process alive, its open sockets do. */
  private hold(by: 1 | -1): void {
    this.holders += by;
    if (this.holders && !this.keepAlive) this.keepAlive = setInterval(() => undefined, HOLD_MS);
    else if (!this.holders) {
      clearInterval(this.keepAlive);
      this.keepAlive = undefined;
    }
  }
}
