// The worker of one stack: core, vifs and loop. It blocks in the loop until it is told to stop, so nothing in it may
// wait for libuv once it runs: requests are taken from the port when the owner has signalled the eventfd.
// The entry file is host/cli/stack_worker.ts, which supplies the parts.
import { randomBytes } from 'node:crypto';
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import type { StackConfig } from '../config/config.js';
import { HDR, HDR_NOW } from '../abi/constants.js';
import { CoreTrap, type Core } from '../core.js';
import { EPOLLIN, loadNative, type Native } from '../native.js';
import { asCoreTrap, registerDevice } from '../stack.js';
import type { Vif, VifSpec } from '../vif.js';
import { FileCapture } from './capture.js';
import { CoreLife, told } from './core_life.js';
import { Loop } from './loop.js';
import { failure, type FromWorker, type Request, type StackInterface, type StackStart } from './messages.js';

/** ns between refreshes of the wall clock's offset. */
const WALL_PERIOD = 1e9;

/** Answers one request: calls reply once, now or later, or throws. */
export type Handler = (body: unknown, reply: (result: unknown) => void) => void;

/** What an extension gets. */
export interface StackContext {
  readonly core: Core;
  readonly loop: Loop;
  readonly native: Native;
  readonly config: StackConfig;
  readonly interfaces: readonly StackInterface[];
  /** Serve requests of this kind. */
  handle(kind: string, handler: Handler): void;
  /** Tell the owner something. */
  notify(kind: string, body: unknown): void;
  log(level: number, text: string): void;
  /** Addresses, routes or the like may have been changed: a core that is started again shall have them. */
  settingsChanged(): void;
}

export interface Extension {
  /** Called once when the stack stops, also after a trap (`dead`: the core must not be called). */
  close?(dead: boolean): void;
  /** The core has trapped and is a fresh one, with devices but not yet configured: sockets of before are gone. */
  restarted?(): void;
}

/** What the composition root supplies. */
export interface StackParts {
  openVif(native: Native, memory: number, spec: VifSpec, random: Uint8Array): Vif;
  /** Apply addresses, routes and so on to a core whose devices are registered. */
  configure(core: Core, config: StackConfig): void;
  /** name -> loads the extension's attach function. */
  extensions: Record<string, () => Promise<{ attach(stack: StackContext, options: unknown): Extension | Promise<Extension> }>>;
}

export class StackWorker implements StackContext {
  readonly interfaces: StackInterface[] = [];
  private readonly handlers = new Map<string, Handler>();
  private readonly attached: Extension[] = [];
  private capture?: FileCapture;

  private constructor(
    private readonly life: CoreLife, readonly loop: Loop, readonly native: Native, readonly config: StackConfig,
    private readonly parts: StackParts, private readonly port: MessagePort, private readonly wake: number,
  ) {}

  get core(): Core { return this.life.core; }

  /** Build the stack of `start`; on failure everything opened is closed again. */
  static async create(start: StackStart, parts: StackParts, port: MessagePort): Promise<StackWorker> {
    const native = loadNative(), { config } = start;
    native.timerSlack(1);
    const warn = (text: string): void => post(port, { type: 'notice', kind: 'warning', body: text });
    const life = await CoreLife.create(native, start, (level, text) => post(port, { type: 'log', level, text }), warn);
    const loop = new Loop(life.core, native, {
      spinUs: start.spinUs,
      vifError: (slot, errno) => post(port, { type: 'notice', kind: 'vif-error', body: { slot, errno } }),
    }, life.memory);
    const w = new StackWorker(life, loop, native, config, parts, port, start.wake);
    try {
      w.plug(parts);
      loop.stamp();
      life.configure(parts.configure);
      loop.addSource(start.wake, EPOLLIN, () => w.receive());
      for (const [name, options] of Object.entries(start.extensions)) {
        if (!Object.hasOwn(parts.extensions, name)) throw new RangeError(`no extension ${name}`);
        const { attach } = await parts.extensions[name]();
        w.attached.push(await attach(w, options));
      }
    } catch (error) {
      w.close(false);
      throw error;
    }
    return w;
  }

  handle(kind: string, handler: Handler): void { this.handlers.set(kind, handler); }
  notify(kind: string, body: unknown): void { post(this.port, { type: 'notice', kind, body }); }
  log(level: number, text: string): void { post(this.port, { type: 'log', level, text }); }

  settingsChanged(): void { this.life.settingsChanged(); }

