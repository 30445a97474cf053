// Windows: zero window and probes, silly windows, Nagle and cork, the receive window and its growth, out-of-order data, urgent data.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { TcpPeer, type ConnectOptions } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp window');
const NODELAY = 1, CORK = 3;

async function open(o: ConnectOptions = {}, prepare?: (l: number, h: TestHost) => void, mtu = 1500): Promise<TcpPeer> {
  const h = await TestHost.create({ mtu });
  const p = new TcpPeer(h);
  p.accepted({ rtt: 20, ...o, prepare: prepare && ((l) => { prepare(l, h); }) });
  return p;
}

test('the receive queue is bounded, the right edge never moves back, a zero window is probed', async () => {
  const p = await open({ opts: { mss: 1460 } });
  let seq = 1, edge = 0, fed = 0, win = 65535;
  for (let i = 0; i < 400 && win > 0; i++) {
    const n = Math.min(1460, win);
    p.tx('.', seq, 1, n);
    seq += n;
    fed += n;
    for (const s of p.all()) {
      win = s.win;
      const right = s.ack - p.irs + s.win;
      assert.ok(right >= edge, `right edge ${right} < ${edge}`);
      edge = right;
    }
    if (i % 10 === 9) {
      p.advance(45);
      for (const s of p.all()) win = s.win;
    }
  }
  assert.is(win, 0);
  assert.is(p.h.core.x.sys_ioctl(p.socket, 0x541b, 0x3200), 0);
  const queued = p.h.core.mem.view.getInt32(0x3200, true);
  // 128 KiB, of which segments of 1460 bytes take 2048 each.
  assert.ok(queued > 85000 && queued <= 131072 * 1460 / 2048, `${queued} bytes queued of ${fed}`);
  assert.is(p.h.core.mib('TcpExtTCPToZeroWindowAdv'), 1);
  p.tx('.', 1 + queued, 1, 1); // a window probe with data
  p.expect(`. 1:1(0) ack ${1 + queued}`);
  assert.is(p.readLen(4000), 4000);
  assert.is(p.readLen(60000), 60000);
  assert.is(p.readLen(60000), queued - 64000);
  const update = p.all().pop();
  assert.ok(update && update.win > 20000, 'window update');
});

test('SO_RCVBUF bounds the window; scaling gives larger ones', async () => {
  const p = await open({ opts: { mss: 1460, sackOk: true, wscale: 7 } }, (l, h) => h.setInt(l, 1, 8, 10000));
  assert.is(p.info(232), 8760); // half of 20000, whole segments
});

for (const [mss, window, share] of [[536, 100_000, 0.5], [1200, 117_100, 1200 / 2048], [1448, 141_300, 1448 / 2048], [8948, 150_000, 0.75]])
  test(`segments of ${mss} bytes: the window is ${share.toFixed(2)} of the buffer`, async () => {
    const p = await open({ opts: { mss: 65000, sackOk: true, wscale: 7 } }, (l, h) => h.setInt(l, 1, 8, 100_000), 9000);
    let edge = 0, seq = 1;
    for (let i = 0; i < 400; i++) {
      p.tx('.', seq, 1, mss);
      seq += mss;
      p.readLen(mss);
      for (const s of p.all()) edge = Math.max(edge, s.win * 4);
    }
    assert.ok(edge > window - 2 * mss && edge <= 200_000 * share + 4, `${edge}`);
  });

test('a peer with a zero window is probed with backoff and the data flows when it opens', async () => {
  const p = await open({ opts: { mss: 1000 }, win: 2000 });
  p.write(2000);
  p.all();
  p.tx('.', 1, 2001, [], { win: 0 });
  p.write(500);
  p.quiet();
  const rto = p.info(8) / 1000;
  p.advance(rto + 2);
  p.expect('. 2000:2000(0) ack 1');
  p.tx('.', 1, 2001, [], { win: 0 });
  p.advance(2 * rto - 10);
  p.quiet();
  p.advance(20);
  p.expect('. 2000:2000(0) ack 1');
  p.tx('.', 1, 2001, [], { win: 2000 });
  p.expect('P. 2001:2501(500) ack 1');
});

