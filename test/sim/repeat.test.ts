// The same seed gives the same run, here, once more, and in a browser; another seed gives another.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../host/cli/install.js';
import { Chromium } from '../harness/chromium.js';
import { ROUGH, run } from './scenarios.js';

const test = suite('sim: repeatable');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));

test('a run with everything random in it repeats to the bit, and depends on its seed', async () => {
  const [first, again, other] = [await run(module, ROUGH), await run(module, ROUGH), await run(module, { ...ROUGH, seed: 2 })];
  assert.equal(again, first);
  assert.is.not(other.hash, first.hash);
  for (const what of ['rough.lost', 'rough.corrupted', 'rough.duplicated', 'bulk.finished', 'bulk2.finished', 'datagrams3.received', 'datagrams3.disordered'])
    assert.ok(first.metrics[what] > 0, `${what} is ${first.metrics[what]}`);
  assert.is(first.metrics['bulk.bytes'], 2e6);
  assert.is(first.metrics['bulk2.bytes'], 1e6);
});

test('headless Chromium gives the same hash', async () => {
  const chromium = await Chromium.launch();
  try {
    const theirs = await chromium.run<string>({ module: new URL('./pages/run_page.js', import.meta.url), args: ROUGH });
    assert.is(theirs, (await run(module, ROUGH)).hash);
  } finally {
    await chromium.close();
  }
});

test.run();
