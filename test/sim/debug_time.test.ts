// Runs that go back, and runs that part.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CoreFile } from '../../host/cli/cores.js';
import { dissect } from '../../host/debug/dissect.js';
import { LiveRun, firstDivergence } from '../../host/sim/divergence.js';
import { ScenarioRun } from '../../host/sim/run.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';
import { Timeline, TimelineError } from '../../host/sim/timeline.js';
import { folder, nuse } from './command.js';
import { ROUGH } from './scenarios.js';

const test = suite('sim: time travel and divergence');
const { module } = CoreFile.named(undefined);
const rough = (more: object = {}): Promise<ScenarioRun> => ScenarioRun.create(scenarioOf({ ...ROUGH, ...more }), { module });
const FLOW = 'duration: 1s\nlinks:\n  - { name: path, between: [client, server], rate: 10Mbit, delay: 20ms }\napps:\n  - { type: bulk, from: client, to: server }\n';
const { dir, remove } = folder({ 'flow.yaml': FLOW, 'longer.yaml': FLOW.replace('20ms }', '20ms, lose: [40] }') });
test.after(remove);

test('a run that went back ends as the one that did not', async () => {
  const straight = await rough(), t = await Timeline.open(rough);
  straight.finish();
  assert.ok(await t.step(3000));
  const moment = t.snapshot();
  await t.step(2000);
  await t.restore(moment);
  assert.is(t.events, 3000);
  assert.equal(t.snapshot(), moment);
  await t.stepBack();
  assert.is(t.events, 2999);
  assert.is.not(t.snapshot().time + t.snapshot().events, moment.time + moment.events);
  await t.step();
  assert.equal(t.snapshot(), moment);
  t.run.finish();
  assert.is(t.run.result().hash, straight.result().hash);
});

test('forward and back to where something holds', async () => {
  const t = await Timeline.open(rough), received = (run: ScenarioRun): number => run.apps[0].metrics(run.sim.now).bytes;
  assert.ok(await t.until((run) => received(run) >= 1e6));
  const there = t.events;
  await t.stepBack();
  assert.ok(received(t.run) < 1e6);
  await t.step();
  assert.is(t.events, there);
  assert.ok(received(t.run) >= 1e6);
  assert.ok(await t.backUntil((run) => received(run) < 5e5));
  assert.ok(received(t.run) < 5e5);
  await t.step();
  assert.ok(received(t.run) >= 5e5);
  assert.not(await t.backUntil(() => false));
  assert.is(t.events, 0);
  assert.not(await t.until(() => false));
});

test('an application that is not repeatable is found out', async () => {
  let made = 0;
  const t = await Timeline.open(async () => {
    const run = await rough(), socket = run.nodes.get('a')!.sockets.datagram(4);
    run.nodes.get('a')!.after(1e6, () => { socket.send(new Uint8Array(++made), run.plan.nodes.get('b')!.ports[0].ipv4, 9); });
    return run;
  });
  await t.step(500);
  const moment = t.snapshot();
  await t.stepBack(400);
  await t.restore(moment).then(() => assert.unreachable(), (e: Error) => {
    assert.instance(e, TimelineError);
    assert.match(e.message, /^after 500 events, node [abr] is not as it was/);
  });
});

test('the first difference of two runs is the one that was made', async () => {
  assert.is(await firstDivergence(new LiveRun(await rough()), new LiveRun(await rough())), undefined);
  // One frame is lost in the second run; nothing before it may be called different.
  const base = { duration: '2s', links: [{ name: 'path', between: ['a', 'b'], rate: '10Mbit', delay: '10ms' }], apps: [{ type: 'bulk', from: 'a', to: 'b' }] };
  const of = (lose: number[]): Promise<ScenarioRun> => ScenarioRun.create(scenarioOf({ ...base, links: [{ ...base.links[0], lose }] }), { module });
  const d = (await firstDivergence(new LiveRun(await of([])), new LiveRun(await of([100]))))!;
  assert.equal([d.first!.node, d.first!.link, d.first!.what], ['b', 'path', 'received']);
  assert.match(d.first!.text, /^IP 10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.5001: Flags \[P?\.\], seq \d+:\d+, ack \d+, win \d+, length 1448$/);
  const taken: string[] = [], run = await of([]);
  run.nodes.get('b')!.capture = (_, frame, sent) => { if (!sent) taken.push(`${run.sim.now} ${dissect(frame)}`); };
  run.finish();
  assert.is(`${d.first!.time} ${d.first!.text}`, taken[99]);
  assert.ok(d.second!.time >= d.first!.time);
});

