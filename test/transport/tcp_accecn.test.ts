// Accurate ECN (RFC 9768): the handshake by its tables, the counters ACE and the options carry, what they say to the sender, and paths that mangle.
import * as assert from 'uvu/assert';
import { PEER, TestHost, US } from '../harness/host.js';
import { readIpv4 } from '../harness/packet.js';
import { ACK, PSH, SYN, TcpPeer, flagsOf, readTcp, tcpBytes, type Segment, type TcpOpts } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp accecn');
const MSS = 1000, OPTS = { mss: MSS, sackOk: true, wscale: 7 }, TS: TcpOpts = { ...OPTS, ts: [100, 0] };
const NOT_ECT = 0, ECT1 = 1, ECT0 = 2, CE = 3;
/** Header flags of ACE. */
const ace = (n: number): number => (n & 7) << 6;
/** The handshake's encoding of an IP-ECN field, tables 2 and 3. */
const REFLECTED = ['W', 'EW', 'A', 'WA'];

interface Sent extends Segment {
  ecn: number;
  /** Value of ACE. */
  ace: number;
}
class Conn {
  readonly p: TcpPeer;
  ts?: number;
  private constructor(readonly h: TestHost) { this.p = new TcpPeer(h); }
  static async make(sysctl: Record<string, string> = {}, features = 0): Promise<Conn> {
    return new Conn(await TestHost.create({ features, config: { sysctl: { 'net.ipv4.tcp_ecn': '3', ...sysctl } } }));
  }
  /** A segment of the peer; seq and ack relative. */
  tx(flags: number, seq: number, ack: number, len = 0, ecn = NOT_ECT, opts: TcpOpts = {}): void {
    const o: TcpOpts = { ...opts, ...(this.ts !== undefined && !(flags & SYN) ? { ts: [this.ts, 0] as [number, number] } : {}) };
    if (o.sack) o.sack = o.sack.map(([a, b]) => [this.p.iss + a, this.p.iss + b]);
    this.h.in4({ proto: 6, tos: ecn }, tcpBytes(PEER, this.p.peerPort, US, this.p.port, flags, this.p.irs + seq, flags & ACK ? this.p.iss + ack : 0, 1024, o, new Uint8Array(len)));
  }
  sent(): Sent[] {
    return this.h.sent(0x0800).map((f) => {
      const ip = readIpv4(f.bytes), s = readTcp(ip.payload);
      if (s.flags.includes('S')) this.p.iss = s.seq;
      return { ...s, gso: f.gsoSize, ecn: ip.tos & 3, ace: flagsOf(s.flags) >> 6 };
    });
  }
  one(): Sent {
    const all = this.sent();
    assert.is(all.length, 1, JSON.stringify(all.map((s) => s.flags)));
    return all[0];
  }
  /** Accepted by the core; ACE of the last ACK of the handshake. */
  static async accepted(o: { sysctl?: Record<string, string>; features?: number; opts?: TcpOpts; third?: number } = {}): Promise<Conn> {
    const c = await Conn.make(o.sysctl, o.features), opts: TcpOpts = o.opts ?? OPTS;
    c.p.listen();
    c.tx(SYN | ace(7), 0, 0, 0, NOT_ECT, opts);
    assert.is(c.one().flags, 'SW.');
    if (opts.ts) c.ts = opts.ts[0];
    c.p.advance(50);
    c.tx(ACK | ace(o.third ?? 2), 1, 1);
    c.p.socket = c.p.accept();
    assert.ok(c.p.socket >= 0);
    return c;
  }
  /** A SYN of the core. */
  static async connecting(sysctl: Record<string, string> = {}): Promise<[Conn, Sent]> {
    const c = await Conn.make(sysctl);
    c.p.socket = c.h.socket(2, 1);
    c.p.peerPort = 80;
    c.h.connect(c.p.socket, PEER, 80);
    const syn = c.one();
    c.p.port = syn.sport;
    return [c, syn];
  }
  static async connected(synAck = 2, ecn = NOT_ECT, opts: TcpOpts = OPTS): Promise<[Conn, Sent]> {
    const [c] = await Conn.connecting();
    c.tx(SYN | ACK | ace(synAck), 0, 1, 0, ecn, opts);
    return [c, c.one()];
  }
  /** Past the quick acknowledgments of the start: every second segment is acknowledged. The next sequence number. */
  settle(): number {
    for (let i = 0; i < 40; i++) this.tx(ACK | ace(5), 1 + i * MSS, 1, MSS, ECT0);
    this.p.read(1e6);
    this.p.advance(60);
    this.sent();
    return 1 + 40 * MSS;
  }
  get deliveredCe(): number { return this.p.info(196); }
  get failMode(): number { return this.p.info(276) & 0xffff; }
}

