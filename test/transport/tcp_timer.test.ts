// Timers and options: retransmission of SYN, data and FIN, keepalive, user timeout, orphans, and the values of IPPROTO_TCP options.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { TcpPeer, type ConnectOptions } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp timer');
const OPTS = { mss: 1000, sackOk: true, wscale: 7 };
const ETIMEDOUT = -110;

async function open(o: ConnectOptions = {}): Promise<TcpPeer> {
  const p = new TcpPeer(await TestHost.create());
  p.accepted({ opts: OPTS, rtt: 20, ...o });
  return p;
}

test('SYN: repeated with doubling intervals, TCP_SYNCNT, then ETIMEDOUT', async () => {
  const h = await TestHost.create();
  const p = new TcpPeer(h);
  const s = h.socket(2, 1);
  h.setInt(s, 6, 7, 3);
  h.connect(s, '10.0.0.2', 80);
  const at: number[] = [];
  const start = h.core.now;
  for (let ms = 0; ms < 20_000; ms += 100) {
    for (const x of p.all()) if (x.flags === 'S') at.push(Math.round((h.core.now - start) / 1e8) / 10);
    h.core.advance(100e6);
  }
  assert.equal(at, [0, 1.1, 3.1, 7.1].map((v, i) => (i ? at[i] : v)));
  assert.ok(Math.abs(at[1] - 1) < 0.2 && Math.abs(at[2] - 3) < 0.2 && Math.abs(at[3] - 7) < 0.2, at.join());
  assert.is(h.connect(s, '10.0.0.2', 80), ETIMEDOUT);
  assert.is(h.core.mib('TcpExtTCPSynRetrans'), 3);
});

test('data is retransmitted until tcp_retries2 is over, then ETIMEDOUT', async () => {
  const p = await open();
  p.write(100);
  p.all();
  let n = 0;
  const start = p.h.core.now;
  while (p.state === 1 && p.h.core.now - start < 2000e9) {
    p.advance(1000);
    n += p.all().length;
  }
  const s = (p.h.core.now - start) / 1e9;
  assert.ok(s > 900 && s < 1100, `${s} s`); // Linux: 924.6 s for an RTO of 200 ms
  assert.ok(n >= 14 && n <= 18, `${n}`);
  assert.is(p.read(), ETIMEDOUT);
});

test('small segments are retransmitted together', async () => {
  const p = await open();
  p.h.setInt(p.socket, 6, 1, 1);
  p.write(100);
  p.write(100);
  p.expect('P. 1:101(100) ack 1', 'P. 101:201(100) ack 1');
  p.advance(100);
  p.expect('P. 101:201(100) ack 1'); // the loss probe
  p.advance(400);
  p.expect('P. 1:201(200) ack 1');
  p.tx('.', 1, 201);
  assert.is(p.info(24), 0);
});

test('TCP_USER_TIMEOUT counts from the first retransmission', async () => {
  const p = await open();
  p.h.setInt(p.socket, 6, 18, 3000);
  p.write(100);
  p.all();
  const start = p.h.core.now;
  while (p.state === 1 && p.h.core.now - start < 20e9) p.advance(10);
  const ms = (p.h.core.now - start) / 1e6;
  assert.ok(ms >= 3200 && ms < 3500, `${ms}`);
  assert.is(p.read(), ETIMEDOUT);
});

test('keepalive: probes after the idle time, RST and ETIMEDOUT when nobody answers', async () => {
  const p = await open();
  p.h.setInt(p.socket, 6, 4, 10);
  p.h.setInt(p.socket, 6, 5, 2);
  p.h.setInt(p.socket, 6, 6, 3);
  p.h.setInt(p.socket, 1, 9, 1);
  p.advance(9900);
  p.quiet();
  p.advance(200);
  p.expect('. 0:0(0) ack 1');
  p.tx('.', 1, 1);
  p.advance(9900);
  p.quiet();
  p.advance(200);
  p.expect('. 0:0(0) ack 1');
  p.advance(2000);
  p.expect('. 0:0(0) ack 1');
  p.advance(2000);
  p.expect('. 0:0(0) ack 1');
  p.advance(2000);
  p.expect('R. 1:1(0) ack 1');
  assert.is(p.read(), ETIMEDOUT);
});

