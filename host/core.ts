// Instantiating a core: the one place where the module meets its imports. Browser-safe: no node:* here.
import { instantiateSync, type Imports } from '@assemblyscript/loader';
import * as A from './abi/constants.js';
import type { CoreExports } from './abi/exports.js';
import { CoreMemory } from './memory.js';

/** The core trapped: its state is void. `panic` is what it said first, if anything. */
export class CoreTrap extends Error {
  readonly code = 'ERR_NUSE_CORE_TRAP';
}

/** The module is no core, or one of another version of the contract between core and host. */
export class AbiError extends Error {
  readonly code = 'ERR_NUSE_ABI';
}

/** What a core can call. */
export interface CoreHost {
  /** Log sink. */
  log?: (level: number, text: string) => void;
}

export interface CoreOptions extends CoreHost {
  /** Linear memory in bytes; default 48 MiB. */
  memoryBytes?: number;
  /** Most sockets; default 4096. */
  maxSockets?: number;
  /** 32 bytes: the seed of all of the core's randomness. */
  seed: Uint8Array;
  /** Initial monotonic time, ns. */
  now: number;
}

export interface Core {
  readonly exports: CoreExports;
  readonly mem: CoreMemory;
}

const PAGE = 65536;
/** What init writes to HDR_MAGIC: "NUSE". */
const MAGIC = 0x4553554e;
const NO_CORE = 'this WebAssembly module is no core of this nuse: use its build/core.wasm';
export const DEFAULT_MEMORY = 48 << 20;

/** An instance over this memory, or over its own unshared, fixed one of so many bytes; not initialised. */
export function bareCore(module: WebAssembly.Module, memory: WebAssembly.Memory | number, host: CoreHost): Core {
  if (typeof memory === 'number') {
    const pages = Math.ceil(memory / PAGE);
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  }
  const mem = new CoreMemory(memory);
  const imports = {
    env: { memory },
    host: {
      panic(message: number, file: number, line: number): void {
        throw new CoreTrap(`${mem.asString(message) || 'panic'}${file ? ` at ${mem.asString(file)}:${line}` : ''}`);
      },
      log(level: number, text: number, len: number): void {
        host.log?.(level, String.fromCharCode(...mem.bytes(text, Math.min(len, 512))));
      },
    },
  };
  // The functions themselves: around each the loader puts one that counts arguments, which costs more than many a call.
  const { exports } = instantiated(module, imports as never).instance;
  return { exports: { ...exports } as unknown as CoreExports, mem };
}

function instantiated(module: WebAssembly.Module, imports: Imports): ReturnType<typeof instantiateSync<Record<string, unknown>>> {
  try {
    return instantiateSync<Record<string, unknown>>(module, imports);
  } catch (e) {
    // TypeError: imports of a module that is not there.
    if (!(e instanceof WebAssembly.LinkError || e instanceof TypeError)) throw e;
    if (/smaller than initial/.test(e.message)) throw new RangeError(`the memory is too small for a core (${e.message})`);
    throw new AbiError(`${NO_CORE} (${e.message})`);
  }
}

/** Throws AbiError unless these words, of the header of an initialised core, are those of a core that this host can drive. */
export function checkAbi(magic: number, version: number): void {
  if (magic !== MAGIC) throw new AbiError(NO_CORE);
  if (version !== A.ABI_VERSION)
    throw new AbiError(`the core has ABI version ${version}, this host needs version ${A.ABI_VERSION}: they are of different builds of nuse; build both anew (npm run build), or take core.wasm and nuse of one package`);
}

/** A fresh core over its own memory, initialised. */
export async function createCore(module: WebAssembly.Module, options: CoreOptions): Promise<Core> {
  if (options.seed.length !== 32) throw new RangeError('seed must be 32 bytes');
  const core = bareCore(module, options.memoryBytes ?? DEFAULT_MEMORY, options);
  startCore(core, options);
  return core;
}

/**
 * Start a core that has trapped anew, in place: its memory is emptied, and the same `core` (handles of the addon, views,
 * whoever holds its exports) is a fresh one.
 */
export async function restartCore(core: Core, module: WebAssembly.Module, options: CoreOptions): Promise<void> {
  core.mem.u8.fill(0);
  Object.assign(core.exports, bareCore(module, core.mem.memory, options).exports);
  startCore(core, options);
}

/** Initialise an instance whose memory holds nothing but its data segments. */
function startCore({ exports, mem }: Core, options: CoreOptions): void {
  mem.u32[(A.HDR + A.HDR_MEMORY) >>> 2] = mem.u8.length;
  mem.u32[(A.HDR + A.HDR_MAX_SOCKETS) >>> 2] = options.maxSockets ?? 0;
  mem.u8.set(options.seed, A.HDR + A.HDR_SEED);
  mem.putNs(A.HDR + A.HDR_NOW, options.now);
  if (typeof exports.init !== 'function') checkAbi(0, 0);
  exports.init();
  checkAbi(mem.u32[(A.HDR + A.HDR_MAGIC) >>> 2], mem.u32[(A.HDR + A.HDR_ABI) >>> 2]);
}