test('server: a SYN that asks is answered by what the IP-ECN field of it was (table 2)', async () => {
  for (const mode of ['3', '4', '5']) {
    for (const flags of [1, 2, 4, 5, 6, 7]) { // 3.1.3: all but 000 and 011
      for (const ecn of [NOT_ECT, ECT1, ECT0, CE]) {
        const c = await Conn.make({ 'net.ipv4.tcp_ecn': mode });
        c.p.listen();
        c.tx(SYN | ace(flags), 0, 0, 0, ecn, OPTS);
        const s = c.one();
        assert.is(s.flags, `S${REFLECTED[ecn]}.`);
        assert.is(s.ecn, NOT_ECT);
        assert.equal(s.opts.acc, [0, 1, 0]);
      }
    }
  }
});

test('server: classic ECN, none, and a stack that is not asked to know AccECN', async () => {
  for (const [mode, syn, answer] of [['3', 3, 'SE.'], ['3', 0, 'S.'], ['0', 7, 'S.'], ['1', 7, 'SE.'], ['2', 7, 'SE.'], ['2', 4, 'S.']] as const) {
    const c = await Conn.make({ 'net.ipv4.tcp_ecn': mode });
    c.p.listen();
    c.tx(SYN | ace(syn), 0, 0, 0, NOT_ECT, OPTS);
    const s = c.one();
    assert.is(s.flags, answer, `tcp_ecn ${mode}, ${syn}`);
    assert.is(s.opts.acc, undefined);
  }
});

test('client: what net.ipv4.tcp_ecn asks for, and for how long', async () => {
  for (const [mode, flags] of [['0', 'S'], ['1', 'SEW'], ['2', 'S'], ['3', 'SEWA'], ['4', 'SEW'], ['5', 'S']]) {
    const [c, syn] = await Conn.connecting({ 'net.ipv4.tcp_ecn': mode });
    assert.is(syn.flags, flags);
    assert.is(syn.opts.acc, undefined); // 3.2.3.2.1
    const again: string[] = [];
    for (let i = 0; i < 3; i++) {
      c.p.advance(1000 * 2 ** i);
      again.push(...c.sent().map((s) => s.flags));
    }
    assert.equal(again.slice(0, 2), mode === '3' ? ['SEWA', 'S'] : ['S', 'S']); // 3.1.4.1
  }
});

test('client: the mode that each SYN-ACK means (table 2), and whether data is ECN-capable (3.2.2.3)', async () => {
  // Flags of the answer: of the third ACK, the IP-ECN field of data, and its flags.
  const want: [number, string, number, string][] = [
    [0, '.', 0, 'P.'], [7, '.', 0, 'P.'], [1, '.', 2, 'P.'], [2, 'W.', 2, 'PEA.'], [5, 'W.', 2, 'PEA.'],
    [3, 'W.', 0, 'PEA.'], [4, 'W.', 0, 'PEA.'], [6, 'W.', 0, 'PEA.'],
  ];
  for (const [synAck, ack, ecn, data] of want) {
    const [c, third] = await Conn.connected(synAck);
    assert.is(third.flags, ack, `SYN-ACK ${synAck}`);
    assert.equal(third.opts.acc, ack === 'W.' ? [0, 1, 0] : undefined);
    assert.is(c.p.info(1, 1), synAck === 6 ? 2 : 0); // congestion on the SYN is answered: CWR
    assert.is(c.deliveredCe, 0); // and not counted (3.2.2.2)
    c.p.write(100);
    const s = c.one();
    assert.is(s.ecn, ecn);
    assert.is(s.flags, data);
    assert.equal(s.opts.acc, ack === 'W.' ? [0, 1, 0] : undefined);
  }
});

