// A stack of several workers: as many cores, each in a thread of its own with a queue of each interface (docs/architecture.md). They share
// nothing but the rule by which frames are led to them. When one ends, all do.
import { createHash, randomBytes } from 'node:crypto';
import { WORKERS_MAX, WORKER_KEY_SIZE } from '../abi/constants.js';
import { workersProblem } from '../config/check.js';
import type { StackConfig } from '../config/config.js';
import { loadNative } from '../native.js';
import { FRAME_RING_BYTES, type RelaySpec } from '../vif.js';
import type { StackInterface } from './messages.js';
import { StackThread, type StackThreadOptions } from './stack_thread.js';

export interface WorkerGroupOptions extends Omit<StackThreadOptions, 'record'> {
  /** For tests: lead frames by another key than the cores expect. */
  steerKey?: string;
}

export class WorkerGroup {
  /** Settles when all are gone: undefined after close(), else why the first ended. */
  readonly ended: Promise<Error | undefined>;
  private closing = false;

  private constructor(readonly threads: readonly StackThread[], bells: readonly number[]) {
    const first = Promise.race(threads.map((t) => t.ended));
    this.ended = (async () => {
      const why = await first;
      await Promise.all(threads.map((t) => t.close()));
      for (const b of bells) loadNative().closeFd(b);
      return this.closing ? undefined : why;
    })();
  }

  /** Start `config.workers` of them, one after the other: queues are numbered in the order of their opening. */
  static async start(options: WorkerGroupOptions): Promise<WorkerGroup> {
    refuseMisfits(options.config);
    const { config } = options, native = loadNative(), count = config.workers ?? 1, bells: number[] = [], threads: StackThread[] = [];
    const relays = config.interfaces.map(() => Array.from({ length: count - 1 }, () => ({ ring: new SharedArrayBuffer(FRAME_RING_BYTES), bell: native.eventfdCreate() })));
    for (const r of relays.flat()) bells.push(r.bell);
    const key = randomBytes(WORKER_KEY_SIZE).toString('hex'), shared = sharedSettings(config);
    try {
      for (let worker = 0; worker < count; worker++) {
        const steer = { worker, workers: count, key }, up = threads[0]?.interfaces;
        const interfaces = shared.interfaces.map((itf, i) => ({
          ...itf, ...sameDevice(up?.[i]), relay: relayOf(relays[i], worker), steer: { ...steer, key: options.steerKey ?? key, group: up?.[i].group },
        }));
        threads.push(await StackThread.start({ ...options, config: { ...shared, interfaces, worker: steer, ...own(config, worker) } }));
      }
      return new WorkerGroup(threads, bells);
    } catch (error) {
      await Promise.all(threads.map((t) => t.close()));
      for (const b of bells) native.closeFd(b);
      throw error;
    }
  }

  /** Stop all of them: devices are gone when it resolves. */
  async close(): Promise<void> {
    this.closing = true;
    await Promise.all(this.threads.map((t) => t.close()));
    await this.ended;
  }
}

/** A configuration that did not come from a file was not looked at before. */
function refuseMisfits({ workers = 1, interfaces }: StackConfig): void {
  if (!Number.isInteger(workers) || workers < 1 || workers > WORKERS_MAX) throw new RangeError(`workers: ${workers} is not from 1 to ${WORKERS_MAX}`);
  for (const i of interfaces) {
    const problem = workersProblem(i);
    if (problem) throw new TypeError(`workers: ${problem.join('; ')}`);
  }
}

/** Settings that all workers must agree on although none was given: a Fast Open cookie is good at whichever its next flow comes to. */
function sharedSettings(config: StackConfig): StackConfig {
  const name = 'net.ipv4.tcp_fastopen_key';
  if (config.sysctl[name] !== undefined) return config;
  return { ...config, sysctl: { ...config.sysctl, [name]: Array.from({ length: 4 }, () => randomBytes(4).toString('hex')).join('-') } };
}

/** The device of worker 0, for another one. */
function sameDevice(up: StackInterface | undefined): { mac?: string; dev?: string } { return up ? { mac: up.mac, dev: up.dev } : {}; }

function relayOf(all: readonly { ring: ArrayBufferLike; bell: number }[], worker: number): RelaySpec {
  if (!worker) return { rings: all.map((r) => r.ring), bells: all.map((r) => r.bell) };
  const { ring, bell } = all[worker - 1];
  return { rings: [ring], bells: [], bell };
}

/** What is a worker's own: its capture's file, FILE.1 and so on behind worker 0's FILE, and its part of a fixed seed. */
function own({ pcap, seed }: StackConfig, worker: number): Partial<StackConfig> {
  return {
    ...(pcap !== undefined && worker ? { pcap: `${pcap}.${worker}` } : {}),
    ...(seed !== undefined && worker ? { seed: createHash('sha256').update(`${seed} ${worker}`).digest('hex') } : {}),
  };
}
