// A simulation by the wall clock: paced by it, honest about being late, and reachable for the kernel's programs through a TAP.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConfigError } from '../../host/config/errors.js';
import { RealTime } from '../../host/sim/realtime.js';
import { ScenarioRun } from '../../host/sim/run.js';
import { parseScenario, scenarioOf } from '../../host/sim/scenario_file.js';
import { Simulation } from '../../host/sim/simulation.js';
import { Lab, ROOT, type Program } from '../interop/lab.js';

const test = suite('sim: real time');
const MS = 1e6;

/** A simulation of events at these times, ms, and a clock that the test sets. */
function paced(times: number[], duration: number): { time: RealTime; ran: number[]; clock: { now: number }; late: number[] } {
  const sim = new Simulation(1), origin = { id: sim.register(), name: 'test' }, clock = { now: 777 }, ran: number[] = [], late: number[] = [];
  for (const t of times) sim.at(origin, t * MS, () => { ran.push(t); });
  const scenario = { ...scenarioOf({ duration: `${duration}ms` }) };
  const run = { sim, scenario, advanceAsync: (until: number) => Promise.resolve(sim.run(Math.min(until, scenario.duration))) };
  return { time: new RealTime(run, () => clock.now, (ns) => late.push(ns)), ran, clock, late };
}

test('nothing runs before its time by the clock, and the next time is told', async () => {
  const { time, ran, clock, late } = paced([10, 20, 35], 40);
  assert.is(await time.turn(), 777 + 10 * MS);
  clock.now = 777 + 10 * MS - 1;
  assert.is(await time.turn(), 777 + 10 * MS);
  assert.equal(ran, []);
  clock.now = 777 + 10 * MS;
  assert.is(await time.turn(), 777 + 20 * MS);
  assert.equal(ran, [10]);
  clock.now = 777 + 38 * MS;
  assert.is(await time.turn(), 777 + 40 * MS);
  assert.equal(ran, [10, 20, 35]);
  assert.not(time.over);
  clock.now = 777 + 41 * MS;
  await time.turn();
  assert.ok(time.over);
  // On time, then 18 ms after the first of two.
  assert.equal(late, [0, 18 * MS]);
  assert.is(time.late.max, 18 * MS);
});
test('events after the end of the scenario never run', async () => {
  const { time, ran, clock, late } = paced([10, 50], 40);
  clock.now += 60 * MS;
  await time.turn();
  assert.equal([ran, late], [[10], [50 * MS]]);
});

test('a link to a device needs real time; a device has one end, and a node at the other', async () => {
  const text = 'duration: 1s\nlinks:\n  - { between: [a, "tap:tap0"] }\n', module = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
  const error = await ScenarioRun.create(parseScenario(text, 'f.yaml'), { module }).then(() => undefined, (e: unknown) => e);
  assert.instance(error, ConfigError);
  assert.match((error as Error).message, /links\.0: it leads to `tap:tap0`, where time is real: run it with --realtime/);
  assert.throws(() => parseScenario(`${text}  - { between: [b, "tap:tap0"] }\n`, 'f.yaml'), /^f\.yaml:4: links\.1: a second link to `tap:tap0`/);
  assert.throws(() => parseScenario(text.replace('a,', '"tap:tap1",'), 'f.yaml'), /^f\.yaml:3: links\.0: two devices and no node/);
  assert.throws(() => parseScenario(text.replace('tap0', 'much-too-long-a-name'), 'f.yaml'), /^f\.yaml:3: links\.0\.between\.1: .*the name of a node, or `tap:DEVICE`/);
  assert.throws(() => parseScenario(text.replace('between', 'switch'), 'f.yaml'), /links\.0\.switch\.1/);
});

/** A lab with a simulation on tap0 of a namespace, whose side of it is configured. */
async function joined<T>(start: (lab: Lab, ns: string) => Program, use: (lab: Lab, ns: string, simulation: Program) => Promise<T>): Promise<T> {
  const lab = new Lab();
  try {
    const ns = lab.netns('s'), simulation = start(lab, ns);
    await simulation.until(/leads into the simulation/);
    lab.addr(ns, 'tap0', '10.0.0.2/24', 'fd00:1::2/64');
    lab.ip(ns, 'route add 10.0.0.0/8 via 10.0.0.1');
    lab.ip(ns, 'route add fd00::/16 via fd00:1::1');
    return await use(lab, ns, simulation);
  } finally {
    await lab.close();
  }
}
const SCENARIO = `duration: 60s
links:
  - { name: access, between: [gateway, "tap:tap0"] }
  - { name: far, between: [gateway, server], rate: 10Mbit, delay: 50ms }
expect:
  - { metric: far.frames, min: 5 }
`;

