// What every vif type must do, over a cable between two of them.
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { readdirSync } from 'node:fs';
import * as A from '../../host/abi/constants.js';
import { loadNative } from '../../host/native.js';
import { Loop } from '../../host/threads/loop.js';
import type { Vif } from '../../host/vif.js';
import { SLOT, frame, same, type Rig } from './rig.js';
import { inspect, superFrame } from './segments.js';

const native = loadNative();

export interface Cable {
  a: Vif;
  b: Vif;
  ra: Rig;
  rb: Rig;
  /** Make b unreachable and reachable again. */
  cut?(): void;
  mend?(): void;
  /** Throws if something of the cable is left after both ends were closed. */
  gone(): void;
}

export interface CableType {
  name: string;
  make(): Cable;
  /** A full cable holds frames back; otherwise it loses them, as a kernel's queue does. */
  holdsBack: boolean;
  /** Super-segments pass whole. */
  whole: boolean;
  /** No offload at all: neither super-segments nor partial checksums are taken. */
  plain?: boolean;
}

const openFds = (): number => readdirSync('/proc/self/fd').length;

function withCable(type: CableType, fn: (c: Cable) => void): void {
  const before = openFds(), c = type.make();
  let failed: unknown;
  try {
    // Both ends see the link before anything is sent.
    c.ra.until(() => true, 1, [c.rb]);
    fn(c);
  } catch (error) {
    failed = error;
  }
  c.a.close();
  c.b.close();
  try {
    c.gone();
  } catch (error) {
    failed ??= error;
  }
  if (failed) throw failed;
  assert.is(openFds(), before, 'descriptors left open');
}

/** Frames of the tests only: what the host says by itself is not ours to judge. */
function equalFrames(rig: Rig, want: Uint8Array[]): void {
  assert.is(rig.received.length, want.length, 'number of frames');
  for (let i = 0; i < want.length; i++) same(rig.received[i].bytes, want[i], `frame ${i}`);
}

