// The loop of a stack's worker. One turn: wait in one system call, receive, run the core, send, tell sockets' events,
// run what was woken, and run the core again if anything called it. run() keeps the thread for itself; attach() has libuv's
// loop make the turns, for a thread that needs both.
import type { Core } from '../core.js';
import { EPOLLET, EPOLLIN, EPOLLOUT, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, type Native } from '../native.js';
import { Stack, asCoreTrap, type Port } from '../stack.js';
import type { Vif } from '../vif.js';
import * as A from '../abi/constants.js';
import { Timers } from './timers.js';

/** Longest sleep, ns: a blocked native call keeps process.exit and worker.terminate waiting. */
const SLEEP_CAP = 100e6;
const READY_MAX = 512;
const TIMERS_PER_TURN = 256;

export interface LoopOptions {
  /** Poll for this many µs before sleeping; 0 = sleep at once. Costs a processor, saves wake-up latency. */
  spinUs?: number;
  /** A vif's device failed; errno > 0. */
  vifError?: (slot: number, errno: number) => void;
}

interface Source {
  fd: number;
  fn: (revents: number) => void;
  /** Slept on beside the others (waiterDirect). */
  direct: boolean;
}

export class Loop {
  /** The core and its vifs. */
  readonly stack: Stack;
  /** Handle of the core's memory in the addon. */
  readonly memory: number;
  private readonly waiter: number;
  private readonly ready = new Uint32Array(2 * READY_MAX);
  private readonly sources = new Map<number, Source>();
  private readonly timers = new Timers();
  /** Ids below VIF_MAX are vif slots. */
  private nextId: number = A.VIF_MAX;
  private readonly socketEvents: ((handle: number, mask: number) => void)[] = [];
  private readonly idle: (() => void)[] = [];
  private running = false;
  /** libuv's loop makes the turns; and one is due without waiting for it. */
  private attached = false;
  private soon?: NodeJS.Immediate;
  private turning = false;
  private closed = false;

  /** `memory`: the handle of native.attachMemory for this core when there is one already (vifs opened over it). */
  constructor(readonly core: Core, readonly native: Native, private readonly options: LoopOptions = {}, memory?: number) {
    this.memory = memory ?? native.attachMemory(core.mem.u8);
    this.waiter = native.epollCreate(this.memory, this.ready);
    this.stack = new Stack(core, {
      socketEvent: (handle, mask) => { for (const fn of this.socketEvents) fn(handle, mask); },
      blocked: (port) => this.armOutput(port, true),
      vifError: (port, errno) => this.options.vifError?.(port.slot, errno),
    });
  }

  /** The monotonic time, ns; also written to HDR_NOW. */
  now(): number { return this.native.clock(this.memory); }
  /** Refresh HDR_NOW before a group of core calls. */
  stamp(): void { this.native.clock(this.memory); }

  /**
   * Call fn when fd is ready; an id. `events`: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLPRI, EPOLLET.
   * fn may add and remove sources, itself too. Throws when the fd cannot be polled. `direct`: a wake-up by it is worth keeping on its
   * sender's processor (Native.waiterDirect); only a few are.
   */
  addSource(fd: number, events: number, fn: (revents: number) => void, direct = false): number {
    do this.nextId = this.nextId >= 0x7fffffff ? A.VIF_MAX : this.nextId + 1;
    while (this.sources.has(this.nextId));
    this.control(EPOLL_CTL_ADD, fd, events, this.nextId);
    this.sources.set(this.nextId, { fd, fn, direct: direct && this.native.waiterDirect(this.waiter, fd, 1) === 0 });
    return this.nextId;
  }
  modSource(id: number, events: number): void {
    const s = this.sources.get(id);
    if (!s) throw new RangeError(`no source ${id}`);
    this.control(EPOLL_CTL_MOD, s.fd, events, id);
  }
  /** Remove it before its fd is closed. Unknown ids are ignored. */
  removeSource(id: number): void {
    const s = this.sources.get(id);
    if (!s) return;
    this.sources.delete(id);
    if (s.direct) this.native.waiterDirect(this.waiter, s.fd, 0);
    this.native.epollCtl(this.waiter, EPOLL_CTL_DEL, s.fd, 0, 0);
  }

  /** fn is told of every socket's readiness edges (handle, Poll bits), also of sockets that are not its own. */
  onSocketEvents(fn: (handle: number, mask: number) => void): void { this.socketEvents.push(fn); }
  /** Call fn once a turn, before sleeping. */
  onIdle(fn: () => void): void { this.idle.push(fn); }

  /** Call fn when the time `at` (ns) has come, never earlier; an id. */
  setTimer(at: number, fn: () => void): number {
    if (this.attached) this.turnSoon();
    return this.timers.set(at, fn);
  }
  clearTimer(id: number): void { this.timers.clear(id); }