test('a lost FIN is retransmitted; data behind it never', async () => {
  const p = await open();
  p.write(10);
  p.shutdown(1);
  p.expect('P. 1:11(10) ack 1', 'F. 11:11(0) ack 1');
  p.tx('.', 1, 11);
  p.advance(1000);
  const r = p.all();
  assert.ok(r.length >= 1 && r.every((s) => p.text(s) === 'F. 11:11(0) ack 1'), r.map((s) => p.text(s)).join());
  p.tx('.', 1, 12);
  assert.is(p.state, 5);
});

test('a FIN rides on the last data that was held back', async () => {
  const p = await open({ opts: { mss: 1000 }, win: 2000 });
  p.write(2500);
  p.shutdown(1);
  p.expect('. 1:1001(1000) ack 1', 'P. 1001:2001(1000) ack 1');
  p.tx('.', 1, 2001);
  p.expect('FP. 2001:2501(500) ack 1');
});

test('an orphan gives up after its retries and leaves nothing behind', async () => {
  const p = await open();
  p.write(5000);
  p.close();
  p.all();
  p.h.close(p.listener);
  p.advance(400_000);
  p.all();
  p.h.core.poll();
  assert.equal(p.h.leaks(), { sockets: 0, chunks: 0 });
});

test('an orphan with data to deliver into a closed window gives up too', async () => {
  const p = await open({ opts: { mss: 1000 }, win: 1000 });
  p.write(3000);
  p.close();
  p.tx('.', 1, 1001, [], { win: 0 });
  p.h.close(p.listener);
  for (let i = 0; i < 3000 && p.h.leaks().sockets; i++) {
    p.advance(1000);
    for (const s of p.all()) if (s.flags === '.') p.tx('.', 1, 1001, [], { win: 0 });
  }
  assert.equal(p.h.leaks(), { sockets: 0, chunks: 0 });
});

test('FIN_WAIT2 without an application ends with TCP_LINGER2', async () => {
  const p = await open();
  p.h.setInt(p.socket, 6, 8, 5);
  p.close();
  p.all();
  p.tx('.', 1, 2);
  p.advance(4000);
  p.tx('.', 1, 2);
  p.quiet();
  p.advance(1500);
  p.tx('.', 1, 2);
  assert.is(p.all()[0].flags, 'R');
});

test('option values and errors as Linux', async () => {
  const p = await open();
  const h = p.h, s = p.socket;
  assert.is(h.getInt(s, 6, 1), 0);
  assert.is(h.setInt(s, 6, 1, 7), 0);
  assert.is(h.getInt(s, 6, 1), 1);
  assert.is(h.getInt(s, 6, 2), 1000);
  assert.is(h.setInt(s, 6, 2, 40), -22);
  assert.is(h.setInt(s, 6, 2, 40000), -22);
  assert.is(h.getInt(s, 6, 4), 7200);
  assert.is(h.setInt(s, 6, 4, 0), -22);
  assert.is(h.setInt(s, 6, 4, 32768), -22);
  assert.is(h.setInt(s, 6, 6, 128), -22);
  assert.is(h.getInt(s, 6, 7), 6);
  assert.is(h.getInt(s, 6, 8), 60);
  h.setInt(s, 6, 8, -5);
  assert.is(h.getInt(s, 6, 8), -1);
  h.setInt(s, 6, 9, 5);
  assert.is(h.getInt(s, 6, 9), 7); // 1 + 2 + 4
  assert.is(h.setInt(s, 6, 10, 0), -22);
  assert.is(h.getInt(s, 6, 12), 1);
  h.setInt(s, 6, 12, 0);
  assert.is(h.getInt(s, 6, 12), 0);
  assert.is(h.setInt(s, 6, 18, -1), -22);
  assert.is(h.getInt(s, 6, 25), -1);
  assert.is(h.setInt(s, 6, 99, 1), -92);
  assert.is(h.set(s, 6, 1, [1]), -22);
  h.core.x.sys_getsockopt(s, 6, 13, 0x3200, 16);
  assert.is(h.core.mem.cstring(0x3200), 'cubic');
});

