// BBR: what it learns of a path of bytes (rate, round trip, queue), how it tells, what loss does to it.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { TcpPeer } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp bbr');
const IPPROTO_TCP = 6, TCP_CONGESTION = 13, TCP_CC_INFO = 26;
const MSS = 1000;
const BBR = [...Buffer.from('bbr')];
/** Gains, of 256. */
const HIGH = 739, CRUISE = 256, PROBE = 320, DRAIN = 192;

interface CcInfo { bw: number; minRtt: number; pacingGain: number; cwndGain: number }
function ccInfo(p: TcpPeer): CcInfo {
  const v = p.h.core.mem.view;
  assert.is(p.h.core.x.sys_getsockopt(p.socket, IPPROTO_TCP, TCP_CC_INFO, 0x3000, 64), 20);
  return {
    bw: Number(v.getBigUint64(0x3000, true)), minRtt: v.getUint32(0x3008, true), pacingGain: v.getUint32(0x300c, true), cwndGain: v.getUint32(0x3010, true),
  };
}

async function open(): Promise<TcpPeer> {
  const p = new TcpPeer(await TestHost.create());
  p.accepted({ opts: { mss: MSS, sackOk: true, wscale: 7 }, win: 8192, rtt: 40, prepare: (l) => assert.is(p.h.set(l, IPPROTO_TCP, TCP_CONGESTION, BBR), 0) });
  return p;
}

/**
 * A bottleneck of `rate` bytes/s with a queue of `limit` segments, then 20 ms each way, to a receiver that acknowledges every segment,
 * what is missing by SACK. Runs for `ms`; `lose(n)`: is the nth segment lost beside? `each` is called at every event.
 */
class Path {
  private busy = 0;
  private count = 0;
  private received = 1;
  private blocks: [number, number][] = [];
  private events: { at: number; from: number; to: number }[] = [];
  delivered = 0;
  constructor(private readonly p: TcpPeer, private readonly rate: number, private readonly limit = 1000) {}

  run(ms: number, each: (at: number) => void = () => undefined, lose: (n: number) => boolean = () => false): void {
    const { p } = this, c = p.h.core, start = c.now, end = start + ms * 1e6;
    while (c.now < end) {
      while (this.events.length && this.events[0].at <= c.now) this.arrive(this.events.shift()!);
      while (p.poll() & 4 && p.info(144) < 64 * MSS) p.write(32 * MSS);
      c.poll();
      for (const s of p.all()) {
        if (!s.data.length || lose(this.count++)) continue;
        if ((this.busy - c.now) / 1e9 * this.rate > this.limit * MSS) continue;
        this.busy = Math.max(this.busy, c.now) + s.data.length / this.rate * 1e9;
        const from = (s.seq - p.iss) >>> 0;
        this.events.push({ at: this.busy + 40e6, from, to: from + s.data.length });
      }
      each((c.now - start) / 1e6);
      c.now = Math.min(Math.max(c.deadline, c.now + 1000), this.events.length ? this.events[0].at : end, end);
    }
  }

  private arrive({ from, to }: { from: number; to: number }): void {
    if (to <= this.received) return;
    this.delivered += to - from;
    const around = [...this.blocks, [from, to] as [number, number]].sort((a, b) => a[0] - b[0]), merged: [number, number][] = [];
    for (const [a, b] of around) {
      if (merged.length && a <= merged[merged.length - 1][1]) merged[merged.length - 1][1] = Math.max(merged[merged.length - 1][1], b);
      else merged.push([a, b]);
    }
    if (merged[0][0] <= this.received) this.received = merged.shift()![1];
    this.blocks = merged;
    const latest = merged.filter(([a, b]) => a <= from && b >= to), others = merged.filter((b) => !latest.includes(b)).slice(-2);
    this.p.tx('.', 1, this.received, [], { opts: { sack: [...latest, ...others] } });
  }
}

test('by name and by sysctl; TCP_CC_INFO, which cubic does not have', async () => {
  const p = await open(), v = p.h.core.mem;
  assert.is(p.h.core.x.sys_getsockopt(p.socket, IPPROTO_TCP, TCP_CONGESTION, 0x3000, 16), 16);
  assert.is(Buffer.from(v.u8.slice(0x3000, 0x3004)).toString(), 'bbr\0');
  assert.equal(ccInfo(p), { bw: 0, minRtt: 40_000, pacingGain: HIGH, cwndGain: HIGH });
  assert.is(p.h.core.x.sys_getsockopt(p.socket, IPPROTO_TCP, TCP_CC_INFO, 0x3000, 8), 8);
  assert.is(p.h.set(p.socket, IPPROTO_TCP, TCP_CONGESTION, [...Buffer.from('cubic')]), 0);
  assert.is(p.h.core.x.sys_getsockopt(p.socket, IPPROTO_TCP, TCP_CC_INFO, 0x3000, 64), 0);
  const h = await TestHost.create({ config: { sysctl: { 'net.ipv4.tcp_congestion_control': 'bbr' } } });
  const s = h.socket(2, 1);
  assert.is(h.core.x.sys_getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, 0x3000, 16), 16);
  assert.is(Buffer.from(h.core.mem.u8.slice(0x3000, 0x3004)).toString(), 'bbr\0');
});

