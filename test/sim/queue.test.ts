// Queues against sequences computed by hand: drop-tail, RED (Floyd, Jacobson 1993), CoDel (RFC 8289).
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Packet } from '../../host/sim/packet.js';
import { Codel, DropTail, Red, type PacketQueue } from '../../host/sim/queue.js';
import type { RandomStream } from '../../host/sim/random.js';

const test = suite('sim: queues');
const MS = 1e6;
const packet = (bytes: number, enqueued = 0): Packet => Object.assign(Packet.copy(new Uint8Array(bytes)), { enqueued });
/** Everything that is left, by length. */
const drain = (q: PacketQueue): number[] => {
  const out: number[] = [];
  for (let p = q.dequeue(0); p; p = q.dequeue(0)) out.push(p.frame.length);
  return out;
};

test('drop-tail by packets: the newest is dropped', () => {
  const q = new DropTail(3);
  for (const bytes of [100, 200, 300, 400, 500]) q.enqueue(packet(bytes));
  assert.equal([q.length, q.bytes, q.dropped], [3, 600, 2]);
  assert.equal(drain(q), [100, 200, 300]);
});
test('drop-tail by bytes: what does not fit is dropped, what fits still comes in', () => {
  const q = new DropTail(100, 1000);
  for (const bytes of [600, 401, 400, 1]) q.enqueue(packet(bytes));
  assert.equal([q.length, q.bytes, q.dropped], [2, 1000, 2]);
  assert.equal(drain(q), [600, 400]);
  q.enqueue(packet(1000));
  assert.equal(drain(q), [1000]);
});
test('a long queue keeps order and counts', () => {
  const q = new DropTail(1e6);
  let out = 0;
  for (let i = 1; i <= 1000; i++) {
    q.enqueue(packet(i));
    q.enqueue(packet(i));
    assert.is(q.dequeue()!.frame.length, Math.ceil(++out / 2));
  }
  assert.is(q.length, 1000);
  assert.is(q.bytes, 2 * 500500 - 2 * 125250);
});

