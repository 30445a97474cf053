// A WASI program on a simulated node: its descriptors, its waiting, and how it ends.
import { Errno } from '../../abi/constants.js';
import { CoreTrap } from '../../core.js';
import { asCoreTrap } from '../../stack.js';
import type { SimNode } from '../node.js';
import { RandomStream } from '../random.js';
import { SpinError } from '../simulation.js';
import { AREA_BYTES, Coroutine, isPrepared, type Attempt } from './coroutine.js';
import { InputStream, OutputStream, type Descriptor } from './descriptor.js';
import { wasiErrno } from './errno.js';
import { CallError, GuestMemory } from './guest_memory.js';
import { preview1 } from './preview1.js';
import { socketCalls } from './socket_calls.js';
import type { Waiter } from './guest_socket.js';

/** What a call of the host costs of the program's fuel, in turns of loops. */
const CALL_FUEL = 500;
/** Turns of loops and calls of functions at one instant of virtual time: more, and the program spins. About 2 s of a processor. */
const INSTANT_FUEL = 1e9;
const FDS_MAX = 1024;

export interface ProcessOptions {
  /** Of the application: in its errors, and of its random stream. */
  name: string;
  program: WebAssembly.Module;
  node: SimNode;
  /** args[0] is the program's name. */
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  input: string;
  /** Addresses of a name, IPv4 first. */
  lookup: (name: string) => string[];
  /** Turns of loops at one instant; default 1e9. */
  fuel?: number;
  /** It has ended. */
  onend: () => void;
}

/** proc_exit, on its way out of the program. */
class Exit extends Error {
  constructor(readonly status: number) { super(`exit ${status}`); }
}

type Call = (...args: never[]) => number;
/** Imports of one module: calls that never wait give a result, those that may give an attempt. Negative: -errno of Linux. */
export interface Calls {
  direct: Record<string, Call>;
  waiting: Record<string, (...args: never[]) => Attempt>;
}

export class WasiProcess implements Waiter {
  readonly memory = new GuestMemory(() => this.coroutine.memory);
  readonly output = new OutputStream();
  readonly errors = new OutputStream();
  readonly random: RandomStream;
  /** Exit status, once it has ended by itself. */
  status?: number;
  /** Why it was ended. */
  failure?: string;
  private readonly coroutine: Coroutine;
  private readonly descriptors: (Descriptor | undefined)[];
  private woken = false;
  private timerAt = Infinity;
  private fueledAt = -1;
  private ended = false;

  /** Throws when the program cannot be one of these: not prepared, or with imports that nobody has. */
  constructor(readonly options: ProcessOptions) {
    const { program, name, node } = options;
    if (!isPrepared(program)) throw new Error(`application ${name}: its module was not prepared for virtual time: pass it through prepareWasi, or \`nuse sim-prepare\``);
    if (!WebAssembly.Module.exports(program).some((e) => e.name === '_start')) throw new Error(`application ${name}: its module exports no _start: build a command, not a reactor or a library`);
    this.random = new RandomStream(node.sim.seed, `node ${node.name} app ${name} random`);
    this.descriptors = [new InputStream(new TextEncoder().encode(options.input)), this.output, this.errors];
    const imports = this.imports(program);
    try {
      this.coroutine = new Coroutine(program, imports);
    } catch (e) {
      throw new Error(`application ${name}: its module cannot be started: ${(e as Error).message}`, { cause: e });
    }
  }

  get now(): number { return this.options.node.sim.now; }

  /** Run it until it waits for the first time. */
  start(): void { this.run(() => this.coroutine.start()); }

  wake(): void {
    if (this.woken || this.ended) return;
    this.woken = true;
    this.options.node.after(0, () => {
      this.woken = false;
      if (this.coroutine.waiting) this.run(() => this.coroutine.resume());
    });
  }
  wakeAt(time: number): void {
    if (time >= this.timerAt) return;
    this.timerAt = time;
    this.options.node.after(Math.max(0, time - this.now), () => {
      if (this.timerAt !== time) return;
      this.timerAt = Infinity;
      this.wake();
    });
  }

  // ---- descriptors ----
  /** Throws EBADF. */
  descriptor(fd: number): Descriptor {
    const d = this.descriptors[fd];
    if (!d) throw new CallError(Errno.EBADF);
    return d;
  }
  /** The lowest free number, as of POSIX; -EMFILE. */
  install(d: Descriptor): number {
    let fd = this.descriptors.findIndex((x) => x === undefined);
    if (fd < 0) fd = this.descriptors.length;
    if (fd >= FDS_MAX) {
      d.close();
      return -Errno.EMFILE;
    }
    this.descriptors[fd] = d;
    return fd;
  }
  close(fd: number): number {
    this.descriptor(fd).close();
    this.descriptors[fd] = undefined;
    return 0;
  }
  exit(status: number): never { throw new Exit(status); }

