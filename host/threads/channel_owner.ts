// Channels to a stack in its worker, as the thread that owns the stack opens them: one for itself, more for other threads.
import { loadNative, type Native } from '../native.js';
import { RingClient } from '../sockets/ring/client.js';
import { Channel, newChannel, type ChannelMemory, type ChannelOptions } from '../sockets/ring/layout.js';
import { endChannel } from '../sockets/ring/server.js';
import type { ChannelRequest } from './channels.js';
import { StackEnded, type StackThread } from './stack_thread.js';

/** What another thread of the process needs to use a channel: can be cloned. */
export interface ThreadChannel {
  memory: ChannelMemory;
  /** eventfd that wakes the stack. Open until the channel is closed. */
  wake: number;
}

interface Open {
  memory: ChannelMemory;
  wake: number;
  /** The client of this thread, if the channel is its own. */
  client?: RingClient;
}

export class ChannelOwner {
  private readonly native: Native = loadNative();
  private readonly channels = new Map<number, Open>();
  private nextId = 1;

  constructor(private readonly thread: StackThread) {
    thread.on('notice', (kind: string, id: unknown) => { if (kind === 'channel') this.channels.get(id as number)?.client?.serveAndListen(); });
    thread.on('end', () => {
      for (const { memory, client } of this.channels.values()) {
        endChannel(new Channel(memory));
        client?.serve();
      }
    });
  }

  /** Sockets for this thread, told of events by its event loop. */
  async own(options?: ChannelOptions): Promise<RingClient> {
    const id = await this.open(options), c = this.channels.get(id) as Open;
    c.client = new RingClient(c.memory, () => { this.native.eventfdSignal(c.wake); });
    c.client.serveAndListen();
    return c.client;
  }
  /** A channel to hand to another thread, and its number for close(). */
  async share(options?: ChannelOptions): Promise<ThreadChannel & { id: number }> {
    const id = await this.open(options), { memory, wake } = this.channels.get(id) as Open;
    return { id, memory, wake };
  }
  /** The other thread is done with it: what it left open is reset. */
  async close(id: number): Promise<void> {
    const c = this.channels.get(id);
    if (!c) return;
    this.channels.delete(id);
    await this.thread.request('channel-close', id).catch((error: unknown) => {
      if (!(error instanceof StackEnded)) throw error;
    });
    this.native.closeFd(c.wake);
  }

  private async open(options?: ChannelOptions): Promise<number> {
    const memory = newChannel(options), wake = this.native.eventfdCreate(), id = this.nextId++;
    if (wake < 0) throw new Error('eventfd');
    await this.thread.request('channel', { id, memory, wake } satisfies ChannelRequest);
    this.channels.set(id, { memory, wake });
    return id;
  }
}
