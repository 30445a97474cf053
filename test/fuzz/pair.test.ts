// Two cores and a bad wire, from fixed seeds: what honest damage does TCP repairs to the last byte; what a hostile wire does is
// survived without a trap or a leak (test/harness/suite.ts looks). A failure leaves a record of each core, for `nuse replay`.
import * as assert from 'uvu/assert';
import { suite } from '../harness/suite.js';
import { bytesSource } from '../../host/debug/record_reader.js';
import { Replayer } from '../../host/debug/replay.js';
import { module } from '../harness/core.js';
import { Pair } from './pair.js';
import { IDENTITY, recordPair, runPair } from './pair_record.js';
import { repair } from './wire.js';

const test = suite('two cores');
const SEEDS = 40, TURNS = 600;

test('a clean wire: all bytes arrive', async () => {
  const t = await runPair(1, 'clean', TURNS);
  assert.ok(t.streams > 5 && t.bytes > 50_000, JSON.stringify(t));
});

for (const manner of ['faulty', 'hostile'] as const) {
  test(`a ${manner} wire, ${SEEDS} seeds`, async () => {
    const sum = { sent: 0, touched: 0, streams: 0, bytes: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const t = await runPair(seed, manner, TURNS);
      for (const k of Object.keys(sum) as (keyof typeof sum)[]) sum[k] += t[k];
    }
    console.log(manner, JSON.stringify(sum));
    assert.ok(sum.touched > 1000 && sum.bytes > 100_000, JSON.stringify(sum));
  });
}

test('a byte changed under a right checksum is told', async () => {
  const pair = await Pair.create(3, 'clean'), { wire } = pair;
  const send = wire.send.bind(wire);
  wire.send = (to, frame, now) => {
    if (frame.length > 200) {
      frame[frame.length - 1] ^= 1;
      repair(frame);
    }
    send(to, frame, now);
  };
  assert.throws(() => pair.run(TURNS), /byte \d+ of connection \d+ is wrong/);
});

test('the records of both cores replay', async () => {
  const { files } = await recordPair(2, 'hostile', 200);
  for (const file of files) {
    const result = (await Replayer.open(bytesSource('pair.rec', file), { module, hash: IDENTITY.hash })).run();
    assert.is(result.divergence, undefined);
    assert.ok(result.framesIn > 50 && result.calls > 500, JSON.stringify(result));
  }
});

test('the same seed gives the same run', async () => {
  assert.equal(await runPair(5, 'hostile', 100), await runPair(5, 'hostile', 100));
});

test.run();
