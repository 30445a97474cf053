// Rules: how often they strike, in the long run and one by one; and what a channel makes of their verdicts.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Channel } from '../../host/sim/channel.js';
import { Flight } from '../../host/sim/flight.js';
import { Packet } from '../../host/sim/packet.js';
import { DropTail } from '../../host/sim/queue.js';
import { RandomStream } from '../../host/sim/random.js';
import { bernoulliLoss, corruption, duplication, gilbertElliottLoss, jitter, listLoss, protocolDrop, reordering, type Fate, type FilteredProtocol, type Rule } from '../../host/sim/rules.js';
import { Simulation } from '../../host/sim/simulation.js';

const test = suite('sim: rules');
const MS = 1e6, EMPTY = new Uint8Array(100);
const fates = (rule: Rule, n: number): Fate[] => Array.from({ length: n }, () => {
  const fate = { lost: false, copies: 0, corrupt: false, extra: 0, overtakes: false };
  rule(fate, EMPTY, 0);
  return fate;
});
const stream = (label: string): RandomStream => new RandomStream(7, label);
/** Within five standard deviations `sd`. */
const near = (value: number, expected: number, sd: number): void => { assert.ok(Math.abs(value - expected) < 5 * sd, `${value} is not ${expected}, give or take ${5 * sd}`); };
/** Lengths of the runs of what is lost. */
const bursts = (list: readonly Fate[]): number[] => list.map((f) => (f.lost ? 'x' : ' ')).join('').split(/ +/).map((s) => s.length).filter((n) => n);

test('loss of each frame on its own', () => {
  const n = 1e6, p = 0.01, list = fates(bernoulliLoss(p, stream('loss')), n), lost = list.filter((f) => f.lost).length;
  near(lost / n, p, Math.sqrt(p * (1 - p) / n));
  // One loss says nothing about the next: a burst lasts 1/(1-p) frames.
  near(lost / bursts(list).length, 1 / (1 - p), Math.sqrt(p / lost));
});
test('Gilbert: as many frames lost, and in as long bursts, as the chain of two states says', () => {
  const n = 2e6, toBad = 0.005, toGood = 0.25, bad = toBad / (toBad + toGood);
  const list = fates(gilbertElliottLoss({ toBad, toGood, lossBad: 1, lossGood: 0 }, stream('bursts')), n), runs = bursts(list);
  // Samples of the chain are alike by 1 - toBad - toGood: so much fewer count as independent.
  const alike = 1 - toBad - toGood, sd = Math.sqrt(bad * (1 - bad) / n * (1 + alike) / (1 - alike));
  near(list.filter((f) => f.lost).length / n, bad, sd);
  near(runs.reduce((a, b) => a + b, 0) / runs.length, 1 / toGood, Math.sqrt((1 - toGood) / toGood ** 2 / runs.length));
});
test('Elliott: each state loses its own part', () => {
  const n = 2e6, toBad = 0.02, toGood = 0.08, lossBad = 0.5, lossGood = 0.001, bad = toBad / (toBad + toGood), expected = bad * lossBad + (1 - bad) * lossGood;
  const alike = 1 - toBad - toGood, sd = Math.sqrt(bad * (1 - bad) / n * (1 + alike) / (1 - alike)) * (lossBad - lossGood) + Math.sqrt(expected / n);
  near(fates(gilbertElliottLoss({ toBad, toGood, lossBad, lossGood }, stream('elliott')), n).filter((f) => f.lost).length / n, expected, sd);
});
test('loss by list: those numbers, counted from 1, each once', () => {
  assert.equal(fates(listLoss([2, 5, 5, 6]), 10).map((f) => f.lost), [false, true, false, false, true, true, false, false, false, false]);
});
test('a filter: all packets of its protocols, of both families, and no others', () => {
  const frame = (type: number, at: number, protocol: number): Uint8Array => {
    const f = new Uint8Array(60);
    f.set([type >> 8, type & 255], 12);
    f[at] = protocol;
    return f;
  };
  const lost = (protocols: FilteredProtocol[], f: Uint8Array): boolean => {
    const fate = { lost: false, copies: 0, corrupt: false, extra: 0, overtakes: false };
    protocolDrop(protocols)(fate, f, 0);
    return fate.lost;
  };
  assert.ok(lost(['icmp'], frame(0x0800, 23, 1)));
  assert.ok(lost(['icmp', 'icmpv6'], frame(0x86dd, 20, 58)));
  assert.not(lost(['icmp'], frame(0x0800, 23, 6)));
  assert.not(lost(['tcp', 'udp'], frame(0x86dd, 20, 58)));
  assert.not(lost(['icmp'], frame(0x0806, 23, 1)), 'ARP has no protocol');
  assert.not(lost([], frame(0x0800, 23, 1)));
});
test('duplicates and flipped bits: as often as they say', () => {
  const n = 1e5, p = 0.1, sd = Math.sqrt(p * (1 - p) / n);
  near(fates(duplication(p, stream('copies')), n).filter((f) => f.copies === 1).length / n, p, sd);
  near(fates(corruption(p, stream('bits')), n).filter((f) => f.corrupt).length / n, p, sd);
});
test('jitter: uniform from 0 to its bound, and none overtakes', () => {
  const n = 1e5, extras = fates(jitter(10 * MS, stream('jitter')), n);
  assert.ok(extras.every((f) => f.extra >= 0 && f.extra < 10 * MS && !f.overtakes));
  near(extras.reduce((a, f) => a + f.extra, 0) / n, 5 * MS, 10 * MS / Math.sqrt(12 * n));
});
test('probability 0 never strikes, 1 always does', () => {
  for (const [p, lost] of [[0, 0], [1, 1000]]) assert.is(fates(bernoulliLoss(p, stream('edge')), 1000).filter((f) => f.lost).length, lost);
});
test('rules compose: each adds to the fate', () => {
  const rules = [listLoss([1]), duplication(1, stream('a')), duplication(1, stream('b')), jitter(5, stream('c'))];
  const [first, second] = fates((f, frame, now) => { for (const r of rules) r(f, frame, now); }, 2);
  assert.equal([first.lost, first.copies], [true, 2]);
  assert.equal([second.lost, second.copies], [false, 2]);
});

