// A stack: one core and its vifs, driven in turns by whoever has the clock: the loop of a worker, a simulator, a page.
// Bursts are bounded and shared out among the vifs, so that neither frames nor calls nor timers starve. Browser-safe.
import * as A from './abi/constants.js';
import { CoreTrap, type Core } from './core.js';
import { RX_MORE, type Vif, type VifPort } from './vif.js';

/** Frames of one vif sent in one turn, at most. */
const TX_BUDGET = 256;
/** Receive descriptors a readable vif gets at least, while there are any. */
const RX_SHARE_MIN = 8;

/** Sees every frame between the core and its vifs. `descriptor`: address of the receive or transmit descriptor; `at`: when the vif was given it, ns. */
export interface FrameTap {
  received(slot: number, descriptor: number): void;
  sent(slot: number, descriptor: number, at: number): void;
}

/** A vif in its slot. */
export class Port implements VifPort {
  /** Frames may wait in the device. */
  readable = true;
  /** The device takes no more for now. */
  txBlocked = false;
  constructor(readonly mem: Core['mem'], readonly slot: number, readonly vif: Vif, private readonly woken?: () => void) {}

  wake(): void {
    this.readable = true;
    this.txBlocked = false;
    this.woken?.();
  }
  /** Frames in the transmit ring. */
  get txWaiting(): number {
    const h = (A.VIF + this.slot * A.VIF_STRIDE) >>> 2;
    return (this.mem.u32[h + (A.VIF_TX_HEAD >>> 2)] - this.mem.u32[h + (A.VIF_TX_TAIL >>> 2)]) >>> 0;
  }
  get txTail(): number { return this.mem.u32[(A.VIF + this.slot * A.VIF_STRIDE + A.VIF_TX_TAIL) >>> 2]; }
}

export interface StackHooks {
  /** Readiness edges: a socket handle and Poll bits. */
  socketEvent?: (handle: number, mask: number) => void;
  /** A vif takes no more: call port.wake() when it does again. */
  blocked?: (port: Port) => void;
  /** A vif without an fd has frames or room again: a turn is wanted. */
  woken?: () => void;
  /** A vif's rx() failed; errno > 0. */
  vifError?: (port: Port, errno: number) => void;
}

export class Stack {
  readonly ports: Port[] = [];
  tap?: FrameTap;
  /** poll() has something to do although its deadline is later: buffers to free, a call's output to send. */
  pollWanted = true;
  private turnCount = 0;

  constructor(readonly core: Core, readonly hooks: StackHooks = {}) {}

  /** Plug a vif into a slot of the VIF table; dev_register (registerDevice) is the caller's. */
  attach(slot: number, vif: Vif): Port {
    if (slot < 0 || slot >= A.VIF_MAX || this.ports.some((p) => p.slot === slot)) throw new RangeError(`vif slot ${slot}`);
    const port = new Port(this.core.mem, slot, vif, this.hooks.woken);
    vif.attach(port);
    this.ports.push(port);
    return port;
  }

  /** Whether dispatch() has something to tell. */
  get eventsPending(): boolean { return this.core.mem.u32[(A.HDR + A.HDR_EVENTS_PENDING) >>> 2] !== 0; }

  /** Whether a turn now would find work, apart from what the clock brings. */
  get busy(): boolean {
    return this.eventsPending || this.workWaits;
  }

  /** Whether turn() has something to do at the time in HDR_NOW. */
  get due(): boolean {
    const { mem } = this.core;
    return this.workWaits || mem.getNs(A.HDR + A.HDR_NOW) >= mem.getNs(A.HDR + A.HDR_DEADLINE);
  }

  private get workWaits(): boolean {
    const { u32 } = this.core.mem, { ports } = this;
    if (this.pollWanted) return true;
    const posted = u32[(A.HDR + A.HDR_RX_POSTED) >>> 2] > 0;
    for (let i = 0; i < ports.length; i++) if ((ports[i].readable && posted) || (!ports[i].txBlocked && this.mayWait(ports[i]))) return true;
    return false;
  }
  /** Whether frames wait in a port's ring. The header says so of the first 32, and is cheaper to ask. */
  private mayWait(port: Port): boolean {
    const pending = this.core.mem.u32[(A.HDR + A.HDR_TX_PENDING) >>> 2];
    return (port.slot >= 32 || (pending >>> port.slot & 1) !== 0) && port.txWaiting > 0;
  }

  /** Receive, run the core, send: at the time in HDR_NOW. */
  turn(): void {
    this.turnCount++;
    const frames = this.receive();
    this.pollWanted = false;
    this.core.exports.poll(frames);
    this.transmit();
  }

