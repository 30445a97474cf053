// What has made connections of other stacks stand still, one test each: nothing here may wait for longer than it has to.
import * as assert from 'uvu/assert';
import { OUR_MAC, PEER, PEER_MAC, TestHost, US } from '../harness/host.js';
import { ethernet, ipv4 } from '../harness/packet.js';
import { ACK, TcpPeer, tcpBytes, type ConnectOptions } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp: known stalls');
const MSS = 1000;
const OPTS = { mss: MSS, sackOk: true, wscale: 7 };
const SOL_SOCKET = 1, SO_SNDBUF = 7, SO_RCVBUF = 8, TCP = 6, TCP_NODELAY = 1;
const POLLIN = 1, POLLOUT = 4;
/** Of struct tcp_info. */
const BACKOFF = 4, RTO = 8, UNACKED = 24, SACKED = 28, LOST = 32, RETRANS = 36, RCV_WND = 232;
const RECOVERED = [0, 0, 0, 0];

async function open(o: ConnectOptions = {}, features = 0, prepare?: (l: number, h: TestHost) => void): Promise<TcpPeer> {
  const h = await TestHost.create({ features }), p = new TcpPeer(h);
  p.accepted({ opts: OPTS, rtt: 50, win: 1000, ...o, prepare: prepare && ((l) => { prepare(l, h); }) });
  return p;
}
const sack = (p: TcpPeer, ack: number, ...blocks: [number, number][]): void => p.tx('.', 1, 1 + ack * MSS, [], { opts: { sack: blocks.map(([a, b]) => [1 + a * MSS, 1 + b * MSS]) } });
const pipe = (p: TcpPeer): number[] => [UNACKED, SACKED, LOST, RETRANS].map((f) => p.info(f));
const timeouts = (p: TcpPeer): number => p.h.core.mib('TcpExtTCPTimeouts');
/** Bytes of the stream that were sent, from the place of each segment. */
const sent = (p: TcpPeer): [number, number][] => p.all().filter((s) => s.data.length).map((s) => [(s.seq - p.iss) >>> 0, s.data.length]);
/** Feed the core until its window is closed; the sequence number then. */
function closeWindow(p: TcpPeer): number {
  let seq = 1, edge = 1 + p.info(RCV_WND);
  for (let quiet = 0; quiet < 3;) {
    const n = Math.min(MSS, edge - seq);
    if (n) p.tx('.', seq, 1, n);
    seq += n;
    p.advance(250);
    const acks = p.all();
    quiet = n || acks.length ? 0 : quiet + 1;
    for (const s of acks) edge = Math.max(edge, ((s.ack - p.irs) >>> 0) + s.win);
  }
  assert.is(edge, seq);
  return seq;
}
/** Nobody does anything for so many ms. */
function rest(p: TcpPeer, ms: number): void {
  p.h.core.now += ms * 1e6;
  p.h.core.poll();
}
/** ms until the core sends, at most `most`; what it sends. */
function wait(p: TcpPeer, most: number): { ms: number; segments: [number, number][] } {
  const c = p.h.core, begin = c.now;
  c.poll();
  for (let polls = 0; ; polls++) {
    assert.ok(polls < 1000, 'the core is polled on and on');
    const segments = sent(p);
    if (segments.length || c.deadline > begin + most * 1e6) return { ms: (c.now - begin) / 1e6, segments };
    assert.ok(c.deadline > c.now, 'a deadline lies in the past');
    c.now = c.deadline;
    c.poll();
  }
}

for (const rtt of [0, 0.001, 0.02]) {
  test(`RACK on a round trip of ${rtt * 1000} us: a loss is found in a few ms, once`, async () => {
    const p = await open({ rtt });
    for (let round = 0; round < 3; round++) {
      const base = 4 * round;
      p.write(4 * MSS);
      assert.is(sent(p).reduce((n, [, len]) => n + len, 0), 4 * MSS);
      p.advance(rtt);
      sack(p, base, [base + 1, base + 2]);
      const { ms, segments } = wait(p, 100);
      assert.equal(segments[0], [1 + base * MSS, MSS], `round ${round}`);
      assert.ok(ms <= 10, `${ms} ms`);
      p.advance(rtt);
      p.tx('.', 1, 1 + (base + 4) * MSS);
      assert.equal(pipe(p), RECOVERED);
    }
    assert.is(timeouts(p), 0);
  });
}

