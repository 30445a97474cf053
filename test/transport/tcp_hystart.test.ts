// HyStart++ (RFC 9406), round by round: when slow start turns conservative, how it grows then, how it ends and when it comes back.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { TcpPeer } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp hystart++');
const MSS = 1000, INFINITE = 0x7fffffff, SOL_SOCKET = 1, SO_MAX_PACING_RATE = 47, IPPROTO_TCP = 6, TCP_CONGESTION = 13;
const CONTROLS = ['cubic', 'reno'] as const;

/** A connection that always has something to send, and the acknowledgments of its peer. */
class Flow {
  private una = 0;
  private sent = 0;
  private constructor(readonly p: TcpPeer) {}

  static async open(control: string, o: { hystart?: number; pacing?: number; rtt?: number } = {}): Promise<Flow> {
    const h = await TestHost.create({ config: { sysctl: { 'net.ipv4.tcp_congestion_control': control, 'tcp_cubic.hystart': String(o.hystart ?? 1), 'net.ipv4.tcp_wmem': '4096 4194304 4194304' } } });
    const f = new Flow(new TcpPeer(h));
    f.p.accepted({ opts: { mss: MSS, sackOk: true, wscale: 7 }, win: 65535, rtt: o.rtt ?? 40 });
    if (o.pacing) h.set(f.p.socket, SOL_SOCKET, SO_MAX_PACING_RATE, [...new Uint8Array(new Uint32Array([o.pacing]).buffer)]);
    f.feed();
    return f;
  }
  private feed(): void {
    if (this.p.poll() & 4) this.p.write(64 * MSS);
    for (const s of this.p.all()) this.sent += s.data.length / MSS;
  }
  /** The peer acknowledges `n` segments more. */
  ack(n: number): void {
    this.una += n;
    this.p.tx('.', 1, 1 + this.una * MSS);
    this.feed();
  }
  /** All that is in flight is acknowledged after `rtt` ms, `each` segments at a time. The segments of the round. */
  round(rtt: number, each = 1): number {
    const flight = this.sent - this.una;
    this.p.advance(rtt);
    for (let left = flight; left > 0; left -= each) this.ack(Math.min(each, left));
    return flight;
  }
  /** The peer misses a segment and has the `n` behind it. */
  hole(n: number): void {
    const first = 1 + (this.una + 1) * MSS;
    this.p.tx('.', 1, 1 + this.una * MSS, [], { opts: { sack: [[first, first + n * MSS]] } });
    this.feed();
  }
  get cwnd(): number { return this.p.cwnd; }
  get ssthresh(): number { return this.p.info(76); }
  get detected(): number { return this.p.h.core.mib('TcpExtTCPHystartDelayDetect'); }
}