test('TCP_MAXSEG before connecting bounds both directions', async () => {
  const p = new TcpPeer(await TestHost.create());
  const h = p.h;
  const s = h.socket(2, 1);
  assert.is(h.getInt(s, 6, 2), 536);
  h.setInt(s, 6, 2, 700);
  h.connect(s, '10.0.0.2', 80);
  const [syn] = p.all();
  assert.is(syn.opts.mss, 700);
  p.port = syn.sport;
  p.peerPort = 80;
  p.socket = s;
  p.tx('S.', 0, 1, [], { opts: { mss: 1460 } });
  p.all();
  p.win = 30000;
  p.write(1500);
  assert.equal(p.all().map((x) => x.data.length), [700, 700, 100]);
});

test('TCP_NOTSENT_LOWAT holds writers back', async () => {
  const p = await open({ opts: { mss: 1000 }, win: 1000 });
  p.h.setInt(p.socket, 6, 25, 4000);
  p.write(1000);
  p.write(4000);
  assert.is(p.poll() & 4, 0);
  assert.is(p.write(10), -11);
  p.tx('.', 1, 1001);
  assert.is(p.poll() & 4, 4);
});

test('TCP_INFO tells the truth', async () => {
  const p = await open({ opts: { ...OPTS, ts: [1, 0] } });
  p.write(3000);
  p.all();
  assert.is(p.info(24), 4); // 988 bytes each
  p.advance(30);
  p.ts = 40;
  p.tx('.', 1, 3001);
  p.tx('P.', 1, 3001, 200);
  assert.is(p.info(24), 0);
  assert.ok(Math.abs(p.info(68) - 21_000) < 3000, `rtt ${p.info(68)}`);
  assert.is(p.info(120), 3000);
  assert.is(p.info(128), 200);
  assert.is(p.info(16), 988);
  assert.is(p.info(152), 1);
  assert.is(p.info(156), 4);
  assert.is(p.info(200), 3000);
  assert.is(p.info(6, 1), 0x77);
  assert.is(p.info(60), 1500);
  assert.ok(p.info(160) > 50_000, `delivery rate ${p.info(160)}`);
});

test('a black hole: after repeated timeouts segments shrink to the base MSS (tcp_mtu_probing 1)', async () => {
  const p = new TcpPeer(await TestHost.create({ config: { sysctl: { 'net.ipv4.tcp_mtu_probing': '1' } } }));
  p.accepted({ opts: { mss: 1460, sackOk: true }, win: 32792, rtt: 20 });
  p.write(1460);
  p.all();
  let shortest = 1460;
  for (let i = 0; i < 20; i++) {
    p.advance(1000);
    for (const s of p.all()) shortest = Math.min(shortest, s.data.length);
  }
  assert.ok(shortest <= 1024, `${shortest}`);
  p.tx('.', 1, 1 + shortest);
  assert.ok(p.all().every((s) => s.data.length <= 1024));
});

test('ECN: negotiated, CE echoed until CWR, ECE reduces the window once', async () => {
  const p = new TcpPeer(await TestHost.create({ config: { sysctl: { 'net.ipv4.tcp_ecn': '1' } } }));
  p.listen();
  p.tx('SEW', 0, 0, [], { opts: OPTS });
  p.expect('SE. 0:0(0) ack 1');
  p.win = 257;
  p.advance(20);
  p.tx('.', 1, 1);
  p.socket = p.accept();
  p.write(10_000);
  p.all();
  p.advance(20);
  p.tx('E.', 1, 5001);
  assert.is(p.info(1, 1), 2); // CWR
  p.write(3000);
  p.tx('E.', 1, 10001);
  const r = p.all();
  assert.ok(r.some((s) => s.flags.includes('W')), r.map((s) => p.text(s)).join());
  assert.is(p.info(76), 7);
});

test.run();
