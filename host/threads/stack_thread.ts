// The owner's handle of a stack that runs in a worker thread.
import { EventEmitter } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { StackConfig } from '../config/config.js';
import { loadNative, type Native } from '../native.js';
import type { RecordStart } from './recording.js';
import { revive, type FromWorker, type Request, type StackInterface, type StackStart } from './messages.js';

export interface StackThreadOptions {
  /** The worker's entry file: host/cli/stack_worker.js or its bundle. */
  entry: URL;
  /** File of the core's module. */
  wasm: string;
  config: StackConfig;
  /** Poll for this many µs before sleeping; default 0. */
  spinUs?: number;
  /** How often within a minute a core that traps is started again, its sockets reset; default 0: the stack ends. */
  restarts?: number;
  /** Record everything that enters the core. */
  record?: RecordStart;
  /** Extensions of the worker to attach, by name, with their options (cloned). */
  extensions?: Record<string, unknown>;
}

/** The stack ended while requests were waiting, or before it was ready. */
export class StackEnded extends Error {
  readonly code = 'ERR_NUSE_STACK_ENDED';
}

/** A worker, and what it waits at for its StackStart, which is posted before. */
interface Booting {
  worker: Worker;
  gate: Int32Array;
}
function boot(entry: URL): Booting {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  return { worker: new Worker(entry, { workerData: gate }), gate };
}
/** See StackThread.prepare; by entry. */
const prepared = new Map<string, Booting>();

/** ms a stack has to stop before its worker is terminated. */
const STOP_LIMIT = 5000;

interface Waiting {
  resolve(body: unknown): void;
  reject(error: Error): void;
}

/**
 * Events: `log` (level, text), `notice` (kind, body), and `end` (error?) once, when the worker is gone: with an error
 * when nobody had asked for it (a trap of the core has code ERR_NUSE_CORE_TRAP).
 */
export class StackThread extends EventEmitter {
  interfaces: StackInterface[] = [];
  /** Settles when the worker is gone: undefined after close(), else why. */
  readonly ended: Promise<Error | undefined>;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private reason?: Error;
  private stopping = false;
  private gone = false;
  /** Keeps the process alive. */
  private held = true;

  private constructor(private readonly worker: Worker, private readonly native: Native, private readonly wake: number) {
    super();
    this.ended = new Promise((resolve) => {
      worker.on('exit', (code) => {
        if (!this.reason && !this.stopping) this.reason = new StackEnded(`the stack's worker exited with code ${code}`);
        this.finish();
        resolve(this.reason);
      });
    });
    worker.on('error', (error: Error) => { this.reason ??= error; });
  }

  /** Begin to boot the worker of the next stack with this entry, of which nothing else is known yet. It does not keep the process alive. */
  static prepare(entry: URL): void {
    const booting = boot(entry);
    booting.worker.unref();
    prepared.set(entry.href, booting);
  }

  /** Start a stack; resolves when its vifs are up and its configuration applies. Rejects with the reason, `code` kept. */
  static async start(options: StackThreadOptions): Promise<StackThread> {
    if ((options.config.workers ?? 1) > 1 && !options.config.worker) throw new RangeError('`workers` is for Stack.create: a StackThread is one of them');
    const native = loadNative(), wake = native.eventfdCreate();
    if (wake < 0) throw new Error('eventfd');
    const data: StackStart = {
      wasm: options.wasm, config: options.config, wake, spinUs: options.spinUs ?? 0, restarts: options.restarts ?? 0, record: options.record, extensions: options.extensions ?? {},
    };
    let booting = prepared.get(options.entry.href);
    prepared.delete(options.entry.href);
    try {
      booting ??= boot(options.entry);
      booting.worker.postMessage(data);
    } catch (error) {
      void booting?.worker.terminate();
      native.closeFd(wake);
      throw error;
    }
    const { worker, gate } = booting;
    worker.ref();
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    const t = new StackThread(worker, native, wake);
    await new Promise<void>((resolve, reject) => {
      worker.on('message', (m: FromWorker) => t.receive(m, resolve));
      void t.ended.then((why) => reject(why ?? new StackEnded('the stack stopped before it was ready')));
    });
    return t;
  }

  /** Let the process end although the stack runs, unless somebody waits for an answer of it. */
  unref(): void {
    this.held = false;
    this.hold();
  }
  private hold(): void {
    if (this.held || this.waiting.size) this.worker.ref();
    else this.worker.unref();
  }

  /** Ask the worker; rejects with its error, or StackEnded. */
  request(kind: string, body?: unknown): Promise<unknown> {
    if (this.gone) return Promise.reject(new StackEnded('the stack has ended'));
    const message: Request = { id: this.nextId++, kind, body };
    return new Promise((resolve, reject) => {
      this.waiting.set(message.id, { resolve, reject });
      this.hold();
      this.worker.postMessage(message);
      this.native.eventfdSignal(this.wake);
    });
  }

  /** Stop: sockets are closed, captures flushed, devices gone when it resolves. */
  async close(): Promise<void> {
    if (this.gone) return;
    this.stopping = this.held = true;
    this.hold();
    const limit = setTimeout(() => { void this.worker.terminate(); }, STOP_LIMIT);
    this.request('stop').catch((e: unknown) => { if (!(e instanceof StackEnded)) this.reason ??= e as Error; });
    await this.ended;
    clearTimeout(limit);
  }

  private receive(m: FromWorker, ready: () => void): void {
    switch (m.type) {
      case 'ready': this.interfaces = m.interfaces; ready(); break;
      case 'reply': this.take(m.id)?.resolve(m.body); break;
      case 'error': this.take(m.id)?.reject(revive(m.error)); break;
      case 'log': this.emit('log', m.level, m.text); break;
      case 'notice': this.emit('notice', m.kind, m.body); break;
      case 'end': if (m.error) this.reason = revive(m.error); break;
    }
  }

  private take(id: number): Waiting | undefined {
    const w = this.waiting.get(id);
    this.waiting.delete(id);
    this.hold();
    return w;
  }

  private finish(): void {
    this.gone = true;
    this.native.closeFd(this.wake);
    for (const w of this.waiting.values()) w.reject(new StackEnded('the stack has ended'));
    this.waiting.clear();
    this.emit('end', this.reason);
  }
}
