// The life of a stack's core: created, recorded when that is wanted, and started again in place when it has trapped, with
// the settings it had. `core` stays the same object for all who hold it.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { StackConfig } from '../config/config.js';
import { restoreSettings, saveSettings, type Settings } from '../control/settings.js';
import { CoreTrap, createCore, restartCore, type Core, type CoreOptions } from '../core.js';
import type { Native } from '../native.js';
import { Dumps, Restarts, explain, keptNumber } from './crash.js';
import type { StackStart } from './messages.js';
import { Recording, type CoreModule } from './recording.js';

/** What a trap left behind. */
export interface Remains {
  /** Why, and where in the sources. */
  message: string;
  /** The record, or a dump of the memory. */
  file: string;
}

export class CoreLife {
  readonly core: Core;
  private readonly restarts: Restarts;
  private readonly dumps = new Dumps();
  private recording?: Recording;
  /** The settings when somebody had changed them last; undefined: those of the configuration. */
  private settings?: Settings;
  private changed = false;

  private constructor(
    private readonly native: Native, private readonly start: StackStart, private readonly wasm: CoreModule, private readonly module: WebAssembly.Module,
    private options: CoreOptions, private readonly bare: Core, readonly memory: number, private readonly warn: (text: string) => void,
  ) {
    this.restarts = new Restarts(start.restarts);
    this.record(start.record?.path);
    this.core = this.recording?.recorder.core ?? bare;
  }

  /** `warn` is told what its owner should know. Throws when the module, the memory or the record cannot be had. */
  static async create(native: Native, start: StackStart, log: CoreOptions['log'], warn: (text: string) => void): Promise<CoreLife> {
    const { config } = start, bytes = readFileSync(start.wasm), module = new WebAssembly.Module(bytes);
    const options: CoreOptions = { memoryBytes: config.memory, maxSockets: config.sockets, now: now(), seed: seedOf(config), log };
    const bare = await createCore(module, options);
    return new CoreLife(native, start, { path: start.wasm, bytes }, module, options, bare, native.attachMemory(bare.mem.u8), warn);
  }

  /** How often it has been started again. */
  get restarted(): number { return this.restarts.count; }
  /** Somebody may have changed addresses, routes or the like: they are read before the loop sleeps. */
  settingsChanged(): void { this.changed = true; }
  /** Once a turn, before sleeping, at the time `time`. */
  idle(time: number): void {
    this.recording?.idle(time);
    if (!this.changed) return;
    this.changed = false;
    this.settings = saveSettings(this.core);
  }
  close(): void { this.recording?.recorder.close(); }

  /** After a trap: what is left of it, kept in a file. The core must not be called until restart(). */
  preserve(trap: Error): Remains {
    const message = explain(trap, this.wasm.path);
    if (!this.recording) return { message, file: this.dumps.write(this.native, this.memory, this.bare, this.options, this.wasm, message) };
    this.recording.recorder.close(message);
    return { message, file: this.recording.file.path };
  }
  /** Start again, unless that has been done too often: a fresh core without devices. */
  async restart(): Promise<boolean> {
    if (!this.restarts.take(now())) return false;
    this.options = { ...this.options, now: now(), seed: seedOf(this.start.config) };
    await restartCore(this.bare, this.module, this.options);
    if (this.start.record) {
      this.record(`${this.start.record.path}-${keptNumber(this.restarts.count) + 1}`);
      Object.assign(this.core.exports, this.recording!.recorder.core.exports);
    }
    return true;
  }
  /** Give a fresh core with devices the settings it had: `configure` those of a configuration, then what has been changed since. */
  configure(configure: (core: Core, config: StackConfig) => void): void {
    const { config } = this.start;
    if (!this.settings) {
      configure(this.core, config);
      return;
    }
    configure(this.core, { ...config, interfaces: config.interfaces.map((i) => ({ ...i, addresses: [] })), routes: [], neighbours: [] });
    for (const line of restoreSettings(this.core, this.settings)) this.warn(`not restored: ${line}`);
  }

  private record(path: string | undefined): void {
    if (path === undefined || !this.start.record) return;
    this.recording = Recording.start(this.native, this.memory, { ...this.start.record, path }, this.bare, this.options, this.wasm, this.warn);
  }
}

const now = (): number => Number(process.hrtime.bigint());
const seedOf = (config: StackConfig): Uint8Array => (config.seed ? Buffer.from(config.seed, 'hex') : randomBytes(32));

/** The trap as its owner shall see it. */
export function told(remains: Remains): CoreTrap {
  return new CoreTrap(`${remains.message}; see ${remains.file}`);
}
