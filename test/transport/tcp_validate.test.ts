// Segments that must not be believed: RFC 5961, PAWS (RFC 7323), sequence checks, malformed headers and options.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { ethernet, icmp, ipv4, be32 } from '../harness/packet.js';
import { TcpPeer, tcpBytes, type ConnectOptions } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp validate');

async function open(o: ConnectOptions = {}): Promise<TcpPeer> {
  const p = new TcpPeer(await TestHost.create());
  p.accepted(o);
  return p;
}

test('RST exactly at RCV.NXT resets; elsewhere in the window it is challenged; outside it is ignored', async () => {
  const p = await open();
  p.tx('R', 100000);
  p.quiet();
  p.tx('R', 10);
  p.expect('. 1:1(0) ack 1');
  assert.is(p.h.core.mib('TcpExtTCPChallengeACK'), 1);
  p.tx('R', 1);
  p.quiet();
  assert.is(p.read(), -104);
  assert.is(p.readLen(), 0);
  assert.is(p.write(1), -32);
  assert.is(p.poll() & 0x201d, 0x2015 | 0x10);
});

test('data received before a RST can still be read', async () => {
  const p = await open();
  p.tx('P.', 1, 1, 100);
  p.all();
  p.tx('R.', 101, 1);
  assert.is(p.readLen(), 100);
  assert.is(p.read(), -104);
});

test('SYN in the window is challenged, never a reset', async () => {
  const p = await open();
  p.tx('S', 5);
  p.expect('. 1:1(0) ack 1');
  assert.is(p.state, 1);
  p.tx('S', 500000);
  p.quiet(); // rate limited: 500 ms
  p.advance(501);
  p.tx('S', 500000);
  p.expect('. 1:1(0) ack 1');
});

test('data below RCV.NXT is acknowledged and reported by DSACK', async () => {
  const p = await open();
  p.tx('P.', 1, 1, 100);
  p.expect('. 1:1(0) ack 101');
  p.tx('P.', 1, 1, 100);
  const [s] = p.expect('. 1:1(0) ack 101');
  assert.equal(s.opts.sack?.map(([a, b]) => [a - p.irs, b - p.irs]), [[1, 101]]);
  assert.is(p.readLen(), 100);
});

test('nothing follows a FIN: text that reaches beyond it is not read, the connection is reset (RFC 9293 3.10.7.4 seventh)', async () => {
  for (const closed of [false, true]) { // CLOSE_WAIT, LAST_ACK
    const p = await open();
    p.tx('F.', 1, 1);
    p.all();
    if (closed) p.h.core.x.sys_shutdown(p.socket, 1);
    p.all();
    p.tx('P.', 1, 1, 1); // the octet that the FIN occupies: an old duplicate, nothing more
    p.all();
    assert.is(p.state, closed ? 9 : 8);
    p.tx('P.', 1, 1, 10);
    assert.is(p.readLen(), 0, 'no byte after the end');
    assert.match(p.all().map((s) => s.flags).join(' '), /R/);
    assert.is(p.state, 7);
    assert.is(p.h.core.mib('TcpExtTCPAbortOnData'), 1);
  }
});

test('data for a socket shut down in both directions resets the connection, as on Linux', async () => {
  const p = await open();
  p.h.core.x.sys_shutdown(p.socket, 2);
  p.all();
  p.tx('.', 1, 2);
  assert.is(p.state, 5);
  p.tx('P.', 1, 2, 10);
  assert.match(p.all().map((s) => s.flags).join(' '), /R/);
  assert.is(p.state, 7);
  assert.is(p.read(), -104);
});

test('beyond the window: acknowledged, dropped; the part inside is kept', async () => {
  const p = await open({ opts: { mss: 1460 } });
  const win = p.info(232);
  p.tx('.', win + 10, 1, 10);
  p.expect('. 1:1(0) ack 1');
  assert.is(p.h.core.drops('TCP_INVALID_SEQUENCE'), 1);
});

test('ACK of data never sent: answered and dropped', async () => {
  const p = await open();
  p.tx('.', 1, 1000);
  p.expect('. 1:1(0) ack 1');
  p.tx('P.', 1, 1000, 10);
  assert.is(p.read(), -11);
});

test('ACK far too old: challenged (RFC 5961 5)', async () => {
  const p = await open();
  p.write(100);
  p.all();
  p.tx('.', 1, 101);
  p.tx('P.', 1, -40000, 10);
  p.expect('. 101:101(0) ack 1');
  assert.is(p.read(), -11);
});

test('no flags, or a segment without ACK, is dropped silently', async () => {
  const p = await open();
  p.tx('', 1, 0, 10);
  p.tx('P', 1, 0, 10);
  p.tx('F', 1, 0);
  p.quiet();
  assert.is(p.read(), -11);
});

