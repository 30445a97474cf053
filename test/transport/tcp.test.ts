// The states of RFC 9293 one by one: opening, transfer, closing.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { TcpPeer } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp');
const ESTABLISHED = 1, FIN_WAIT1 = 4, FIN_WAIT2 = 5, CLOSE = 7, CLOSE_WAIT = 8;

async function peer(): Promise<TcpPeer> { return new TcpPeer(await TestHost.create()); }

test('active open: SYN with all options, SYN-ACK, ACK; data and close both ways', async () => {
  const p = await peer();
  const h = p.h;
  const s = h.socket(2, 1);
  assert.is(h.connect(s, '10.0.0.2', 80), -115);
  assert.is(h.connect(s, '10.0.0.2', 80), -114);
  const [syn] = p.all();
  p.socket = s;
  assert.is(syn.flags, 'S');
  assert.is(syn.opts.mss, 1460);
  assert.is(syn.opts.wscale, 7);
  assert.ok(syn.opts.sackOk);
  assert.ok(syn.opts.ts);
  assert.is(syn.win, 64240);
  p.port = syn.sport;
  p.peerPort = 80;
  p.tx('S.', 0, 1, [], { opts: { mss: 1460, sackOk: true, wscale: 7 } });
  p.expect('. 1:1(0) ack 1');
  assert.is(h.connect(s, '10.0.0.2', 80), 0);
  assert.is(h.connect(s, '10.0.0.2', 80), -106);
  assert.is(p.state, ESTABLISHED);
  p.win = 257;
  assert.is(p.write(1000), 1000);
  p.expect('P. 1:1001(1000) ack 1');
  p.tx('.', 1, 1001);
  p.tx('P.', 1, 1001, [1, 2, 3]);
  p.expect('. 1001:1001(0) ack 4');
  assert.equal([...(p.read() as Uint8Array)], [1, 2, 3]);
  assert.is(p.read(), -11);
  p.close();
  p.expect('F. 1001:1001(0) ack 4');
  p.tx('.', 4, 1002);
  p.quiet();
  p.tx('F.', 4, 1002);
  p.expect('. 1002:1002(0) ack 5');
  h.core.poll();
  assert.equal(h.leaks(), { sockets: 0, chunks: 0 });
});

test('passive open, data with the handshake completed, passive close', async () => {
  const p = await peer();
  p.accepted();
  assert.is(p.state, ESTABLISHED);
  p.tx('P.', 1, 1, 100);
  p.expect('. 1:1(0) ack 101');
  assert.is(p.readLen(), 100);
  p.tx('F.', 101, 1);
  p.quiet(); // Linux delays the ACK of a FIN
  p.advance(50);
  p.expect('. 1:1(0) ack 102');
  assert.is(p.state, CLOSE_WAIT);
  assert.is(p.readLen(), 0);
  assert.is(p.write(10), 10);
  p.expect('P. 1:11(10) ack 102');
  p.close();
  p.expect('F. 11:11(0) ack 102');
  p.tx('.', 102, 12);
  p.h.close(p.listener);
  p.h.core.poll();
  assert.equal(p.h.leaks(), { sockets: 0, chunks: 0 });
});

test('simultaneous close goes through CLOSING to TIME_WAIT', async () => {
  const p = await peer();
  p.accepted();
  assert.is(p.shutdown(1), 0);
  p.expect('F. 1:1(0) ack 1');
  assert.is(p.state, FIN_WAIT1);
  p.tx('F.', 1, 1);
  p.expect('. 2:2(0) ack 2');
  p.tx('.', 2, 2);
  assert.is(p.state, CLOSE);
  p.tx('F.', 1, 2);
  p.expect('. 2:2(0) ack 2');
});

test('half close: FIN_WAIT2 still receives', async () => {
  const p = await peer();
  p.accepted();
  p.shutdown(1);
  p.expect('F. 1:1(0) ack 1');
  p.tx('.', 1, 2);
  assert.is(p.state, FIN_WAIT2);
  p.tx('P.', 1, 2, 500);
  p.expect('. 2:2(0) ack 501');
  assert.is(p.readLen(), 500);
  assert.is(p.write(1), -32);
  p.tx('F.', 501, 2);
  p.expect('. 2:2(0) ack 502');
});

test('refused: RST to a SYN without listener, ECONNREFUSED from a RST', async () => {
  const p = await peer();
  p.port = 9;
  p.tx('S', 0);
  const [r] = p.all();
  assert.is(r.flags, 'R.');
  assert.is(r.seq, 0);
  assert.is(r.ack, p.irs + 1);
  const s = p.h.socket(2, 1);
  p.h.connect(s, '10.0.0.2', 80);
  const [syn] = p.all();
  p.port = syn.sport;
  p.peerPort = 80;
  p.socket = s;
  p.tx('R.', 0, 1);
  assert.is(p.poll() & 0x18, 0x18);
  assert.is(p.read(), -111);
  p.close();
  p.h.core.poll();
  assert.equal(p.h.leaks(), { sockets: 0, chunks: 0 });
});

test('sequence numbers wrap', async () => {
  const p = await peer();
  p.irs = 0xffffff80;
  p.accepted();
  for (let i = 0; i < 5; i++) p.tx('P.', 1 + i * 100, 1, 100);
  p.tx('P.', 601, 1, 100);
  p.tx('P.', 501, 1, 100);
  const r = p.all();
  assert.is(p.text(r[r.length - 1]), '. 1:1(0) ack 701');
  const data = p.read() as Uint8Array;
  assert.is(data.length, 700);
  assert.ok(data.every((b, i) => b === ((1 + i) & 255)));
});

test.run();
