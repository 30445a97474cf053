// limit: 400 s
// The mutator on the sanitizer build: every red zone and free slot is looked at after each test case.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { campaign, readCorpus } from './campaign.js';
import { Target } from './target.js';

const test = suite('fuzz sanitizer');
const SEED = 0x73616e65;
const AMOUNT = 100_000;

test(`${AMOUNT} frames and calls`, () => {
  const c = campaign(new Target('core.sanitizer.wasm'), readCorpus(), SEED, AMOUNT);
  assert.ok(c.frames + c.calls >= AMOUNT);
  console.log(`${c.cases} test cases, ${c.frames} frames, ${c.calls} calls`);
});

test.run();
