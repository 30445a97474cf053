// limit: 300 s
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
/** Bounds are checked by instructions then, instead of by the pages around a memory: without it a page has room for 125 of them. */
const MANY_MEMORIES = '--disable-features=WebAssemblyTrapHandler';
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

const folder = new URL('../../../../examples/sim/', import.meta.url);
const example = (file: string): ScenarioInput => parse(readFileSync(new URL(file, folder), 'utf8')) as ScenarioInput;

/** Hashes of the scenarios, run in a page of a Chromium with these flags. */
async function inChromium(inputs: ScenarioInput[], ...flags: string[]): Promise<string[]> {
  const chromium = await Chromium.launch(...flags);
  try {
    return await chromium.run<string[]>({ module: new URL('./pages/run_page.js', import.meta.url), args: inputs, timeoutMs: 150_000 });
  } finally {
    await chromium.close();
  }
}

test('twice in Node and once in headless Chromium: the same hash, for this and for every example but the largest', async () => {
  const examples = readdirSync(folder).filter((f) => f.endsWith('.yaml') && f !== LARGEST), inputs = [ROUGH, ...examples.map(example)];
  const ours: string[] = [];
  for (const input of inputs) {
    const { hash } = await run(module, input);
    assert.is((await run(module, input)).hash, hash);
    ours.push(hash);
  }
  assert.ok(new Set(ours).size === examples.length + 1 && examples.length > 5);
  assert.equal(await inChromium(inputs), ours);
});

test('500 nodes: the same hash twice in Node, and in a Chromium that does not reserve 10 GiB for each memory', async () => {
  const input = example(LARGEST), first = await run(module, input), again = await run(module, input);
  assert.equal(again, first);
  assert.is(Object.keys(first.nodes).length, 500);
  assert.equal(first.expectations.filter((e) => !e.met), []);
  assert.equal(await inChromium([input], MANY_MEMORIES), [first.hash]);
});

test.run();
