// A small suite in whose core NUSE_PLANT plants a fault of memory (test/assembly/planted.ts): run by test/scripts/sanitizer.
import * as assert from 'uvu/assert';
import { AF_INET, PEER, SOCK_DGRAM, TestHost } from './host.js';
import { suite } from './suite.js';

const test = suite('planted');

test('a datagram comes and goes', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.bind(s, '0.0.0.0', 5000);
  (h.core.x as unknown as { plant(fault: number): void }).plant(Number(process.env.NUSE_PLANT));
  assert.is(h.send(s, [1, 2, 3], { address: PEER, port: 9 }), 3);
  assert.is(h.sent(0x0800).length, 1);
});

test.run();
