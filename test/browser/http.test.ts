// HTTP between two stacks in headless Chromium, and the example page as its server serves it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Chromium } from '../harness/chromium.js';
import { ROOT } from '../interop/lab.js';
import type { Exchange } from './pages/http_page.js';

const test = suite('browser: HTTP');
let chromium: Chromium;
test.before(async () => { chromium = await Chromium.launch(); });
test.after(() => chromium.close());

for (const isolated of [false, true]) {
  const where = isolated ? 'cross-origin isolated' : 'not isolated';
  test(`bodies of megabytes, a refusal, a half-close, a body cut short: ${where}`, async () => {
    const x = await chromium.run<Exchange>({ module: new URL('./pages/http_page.js', import.meta.url), isolated });
    assert.is(x.isolated, isolated);
    assert.is(x.uploaded[0], x.uploaded[1]);
    assert.equal(x.downloaded, new Array(4).fill(x.downloaded[0]));
    assert.is(x.status, '404 Not Found no such thing');
    assert.is(x.refused, 'ECONNREFUSED');
    assert.match(x.cutShort, /cut short/);
    assert.equal(x.left, [0, 0]);
  });

  test(`the example page: ${where}`, async () => {
    const server = spawn(process.execPath, ['examples/browser/serve.mjs', '--port', '0', ...(isolated ? ['--isolated'] : [])], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [url] = await once(server.stdout, 'data') as [Buffer];
      const log = await chromium.open(String(url).trim(), {}, async (page) => {
        await page.waitForFunction(() => document.querySelector('#log')!.textContent.endsWith('closed\n'));
        return page.textContent('#log');
      });
      assert.match(log!, /^GET: hello from 192\.0\.2\.2\n\nPOST: you sent 16777216 bytes\nthat is \d+ Mbit\/s\nport 81: ECONNREFUSED\nthe server: ECONNRESET\nclosed\n$/);
    } finally {
      server.kill();
    }
  });
}

test.run();
