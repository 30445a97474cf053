// Channels of a stack's worker: the stack's side of applications in other threads. An extension of the worker (stack_worker.ts).
import { EPOLLIN } from '../native.js';
import { CoreSockets } from '../sockets/core_sockets.js';
import { RingServer } from '../sockets/ring/server.js';
import type { ChannelMemory } from '../sockets/ring/layout.js';
import type { Extension, StackContext } from './stack_worker.js';

/** Request `channel`: serve this memory; `wake`: an eventfd that applications signal. Notice `channel`: its id has something to look at. */
export interface ChannelRequest {
  id: number;
  memory: ChannelMemory;
  wake: number;
}

export function attachChannels(stack: StackContext): Extension {
  const { loop, native } = stack, sockets = new CoreSockets(stack.core, loop);
  const channels = new Map<number, { server: RingServer; source: number; wake: number }>();
  loop.onSocketEvents((handle, mask) => { sockets.event(handle, mask); });
  // What was marked while the turn ran wakes the next one.
  loop.onIdle(() => { for (const { server, wake } of channels.values()) if (!server.park()) native.eventfdSignal(wake); });
  stack.handle('channel', (body, reply) => {
    const { id, memory, wake } = body as ChannelRequest;
    const server = new RingServer(sockets, memory, () => stack.notify('channel', id));
    const source = loop.addSource(wake, EPOLLIN, () => {
      native.eventfdDrain(wake);
      server.serve();
    });
    channels.set(id, { server, source, wake });
    reply(null);
  });
  stack.handle('channel-close', (id, reply) => {
    const c = channels.get(id as number);
    if (c) {
      loop.removeSource(c.source);
      c.server.abandon();
      channels.delete(id as number);
    }
    reply(null);
  });
  return {
    restarted: () => {
      sockets.lost();
      for (const { server, wake } of channels.values()) {
        server.restarted();
        native.eventfdSignal(wake);
      }
    },
    close: (dead) => {
      if (!dead) {
        loop.stamp();
        sockets.abort();
      }
      sockets.end();
      for (const { server } of channels.values()) server.end();
    },
  };
}
