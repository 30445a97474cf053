// What is left of a core that has trapped: where in its sources, the record or a dump of its memory, and whether it may
// start once more.
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Core, CoreOptions } from '../core.js';
import { Recorder } from '../debug/record.js';
import { describeTrap } from '../debug/trap.js';
import type { NativeRecords } from '../native.js';
import { RecordFile } from './record_file.js';
import { identityOf, type CoreModule } from './recording.js';

/** Restarts in this time, ns: more show that the next one would not help either. */
const PERIOD = 60e9;

/** How often a stack has started again. */
export class Restarts {
  private times: number[] = [];
  /** In all. */
  count = 0;
  constructor(private readonly most: number) {}

  /** Take one at the time `now`, ns; false when there have been enough. */
  take(now: number): boolean {
    this.times = this.times.filter((t) => t > now - PERIOD);
    if (this.times.length >= this.most) return false;
    this.times.push(now);
    this.count++;
    return true;
  }
}

/** The trap in terms of the sources, when the module at `wasm` has its source map beside it. */
export function explain(trap: Error, wasm: string): string {
  const map = `${wasm}.map`;
  return describeTrap(trap, existsSync(map) ? readFileSync(map, 'utf8') : undefined);
}

/** Dumps of one stack that are kept: the last ones. */
const KEPT = 3;

/** Which of the kept files the n-th one is, from 1. */
export const keptNumber = (n: number): number => ((n - 1) % KEPT) + 1;

/** Where a stack without a record leaves its memory when its core traps. */
export class Dumps {
  private folder?: string;
  private count = 0;

  /** Write the memory as it is now, with the reason; the file, or why there is none. */
  write(native: NativeRecords, memory: number, core: Core, options: CoreOptions, module: CoreModule, reason: string): string {
    this.folder ??= mkdtempSync(join(tmpdir(), 'nuse-trap-'));
    const path = join(this.folder, `core-${keptNumber(++this.count)}.rec`);
    let failed = '';
    const file = new RecordFile(native, memory, path, (why) => { failed = why; });
    new Recorder(core, file, { core: options, identity: identityOf(module), date: Date.now(), id: 0, text: 'memory after a trap', snapshot: true }).close(reason);
    return failed ? `nowhere (${failed})` : path;
  }
}
