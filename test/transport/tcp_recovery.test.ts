// Loss recovery and congestion control: exact segments for exact losses, with the numbers Linux gives.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { TcpPeer, type ConnectOptions } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp recovery');
const MSS = 1000;
const OPTS = { mss: MSS, sackOk: true, wscale: 7 };
/** Segments a..b as sent two at a time: as on Linux the last of a super-segment carries PSH. */
const range = (a: number, b: number): string[] => Array.from({ length: b - a }, (_, i) => `${i % 2 ? 'P.' : '.'} ${1 + (a + i) * MSS}:${1 + (a + i + 1) * MSS}(${MSS}) ack 1`);

async function open(o: ConnectOptions = {}): Promise<TcpPeer> {
  const p = new TcpPeer(await TestHost.create());
  p.accepted({ opts: OPTS, rtt: 50, ...o });
  return p;
}

test('initial window of 10, one more per acknowledged segment in slow start', async () => {
  const p = await open();
  assert.is(p.cwnd, 10);
  assert.ok(p.write(30 * MSS) >= 20 * MSS);
  p.expect(...range(0, 10));
  p.advance(20);
  p.tx('.', 1, 1 + 2 * MSS);
  assert.is(p.cwnd, 12);
  p.expect(...range(10, 14));
});

test('a write larger than the window goes out in order, the last with PSH', async () => {
  const p = await open();
  p.write(4 * MSS + 200);
  p.expect(...range(0, 4), `P. 4001:4201(200) ack 1`);
});

test('fast retransmit by SACK: three segments above the hole', async () => {
  const p = await open();
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + MSS, 1 + 2 * MSS]] } });
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + MSS, 1 + 3 * MSS]] } });
  p.quiet();
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + MSS, 1 + 4 * MSS]] } });
  p.expect('. 1:1001(1000) ack 1');
  assert.is(p.info(1, 1), 3); // Recovery
  assert.is(p.info(32), 1); // lost
  assert.is(p.info(76), 7); // ssthresh: CUBIC, 0.7 of 10
  assert.is(p.h.core.mib('TcpExtTCPSackRecovery'), 1);
  p.tx('.', 1, 1 + 10 * MSS);
  assert.is(p.info(1, 1), 0);
  assert.is(p.cwnd, 8); // 7, and CUBIC's first step
});

test('SACK: what an older block has gained when a newer one comes first was not overtaken', async () => {
  const p = await open(), REORD_SEEN = 220;
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + MSS, 1 + 2 * MSS]] } });
  // Two more behind the first, a hole, and one: in one ACK, the newest first (RFC 2018 4).
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + 5 * MSS, 1 + 6 * MSS], [1 + MSS, 1 + 4 * MSS]] } });
  assert.is(p.info(REORD_SEEN), 0);
  assert.equal(p.all().map((s) => p.text(s)).slice(0, 2), ['. 1:1001(1000) ack 1', '. 4001:5001(1000) ack 1']);
  // What comes with a later ACK was.
  const q = await open();
  q.write(10 * MSS);
  q.advance(50);
  q.tx('.', 1, 1, [], { opts: { sack: [[1 + 5 * MSS, 1 + 6 * MSS]] } });
  q.tx('.', 1, 1, [], { opts: { sack: [[1 + 3 * MSS, 1 + 4 * MSS], [1 + 5 * MSS, 1 + 6 * MSS]] } });
  assert.is(q.info(REORD_SEEN), 1);
});

test('reneging: what is delivered a second time is no sample of the delivery rate', async () => {
  const p = await open(), DELIVERY_RATE = 160;
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1 + MSS, [], { opts: { sack: [[1 + 2 * MSS, 1 + 10 * MSS]] } });
  p.all();
  p.advance(50);
  p.tx('.', 1, 1 + 2 * MSS); // and what was sacked is gone
  const rate = p.info(DELIVERY_RATE);
  p.advance(60);
  assert.is(p.h.core.mib('TcpExtTCPSACKReneging'), 1);
  assert.ok(p.all().length > 0);
  p.advance(50);
  for (let una = 3; una <= 10; una++) p.tx('.', 1, 1 + una * MSS);
  assert.is(p.info(DELIVERY_RATE), rate);
  assert.is(p.info(1, 1), 0);
  p.write(4 * MSS);
  p.all();
  p.advance(100);
  p.tx('.', 1, 1 + 14 * MSS);
  assert.is.not(p.info(DELIVERY_RATE), rate);
});