/** A RED queue whose draws are seen and decided: the probabilities it asked for. */
function red(options: { limit?: number; min: number; max: number; probability: number }, verdicts: boolean[] = []): { queue: Red; asked: number[] } {
  const asked: number[] = [];
  const random = { chance: (p: number) => { asked.push(p); return verdicts.shift() ?? false; } };
  return { queue: new Red({ limit: 10_000, ...options }, random as unknown as RandomStream, () => 1 * MS), asked };
}
const W = 1 / 512;
/** The average after n more packets than the first have come and none has gone: the sum of k w (1-w)^(n-k). */
const ramp = (n: number): number => n - (1 - W) / W * (1 - (1 - W) ** n);
const close = (a: number, b: number): void => { assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`); };

test('RED: the probability rises with the average from min, and with the packets since the last drop', () => {
  const { queue, asked } = red({ min: 5, max: 15, probability: 0.01 });
  for (let i = 0; i <= 120; i++) queue.enqueue(packet(100), 0);
  const first = Array.from({ length: 121 }, (_, n) => n).find((n) => ramp(n) >= 5)!;
  assert.is(first, 73);
  assert.is(asked.length, 121 - first);
  asked.forEach((p, since) => {
    const base = 0.01 * (ramp(first + since) - 5) / 10;
    close(p, base / (1 - since * base));
  });
});
test('RED: a drop starts the count anew and leaves the queue as it is', () => {
  const { queue, asked } = red({ min: 5, max: 15, probability: 0.1 }, [false, false, true]);
  for (let i = 0; i <= 77; i++) queue.enqueue(packet(100), 0);
  assert.is(queue.dropped, 1);
  assert.is(queue.length, 77);
  // The 75th after the first was dropped and did not lengthen the queue: the next finds the same length.
  const average = (1 - W) * ramp(75) + W * 75, base = 0.1 * (average - 5) / 10;
  close(asked[3], base / (1 - base));
});
test('RED: from max on everything is dropped, without a draw', () => {
  const { queue, asked } = red({ min: 1, max: 2, probability: 0.001 });
  for (let n = 0; n < 200; n++) queue.enqueue(packet(100), 0);
  const full = Array.from({ length: 200 }, (_, n) => n).find((n) => ramp(n) >= 2)!;
  assert.is(queue.length, full);
  assert.is(queue.dropped, 200 - full);
  assert.is(asked.length, full - Array.from({ length: 200 }, (_, n) => n).find((n) => ramp(n) >= 1)!);
});
test('RED: idle time lowers the average as so many empty queues would', () => {
  const { queue, asked } = red({ min: 5, max: 15, probability: 0.01 });
  for (let i = 0; i <= 100; i++) queue.enqueue(packet(100), 0);
  while (queue.dequeue(0));
  const before = asked.length;
  // 300 packets of 1 ms: the average of 9.1 falls to 5.1, and that is above min still; 20 more, and it is not.
  queue.enqueue(packet(100), 300 * MS);
  assert.is(asked.length, before + 1);
  const since = before, base = 0.01 * (ramp(100) * (1 - W) ** 300 - 5) / 10;
  close(asked[before], base / (1 - since * base));
  queue.dequeue(300 * MS);
  queue.enqueue(packet(100), 320 * MS);
  assert.is(asked.length, before + 1);
});

/** A CoDel queue that has been above its target since time 0, and the times (whole ms) at which it drops. */
class Law {
  readonly queue = new Codel({ limit: 100_000, target: 5 * MS, interval: 100 * MS });
  readonly drops: number[] = [];
  fill(n: number, at = 0): void { for (let i = 0; i < n; i++) this.queue.enqueue(packet(1000, at)); }
  /** One packet goes each ms of [from, to]. */
  serve(from: number, to: number): void {
    for (let t = from; t <= to; t++) {
      const before = this.queue.dropped;
      this.queue.dequeue(t * MS);
      for (let n = before; n < this.queue.dropped; n++) this.drops.push(t);
    }
  }
}

test('CoDel: nothing for an interval, then drops at intervals of 100 ms by the root of their number', () => {
  const c = new Law();
  c.fill(2000);
  c.serve(10, 620);
  // 110, + 100, + 70.71, + 57.74, + 50, + 44.72, + 40.82, + 37.80, + 35.36, + 33.33, + 31.62: each at the next ms.
  assert.equal(c.drops, [110, 210, 281, 339, 389, 434, 474, 512, 548, 581, 613]);
});
test('CoDel: sleeps of less than the target, and a queue of one packet, drop nothing', () => {
  const short = new Law();
  for (let t = 0; t < 1000; t++) {
    short.fill(2, t);
    short.serve(t + 2, t + 2);
    short.serve(t + 2, t + 2);
  }
  assert.equal(short.drops, []);
  // Late by 20 ms, but what is left behind each packet is less than one of the largest.
  const single = new Law();
  single.fill(2);
  for (let t = 20; t < 1000; t += 10) {
    single.serve(t, t);
    single.fill(1, t);
  }
  assert.equal(single.drops, []);
});
test('CoDel: one packet below the target ends the dropping; soon after, it goes on at the rate of before', () => {
  const c = new Law();
  c.fill(505);
  // 495 ms, one packet each, and seven drops: four are left, of which the last is too little to count as a queue.
  c.serve(10, 501);
  assert.equal(c.drops, [110, 210, 281, 339, 389, 434, 474]);
  while (c.queue.dequeue(502 * MS));
  c.fill(2000, 510);
  c.serve(520, 760);
  // Above since 520, so a drop at 620; seven drops less the one of the first time are six: + 40.82, + 37.80, + 35.36.
  assert.equal(c.drops.slice(7), [620, 661, 699, 734]);
});
test('CoDel: a long while after, it starts from one again', () => {
  const c = new Law();
  c.fill(500);
  c.serve(10, 490);
  while (c.queue.dequeue(491 * MS));
  c.fill(2000, 2500);
  c.serve(2510, 2750);
  assert.equal(c.drops.slice(-2), [2610, 2710]);
});
test('CoDel: a packet that comes to a full queue is dropped', () => {
  const q = new Codel({ limit: 2, target: 5 * MS, interval: 100 * MS });
  for (const bytes of [1, 2, 3]) q.enqueue(packet(bytes));
  assert.equal([q.length, q.dropped], [2, 1]);
});

test.run();
