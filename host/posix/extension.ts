// The glue as an extension of the stack worker: requests from the owner start the supervision of a program there.
import type { Core } from '../core.js';
import type { PosixNative } from './native.js';
import { Supervisor, type GlueLoop, type SupervisorOptions } from './supervisor.js';

/** What the extension needs of its stack (StackContext of host/threads/stack_worker.ts). */
export interface GlueContext {
  readonly core: Core;
  readonly loop: GlueLoop & { onSocketEvents(fn: (handle: number, mask: number) => void): void };
  readonly native: unknown;
  handle(kind: string, handler: (body: unknown, reply: (result: unknown) => void) => void): void;
  notify(kind: string, body: unknown): void;
  log(level: number, text: string): void;
}

/** Request: { notify } of launch(); replied at once, then the program may go. */
export const POSIX_ATTACH = 'posix.attach';
/** Notice: { notify } when the program and all it started have ended and what they wrote is with the core. */
export const POSIX_GONE = 'posix.gone';

export function attach(stack: GlueContext, options: unknown): { close(dead?: boolean): void } {
  const supervisor = new Supervisor(stack.core, stack.native as PosixNative, stack.loop, {
    ...(options as SupervisorOptions | undefined),
    log: (text) => stack.log(1, text),
  });
  stack.loop.onSocketEvents((handle, mask) => { supervisor.onSocketEvents(handle, mask); });
  stack.handle(POSIX_ATTACH, (body, reply) => {
    const { notify } = body as { notify: number };
    supervisor.attach(notify, () => stack.notify(POSIX_GONE, { notify }));
    reply(null);
  });
  return { close: () => supervisor.close() };
}