for (const control of CONTROLS) {
  test(`${control}: a round whose shortest RTT is RttThresh above that of the last one turns conservative (4.2)`, async () => {
    // max(MIN_RTT_THRESH, min(lastRoundMinRTT / MIN_RTT_DIVISOR, MAX_RTT_THRESH)), 4.3
    for (const [last, thresh] of [[8, 4], [40, 5], [80, 10], [400, 16]]) {
      for (const short of [0.01, 0]) {
        const f = await Flow.open(control, { rtt: last });
        f.round(last);
        assert.is(f.cwnd, 20);
        const n = f.round(last + thresh - short);
        assert.is(f.detected, short ? 0 : 1, `${last} ms, then ${last + thresh - short}`);
        // Seven acknowledgments grow by one each; the eighth sample decides.
        assert.is(f.cwnd, short ? 20 + n : 20 + 7 + Math.floor((n - 7) / 4));
        assert.is(f.ssthresh, INFINITE);
      }
    }
  });

  test(`${control}: fewer than eight samples decide nothing (4.2, N_RTT_SAMPLE)`, async () => {
    const f = await Flow.open(control);
    f.round(40);
    f.round(100, 3); // seven acknowledgments
    assert.is(f.detected, 0);
  });

  test(`${control}: it is the shortest RTT of a round that counts, so that one in time is enough to go on`, async () => {
    const f = await Flow.open(control);
    f.round(40);
    f.ack(1); // of the new round: 0 ms
    f.round(100);
    assert.is(f.detected, 0);
  });

  test(`${control}: five rounds of it, the first one not whole, and ssthresh is cwnd (4.2, CSS_ROUNDS)`, async () => {
    const f = await Flow.open(control);
    f.round(40);
    let acked = f.round(45) - 7;
    for (let i = 0; i < 4; i++) {
      // A quarter of what was acknowledged (CSS_GROWTH_DIVISOR); what is left over counts in the next round.
      assert.is(f.cwnd, 27 + Math.floor(acked / 4));
      assert.is(f.ssthresh, INFINITE);
      acked += f.round(45);
    }
    assert.is(f.ssthresh, INFINITE);
    const end = f.cwnd;
    f.ack(1); // the first acknowledgment of a sixth
    assert.is(f.ssthresh, end);
    assert.is(f.p.h.core.mib('TcpExtTCPHystartDelayCwnd'), end);
    f.round(45, 1);
    assert.ok(f.cwnd <= end + 4, `congestion avoidance: ${end}, a round later ${f.cwnd}`);
  });

  test(`${control}: a shorter RTT than that which began it was jitter: back to slow start, and it may begin again (4.2)`, async () => {
    const f = await Flow.open(control);
    f.round(40);
    f.round(46);
    assert.is(f.detected, 1);
    const conservative = f.cwnd, n = f.round(45.9);
    // Again the eighth sample decides; it and those behind it grow by one each.
    assert.ok(f.cwnd - conservative - (n - 7) <= 2 && f.cwnd - conservative >= n - 7, `${conservative}, ${n}, ${f.cwnd}`);
    assert.is(f.ssthresh, INFINITE);
    const before = f.cwnd, flight = f.round(45.9);
    assert.is(f.cwnd, before + flight);
    assert.is(f.detected, 1);
    f.round(60);
    assert.is(f.detected, 2);
    for (let i = 0; i < 4; i++) f.round(60);
    assert.is(f.ssthresh, INFINITE);
    f.ack(1);
    assert.is(f.ssthresh, f.cwnd); // the rounds were counted anew
  });

  test(`${control}: an acknowledgment of many segments grows by eight, with pacing by all (4.3, L)`, async () => {
    for (const pacing of [0, 1e9]) {
      const f = await Flow.open(control, { pacing });
      f.ack(1); // the first round begins
      f.p.advance(40);
      f.ack(9);
      assert.is(f.cwnd, 11 + (pacing ? 9 : 8));
    }
  });

  test(`${control}: the initial slow start only: after a loss nothing is measured (4.3)`, async () => {
    const f = await Flow.open(control);
    f.round(40);
    f.hole(10);
    assert.ok(f.ssthresh < INFINITE);
    for (const rtt of [50, 70, 90, 120]) f.round(rtt);
    assert.is(f.p.info(1, 1), 0); // Open
    assert.is(f.detected, 0);
  });

  test(`${control}: without tcp_cubic.hystart slow start is that of RFC 5681`, async () => {
    const f = await Flow.open(control, { hystart: 0 });
    f.round(40, 10);
    assert.is(f.cwnd, 20);
    f.round(100);
    assert.is(f.cwnd, 40);
    assert.is(f.detected, 0);
  });
}

test('changing the congestion control begins anew', async () => {
  const f = await Flow.open('cubic');
  f.round(40);
  assert.is(f.p.h.set(f.p.socket, IPPROTO_TCP, TCP_CONGESTION, [...Buffer.from('reno')]), 0);
  f.round(100);
  assert.is(f.detected, 0);
  f.round(120);
  assert.is(f.detected, 1);
});

test('DCTCP and BBR are without it', async () => {
  for (const control of ['dctcp', 'bbr']) {
    const f = await Flow.open(control);
    f.round(40);
    f.round(100);
    assert.is(f.detected, 0, control);
  }
});

test.run();