test('PAWS: an old timestamp is refused with an ACK, a RST passes', async () => {
  const p = await open({ opts: { mss: 1460, sackOk: true, wscale: 7, ts: [1000, 0] } });
  p.ts = 2000;
  p.tx('P.', 1, 1, 10);
  p.expect('. 1:1(0) ack 11');
  p.tx('P.', 11, 1, 10, { opts: { ts: [500, p.tsRecent] } });
  p.expect('. 1:1(0) ack 11');
  assert.is(p.h.core.mib('TcpExtPAWSEstab'), 1);
  assert.is(p.readLen(), 10);
  p.tx('R', 11, 0, [], { opts: { ts: [500, 0] } });
  assert.is(p.read(), -104);
});

test('the echoed timestamp is that of the segment that advanced the window (RFC 7323 4.3)', async () => {
  const p = await open({ opts: { mss: 1460, sackOk: true, wscale: 7, ts: [1000, 0] } });
  p.ts = 1100;
  p.tx('P.', 11, 1, 10); // out of order
  assert.is(p.all()[0].opts.ts![1], 1000);
  p.ts = 1200;
  p.tx('P.', 1, 1, 10);
  assert.is(p.all()[0].opts.ts![1], 1200);
});

test('bad checksum and malformed headers are counted', async () => {
  const p = await open();
  p.tx('P.', 1, 1, 10, { csum: 0x1234 });
  assert.is(p.h.core.mib('TcpInCsumErrors'), 1);
  const raw = tcpBytes('10.0.0.2', p.peerPort, '10.0.0.1', p.port, 16, p.irs + 1, p.iss + 1, 100);
  raw[12] = 0x40;
  p.h.in4({ proto: 6 }, raw);
  raw[12] = 0xf0;
  p.h.in4({ proto: 6 }, raw);
  p.h.in4({ proto: 6 }, raw.slice(0, 12));
  assert.is(p.h.core.drops('TCP_MALFORMED'), 3);
  p.quiet();
});

test('hostile options: truncated, zero length, unknown, too long', async () => {
  const p = await open();
  for (const raw of [[2], [2, 0, 0, 0], [3, 200, 1, 1], [5, 3, 0, 0], [8, 10, 0], [254, 4, 1, 2], [5, 10, 0, 0, 0, 0, 0, 0, 0, 0]]) p.tx('.', 1, 1, [], { opts: { raw } });
  assert.is(p.state, 1);
  p.tx('P.', 1, 1, 5);
  assert.is(p.readLen(), 5);
});

test('hostile SACK blocks change nothing', async () => {
  const p = await open();
  p.write(5000);
  p.all();
  for (const sack of [[[100000, 200000]], [[200, 100]], [[-5, -1]], [[1, 1]], [[0x7fffffff, 5]]] as [number, number][][]) p.tx('.', 1, 1, [], { opts: { sack } });
  assert.is(p.info(28), 0);
  p.tx('.', 1, 5001);
  assert.is(p.info(24), 0);
});

test('ICMP: soft errors keep the connection, sequence numbers are checked, fragmentation needed resegments', async () => {
  const p = await open({ rtt: 20 });
  p.write(4380);
  const first = p.all()[0];
  const quote = ipv4({ src: '10.0.0.1', dst: '10.0.0.2', proto: 6, totalLen: 1500 }, tcpBytes('10.0.0.1', p.port, '10.0.0.2', p.peerPort, 16, first.seq, first.ack, 0));
  const send = (type: number, code: number, word: number, q = quote): void => {
    p.h.core.rx(0, [ethernet('02:00:00:00:00:01', '02:00:00:00:00:02', 0x0800, ipv4({ src: '10.0.0.2', dst: '10.0.0.1', proto: 1 }, icmp(type, code, word, q)))]);
  };
  send(3, 3, 0);
  assert.is(p.state, 1);
  assert.is(p.poll() & 8, 0);
  const wild = quote.slice();
  wild.set(be32(first.seq + 1000000), 24);
  send(3, 4, 1000, quote);
  const again = p.all().map((s) => p.text(s));
  assert.equal(again, ['. 1:961(960) ack 1', 'P. 961:1921(960) ack 1', '. 1921:2881(960) ack 1', 'P. 2881:2921(40) ack 1', '. 2921:3881(960) ack 1', 'P. 3881:4381(500) ack 1']);
  assert.is(p.info(16), 960);
  assert.is(p.info(1, 1), 4);
});

test('ICMP errors abort a connection attempt', async () => {
  const h = await TestHost.create();
  const s = h.socket(2, 1);
  h.connect(s, '10.0.0.2', 80);
  const p = new TcpPeer(h);
  const [syn] = p.all();
  const quote = ipv4({ src: '10.0.0.1', dst: '10.0.0.2', proto: 6 }, tcpBytes('10.0.0.1', syn.sport, '10.0.0.2', 80, 2, syn.seq, 0, 0));
  h.core.rx(0, [ethernet('02:00:00:00:00:01', '02:00:00:00:00:02', 0x0800, ipv4({ src: '10.0.0.2', dst: '10.0.0.1', proto: 1 }, icmp(3, 3, 0, quote)))]);
  assert.is(h.connect(s, '10.0.0.2', 80), -111);
  assert.is(h.connect(s, '10.0.0.2', 80), -115); // and may be tried again
});

test.run();
