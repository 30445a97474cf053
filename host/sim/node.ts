// A simulated machine: a core with its own memory and its interfaces, driven by the events of a simulation. Whatever its
// applications are written in, they live on `sockets` and on the virtual clock.
import { EVENTS, EVENTS_MAX, HDR, HDR_DEADLINE, HDR_EVENTS_PENDING, HDR_NOW, HDR_TX_PENDING, HDR_WALL_OFFSET } from '../abi/constants.js';
import type { StackConfig } from '../config/config.js';
import { applyConfig } from '../control/apply.js';
import { createCore, type Core, type CoreOptions } from '../core.js';
import { CoreSockets, type SocketDriver } from '../sockets/core_sockets.js';
import { guardedExports } from '../sockets/guarded.js';
import { asCoreTrap, registerDevice } from '../stack.js';
import { coreSeed } from './random.js';
import type { Packet } from './packet.js';
import { SpinError, type Simulation, type Turner } from './simulation.js';
import { TraceHash } from './trace_hash.js';
import { Receiver, type SimVif } from './vif.js';

/** The core's clock at the start of a run, ns: 0 means "never" to some of its fields. */
export const START = 1e9;
/** Wall clock at the start of a run: 2026-01-01T00:00:00Z, ns. */
export const WALL_START = 1_767_225_600_000_000_000n;
/** Turns in a row at one instant: more, and an application calls without end. */
const SPIN_TURNS = 100_000;
const NOW = (HDR + HDR_NOW) >>> 2, DEADLINE = (HDR + HDR_DEADLINE) >>> 2, PENDING = (HDR + HDR_EVENTS_PENDING) >>> 2, WAITING = (HDR + HDR_TX_PENDING) >>> 2;
const NEVER = 0xffffffff;

export interface NodeOptions {
  /** The core's module. */
  module: WebAssembly.Module;
  name: string;
  config: StackConfig;
  /** In the order of the configuration's interfaces. */
  vifs: readonly SimVif[];
  /** The node's core has trapped: it is dead, the others go on. */
  ontrap?: (node: SimNode, error: Error) => void;
  /** What stands between the node and its core: a recorder. `options`: what the core was created with. */
  layer?: (core: Core, options: CoreOptions, node: string) => Core;
}

export class SimNode implements Turner, SocketDriver {
  readonly id: number;
  readonly name: string;
  readonly sockets: CoreSockets;
  /** Why it is dead. */
  trap?: Error;
  private readonly hash = new TraceHash();
  private readonly receiver: Receiver;
  /** The core has something to do although its deadline is later: buffers to free, a call's output to send. */
  private pollWanted = true;
  private settling?: CoreSockets;
  private running = false;
  private scheduled = false;
  /** When the timer event fires, ns of the run. */
  private timerAt = Infinity;

  private constructor(readonly sim: Simulation, readonly core: Core, readonly vifs: readonly SimVif[], private readonly options: NodeOptions) {
    this.name = options.name;
    this.id = sim.register();
    this.receiver = new Receiver(core, () => this.wake());
    this.sockets = new CoreSockets(core, this);
  }

  /** Start a machine. Throws what its configuration or the core refuses, with the node's name. */
  static async create(sim: Simulation, options: NodeOptions): Promise<SimNode> {
    const { config, vifs, name } = options;
    const own = { seed: coreSeed(sim.seed, name), now: START + sim.now, memoryBytes: config.memory, maxSockets: config.sockets };
    const bare = await createCore(options.module, own).catch((e: Error) => { throw new Error(`node ${name}: ${e.message}`, { cause: e }); });
    const core = options.layer?.(bare, own, name) ?? bare;
    core.mem.view.setBigInt64(HDR + HDR_WALL_OFFSET, WALL_START - BigInt(START), true);
    const node = new SimNode(sim, core, vifs, options);
    for (const [slot, vif] of vifs.entries()) {
      vif.tap = (p, sent) => node.seen(slot, p, sent);
      vif.attach(node.receiver, slot);
      node.stamp();
      registerDevice(core, slot, vif);
    }
    node.stamp();
    applyConfig(core, config);
    node.wake();
    return node;
  }

  /** Hash of every frame that came or went, with its time. */
  get digest(): string { return this.hash.hex; }
  /** Sees each of those frames, too, which may be overwritten after the call. */
  capture?: (slot: number, frame: Uint8Array, sent: boolean) => void;