test("where the peer's window sets the rate, what it lets through leaves with each acknowledgment, in small super-segments", async () => {
  const SNDBUF = 7, size = 1460, most = 40;
  const p = await open({ opts: { mss: size, sackOk: true, wscale: 7 }, rtt: 20 }, (l, h) => h.setInt(l, 1, SNDBUF, 200_000));
  for (let i = 0; i < 10; i++) p.write(20 * size);
  let acked = 0, sent = 0;
  const sends = (): number => {
    const n = p.all().reduce((sum, s) => sum + s.data.length, 0) / size;
    sent += n;
    return n;
  };
  const ack = (segments: number): void => { p.tx('.', 1, 1 + (acked += segments) * size, [], { win: Math.ceil(most * size / 128) }); };
  sends();
  while (sent - acked < most) {
    p.advance(20);
    ack(sent - acked);
    sends();
  }
  assert.is(sent - acked, most);
  assert.ok(p.info(80) > most, 'the congestion window is larger'); // tcpi_snd_cwnd
  p.advance(20);
  for (let i = 0; i < 10; i++) {
    ack(2);
    assert.is(sends(), 2, `acknowledgment ${i}`);
    p.advance(0.2);
  }
});

test('writable: with a third of the buffer free, or a sixteenth when all is sent', async () => {
  const SNDBUF = 7, POLLOUT = 4, size = 1000;
  const p = await open({ opts: { mss: size }, win: 30000 }, (l, h) => h.setInt(l, 1, SNDBUF, 4500)), buffer = p.h.getInt(p.socket, 1, SNDBUF);
  const writable = (): boolean => (p.h.core.x.sys_poll(p.socket) & POLLOUT) !== 0;
  p.write(buffer);
  assert.is(p.all().reduce((n, s) => n + s.data.length, 0), buffer);
  assert.not.ok(writable());
  p.tx('.', 1, 1 + 300, [], { win: buffer - 300 });
  assert.not.ok(writable(), 'less than a sixteenth');
  p.tx('.', 1, 1 + size, [], { win: buffer - size }); // the peer takes no more than is under way
  assert.ok(writable());
  p.write(size);
  p.quiet();
  p.tx('.', 1, 1 + 2 * size, [], { win: buffer - 2 * size });
  p.quiet();
  assert.not.ok(writable(), 'there is something to send');
  p.tx('.', 1, 1 + 4 * size, [], { win: buffer - 4 * size });
  assert.ok(writable(), 'a third');
});

test('a window smaller than the segment: probed with what fits (sender SWS avoidance)', async () => {
  const p = await open({ opts: { mss: 1000 }, win: 3000 });
  p.write(1000);
  p.all();
  p.tx('.', 1, 1001, [], { win: 300 });
  p.write(1000);
  p.quiet();
  p.advance(p.info(8) / 1000 + 5);
  p.expect('P. 1001:1301(300) ack 1');
});

test('Nagle holds a second small segment; NODELAY and cork', async () => {
  const p = await open({ opts: { mss: 1000, sackOk: true } });
  p.win = 30000;
  p.tx('.', 1, 1);
  p.write(10);
  p.expect('P. 1:11(10) ack 1');
  p.write(10);
  p.write(10);
  p.quiet();
  p.tx('.', 1, 11);
  p.expect('P. 11:31(20) ack 1');
  p.h.setInt(p.socket, 6, NODELAY, 1);
  p.write(10);
  p.write(10);
  p.expect('P. 31:41(10) ack 1', 'P. 41:51(10) ack 1');
  p.tx('.', 1, 51);
  p.h.setInt(p.socket, 6, CORK, 1);
  p.write(10);
  p.quiet();
  p.write(995);
  p.expect('. 51:1051(1000) ack 1');
  p.h.setInt(p.socket, 6, CORK, 0);
  p.expect('P. 1051:1056(5) ack 1');
  p.write(7, 0x8000); // MSG_MORE
  p.quiet();
  p.write(7);
  p.expect('P. 1056:1070(14) ack 1');
});

