// Blocking sockets in a worker thread of Node: the channel that Stack.channel() gave, put to use.
import type { MessagePort } from 'node:worker_threads';
import { loadNative } from '../native.js';
import type { ChannelMemory } from '../sockets/ring/layout.js';
import { SyncNet } from '../sockets/ring/sync.js';

/** Goes into a worker thread as workerData or by postMessage; a `port` must be in the transfer list. */
export interface StackChannel {
  memory: ChannelMemory;
  /** How the stack is woken: an eventfd when it has a worker of its own, a port when it runs in an event loop. */
  wake?: number;
  port?: MessagePort;
}

/** Blocking sockets over a channel; one thread uses it. */
export function openChannel({ memory, wake, port }: StackChannel): SyncNet {
  if (port) return new SyncNet(memory, () => port.postMessage(0));
  if (wake === undefined) throw new TypeError('the channel has neither an eventfd nor a port');
  const native = loadNative();
  return new SyncNet(memory, () => { native.eventfdSignal(wake); });
}
