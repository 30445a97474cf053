// Frames for all workers: which they are, that each of the others gets them as they came, marked, and what a full ring does.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import { FRAME_RING_BYTES, RX_MORE, type Vif } from '../../host/vif.js';
import { isSteered, relayed } from '../../io-backends/workers/relay.js';
import { arp, ethernet, ipv4, ipv6, type Bytes } from '../harness/packet.js';
import { Rig, SLOT, type Frame } from './rig.js';

const test = suite('relay between workers');
const X = '02:00:00:00:00:01', Y = '02:00:00:00:00:02', A4 = '192.0.2.1', B4 = '192.0.2.2', A6 = '2001:db8::1', B6 = '2001:db8::2';
const four = (proto: number, o = {}): Bytes => ethernet(X, Y, 0x0800, ipv4({ src: A4, dst: B4, proto, ...o }, new Uint8Array(20)));
const six = (next: number): Bytes => ethernet(X, Y, 0x86dd, ipv6({ src: A6, dst: B6, next }, new Uint8Array(20)));
const ARP = ethernet(X, Y, 0x0806, arp(1, Y, A4, '00:00:00:00:00:00', B4));

test('TCP and UDP go by their flow, everything else to all', () => {
  const steered = (b: Bytes, n = b.length): boolean => isSteered(b, 0, n);
  for (const b of [four(6), four(17), four(6, { options: [1, 1, 1, 0] }), four(6, { frag: 0x4000 }), six(6), six(17)]) assert.ok(steered(b));
  for (const b of [four(1), four(2), four(136), four(17, { frag: 0x2000 }), four(17, { frag: 1 }), six(58), six(0), six(44), six(60), six(136), ARP]) assert.not(steered(b));
  for (const b of [four(6), six(6)]) assert.not(steered(b, 30));
});

/** A vif that receives what it is told to. */
class Script implements Vif {
  readonly name = 'eth0';
  readonly mac = X;
  readonly mtu = 1500;
  readonly features = 0;
  readonly dev = 'script';
  readonly fd = -1;
  readonly pollOut = false;
  readonly frames: Frame[] = [];
  failure = 0;
  private rig?: Rig;
  of(rig: Rig): this {
    this.rig = rig;
    return this;
  }
  attach(): void { /* the rig is known */ }
  rx(first: number, max: number): number {
    if (this.failure) return this.failure;
    const { mem } = this.rig!;
    let n = 0;
    for (; n < max && this.frames.length; n++) {
      const f = this.frames.shift()!, d = A.RX_DESC + (first + n) * A.RX_DESC_SIZE;
      mem.u8.set(f.bytes, mem.u32[(d + A.RXD_BUF) >>> 2]);
      mem.u32[(d + A.RXD_LEN) >>> 2] = f.bytes.length;
      mem.u16[(d + A.RXD_VIF) >>> 1] = SLOT;
      mem.u8[d + A.RXD_FLAGS] = f.flags ?? 0;
      mem.u8[d + A.RXD_GSO_TYPE] = 0;
      mem.u16[(d + A.RXD_GSO_SIZE) >>> 1] = mem.u16[(d + A.RXD_HDR_LEN) >>> 1] = 0;
      mem.u16[(d + A.RXD_CSUM_START) >>> 1] = f.csumStart ?? 0;
      mem.u16[(d + A.RXD_CSUM_OFFSET) >>> 1] = 0;
    }
    return n | (this.frames.length ? RX_MORE : 0);
  }
  tx(): number { return 0; }
  stats() { return { rxFrames: 0, rxBytes: 0, rxDropped: 0, txFrames: 0, txBytes: 0, txDropped: 0, txInvalid: 0 }; }
  close(): void { /* nothing is open */ }
}

interface Worker { rig: Rig; script: Script; vif: Vif }
/** Worker 0 and two others; `woken`: which of them were signalled. */
function group(woken: number[]): Worker[] {
  const rings = [0, 1].map(() => new SharedArrayBuffer(FRAME_RING_BYTES)), bells = [100, 101];
  return [{ rings, bells }, { rings: [rings[0]], bells: [], bell: 100 }, { rings: [rings[1]], bells: [], bell: 101 }].map((relay) => {
    const rig = new Rig(), script = new Script().of(rig), vif = relayed(script, relay, (bell) => woken.push(bell));
    rig.attach(vif);
    return { rig, script, vif };
  });
}
const turn = (w: Worker): Frame[] => {
  w.rig.received.length = 0;
  for (const p of w.rig.stack.ports) p.readable = true;
  for (let before = -1; before !== w.rig.received.length;) {
    before = w.rig.received.length;
    w.rig.stack.turn();
  }
  return w.rig.received.map((f) => ({ bytes: f.bytes, flags: f.flags }));
};

test('a frame for all is in every worker once, as it came and marked; one of a flow is not; who sleeps is signalled once', () => {
  const woken: number[] = [], [leader, ...others] = group(woken), plain = four(6), all = [ARP, four(1), six(58)];
  for (const o of others) assert.equal(turn(o), []);
  assert.is(others[0].vif.bell, 100);
  leader.script.frames.push({ bytes: plain, flags: A.Vnet.F_DATA_VALID | A.RX_SHARED }, ...all.map((bytes) => ({ bytes, flags: A.Vnet.F_DATA_VALID })));
  assert.equal(turn(leader), [{ bytes: plain, flags: A.Vnet.F_DATA_VALID }, ...all.map((bytes) => ({ bytes, flags: A.Vnet.F_DATA_VALID | A.RX_SHARED }))]);
  assert.equal(woken, [100, 101]);
  leader.script.frames.push({ bytes: ARP });
  turn(leader);
  assert.equal(woken, [100, 101], 'awake by now');
  for (const o of others) {
    o.script.frames.push({ bytes: plain, flags: A.RX_SHARED });
    assert.equal(turn(o), [...all.map((bytes) => ({ bytes, flags: A.Vnet.F_DATA_VALID | A.RX_SHARED })), { bytes: ARP, flags: A.RX_SHARED }, { bytes: plain, flags: 0 }]);
    assert.is(o.vif.stats().rxFrames, 4);
  }
  leader.script.frames.push({ bytes: ARP });
  turn(leader);
  assert.equal(woken, [100, 101, 100, 101]);
});

test('a worker that does not look loses frames, counted; the others do not', () => {
  const [leader, one, two] = group([]), big = ethernet(X, Y, 0x0800, ipv4({ src: A4, dst: B4, proto: 1 }, new Uint8Array(1480)));
  let got = 0;
  for (let i = 0; i < 40; i++) {
    for (let k = 0; k < 50; k++) leader.script.frames.push({ bytes: big });
    assert.is(turn(leader).length, 50);
    got += turn(one).length;
  }
  assert.is(got, 2000);
  const kept = turn(two).length;
  assert.ok(kept > 600 && kept < 2000);
  assert.is(leader.vif.stats().rxDropped, 2000 - kept);
  assert.ok(turn(two).every((f) => f.bytes.length === big.length));
});

test('a device that fails after frames of the ring: those first, then the failure', () => {
  const [leader, one] = group([]);
  leader.script.frames.push({ bytes: ARP });
  turn(leader);
  one.script.failure = -100;
  assert.is(one.vif.rx(0, 8), 1 | RX_MORE);
  assert.is(one.vif.rx(0, 8), -100);
});

test.run();
