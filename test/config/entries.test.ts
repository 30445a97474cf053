// The package's entries: what they offer, and that the browser's reaches no module of node.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { build } from 'esbuild';
import { join } from 'node:path';
import { ROOT } from '../interop/lab.js';

const test = suite('package entries');

test('the browser entry bundles for a browser: no module of node behind it', async () => {
  const r = await build({ entryPoints: [join(ROOT, 'host/browser.ts')], bundle: true, platform: 'browser', format: 'esm', write: false, logLevel: 'silent', conditions: ['browser'] });
  assert.equal(r.errors, []);
  assert.not.match(r.outputFiles[0].text, /node:/);
});

test('Node imports it by its own name', async () => {
  const name: string = 'nuse';
  const nuse = await import(name) as Record<string, unknown>;
  for (const symbol of ['createCore', 'Stack', 'parseConfig', 'loadConfig', 'StackThread', 'abi']) assert.ok(symbol in nuse, symbol);
});

test.run();