  stamp(): void { this.core.mem.putNs(HDR + HDR_NOW, START + this.sim.now); }
  requestPoll(): void {
    this.pollWanted = true;
    this.wake();
  }
  /** Run `fn` for an application in so many ns. */
  after(ns: number, fn: () => void): void {
    this.sim.after(this, ns, () => {
      if (!this.trap) this.guard(fn);
    });
  }

  /**
   * Sockets of an application that also calls them outside of events, from promises: a trap of the core in such a call ends the node, and
   * the call fails with ECONNRESET. After an event that has touched one of them the simulation settles (Simulation.runAsync).
   */
  settlingSockets(): CoreSockets {
    this.settling ??= new CoreSockets({ exports: guardedExports(this.core.exports, (e) => this.failed(e)), mem: this.core.mem }, this);
    return this.settling;
  }
  /** Handles of all its sockets. */
  *handles(): Generator<number> {
    yield* this.sockets.handles();
    if (this.settling) yield* this.settling.handles();
  }
  private socketEvent(handle: number, mask: number): void {
    if (this.sockets.event(handle, mask) || !this.settling) return;
    this.sim.unsettled = this;
    this.settling.event(handle, mask);
  }

  private seen(slot: number, p: Packet, sent: boolean): void {
    this.hash.add(this.sim.now, slot, sent, p);
    this.capture?.(slot, p.frame, sent);
  }

  /** A turn is wanted at this instant. */
  private wake(): void {
    if (this.scheduled || this.running || this.trap) return;
    this.scheduled = true;
    this.sim.wake(this);
  }
  /** For the simulation: the turn that was wanted. */
  turn(): void {
    this.scheduled = false;
    if (this.trap) return;
    try {
      this.turns();
    } catch (e) {
      this.failed(e);
    }
  }

  private turns(): void {
    const { u32 } = this.core.mem;
    this.running = true;
    try {
      this.stamp();
      for (let i = 0; ; i++) {
        if (i > SPIN_TURNS) throw new SpinError(this.name, this.sim.now, `${SPIN_TURNS} turns`);
        if (this.pollWanted || this.receiver.filled || this.due) this.poll();
        else if (!u32[PENDING]) break;
        if (u32[PENDING]) this.dispatch();
      }
    } finally {
      this.running = false;
    }
    this.arm();
  }
  /** Whether the core's deadline has come. */
  private get due(): boolean {
    const { u32 } = this.core.mem;
    return u32[DEADLINE + 1] < u32[NOW + 1] || (u32[DEADLINE + 1] === u32[NOW + 1] && u32[DEADLINE] <= u32[NOW]);
  }
  /** Run the core over what has arrived, and send. */
  private poll(): void {
    const { core, receiver, vifs } = this, { u32 } = core.mem;
    this.pollWanted = false;
    core.exports.poll(receiver.filled);
    receiver.taken();
    for (let waiting = u32[WAITING]; waiting; waiting &= waiting - 1) if (vifs[31 - Math.clz32(waiting & -waiting)].send(core)) this.pollWanted = true;
    // The header tells of the first 32.
    for (let i = 32; i < vifs.length; i++) if (vifs[i].send(core)) this.pollWanted = true;
  }
  /** Tell sockets what has come for them. */
  private dispatch(): void {
    const { exports, mem: { u32 } } = this.core, n = exports.events(EVENTS_MAX);
    for (let i = 0; i < n; i++) this.socketEvent(u32[(EVENTS >>> 2) + 2 * i], u32[(EVENTS >>> 2) + 2 * i + 1]);
  }

  /** Wake at the core's deadline. A timer that is early enough already stays. */
  private arm(): void {
    const { u32 } = this.core.mem, lo = u32[DEADLINE], hi = u32[DEADLINE + 1], at = hi * 4294967296 + lo - START;
    if (at >= this.timerAt || (lo === NEVER && hi === NEVER)) return;
    this.timerAt = at;
    this.sim.at(this, Math.max(at, this.sim.now), () => {
      // An earlier timer has taken its place.
      if (this.timerAt !== at || this.trap) return;
      this.timerAt = Infinity;
      this.wake();
    });
  }

  private guard(fn: () => void): void {
    try {
      fn();
    } catch (e) {
      this.failed(e);
    }
  }
  private failed(e: unknown): void {
    const error = asCoreTrap(e) as Error & { code?: string };
    if (error.code !== 'ERR_NUSE_CORE_TRAP') throw error;
    this.die(error);
  }

  private die(error: Error): void {
    if (this.trap) return;
    this.trap = error;
    for (const v of this.vifs) v.close();
    this.sockets.end();
    if (this.settling) {
      this.sim.unsettled = this;
      this.settling.end();
    }
    this.options.ontrap?.(this, error);
  }
}