test('RACK on a coarse clock: all of a flight has one time, and the order of its sequence numbers tells', async () => {
  const p = await open({ rtt: 10 });
  p.write(10 * MSS);
  p.all();
  // The ACKs come within the tick in which the segments left.
  sack(p, 0, [1, 2]);
  sack(p, 0, [1, 3]);
  sack(p, 0, [1, 4]);
  assert.equal(sent(p), [[1, MSS]]);
  assert.equal(pipe(p), [10, 3, 1, 1]);
  // What was sent after it is not lost for having the same time.
  p.tx('.', 1, 1 + 4 * MSS);
  assert.equal(sent(p), []);
  assert.equal(pipe(p), [6, 0, 0, 0]);
  p.tx('.', 1, 1 + 10 * MSS);
  assert.equal(pipe(p), RECOVERED);
});
test('RACK on a coarse clock: a lost retransmission of the same tick is found by what was sent after it', async () => {
  const p = await open({ rtt: 10 });
  p.write(40 * MSS);
  p.all();
  p.advance(10);
  sack(p, 0, [1, 4]);
  // The retransmission and new data leave in one tick.
  const first = sent(p);
  assert.equal(first[0], [1, MSS]);
  p.advance(10);
  sack(p, 0, [1, 10]);
  const more = sent(p);
  assert.ok(more.length > 0 && more.every(([seq]) => seq > 10 * MSS), JSON.stringify(more));
  const end = (more[more.length - 1][0] + more[more.length - 1][1] - 1) / MSS;
  p.advance(10);
  sack(p, 0, [1, end]);
  const { ms, segments } = wait(p, 100);
  assert.equal(segments[0], [1, MSS]);
  assert.ok(ms <= 20, `${ms} ms`);
  assert.is(timeouts(p), 0);
});
test('a clock of 10 ms: a delivery sooner than the least round trip known does not hide what is lost', async () => {
  const p = await open({ rtt: 10 });
  p.write(10 * MSS);
  p.all();
  p.advance(10);
  sack(p, 0, [2, 10]);
  assert.equal(sent(p), [[1, MSS], [1001, MSS]]);
  // Within the same tick one retransmission arrives; the other is lost.
  p.tx('.', 1, 1 + MSS, [], { opts: { sack: [[1 + 2 * MSS, 1 + 10 * MSS]] } });
  const { ms, segments } = wait(p, 1000);
  assert.equal(segments[0], [1001, MSS]);
  assert.ok(ms <= p.info(RTO) / 1000 + 1, `${ms} ms`);
  p.tx('.', 1, 1 + 10 * MSS);
  assert.equal(pipe(p), RECOVERED);
});

