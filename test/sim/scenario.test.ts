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
  ['more memory than there can be', `${GOOD}nodes: { a: { memory: 4GiB } }\n`, /^f\.yaml:7: nodes\.a\.memory: 4294967296 is not a size below 4GiB/],
  ['fields of a node where nodes stand', `${GOOD}nodes: { memory: 64MiB }\n`, /^f\.yaml:7: nodes\.memory: "64MiB" is not the fields of one node, as in `nodes: \{ a: \{ memory: 16MiB \} \}`/],
  ['samples without end', `${GOOD}sample: 0s\n`, /^f\.yaml:7: sample: more than 1000000 samples in the run: let it be 1000ns or longer/],
  ['too many samples', `${GOOD}sample: 1ns\n`, /^f\.yaml:7: sample: more than/],
  ['no time', GOOD.replace('1s', '0s'), /^f\.yaml:1: duration: 0 is not a time above 0/],
  ['ages', GOOD.replace('1s', '99999999999min'), /^f\.yaml:1: duration: .* is not a time of at most 100 days/],
  ['nothing', '', /^f\.yaml:1: null is not a map of fields/],
  ['a text', 'hello\n', /^f\.yaml:1: "hello" is not a map of fields/],
  ['aliases that blow up', `x: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\ny: &b [${'*a, '.repeat(20)}]\nz: [${'*b, '.repeat(20)}]\n${GOOD}`, /^f\.yaml: .*alias.*; write out what/],
  ['a sysctl that is none', `${GOOD}nodes:\n  a: { sysctl: { net.ipv4.nothing: 1 } }\n`, /^f\.yaml:8: nodes\.a\.sysctl\.net\.ipv4\.nothing: no such setting/],
  ['a value that a sysctl cannot have', `${GOOD}nodes:\n  a: { sysctl: { net.ipv4.ip_forward: 7 } }\n`, /^f\.yaml:8: nodes\.a\.sysctl\.net\.ipv4\.ip_forward: write a number from 0 to 1/],
  ['RED upside down', GOOD.replace('10Mbit', '10Mbit\n    queue: { type: red, min: 60, max: 20 }'), /^f\.yaml:5: links\.0\.queue: it needs a `min` that is less than its `max`/],
  ['nothing left to measure', GOOD.replace('to: b', 'to: b, warmup: 1s'), /^f\.yaml:6: apps\.0\.warmup: nothing of its time is left/],
  ['a stop before the start', GOOD.replace('to: b', 'to: b, start: 0.5s, stop: 0.4s'), /^f\.yaml:6: apps\.0\.stop: it stops before it starts/],
  ['a rate of nothing', GOOD.replace('type: bulk', 'type: datagrams, rate: 0bit'), /^f\.yaml:6: apps\.0\.rate: 0 is not a rate above 0/],
  ['one port for two', GOOD.replace('to: b }', 'to: b, port: 7 }\n  - { type: bulk, from: a, to: b, port: 7 }'), /^f\.yaml:7: apps\.1\.port: port 7 of node `b` is that of `bulk`: give it another/],
  ['a way to where it begins', GOOD.replace('to: b', 'to: a'), /^f\.yaml:6: apps\.0\.to: it goes from `a` to itself/],
  ['nodes without links', 'duration: 1s\nnodes: { a: {}, b: {} }\napps:\n  - { type: bulk, from: a, to: b }\n', /^f\.yaml:4: apps\.0\.from: node `a` is on no link/],
  ['a change of nothing', `${GOOD}schedule:\n  - { at: 0.5s }\n`, /^f\.yaml:8: schedule\.0: it changes nothing: give `set`/],
  ['a reverse of nothing', `${GOOD}schedule:\n  - { at: 0.5s, reverse: { loss: 1 } }\n`, /^f\.yaml:8: schedule\.0: `reverse` says what differs from `set`/],
  ['a negative seed', `${GOOD}seed: -1\n`, /^f\.yaml:7: seed: -1 is not a whole number from 0/],
  ['an expectation of nothing', `${GOOD}expect:\n  - { metric: bulk.goodput }\n`, /^f\.yaml:8: expect\.0: it needs `min` or `max`/],
  ['65 links of one node', `duration: 1s\nlinks:\n${Array.from({ length: 65 }, (_, i) => `  - { between: [hub, leaf${i}] }\n`).join('')}`, /^f\.yaml:67: links\.64: node hub has more than 64 links: use a `switch`/],
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
  // Several times: the queue that the flow has filled may have no room for one.
  for (let at = 1e9; at < 1.5e9; at += 50e6) a.after(at, () => { raw.send(new Uint8Array(8), r.plan.nodes.get('b')!.ports[0].ipv4, 0); });
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