  // ---- running ----
  private run(step: () => boolean): void {
    if (this.ended) return;
    this.refuel();
    try {
      if (step()) this.end(0);
    } catch (error) {
      this.thrown(error);
    }
  }
  private thrown(error: unknown): void {
    if (error instanceof Exit) this.end(error.status);
    else if (error instanceof CoreTrap || !isTrap(error)) throw error;
    else if (this.coroutine.fuel < 0) throw this.spin();
    else this.end(undefined, this.coroutine.waiting ? `its stack takes more than ${AREA_BYTES} bytes where it waits` : error.message);
  }
  private end(status: number | undefined, failure?: string): void {
    this.ended = true;
    this.status = status;
    this.failure = failure;
    for (const d of this.descriptors) d?.close();
    this.options.onend();
  }

  /** A new instant: the program may do its share again. */
  private refuel(): void {
    if (this.fueledAt === this.now) return;
    this.fueledAt = this.now;
    this.coroutine.fuel = this.options.fuel ?? INSTANT_FUEL;
  }
  private spin(): SpinError {
    const { name, node, fuel = INSTANT_FUEL } = this.options;
    return new SpinError(`application ${name} on node ${node.name}`, this.now, `more than ${fuel} turns of its loops, a call of the host counted as ${CALL_FUEL},`);
  }

  // ---- imports ----
  private imports(program: WebAssembly.Module): WebAssembly.Imports {
    const known: Record<string, Record<string, Call>> = {
      wasi_snapshot_preview1: this.bound(preview1(this), (r) => (r < 0 ? wasiErrno(-r) : 0)),
      nuse_socket: this.bound(socketCalls(this), (r) => r),
    };
    const out: Record<string, Record<string, Call>> = {};
    for (const { module, name } of WebAssembly.Module.imports(program)) {
      const call = (Object.hasOwn(known, module) && Object.hasOwn(known[module], name) ? known[module][name] : undefined) ?? (module === 'wasi_snapshot_preview1' ? () => wasiErrno(Errno.ENOSYS) : undefined);
      if (!call) throw new Error(`application ${this.options.name}: its module imports ${module}.${name}, which no WASI program is given: only wasi_snapshot_preview1 and nuse_socket are there`);
      (out[module] ??= {})[name] = call;
    }
    return out;
  }
  private bound({ direct, waiting }: Calls, result: (r: number) => number): Record<string, Call> {
    const out: Record<string, Call> = {};
    for (const [name, fn] of Object.entries(direct)) out[name] = (...args) => result(this.called(() => fn(...args)));
    for (const [name, fn] of Object.entries(waiting)) out[name] = (...args) => this.coroutine.wait(this.attempt(() => fn(...args), result));
    return out;
  }
  /** What the call would do, with its result as its import gives it. */
  private attempt(begin: () => Attempt, result: (r: number) => number): Attempt {
    let again: Attempt | undefined;
    return () => {
      const r = this.called(() => (again ??= begin())());
      return r === undefined ? undefined : result(r);
    };
  }
  /** The program has done as much as so many turns of loops. Throws SpinError. */
  spend(turns: number): void {
    const { coroutine } = this;
    if (coroutine.fuel < turns) throw this.spin();
    coroutine.fuel -= turns;
  }
  private called<T extends number | undefined>(fn: () => T): T | number {
    this.spend(CALL_FUEL);
    stackLeft();
    try {
      return fn();
    } catch (error) {
      if (error instanceof CallError) return -error.errno;
      throw asCoreTrap(error);
    }
  }
}

/** Stack that a call of the host may need, in words of 8 bytes: a core whose call ended for want of it would be left as it was half-way. */
const STACK_WORDS = new Array<number>(2048).fill(0);
const nothing = (): void => undefined;
/** Throws RangeError, as the program's own calls would, when the program has left less. */
function stackLeft(): void { Reflect.apply(nothing, undefined, STACK_WORDS); }

/** Of the program: an instruction that traps, or a stack that has no end. */
const isTrap = (error: unknown): error is Error => error instanceof WebAssembly.RuntimeError || (error instanceof RangeError && /call stack/.test(error.message));
