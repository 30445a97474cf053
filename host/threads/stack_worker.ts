// The worker of one stack: core, vifs and loop. It blocks in the loop until it is told to stop, so nothing in it may
// wait for libuv once it runs: requests are taken from the port when the owner has signalled the eventfd.
// The entry file is host/cli/stack_worker.ts, which supplies the parts.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import type { StackConfig } from '../config/config.js';
import { HDR, HDR_NOW } from '../abi/constants.js';
import { CoreTrap, createCore, type Core, type CoreOptions } from '../core.js';
import { EPOLLIN, loadNative, type Native } from '../native.js';
import { asCoreTrap, registerDevice } from '../stack.js';
import type { NativeVifs, Vif, VifSpec } from '../vif.js';
import { FileCapture } from './capture.js';
import { Loop } from './loop.js';
import { Recording } from './recording.js';
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
}

export interface Extension {
  /** Called once when the stack stops, also after a trap (`dead`: the core must not be called). */
  close?(dead: boolean): void;
}

/** What the composition root supplies. */
export interface StackParts {
  openVif(native: NativeVifs, memory: number, spec: VifSpec, random: Uint8Array): Vif;
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
    readonly core: Core, readonly loop: Loop, readonly native: Native, readonly config: StackConfig,
    private readonly port: MessagePort, private readonly wake: number, private readonly recording: Recording | undefined,
  ) {}

  /** Build the stack of `start`; on failure everything opened is closed again. */
  static async create(start: StackStart, parts: StackParts, port: MessagePort): Promise<StackWorker> {
    const native = loadNative(), { config } = start;
    native.timerSlack(1);
    const wasm = { path: start.wasm, bytes: readFileSync(start.wasm) }, log = (level: number, text: string): void => post(port, { type: 'log', level, text });
    const options: CoreOptions = {
      memoryBytes: config.memory, maxSockets: config.sockets, now: Number(process.hrtime.bigint()),
      seed: config.seed ? Buffer.from(config.seed, 'hex') : randomBytes(32), log,
    };
    const bare = await createCore(new WebAssembly.Module(wasm.bytes), options), memory = native.attachMemory(bare.mem.u8);
    const recording = start.record && Recording.start(native, memory, start.record, bare, options, wasm, (text) => post(port, { type: 'notice', kind: 'warning', body: text }));
    const loop = new Loop(recording?.recorder.core ?? bare, native, {
      spinUs: start.spinUs,
      vifError: (slot, errno) => post(port, { type: 'notice', kind: 'vif-error', body: { slot, errno } }),
    }, memory);
    const w = new StackWorker(loop.core, loop, native, config, port, start.wake, recording);
    try {
      w.plug(parts);
      loop.stamp();
      parts.configure(loop.core, config);
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

  /** Run until a stop request; throws what ended it otherwise. */
  run(): void {
    post(this.port, { type: 'ready', interfaces: this.interfaces });
    let dead = true;
    try {
      this.loop.run();
      dead = false;
    } finally {
      this.close(dead);
    }
  }

  private plug(parts: StackParts): void {
    this.native.wallOffset(this.loop.memory);
    this.loop.stamp();
    this.every(WALL_PERIOD, () => this.native.wallOffset(this.loop.memory));
    for (const [slot, spec] of this.config.interfaces.entries()) {
      const vif = parts.openVif(this.native, this.loop.memory, spec, randomBytes(6));
      this.loop.attachVif(slot, vif);
      const ifindex = registerDevice(this.core, slot, vif);
      this.interfaces.push({ name: vif.name, ifindex, mac: vif.mac, mtu: vif.mtu, dev: vif.dev, type: spec.type });
    }
    this.loop.onIdle(() => this.capture?.idle(this.time));
    if (this.recording) this.loop.onIdle(() => this.recording?.idle(this.time));
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
      if (asCoreTrap(error) instanceof CoreTrap) throw error;
      post(this.port, { type: 'error', id: request.id, error: failure(error) });
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
    this.recording?.recorder.close();
    this.loop.close();
  }
}

function post(port: MessagePort, message: FromWorker): void { port.postMessage(message); }

/** Body of a stack worker's entry file: build, run, tell how it ended. */
export async function serveStack(parts: StackParts): Promise<void> {
  const port = parentPort;
  if (!port) throw new Error('a stack worker runs in a worker thread');
  try {
    (await StackWorker.create(workerData as StackStart, parts, port)).run();
    post(port, { type: 'end' });
  } catch (error) {
    post(port, { type: 'end', error: failure(error) });
  }
}
