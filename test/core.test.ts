import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TestCore } from './harness/core.js';

const test = suite('core');

test('starts, posts receive buffers, and is idle', async () => {
  const c = await TestCore.create();
  c.poll();
  assert.is(c.x.usage(0), 0);
  assert.is(c.x.usage(1), 64);
});

test('a frame shorter than its link header is counted and dropped', async () => {
  const c = await TestCore.create();
  assert.ok(c.addDevice(0, 'eth0', '02:00:00:00:00:01') > 0);
  c.rx(0, [new Uint8Array(13)]);
  assert.is(c.drops('PKT_TOO_SMALL'), 1);
});

test.run();