test('client: the ACK of the SYN-ACK reflects its IP-ECN field, also when it comes again (3.2.2.1)', async () => {
  for (const ecn of [NOT_ECT, ECT1, ECT0, CE]) {
    const [c, third] = await Conn.connected(2, ecn);
    assert.is(third.flags, `${REFLECTED[ecn]}.`);
    for (const later of [CE, NOT_ECT]) {
      c.p.advance(1000);
      c.tx(SYN | ACK | ace(2), 0, 1, 0, later, OPTS);
      assert.is(c.one().flags, `${REFLECTED[later]}.`);
    }
    c.p.write(100);
    assert.is(c.one().ace, ecn === CE ? 6 : 5); // once, and only the first
  }
});

test('server: what the last ACK of the handshake says (table 4)', async () => {
  for (let third = 0; third < 8; third++) {
    const c = await Conn.accepted({ third }), mangled = [0, 3, 4, 6].includes(third);
    assert.is(c.deliveredCe, third === 6 ? 1 : 0);
    assert.is(c.p.info(1, 1), third === 6 ? 2 : 0);
    c.p.write(2 * MSS);
    const s = c.sent();
    assert.equal(s.map((x) => x.ecn), mangled ? [0, 0] : [2, 2]);
    assert.equal(s.map((x) => x.ace), [5, 5]);
    assert.is(c.failMode, mangled ? 2 : 0);
    // Feedback counts, but for 000.
    c.p.advance(50);
    c.tx(ACK | ace(third === 6 ? 7 : 6), 1, 1 + MSS);
    assert.is(c.deliveredCe, third === 0 ? 0 : third === 6 ? 2 : 1);
  }
});

test('the SYN again: the latest one is reflected, one without ECN forbids ECT, a classic one ends it (3.1.5)', async () => {
  const c = await Conn.make();
  c.p.listen();
  c.tx(SYN | ace(7), 0, 0, 0, NOT_ECT, OPTS);
  assert.is(c.one().flags, 'SW.');
  c.p.advance(600);
  c.tx(SYN | ace(7), 0, 0, 0, CE, OPTS);
  const again = c.one();
  assert.is(again.flags, 'SWA.');
  assert.is(again.opts.acc, undefined); // 3.2.3.2.2
  c.p.advance(600);
  c.tx(SYN, 0, 0, 0, NOT_ECT, OPTS);
  assert.is(c.one().flags, 'SW.');
  c.tx(ACK | ace(2), 1, 1);
  c.p.socket = c.p.accept();
  c.p.write(100);
  assert.is(c.one().ecn, 0);
  for (const [first, second] of [[7, 3], [3, 7]]) {
    const d = await Conn.make();
    d.p.listen();
    d.tx(SYN | ace(first), 0, 0, 0, NOT_ECT, OPTS);
    d.one();
    d.p.advance(600);
    d.tx(SYN | ace(second), 0, 0, 0, NOT_ECT, OPTS);
    assert.is(d.one().flags, 'R.');
    d.tx(ACK | ace(2), 1, 1);
    assert.is(d.one().flags, 'R');
  }
});