test('super-segments: one acknowledgment for a whole flight opens the window; when it is lost, a probe asks for it', async () => {
  const p = await open({}, 7);
  p.write(60 * MSS);
  assert.ok(p.all().some((s) => s.gso === MSS && s.data.length > MSS));
  p.advance(50);
  p.tx('.', 1, 1 + 10 * MSS);
  assert.is(p.cwnd, 18); // RFC 9406 4.3: an acknowledgment grows by eight
  const flight = p.all().reduce((n, s) => n + s.data.length, 0);
  assert.is(flight, 18 * MSS);
  // Its only acknowledgment is lost.
  const { ms, segments } = wait(p, 1000);
  assert.ok(ms < 160, `${ms} ms`);
  assert.is(segments.length, 1);
  p.tx('.', 1, segments[0][0] + segments[0][1], [], { opts: { sack: [[1 + 27 * MSS, 1 + 28 * MSS]] } });
  assert.is(timeouts(p), 0);
  assert.ok(p.cwnd >= 14, `${p.cwnd}`);
  assert.ok(sent(p).length > 0);
});
test('super-segments: acknowledgments inside of segments leave nothing behind', async () => {
  const p = await open({}, 7);
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  for (const upTo of [1, 999, 1500, 3333, 3334, 9999]) {
    p.tx('.', 1, 1 + upTo);
    assert.is(p.info(UNACKED), Math.ceil((10 * MSS - upTo) / MSS), `${upTo} bytes`);
  }
  const { segments } = wait(p, 1000);
  assert.equal(segments, [[10_000, 1]]);
  p.tx('.', 1, 1 + 10 * MSS);
  assert.equal(pipe(p), RECOVERED);
});
test('super-segments received: acknowledged at once, also when there is data that cannot carry it', async () => {
  const p = await open({}, 7);
  const receive = (seq: number, segments: number): void => {
    const data = new Uint8Array(segments * MSS), tcp = tcpBytes(PEER, p.peerPort, US, p.port, ACK, p.irs + seq, p.iss + 1, 0, {}, data);
    p.h.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto: 6 }, tcp))], { flags: 1, csumStart: 34, csumOffset: 16, gsoType: 1, gsoSize: MSS, hdrLen: 54 });
  };
  // The peer's window is closed: what we write waits, the acknowledgment must not wait with it.
  receive(1, 2);
  p.expect(`. 1:1(0) ack ${1 + 2 * MSS}`);
  p.write(3 * MSS);
  p.quiet();
  for (let i = 0; i < 4; i++) {
    receive(1 + (2 + 10 * i) * MSS, 10);
    assert.equal(p.all().map((s) => (s.ack - p.irs) >>> 0), [1 + (12 + 10 * i) * MSS]);
    while (p.readLen() > 0);
    p.all();
  }
  p.tx('.', 1 + 42 * MSS, 1, [], { win: 100 });
  assert.is(sent(p).reduce((n, [, len]) => n + len, 0), 3 * MSS);
});

