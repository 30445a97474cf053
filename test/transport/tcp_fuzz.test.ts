// Random segments near the truth, random system calls, random delays: no trap, no impossible counters, no leak.
import * as assert from 'uvu/assert';
import { TestHost } from '../harness/host.js';
import { TcpPeer, type TcpOpts } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp fuzz');

function lcg(seed: number): (n: number) => number {
  let s = seed >>> 0;
  return (n) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return Math.floor((s / 4294967296) * n);
  };
}

async function run(seed: number, steps: number, features: number): Promise<void> {
  const r = lcg(seed);
  const h = await TestHost.create({ seed, features });
  const p = new TcpPeer(h);
  p.listen({ backlog: 3 });
  const sockets: number[] = [];
  let nxt = 1; // ours as the peer has seen it
  let una = 1;
  const connect = (): void => {
    p.peerPort = 20000 + r(30000);
    const opts: TcpOpts = { mss: 100 + r(1400) };
    if (r(3)) opts.sackOk = true;
    if (r(3)) opts.wscale = r(10);
    if (r(2)) opts.ts = [r(1000), 0];
    p.tsOn = false;
    p.tx('S', 0, 0, [], { opts, win: 65535 });
    p.all();
    p.tsOn = opts.ts !== undefined;
    p.ts = 1000;
    p.tx('.', 1, 1, [], { win: 1000 });
    const s = p.accept();
    if (s >= 0) {
      sockets.push(s);
      p.socket = s;
    }
    nxt = 1;
    una = 1;
  };
  connect();
  for (let i = 0; i < steps; i++) {
    const seen = p.all();
    for (const s of seen) {
      const end = ((s.seq - p.iss) >>> 0) + s.data.length;
      if (end < 0x7fffffff) nxt = Math.max(nxt, end);
      if ((s.ack - p.irs) >>> 0 < 0x7fffffff) una = Math.max(una, (s.ack - p.irs) >>> 0);
    }
    switch (r(14)) {
      case 0: h.core.advance([1, 5, 50, 300, 2000][r(5)] * 1e6); break;
      case 1: p.write(1 + r(20000), r(8) ? 0 : 1); break;
      case 2: p.read(1 + r(8000), r(10) ? 0 : 2); break;
      case 3: if (!r(20)) p.shutdown(r(3)); break;
      case 4: if (!r(30) || p.poll() & 0x10) {
        h.close(p.socket);
        sockets.splice(sockets.indexOf(p.socket), 1);
        connect();
      }
        break;
      case 5: h.setInt(p.socket, 6, [1, 3, 12, 25][r(4)], r(3)); break;
      default: {
        const flags = r(40) ? '.' + (r(4) ? '' : 'P') + (r(30) ? '' : 'F') + (r(40) ? '' : 'U') : ['S', 'R', 'SF', 'R.', 'S.', '', 'FPU', 'SEW'][r(8)];
        const ack = r(6) ? Math.max(1, nxt - r(3) * r(3000)) : r(100000) - 50000;
        const seq = r(5) ? una : una + r(4000) - 1000;
        const opts: TcpOpts = {};
        if (!r(3)) opts.sack = Array.from({ length: 1 + r(3) }, () => {
          const a = Math.max(0, nxt - r(10000));
          return [a, a + r(3000)] as [number, number];
        });
        if (p.tsOn) opts.ts = [p.ts += r(3), r(4) ? p.tsRecent : r(1 << 30)];
        if (!r(50)) opts.raw = Array.from({ length: 4 * (1 + r(3)) }, () => r(256));
        p.tx(flags, seq, ack, r(3) ? 0 : r(1400), { win: r(5) ? 500 + r(2000) : 0, opts, urg: r(100) });
      }
    }
    if (i % 16 === 0) {
      const out = p.info(24), sacked = p.info(28), lost = p.info(32), retrans = p.info(36);
      assert.ok(out < 1e6 && sacked + lost <= out && retrans <= out, `seed ${seed} step ${i}: ${out} ${sacked} ${lost} ${retrans}`);
      assert.ok(p.info(80) >= 1 && p.info(80) < 1e6, `cwnd ${p.info(80)}`);
    }
  }
  for (const s of sockets) h.close(s);
  h.close(p.listener);
  for (let i = 0; i < 3000 && (h.leaks().sockets || h.leaks().chunks); i++) {
    p.advance(1000);
    p.all();
  }
  h.core.poll();
  assert.equal(h.leaks(), { sockets: 0, chunks: 0 }, `seed ${seed}`);
}

for (let seed = 1; seed <= 12; seed++) test(`seed ${seed}`, async () => { await run(seed, 2500, seed % 2 ? 7 : 0); });

test.run();
