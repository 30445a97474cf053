// A stack that was closed leaves nothing: in a page no timer and no open port, in Node a process that ends by itself.
import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Chromium } from '../harness/chromium.js';
import { ROOT } from '../interop/lab.js';
import type { Left } from './pages/idle_page.js';

const test = suite('browser: idle');
let chromium: Chromium;
test.before(async () => { chromium = await Chromium.launch(); });
test.after(() => chromium.close());

for (const [cable, isolated] of [['memory', false], ['port', false], ['port', true]] as const) {
  test(`page, ${cable}, ${isolated ? 'cross-origin isolated' : 'not isolated'}`, async () => {
    const { timersBefore, portsBefore, ...left } = await chromium.run<Left>({ module: new URL('./pages/idle_page.js', import.meta.url), args: cable, isolated });
    assert.ok(timersBefore > 0 && portsBefore > 0, `${timersBefore} timers, ${portsBefore} ports`);
    assert.equal(left, { timers: 0, ports: 0, activity: 0 });
  });
}

const PROGRAM = `
import { readFileSync } from 'node:fs';
import { CASES, runCase } from './build/js/test/browser/streams_cases.js';
const why = await runCase(Object.keys(CASES)[0], new WebAssembly.Module(readFileSync('build/core.wasm')));
process.exitCode = why ? 1 : 0;
`;
test('Node: the process ends', () => {
  const r = spawnSync(process.execPath, ['--input-type=module', '-e', PROGRAM], { cwd: ROOT, encoding: 'utf8', timeout: 25000 });
  assert.is(r.status, 0, r.stderr);
});

test.run();
