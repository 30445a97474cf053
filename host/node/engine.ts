// Where a stack runs: in this thread with vifs of this thread, or in a worker of its own with native ones.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { MessagePort } from 'node:worker_threads';
import type { StackConfig } from '../config/config.js';
import type { SocketProvider } from '../sockets/endpoints.js';
import { LocalStack } from '../sockets/local_stack.js';
import type { ChannelOptions } from '../sockets/ring/layout.js';
import { openLocalChannel } from '../sockets/ring/local_channel.js';
import { ChannelOwner } from '../threads/channel_owner.js';
import { StackThread } from '../threads/stack_thread.js';
import type { Vif } from '../vif.js';
import type { StackChannel } from './sync.js';

/** Entry of the worker, beside this file's folder. */
const WORKER = new URL('../cli/stack_worker.js', import.meta.url);

export interface Engine {
  readonly provider: SocketProvider;
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
  return options.vifs ? local(options, options.vifs, wasm) : worker(options, wasm);
}

async function local({ config, log }: EngineOptions, vifs: Readonly<Record<string, Vif>>, wasm: string): Promise<Engine> {
  let end!: (why: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => { end = resolve; });
  const stack = await LocalStack.create({ module: new WebAssembly.Module(readFileSync(wasm)), config, vifs, log });
  stack.whenEnded(end);
  return {
    provider: stack.sockets, ended,
    channel: (o) => {
      const { memory, port, close } = openLocalChannel(stack, o);
      return Promise.resolve({ channel: { memory, port: port as unknown as MessagePort }, close: async () => close() });
    },
    close: async () => stack.close(),
  };
}

async function worker({ config, log, channel, restarts, onrestart }: EngineOptions, wasm: string): Promise<Engine> {
  const thread = await StackThread.start({ entry: WORKER, wasm, config, restarts, extensions: { channels: {} } });
  if (log) thread.on('log', log);
  if (onrestart) thread.on('notice', (kind: string, body: unknown) => { if (kind === 'restarted') onrestart(body as StackRestart); });
  const owner = new ChannelOwner(thread);
  const provider = await owner.own(channel);
  // Its sockets keep the process alive, not the stack.
  thread.unref();
  return {
    provider, ended: thread.ended,
    channel: async (o) => {
      const { id, memory, wake } = await owner.share(o);
      return { channel: { memory, wake }, close: () => owner.close(id) };
    },
    close: () => thread.close(),
  };
}