test('auto-tuned send buffer: whoever found no room is told of it, however it came about', async () => {
  const p = await open({ win: 8192 }), c = p.h.core, events = (): number => {
    let mask = 0;
    for (let n = c.x.events(100), i = 0; i < n; i++) mask |= c.mem.u32[(0x4000 >>> 2) + 2 * i + 1];
    return mask;
  };
  const first = p.h.getInt(p.socket, SOL_SOCKET, SO_SNDBUF);
  let una = 1;
  for (let round = 0; round < 8; round++) {
    while (p.write(4 * MSS) > 0);
    assert.is(p.poll() & POLLOUT, 0);
    events();
    let told = 0;
    // One ACK for every two segments, until the application is told.
    for (let acks = 0; !told; acks++) {
      assert.ok(acks < 2000, `round ${round}: nobody is told of ${p.h.getInt(p.socket, SOL_SOCKET, SO_SNDBUF)} bytes of buffer`);
      p.advance(acks % 8 ? 0 : 50);
      for (const [seq, len] of sent(p)) una = Math.max(una, Math.min(seq + len, una + 2 * MSS));
      p.tx('.', 1, una);
      told = events() & POLLOUT;
    }
  }
  assert.ok(p.h.getInt(p.socket, SOL_SOCKET, SO_SNDBUF) > 2 * first, `${first}`);
});
test('auto-tuned receive buffer: a window that was closed opens as soon as all is read, again and again', async () => {
  const p = await open({ opts: { ...OPTS, ts: [1, 0] } });
  let seq = 1, edge = 0, last = 0;
  const look = (): void => { for (const s of p.all()) edge = Math.max(edge, ((s.ack - p.irs) >>> 0) + (last = s.win * 128)); };
  p.tx('.', seq, 1, 10);
  p.advance(50);
  seq += 10;
  look();
  for (let round = 0; round < 12 && last < 400_000; round++) {
    while (edge > seq) {
      const n = Math.min(MSS, edge - seq);
      p.ts++;
      p.tx('.', seq, 1, n);
      seq += n;
      look();
    }
    p.advance(300);
    look();
    // Nothing fits any more, or the receiver would have said so.
    assert.ok(edge - seq < 2 * MSS, `${edge - seq}`);
    while (p.readLen() > 0);
    p.h.core.poll();
    look();
    assert.ok(last >= 30_000 && edge - seq >= 30_000, `round ${round}: ${last}, ${edge - seq} after everything was read`);
  }
});
test('a small receive buffer: all that the window allows is kept behind a hole, and nothing that was sacked is dropped', async () => {
  for (const [rcvbuf, size] of [[8192, MSS], [16384, MSS], [16384, 1460], [32768, 700], [65536, 1460]]) {
    const p = await open({ opts: { ...OPTS, mss: 1460, wscale: 0 } }, 0, (l, h) => h.setInt(l, SOL_SOCKET, SO_RCVBUF, rcvbuf));
    const edge = 1 + p.info(RCV_WND);
    // Every segment but the first one, three times out of four in order and then one of them ahead.
    const places: number[] = [];
    for (let seq = 1 + size; seq + size <= edge; seq += size) places.push(seq);
    for (let i = 3; i < places.length; i += 4) [places[i - 1], places[i]] = [places[i], places[i - 1]];
    for (const seq of places) p.tx('.', seq, 1, size);
    assert.equal(['TcpExtTCPRcvPruned', 'TcpExtTCPOFODrop'].map((name) => p.h.core.mib(name as 'TcpExtTCPOFODrop')), [0, 0], `buffer of ${rcvbuf}`);
    p.all();
    p.tx('.', 1, 1, size);
    assert.is((p.all().pop()!.ack - p.irs) >>> 0, 1 + size * (places.length + 1), `buffer of ${rcvbuf}`);
  }
});
for (const { run, order } of [2, 5, 25, 60].flatMap((run) => ['above', 'below'].map((order) => ({ run, order })))) {
  test(`a large receive buffer, a hole behind every ${run} segments: filled from ${order}, and nothing that was sacked is dropped`, async () => {
    const size = 1448, SO_RCVBUFFORCE = 33, h = await TestHost.create({ memoryBytes: 64 << 20 }), p = new TcpPeer(h);
    p.accepted({ opts: { ...OPTS, mss: 1460 }, prepare: (l) => h.setInt(l, SOL_SOCKET, SO_RCVBUFFORCE, 2 << 20) });
    const holes: number[] = [];
    let seq = 1, acked = 1;
    const take = (at: number): void => {
      p.tx('.', at, 1, size);
      for (const s of p.all()) acked = (s.ack - p.irs) >>> 0;
    };
    for (let n = 0; seq + size <= 1 + p.info(RCV_WND); n++, seq += size) {
      if (n % (run + 1)) take(seq);
      else holes.push(seq);
    }
    assert.ok(seq > 2_000_000, `${seq} bytes`);
    const [first, ...others] = holes;
    for (const hole of order === 'above' ? others.reverse() : others) take(hole);
    take(first);
    assert.equal(['TcpExtTCPRcvPruned', 'TcpExtTCPOFODrop'].map((name) => h.core.mib(name as 'TcpExtTCPOFODrop')), [0, 0]);
    assert.is(acked, seq);
  });
}
test('a receive buffer made smaller: the edge offered stays, what comes within it is taken, and the window opens anew', async () => {
  const p = await open();
  p.tx('.', 1, 1, 5 * MSS);
  const edge = Math.max(...p.all().map((s) => ((s.ack - p.irs) >>> 0) + s.win * 128));
  assert.is(p.h.setInt(p.socket, SOL_SOCKET, SO_RCVBUF, 2500), 0);
  let seq = 1 + 5 * MSS, right = edge;
  while (seq < edge) {
    const n = Math.min(MSS, edge - seq);
    p.tx('.', seq, 1, n);
    seq += n;
    for (const s of p.all()) {
      const now = ((s.ack - p.irs) >>> 0) + s.win * 128;
      assert.ok(now >= right, `${now} < ${right}`);
      right = now;
    }
  }
  p.advance(300);
  p.all();
  let got = 0;
  for (let n = p.readLen(); n > 0; n = p.readLen()) got += n;
  assert.is(got, edge - 1);
  const [update] = p.all();
  assert.ok(update && update.win * 128 >= 2000, 'an update of the window');
});

