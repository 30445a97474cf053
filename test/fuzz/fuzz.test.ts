// limit: 400 s
// A million frames and system calls from a fixed seed, over the corpus, into the shipped core: no trap, no contradiction, no leak,
// and the same again for the same seed. The sanitizer build gets a part of it, the coverage build another (coverage.test.ts).
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesSource } from '../../host/debug/record_reader.js';
import { Replayer } from '../../host/debug/replay.js';
import { campaign, readCorpus } from './campaign.js';
import { recordCase } from './case_record.js';
import { corpusOf } from './mutate.js';
import { seeds } from './seeds.js';
import { Target } from './target.js';

const test = suite('fuzz');
const SEED = 0x6e757365;
const AMOUNT = 1_000_000;
const corpus = readCorpus();

test('the hand-made test cases of the corpus are those of seeds.ts', () => {
  const kept = new Set(corpus.cases.map((c) => Buffer.from(c).toString('hex')));
  for (const [name, bytes] of seeds()) assert.ok(kept.has(Buffer.from(bytes).toString('hex')), `${name}: run \`node build/js/test/fuzz/seeds.js\``);
});

test(`${AMOUNT} frames and calls into the shipped core`, () => {
  const c = campaign(new Target('core.wasm'), corpus, SEED, AMOUNT);
  assert.ok(c.frames + c.calls >= AMOUNT);
  console.log(`${c.cases} test cases, ${c.frames} frames, ${c.calls} calls, hash ${c.hash.toString(16)}`);
});

test('the same seed gives the same hash, another one another', () => {
  const few = corpusOf(corpus.cases.slice(-40));
  const run = (seed: number): bigint => campaign(new Target('core.wasm'), few, seed, 40_000).hash;
  assert.is(run(1), run(1));
  assert.is.not(run(1), run(2));
});

test('a test case as a record replays without the driver', async () => {
  const bytes = readFileSync(new URL('../../../core.wasm', import.meta.url));
  const core = { module: new WebAssembly.Module(bytes), hash: createHash('sha256').update(bytes).digest() };
  const cases = corpus.cases.slice(-200).sort((a, b) => b.length - a.length).slice(0, 5);
  for (const testCase of cases) {
    const result = (await Replayer.open(bytesSource('case.rec', recordCase('core.wasm', testCase)), core)).run();
    assert.is(result.divergence, undefined);
    assert.is(result.truncated, undefined);
    assert.ok(result.framesIn > 0 && result.calls > 20, JSON.stringify(result));
  }
});

test.run();
