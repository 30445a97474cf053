// A run of the mutator: test cases from the corpus and a seed until a number of frames and calls has gone in; a failure is cut
// down, saved with a capture, and told with the command that repeats it.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { random } from '../harness/random.js';
import { capture } from './capture.js';
import { recordCase } from './case_record.js';
import { compose, corpusOf, shrink, type Corpus } from './mutate.js';
import type { Target } from './target.js';
import { FuzzFailure } from './target.js';

const ROOT = new URL('../../../../', import.meta.url);
const FAILURES = fileURLToPath(new URL('build/fuzz/failures/', ROOT));
const RUNNING = `${FAILURES}running-${process.pid}.bin`;
/** Records of a test case: long enough to get anywhere, short enough that setting the stack back is not most of the work. */
const RECORDS = 400;

/** Every test case of test/fuzz/corpus, in order of name. */
export function readCorpus(): Corpus {
  const folder = fileURLToPath(new URL('test/fuzz/corpus/', ROOT));
  const names = readdirSync(folder).filter((n) => n.endsWith('.bin')).sort();
  return corpusOf(names.map((n) => new Uint8Array(readFileSync(folder + n))));
}

export interface Campaign {
  cases: number;
  frames: number;
  calls: number;
  /** Of everything the stacks said. */
  hash: bigint;
}

/** Feed `target` until `amount` frames and calls have gone in; the corpus itself comes first. Throws an Error that tells how to repeat the failure. */
export function campaign(target: Target, corpus: Corpus, seed: number, amount: number): Campaign {
  const r = random(seed);
  const total: Campaign = { cases: 0, frames: 0, calls: 0, hash: 0n };
  mkdirSync(FAILURES, { recursive: true });
  while (total.frames + total.calls < amount) {
    const testCase = total.cases < corpus.cases.length ? corpus.cases[total.cases] : compose(r, corpus, 1 + r(RECORDS)).subarray(0, target.inputMax);
    total.cases++;
    writeFileSync(RUNNING, testCase); // a core that hangs leaves it behind
    try {
      const o = target.run(testCase);
      total.frames += o.framesIn + o.framesOut;
      total.calls += o.calls;
      total.hash = BigInt.asUintN(64, total.hash * 0x100000001b3n + o.hash);
    } catch (e) {
      if (!(e instanceof FuzzFailure)) throw e;
      throw new Error(`test case ${total.cases} of seed ${seed}: ${e.message}\n${save(target, testCase, e)}`, { cause: e });
    }
  }
  rmSync(RUNNING);
  return total;
}

/** What kind of failure it is: its text without figures. */
const kind = (e: Error): string => e.message.replace(/\d+/g, '#');

function failureOf(target: Target, testCase: Uint8Array): FuzzFailure | null {
  try {
    target.run(testCase);
    return null;
  } catch (e) {
    if (e instanceof FuzzFailure) return e;
    throw e;
  }
}

// The test case, cut down, with a capture of its frames and a record of what entered the core, in build/fuzz/failures; how to repeat it.
function save(target: Target, testCase: Uint8Array, failure: FuzzFailure): string {
  const short = shrink(testCase, (c) => {
    const e = failureOf(target, c);
    return e !== null && kind(e) === kind(failure);
  });
  const path = `${FAILURES}${createHash('sha256').update(short).digest('hex').slice(0, 12)}`;
  writeFileSync(`${path}.bin`, short);
  writeFileSync(`${path}.pcapng`, capture(target, short, failure.message));
  writeFileSync(`${path}.rec`, recordCase(target.build, short));
  return `saved as ${path}.bin with ${path}.pcapng and ${path}.rec (nuse replay); repeat: npm run fuzz:replay -- ${path}.bin ${target.build}`;
}