test('the SYN-ACK again: without the option, then without ECN (3.2.3.2.2)', async () => {
  const c = await Conn.make();
  c.p.listen();
  c.tx(SYN | ace(7), 0, 0, 0, NOT_ECT, OPTS);
  const seen: [string, unknown][] = [];
  for (const ms of [0, 1100, 2100]) {
    c.p.advance(ms);
    seen.push(...c.sent().map((s) => [s.flags, s.opts.acc] as [string, unknown]));
  }
  assert.equal(seen, [['SW.', [0, 1, 0]], ['SW.', undefined], ['S.', undefined]]);
  c.tx(ACK | ace(2), 1, 1);
  c.p.socket = c.p.accept();
  c.p.write(100);
  assert.is(c.one().ecn, 0);
  // It still feeds back, without options.
  c.tx(ACK | PSH | ace(5), 1, 1, 100, CE);
  const s = c.one();
  assert.is(s.ace, 6);
  assert.is(s.opts.acc, undefined);
  assert.is(c.failMode, 2 | 4);
});

test('CE is counted by ACE, which goes round, and bytes by the option of order 0', async () => {
  const c = await Conn.accepted();
  let at = c.settle();
  for (let n = 1; n <= 20; n++) {
    c.tx(ACK | ace(5), at, 1, MSS, CE);
    at += MSS;
    c.p.read(1e6);
    c.p.advance(60);
    const s = c.sent();
    assert.is(s[s.length - 1].ace, (5 + n) & 7);
    assert.equal(s[s.length - 1].opts.acc, [0, 1 + 40 * MSS, n * MSS]);
    assert.is(s[0].ecn, NOT_ECT);
  }
  assert.equal([248, 264, 268, 272].map((o) => c.p.info(o)), [20, 0, 40 * MSS, 20 * MSS]); // tcpi_received_ce, _e1_bytes, _e0_bytes, _ce_bytes
});

test('a change to CE is acknowledged at once, and every second mark (3.2.2.5.1)', async () => {
  const c = await Conn.accepted();
  let at = c.settle();
  const data = (ecn: number): number[] => {
    c.tx(ACK | ace(5), at, 1, MSS, ecn);
    at += MSS;
    const out = c.sent().map((s) => s.ace);
    c.p.read();
    return [...out, ...c.sent().map((s) => s.ace)];
  };
  assert.equal(data(ECT0), []);
  assert.equal(data(CE), [6]);
  assert.equal(data(CE), []);
  assert.equal(data(CE), [0]);
  c.p.advance(60);
  c.sent();
  assert.equal(data(ECT0), []);
});

test('marked acknowledgments bring one of their own after three (3.2.2.5.1)', async () => {
  const c = await Conn.accepted();
  const pure = (): number[] => {
    c.tx(ACK | ace(5), 1, 1, 0, CE);
    return c.sent().map((s) => s.ace);
  };
  assert.equal([pure(), pure(), pure(), pure(), pure(), pure()], [[], [], [0], [], [], [3]]);
});

test('the option: order 1 for ECT(1), three counters for both, and SACK goes before it', async () => {
  const c = await Conn.accepted({ opts: TS });
  c.tx(ACK | PSH | ace(5), 1, 1, 100, ECT1);
  assert.equal(c.one().opts.acc, [1, 101, 0]);
  c.tx(ACK | PSH | ace(5), 101, 1, 100, ECT0);
  assert.equal(c.one().opts.acc, [1, 101, 0, 101]);
  c.tx(ACK | ace(5), 301, 1, 100, ECT0); // one block fits beside it
  let s = c.one();
  assert.is(s.opts.sack!.length, 1);
  assert.equal(s.opts.acc, [1, 101, 0, 201]);
  c.tx(ACK | ace(5), 501, 1, 100, ECT0); // two do not
  s = c.one();
  assert.is(s.opts.sack!.length, 2);
  assert.is(s.opts.acc, undefined);

  const d = await Conn.accepted({ opts: TS });
  for (const seq of [101, 301, 501]) d.tx(ACK | ace(5), seq, 1, 100, ECT0);
  s = d.sent()[2];
  assert.is(s.opts.sack!.length, 2); // of three, for the option's sake
  assert.equal(s.opts.acc, [0, 301, 0]);
});

