// Pacing: SO_MAX_PACING_RATE as Linux reads and tells it, and segments that leave no faster than it says.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { TcpPeer, type ConnectOptions } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp pacing');
const SOL_SOCKET = 1, SO_MAX_PACING_RATE = 47, SOCK_STREAM = 1, AF_INET = 2;
const MSS = 1000;
const OPTS = { mss: MSS, sackOk: true, wscale: 7 };
/** A tick of the core's timer wheel, ms: what a departure may be off by. */
const TICK = 0.0656;

const bytes = (v: bigint, n: 4 | 8): number[] => Array.from({ length: n }, (_, i) => Number((v >> BigInt(8 * i)) & 255n));

async function open(rate?: number, o: ConnectOptions = {}): Promise<TcpPeer> {
  const p = new TcpPeer(await TestHost.create());
  p.accepted({ opts: OPTS, win: 4096, rtt: 50, ...o });
  if (rate !== undefined) assert.is(p.h.set(p.socket, SOL_SOCKET, SO_MAX_PACING_RATE, bytes(BigInt(rate), 4)), 0);
  return p;
}

/** Run for `ms`, from one event to the next; what left is acknowledged `rtt` ms later. With `feed` there is always something to send. What left, and when (ms). */
function run(p: TcpPeer, ms: number, feed = false, rtt = 40): { at: number; bytes: number }[] {
  const c = p.h.core, start = c.now, end = start + ms * 1e6, out: { at: number; bytes: number }[] = [], acks: { at: number; ack: number }[] = [];
  while (c.now < end) {
    while (acks.length && acks[0].at <= c.now) p.tx('.', 1, acks.shift()!.ack);
    if (feed && p.poll() & 4) p.write(32 * MSS);
    c.poll();
    const sent = p.all().filter((s) => s.data.length), last = sent[sent.length - 1];
    if (last) {
      out.push({ at: (c.now - start) / 1e6, bytes: sent.reduce((n, s) => n + s.data.length, 0) });
      acks.push({ at: c.now + rtt * 1e6, ack: ((last.seq - p.iss) >>> 0) + last.data.length });
    } else c.now = Math.min(Math.max(c.deadline, c.now + 1000), acks.length ? acks[0].at : end, end);
  }
  return out;
}

test('SO_MAX_PACING_RATE: 32 and 64 bits, ~0 is no limit, short reads', async () => {
  const h = await TestHost.create(), s = h.socket(AF_INET, SOCK_STREAM), m = h.core.mem;
  const get = (n: number): string => {
    m.u8.fill(0xee, 0x3000, 0x3010);
    const r = h.core.x.sys_getsockopt(s, SOL_SOCKET, SO_MAX_PACING_RATE, 0x3000, n);
    return r < 0 ? String(r) : `${r}: ${Buffer.from(m.u8.slice(0x3000, 0x3000 + r)).toString('hex')}`;
  };
  const set = (v: number[]): number => h.set(s, SOL_SOCKET, SO_MAX_PACING_RATE, v);
  assert.is(get(8), '8: ffffffffffffffff');
  assert.is(get(4), '4: ffffffff');
  assert.is(set(bytes(125_000n, 4)), 0);
  assert.is(get(8), `8: 48e8010000000000`);
  assert.is(get(16), `8: 48e8010000000000`);
  assert.is(get(7), '4: 48e80100');
  assert.is(get(2), '2: 48e8');
  assert.is(set(bytes(0x1_2345_6789n, 8)), 0);
  assert.is(get(8), '8: 8967452301000000');
  assert.is(get(4), '4: ffffffff'); // more than 32 bits can tell
  assert.is(set([255, 255, 255, 255]), 0);
  assert.is(get(8), '8: ffffffffffffffff');
  assert.is(set([255, 255, 255, 255, 0, 0, 0, 0]), 0);
  assert.is(get(8), '8: ffffffff00000000');
  assert.is(set([1, 2]), -22);
});

test('a connection sends at SO_MAX_PACING_RATE, two segments at a time', async () => {
  const p = await open(100_000);
  const sent = run(p, 3000, true);
  const paced = sent.filter((x) => x.at > 500);
  const rate = paced.slice(0, -1).reduce((n, x) => n + x.bytes, 0) / (paced[paced.length - 1].at - paced[0].at) * 1000;
  assert.ok(Math.abs(rate / 100_000 - 1) < 0.005, `${rate} bytes/s`);
  for (let i = 1; i < paced.length; i++) {
    assert.is(paced[i].bytes, 2 * MSS);
    const gap = paced[i].at - paced[i - 1].at;
    assert.ok(Math.abs(gap - 20) <= 2 * TICK, `${gap} ms between two departures`);
  }
  assert.is(p.info(104), 100_000); // tcpi_pacing_rate
  assert.is(p.info(112), 100_000); // tcpi_max_pacing_rate
});

