// FQ-CoDel (RFC 8290): deficits, new and old flows, what an overfull queue drops, which bytes make a flow.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FqCodel } from '../../host/sim/fq_codel.js';
import { Packet } from '../../host/sim/packet.js';

const test = suite('sim: fq_codel');
const MS = 1e6;

/** A frame of IPv4 and UDP, whose flow is a letter; `bytes` with everything. */
function frame(flow: string, bytes: number): Uint8Array {
  const f = new Uint8Array(bytes);
  f.set([8, 0, 0x45], 12);
  f[23] = 17;
  f.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  f.set([0, flow.charCodeAt(0), 0, 53], 34);
  return f;
}
class Queue {
  readonly fq: FqCodel;
  constructor(limit = 1000, label = 'test') { this.fq = new FqCodel({ limit, target: 5 * MS, interval: 100 * MS }, 1, label); }
  add(flow: string, bytes: number, n = 1, at = 0): this {
    for (let i = 0; i < n; i++) this.fq.enqueue(Object.assign(Packet.copy(frame(flow, bytes)), { enqueued: at }));
    return this;
  }
  /** Letters of the next n frames, `-` for none. */
  take(n: number, at = 0): string {
    let out = '';
    for (let i = 0; i < n; i++) {
      const p = this.fq.dequeue(at);
      out += p ? String.fromCharCode(p.frame[35]) : '-';
    }
    return out;
  }
}

test('two flows of equal frames take turns', () => { assert.is(new Queue().add('A', 1514, 4).add('B', 1514, 4).take(9), 'ABABABAB-'); });
test('deficits: a quantum of 1514 bytes, what is overdrawn is paid back in the next round', () => {
  // B sends 3 x 514 = 1542 with each quantum and owes 28 more after each round; after 18 it owes 504, and 2 frames of it are 1028 > 1010.
  const q = new Queue().add('A', 1514, 40).add('B', 514, 120), rounds = q.take(70);
  assert.is(rounds.slice(0, 12), 'ABBBABBBABBB');
  assert.is(rounds, `${'ABBB'.repeat(17)}AB`);
  assert.is(q.take(6), 'BBABBA');
});
test('a flow that comes anew goes before those that have been served', () => {
  const q = new Queue().add('A', 1514, 10);
  assert.is(q.take(3), 'AAA');
  q.add('C', 100);
  assert.is(q.take(2), 'CA');
});
test('an emptied new flow waits behind the old ones before it is new again', () => {
  // A has been through its first quantum and is an old flow with 528 bytes left.
  const q = new Queue().add('A', 500, 20);
  assert.is(q.take(5), 'AAAAA');
  q.add('C', 100);
  assert.is(q.take(2), 'CA');
  // C was found empty and is the last of the old flows: its next frame has no precedence over what A has left.
  q.add('C', 100);
  assert.is(q.take(3), 'ACA');
  // Found empty once more there, it is on no list: the next is new.
  q.add('C', 100);
  assert.is(q.take(2), 'CA');
});
test('a full queue drops from the head of the flow with most bytes, whoever came', () => {
  const q = new Queue(5).add('A', 1000).add('A', 1001).add('B', 100, 4);
  assert.equal([q.fq.length, q.fq.bytes, q.fq.dropped], [5, 1401, 1]);
  assert.is(q.take(6), 'ABBBB-');
});
test('each flow has a CoDel of its own: one that waits long loses, one that does not keeps all', () => {
  const q = new Queue(10_000).add('A', 1000, 2000);
  let sent = 0, got = 0;
  for (let t = 10; t < 500; t++) {
    if (t % 10 === 0) {
      q.add('C', 100, 1, t * MS);
      sent++;
    }
    got += [...q.take(t % 10 ? 1 : 2, t * MS)].filter((f) => f === 'C').length;
  }
  assert.is(got, sent);
  // 110, 210, 281, 339, 389, 434, 474 as for CoDel alone.
  assert.is(q.fq.dropped, 7);
});

/** Whether frames share a queue: then the first one's four go before the other's. */
function together(a: Uint8Array, b: Uint8Array, label = 'test'): boolean {
  const q = new FqCodel({ limit: 100, target: 5 * MS, interval: 100 * MS }, 1, label);
  const [first, second, other] = [a, a, b].map((f) => Packet.copy(f));
  for (const p of [first, second, other]) q.enqueue(p);
  q.dequeue(0);
  return q.dequeue(0) === second;
}
const changed = (f: Uint8Array, at: number, value: number): Uint8Array => {
  const out = f.slice();
  out[at] = value;
  return out;
};
test('a flow is made by addresses, protocol and ports; of fragments by addresses and protocol', () => {
  const a = frame('A', 1514);
  for (const [at, what] of [[29, 'source'], [33, 'destination'], [23, 'protocol'], [35, 'source port'], [37, 'destination port']] as const)
    assert.not(together(a, changed(a, at, 99)), what);
  for (const [at, what] of [[15, 'traffic class'], [19, 'identification'], [22, 'hop limit'], [60, 'payload']] as const) assert.ok(together(a, changed(a, at, 99)), what);
  const fragment = changed(a, 21, 185);
  assert.ok(together(fragment, changed(fragment, 35, 99)), 'ports of a fragment are payload');
});
test('of IPv6 by addresses, next header and ports', () => {
  const a = new Uint8Array(1514);
  a.set([0x86, 0xdd, 0x60], 12);
  a[20] = 6;
  a[37] = 1;
  for (const [at, what] of [[37, 'source'], [53, 'destination'], [55, 'source port'], [57, 'destination port']] as const) assert.not(together(a, changed(a, at, 99)), what);
  for (const [at, what] of [[16, 'flow label'], [21, 'hop limit'], [70, 'payload']] as const) assert.ok(together(a, changed(a, at, 99)), what);
});
test('flows that collide in one queue part in another, whose hash is salted by its name', () => {
  const a = frame('A', 1514), others = Array.from({ length: 20_000 }, (_, i) => changed(changed(a, 34, i >> 8), 35, i & 255)).filter((f) => f[34] || f[35] !== 65);
  const colliding = others.filter((f) => together(a, f));
  // 20 000 flows in 1024 queues: about 20 beside A.
  assert.ok(colliding.length > 5 && colliding.length < 50, String(colliding.length));
  assert.ok(colliding.filter((f) => together(a, f, 'other')).length < colliding.length / 2);
});

test.run();
