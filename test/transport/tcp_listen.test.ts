// Passive opens: requests, SYN cookies, the accept queue, TIME_WAIT, ports, address families.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { TcpPeer } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp listen');
const OPTS = { mss: 1460, sackOk: true, wscale: 7 };
async function peer(): Promise<TcpPeer> { return new TcpPeer(await TestHost.create()); }

test('SYN-ACK mirrors the options of the SYN; it is repeated at 1, 3, 7 s and for a repeated SYN', async () => {
  const p = await peer();
  p.listen();
  p.tx('S', 0, 0, [], { opts: { ...OPTS, ts: [5, 0] } });
  const [s] = p.expect('S. 0:0(0) ack 1');
  assert.is(s.opts.mss, 1460);
  assert.is(s.opts.wscale, 7);
  assert.ok(s.opts.sackOk);
  assert.is(s.opts.ts![1], 5);
  assert.is(s.win, 65160);
  p.advance(999);
  p.quiet();
  p.advance(2);
  p.expect('S. 0:0(0) ack 1');
  p.advance(2001);
  p.expect('S. 0:0(0) ack 1');
  p.tx('S', 0, 0, [], { opts: { ...OPTS, ts: [3005, 0] } });
  p.expect('S. 0:0(0) ack 1');
  p.advance(70_000);
  assert.is(p.all().length, 3);
  p.tx('.', 1, 1); // too late
  p.expect('R 1:1(0)');
  p.tx('S', 100, 0, [], { opts: { mss: 1460 } });
  const [bare] = p.all();
  assert.equal(bare.opts, { mss: 1460 });
});

test('a wrong ACK of the SYN-ACK is reset, the request stays; RST and SYN end it', async () => {
  const p = await peer();
  p.listen();
  p.tx('S', 0, 0, [], { opts: OPTS });
  p.expect('S. 0:0(0) ack 1');
  p.tx('.', 1, 77);
  const [r] = p.all();
  assert.is(r.flags, 'R');
  assert.is(r.seq, (p.iss + 77) >>> 0);
  p.tx('R', 1);
  p.quiet();
  p.tx('.', 1, 1);
  assert.is(p.all()[0].flags, 'R');
  assert.is(p.h.core.mib('TcpAttemptFails'), 1);
});

test('data with the handshake ACK is there at accept', async () => {
  const p = await peer();
  p.listen();
  p.tx('S', 0, 0, [], { opts: OPTS });
  p.all();
  p.tx('P.', 1, 1, 10);
  p.all();
  p.socket = p.accept();
  assert.is(p.readLen(), 10);
  assert.is(p.accept(), -11);
});

test('accept queue full: SYNs dropped, the last ACK ignored until there is room', async () => {
  const p = await peer();
  p.listen({ backlog: 1 });
  for (let i = 0; i < 2; i++) {
    p.peerPort = 40000 + i;
    p.tx('S', 0, 0, [], { opts: OPTS });
    p.expect('S. 0:0(0) ack 1');
    p.tx('.', 1, 1);
  }
  p.peerPort = 40002;
  p.tx('S', 0, 0, [], { opts: OPTS });
  p.quiet();
  assert.is(p.h.core.mib('TcpExtListenOverflows'), 1);
  assert.ok(p.accept() >= 0);
  p.tx('S', 0, 0, [], { opts: OPTS });
  p.expect('S. 0:0(0) ack 1');
});

test('SYN cookies: no state, options in the timestamp, a forged one is reset', async () => {
  const p = await peer();
  p.listen({ backlog: 2 });
  for (let i = 0; i < 2; i++) {
    p.peerPort = 30000 + i;
    p.tx('S', 0, 0, [], { opts: OPTS });
    p.all();
  }
  p.peerPort = 31000;
  p.tx('S', 0, 0, [], { opts: { ...OPTS, ts: [9, 0] } });
  const [s] = p.expect('S. 0:0(0) ack 1');
  assert.is(p.h.core.mib('TcpExtSyncookiesSent'), 1);
  p.advance(500);
  p.all();
  p.peerPort = 31001;
  p.iss = s.seq;
  p.tx('.', 1, 1);
  assert.is(p.all()[0].flags, 'R');
  assert.is(p.h.core.mib('TcpExtSyncookiesFailed'), 1);
  p.peerPort = 31000;
  p.iss = s.seq;
  p.tsOn = true;
  p.ts = 10;
  p.tx('.', 1, 1, [], { opts: { ts: [10, s.opts.ts![0]] } });
  assert.is(p.h.core.mib('TcpExtSyncookiesRecv'), 1);
  p.socket = p.accept();
  assert.ok(p.socket >= 0);
  assert.is(p.info(6, 1), 0x77);
  assert.is(p.info(5, 1), 7);
  p.tx('P.', 1, 1, 10);
  assert.is(p.readLen(), 10);
});

