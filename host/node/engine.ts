// Where a stack runs: in this thread with vifs of this thread, or in a worker of its own with native ones.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { MessagePort } from 'node:worker_threads';
import type { StackConfig } from '../config/config.js';
import type { SocketProvider } from '../sockets/endpoints.js';
import { LocalStack } from '../sockets/local_stack.js';
import type { ChannelOptions } from '../sockets/ring/layout.js';
import { SpreadSockets } from '../sockets/spread/provider.js';
import { openLocalChannel } from '../sockets/ring/local_channel.js';
import { ChannelOwner } from '../threads/channel_owner.js';
import { StackThread } from '../threads/stack_thread.js';
import { WorkerGroup } from '../threads/worker_group.js';
import type { Vif } from '../vif.js';
import type { StackChannel } from './sync.js';

/** Entry of the worker, beside this file's folder. */
const WORKER = new URL('../cli/stack_worker.js', import.meta.url);

export interface Engine {
  readonly provider: SocketProvider;
  /** Of its workers. */
  readonly threads: readonly StackThread[];
  /** Settles when the stack is gone: undefined after close(), else why. */
  readonly ended: Promise<Error | undefined>;
  /** A channel for another thread, and how to close it. */
  channel(options?: ChannelOptions): Promise<{ channel: StackChannel; close(): Promise<void> }>;
  close(): Promise<void>;
}

/** What a trap of the core was, and the file that keeps it (see docs/record.md). */
export interface StackRestart {
  message: string;
  file: string;
  /** Restarts so far. */
  times: number;
}

export interface EngineOptions {
  config: StackConfig;
  wasm: string | URL;
  vifs?: Readonly<Record<string, Vif>>;
  /** Of the channel of this thread. */
  channel?: ChannelOptions;
  log?: (level: number, text: string) => void;
  restarts?: number;
  onrestart?: (trap: StackRestart) => void;
}

export function startEngine(options: EngineOptions): Promise<Engine> {
  const wasm = options.wasm instanceof URL ? fileURLToPath(options.wasm) : options.wasm;
  const several = (options.config.workers ?? 1) !== 1;
  if (several && options.vifs) throw new TypeError('`workers` are threads with TAP or RAW interfaces: vifs of this thread have one');
  return options.vifs ? local(options, options.vifs, wasm) : several ? workers(options, wasm) : worker(options, wasm);
}

async function local({ config, log }: EngineOptions, vifs: Readonly<Record<string, Vif>>, wasm: string): Promise<Engine> {
  let end!: (why: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => { end = resolve; });
  const stack = await LocalStack.create({ module: new WebAssembly.Module(readFileSync(wasm)), config, vifs, log });
  stack.whenEnded(end);
  return {
    provider: stack.sockets, threads: [], ended,
    channel: (o) => {
      const { memory, port, close } = openLocalChannel(stack, o);
      return Promise.resolve({ channel: { memory, port: port as unknown as MessagePort }, close: async () => close() });
    },
    close: async () => stack.close(),
  };
}

/** Sockets for this thread. */
function join(thread: StackThread, { log, onrestart, channel }: EngineOptions): { owner: ChannelOwner; provider: Promise<SocketProvider> } {
  if (log) thread.on('log', log);
  if (onrestart) thread.on('notice', (kind: string, body: unknown) => { if (kind === 'restarted') onrestart(body as StackRestart); });
  const owner = new ChannelOwner(thread);
  // Its sockets keep the process alive, not the stack.
  return { owner, provider: owner.own(channel).finally(() => thread.unref()) };
}

async function workers(options: EngineOptions, wasm: string): Promise<Engine> {
  const { config, restarts } = options, group = await WorkerGroup.start({ entry: WORKER, wasm, config, restarts, extensions: { channels: {}, counters: {} } });
  const providers = await Promise.all(group.threads.map((t) => join(t, options).provider));
  return {
    provider: new SpreadSockets(providers), threads: group.threads, ended: group.ended,
    channel: () => Promise.reject(new TypeError('a stack with several workers has no channels: use its sockets here, or `workers 1`')),
    close: () => group.close(),
  };
}

async function worker(options: EngineOptions, wasm: string): Promise<Engine> {
  const { config, restarts } = options;
  const thread = await StackThread.start({ entry: WORKER, wasm, config, restarts, extensions: { channels: {}, counters: {} } });
  const { owner, provider } = join(thread, options);
  return {
    provider: await provider, threads: [thread], ended: thread.ended,
    channel: async (o) => {
      const { id, memory, wake } = await owner.share(o);
      return { channel: { memory, wake }, close: () => owner.close(id) };
    },
    close: () => thread.close(),
  };
}
