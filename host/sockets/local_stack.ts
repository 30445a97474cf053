// A stack in this thread, driven by its event loop: for vifs without a file descriptor (memory cables, WebSocket, a simulator).
// A turn runs soon after frames came or sockets called, in a microtask as long as other work gets its turn too; and when a timer
// of the core is due (to the millisecond, as timers of event loops are). Browser-safe.
//
//   const [near, far] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
//   const a = await LocalStack.create({ module, config: parseConfig('interface eth0\n address 192.0.2.1/24\n', 'a'), vifs: { eth0: near } });
//   const b = await LocalStack.create({ module, config: parseConfig('interface eth0\n address 192.0.2.2/24\n', 'b'), vifs: { eth0: far } });
//   a.sockets.stream(4).connect('192.0.2.2', 80) ...
//   a.close();
import { HDR, HDR_DEADLINE, HDR_NOW, HDR_WALL_OFFSET } from '../abi/constants.js';
import { monotonicNs, wallOffsetNs } from '../clock.js';
import type { StackConfig } from '../config/config.js';
import { applyConfig } from '../control/apply.js';
import { createCore, type Core } from '../core.js';
import { randomBytes } from '../entropy.js';
import { Stack, asCoreTrap, registerDevice } from '../stack.js';
import type { Vif } from '../vif.js';
import { CoreSockets, type SocketDriver } from './core_sockets.js';
import { guardedExports } from './guarded.js';
import { Task } from './task.js';

export interface LocalStackOptions {
  /** The core's module (build/core.wasm). */
  module: WebAssembly.Module;
  config: StackConfig;
  /** The vif of each interface of the configuration, by its name in the stack; closed with the stack. */
  vifs: Readonly<Record<string, Vif>>;
  log?: (level: number, text: string) => void;
  /** The core trapped (a CoreTrap): the stack has ended, its sockets have failed with ECONNRESET. */
  onend?: (error: Error) => void;
}

/** Turns in one run. */
const TURNS = 16;
/** Runs in a row as microtasks; then timers and I/O of the thread come first. */
const MICRO_RUNS = 16;
/** Longest timer of an event loop, ms. */
const TIMER_MAX = 0x7fffffff;

export class LocalStack implements SocketDriver {
  readonly stack: Stack;
  readonly sockets: CoreSockets;
  private readonly endings: ((why: Error | undefined) => void)[] = [];
  private scheduled = false;
  private running = false;
  private ended = false;
  private microRuns = 0;
  private readonly task = new Task(() => this.run());
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** When `timer` fires, ns. */
  private timerAt = Infinity;

  private constructor(readonly core: Core, private readonly onend: LocalStackOptions['onend']) {
    this.stack = new Stack(core, { socketEvent: (handle, mask) => this.event(handle, mask), woken: () => this.schedule() });
    this.sockets = new CoreSockets({ exports: guardedExports(core.exports, (error) => this.trapped(error)), mem: core.mem }, this);
  }

  /** Make the core, its devices and its configuration. Throws what the configuration lacks or the core refuses. */
  static async create(options: LocalStackOptions): Promise<LocalStack> {
    const { config, vifs } = options;
    for (const i of config.interfaces) if (!Object.hasOwn(vifs, i.name)) throw new TypeError(`no vif was given for interface ${i.name}`);
    const seed = config.seed === undefined ? randomBytes(32) : Uint8Array.from(config.seed.match(/../g) ?? [], (h) => parseInt(h, 16));
    const core = await createCore(options.module, {
      seed, now: monotonicNs(), memoryBytes: config.memory, maxSockets: config.sockets, log: options.log,
    });
    core.mem.view.setBigInt64(HDR + HDR_WALL_OFFSET, BigInt(Math.round(wallOffsetNs())), true);
    const s = new LocalStack(core, options.onend);
    try {
      for (const [slot, { name }] of config.interfaces.entries()) {
        s.stack.attach(slot, vifs[name]);
        s.stamp();
        registerDevice(core, slot, vifs[name]);
      }
      s.stamp();
      applyConfig(core, config);
    } catch (error) {
      s.finish();
      throw error;
    }
    s.schedule();
    return s;
  }

  stamp(): void { this.core.mem.putNs(HDR + HDR_NOW, monotonicNs()); }
  requestPoll(): void {
    this.stack.pollWanted = true;
    this.schedule();
  }

  /** End the stack: connections are reset, their owners here see ECONNRESET as well. */
  close(): void {
    if (this.ended) return;
    this.stamp();
    this.sockets.abort();
    this.stack.flush();
    this.finish();
  }

  private finish(why?: Error): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.task.close();
    for (const port of this.stack.ports) port.vif.close();
    this.sockets.end();
    for (const fn of this.endings) fn(why);
  }
  /** Call fn when the stack has ended; `why`: the trap, if it was that. */
  whenEnded(fn: (why: Error | undefined) => void): void { this.endings.push(fn); }

  private schedule(): void {
    if (this.scheduled || this.running || this.ended) return;
    this.scheduled = true;
    if (this.microRuns++ < MICRO_RUNS) queueMicrotask(this.run);
    else {
      this.task.post();
      this.microRuns = 0;
    }
  }

  private readonly run = (): void => {
    this.scheduled = false;
    if (this.ended) return;
    this.running = true;
    try {
      for (let i = 0; i < TURNS; i++) {
        this.stamp();
        if (this.stack.due) this.stack.turn();
        else if (!this.stack.eventsPending) break;
        this.stack.dispatch();
      }
    } catch (error) {
      this.trapped(error);
      return;
    } finally {
      this.running = false;
    }
    if (this.stack.busy) this.schedule();
    else this.arm();
  };

  /** Wake at the core's deadline. A timer that is early enough already stays. */
  private arm(): void {
    const at = this.core.mem.getNs(HDR + HDR_DEADLINE);
    if (at === Infinity || at >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = at;
    this.timer = setTimeout(() => {
      this.timerAt = Infinity;
      this.run();
    }, Math.min(Math.max(0, Math.ceil((at - monotonicNs()) / 1e6)), TIMER_MAX));
    // A stack alone does not keep a process: its sockets' owners do.
    (this.timer as { unref?: () => void }).unref?.();
  }

  /** One readiness edge. What a callback throws is nobody's but the program's: the other sockets' events go on. */
  private event(handle: number, mask: number): void {
    try {
      this.sockets.event(handle, mask);
    } catch (error) {
      if (this.ended) throw error;
      queueMicrotask(() => { throw error; });
    }
  }

  /** The core has trapped: its state is void. */
  private trapped(error: unknown): void {
    if (this.ended) return;
    const why = asCoreTrap(error) as Error;
    this.finish(why);
    this.onend?.(why);
  }
}
