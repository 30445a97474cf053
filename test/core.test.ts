import * as assert from 'uvu/assert';
import * as A from '../host/abi/constants.js';
import { TestCore } from './harness/core.js';
import { suite } from './harness/suite.js';

const test = suite('core');

test('starts, posts receive buffers, and is idle', async () => {
  const c = await TestCore.create();
  c.poll();
  assert.is(c.x.usage(0), 0);
  // As many as the ring has, or as the memory left over by red zones allows.
  const posted = c.mem.u32[(A.HDR + A.HDR_RX_POSTED) >>> 2];
  assert.ok(posted > A.RX_RING / 2 && posted <= A.RX_RING, `${posted}`);
  assert.is(c.x.usage(1), posted);
});

test('a frame shorter than its link header is counted and dropped', async () => {
  const c = await TestCore.create();
  assert.ok(c.addDevice(0, 'eth0', '02:00:00:00:00:01') > 0);
  c.rx(0, [new Uint8Array(13)]);
  assert.is(c.drops('PKT_TOO_SMALL'), 1);
});

test.run();
