// What HyStart++ (RFC 9406) is for: a slow start into a deep drop-tail queue ends before it overflows, and jitter does not end it early.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../host/cli/install.js';
import { ScenarioRun } from '../../host/sim/run.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';

const test = suite('sim: slow start');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));
const RATE = 50e6, ROUND_TRIP_MS = 40, FRAME = 1514;
/** Frames. */
const BDP = RATE * ROUND_TRIP_MS / 1e3 / 8 / FRAME;

/** The first `seconds` of a transfer: frames that the queue (of so many bandwidth-delay products) dropped, and bit/s. */
async function start(control: string, hystart: 0 | 1, o: { queue: number; seconds: number; jitterMs?: number; seed?: number }): Promise<{ dropped: number; goodput: number }> {
  const buffers = { 'net.ipv4.tcp_wmem': '4096 16384 33554432', 'net.ipv4.tcp_rmem': '4096 131072 33554432' };
  const run = await ScenarioRun.create(scenarioOf({
    seed: o.seed ?? 1, duration: `${o.seconds}s`,
    nodes: { a: { sysctl: { ...buffers, 'net.ipv4.tcp_congestion_control': control, 'tcp_cubic.hystart': String(hystart) } }, b: { sysctl: buffers } },
    links: [{ between: ['a', 'b'], rate: `${RATE}bit`, delay: `${ROUND_TRIP_MS / 2}ms`, queue: { type: 'droptail', limit: Math.ceil(o.queue * BDP) }, ...(o.jitterMs ? { jitter: `${o.jitterMs}ms` } : {}) }],
    apps: [{ type: 'bulk', from: 'a', to: 'b' }],
  }), { module });
  run.finish();
  const m = run.metrics();
  return { dropped: m['a-b.dropped'], goodput: m['bulk.goodput'] };
}

for (const control of ['cubic', 'reno']) {
  test(`${control}: a slow start into a deep queue loses thousands of frames without it, none with it`, async () => {
    const without = await start(control, 0, { queue: 12, seconds: 2 }), with_ = await start(control, 1, { queue: 12, seconds: 2 });
    assert.ok(without.dropped > 1000, `${without.dropped}`);
    assert.is(with_.dropped, 0);
    assert.ok(with_.goodput >= 0.98 * without.goodput, `${with_.goodput} and ${without.goodput} bit/s`);
  });

  test(`${control}: where the queue is too small for its last rounds, it loses far less`, async () => {
    for (const queue of [2, 4, 6]) {
      const without = await start(control, 0, { queue, seconds: 5 }), with_ = await start(control, 1, { queue, seconds: 5 });
      assert.ok(without.dropped > 300 && with_.dropped < 0.5 * without.dropped, `${queue} products: ${without.dropped} and ${with_.dropped}`);
    }
  });

  test(`${control}: jitter does not end slow start early`, async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const o = { queue: 60, seconds: 4, jitterMs: 15, seed }, without = await start(control, 0, o), with_ = await start(control, 1, o);
      assert.is(without.dropped, 0);
      assert.ok(with_.goodput > 0.95 * without.goodput, `seed ${seed}: ${with_.goodput} and ${without.goodput} bit/s`);
    }
  });
}

test.run();