test('delayed ACK: every second full segment at once, a single one within 40 ms', async () => {
  const p = await open({ opts: { mss: 1460 } });
  // The first segments are acknowledged at once (quick ACKs), after that only by rule.
  p.h.setInt(p.socket, 6, 12, 0);
  let seq = 1;
  for (let i = 0; i < 20; i++) {
    p.tx('.', seq, 1, 1460);
    seq += 1460;
    p.advance(5);
  }
  p.advance(300);
  p.all();
  p.h.setInt(p.socket, 6, 12, 0);
  p.readLen(100000);
  p.all();
  p.tx('.', seq, 1, 1460);
  p.quiet();
  p.tx('.', seq + 1460, 1, 1460);
  p.expect(`. 1:1(0) ack ${seq + 2920}`);
  p.h.setInt(p.socket, 6, 12, 0);
  p.tx('.', seq + 2920, 1, 1460);
  p.quiet();
  p.advance(45);
  p.expect(`. 1:1(0) ack ${seq + 4380}`);
});

test('out of order: SACK blocks newest first, the gap filled, FIN last', async () => {
  const p = await open();
  const sack = (s: { opts: { sack?: [number, number][] } }): number[][] => (s.opts.sack ?? []).map(([a, b]) => [a - p.irs, b - p.irs]);
  p.tx('P.', 201, 1, 100);
  assert.equal(sack(p.expect('. 1:1(0) ack 1')[0]), [[201, 301]]);
  p.tx('P.', 401, 1, 100);
  assert.equal(sack(p.expect('. 1:1(0) ack 1')[0]), [[401, 501], [201, 301]]);
  p.tx('P.', 301, 1, 100);
  assert.equal(sack(p.expect('. 1:1(0) ack 1')[0]), [[201, 501]]);
  p.tx('FP.', 601, 1, 50);
  p.all();
  p.tx('P.', 251, 1, 100); // duplicate of what is queued
  assert.equal(sack(p.expect('. 1:1(0) ack 1')[0])[0], [251, 351]);
  p.tx('P.', 1, 1, 200);
  p.expect('. 1:1(0) ack 501');
  assert.is(p.readLen(), 500);
  p.tx('P.', 501, 1, 100);
  const s = p.all();
  assert.is(p.text(s[s.length - 1]), '. 1:1(0) ack 652');
  const data = p.read() as Uint8Array;
  assert.is(data.length, 150);
  assert.equal([...data], Array.from({ length: 150 }, (_, i) => (501 + i) & 255));
  assert.is(p.readLen(), 0);
});

for (const sackOk of [true, false]) {
  test(`a hole that stays: ${sackOk ? 'the window grows by what comes behind it, and the buffer by how much that is' : 'without SACK the window of duplicate ACKs stays as it is'}`, async () => {
    const p = await open({ opts: { mss: 1460, sackOk, wscale: 7 } }), size = 1460, first = p.info(232), before = p.h.getInt(p.socket, 1, 8);
    let edge = 1 + first;
    for (let seq = 1 + size; seq + size <= edge && seq < 400_000; seq += size) {
      p.tx('.', seq, 1, size);
      for (const s of p.all()) edge = Math.max(edge, 1 + s.win * 128);
    }
    const after = p.h.getInt(p.socket, 1, 8);
    if (sackOk) {
      assert.ok(edge > 400_000, `${first} -> ${edge}`);
      // The window, of which a segment takes 2048 bytes: that which waits, and two round trips of what is read.
      assert.ok(after >= 400_000 * 2048 / size, `${before} -> ${after}`);
    } else assert.ok(edge < 1 + first + 128, `${first} -> ${edge}`); // rounded up to the scale
    assert.is(p.h.core.mib('TcpExtTCPRcvPruned'), 0);
  });
}

test('a FIN out of order is sacked and waits for what is missing', async () => {
  const p = await open();
  p.tx('F.', 201, 1);
  const [s] = p.expect('. 1:1(0) ack 1');
  assert.equal(s.opts.sack?.map(([a, b]) => [a - p.irs, b - p.irs]), [[201, 202]]);
  p.tx('P.', 1, 1, 200);
  p.expect('. 1:1(0) ack 202');
  assert.is(p.readLen(), 200);
  assert.is(p.readLen(), 0);
});

test('a FIN out of order is the end of the stream: data beyond it, before or after it came, are not the stream\'s', async () => {
  for (const order of ['before', 'after', 'in order', 'another FIN']) {
    const p = await open();
    if (order === 'before') p.tx('.', 195, 1, 100);
    p.tx('FP.', 151, 1, 50); // the FIN is 201
    if (order === 'after') p.tx('.', 195, 1, 100);
    if (order === 'another FIN') p.tx('FP.', 181, 1, 100);
    p.all();
    p.tx('P.', 1, 1, order === 'in order' ? 400 : 150);
    assert.is(p.text(p.all().pop()!), '. 1:1(0) ack 202', order);
    assert.is(p.state, 8, order);
    assert.is(p.readLen(), 200, order);
    assert.is(p.readLen(), 0, order);
  }
});

