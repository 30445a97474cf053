// limit: 400 s
// Branches of the input paths that the corpus and the first mutants of the fuzz test reach, by file, on a build of the core with
// counters; `npm run coverage` writes an lcov file and pages to build/fuzz/report.
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { campaign, readCorpus } from './campaign.js';
import { writeCoverage } from '../../host/cli/coverage.js';
import { PACKAGE_ROOT } from '../../host/cli/install.js';
import { caseCoverage, isInput, percent } from './coverage.js';
import { Target } from './target.js';

const test = suite('fuzz coverage');
const SEED = 0x6e757365;
const AMOUNT = 200_000;
const LEAST = 0.9;

test(`${LEAST * 100} % of the branches of the input paths`, async () => {
  const target = new Target('fuzz/core.coverage.wasm'), coverage = caseCoverage();
  target.onCounters = () => { coverage.addCore({ exports: target.core, mem: target.mem }); };
  campaign(target, readCorpus(), SEED, AMOUNT);
  let reached = 0, arms = 0;
  for (const [file, f] of coverage.files()) {
    if (!isInput(file)) continue;
    reached += f[0];
    arms += f[1];
    console.log(`${file.padEnd(46)} ${String(f[0]).padStart(4)} of ${String(f[1]).padStart(4)} ${percent(f).padStart(8)}`);
  }
  console.log(`input paths: ${reached} of ${arms} branches, ${percent([reached, arms])}`);
  console.log(await writeCoverage(coverage, join(PACKAGE_ROOT, 'build/fuzz/report')));
  assert.ok(arms > 1000 && reached / arms >= LEAST, percent([reached, arms]));
});

test.run();
