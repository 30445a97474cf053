// Hostile netlink requests, from a fixed seed: every length and attribute may lie; the core must neither trap nor leak.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { suite } from '../harness/suite.js';

const test = suite('control: netlink fuzz');
const AF_NETLINK = 16, SOCK_RAW = 3;
const TYPES = [16, 18, 19, 20, 21, 22, 24, 25, 26, 28, 29, 30, 34];

for (const [name, protocol] of [['route', 0], ['sock_diag', 4]] as const) test(`${name}: random messages`, async () => {
  const h = await TestHost.create();
  let seed = 12345;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 4294967296) * n);
  };
  const s = h.socket(AF_NETLINK, SOCK_RAW, protocol);
  for (let round = 0; round < 3000; round++) {
    const n = random(8) ? 16 + random(140) : random(20);
    const b = new Uint8Array(n).map(() => (random(3) ? random(4) : random(256)));
    const v = new DataView(b.buffer);
    if (n >= 16 && random(20)) {
      v.setUint32(0, random(4) ? n : random(n + 9), true);
      v.setUint16(4, TYPES[random(TYPES.length)], true);
      v.setUint16(6, 1 | (random(2) ? 0x300 : 0) | (random(2) ? 4 : 0) | (random(2) ? 0x400 : 0), true);
    }
    if (n >= 18 && random(4)) b[16] = random(2) ? 2 : 10;
    if (n > 18 && random(3)) b[17] = random(2) ? 6 : 17;
    h.send(s, b);
    for (let i = 0; i < 8 && typeof h.recv(s) === 'object'; i++);
  }
  h.close(s);
  h.core.poll();
  assert.is(h.leaks().sockets, 0);
});

test.run();