/** Numbers and times of frames that leave a channel of 10 ms at 8 Mbit/s, into which 100 bytes (0.1 ms) go each ms. */
function passed(rules: Rule[], n: number): { number: number; time: number }[] {
  const sim = new Simulation(1), origin = { id: sim.register(), name: 'test' }, out: { number: number; time: number }[] = [];
  const c = new Channel(sim, origin, { rate: 8e6, delay: 10 * MS }, new DropTail(100), stream('flips'), new Flight(sim, ({ frame: f }) => out.push({ number: f[20] << 8 | f[21], time: sim.now })));
  for (const r of rules) c.add(r);
  for (let i = 0; i < n; i++) {
    const frame = new Uint8Array(100);
    frame.set([i >> 8, i & 255], 20);
    sim.at(origin, i * MS, () => c.send(Packet.copy(frame)));
  }
  sim.run(1e12);
  return out;
}

test('a channel: serialisation and delay, exact', () => {
  assert.equal(passed([], 3), [{ number: 0, time: 10.1 * MS }, { number: 1, time: 11.1 * MS }, { number: 2, time: 12.1 * MS }]);
});
test('jitter keeps the order, reordering does not, and no further than its bound', () => {
  const n = 2000, late = passed([jitter(20 * MS, stream('late'))], n);
  assert.equal(late.map((f) => f.number), Array.from({ length: n }, (_, i) => i));
  const mixed = passed([reordering(0.1, 5 * MS, stream('mixed'))], n);
  assert.is(mixed.length, n);
  // Of the frames that are late by up to 5 ms, those by more than 1 ms let the next pass: four of five.
  const overtaken = mixed.filter((f, i) => mixed.slice(0, i).some((g) => g.number > f.number)).length;
  near(overtaken, 0.1 * 0.8 * n, Math.sqrt(0.08 * 0.92 * n));
  for (const [i, f] of mixed.entries()) {
    const delay = f.time - f.number * MS;
    assert.ok(delay >= 10_100_000 && delay < 15_100_000, `frame ${f.number} took ${delay} ns`);
    // The gap: a frame is behind at most the five that came within its delay.
    assert.ok(i - f.number <= 5, `frame ${f.number} came as number ${i}`);
  }
});
test('a rule that was removed strikes no more, and the others go on', () => {
  const sim = new Simulation(1), origin = { id: sim.register(), name: 'test' };
  let got = 0;
  const c = new Channel(sim, origin, { rate: 0, delay: 0 }, new DropTail(100), stream('flips'), new Flight(sim, () => { got++; }));
  const remove = c.add(bernoulliLoss(1, stream('all')));
  c.add(listLoss([3]));
  for (let i = 0; i < 5; i++) {
    if (i === 1) remove();
    c.send(Packet.copy(EMPTY));
    sim.run(sim.now + MS);
  }
  assert.equal([got, c.stats.lost], [3, 2]);
});

test.run();
