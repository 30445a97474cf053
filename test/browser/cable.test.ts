// A cable between two workers of a page: by shared memory where the page is cross-origin isolated, by messages where it is not.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Chromium } from '../harness/chromium.js';
import type { CableOutcome } from './pages/cable_worker.js';

const test = suite('browser: cable between workers');
let chromium: Chromium;
test.before(async () => { chromium = await Chromium.launch(); });
test.after(() => chromium.close());

for (const [isolated, dev] of [[true, 'shared memory'], [false, 'messages']] as const) {
  test(`an HTTP upload of megabytes over ${dev}`, async () => {
    const page = (name: string): URL => new URL(`./pages/${name}.js`, import.meta.url);
    const seen = await chromium.run<CableOutcome>({ module: page('cable_page'), workers: [page('cable_worker')], args: 20_000_003, isolated });
    assert.is(seen.dev, dev);
    assert.is(seen.arrived, seen.sent);
  });
}

test.run();
