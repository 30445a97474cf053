// A run of a test case as a record: the prepared memory, then everything that entered the core. `nuse replay` repeats it without the driver.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { MemoryRecord } from '../../host/debug/memory_record.js';
import { Recorder } from '../../host/debug/record.js';
import type { Build } from '../../host/debug/record_format.js';
import { FuzzFailure, Target } from './target.js';

const BUILDS = new Map<string, Build>([['core.wasm', 'core'], ['core.debug.wasm', 'debug'], ['core.sanitizer.wasm', 'sanitizer']]);

/** The record of `testCase` on `build` (a file in build/), up to its end or its failure. */
export function recordCase(build: string, testCase: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update(readFileSync(new URL(`../../../${build}`, import.meta.url))).digest();
  const target = new Target(build, true), record = new MemoryRecord();
  let recorder: Recorder | undefined, trap: string | undefined;
  target.onStart = (core) => {
    recorder = new Recorder(core, record, {
      core: { seed: new Uint8Array(32), now: 0 }, identity: { hash, build: BUILDS.get(build) ?? 'other' }, date: 0, id: 1, text: 'test case of the fuzzer', snapshot: true,
    });
    return recorder.core;
  };
  try {
    target.run(testCase);
  } catch (e) {
    if (!(e instanceof FuzzFailure)) throw e;
    if (e.cause) trap = e.message;
  }
  recorder?.close(trap);
  return record.file();
}