test('the kernel pings a simulated node: no answer before its 100 ms; a simulation that was held up says so; SIGTERM ends it with its figures', () => joined(
  (lab, ns) => lab.nuse(ns, ['sim', lab.file('s.yaml', SCENARIO), '--realtime']),
  async (lab, ns, simulation) => {
    for (const [program, address] of [['ping', '10.0.1.2'], ['ping -6', 'fd00:2::2']]) {
      const r = await lab.run(ns, [...program.split(' '), '-c', '5', '-i', '0.2', '-W', '5', address]).finish();
      assert.match(r.stdout, / 0% packet loss/, r.stdout + r.stderr);
      const fastest = Number(/= ([\d.]+)\//.exec(r.stdout)![1]);
      assert.ok(fastest >= 100, r.stdout);
    }
    const pinging = lab.run(ns, ['ping', '-c', '10', '-i', '0.1', '10.0.1.2']);
    await pinging.until(/icmp_seq=2/);
    simulation.kill('SIGSTOP');
    await new Promise((r) => { setTimeout(r, 400); });
    simulation.kill('SIGCONT');
    await simulation.until(/nuse: [\d.]+ s: [\d.]+ ms behind the clock/);
    await pinging.finish();
    simulation.kill();
    const end = await simulation.finish();
    assert.is(end.code, 0, end.stdout + end.stderr);
    assert.match(end.stdout, /^ok +far\.frames: \d+ /m);
    const most = Number(/^behind the clock by .* ([\d.]+) ms \(most\)$/m.exec(end.stdout)![1]);
    assert.ok(most > 100, end.stdout);
  }));

test('the kernel\'s curl fetches a page from Node\'s web server on a simulated node, and the example says how', () => joined(
  (lab, ns) => lab.nuse(ns, ['sim', join(ROOT, 'examples/sim/realtime/web.yaml'), '--realtime']),
  async (lab, ns, simulation) => {
    const page = join(lab.dir, 'page'), r = await lab.run(ns, ['curl', '-sS', '-m', '20', '-o', page, '-w', '%{http_code} %{time_total}', 'http://10.0.1.2:8080/100000']).finish();
    assert.is(r.code, 0, r.stderr);
    const [code, seconds] = r.stdout.split(' ');
    assert.is(code, '200');
    assert.equal(readFileSync(page), Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251)));
    // The handshake, the request, and 100 000 bytes in three more windows: a round trip of 100 ms each, at the least two.
    assert.ok(Number(seconds) >= 0.2, seconds);
    simulation.kill('SIGINT');
    assert.is((await simulation.finish()).code, 0);
  }));

const NS3 = ['core', 'network', 'internet', 'internet-apps', 'applications', 'fd-net-device'].map((m) => `-lns3-${m}`);
/** Where Debian's libns3-dev is not installed, there is nothing to join. */
const withNs3 = existsSync('/usr/include/ns3/fd-net-device.h') ? test : test.skip;
withNs3('a node of ns-3 behind another TAP pings a simulated node and sends it 200 kB by its own TCP', async () => {
  const lab = new Lab(), peer = join(lab.dir, 'ns3_peer');
  try {
    execFileSync('g++', ['-std=c++17', '-O1', '-o', peer, join(ROOT, 'test/sim/ns3_peer.cc'), ...NS3]);
    const ns = lab.netns('3'), sink = 'apps:\n  - { name: sink, type: bulk, from: gateway, to: server, port: 5001, bytes: 1B }';
    const scenario = SCENARIO.replace('expect:', `${sink}\nexpect:\n  - { metric: sink.bytes, min: 200001, max: 200001 }`);
    const simulation = lab.nuse(ns, ['sim', lab.file('s.yaml', scenario), '--realtime']);
    await simulation.until(/leads into the simulation/);
    lab.ip(ns, 'link add br0 type bridge');
    lab.ip(ns, 'tuntap add dev tap1 mode tap');
    for (const dev of ['tap0', 'tap1']) lab.ip(ns, `link set ${dev} master br0 up`);
    lab.ip(ns, 'link set br0 up');
    const end = await lab.run(ns, [peer, 'tap1', '10.0.0.7', '10.0.0.1', '10.0.1.2', '5001', '200000']).finish();
    const told = /^answers (\d+) fastest ([\d.]+) ms$/m.exec(end.stdout);
    assert.ok(told, end.stdout + end.stderr);
    assert.ok(Number(told[1]) > 0 && Number(told[2]) >= 100, end.stdout);
    simulation.kill();
    const report = await simulation.finish();
    assert.is(report.code, 0, report.stdout + report.stderr);
  } finally {
    await lab.close();
  }
});

test('a device that cannot be had is named', async () => {
  const lab = new Lab();
  try {
    const ns = lab.netns('s');
    lab.ip(ns, 'link add tap0 type bridge');
    const end = await lab.nuse(ns, ['sim', lab.file('s.yaml', SCENARIO), '--realtime']).finish();
    assert.is.not(end.code, 0);
    assert.match(end.stderr, /^nuse: TAP tap0: a device of this name exists and is no TAP/m);
  } finally {
    await lab.close();
  }
});

test.run();