test('the command compares scenarios, fields, cores and logs', async () => {
  const same = await nuse(['sim', 'flow.yaml', '--compare', `core=${CoreFile.build('debug').path}`], dir);
  assert.equal([same.code, same.stdout], [0, `flow.yaml and core=${CoreFile.build('debug').path} are the same\n`]);
  const other = await nuse(['sim', 'flow.yaml', '--compare', 'longer.yaml'], dir);
  assert.is(other.code, 1);
  assert.match(other.stdout, /^flow\.yaml and longer\.yaml differ; the last thing they share, \d+ in all:\n {2}0\.\d{9} s {2}node .*\n/);
  assert.match(other.stdout, /\nthen flow\.yaml:\n {2}0\.\d{9} s {2}node server, link path, received: IP .* Flags .*\nbut longer\.yaml:\n/);
  const seed = await nuse(['sim', 'flow.yaml', '--compare', 'seed=2', '--json'], dir);
  assert.is(seed.code, 1);
  const d = JSON.parse(seed.stdout) as { same: number; first: { time: number; node: string } };
  assert.ok(d.same > 0 && d.first.time > 0 && d.first.node);

  const plain = await nuse(['sim', 'flow.yaml'], dir), logged = await nuse(['sim', 'flow.yaml', '--frame-log', 'a.log'], dir);
  assert.is(/hash .*/.exec(logged.stdout)![0], /hash .*/.exec(plain.stdout)![0]);
  assert.is((await nuse(['sim', 'a.log', '--compare', 'flow.yaml'], dir)).code, 0);
  const lines = readFileSync(join(dir, 'a.log'), 'utf8').split('\n');
  lines[200] = lines[200].replace(/"sum":"./, (m) => (m.endsWith('0') ? '"sum":"1' : '"sum":"0'));
  writeFileSync(join(dir, 'b.log'), lines.join('\n'));
  const logs = await nuse(['sim', 'a.log', '--compare', 'b.log'], dir);
  assert.is(logs.code, 1);
  assert.match(logs.stdout, /the last thing they share, 199 in all:[^]*the frames differ in bytes that the line does not show\n$/);
  writeFileSync(join(dir, 'c.log'), lines.slice(0, 100).join('\n').slice(0, -20));
  assert.match((await nuse(['sim', 'a.log', '--compare', 'c.log'], dir)).stderr, /c\.log:100: .*\n.*--frame-log/);
});

test('a frame in one line, whatever it is', () => {
  const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.replace(/\s/g, '').match(/../g)!, (x) => parseInt(x, 16));
  const ether = '020000000002 020000000001 ';
  const LINES: [string, string][] = [
    ['0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002', 'ARP, Request who-has 10.0.0.2 tell 10.0.0.1'],
    ['0800 4500 0028 0001 0000 40 06 0000 0a000001 0a000002 1389 0050 00000001 00000002 5012 0100 0000 0000', 'IP 10.0.0.1.5001 > 10.0.0.2.80: Flags [S.], seq 1, ack 2, win 256, length 0'],
    ['0800 4500 001c 0001 0000 40 11 0000 0a000001 0a000002 1389 0035 0008 0000', 'IP 10.0.0.1.5001 > 10.0.0.2.53: UDP, length 0'],
    ['0800 4500 001c 0007 00b9 40 11 0000 0a000001 0a000002 1389 0035 0008 0000', 'IP 10.0.0.1 > 10.0.0.2: protocol 17, length 8, frag 7:8@1480'],
    ['86dd 60000000 0018 3a ff fe800000000000000000000000000001 ff0200000000000000000001ff000002 8700 0000 00000000 fe800000000000000000000000000002',
      'IP6 fe80::1 > ff02::1:ff00:2: ICMP6 neighbor solicitation fe80::2, length 24'],
    ['86dd 60000000 0010 2c 40 fd000000000000000000000000000001 fd000000000000000000000000000002 1100 0001 0000002a 1389 0035 0008 0000', 'IP6 fd00::1.5001 > fd00::2.53: UDP, length 0, frag 42:8@0+'],
    ['88cc 0000', '02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 0x88cc, length 16'],
  ];
  for (const [hex, line] of LINES) assert.is(dissect(bytes(ether + hex)), line);
  // Cut anywhere, it still is a line.
  for (const [hex] of LINES) for (let n = 0, b = bytes(ether + hex); n <= b.length; n++) assert.ok(dissect(b.subarray(0, n)).length > 5);
});

test.run();
