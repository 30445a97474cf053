// The gateways of a stack's USER interfaces: each in a thread of its own, with a link to the stack.
import type { StackConfig } from '../config/config.js';
import { GatewayThread } from '../gateway/gateway_thread.js';
import { loadNative } from '../native.js';

export interface Gateways {
  /** The stack's configuration, with its ends of the links. */
  readonly config: StackConfig;
  /** Resolves when all published ports are open. A stack without any need not wait: frames do, in the link. */
  readonly published: Promise<unknown>;
  /** Resolves with the reason when a gateway has ended that nobody asked to. */
  readonly ended: Promise<Error | undefined>;
  close(): Promise<void>;
}

/** Start them. `entry`: the file of their thread. */
export function openGateways(entry: URL, wasm: string, config: StackConfig): Gateways {
  const threads: GatewayThread[] = [], waited: Promise<void>[] = [];
  const interfaces = config.interfaces.map((itf) => {
    if (itf.type !== 'USER') return itf;
    const [ours, theirs] = loadNative().linkPair(), thread = new GatewayThread(entry, { wasm, itf, fd: theirs });
    threads.push(thread);
    if (itf.publish?.length) waited.push(thread.ready);
    return { ...itf, fd: ours };
  });
  return {
    config: { ...config, interfaces },
    published: Promise.all(waited),
    ended: new Promise((resolve) => { for (const t of threads) void t.ended.then((why) => { if (why) resolve(new Error(`gateway: ${why.message}`, { cause: why })); }); }),
    close: async () => { await Promise.all(threads.map((t) => t.close())); },
  };
}
