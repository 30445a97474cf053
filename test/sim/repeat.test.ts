// The same seed gives the same run, here, once more, and in a browser; another seed gives another.
import { readFileSync, readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { CORE_WASM } from '../../host/cli/install.js';
import type { ScenarioInput } from '../../host/sim/scenario.js';
import { Chromium } from '../harness/chromium.js';
import { LARGEST, ROUGH, run } from './scenarios.js';

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

test('headless Chromium gives the same hash, for this and for every example', async () => {
  const folder = new URL('../../../../examples/sim/', import.meta.url), examples = readdirSync(folder).filter((f) => f.endsWith('.yaml') && f !== LARGEST);
  const inputs = [ROUGH, ...examples.map((f) => parse(readFileSync(new URL(f, folder), 'utf8')) as ScenarioInput)];
  const ours: string[] = [];
  for (const input of inputs) ours.push((await run(module, input)).hash);
  assert.ok(new Set(ours).size === examples.length + 1 && examples.length > 5);
  const chromium = await Chromium.launch();
  try {
    assert.equal(await chromium.run<string[]>({ module: new URL('./pages/run_page.js', import.meta.url), args: inputs }), ours);
  } finally {
    await chromium.close();
  }
});

test.run();
