// The recording of a stack in a worker: a recorder around its core, and the file.
import { createHash, randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { Recorder, type CoreIdentity } from '../debug/record.js';
import type { Build } from '../debug/record_format.js';
import type { Core, CoreOptions } from '../core.js';
import type { NativeRecords } from '../native.js';
import { RecordFile } from './record_file.js';

/** What to record, and where. */
export interface RecordStart {
  path: string;
  /** Bytes of one file; then FILE becomes FILE.1, and the next begins with the memory of the core. */
  limit: number;
  /** Free text for people: the command line. */
  text: string;
}

/** How long records wait for their block at most, ns. */
const FLUSH_AGE = 100e6;

/** The module that runs: its file, and what is in it. */
export interface CoreModule {
  path: string;
  bytes: Uint8Array;
}

const BUILDS: Readonly<Record<string, Build>> = { 'core.wasm': 'core', 'core.debug.wasm': 'debug', 'core.sanitizer.wasm': 'sanitizer' };

export function identityOf(module: CoreModule): CoreIdentity {
  return { hash: createHash('sha256').update(module.bytes).digest(), build: BUILDS[basename(module.path)] ?? 'other' };
}

export class Recording {
  readonly recorder: Recorder;
  private flushed = 0;

  private constructor(readonly file: RecordFile, core: Core, recorder: ConstructorParameters<typeof Recorder>[2]) {
    this.recorder = new Recorder(core, file, recorder);
  }

  /** Record `core`, just created with `options` from the module `wasm` at `path`. Throws the system's error. */
  static start(native: NativeRecords, memory: number, start: RecordStart, core: Core, options: CoreOptions, module: CoreModule, log: (text: string) => void): Recording {
    const file = new RecordFile(native, memory, start.path, (why) => log(`recording has ended: ${why}`));
    return new Recording(file, core, { core: options, identity: identityOf(module), date: Date.now(), id: randomBytes(4).readUInt32LE(), text: start.text, segmentBytes: start.limit });
  }

  /** Write what has waited for a moment; call now and then. */
  idle(now: number): void {
    if (now - this.flushed < FLUSH_AGE) return;
    this.flushed = now;
    this.recorder.flush();
  }
}