test('net.ipv4.tcp_ecn_option: never, when marks change, always', async () => {
  for (const level of [0, 1, 2]) {
    const c = await Conn.accepted({ sysctl: { 'net.ipv4.tcp_ecn_option': String(level), 'net.ipv4.tcp_ecn_option_beacon': '0' } });
    const seen: boolean[] = [];
    [ECT0, ECT0, ECT0, ECT0, CE, ECT0, ECT0, ECT0].forEach((ecn, i) => {
      c.tx(ACK | PSH | ace(5), 1 + i * 100, 1, 100, ecn);
      c.p.advance(60);
      seen.push(c.sent().some((s) => s.opts.acc !== undefined));
    });
    assert.equal(seen, [[0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1, 1, 1]][level].map(Boolean), `level ${level}`);
  }
});

test('the sender: ACE says how many, once, and the window is reduced once a round', async () => {
  const c = await Conn.accepted();
  c.p.write(10 * MSS);
  c.sent();
  c.p.advance(50);
  c.tx(ACK | ace(5 + 2), 1, 1 + 3 * MSS);
  assert.is(c.deliveredCe, 2);
  assert.is(c.p.info(1, 1), 2); // CWR
  assert.is(c.p.info(76), 7); // of 10
  c.tx(ACK | ace(5 + 2), 1, 1 + 4 * MSS);
  c.tx(ACK | ace(5 + 3), 1, 1 + 5 * MSS);
  assert.is(c.deliveredCe, 3);
  assert.is(c.p.info(76), 7);
  c.tx(ACK | ace(5), 1, 1 + 2 * MSS); // an older one says nothing
  assert.is(c.deliveredCe, 3);
  c.p.write(MSS);
  assert.ok(c.sent().every((s) => s.ace === 5), 'no CWR');
});

test('the sender: more than seven at once are taken as the safest likely case, unless the option knows (3.2.2.5.2)', async () => {
  /** An ACK of ten; `before`: others were of one. */
  const far = async (acc?: number[], before = 2): Promise<Conn> => {
    const c = await Conn.accepted();
    c.p.write(14 * MSS);
    c.sent();
    c.p.advance(50);
    for (let i = 1; i <= before; i++) c.tx(ACK | ace(5), 1, 1 + i * MSS);
    c.tx(ACK | ace(5 + 1), 1, 1 + (10 + before) * MSS, 0, NOT_ECT, acc ? { acc } : {});
    return c;
  };
  assert.is((await far()).deliveredCe, 9); // 1, or once around
  assert.is((await far(undefined, 0)).deliveredCe, 1); // where all ACKs are of so many none was lost
  const c = await far([0, 1 + 9 * MSS, MSS]);
  assert.is(c.deliveredCe, 1);
  assert.equal([252, 256, 260].map((o) => c.p.info(o)), [0, 9 * MSS, MSS]);
  assert.is((await far([0, 1 + MSS, 9 * MSS])).deliveredCe, 9);
  assert.is((await far([1, 1, MSS, 1 + 9 * MSS])).deliveredCe, 1);
  // 3.2.3.2.4: a zeroed counter is not believed, nor any other.
  const zeroed = await far([0, 0, MSS]);
  assert.is(zeroed.deliveredCe, 9);
  assert.is(zeroed.failMode, 8);
});