  /** Run the core and send, without receiving: after calls into it. */
  flush(): void {
    this.pollWanted = false;
    this.core.exports.poll(0);
    this.transmit();
  }

  /**
   * Send what calls have left, and receive what that brings: behind a TAP or veth the kernel answers within the write. What calls have put
   * into a ring goes without the core's being run first.
   */
  exchange(): void {
    if (!this.core.mem.u32[(A.HDR + A.HDR_TX_PENDING) >>> 2]) this.core.exports.poll(0);
    this.transmit();
    for (const port of this.ports) port.readable = true;
    this.turn();
  }

  /** Tell the hook of pending readiness edges, at most EVENTS_MAX; their number. */
  dispatch(): number {
    const { mem, exports } = this.core;
    if (!this.eventsPending) return 0;
    const n = exports.events(A.EVENTS_MAX), fn = this.hooks.socketEvent;
    for (let i = 0; fn && i < n; i++) fn(mem.u32[(A.EVENTS >>> 2) + 2 * i], mem.u32[(A.EVENTS >>> 2) + 2 * i + 1]);
    return n;
  }

  private receive(): number {
    const posted = this.core.mem.u32[(A.HDR + A.HDR_RX_POSTED) >>> 2];
    let readable = 0;
    for (const p of this.ports) if (p.readable) readable++;
    let n = 0;
    for (let i = 0; i < this.ports.length && n < posted && readable; i++) {
      const port = this.ports[(i + this.turnCount) % this.ports.length];
      if (!port.readable) continue;
      const share = Math.max(RX_SHARE_MIN, Math.floor((posted - n) / readable));
      const r = port.vif.rx(n, Math.min(share, posted - n));
      readable--;
      if (r < 0) {
        port.readable = false;
        this.hooks.vifError?.(port, -r);
        continue;
      }
      port.readable = (r & RX_MORE) !== 0;
      const got = r & (RX_MORE - 1);
      if (this.tap) for (let k = n; k < n + got; k++) this.tap.received(port.slot, A.RX_DESC + k * A.RX_DESC_SIZE);
      n += got;
    }
    return n;
  }

  private transmit(): void {
    for (const port of this.ports) {
      const waiting = port.txBlocked || !this.mayWait(port) ? 0 : port.txWaiting;
      if (!waiting) continue;
      const tail = port.txTail, at = this.tap ? this.core.mem.getNs(A.HDR + A.HDR_NOW) : 0;
      const n = port.vif.tx(TX_BUDGET);
      if (n < 0) {
        port.txBlocked = true;
        this.hooks.vifError?.(port, -n);
        continue;
      }
      // The core frees what was sent, and moves up what it holds back, at its next poll.
      if (n) this.pollWanted = true;
      if (n && this.tap) this.tapSent(this.tap, port, tail, n, at);
      if (n < Math.min(waiting, TX_BUDGET)) {
        port.txBlocked = true;
        this.hooks.blocked?.(port);
      }
    }
  }

  private tapSent(tap: FrameTap, port: Port, tail: number, n: number, at: number): void {
    const h = (A.VIF + port.slot * A.VIF_STRIDE) >>> 2, u32 = this.core.mem.u32;
    const ring = u32[h + (A.VIF_TX_RING >>> 2)], mask = u32[h + (A.VIF_TX_SIZE >>> 2)] - 1;
    for (let k = 0; k < n; k++) tap.sent(port.slot, ring + ((tail + k) & mask) * A.TX_DESC_SIZE, at);
  }
}

/** Make the core's device for a vif: down, without addresses. Its ifindex; throws with the errno's name as code. */
export function registerDevice(core: Core, slot: number, vif: Pick<Vif, 'name' | 'mac' | 'mtu' | 'features'>): number {
  core.mem.putCstring(A.ARG, vif.name, 16);
  core.mem.u8.set(vif.mac.split(':').map((h) => parseInt(h, 16)), A.ARG + 16);
  const r = core.exports.dev_register(slot, A.ARG, A.ARG + 16, vif.mtu, vif.features);
  if (r >= 0) return r;
  throw Object.assign(new Error(`interface ${vif.name}: ${A.ErrnoName[-r] ?? -r}`), { code: A.ErrnoName[-r] });
}

/** A trap of the module as a CoreTrap; anything else unchanged. */
export function asCoreTrap(error: unknown): unknown {
  if (error instanceof CoreTrap) return error;
  const overflow = error instanceof RangeError && /call stack/.test(error.message) && /wasm/.test(error.stack ?? '');
  return error instanceof WebAssembly.RuntimeError || overflow ? new CoreTrap(error.message, { cause: error }) : error;
}
