// DCTCP (RFC 8257): marks echoed one by one, the window reduced by the fraction of them, and Reno without ECN.
import * as assert from 'uvu/assert';
import { PEER, TestHost, US } from '../harness/host.js';
import { ACK, CWR, ECE, PSH, SYN, TcpPeer, flagText, tcpBytes } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp dctcp');
const IPPROTO_TCP = 6, TCP_CONGESTION = 13, TCP_CC_INFO = 26;
const MSS = 1000;
const DCTCP = [...Buffer.from('dctcp')];
const OPTS = { mss: MSS, sackOk: true, wscale: 7 };
const NOT_ECT = 0, ECT0 = 2, CE = 3;

/** struct tcp_dctcp_info. */
function info(p: TcpPeer): { enabled: number; ce: number; alpha: number; bytesEcn: number; bytes: number } {
  const v = p.h.core.mem.view;
  assert.is(p.h.core.x.sys_getsockopt(p.socket, IPPROTO_TCP, TCP_CC_INFO, 0x3000, 64), 16);
  return { enabled: v.getUint16(0x3000, true), ce: v.getUint16(0x3002, true), alpha: v.getUint32(0x3004, true), bytesEcn: v.getUint32(0x3008, true), bytes: v.getUint32(0x300c, true) };
}

/** A connection accepted by the core; `ecn`: the peer offers ECN. */
async function open(ecn = true): Promise<TcpPeer> {
  const p = new TcpPeer(await TestHost.create({ config: { sysctl: { 'net.ipv4.tcp_ecn': '0' } } }));
  p.listen({ prepare: (l) => assert.is(p.h.set(l, IPPROTO_TCP, TCP_CONGESTION, DCTCP), 0) });
  segment(p, SYN | (ecn ? ECE | CWR : 0), 0, 0, 0, NOT_ECT, OPTS);
  const [synAck] = p.all();
  assert.is(synAck.flags, ecn ? 'SE.' : 'S.');
  p.advance(50);
  p.win = 1024;
  p.tx('.', 1, 1);
  p.socket = p.accept();
  return p;
}
/** A segment of the peer with an ECN field; seq and ack relative. */
function segment(p: TcpPeer, flags: number, seq: number, ack: number, len: number, ecn: number, opts = {}): void {
  p.h.in4({ proto: 6, tos: ecn }, tcpBytes(PEER, p.peerPort, US, p.port, flags, p.irs + seq, flags & ACK ? p.iss + ack : 0, 1024, opts, new Uint8Array(len)));
}
/** What the core sent: flags, ACK and ECN field of each. */
function sent(p: TcpPeer): string[] {
  return p.h.sent(0x0800).map((f) => {
    const b = f.bytes, t = 14 + (b[14] & 15) * 4;
    return `${flagText(b[t + 13])} ${((b[t + 8] << 24 | b[t + 9] << 16 | b[t + 10] << 8 | b[t + 11]) >>> 0) - p.irs} ecn ${b[15] & 3}`;
  });
}

test('ECN is negotiated without net.ipv4.tcp_ecn, on both sides', async () => {
  await open();
  const p = new TcpPeer(await TestHost.create({ config: { sysctl: { 'net.ipv4.tcp_ecn': '0' } } })), s = p.h.socket(2, 1);
  p.h.set(s, IPPROTO_TCP, TCP_CONGESTION, DCTCP);
  p.h.connect(s, PEER, 80);
  assert.is(p.all()[0].flags, 'SEW');
});

test('all segments are ECN-capable, acknowledgments and retransmissions too', async () => {
  const p = await open();
  p.write(2 * MSS);
  assert.equal(sent(p), ['. 1 ecn 2', 'P. 1 ecn 2']);
  p.advance(1000);
  assert.ok(sent(p).every((s) => s.endsWith('ecn 2')));
  segment(p, ACK | PSH, 1, 1 + 2 * MSS, MSS, ECT0);
  p.advance(100);
  assert.equal(sent(p), ['. 1001 ecn 2']);
});

test('a change of marks is acknowledged at once, what came before it with the old one (RFC 8257 3.2)', async () => {
  const p = await open();
  let at = 1;
  const data = (ecn: number): string[] => {
    segment(p, ACK, at, 1, MSS, ecn);
    at += MSS;
    const out = sent(p);
    p.read();
    return [...out, ...sent(p)];
  };
  // Past the quick acknowledgments of the start: every second segment is acknowledged.
  for (let i = 0; i < 40; i++) data(ECT0);
  p.advance(60);
  sent(p);
  assert.equal(data(ECT0), []);
  const first = at;
  assert.equal(data(CE), [`. ${first} ecn 2`, `E. ${at} ecn 2`]);
  assert.is(info(p).ce, 1);
  assert.equal(data(CE), []);
  assert.equal(data(CE), [`E. ${at} ecn 2`]);
  assert.equal(data(CE), []);
  const last = at;
  assert.equal(data(ECT0), [`E. ${last} ecn 2`, `. ${at} ecn 2`]);
  assert.is(info(p).ce, 0);
});

test('alpha is the moving average of the marked fraction, and what a mark costs (RFC 8257 3.3)', async () => {
  const p = await open();
  assert.equal(info(p), { enabled: 1, ce: 0, alpha: 1024, bytesEcn: 0, bytes: 0 });
  p.write(100 * MSS);
  p.all();
  let una = 1;
  const ack = (n: number, ece: boolean): void => {
    una += n * MSS;
    segment(p, ACK | (ece ? ECE : 0), 1, una, 0, NOT_ECT);
  };
  p.advance(50);
  ack(10, false); // a window without marks: the observation of its ten packets ends with the next ACK
  p.all();
  p.advance(50);
  ack(2, false);
  // g = 1/16, and two observations: the first ended with the first ACK of data.
  const { alpha } = info(p);
  assert.is(alpha, 1024 - 64 - 60);
  p.all();
  const cwnd = p.cwnd;
  p.advance(50);
  ack(2, true); // one mark: the window shrinks by alpha / 2
  assert.is(p.info(76), cwnd - Math.floor(cwnd * info(p).alpha / 2048));
  assert.is(p.info(196), 2); // tcpi_delivered_ce
});

test('loss halves', async () => {
  const p = await open();
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1 + MSS);
  for (let i = 0; i < 20; i++) { // alpha decays to little
    p.write(2 * MSS);
    p.all();
    p.advance(50);
    p.tx('.', 1, 1 + (10 + 2 * i) * MSS);
  }
  assert.ok(info(p).alpha < 512);
  const una = 1 + 48 * MSS, cwnd = p.cwnd;
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, una, [], { opts: { sack: [[una + 4 * MSS, una + 10 * MSS]] } });
  assert.is(p.info(1, 1), 3); // Recovery
  assert.is(p.info(76), cwnd >> 1);
});

test('without ECN it is Reno', async () => {
  const p = await open(false);
  assert.equal(info(p), { enabled: 0, ce: 0, alpha: 0, bytesEcn: 0, bytes: 0 });
  p.write(10 * MSS);
  assert.ok(sent(p).every((s) => s.endsWith('ecn 0')));
});

test.run();
