// The blocking form of the API where Atomics.wait is allowed: a worker of a page that is cross-origin isolated.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Chromium } from '../harness/chromium.js';
import type { Outcome } from './pages/blocking_page.js';

const test = suite('blocking sockets');
const page = (name: string): URL => new URL(`./pages/${name}.js`, import.meta.url);

let chromium: Chromium;
test.before(async () => { chromium = await Chromium.launch(); });
test.after(() => chromium.close());

test('Chromium, in a worker: bytes, a timeout, the end, a refusal, the end of the stack', async () => {
  const seen = await chromium.run<Outcome>({ module: page('blocking_page'), workers: [page('blocking_stacks'), page('blocking_worker')], isolated: true, timeoutMs: 60000 });
  assert.equal(seen, { isolated: true, echoed: true, timeout: 'ETIMEDOUT', end: 0, refused: 'ECONNREFUSED', ended: 'ECONNRESET' });
});

test.run();