test('TCP_DEFER_ACCEPT waits for data', async () => {
  const p = await peer();
  p.listen({ prepare: (l) => p.h.setInt(l, 6, 9, 3) });
  p.tx('S', 0, 0, [], { opts: OPTS });
  p.expect('S. 0:0(0) ack 1');
  p.tx('.', 1, 1);
  assert.is(p.accept(), -11);
  p.tx('P.', 1, 1, 5);
  p.socket = p.accept();
  assert.is(p.readLen(), 5);
});

test('TIME_WAIT: acknowledges, ends after 60 s, gives way to a new SYN', async () => {
  const p = await peer();
  p.accepted({ opts: { ...OPTS, ts: [100, 0] } });
  p.close();
  p.expect('F. 1:1(0) ack 1');
  p.tx('F.', 1, 2);
  p.expect('. 2:2(0) ack 2');
  assert.is(p.h.core.mib('TcpExtTW'), 1);
  p.tx('F.', 1, 2);
  p.expect('. 2:2(0) ack 2');
  const old = p.iss;
  // Lower sequence number, but a newer timestamp (RFC 6191).
  p.irs -= 5000;
  p.tx('S', 0, 0, [], { opts: { ...OPTS, ts: [5000, 0] } });
  const [s] = p.all();
  assert.is(s.flags, 'S.');
  assert.is((s.seq - old) >>> 0, 2 + 65537);
  p.tsOn = true;
  p.ts = 5001;
  p.tx('.', 1, 1);
  p.socket = p.accept();
  assert.ok(p.socket >= 0);
  p.close();
  p.all();
  p.tx('F.', 1, 2);
  p.all();
  p.advance(60_500);
  p.tx('.', 2, 2);
  assert.is(p.all()[0].flags, 'R');
});

test('an orphan in FIN_WAIT2 resets a peer that sends data, and ends after 60 s', async () => {
  const p = await peer();
  p.accepted({ opts: OPTS });
  p.close();
  p.expect('F. 1:1(0) ack 1');
  p.tx('.', 1, 2);
  p.h.core.poll();
  assert.is(p.h.leaks().sockets, 1); // the listener: a small record has taken over
  p.tx('P.', 1, 2, 10);
  assert.is(p.all()[0].flags, 'R');
  p.tx('F.', 11, 2);
  assert.is(p.all()[0].flags, 'R');
});

test('close with unread data, and SO_LINGER 0, send RST', async () => {
  const p = await peer();
  p.accepted({ opts: OPTS });
  p.tx('P.', 1, 1, 10);
  p.all();
  p.close();
  p.expect('R. 1:1(0) ack 11');
  p.peerPort++;
  p.open({ opts: OPTS });
  p.h.set(p.socket, 1, 13, [1, 0, 0, 0, 0, 0, 0, 0]);
  p.write(10);
  p.all();
  p.close();
  p.expect('R. 11:11(0) ack 1');
  p.h.core.poll();
  assert.is(p.h.leaks().sockets, 1);
});

test('closing a listener resets what nobody accepted', async () => {
  const p = await peer();
  p.listen();
  p.tx('S', 0, 0, [], { opts: OPTS });
  p.all();
  p.tx('.', 1, 1);
  p.peerPort++;
  p.tx('S', 0, 0, [], { opts: OPTS });
  p.all();
  p.h.close(p.listener);
  assert.is(p.all().map((s) => s.flags).join(), 'R.');
  p.h.core.poll();
  assert.equal(p.h.leaks(), { sockets: 0, chunks: 0 });
});