  /** Run until a stop request; throws what ended it otherwise. A core that traps is started again, if the owner wants that. */
  async run(): Promise<void> {
    post(this.port, { type: 'ready', interfaces: this.interfaces });
    let dead = true;
    try {
      for (let trap = this.turns(); trap; trap = this.turns()) await this.restart(trap);
      dead = false;
    } finally {
      this.close(dead);
    }
  }
  /** Turn until a stop request, undefined, or a trap. */
  private turns(): CoreTrap | undefined {
    try {
      this.loop.run();
      return undefined;
    } catch (error) {
      if (error instanceof CoreTrap) return error;
      throw error;
    }
  }
  /** A fresh core over the same vifs, with the same settings; the sockets are gone. */
  private async restart(trap: CoreTrap): Promise<void> {
    const remains = this.life.preserve(trap);
    if (!await this.life.restart()) throw told(remains);
    this.native.wallOffset(this.loop.memory);
    this.loop.stamp();
    for (const port of this.loop.stack.ports) {
      registerDevice(this.core, port.slot, port.vif);
      port.wake();
    }
    for (const e of this.attached) e.restarted?.();
    this.life.configure(this.parts.configure);
    this.loop.requestPoll();
    this.notify('restarted', { ...remains, times: this.life.restarted });
  }

  private plug(parts: StackParts): void {
    this.native.wallOffset(this.loop.memory);
    this.loop.stamp();
    this.every(WALL_PERIOD, () => this.native.wallOffset(this.loop.memory));
    for (const [slot, spec] of this.config.interfaces.entries()) {
      const vif = parts.openVif(this.native, this.loop.memory, spec, randomBytes(6));
      this.loop.attachVif(slot, vif);
      const ifindex = registerDevice(this.core, slot, vif);
      this.interfaces.push({ name: vif.name, ifindex, mac: vif.mac, mtu: vif.mtu, dev: vif.dev, type: spec.type, group: vif.group });
    }
    this.loop.onIdle(() => this.capture?.idle(this.time));
    this.loop.onIdle(() => this.life.idle(this.time));
    if (this.config.pcap) this.startCapture(this.config.pcap);
    this.handle('stop', (_, reply) => { reply(null); this.loop.stop(); });
    this.handle('statistics', (_, reply) => reply(this.statistics()));
    this.handle('capture', (path, reply) => {
      this.stopCapture();
      if (typeof path === 'string') this.startCapture(path);
      reply(null);
    });
  }

  private every(ns: number, fn: () => void): void {
    const again = (): void => {
      fn();
      this.loop.setTimer(this.loop.now() + ns, again);
    };
    this.loop.setTimer(this.loop.now() + ns, again);
  }

  private startCapture(path: string): void {
    const { stack } = this.loop;
    this.capture = new FileCapture(this.core.mem, path, [`interfaces: ${this.interfaces.map((i) => `${i.name} ${i.type} ${i.dev}`).join(', ')}`]);
    for (const port of stack.ports) this.capture.add(port.slot, port.vif);
    stack.tap = this.capture;
  }
  private stopCapture(): void {
    this.loop.stack.tap = undefined;
    this.capture?.close();
    this.capture = undefined;
  }

  /** The time of the current turn, ns. */
  private get time(): number { return this.core.mem.getNs(HDR + HDR_NOW); }

  private statistics(): unknown {
    const x = this.core.exports;
    return {
      usage: { sockets: x.usage(0), packetBuffers: x.usage(1), chunks: x.usage(2), initBytes: x.usage(3) },
      vifs: this.loop.stack.ports.map((p) => ({ name: p.vif.name, ...p.vif.stats() })),
      time: this.time,
    };
  }

  /** Serve what the owner has posted. */
  private receive(): void {
    this.native.eventfdDrain(this.wake);
    for (let m = receiveMessageOnPort(this.port); m; m = receiveMessageOnPort(this.port)) this.serve(m.message as Request);
  }

  private serve(request: Request): void {
    const reply = (body: unknown): void => post(this.port, { type: 'reply', id: request.id, body });
    try {
      const handler = this.handlers.get(request.kind);
      if (!handler) throw new RangeError(`no handler of ${request.kind}`);
      handler(request.body, reply);
    } catch (error) {
      post(this.port, { type: 'error', id: request.id, error: failure(error) });
      if (asCoreTrap(error) instanceof CoreTrap) throw error;
    }
  }

  private close(dead: boolean): void {
    for (const e of this.attached.reverse()) e.close?.(dead);
    if (!dead) {
      // What closing sockets has produced still leaves.
      this.loop.stamp();
      this.loop.stack.flush();
    }
    this.stopCapture();
    this.life.close();
    this.loop.close();
  }
}

function post(port: MessagePort, message: FromWorker): void { port.postMessage(message); }

/** Body of a stack worker's entry file: build, run, tell how it ended. */
export async function serveStack(parts: StackParts): Promise<void> {
  const port = parentPort;
  if (!port) throw new Error('a stack worker runs in a worker thread');
  try {
    // Not by its event: what comes later is taken from the port, which must not deliver anything by itself.
    Atomics.wait(workerData as Int32Array, 0, 0);
    const start = (receiveMessageOnPort(port) as { message: StackStart }).message;
    await (await StackWorker.create(start, parts, port)).run();
    post(port, { type: 'end' });
  } catch (error) {
    post(port, { type: 'end', error: failure(error) });
  }
}