export function conformance(test: Test, type: CableType): void {
  const it = (what: string, fn: (c: Cable) => void): void => test(`${type.name}: ${what}`, () => withCable(type, fn));

  it('frames of every size, both ways, in order', ({ ra, rb, a, b }) => {
    const sizes = Array.from({ length: a.mtu + 14 - 14 + 1 }, (_, i) => 14 + i), there = sizes.map((n) => frame(n)), back = sizes.map((n) => frame(n, n + 5000));
    // In portions that no queue on the way refuses.
    for (let i = 0; i < sizes.length; i += 100) {
      ra.send(...there.slice(i, i + 100));
      rb.send(...back.slice(i, i + 100));
      const n = Math.min(i + 100, sizes.length);
      assert.ok(ra.until(() => rb.received.length >= n && ra.received.length >= n, 2000, [rb]), `${rb.received.length} and ${ra.received.length} of ${n}`);
    }
    equalFrames(rb, there);
    equalFrames(ra, back);
    assert.is(a.stats().txFrames, sizes.length);
    assert.is(a.stats().txBytes, there.reduce((n, f) => n + f.length, 0));
    assert.is(b.stats().rxFrames, sizes.length);
    assert.is(b.stats().rxBytes, a.stats().txBytes);
    assert.is(a.stats().txDropped + a.stats().txInvalid + b.stats().rxDropped, 0);
    assert.is(b.stats().rxDropped, 0, 'asking twice');
  });

  if (type.plain) it('super-segments, partial checksums and frames that are too long are dropped and counted', ({ ra, rb, a }) => {
    const wrong = [superFrame(4, 'tcp', 62000, 1400), superFrame(6, 'udp', 1000, 300), superFrame(4, 'udp', 300, 0), { bytes: frame(a.mtu + 400) }, { bytes: frame(14).subarray(0, 13) }];
    // Between good ones, which none may take along.
    for (const [i, f] of wrong.entries()) ra.send(frame(100, i), f);
    assert.is(a.features, 0);
    assert.ok(ra.until(() => rb.received.length >= wrong.length, 2000, [rb]));
    ra.until(() => false, 20, [rb]);
    equalFrames(rb, wrong.map((_, i) => frame(100, i)));
    assert.is(a.stats().txDropped, wrong.length);
  });

  if (!type.plain) it('super-segments of TCP and UDP over both families', ({ ra, rb }) => {
    for (const [v, proto] of [[4, 'tcp'], [6, 'tcp'], [4, 'udp'], [6, 'udp']] as const) {
      const size = proto === 'tcp' ? 62000 : 40000, big = superFrame(v, proto, size, 1400);
      const want = inspect(big);
      assert.ok(want.good);
      for (const [from, to] of [[ra, rb], [rb, ra]]) {
        to.received.length = 0;
        from.send(big);
        const bytes = (): number => to.received.reduce((n, f) => n + inspect(f).payload.length, 0);
        assert.ok(ra.until(() => bytes() >= size, 2000, [rb]), `IPv${v} ${proto}: ${bytes()} of ${size} bytes in ${to.received.length} frames`);
        same(Buffer.concat(to.received.map((f) => inspect(f).payload)), want.payload, 'payload');
        assert.ok(to.received.every((f) => inspect(f).good), `IPv${v} ${proto}: checksum`);
        if (!type.whole) continue;
        const [f] = to.received;
        assert.is(to.received.length, 1, 'whole');
        assert.is(f.gsoType! & ~A.Vnet.GSO_ECN, big.gsoType);
        assert.is(f.gsoSize, 1400);
        assert.is(f.csumStart, big.csumStart);
        assert.is(f.csumOffset, big.csumOffset);
      }
    }
  });

  if (!type.plain) it('a partial checksum without segmentation', ({ ra, rb }) => {
    const small = superFrame(4, 'udp', 300, 0);
    ra.send(small);
    assert.ok(ra.until(() => rb.received.length > 0, 2000, [rb]));
    assert.ok(inspect(rb.received[0]).good);
    same(inspect(rb.received[0]).payload, inspect(small).payload, 'payload');
  });

  it('a burst longer than ring and descriptors arrives whole and in order', ({ ra, rb }) => {
    rb.post = 5;
    const want = Array.from({ length: 1000 }, (_, i) => frame(200, i));
    for (let i = 0; i < want.length; i += type.holdsBack ? 1000 : 250) {
      ra.send(...want.slice(i, i + (type.holdsBack ? 1000 : 250)));
      assert.ok(ra.until(() => rb.received.length >= Math.min(want.length, i + 250) && ra.inRing === 0, 3000, [rb]));
    }
    assert.ok(ra.until(() => rb.received.length >= want.length, 3000, [rb]));
    equalFrames(rb, want);
  });

  it('a loop is woken for frames and for room', (c) => {
    const la = new Loop(c.ra.core, native), lb = new Loop(c.rb.core, native);
    try {
      la.attachVif(SLOT, c.a);
      lb.attachVif(SLOT, c.b);
      const n = 3000, want = Array.from({ length: n }, (_, i) => frame(1200, i));
      let sent = 0;
      const end = performance.now() + 5000;
      while (c.rb.received.length < n && performance.now() < end) {
        // A lossy cable gets no more than its queues hold, the other one everything at once.
        if (type.holdsBack ? !sent : c.rb.received.length === sent) {
          const more = want.slice(sent, type.holdsBack ? n : sent + 200);
          sent += more.length;
          c.ra.send(...more);
          la.requestPoll();
        }
        la.turn(1e6);
        // The receiver is slow, so that a sender that can be held back is.
        if (la.stack.busy === false || !type.holdsBack) lb.turn(1e6);
      }
      equalFrames(c.rb, want);
      // Idle loops sleep.
      const t = performance.now();
      for (let i = 0; i < 10; i++) lb.turn(2e6);
      assert.ok(performance.now() - t > 15, 'spins');
    } finally {
      la.close();
      lb.close();
    }
  });

  it('without receive buffers nothing is lost by the vif', ({ ra, rb }) => {
    rb.post = 0;
    rb.stack.turn(); // the buffers of the first poll are gone now
    const before = rb.received.length;
    ra.send(...Array.from({ length: 20 }, (_, i) => frame(100, i)));
    ra.until(() => false, 20, [rb]);
    assert.is(rb.received.length, before);
    rb.post = A.RX_RING;
    assert.ok(ra.until(() => rb.received.length === before + 20, 2000, [rb]));
  });

  it('a receiver that does not read: back-pressure or counted loss, then traffic goes on', ({ ra, rb, a, b }) => {
    const n = 20000;
    for (let i = 0; i < n; i++) ra.send(frame(1000, i));
    let left = -1, since = 0;
    // Until all is sent, or nothing has moved for a while.
    ra.until(() => {
      if (left !== ra.inRing + ra.queued.length) {
        left = ra.inRing + ra.queued.length;
        since = performance.now();
      }
      return left === 0 || performance.now() - since > 50;
    }, 10000);
    if (type.holdsBack) {
      assert.ok(ra.inRing > 0, 'held back');
      assert.ok(ra.until(() => rb.received.length === n, 5000, [rb]), `${rb.received.length} arrived`);
      assert.is(new DataView(rb.received[n - 1].bytes.buffer).getUint32(14), n - 1);
      assert.is(a.stats().txDropped, 0);
    } else {
      assert.is(ra.inRing + ra.queued.length, 0);
      // Read until nothing has come for a while.
      for (let last = -1; last !== rb.received.length;) {
        last = rb.received.length;
        rb.until(() => false, 50);
      }
      assert.ok(rb.received.length > 0 && rb.received.length <= n);
      if (b.dev !== 'nuse-eth0') assert.is(rb.received.length + b.stats().rxDropped, n, 'loss is counted');
    }
    const seen = rb.received.length;
    ra.send(frame(333, 7));
    assert.ok(ra.until(() => rb.received.length > seen, 2000, [rb]));
    same(rb.received[rb.received.length - 1].bytes, frame(333, 7));
  });

  it('descriptors that lie are skipped and counted', ({ ra, rb, a }) => {
    const { view } = ra.mem, last = ra.mem.u8.length;
    const lies: ((d: number) => void)[] = [
      (d) => view.setUint16(d + A.TXD_NFRAGS, 0, true),
      (d) => view.setUint16(d + A.TXD_NFRAGS, 65535, true),
      (d) => view.setUint32(d + A.TXD_FRAGS, last - 4, true),
      (d) => view.setUint32(d + A.TXD_FRAGS, 0xfffffff0, true),
      (d) => view.setUint32(d + A.TXD_LEN, 99, true),
      (d) => view.setUint32(d + A.TXD_LEN, 0, true),
    ];
    for (const lie of lies) {
      ra.send(frame(60, 1));
      const d = ra.nextDescriptor, turn = a.tx.bind(a);
      a.tx = (max) => { lie(d); return turn(max); };
      ra.stack.turn();
      a.tx = turn;
    }
    ra.send(frame(61, 2));
    assert.ok(ra.until(() => rb.received.length > 0, 2000, [rb]));
    equalFrames(rb, [frame(61, 2)]);
    assert.is(a.stats().txInvalid, lies.length);
    assert.is(ra.inRing, 0);
  });

  it('a peer that goes down and comes back', (c) => {
    if (!c.cut || !c.mend) return;
    const { ra, rb, a } = c;
    ra.send(frame(100, 1));
    assert.ok(ra.until(() => rb.received.length === 1, 2000, [rb]));
    c.cut();
    ra.until(() => false, 20);
    ra.send(...Array.from({ length: 600 }, (_, i) => frame(100, i)));
    assert.ok(ra.until(() => ra.inRing === 0 && ra.queued.length === 0), 'the ring empties');
    assert.is(a.stats().txDropped, 600);
    c.mend();
    ra.until(() => false, 300, [c.rb]);
    c.rb.received.length = 0;
    ra.send(frame(100, 9));
    c.rb.send(frame(100, 10));
    ra.received.length = 0;
    assert.ok(ra.until(() => c.rb.received.length === 1 && ra.received.length === 1, 2000, [c.rb]), 'traffic again');
    equalFrames(c.rb, [frame(100, 9)]);
    equalFrames(ra, [frame(100, 10)]);
  });
}
