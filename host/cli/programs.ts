// Extension of the stack worker: programs. Takes notification descriptors, and serves the calls that come through them.
import { writeSync } from 'node:fs';
import { EPOLLIN } from '../native.js';
import type { PosixNative } from '../posix/native.js';
import type { Shadow } from '../posix/packet.js';
import { Supervisor } from '../posix/supervisor.js';
import type { Extension, StackContext } from '../threads/stack_worker.js';

/** Request `program`: a notification descriptor of this process, now the worker's. Replies when its calls are served. */
export interface ProgramRequest {
  notify: number;
  /** Names the program in the notice `program-gone`, which comes when it and all it started have ended. */
  id: number;
  /** Shadow interfaces of the program's namespace, now the worker's. */
  shadows: Shadow[];
}
/** Request `take-program`: a connected socket over which nuse-exec sends its descriptor and waits for the word to begin. The owner closes it after the reply. */
export interface TakeRequest {
  socket: number;
  id: number;
}

export function attachPrograms(stack: StackContext): Extension {
  const native = stack.native as unknown as PosixNative;
  const supervisor = new Supervisor(stack.core, native, stack.loop, { log: (text) => stack.log(1, text), netlinkSent: () => stack.settingsChanged() });
  stack.loop.onSocketEvents((handle, mask) => { supervisor.onSocketEvents(handle, mask); });
  const serve = (notify: number, id: number) => supervisor.attach(notify, () => stack.notify('program-gone', { id }));
  stack.handle('program', (body, reply) => {
    const { notify, id, shadows } = body as ProgramRequest;
    supervisor.useShadows(shadows);
    serve(notify, id);
    reply(null);
  });
  stack.handle('take-program', (body, reply) => {
    const { socket, id } = body as TakeRequest;
    const source = stack.loop.addSource(socket, EPOLLIN, () => {
      stack.loop.removeSource(source);
      const notify = new Int32Array(1), received = native.posixReceiveFds(socket, 0, notify);
      if (received > 0) {
        serve(notify[0], id);
        writeSync(socket, 'g');
      }
      reply(received > 0);
    });
  });
  return { close: (dead) => supervisor.close(dead), restarted: () => supervisor.restarted() };
}