test('zeroed ACE, and CE bytes that ACE does not know: nothing is ECN-capable any more (3.2.2.4, 3.2.3.2.5)', async () => {
  for (const [first, acc, ce] of [[0, undefined, 0], [5, [0, 1, MSS], 0]] as [number, number[] | undefined, number][]) {
    const c = await Conn.accepted();
    c.p.write(2 * MSS);
    assert.ok(c.sent().every((s) => s.ecn === ECT0));
    c.p.advance(50);
    c.tx(ACK | ace(first), 1, 1 + MSS, 0, NOT_ECT, acc ? { acc } : {});
    assert.is(c.deliveredCe, ce);
    c.p.write(2 * MSS);
    assert.ok(c.sent().every((s) => s.ecn === NOT_ECT && s.ace === 5));
    assert.is(c.failMode, 2);
  }
});

test('retransmissions are not ECN-capable and carry no option; a lost first flight ends options', async () => {
  const [c] = await Conn.connected();
  c.p.write(100);
  assert.equal(c.one().opts.acc, [0, 1, 0]);
  c.p.advance(3000);
  const again = c.sent().filter((s) => s.data.length);
  assert.ok(again.length > 0 && again.every((s) => s.ecn === NOT_ECT && s.opts.acc === undefined && s.ace === 5));
  c.tx(ACK | PSH | ace(5), 1, 101, 100, CE);
  const s = c.one();
  assert.is(s.ace, 6);
  assert.is(s.opts.acc, undefined);
});

test('a SYN cookie: ACE of the ACK tells that AccECN was agreed (5.1)', async () => {
  for (const third of [0, 1, 2, 6]) {
    const c = await Conn.make({ 'net.ipv4.tcp_syncookies': '2' });
    c.p.listen();
    c.tx(SYN | ace(7), 0, 0, 0, NOT_ECT, TS);
    const s = c.one();
    assert.is(s.flags, 'SW.');
    c.ts = 101;
    c.h.in4({ proto: 6 }, tcpBytes(PEER, c.p.peerPort, US, c.p.port, ACK | ace(third), c.p.irs + 1, s.seq + 1, 1024, { ts: [101, s.opts.ts![0]] }));
    c.p.socket = c.p.accept();
    assert.ok(c.p.socket >= 0);
    c.p.write(100);
    const d = c.one();
    assert.is(d.ace, third > 1 ? 5 : 0);
    assert.is(d.ecn, third === 2 ? ECT0 : NOT_ECT);
  }
});

test('DCTCP uses the counter: alpha by packets, marks not echoed one by one', async () => {
  const c = await Conn.make({ 'net.ipv4.tcp_congestion_control': 'dctcp' });
  c.p.listen();
  c.tx(SYN | ace(7), 0, 0, 0, NOT_ECT, OPTS);
  c.one();
  c.p.advance(50);
  c.tx(ACK | ace(2), 1, 1);
  c.p.socket = c.p.accept();
  c.p.write(10 * MSS);
  assert.ok(c.sent().every((s) => s.ecn === ECT0));
  c.p.advance(50);
  c.tx(ACK | ace(5 + 2), 1, 1 + 5 * MSS);
  assert.is(c.deliveredCe, 2);
  c.tx(ACK | ace(5 + 2), 1, 1 + 10 * MSS);
  assert.is(c.deliveredCe, 2);
  c.tx(ACK | PSH | ace(5 + 2), 1, 1 + 10 * MSS, 100, CE);
  const acks = c.sent().filter((s) => !s.data.length);
  assert.equal(acks.map((s) => [s.ace, s.ecn]), [[6, ECT0]]);
});

test('super-segments: CWR as a bit of the counter is in every segment, whoever cuts them', async () => {
  const c = await Conn.accepted({ features: 7 });
  c.p.write(4 * MSS);
  assert.ok(c.sent().some((s) => s.gso === MSS)); // 5 = 101: the device may cut
  c.tx(ACK | PSH | ace(5), 1, 1 + 4 * MSS, 100, CE);
  c.sent();
  c.p.write(4 * MSS);
  const s = c.sent().filter((x) => x.data.length);
  assert.is(s.length, 4);
  assert.equal(s.map((x) => [x.gso, x.ace]), [[0, 6], [0, 6], [0, 6], [0, 6]]);
});

test.run();
