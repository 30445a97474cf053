// `npm run fuzz:distil -- FOLDER`: of the test cases in FOLDER (what the coverage-guided fuzzer has kept) those that reach branches
// the corpus does not, smallest first, are added to test/fuzz/corpus as found-*.bin.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCorpus } from './campaign.js';
import { caseCoverage } from './coverage.js';
import { FuzzFailure, Target } from './target.js';

const folder = process.argv[2];
if (!folder) throw new Error('usage: fuzz:distil FOLDER');
const target = new Target('fuzz/core.coverage.wasm'), all = caseCoverage();
for (const c of readCorpus().cases) {
  target.onCounters = (counters) => { all.add(counters); };
  target.run(c);
}
console.log(`corpus: ${all.missed().length} branches missed`);
const found = readdirSync(folder).map((name) => new Uint8Array(readFileSync(join(folder, name)))).sort((a, b) => a.length - b.length);
let kept = 0;
for (const testCase of found) {
  let news = 0;
  target.onCounters = (counters) => { news = all.add(counters); };
  try {
    target.run(testCase);
  } catch (e) {
    if (!(e instanceof FuzzFailure)) throw e;
    console.log(`${e.message}: not kept`);
    continue;
  }
  if (!news) continue;
  kept++;
  const name = createHash('sha256').update(testCase).digest('hex').slice(0, 12);
  writeFileSync(new URL(`../../../../test/fuzz/corpus/found-${name}.bin`, import.meta.url), testCase);
}
console.log(`${kept} of ${found.length} added: ${all.missed().length} branches missed`);
