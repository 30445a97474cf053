// limit: 240 s
// A run that is split over threads gives what it gives in one: every frame at its time, every figure, every line of the log.
import { readFileSync, readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../host/cli/install.js';
import { partThread } from '../../host/cli/part_threads.js';
import { Part } from '../../host/sim/part.js';
import { partition } from '../../host/sim/partition.js';
import { ScenarioRun, type RunResult } from '../../host/sim/run.js';
import type { Scenario, ScenarioInput } from '../../host/sim/scenario.js';
import { parseScenario, scenarioOf } from '../../host/sim/scenario_file.js';
import { runInParts, type PartStarter } from '../../host/sim/split_run.js';
import { LARGEST, ROUGH } from './scenarios.js';

const test = suite('sim: workers');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));
const folder = new URL('../../../../examples/sim/', import.meta.url);

async function whole(s: Scenario, core = module): Promise<RunResult> {
  const run = await ScenarioRun.create(s, { module: core });
  run.finish();
  return run.result();
}
/** In so many parts, which it must come apart into. */
function split(s: Scenario, parts: number, start: PartStarter, core = module): Promise<RunResult> {
  const p = partition(s, parts);
  assert.is(p.parts, parts);
  return runInParts(s, core, p, start);
}
const here: PartStarter = (setup) => Part.create(setup);

for (const file of readdirSync(folder).filter((f) => f.endsWith('.yaml'))) {
  test(`${file}: one and two threads, twice`, async () => {
    const s = parseScenario(readFileSync(new URL(file, folder), 'utf8'), file), one = await whole(s);
    // The long ones once: they take most of the time, and nothing in them is another kind of thing.
    const long = file === LARGEST || s.duration > 20e9 || s.duration > 1e4 * partition(s, 2).lookahead;
    for (let i = 0; i < (long ? 1 : 2); i++) assert.equal(await split(s, 2, partThread), one);
  });
}

test('everything random across the cut, in two and three parts', async () => {
  const s = scenarioOf(ROUGH), one = await whole(s);
  assert.ok(one.metrics['rough.duplicated'] > 0 && one.metrics['rough.corrupted'] > 0 && one.metrics['datagrams3.disordered'] > 0);
  for (const parts of [2, 3]) assert.equal(await split(s, parts, here), one, `${parts} parts`);
});

/** A line of routers, in which the schedule changes the link that is cut; at the end of `a` a segment that must stay whole. */
const LINE: ScenarioInput = {
  duration: '9s',
  links: [
    { name: 'lan', switch: ['x', 'y', 'a'], rate: '50Mbit', delay: '10us' },
    { name: 'ab', between: ['a', 'b'], rate: '10Mbit', delay: '8ms', loss: 0.002 },
    { name: 'bc', between: ['b', 'c'], rate: '10Mbit', delay: '12ms', reverse: { rate: '1Mbit', delay: '3ms' } },
  ],
  apps: [
    { type: 'bulk', from: 'x', to: 'c', warmup: '1s' }, { type: 'bulk', from: 'c', to: 'y', bytes: '300kB', start: '1s' },
    { name: 'voice', type: 'datagrams', from: 'c', to: 'x', rate: '64kbit', size: 200, family: 6, start: '2s' },
  ],
  schedule: [
    { at: '3s', link: 'ab', set: { delay: '2ms', jitter: '1ms' } }, { at: '4s', partition: [['x', 'y'], ['b', 'c']] }, { at: '4.5s', heal: true },
    { at: '5s', partition: [['a'], ['b']] }, { at: '6s', heal: true }, { at: '7s', link: 'bc', set: { up: false } }, { at: '7.2s', link: 'bc', set: { up: true } },
  ],
};

test('changes by schedule, partitions and links that go down, on both sides of the cut', async () => {
  const s = scenarioOf(LINE), one = await whole(s);
  assert.is(one.log.length, 7);
  assert.ok(one.metrics['voice.lost'] > 10 && one.metrics['bulk2.finished'] === 1);
  for (const parts of [2, 3]) assert.equal(await split(s, parts, here), one, `${parts} parts`);
});

test('parts are cut at the longest links, for the shortest delay that they ever have; segments and links without delay are whole', () => {
  const two = partition(scenarioOf(LINE), 2), three = partition(scenarioOf(LINE), 3);
  assert.is(two.of.get('x'), two.of.get('a'));
  assert.is(two.of.get('y'), two.of.get('a'));
  // bc has 3 ms at its shortest, ab 2 ms later on.
  assert.is(two.lookahead, 3e6);
  assert.is.not(two.of.get('b'), two.of.get('c'));
  assert.is(three.lookahead, 2e6);
  const close = partition(scenarioOf({ duration: '1s', links: [{ between: ['a', 'b'] }, { switch: ['b', 'c'], delay: '1ms' }] }), 2);
  assert.is(close.parts, 1);
  const pairs = Array.from({ length: 40 }, (_, i) => ({ between: [`n${i}`, `n${i + 1}`] as [string, string], delay: '1ms' }));
  const even = partition(scenarioOf({ duration: '1s', links: pairs }), 4), sizes = [0, 0, 0, 0];
  for (const p of even.of.values()) sizes[p]++;
  assert.ok(Math.max(...sizes) <= 13 && Math.min(...sizes) >= 7, String(sizes));
});

test('a node that traps ends alone, and the log of all parts tells of it', async () => {
  const trapping = new WebAssembly.Module(readFileSync(new URL('../../../core.trapping.wasm', import.meta.url)));
  const s = scenarioOf({
    duration: '3s', links: [{ between: ['a', 'b'], rate: '10Mbit', delay: '5ms' }, { between: ['a', 'c'], rate: '10Mbit', delay: '5ms' }],
    apps: [{ type: 'bulk', from: 'a', to: 'b' }, { type: 'bulk', from: 'a', to: 'c' }], schedule: [{ at: '2s', link: 'a-c', set: { delay: '6ms' } }],
  });
  // A datagram of protocol 253 is what this core's receivers trap on.
  const shoot = (run: ScenarioRun): void => {
    const a = run.nodes.get('a'), raw = a?.sockets.datagram(4, 3, 253);
    a?.after(1e9, () => { raw!.send(new Uint8Array(8), run.plan.nodes.get('b')!.ports[0].ipv4, 0); });
  };
  const run = await ScenarioRun.create(s, { module: trapping });
  shoot(run);
  run.finish();
  const one = run.result();
  assert.is(one.metrics['nodes.trapped'], 1);
  assert.is(one.log.length, 2);
  const armed: PartStarter = async (setup) => {
    const part = await Part.create(setup);
    shoot(part.run);
    return part;
  };
  assert.equal(await split(s, 2, armed, trapping), one);
});

test('what a part throws ends the run, and its threads', async () => {
  const s = scenarioOf({ duration: '1s', nodes: { b: { memory: '1MiB' } }, links: [{ between: ['a', 'b'], delay: '1ms' }] });
  let message = '';
  await split(s, 2, partThread).catch((e: Error) => { message = e.message; });
  assert.match(message, /^node b: /);
});

test.run();
