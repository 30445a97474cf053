// A WASI program that waits in virtual time: when a call has to wait, the program's stack is unwound, and rewound when what it waits
// for has happened. Needs no thread and nothing of the engine; the module is prepared for it by Binaryen's Asyncify (see prepare.ts).

/** What a call gives, or undefined as long as it has to wait. Looked at again after everything that may have changed it. */
export type Attempt = () => number | undefined;

/** Exports of a prepared module. */
interface ProgramExports {
  memory: WebAssembly.Memory;
  _start(): void;
  asyncify_start_unwind(data: number): void;
  asyncify_stop_unwind(): void;
  asyncify_start_rewind(data: number): void;
  asyncify_stop_rewind(): void;
  asyncify_get_state(): number;
  [FUEL]: WebAssembly.Global;
}

/** The exported global that counts what the program may still do. */
export const FUEL = 'nuse_fuel';
const REWINDING = 2;
/** Where the stack is unwound to, and bytes of it: any place of the program's memory will do, for what is there is put back before the program runs on. */
export const AREA_BYTES = 65536;
const AREA = 0, HEAD_BYTES = 16;

/** Whether a module was prepared. */
export function isPrepared(module: WebAssembly.Module): boolean {
  const names = new Set(WebAssembly.Module.exports(module).map((e) => e.name));
  return names.has(FUEL) && names.has('asyncify_start_unwind');
}

export class Coroutine {
  private readonly x: ProgramExports;
  /** What the program waits for, and its stack meanwhile. */
  private pending?: Attempt;
  private stack = new Uint8Array(0);
  private result = 0;
  /** What was in the area when the program left it. */
  private readonly kept = new Uint8Array(AREA_BYTES);

  constructor(module: WebAssembly.Module, imports: WebAssembly.Imports) {
    this.x = new WebAssembly.Instance(module, imports).exports as unknown as ProgramExports;
    const { memory } = this.x as Partial<ProgramExports>;
    // The area of the stack must fit into it.
    if (!(memory?.buffer instanceof ArrayBuffer) || memory.buffer.byteLength < AREA_BYTES) throw new TypeError('it exports no `memory` of 64 KiB or more that is its own');
  }

  get memory(): WebAssembly.Memory { return this.x.memory; }
  /** Turns of loops and calls of functions that it may still make before it traps; below 0: it has none left. */
  get fuel(): number { return this.x[FUEL].value as number; }
  set fuel(units: number) { this.x[FUEL].value = units; }
  /** Whether it waits. */
  get waiting(): boolean { return this.pending !== undefined; }

  /** Run from the beginning until it waits or has ended; true: it has ended. Throws its traps and what its imports throw. */
  start(): boolean { return this.enter(); }

  /** Go on when what it waits for has come; true: it has ended. */
  resume(): boolean {
    const r = this.pending?.();
    if (r === undefined) return false;
    this.result = r;
    this.pending = undefined;
    const area = this.area();
    this.kept.set(area);
    area.set(this.stack);
    this.x.asyncify_start_rewind(AREA);
    return this.enter();
  }

  /** From within an import: what `attempt` gives. The import must return the result at once. */
  wait(attempt: Attempt): number {
    if (this.x.asyncify_get_state() === REWINDING) {
      this.x.asyncify_stop_rewind();
      this.area().set(this.kept);
      return this.result;
    }
    const r = attempt();
    if (r !== undefined) return r;
    this.pending = attempt;
    const area = this.area(), head = new DataView(area.buffer);
    this.kept.set(area);
    head.setUint32(AREA, AREA + HEAD_BYTES, true);
    head.setUint32(AREA + 4, AREA + AREA_BYTES, true);
    this.x.asyncify_start_unwind(AREA);
    return 0;
  }

  private enter(): boolean {
    this.x._start();
    if (!this.pending) return true;
    this.x.asyncify_stop_unwind();
    const area = this.area();
    this.stack = area.slice(0, new DataView(area.buffer).getUint32(AREA, true) - AREA);
    area.set(this.kept);
    return false;
  }
  private area(): Uint8Array { return new Uint8Array(this.x.memory.buffer, AREA, AREA_BYTES); }
}