test('starts at 2.89 windows for a round trip, paced', async () => {
  const p = await open();
  // 10 segments x 1000 bytes / 40 ms x 739/256, less 1 %
  assert.ok(Math.abs(p.info(104) / (250_000 * HIGH / 256 * 0.99) - 1) < 0.001, String(p.info(104)));
});

test('finds the rate and the round trip of a path, and stays there', async () => {
  const rate = 1_000_000, p = await open(), path = new Path(p, rate);
  path.run(3000);
  const gains = new Set<number>();
  let worst = 0, most = 0;
  const before = path.delivered;
  path.run(4000, () => {
    const i = ccInfo(p);
    gains.add(i.pacingGain);
    worst = Math.max(worst, Math.abs(i.bw / rate - 1));
    most = Math.max(most, p.info(24));
  });
  assert.ok(worst < 0.03, `bandwidth off by ${worst}`);
  assert.ok((path.delivered - before) / 4 > 0.97 * rate, `${(path.delivered - before) / 4} bytes/s`);
  assert.ok(Math.abs(ccInfo(p).minRtt - 41_000) < 1500, String(ccInfo(p).minRtt)); // 40 ms and a segment's time at the rate
  assert.equal([...gains].sort(), [DRAIN, CRUISE, PROBE]);
  // The path holds 41 segments: at most two of that and what batching takes in flight.
  assert.ok(most <= 2 * 41 + 10, `${most} in flight`);
});

test('the delivery rate of TCP_INFO is that of the path', async () => {
  for (const control of ['bbr', 'reno']) {
    const p = await open(), path = new Path(p, 500_000);
    p.h.set(p.socket, IPPROTO_TCP, TCP_CONGESTION, [...Buffer.from(control)]);
    path.run(4000);
    assert.ok(Math.abs(p.info(160) / 500_000 - 1) < 0.05, `${control}: ${p.info(160)}`);
  }
});

test('every ten seconds four packets for 200 ms and a round trip, to see the round trip without its own queue', async () => {
  const p = await open(), path = new Path(p, 500_000);
  path.run(9000);
  const low: number[] = [];
  path.run(6000, (at) => {
    if (p.cwnd <= 4) low.push(at);
  });
  const span = low[low.length - 1] - low[0];
  assert.ok(low.length > 0 && span >= 200 && span < 330, `${low[0]} to ${low[low.length - 1]}`);
  assert.ok(ccInfo(p).minRtt < 45_000);
  assert.ok(p.cwnd > 30, `${p.cwnd} afterwards`);
});

test('a loss of 2 % costs 2 %, not the window', async () => {
  const rate = 1_000_000, p = await open(), path = new Path(p, rate);
  path.run(2000);
  const before = path.delivered;
  path.run(5000, undefined, (n) => n % 50 === 7);
  assert.ok((path.delivered - before) / 5 > 0.93 * rate, `${(path.delivered - before) / 5} bytes/s`);
  assert.is(p.h.core.mib('TcpExtTCPTimeouts'), 0);
});

for (const { of, window, ends } of [{ of: 'a quarter', window: 100_000, ends: false }, { of: 'one and a half', window: 600_000, ends: true }]) {
  test(`a peer's window of ${of} of the path: STARTUP ${ends ? 'ends, for the path is full' : 'goes on until it opens'}`, async () => {
    const rate = 10_000_000, p = await open(), path = new Path(p, rate, 10_000);
    p.win = Math.ceil(window / 128);
    path.run(800);
    assert.is(ccInfo(p).pacingGain === HIGH, !ends);
    p.win = 32_767;
    path.run(600);
    assert.is.not(ccInfo(p).pacingGain, HIGH);
    assert.ok(ccInfo(p).bw > 0.9 * rate, `${ccInfo(p).bw} bytes/s`);
  });
}

