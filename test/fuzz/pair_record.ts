// A run of two cores; one that fails is repeated with a recorder on each core, and said with the files it left.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Core, CoreOptions } from '../../host/core.js';
import { MemoryRecord } from '../../host/debug/memory_record.js';
import { Recorder } from '../../host/debug/record.js';
import { CORE_BYTES, TestCore } from '../harness/core.js';
import { Pair, type PairResult } from './pair.js';
import type { Manner } from './wire.js';

/** The core under test, as records name it. */
export const IDENTITY = { hash: createHash('sha256').update(CORE_BYTES).digest(), build: 'other' as const };
const FAILURES = fileURLToPath(new URL('../../../../build/fuzz/failures/', import.meta.url));

/** Run two cores from `seed`; throws an Error that names the records of both. */
export async function runPair(seed: number, manner: Manner, turns: number): Promise<PairResult> {
  try {
    return (await Pair.create(seed, manner)).run(turns);
  } catch (e) {
    TestCore.made.length = 0; // what is left in a core that failed is no news
    const { said, files } = await recordPair(seed, manner, turns);
    TestCore.made.length = 0;
    mkdirSync(FAILURES, { recursive: true });
    const paths = files.map((_, side) => `${FAILURES}pair-${seed}-${manner}-${'ab'[side]}.rec`);
    paths.forEach((path, side) => writeFileSync(path, files[side]));
    throw new Error(`seed ${seed}, ${manner}: ${(e as Error).message}\nrecorded (${said}): nuse replay --pcap OUT.pcapng ${paths.join(' or ')}`, { cause: e });
  }
}

/** The same run with a recorder on each core: how it ended, and the records. */
export async function recordPair(seed: number, manner: Manner, turns: number): Promise<{ said: string; files: Uint8Array[] }> {
  const records = [0, 1].map(() => new MemoryRecord()), recorders: Recorder[] = [];
  const layers = records.map((record) => (core: Core, own: CoreOptions): Core => {
    const recorder = new Recorder(core, record, { core: own, identity: IDENTITY, date: 0, id: seed, text: `two cores, seed ${seed}, ${manner}` });
    recorders.push(recorder);
    return recorder.core;
  });
  let said = 'it went well';
  try {
    (await Pair.create(seed, manner, layers)).run(turns);
  } catch (e) {
    said = (e as Error).message;
  }
  for (const r of recorders) r.close();
  return { said, files: records.map((r) => r.file()) };
}
