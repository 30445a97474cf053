// The gateways of a stack's USER interfaces: each in a thread of its own, with a link to the stack.
import type { InterfaceConfig, StackConfig } from '../config/config.js';
import { GatewayThread } from '../gateway/gateway_thread.js';
import { loadNative } from '../native.js';

export class Gateways {
  /** The stack's configuration, with its ends of the links. */
  readonly config: StackConfig;
  /** Resolves with the reason when a gateway has ended that nobody asked to. */
  readonly ended: Promise<Error>;
  private readonly threads: GatewayThread[] = [];
  private readonly waiting: { itf: InterfaceConfig; fd: number }[] = [];
  private failed!: (why: Error) => void;

  /** Make the links. `entry`: the file of a gateway's thread. */
  constructor(private readonly entry: URL, private readonly wasm: string, config: StackConfig) {
    this.ended = new Promise((resolve) => { this.failed = resolve; });
    const interfaces = config.interfaces.map((itf) => {
      if (itf.type !== 'USER') return itf;
      const [ours, theirs] = loadNative().linkPair();
      this.waiting.push({ itf, fd: theirs });
      return { ...itf, fd: ours };
    });
    this.config = { ...config, interfaces };
  }

  /**
   * Start them; resolves when all published ports are open, or rejects. A stack without any need not wait: its frames do, in the link.
   * Not before the stack's own thread is up, with which they would compete for processors.
   */
  async start(): Promise<void> {
    const published: Promise<void>[] = [];
    for (const { itf, fd } of this.waiting.splice(0)) {
      const thread = new GatewayThread(this.entry, { wasm: this.wasm, itf, fd });
      this.threads.push(thread);
      if (itf.publish?.length) published.push(thread.ready);
      void thread.ended.then((why) => { if (why) this.failed(new Error(`gateway: ${why.message}`, { cause: why })); });
    }
    await Promise.all(published);
  }

  /** Some are not up yet. */
  get starting(): boolean { return this.threads.some((t) => !t.up); }

  /** `said`: the stack has sent something, for which those not up yet are waited for. */
  async close(said = false): Promise<void> { await Promise.all(this.threads.map((t) => t.close(said))); }
}
