// A channel to a stack that runs in the event loop of this thread, for blocking sockets in another one. Browser-safe.
import type { LocalStack } from '../local_stack.js';
import { newChannel, type ChannelMemory, type ChannelOptions } from './layout.js';
import { RingServer } from './server.js';

export interface LocalChannel {
  memory: ChannelMemory;
  /** Transfer it to the other thread: a message to it wakes the stack. */
  port: MessagePort;
  /** The other thread is gone: its sockets are reset. */
  close(): void;
}

export function openLocalChannel(stack: LocalStack, options?: ChannelOptions): LocalChannel {
  const memory = newChannel(options), { port1, port2 } = new MessageChannel();
  const server = new RingServer(stack.sockets, memory, () => port1.postMessage(0));
  const serve = (): void => {
    stack.stamp();
    server.serve();
    stack.requestPoll();
    // What came meanwhile waits for its turn behind the stack's.
    if (!server.park()) setTimeout(serve, 0);
  };
  port1.onmessage = serve;
  (port1 as { unref?: () => void }).unref?.();
  stack.whenEnded(() => {
    server.end();
    port1.close();
  });
  serve();
  return { memory, port: port2, close: () => server.abandon() };
}
