// The sanitizer build must catch what it is for: each fault, planted in a test-only build of the core, fails an ordinary suite.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('sanitizer');
const SUITE = fileURLToPath(new URL('../harness/planted.js', import.meta.url));

/** In the order of test/assembly/planted.ts. */
const FAULTS: [string, RegExp | null][] = [
  ['none', null],
  ['use after free', /a free slot was written \(use after free\)/],
  ['leak', /left at the end of the test: PACKETS: \d+, \d+ allowed; PACKETS_SMALL: 1, 0 allowed/],
  ['double free', /double free|use after free/],
  ['write outside a slot', /write past a slot/],
  ['timer armed in a freed object', /use after free|corrupt/],
];

FAULTS.forEach(([name, message], fault) => test(name, () => {
  const run = spawnSync(process.execPath, [SUITE], { encoding: 'utf8', env: { ...process.env, NUSE_TEST_CORE: 'core.planted.wasm', NUSE_PLANT: String(fault) } });
  assert.is(run.status, message ? 1 : 0, run.stdout + run.stderr);
  if (message) assert.match(run.stdout + run.stderr, message);
}));

test.run();