test('in recovery, too, the send buffer grows with the window: what is sacked fills it', async () => {
  const p = await open(), c = p.h.core, SOL_SOCKET = 1, SO_SNDBUF = 7;
  let sent = 0;
  const blocks: [number, number] = [1 + MSS, 1 + MSS];
  const fill = (): void => {
    while (p.write(8 * MSS) > 0);
    c.poll();
  };
  fill();
  const first = p.h.getInt(p.socket, SOL_SOCKET, SO_SNDBUF);
  for (let ms = 0; ms < 400; ms += 40) {
    // The first segment never arrives, all others do.
    for (const s of p.all()) sent = Math.max(sent, ((s.seq - p.iss) >>> 0) + s.data.length);
    p.advance(40);
    blocks[1] = Math.max(sent, blocks[1] + MSS);
    p.tx('.', 1, 1, [], { opts: { sack: [blocks] } });
    fill();
    for (let t = 0; t < 40; t++) p.advance(1);
  }
  assert.is(p.info(1, 1), 3);
  assert.ok(p.h.getInt(p.socket, SOL_SOCKET, SO_SNDBUF) > 1.5 * first, `${first} -> ${p.h.getInt(p.socket, SOL_SOCKET, SO_SNDBUF)}`);
});

test('SO_MAX_PACING_RATE holds for it', async () => {
  const p = await open(), path = new Path(p, 1_000_000);
  assert.is(p.h.setInt(p.socket, 1, 47, 200_000), 0);
  path.run(1000);
  const before = path.delivered;
  path.run(3000);
  assert.ok(Math.abs((path.delivered - before) / 3 / 200_000 - 1) < 0.02, `${(path.delivered - before) / 3} bytes/s`);
});

test('a path that becomes faster is found, one that becomes slower is left in peace', async () => {
  const p = await open(), slow = new Path(p, 300_000);
  slow.run(2000);
  assert.ok(Math.abs(ccInfo(p).bw / 300_000 - 1) < 0.05);
  (slow as unknown as { rate: number }).rate = 900_000;
  slow.run(4000);
  assert.ok(Math.abs(ccInfo(p).bw / 900_000 - 1) < 0.05, `${ccInfo(p).bw}`);
  (slow as unknown as { rate: number }).rate = 300_000;
  slow.run(3000);
  assert.ok(Math.abs(ccInfo(p).bw / 300_000 - 1) < 0.05, `${ccInfo(p).bw}`);
});

for (const rtt of [40, 300]) {
  test(`after an outage no segment waits for longer than a round trip of ${rtt} ms, or 100 ms, whatever rate the outage made believe in`, async () => {
    const p = await open(), path = new Path(p, 500_000);
    let una = 0;
    const sent = (): number => {
      const segments = p.all().filter((s) => s.data.length);
      for (const s of segments) una = Math.max(una, ((s.seq - p.iss) >>> 0) + s.data.length);
      return segments.length;
    };
    path.run(3000);
    for (let acks = [una, una]; p.info(24) + p.info(144); p.advance(20)) {
      p.tx('.', 1, acks[0]);
      sent();
      acks = [acks[1], una];
    }
    // Rounds of a segment each, by the application: what was known of the bandwidth becomes too old.
    for (let n = 0; n < 24; n++) {
      p.write(MSS);
      p.advance(rtt);
      assert.ok(sent() > 0);
      p.tx('.', 1, una);
    }
    // All but the first of 20 are lost, and what is sent again is until the path is up.
    const begin = una;
    p.write(20 * MSS);
    p.advance(rtt);
    assert.ok(sent() > 2);
    p.tx('.', 1, begin + MSS);
    p.advance(6000);
    assert.ok(sent() > 2);
    while (!sent()) p.advance(10);
    p.advance(rtt);
    p.tx('.', 1, begin + 2 * MSS);
    assert.ok(ccInfo(p).bw < 1000, `${ccInfo(p).bw}: a segment for the time of the outage`);
    const interval = Math.max(p.info(68) / 1000, 100), at: number[] = [];
    assert.ok(interval < rtt + 70, `a round trip of ${interval} ms`);
    for (let ms = 0; at.length < 3 && ms < 5000; ms++, p.advance(1)) if (sent()) at.push(ms);
    assert.ok(at[0] < 2 && at[1] <= interval && Math.abs(at[2] - at[1] - interval) <= 2, `sent at ${at.join(', ')} ms of ${interval}`);
    // What the socket's owner wants to be slower is.
    assert.is(p.h.setInt(p.socket, 1, 47, 2000), 0);
    p.tx('.', 1, begin + 3 * MSS);
    while (!sent()) p.advance(1);
    const ms = p.h.core.now / 1e6;
    while (!sent()) p.advance(1);
    assert.ok(Math.abs(p.h.core.now / 1e6 - ms - 500) <= 2, `${p.h.core.now / 1e6 - ms} ms at 2000 bytes/s`);
  });
}

test.run();