test('a super-segment is a millisecond long, however the wheel rounds', async () => {
  const rate = 4_000_000, p = await open(rate);
  const sent = run(p, 600, true, 10).filter((x) => x.at > 250);
  const measured = sent.slice(0, -1).reduce((n, x) => n + x.bytes, 0) / (sent[sent.length - 1].at - sent[0].at) * 1000;
  assert.ok(Math.abs(measured / rate - 1) < 0.002, `${measured} bytes/s`);
  for (const x of sent) assert.ok(x.bytes <= 3 * MSS, `${x.bytes} at once`);
});

test('the first ten segments are not paced', async () => {
  const p = await open(100_000);
  p.write(30 * MSS);
  assert.is(p.all().length, 10);
  p.advance(50);
  p.tx('.', 1, 1 + 10 * MSS);
  assert.is(p.all().length, 2);
  p.advance(9);
  p.quiet(); // two take 20 ms, of which half is forgiven for the idle time before
  p.advance(2);
  assert.is(p.all().length, 2);
  p.advance(18);
  p.quiet();
  p.advance(3);
  assert.is(p.all().length, 2);
});

test('a connection without the option is not paced', async () => {
  const p = await open();
  p.write(30 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1 + 10 * MSS);
  assert.is(p.all().length, 18); // ten were acknowledged, eight count (RFC 9406 4.3)
});

test('the limit may be changed while data waits', async () => {
  const p = await open(10_000);
  p.write(60 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1 + 10 * MSS);
  p.quiet();
  p.advance(151);
  assert.is(p.all().length, 2);
  p.advance(50);
  p.tx('.', 1, 1 + 12 * MSS);
  p.quiet();
  assert.is(p.h.set(p.socket, SOL_SOCKET, SO_MAX_PACING_RATE, bytes(1_000_000n, 4)), 0);
  const sent = run(p, 400);
  assert.ok(sent[0].at > 145 && sent[0].at < 152, `${sent[0].at} ms: what was sent at the old rate`);
  assert.ok(sent[1].at > 345 && sent[1].at < 352, `${sent[1].at} ms: as Linux, a higher limit counts from the next acknowledgment on`);
  const gap = sent[2].at - sent[1].at;
  assert.ok(gap >= 2 - 2 * TICK && gap < 4, `${gap} ms: at the rate of its window, which is lower`);
});

test('retransmissions are paced too', async () => {
  const p = await open(10_000);
  p.write(10 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1, [], { opts: { sack: [[1 + 9 * MSS, 1 + 10 * MSS]] } });
  p.advance(30);
  const sent: number[] = [];
  for (let i = 0; i < 400; i++) {
    for (const s of p.all()) sent.push(i * 10, s.data.length);
    p.advance(10);
  }
  // Recovery allows more and more, the rate 100 ms for each segment.
  const at = sent.filter((_, i) => i % 2 === 0), gaps = at.slice(1).map((t, i) => t - at[i]);
  assert.ok(at.length >= 4 && gaps.every((g) => g >= 90), JSON.stringify(sent));
});

test('the probe of a loss waits for the departure', async () => {
  const p = await open(2_000);
  p.write(14 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1 + 10 * MSS);
  p.advance(960);
  assert.is(p.all().length, 2);
  p.advance(900); // the next departs a second after those
  p.quiet();
  assert.is(p.h.core.mib('TcpExtTCPLossProbes'), 0);
  p.advance(110);
  assert.is(p.all().length, 2);
});

test('a child has the limit of its listener', async () => {
  const p = new TcpPeer(await TestHost.create());
  p.accepted({ opts: OPTS, win: 4096, rtt: 50, prepare: (l) => p.h.set(l, SOL_SOCKET, SO_MAX_PACING_RATE, bytes(100_000n, 4)) });
  assert.is(p.h.getInt(p.socket, SOL_SOCKET, SO_MAX_PACING_RATE), 100_000);
  p.write(30 * MSS);
  p.all();
  p.advance(50);
  p.tx('.', 1, 1 + 10 * MSS);
  assert.is(p.all().length, 2);
});

test('closing while the timer runs leaves nothing behind', async () => {
  const p = await open(1_000);
  p.write(30 * MSS);
  p.all();
  p.tx('.', 1, 1 + 10 * MSS);
  p.close();
  p.tx('R', 1, 0);
  p.advance(10_000);
  p.h.close(p.listener);
  p.h.core.poll();
  assert.equal(p.h.leaks(), { sockets: 0, chunks: 0 });
});

test.run();