test('the out-of-order queue is bounded', async () => {
  const p = await open({}, (l, h) => h.setInt(l, 1, 8, 16384));
  const win = p.info(232);
  for (let at = 3; at + 1 < win; at += 2) p.tx('.', at, 1, 1);
  p.all();
  assert.ok(p.h.core.x.usage(2) <= 20, `${p.h.core.x.usage(2)} chunks`);
  assert.ok(p.h.core.mib('TcpExtTCPOFODrop') > 0);
  let seq = 1;
  for (let i = 0; i < 40; i++) {
    const n = 200;
    p.tx('.', seq, 1, n);
    seq += n;
  }
  const got = p.read() as Uint8Array;
  assert.ok(got.length >= 8000);
  assert.ok(got.every((b, i) => b === ((1 + i) & 255)));
});

test('the window grows with what the application reads (dynamic right-sizing)', async () => {
  const p = await open({ opts: { mss: 1460, sackOk: true, wscale: 7, ts: [1, 0] }, rtt: 10 });
  let seq = 1, edge = 0, acked = 0;
  const first = p.info(232);
  for (let round = 0; round < 25; round++) {
    p.ts += 10;
    for (let sent = 0; seq + 1448 <= Math.max(edge, 1 + 60000) && sent < 150; sent++) {
      p.tx('.', seq, 1, 1448);
      seq += 1448;
    }
    while ((p.readLen() as number) > 0);
    p.write(1); // its echo is an RTT sample
    p.advance(10);
    for (const s of p.all()) {
      edge = Math.max(edge, s.ack - p.irs + s.win * 128);
      acked = s.seq + s.data.length - p.iss;
    }
    p.tx('.', seq, acked);
  }
  assert.ok(p.info(232) > 4 * first, `${first} -> ${p.info(232)}`);
});

test('urgent data: out of band, the mark, inline', async () => {
  const p = await open();
  p.tx('PU.', 1, 1, [65, 66, 67], { urg: 3 });
  assert.is(p.poll() & 2, 2);
  assert.is(p.readLen(10), 2);
  const m = p.h.core.mem;
  assert.is(p.h.core.x.sys_ioctl(p.socket, 0x8905, 0x3200), 0);
  assert.is(m.view.getInt32(0x3200, true), 1);
  assert.equal([...(p.read(1, 1) as Uint8Array)], [67]);
  assert.is(p.read(1, 1), -22);
  p.tx('P.', 4, 1, [68]);
  assert.equal([...(p.read() as Uint8Array)], [68]);
  p.all();
  p.write([1, 2, 3], 1); // MSG_OOB
  const [s] = p.all();
  assert.is(s.flags, 'PU.');
  assert.is(s.urg, 3);
  p.h.setInt(p.socket, 1, 10, 1); // SO_OOBINLINE
  p.tx('PU.', 5, 4, [70, 71], { urg: 2 });
  assert.is(p.read(1, 1), -22);
  assert.is(p.readLen(10), 1);
  assert.equal([...(p.read() as Uint8Array)], [71]);
});

test('the socket is writable again when a third of its buffer is free', async () => {
  const p = await open({ opts: { mss: 1000 }, win: 1000 }, (l, h) => h.setInt(l, 1, 7, 15000)); // 30000
  let total = 0;
  for (let n = 1; n > 0;) {
    n = p.write(20000);
    if (n > 0) total += n;
  }
  assert.is(total, 30000);
  assert.is(p.poll() & 4, 0);
  p.h.core.x.events(100);
  let una = 1, woke = 0;
  for (let i = 0; i < 14 && !woke; i++) {
    for (const s of p.all()) una = Math.max(una, s.seq - p.iss + s.data.length);
    p.tx('.', 1, una, [], { win: 1000 });
    const n = p.h.core.x.events(100);
    for (let k = 0; k < n; k++) if (p.h.core.mem.u32[(0x4000 >>> 2) + 2 * k + 1] & 4) woke = una;
  }
  assert.ok(woke >= 10000 && woke <= 12001, `woke at ${woke}`);
});

test.run();
