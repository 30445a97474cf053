// Flows of the same congestion control and round trip share a drop-tail bottleneck: Jain's index is 0.9 or more, the link is used, nobody starves.
// 2 to 64 flows of each: `npm run nightly -- --fairness`.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../../host/cli/install.js';
import { jain, shares, unfair, type Contest } from './shares.js';

const test = suite('sim: fairness');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));
const REDUCED: readonly Contest[] = [{ control: 'reno', flows: 4 }, { control: 'cubic', flows: 2 }, { control: 'cubic', flows: 64 }, { control: 'bbr', flows: 8 }];

test("Jain's index, by hand", () => {
  assert.is(jain([3, 3, 3]), 1);
  assert.is(jain([1, 0, 0, 0]), 0.25);
  assert.ok(Math.abs(jain([1, 2]) - 0.9) < 1e-12);
});
test('what is unfair is told', () => {
  const c: Contest = { control: 'cubic', flows: 2 };
  assert.is(unfair(c, [[3e6, 2.7e6]]), undefined);
  assert.match(unfair(c, [[5e6, 0.7e6]])!, /Jain's index 0\.6/);
  assert.match(unfair({ control: 'bbr', flows: 12 }, [[...Array<number>(11).fill(0.8e6), 0.15e6]])!, /the least has 0\.20/);
  assert.match(unfair(c, [[2e6, 2e6]])!, /4\.00 of 6\.00 Mbit/);
});
for (const c of REDUCED) test(`${c.flows} flows of ${c.control}`, async () => { assert.is(unfair(c, [await shares(module, c)]), undefined); });

test.run();
