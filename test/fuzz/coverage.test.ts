// limit: 400 s
// Branches of the input paths that the corpus and the first mutants of the fuzz test reach, by file, on a build of the core with
// counters; an lcov file for genhtml in build/fuzz/lcov.info.
import { writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { campaign, readCorpus } from './campaign.js';
import { Coverage, isInput, percent } from './coverage.js';
import { Target } from './target.js';

const test = suite('fuzz coverage');
const SEED = 0x6e757365;
const AMOUNT = 200_000;
const LEAST = 0.9;

test(`${LEAST * 100} % of the branches of the input paths`, () => {
  const target = new Target('fuzz/core.coverage.wasm'), coverage = new Coverage();
  target.onCounters = (counters) => { coverage.add(counters); };
  campaign(target, readCorpus(), SEED, AMOUNT);
  let reached = 0, arms = 0;
  for (const [file, f] of coverage.files()) {
    if (!isInput(file)) continue;
    reached += f[0];
    arms += f[1];
    console.log(`${file.padEnd(46)} ${String(f[0]).padStart(4)} of ${String(f[1]).padStart(4)} ${percent(f).padStart(8)}`);
  }
  console.log(`input paths: ${reached} of ${arms} branches, ${percent([reached, arms])}`);
  writeFileSync(new URL('../../../fuzz/lcov.info', import.meta.url), coverage.lcov());
  assert.ok(arms > 1000 && reached / arms >= LEAST, percent([reached, arms]));
});

test.run();