test('bind: conflicts as on Linux; TIME_WAIT wants SO_REUSEADDR', async () => {
  const p = await peer();
  const h = p.h;
  const bind = (family: number, address: string, port: number, ...options: number[]): number => {
    const s = h.socket(family, 1);
    for (const o of options) h.setInt(s, o === 26 ? 41 : 1, o, 1);
    const r = h.bind(s, address, port);
    if (r < 0) h.close(s);
    return r;
  };
  assert.is(bind(2, '0.0.0.0', 1000), 0);
  assert.is(bind(2, '10.0.0.1', 1000), -98);
  assert.is(bind(2, '10.0.0.1', 1000, 2), -98);
  assert.is(bind(10, '::', 1000), -98);
  assert.is(bind(10, '::', 1000, 26), 0);
  assert.is(bind(2, '10.0.0.1', 1001, 2), 0);
  assert.is(bind(2, '10.0.0.1', 1001, 2), 0);
  assert.is(bind(2, '10.0.0.1', 1002, 15), 0);
  assert.is(bind(2, '10.0.0.1', 1002, 15), 0);
  assert.is(bind(2, '10.0.0.1', 1002), -98);
  assert.is(bind(2, '10.0.0.9', 1003), -99);
  p.accepted({ opts: OPTS, port: 2000 });
  p.close();
  p.tx('F.', 1, 2);
  h.close(p.listener);
  h.core.poll();
  assert.is(bind(2, '10.0.0.1', 2000), -98);
  assert.is(bind(2, '10.0.0.1', 2000, 2), -98); // the listener had not set it
  h.core.advance(61e9);
  assert.is(bind(2, '10.0.0.1', 2000), 0);
});

test('two sockets bound with SO_REUSEADDR: one may listen', async () => {
  const p = await peer();
  const make = (): number => {
    const s = p.h.socket(2, 1);
    p.h.setInt(s, 1, 2, 1);
    assert.is(p.h.bind(s, '10.0.0.1', 3000), 0);
    return s;
  };
  const a = make(), b = make();
  assert.is(p.h.core.x.sys_listen(a, 1), 0);
  assert.is(p.h.core.x.sys_listen(b, 1), -98);
  assert.is(p.h.core.x.sys_listen(a, 5), 0);
});

test('a dual-stack listener takes both families, V6ONLY one', async () => {
  const p = await peer();
  p.listen({ v6: true });
  p.v6 = false;
  p.tx('S', 0, 0, [], { opts: OPTS });
  p.expect('S. 0:0(0) ack 1');
  p.tx('.', 1, 1);
  const s = p.accept();
  const name = p.h.sockname(s, true);
  assert.equal(typeof name === 'object' ? [...name.address] : name, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2]);
  p.v6 = true;
  p.tx('S', 0, 0, [], { opts: OPTS });
  const [r] = p.expect('S. 0:0(0) ack 1');
  assert.is(r.opts.mss, 1440);
  p.port = 8081;
  p.listen({ v6: true, port: 8081, prepare: (l) => p.h.setInt(l, 41, 26, 1) });
  p.v6 = false;
  p.tx('S', 0, 0, [], { opts: OPTS });
  assert.is(p.all()[0].flags, 'R.');
});

test('connections over IPv6', async () => {
  const p = await peer();
  p.connected({ v6: true, opts: { mss: 1440, sackOk: true } });
  p.write(3000);
  assert.equal(p.all().map((s) => s.data.length), [1440, 1440, 120]);
  p.tx('P.', 1, 3001, 7);
  assert.is(p.readLen(), 7);
});

test('simultaneous open', async () => {
  const p = await peer();
  const s = p.h.socket(2, 1);
  assert.is(p.h.connect(s, '10.0.0.2', 80), -115);
  const [syn] = p.all();
  p.port = syn.sport;
  p.peerPort = 80;
  p.socket = s;
  p.tx('S', 0, 0, [], { opts: OPTS });
  p.expect('S. 0:0(0) ack 1');
  p.tx('S.', 0, 1, [], { opts: OPTS });
  assert.is(p.state, 1);
  p.all();
  p.write(5);
  p.expect('P. 1:6(5) ack 1');
});

test('a connection with itself over loopback, and to a local listener', async () => {
  const p = await peer();
  const h = p.h;
  const l = p.listen({ port: 7777 });
  const c = h.socket(2, 1);
  assert.is(h.connect(c, '127.0.0.1', 7777), -115);
  assert.is(h.core.x.sys_poll(c), 4);
  const s = p.accept();
  assert.ok(s >= 0);
  h.send(c, new Uint8Array(50000).fill(7));
  p.socket = s;
  let n = 0;
  for (let i = 0; i < 50 && n < 50000; i++) {
    const k = p.readLen();
    if (k > 0) n += k;
    p.advance(1);
  }
  assert.is(n, 50000);
  h.close(c);
  h.close(s);
  h.close(l);
  const self = h.socket(2, 1);
  assert.is(h.bind(self, '127.0.0.1', 9999), 0);
  assert.is(h.connect(self, '127.0.0.1', 9999), -115);
  assert.is(h.connect(self, '127.0.0.1', 9999), 0);
  h.send(self, [1, 2]);
  p.socket = self;
  assert.is(p.readLen(), 2);
  h.close(self);
  p.advance(200_000);
  assert.equal(h.leaks(), { sockets: 0, chunks: 0 });
});

test.run();
