// Scenario files: mistakes are named with line, field and remedy; nodes that trap or spin are named and harm nobody else.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../host/cli/install.js';
import { ConfigError } from '../../host/config/errors.js';
import { ScenarioRun } from '../../host/sim/run.js';
import { SpinError } from '../../host/sim/simulation.js';
import { parseScenario, scenarioOf } from '../../host/sim/scenario_file.js';
import { residentLimit } from './resident.js';
import { run } from './scenarios.js';

const test = suite('sim: scenarios');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));

const GOOD = 'duration: 1s\nlinks:\n  - between: [a, b]\n    rate: 10Mbit\napps:\n  - { type: bulk, from: a, to: b }\n';
const MISTAKES: [string, string, RegExp][] = [
  ['a wrong unit', GOOD.replace('10Mbit', '10Mbps'), /^f\.yaml:4: links\.0\.rate: .*10Mbps.*10Mbit/],
  ['an unknown field', GOOD.replace('rate', 'speed'), /^f\.yaml:\d: links\.0\.speed: there is no such field here/],
  ['an unknown node', GOOD.replace('to: b', 'to: c'), /^f\.yaml:6: apps\.0\.to: there is no node `c`: use one of a, b/],
  ['no duration', GOOD.replace('duration: 1s\n', ''), /duration: is missing/],
  ['two kinds of link', GOOD.replace('rate:', 'switch: [a, b]\n    rate:'), /^f\.yaml:3: links\.0: .*exactly one of `between`, `switch` and `wireless`/],
  ['a link to itself', GOOD.replace('[a, b]', '[a, a]'), /links\.0: a node is on it twice/],
  ['no YAML', GOOD.replace('[a, b]', '[a, b'), /^f\.yaml:\d: /],
  ['a start after the end', GOOD.replace('to: b', 'to: b, start: 2s'), /^f\.yaml:6: apps\.0\.start: it starts after the end/],
  ['a change of no link', `${GOOD}schedule:\n  - { at: 0.5s, link: x, set: { up: false } }\n`, /^f\.yaml:8: schedule\.0\.link: there is no link `x`: use one of a-b/],
  ['too much loss', GOOD.replace('10Mbit', '10Mbit\n    loss: 2'), /^f\.yaml:5: links\.0\.loss: .*probability from 0 to 1/],
];
for (const [what, text, message] of MISTAKES) {
  test(`a mistake: ${what}`, () => {
    assert.throws(() => parseScenario(text, 'f.yaml'), (e: Error) => {
      assert.instance(e, ConfigError);
      assert.match(e.message, message);
      return true;
    });
  });
}
test('without mistakes', () => { assert.is(parseScenario(GOOD, 'f.yaml').links[0].rate, 1e7); });

test('an application that lets no time pass is named', async () => {
  const r = await ScenarioRun.create(parseScenario(GOOD, 'f.yaml'), { module });
  const again = (): void => r.nodes.get('b')!.after(0, again);
  again();
  assert.throws(() => r.finish(), (e: Error) => e instanceof SpinError && e.entity === 'b');
});

test('a node whose core traps ends alone', async () => {
  const trapping = new WebAssembly.Module(readFileSync(new URL('../../../core.trapping.wasm', import.meta.url)));
  const r = await ScenarioRun.create(scenarioOf({
    duration: '3s', links: [{ between: ['a', 'b'], rate: '10Mbit' }, { between: ['b', 'c'], rate: '10Mbit' }, { between: ['a', 'd'], rate: '10Mbit' }],
    apps: [{ type: 'bulk', from: 'a', to: 'd' }, { type: 'bulk', from: 'a', to: 'b' }],
  }), { module: trapping });
  const a = r.nodes.get('a')!, raw = a.sockets.datagram(4, 3, 253);
  a.after(1e9, () => { raw.send(new Uint8Array(8), r.plan.nodes.get('b')!.ports[0].ipv4, 0); });
  r.finish();
  const result = r.result();
  assert.is(result.metrics['nodes.trapped'], 1);
  assert.ok(r.nodes.get('b')!.trap);
  assert.match(result.log[0].what, /^node b has trapped/);
  assert.ok(result.metrics['bulk.goodput'] > 9e6);
  assert.ok(result.metrics['bulk2.bytes'] > 1e6);
});

test('one more node leaves the frames of the others as they were', async () => {
  const links = [{ between: ['a', 'b'] as [string, string], rate: '10Mbit', delay: '5ms', loss: 0.01 }], apps = [{ type: 'bulk' as const, from: 'a', to: 'b' }];
  const alone = await run(module, { duration: '3s', links, apps });
  const more = await run(module, { duration: '3s', links: [...links, { between: ['c', 'd'], loss: 0.5 }], apps: [...apps, { type: 'bulk', from: 'c', to: 'd' }] });
  assert.is(more.nodes.a, alone.nodes.a);
  assert.is(more.nodes.b, alone.nodes.b);
});

test('loss by list, changes by schedule, a link that goes down', async () => {
  const r = await run(module, {
    duration: '6s', links: [{ name: 'l', between: ['a', 'b'], rate: '10Mbit', delay: '1ms', lose: [5, 9], reverse: { lose: [] } }],
    apps: [{ type: 'datagrams', from: 'a', to: 'b', rate: '80kbit', size: 100, start: '1s', stop: '5s' }],
    schedule: [{ at: '2s', link: 'l', set: { up: false } }, { at: '3s', link: 'l', set: { up: true, delay: '50ms' } }, { at: '4s', link: 'l', set: { lose: [1], delay: '1ms' } }],
  });
  assert.is(r.metrics['l.lost'], 3);
  // 100 datagrams a second: those of one second, and three more.
  assert.ok(Math.abs(r.metrics['datagrams.lost'] - 103) <= 2, String(r.metrics['datagrams.lost']));
  assert.ok(r.metrics['datagrams.delay.max'] > 0.05 && r.metrics['datagrams.delay.max'] < 0.06);
  assert.ok(r.metrics['datagrams.delay.p50'] < 0.003);
  assert.equal(r.log.map((l) => l.time), [2e9, 3e9, 4e9]);
});

test('200 nodes in one process, each in less than 2 MiB', async () => {
  const pairs = Array.from({ length: 100 }, (_, i) => i), before = process.memoryUsage().rss;
  const r = await run(module, {
    duration: '2s', links: pairs.map((i) => ({ between: [`a${i}`, `b${i}`] as [string, string], rate: '10Mbit', delay: '1ms' })),
    apps: pairs.map((i) => ({ name: `app${i}`, type: 'datagrams' as const, from: `a${i}`, to: `b${i}`, rate: '8kbit', size: 100, start: '1s' })),
  });
  const each = (process.memoryUsage().rss - before) / 200;
  assert.is(new Set(Object.values(r.nodes)).size, 200);
  for (const i of pairs) assert.ok(r.metrics[`app${i}.lost`] <= 1, `app${i} lost ${r.metrics[`app${i}.lost`]}`);
  assert.ok(each < residentLimit(2 * 2 ** 20), `${(each / 2 ** 20).toFixed(2)} MiB each`);
});

test.run();