  /** Plug an open vif into a slot; the core's device is registered by the caller. */
  attachVif(slot: number, vif: Vif): void {
    this.stack.attach(slot, vif);
    if (vif.fd >= 0) this.control(EPOLL_CTL_ADD, vif.fd, EPOLLIN | EPOLLET, slot);
    const { bell } = vif;
    if (bell === undefined) return;
    const port = this.stack.ports[this.stack.ports.length - 1];
    this.addSource(bell, EPOLLIN, () => {
      this.native.eventfdDrain(bell);
      port.wake();
    });
  }

  /** Run core.poll before the next sleep. */
  requestPoll(): void {
    this.stack.pollWanted = true;
    if (this.attached) this.turnSoon();
  }

  /**
   * Send frames now, and receive what is already there (Stack.exchange): so receive timestamps, which are of the end of the write, do not
   * include the caller's wake-up.
   */
  exchange(): void {
    this.stamp();
    this.stack.exchange();
  }
  private flush(): void {
    this.stamp();
    this.stack.flush();
  }
  /** Tell sockets' events that the core has raised already, in the midst of a turn. */
  tellEvents(): void {
    if (this.stack.dispatch() > 0) this.requestPoll();
  }

  /** Turn until stop(). Throws a CoreTrap when the core dies, and what a source throws. */
  run(): void {
    this.running = true;
    while (this.running) this.turn();
  }
  /** Leave run() after this turn. From another thread: through a source. */
  stop(): void { this.running = false; }

  /**
   * Let libuv's loop make the turns from here on, until close(). A turn that throws, as run() does, throws inside it.
   * Calls of the core from elsewhere in this thread are followed by requestPoll().
   */
  attach(): void {
    const r = this.native.waiterWatch(this.waiter, () => this.attachedTurn());
    if (r < 0) throw new Error(`waiterWatch: ${A.ErrnoName[-r] ?? -r}`);
    this.attached = true;
    this.turnSoon();
  }
  private attachedTurn(): void {
    if (this.closed) return;
    this.turning = true;
    try {
      this.turn(0);
    } finally {
      this.turning = false;
    }
    if (this.stack.busy) this.turnSoon();
    else this.native.waiterArm(this.waiter, this.timers.next);
  }
  /** A turn once libuv has told everybody of what is ready now, unless one is being made. */
  private turnSoon(): void {
    if (this.turning) return;
    this.soon ??= setImmediate(() => {
      this.soon = undefined;
      this.attachedTurn();
    });
  }

  /** One turn; sleeps at most `cap` ns. */
  turn(cap = SLEEP_CAP): void {
    try {
      const { stack } = this;
      const n = this.native.wait(this.waiter, this.timers.next, stack.busy ? 0 : cap, this.options.spinUs ?? 0);
      if (n < 0) throw new Error(`wait: ${A.ErrnoName[-n] ?? -n}`);
      for (let i = 0; i < n; i++) if (this.ready[2 * i] < A.VIF_MAX) this.vifReady(this.ready[2 * i], this.ready[2 * i + 1]);
      if (stack.due) stack.turn();
      if (stack.eventsPending) this.stamp();
      if (stack.dispatch() + this.runSources(n) + this.runTimers() > 0) stack.pollWanted = true;
      // Once more when something was sent: the core frees it and moves up what it held back, without another system call.
      for (let i = 0; i < 2 && stack.pollWanted; i++) this.flush();
      for (const fn of this.idle) fn();
    } catch (error) {
      throw asCoreTrap(error);
    }
  }

  /** Close the vifs and forget everything; fds of sources stay open. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.soon) clearImmediate(this.soon);
    this.native.epollClose(this.waiter);
    for (const port of this.stack.ports) port.vif.close();
    this.native.detachMemory(this.memory);
  }

  private runSources(n: number): number {
    let ran = 0;
    for (let i = 0; i < n; i++) {
      const s = this.ready[2 * i] < A.VIF_MAX ? undefined : this.sources.get(this.ready[2 * i]);
      if (!s) continue;
      if (!ran++) this.stamp();
      s.fn(this.ready[2 * i + 1]);
    }
    return ran;
  }

  private runTimers(): number {
    return this.timers.next === Infinity ? 0 : this.timers.run(this.now(), TIMERS_PER_TURN);
  }

  private vifReady(slot: number, events: number): void {
    const port = this.stack.ports.find((p) => p.slot === slot);
    if (!port) return;
    const blocked = port.txBlocked && !port.vif.pollOut;
    if (events & ~EPOLLOUT) port.readable = true;
    if (blocked) port.txBlocked = false;
    if (port.txBlocked && events & EPOLLOUT) {
      port.txBlocked = false;
      this.armOutput(port, false);
    }
  }

  private armOutput(port: Port, on: boolean): void {
    if (port.vif.fd >= 0 && port.vif.pollOut) this.control(EPOLL_CTL_MOD, port.vif.fd, on ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLIN | EPOLLET, port.slot);
  }

  private control(op: number, fd: number, events: number, id: number): void {
    const r = this.native.epollCtl(this.waiter, op, fd, events, id);
    if (r < 0) throw Object.assign(new Error(`epoll_ctl of fd ${fd}: ${A.ErrnoName[-r] ?? -r}`), { code: A.ErrnoName[-r] });
  }
}