test('RACK marks two holes at once; retransmissions are paced by PRR', async () => {
  const p = await open();
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + 4 * MSS, 1 + 10 * MSS]] } });
  const r = p.all().map((s) => p.text(s));
  assert.ok(r.length >= 1 && r[0] === '. 1:1001(1000) ack 1', r.join('\n'));
  p.tx('.', 1, 1 + 4 * MSS, [], { opts: { sack: [[1 + 4 * MSS, 1 + 10 * MSS]] } });
  p.tx('.', 1, 1 + 10 * MSS);
  assert.is(p.info(1, 1), 0);
});

test('a lost retransmission is found by RACK without a timeout', async () => {
  const p = await open();
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + MSS, 1 + 10 * MSS]] } });
  p.expect('. 1:1001(1000) ack 1');
  p.write(10 * MSS);
  const n = p.all().length;
  p.advance(60);
  // New data sent after the retransmission arrives: the retransmission is lost too.
  if (n) p.tx('.', 1, 1, [], { opts: { sack: [[1 + MSS, 1 + (10 + n) * MSS]] } });
  const again = p.all().map((s) => p.text(s));
  assert.ok(n === 0 || again.includes('. 1:1001(1000) ack 1'), again.join('\n'));
});

test('tail loss probe after two round trips, then fast recovery from its SACK', async () => {
  const p = await open();
  p.write(4 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1 + 4 * MSS); // RTT 50 ms
  p.write(4 * MSS);
  p.all();
  p.advance(99);
  p.quiet();
  p.advance(10);
  p.expect('P. 7001:8001(1000) ack 1');
  p.advance(50);
  assert.is(p.h.core.mib('TcpExtTCPLossProbes'), 1);
  p.tx('.', 1, 1 + 4 * MSS, [], { opts: { sack: [[1 + 7 * MSS, 1 + 8 * MSS]] } });
  const r = p.all();
  assert.is(p.text(r[0]), '. 4001:5001(1000) ack 1');
});

test('a probe that repaired a single loss reduces the window once', async () => {
  const p = await open();
  p.write(4 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1 + 3 * MSS);
  const before = p.cwnd;
  p.advance(400);
  const [probe] = p.all();
  assert.is(p.text(probe), 'P. 3001:4001(1000) ack 1');
  p.tx('.', 1, 1 + 4 * MSS);
  p.write(MSS);
  p.all();
  p.tx('.', 1, 1 + 5 * MSS);
  assert.ok(p.cwnd < before, `${p.cwnd} < ${before}`);
  assert.is(p.h.core.mib('TcpExtTCPLossProbeRecovery'), 1);
});

test('RTO: at least 200 ms over the RTT, doubling, go-back one segment', async () => {
  const p = await open({ opts: { mss: MSS }, win: 32792 }); // no SACK: no probe
  p.write(MSS);
  p.expect('P. 1:1001(1000) ack 1');
  const rto = p.info(8) / 1000;
  assert.ok(rto >= 200 && rto < 1100, `${rto}`);
  p.advance(rto + 1);
  p.expect('P. 1:1001(1000) ack 1');
  p.advance(2 * rto - 5);
  p.quiet();
  p.advance(10);
  p.expect('P. 1:1001(1000) ack 1');
  assert.is(p.cwnd, 1);
  assert.is(p.info(1, 1), 4);
  assert.is(p.info(2, 1), 2);
  p.tx('.', 1, 1001);
  assert.is(p.info(1, 1), 4); // RFC 6582 6: held until something above is acknowledged
  p.write(1);
  p.all();
  p.tx('.', 1, 1002);
  assert.is(p.info(1, 1), 0);
});

test('NewReno without SACK: three duplicates, partial ACK retransmits the next hole', async () => {
  const p = await open({ opts: { mss: MSS }, win: 32792 });
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1);
  p.tx('.', 1, 1);
  p.quiet();
  p.tx('.', 1, 1);
  p.expect('. 1:1001(1000) ack 1');
  assert.is(p.info(1, 1), 3);
  p.tx('.', 1, 1 + 3 * MSS); // partial: segment 3 is lost too
  const r = p.all().map((s) => p.text(s));
  assert.is(r[0], '. 3001:4001(1000) ack 1');
  p.tx('.', 1, 1 + 10 * MSS);
  p.write(MSS);
  p.all();
  p.tx('.', 1, 1 + 11 * MSS);
  assert.is(p.info(1, 1), 0);
  assert.is(p.h.core.mib('TcpExtTCPRenoRecovery'), 1);
});

