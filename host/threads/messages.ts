// What crosses between a stack's worker and the thread that owns it.
import type { StackConfig } from '../config/config.js';
import type { RecordStart } from './recording.js';

/** First message to a stack worker. */
export interface StackStart {
  /** File of the core's module. */
  wasm: string;
  config: StackConfig;
  /** eventfd: the owner signals it after each message. */
  wake: number;
  /** See LoopOptions.spinUs. */
  spinUs: number;
  /** How often within a minute a core that traps is started again; 0 = the stack ends. */
  restarts: number;
  /** Record everything that enters the core. */
  record?: RecordStart;
  /** Extensions to attach, by name, with their options. */
  extensions: Record<string, unknown>;
}

/** Owner to worker. */
export interface Request {
  id: number;
  kind: string;
  body: unknown;
}

export interface Failure {
  message: string;
  /** As Error.code: an errno's name, or ERR_NUSE_*. */
  code?: string;
  stack?: string;
}

/** Worker to owner. */
export type FromWorker =
  | { type: 'ready'; interfaces: StackInterface[] }
  | { type: 'reply'; id: number; body: unknown }
  | { type: 'error'; id: number; error: Failure }
  | { type: 'log'; level: number; text: string }
  | { type: 'notice'; kind: string; body: unknown }
  /** The worker ends; `error` says why when it was not asked to. */
  | { type: 'end'; error?: Failure };

/** A vif as it came up. */
export interface StackInterface {
  name: string;
  ifindex: number;
  mac: string;
  mtu: number;
  /** Host device or path. */
  dev: string;
  type: string;
  /** See SteerSpec. */
  group?: number;
}

export function failure(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = (error as NodeJS.ErrnoException).code;
  return { message: error.message, stack: error.stack, ...(typeof code === 'string' ? { code } : {}) };
}

/** An Error again, with the code and the far stack. */
export function revive(f: Failure): Error {
  return Object.assign(new Error(f.message), f.code ? { code: f.code } : {}, f.stack ? { stack: f.stack } : {});
}
