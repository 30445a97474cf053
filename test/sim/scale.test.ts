// Large networks: routes that fit, a node with very many links, a thousand nodes that start and carry data.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../host/cli/install.js';
import { NetworkTree, type Hop, type Prefix } from '../../host/sim/aggregate.js';
import { RandomStream } from '../../host/sim/random.js';
import { ScenarioRun } from '../../host/sim/run.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';
import { residentLimit } from './resident.js';
import { run } from './scenarios.js';

const test = suite('sim: scale');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));

const covers = (p: Prefix, bits: number): boolean => Math.floor(p.bits / 2 ** (32 - p.length)) === Math.floor(bits / 2 ** (32 - p.length));
/** Where a table sends an address: the longest prefix that covers it. */
function lookUp(table: readonly Hop[], bits: number): number | undefined {
  let best: Hop | undefined;
  for (const h of table) if (covers(h.prefix, bits) && (!best || h.prefix.length > best.prefix.length)) best = h;
  return best?.to;
}

test('aggregated routes lead where the single ones did, and are fewer', () => {
  const random = new RandomStream(7, 'routes');
  for (let round = 0; round < 60; round++) {
    const networks: Prefix[] = [];
    for (let at = 10 * 2 ** 24, i = 0; i < 120; i++) {
      const length = 24 - random.below(4), size = 2 ** (32 - length);
      // Some space is left out.
      at = Math.ceil((at + random.below(3) * size) / size) * size;
      networks.push({ bits: at, length });
      at += size;
    }
    const neighbours = 1 + random.below(6), to = networks.map(() => (random.chance(0.05) ? undefined : random.below(neighbours)));
    const tree = new NetworkTree(networks), table = tree.routes(to);
    networks.forEach(({ bits, length }, i) => {
      if (to[i] === undefined) return;
      for (const at of [bits, bits + 2 ** (32 - length) - 1]) assert.is(lookUp(table, at), to[i]);
    });
    assert.is(table[0].prefix.length, 0);
    assert.ok(table.length <= networks.length);
    if (neighbours === 1) assert.is(table.length, 1);
    // The tree is as it was.
    assert.equal(tree.routes(to), table);
  }
});
test('halves that go the same way are one route, and a hole goes with its surroundings', () => {
  const network = (third: number): Prefix => ({ bits: 10 * 2 ** 24 + third * 256, length: 24 });
  const tree = new NetworkTree([0, 1, 2, 4, 5].map(network));
  assert.is(tree.routes([1, 1, 1, 2, 2]).length, 2);
  assert.is(tree.routes([1, 1, 1, 1, 1]).length, 1);
  assert.is(tree.routes([1, 1, 2, 1, undefined]).length, 2);
});

test('a star of 60 leaves: a node with 60 interfaces', async () => {
  const edge = { rate: '10Mbit', delay: '1ms' };
  const r = await run(module, { duration: '3s', generate: { kind: 'star', leaves: 60, edge }, apps: [{ type: 'bulk', from: 'leaf1', to: 'leaf60', warmup: '1s' }] });
  assert.ok(r.metrics['bulk.goodput'] > 9.3e6, String(r.metrics['bulk.goodput']));
});

test('a thousand nodes of a grid start, forward over 60 hops, and take less than a MiB each', async () => {
  const before = process.memoryUsage.rss(), edge = { rate: '100Mbit', delay: '100us' };
  const r = await ScenarioRun.create(scenarioOf({
    duration: '1.5s', generate: { kind: 'grid', rows: 32, columns: 32, edge }, apps: [{ type: 'datagrams', from: 'node0.0', to: 'node31.31', rate: '80kbit', size: 100, start: '1s' }],
  }), { module });
  r.finish();
  const { metrics, nodes } = r.result(), each = (process.memoryUsage.rss() - before) / 1024;
  assert.is(Object.keys(nodes).length, 1024);
  assert.ok(metrics['datagrams.received'] > 40, String(metrics['datagrams.received']));
  assert.ok(metrics['datagrams.delay.p50'] > 62 * 100e-6, String(metrics['datagrams.delay.p50']));
  assert.ok(each < residentLimit(2 ** 20), `${(each / 2 ** 10).toFixed(0)} KiB each`);
});

test.run();
