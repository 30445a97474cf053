// The owner's handle of a gateway in a thread of its own, and the body of that thread's entry file.
import { Worker, parentPort, workerData } from 'node:worker_threads';
import type { StackParts } from '../threads/stack_worker.js';
import { failure, revive, type Failure } from '../threads/messages.js';
import { Gateway, type GatewayOptions } from './gateway.js';

/** ms a gateway has to reset its connections before its thread is terminated. */
const STOP_LIMIT = 1000;

type FromGateway = { type: 'ready' } | { type: 'failed'; error: Failure };

export class GatewayThread {
  /** Resolves when published ports are open; rejects with the reason when the gateway cannot be had. */
  readonly ready: Promise<void>;
  /** Settles when the thread is gone: undefined after close(), else why. */
  readonly ended: Promise<Error | undefined>;
  private readonly worker: Worker;
  private stopping = false;
  /** It serves. */
  up = false;
  private reason?: Error;

  /** `entry`: the file whose body is serveGateway. */
  constructor(entry: URL, options: GatewayOptions) {
    this.worker = new Worker(entry, { workerData: options });
    this.worker.on('error', (error: Error) => { this.reason ??= error; });
    this.ended = new Promise((resolve) => {
      this.worker.on('exit', (code) => resolve(this.stopping ? undefined : this.reason ?? new Error(`the gateway's thread exited with code ${code}`)));
    });
    this.ready = new Promise((resolve, reject) => {
      this.worker.on('message', (m: FromGateway) => {
        if (m.type === 'ready') {
          this.up = true;
          return resolve();
        }
        this.reason = revive(m.error);
        reject(this.reason);
      });
      void this.ended.then((why) => reject(why ?? new Error('the gateway was closed')));
    });
    this.ready.catch(() => undefined); // told by `ended`, too, for those who don't wait for it
  }

  /** `wait`: frames are on their way also when it is not up yet. */
  async close(wait: boolean): Promise<void> {
    if (wait && !this.up) await Promise.race([this.ready.catch(() => undefined), this.ended]);
    this.stopping = true;
    if (!this.up) {
      await this.worker.terminate();
      return;
    }
    const limit = setTimeout(() => { void this.worker.terminate(); }, STOP_LIMIT);
    this.worker.postMessage('stop');
    await this.ended;
    clearTimeout(limit);
  }
}

/** Body of a gateway thread's entry file. */
export async function serveGateway(openVif: StackParts['openVif']): Promise<void> {
  const port = parentPort;
  if (!port) throw new Error('a gateway runs in a worker thread');
  const tell = (m: FromGateway): void => port.postMessage(m);
  try {
    const gateway = await Gateway.start(workerData as GatewayOptions, openVif);
    port.once('message', () => {
      gateway.close();
      port.close();
    });
    tell({ type: 'ready' });
  } catch (error) {
    tell({ type: 'failed', error: failure(error) });
    port.close();
  }
}