test("receiver's silly window: bytes read one at a time open it by a segment, not by bytes, and do open it", async () => {
  const p = await open({ opts: { mss: MSS } }, 0, (l, h) => h.setInt(l, SOL_SOCKET, SO_RCVBUF, 4000));
  const updates: number[] = [];
  closeWindow(p);
  for (let i = 1; i <= 4000 && p.readLen(1) === 1; i++) for (const s of p.all()) updates.push(s.win);
  assert.ok(updates.length >= 1 && updates.length <= 4, updates.join(', '));
  assert.ok(updates[0] >= MSS, `${updates[0]}`);
});
test("sender's silly window: a receiver whose whole buffer is less than a segment is sent what it takes, without probes", async () => {
  const p = await open({ opts: { mss: MSS }, win: 600 });
  p.write(3000);
  let una = 1;
  for (let i = 0; i < 20 && una < 3001; i++) {
    const segments = sent(p);
    assert.ok(segments.length > 0, `nothing is sent at ${una}`);
    for (const [seq, len] of segments) una = Math.max(una, seq + len);
    p.advance(20);
    p.tx('.', 1, una);
  }
  assert.is(una, 3001);
});

test('a closed window whose opening is lost: the probe is answered with it, and it is all that is needed', async () => {
  // We are the receiver.
  const p = await open({ opts: { mss: MSS } }), seq = closeWindow(p);
  while (p.readLen() > 0);
  assert.ok(p.all().some((s) => s.win > 10 * MSS), 'an update');
  // It is lost: as Linux probes, with a byte that was acknowledged before, and as BSD does, with one of data.
  p.tx('.', seq - 1, 1);
  assert.ok(p.all().some((s) => s.win > 10 * MSS), 'the answer to an empty probe');
  p.tx('.', seq, 1, 1);
  p.advance(50);
  assert.ok(p.all().some((s) => ((s.ack - p.irs) >>> 0) === seq + 1 && s.win > 10 * MSS), 'the answer to a probe with a byte');
});
test('a closed window whose opening is lost: we probe for as long as it takes, with the answers lost, too', async () => {
  const p = await open({ opts: { mss: MSS }, win: 5000 });
  p.write(2 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1 + 2 * MSS, [], { win: 0 });
  p.write(3 * MSS);
  p.quiet();
  let last = p.info(RTO) / 1000, probes = 0;
  for (let i = 0; i < 9; i++) {
    const c = p.h.core, begin = c.now;
    c.poll();
    let probe = p.all();
    while (!probe.length && c.now - begin < 200e9) {
      c.now = c.deadline;
      c.poll();
      probe = p.all();
    }
    const ms = (c.now - begin) / 1e6;
    assert.ok(probe.length === 1 && ms <= Math.min(2 * last, 120_000) + 1, `probe ${i} after ${ms} ms, the one before after ${last} ms`);
    last = ms;
    probes++;
  }
  assert.is(probes, 9);
  p.tx('.', 1, 1 + 2 * MSS, [], { win: 5000 });
  assert.is(sent(p).reduce((n, [, len]) => n + len, 0), 3 * MSS);
  assert.is(p.info(BACKOFF, 1), 0);
});

test('a window of less than a segment: ACKs that keep coming do not put off the probe that is due then', async () => {
  for (const win of [0, 300]) {
    const p = await open({ opts: { mss: MSS }, win: 5000 });
    p.write(2 * MSS);
    p.all();
    p.advance(50);
    p.tx('.', 1, 1 + 2 * MSS, [], { win });
    p.write(3 * MSS);
    p.quiet();
    const rto = p.info(RTO) / 1000;
    let ms = 0, told = false;
    for (; ms < 10 * rto && !told; ms += 10) {
      p.advance(10);
      p.tx('.', 1, 1 + 2 * MSS, [], { win });
      told = p.all().some((s) => s.data.length > 0 || ((s.seq - p.iss) >>> 0) < 1 + 2 * MSS);
    }
    assert.ok(told && ms <= rto + 20, `window ${win}: ${ms} ms, RTO ${rto} ms`);
  }
});