test('DSACK of the retransmission undoes the reduction', async () => {
  const p = await open();
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + MSS, 1 + 4 * MSS]] } });
  p.expect('. 1:1001(1000) ack 1');
  p.tx('.', 1, 1 + 4 * MSS); // the original was late, not lost
  p.tx('.', 1, 1 + 10 * MSS, [], { opts: { sack: [[1, 1 + MSS]] } });
  assert.is(p.info(1, 1), 0);
  assert.ok(p.cwnd >= 10, `${p.cwnd}`);
  assert.is(p.h.core.mib('TcpExtTCPDSACKRecv'), 1);
});

test('timestamps undo a spurious timeout (Eifel)', async () => {
  const p = await open({ opts: { ...OPTS, ts: [100, 0] } });
  p.write(4 * 988);
  p.all();
  const old = p.tsRecent;
  p.advance(p.info(8) / 1000 + 5);
  const r = p.all();
  assert.ok(r.length >= 1);
  p.advance(1);
  p.all();
  p.ts = 200;
  p.tx('.', 1, 1 + 4 * 988, [], { opts: { ts: [200, old] } });
  assert.is(p.info(1, 1), 0);
  assert.ok(p.cwnd >= 10, `${p.cwnd}`);
});

test('F-RTO: new data after the timeout; an ACK of what was never retransmitted proves it spurious', async () => {
  const p = await open();
  p.write(10 * MSS);
  p.all();
  p.advance(30);
  p.tx('.', 1, 1 + MSS);
  p.write(4 * MSS);
  p.all();
  const sent = p.info(24);
  p.advance(1000); // loss probe, then RTO
  p.all();
  assert.is(p.info(1, 1), 4);
  assert.ok(sent >= 9);
  const una = 1 + MSS;
  p.tx('.', 1, una + MSS);
  p.all();
  p.tx('.', 1, una + 3 * MSS);
  assert.is(p.info(1, 1), 0);
  assert.is(p.h.core.mib('TcpExtTCPSpuriousRTOs'), 1);
});

test('congestion control by name; Reno halves', async () => {
  const p = await open({ opts: OPTS });
  const h = p.h;
  assert.is(h.set(p.socket, 6, 13, [...'reno'].map((c) => c.charCodeAt(0))), 0);
  assert.is(h.set(p.socket, 6, 13, [...'bbrx'].map((c) => c.charCodeAt(0))), -2);
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + MSS, 1 + 4 * MSS]] } });
  assert.is(p.info(76), 5);
});

test('after an idle RTO the window restarts at 10', async () => {
  const p = await open();
  for (let i = 0; i < 4; i++) {
    const base = 1 + i * 10 * MSS;
    p.write(10 * MSS);
    p.all();
    p.advance(20);
    p.tx('.', 1, base + 10 * MSS);
  }
  assert.ok(p.cwnd >= 20, `${p.cwnd}`);
  p.advance(5000);
  p.write(100);
  assert.is(p.cwnd, 10);
});

test('super-segments: losses inside one are cut out at segment bounds', async () => {
  const p = new TcpPeer(await TestHost.create({ features: 7 }));
  p.accepted({ opts: OPTS, rtt: 50 });
  p.write(10 * MSS);
  const sent = p.all();
  assert.ok(sent.length < 10 && sent[0].gso === MSS, `${sent.length} frames`);
  p.advance(50);
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + MSS, 1 + 3 * MSS], [1 + 4 * MSS, 1 + 10 * MSS]] } });
  const r = p.all().map((s) => p.text(s));
  assert.is(r[0], '. 1:1001(1000) ack 1');
  p.tx('.', 1, 1 + 3 * MSS, [], { opts: { sack: [[1 + 4 * MSS, 1 + 10 * MSS]] } });
  const all = [...r, ...p.all().map((s) => p.text(s))];
  assert.ok(all.includes('. 3001:4001(1000) ack 1'), all.join('\n'));
  p.tx('.', 1, 1 + 10 * MSS);
  assert.is(p.info(24), 0);
  assert.is(p.info(28) + p.info(32) + p.info(36), 0);
});

test('CUBIC beside Reno (RFC 9438 4.3): half a segment a round trip up to the window of before a loss, then a whole one', async () => {
  const p = await open();
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + MSS, 1 + 4 * MSS]] } });
  p.all();
  p.tx('.', 1, 1 + 10 * MSS);
  const windows: number[] = [];
  for (let round = 0; round < 16; round++) {
    p.write(32 * MSS);
    const sent = p.all();
    p.advance(50);
    for (const s of sent) p.tx('.', 1, (s.seq + s.data.length - p.iss) >>> 0);
    windows.push(p.cwnd);
  }
  // From 7 to 10 by 0.53 each, which is 6 rounds; then 10 more in 10. The cube itself is below 10 for two seconds.
  assert.is(windows[5], 10, windows.join(' '));
  assert.is(windows[15], 20, windows.join(' '));
});

test.run();
