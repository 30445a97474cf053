// The streams form of the API: the same cases in Node, in a page, and in a worker of a page that is cross-origin isolated.
// limit: 300 s
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Chromium } from '../harness/chromium.js';
import type { Outcome } from './pages/streams_page.js';
import { CASES, runCase } from './streams_cases.js';

const test = suite('streams');
const names = Object.keys(CASES);

const module = new WebAssembly.Module(readFileSync(new URL('../../../core.wasm', import.meta.url)));
for (const name of names) test(`Node: ${name}`, async () => { assert.is(await runCase(name, module), ''); });

let chromium: Chromium;
test.before(async () => { chromium = await Chromium.launch(); });
test.after(() => chromium.close());
for (const [where, isolated] of [['page', false], ['worker', true]] as const) {
  test(`Chromium, in a ${where}, ${isolated ? 'cross-origin isolated' : 'not isolated'}: all cases`, async () => {
    const page = (name: string): URL => new URL(`./pages/${name}.js`, import.meta.url);
    const seen = await chromium.run<Outcome>({ module: page('streams_page'), workers: [page('streams_worker')], args: where, isolated, timeoutMs: 90000 });
    assert.equal(seen, Object.fromEntries(names.map((name) => [name, ''])));
  });
}

test.run();