for (const retransmission of ['fast retransmission', 'timeout'] as const) {
  test(`a receiver that drops what it had sacked (RFC 2018 8), after a ${retransmission}`, async () => {
    const p = await open();
    p.write(10 * MSS);
    p.all();
    p.advance(50);
    if (retransmission === 'timeout') {
      sack(p, 0, [9, 10]);
      p.all();
      p.advance(p.info(RTO) / 1000 + 300);
    } else sack(p, 0, [1, 10]);
    assert.equal(sent(p)[0], [1, MSS]);
    p.all();
    p.advance(50);
    if (retransmission === 'timeout') sack(p, 0, [1, 10]);
    // The first arrives, and all the others are gone: they are asked for one after the other.
    p.tx('.', 1, 1 + MSS);
    const begin = p.h.core.now;
    let una = 1;
    for (let i = 0; i < 100 && una < 10; i++) {
      const { segments } = wait(p, 3000);
      assert.ok(segments.length > 0, `nothing is sent with ${una} of 10 acknowledged`);
      while (segments.some(([seq]) => seq === 1 + una * MSS)) una++;
      p.advance(50);
      p.tx('.', 1, 1 + una * MSS);
    }
    assert.is(una, 10);
    assert.equal(pipe(p), RECOVERED);
    assert.ok(p.h.core.now - begin < 1500e6, `${(p.h.core.now - begin) / 1e6} ms`);
  });
}

test('the timer of a receiver that drops what it had sacked is not doubled for ever: the next one is an RTO away', async () => {
  const p = await open();
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  sack(p, 0, [1, 4]);
  assert.equal(sent(p)[0], [1, MSS]);
  p.advance(50);
  p.tx('.', 1, 1 + MSS);
  p.all();
  const { ms, segments } = wait(p, 1000);
  assert.ok(ms <= 30, `${ms} ms`);
  assert.equal(segments[0], [1 + MSS, MSS]);
  // What was sent long before arrives; what was sent again does not.
  p.advance(10);
  sack(p, 1, [8, 10]);
  p.all();
  const rto = p.info(RTO) / 1000, next = wait(p, 5000);
  assert.ok(next.ms <= rto + 1, `${next.ms} ms, RTO ${rto} ms`);
});

test('a lonely segment is lost twice in a row: the second loss probe, which is not sent, does not put off the timeout', async () => {
  const p = await open();
  for (let i = 0; i < 2; i++) {
    p.write(MSS);
    const [[seq]] = sent(p), rto = p.info(RTO) / 1000, { ms, segments } = wait(p, 10_000);
    assert.equal(segments, [[seq, MSS]]);
    assert.ok(ms <= rto + 3, `${ms} ms, RTO ${rto} ms`);
    p.tx('.', 1, seq + MSS);
    rest(p, 5000);
  }
});
test('RTO after an idle time: a lost segment is sent again by the RTO of the connection, backed off by nothing of before', async () => {
  for (const sackOk of [true, false]) {
    const p = await open({ opts: { ...OPTS, sackOk } });
    p.write(MSS);
    p.all();
    // Trouble first: four timeouts, then the acknowledgment.
    for (let i = 0; i < 4; i++) assert.ok(wait(p, 10_000).segments.length > 0);
    p.tx('.', 1, 1 + MSS);
    for (const idle of [1000, 60_000, 600_000]) {
      // A segment that arrives gives the sample that ends the backoff (RFC 6298 3).
      p.write(MSS);
      const [[good]] = sent(p);
      p.advance(50);
      p.tx('.', 1, good + MSS);
      assert.is(p.info(UNACKED), 0);
      rest(p, idle);
      p.quiet();
      p.write(MSS);
      const [[seq]] = sent(p), rto = p.info(RTO) / 1000;
      assert.ok(rto <= 500, `${rto} ms`);
      const { ms, segments } = wait(p, 10_000);
      assert.equal(segments[0], [seq, MSS]);
      assert.ok(ms <= rto + 1, `${ms} ms after ${idle} ms without work, RTO ${rto} ms`);
      p.tx('.', 1, seq + MSS);
    }
  }
});
test('after an idle time longer than any timer the first flight is whole, and the peer\'s reading is noticed', async () => {
  const p = await open({ opts: { ...OPTS, ts: [1, 0] } });
  p.h.setInt(p.socket, TCP, TCP_NODELAY, 1);
  rest(p, 3600_000);
  p.write(10 * MSS);
  assert.is(sent(p).reduce((n, [, len]) => n + len, 0), 10 * 988);
  p.ts += 3600_000;
  p.tx('.', 1, 1 + 9880);
  assert.is(sent(p).reduce((n, [, len]) => n + len, 0), 120);
  p.tx('P.', 1, 1 + 10 * MSS, 100);
  assert.is(p.poll() & POLLIN, POLLIN);
});

test.run();
