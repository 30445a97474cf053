// The core in a browser is the core of Node, byte for byte; and the harness of these tests can fail.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ABI_VERSION } from '../../host/abi/constants.js';
import { CORE_WASM } from '../../host/cli/install.js';
import { Chromium } from '../harness/chromium.js';
import type { Identity } from './pages/identity.js';

const test = suite('browser: core');
let chromium: Chromium;
test.before(async () => { chromium = await Chromium.launch(); });
test.after(() => chromium.close());

const page = (name: string): URL => new URL(`./pages/${name}.js`, import.meta.url);

for (const isolated of [false, true]) {
  test(`one core.wasm in the page and in a worker, ${isolated ? 'cross-origin isolated' : 'not isolated'}`, async () => {
    const sha256 = createHash('sha256').update(readFileSync(CORE_WASM)).digest('hex');
    const seen = await chromium.run<Identity[]>({ module: page('identity_page'), workers: [page('identity_worker')], isolated });
    assert.equal(seen, [false, true].map((worker) => ({ sha256, abi: ABI_VERSION, isolated, worker, wholeNs: true, seedsDiffer: true })));
  });
}

test('a page without faults', async () => {
  assert.is(await chromium.run({ module: page('faults_page'), args: '' }), 'fine');
});
const FAULTS: [string, RegExp][] = [
  ['throw', /thrown by the module/], ['console', /said to the console/], ['late', /thrown by a timer/], ['rejection', /nobody catches this/], ['worker', /thrown by a worker/],
  ['missing', /no-such-file: status 404/], ['outside', /example\.com.*ERR_NAME_NOT_RESOLVED/], ['hang', /not done within 1000 ms/], ['spin', /not done within 1000 ms/],
];
for (const [fault, why] of FAULTS) {
  test(`a page with a fault is seen: ${fault}`, async () => {
    const timeoutMs = /hang|spin/.test(fault) ? 1000 : 20000;
    await chromium.run({ module: page('faults_page'), args: fault, timeoutMs }).then(() => assert.unreachable(), (e: Error) => assert.match(e.message, why));
  });
}

test.run();
