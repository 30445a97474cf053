// Random streams: the generator's own vectors, independence of purposes, uniformity.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RandomStream, coreSeed } from '../../host/sim/random.js';

const test = suite('sim: random streams');
const draw = (s: RandomStream, n: number): number[] => Array.from({ length: n }, () => s.u32());

test('xoshiro128**: the first numbers from the state 1, 2, 3, 4', () => {
  const s = new RandomStream(1, 'any');
  (s as unknown as { s: Int32Array }).s.set([1, 2, 3, 4]);
  assert.equal(draw(s, 10), [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804]);
});
test('a stream is its seed and its label, whatever other streams do meanwhile', () => {
  const alone = draw(new RandomStream(1, 'link a-b forward loss'), 1000), s = new RandomStream(1, 'link a-b forward loss'), other = new RandomStream(1, 'link a-c forward loss');
  const mixed = Array.from({ length: 1000 }, (_, i) => {
    if (i % 3 === 0) new RandomStream(1, `link new${i} forward loss`).u32();
    if (i % 2) other.u32();
    return s.u32();
  });
  assert.equal(mixed, alone);
});
test('other labels and other seeds give unrelated streams', () => {
  const n = 4000, base = draw(new RandomStream(1, 'node a'), n);
  for (const s of [new RandomStream(1, 'node b'), new RandomStream(2, 'node a'), new RandomStream(1, 'node a '), new RandomStream(11, 'node a')]) {
    const other = draw(s, n);
    assert.is(other.filter((x, i) => x === base[i]).length, 0);
    // Bits agree by half: 64 000 of 128 000, standard deviation 179.
    const equal = base.reduce((sum, x, i) => sum + ((~(x ^ other[i])) >>> 0).toString(2).replace(/0/g, '').length, 0);
    assert.ok(Math.abs(equal - 16 * n) < 5 * Math.sqrt(8 * n), String(equal));
  }
});
test('cores of two nodes are seeded with different bytes, the same in every run', () => {
  assert.equal(coreSeed(1, 'a'), coreSeed(1, 'a'));
  assert.is(coreSeed(1, 'a').length, 32);
  assert.not.equal(coreSeed(1, 'a'), coreSeed(1, 'b'));
  assert.not.equal(coreSeed(1, 'a'), coreSeed(2, 'a'));
});
test('numbers below n are uniform', () => {
  const s = new RandomStream(3, 'dice'), n = 60_000, counts = new Array<number>(6).fill(0);
  for (let i = 0; i < n; i++) counts[s.below(6)]++;
  // Chi-squared with 5 degrees of freedom: above 25.7 once in 10 000.
  const chi = counts.reduce((sum, c) => sum + (c - n / 6) ** 2 / (n / 6), 0);
  assert.ok(chi < 25.7, `${chi}: ${counts.join(' ')}`);
});
test('chances are exact at their ends', () => {
  const s = new RandomStream(4, 'ends');
  for (let i = 0; i < 1000; i++) {
    assert.not(s.chance(0));
    assert.ok(s.chance(1));
    assert.ok(s.uniform() < 1);
  }
});

test.run();
