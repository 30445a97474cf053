// limit: 400 s
// Accurate ECN (RFC 9768) by unmodified programs over a wire that marks, bleaches and strips. Between two stacks of nuse the TCP_INFO of both must agree
// with the wire's own count, and with what tshark reads. Against the kernel, which knows classic ECN (net.ipv4.tcp_ecn from 3 on is of kernels after 6.18),
// each asks and each answers. IPv4 and IPv6.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { faults, Lab, ROOT, type Program } from './lab.js';
import { NUSE4, NUSE6, PEER4, PEER6 } from './wire.js';

const test = suite('accecn');
const PYTHON = '/usr/bin/python3', SCRIPT = join(ROOT, 'test/interop/accecn.py'), WIRE = join(ROOT, 'test/interop/ecn_wire.py');
const SIZE = 400_000;
const TCPI_OPT_ECN = 8;
const lab = new Lab();
let ns: string, peer: string;
let port = 7300;

test.before(() => {
  ns = lab.netns('n');
  peer = lab.netns('p');
  lab.sh(ns, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1');
  lab.tap(ns, 'tap0');
  lab.tap(ns, 'tap1');
  lab.veth(ns, 'veth0', peer, 'eth0', false);
  lab.addr(peer, 'eth0', `${PEER4}/24`, `${PEER6}/64`);
});
test.after(() => lab.close());

interface Info {
  options: number; delivered: number; delivered_ce: number; received_ce: number; intact: boolean; fail_mode: number; opt_seen: number;
  delivered_e0_bytes: number; delivered_ce_bytes: number; received_e0_bytes: number; received_ce_bytes: number;
}
interface Way { data: number; frames: number; bytes: number; options: number }
interface Case {
  v6?: boolean;
  /** net.ipv4.tcp_ecn of the end that opens and of the one that answers. */
  ecn: [number, number];
  /** Which of them is the kernel, 0 or 1; else both are nuse. */
  kernel?: number;
  rules?: string[];
  /** net.ipv4.tcp_ecn_option of the one that opens. */
  option?: number;
}
interface Outcome { ends: [Info, Info]; ways: [Way, Way]; file: string }

/** One connection, `SIZE` bytes each way: TCP_INFO of the ends, what the wire did in each direction, and the capture. End 0 opens. */
async function connection(c: Case): Promise<Outcome> {
  const name = `c${++port}`, address = (end: number): string => (end ? (c.v6 ? PEER6 : PEER4) : c.v6 ? NUSE6 : NUSE4);
  // The kernel's addresses are those of end 1: where it opens, the ends change places.
  const side = (end: number): number => (c.kernel === 0 ? 1 - end : end);
  const device = (end: number): string => (c.kernel === end ? 'veth0' : `tap${side(end)}`);
  const run = (end: number, role: string): Program => {
    const argv = [PYTHON, SCRIPT, role, address(side(1)), String(port), String(SIZE)];
    if (c.kernel === end) {
      lab.sh(peer, `sysctl -qw net.ipv4.tcp_ecn=${c.ecn[end]}`);
      return lab.run(peer, argv);
    }
    const [v4, v6] = side(end) ? [PEER4, PEER6] : [NUSE4, NUSE6];
    const conf = lab.file(`${name}-${end}.conf`, `interface eth0\n viftype TAP\n dev ${device(end)}\n offload off\n address ${v4}/24\n address6 ${v6}/64
 macaddr 00:01:01:01:01:0${end + 1}\n\nsysctl net.ipv4.tcp_ecn=${c.ecn[end]}\nsysctl net.ipv4.tcp_ecn_option=${end ? 2 : c.option ?? 2}\n`);
    return lab.nuse(ns, ['-c', conf, '--', ...argv]);
  };
  const wire = lab.run(ns, [PYTHON, WIRE, device(0), device(1), ...c.rules ?? []]);
  await wire.until(/ready/);
  const capture = c.kernel === undefined ? await lab.capture(ns, device(1), `${name}.pcap`) : await lab.capture(peer, 'eth0', `${name}.pcap`);
  const server = run(1, 'serve');
  await server.until(/listening/);
  if (c.kernel === 0) lab.sh(peer, `ping -c 1 -w 5 ${address(side(1))}`); // a SYN that waits for the neighbour is repeated without ECN
  const ends: Info[] = [];
  for (const p of [run(0, 'connect'), server]) {
    const e = await p.finish();
    assert.is(e.code, 0, e.stderr);
    ends.push(JSON.parse(e.stdout.trim().split('\n').pop()!) as Info);
  }
  await capture.stop();
  wire.kill();
  const ways = JSON.parse((await wire.finish()).stdout.trim().split('\n').pop()!) as [Way, Way];
  assert.ok(ends.every((e) => e.intact));
  assert.equal(faults(capture.file), []);
  return { ends: [ends[0], ends[1]], ways, file: capture.file };
}

/** Who received what was marked, and who was told of it, agree with the wire. */
function agree({ ends, ways }: Outcome): void {
  for (const end of [0, 1]) {
    assert.is(ends[end].received_ce, ways[1 - end].frames, JSON.stringify({ ends, ways }));
    assert.is(ends[end].received_ce_bytes, ways[1 - end].bytes);
    assert.is(ends[1 - end].delivered_ce, ways[1 - end].frames);
  }
}

for (const v6 of [false, true]) {
  const ip = v6 ? 'IPv6' : 'IPv4';
  test(`marks are counted by both ends, in ACE and in the option, ${ip}`, async () => {
    const r = await connection({ v6, ecn: [3, 5], rules: ['mark=7'] });
    agree(r);
    for (const end of [0, 1]) {
      assert.ok(r.ways[end].frames > 20 && r.ways[end].options > 20, JSON.stringify(r.ways));
      assert.is(r.ends[end].delivered_ce_bytes, r.ends[1 - end].received_ce_bytes);
      assert.is(r.ends[end].delivered_e0_bytes, r.ends[1 - end].received_e0_bytes);
      assert.is(r.ends[end].delivered_e0_bytes + r.ends[end].delivered_ce_bytes, SIZE);
      assert.is(r.ends[end].fail_mode, 0);
      assert.is(r.ends[end].opt_seen, 2);
      assert.ok(r.ends[end].options & TCPI_OPT_ECN);
    }
  });
  test(`without options ACE alone says it, ${ip}`, async () => {
    const silent = await connection({ v6, ecn: [3, 3], option: 0, rules: ['mark=6'] });
    assert.is(silent.ways[0].options, 0);
    const stripped = await connection({ v6, ecn: [3, 3], rules: ['mark=7', 'strip'] });
    for (const end of [0, 1]) {
      assert.is(stripped.ends[end].received_ce, stripped.ways[1 - end].frames);
      // The safest likely case: an ACK of many segments may be taken for more than it says, by whole rounds of the counter.
      const more = stripped.ends[1 - end].delivered_ce - stripped.ways[1 - end].frames;
      assert.ok(more >= 0 && more % 8 === 0, JSON.stringify(stripped));
    }
    assert.equal(stripped.ends.map((e) => e.opt_seen), [0, 0]);
  });
  test(`what mangles is found out, ${ip}`, async () => {
    // The IP-ECN field cleared: nothing arrives marked, and nothing is said to be.
    let r = await connection({ v6, ecn: [3, 3], rules: ['bleach'] });
    assert.equal(r.ends.map((e) => [e.received_e0_bytes, e.delivered_ce, e.options & TCPI_OPT_ECN]), [[0, 0, 8], [0, 0, 8]]);
    // The flags of SYN and SYN-ACK cleared: no ECN.
    r = await connection({ v6, ecn: [3, 3], rules: ['plain', 'mark=5'] });
    assert.equal(r.ends.map((e) => e.options & TCPI_OPT_ECN), [0, 0]);
    assert.equal(r.ways.map((w) => w.data), [0, 0]);
    // Those of all others cleared: the first feedback is zero, nothing is ECN-capable behind it, and no mark is believed.
    r = await connection({ v6, ecn: [3, 3], rules: ['zero', 'mark=5'] });
    assert.equal(r.ends.map((e) => [e.fail_mode & 2, e.delivered_ce]), [[2, 0], [2, 0]]);
    assert.ok(r.ways.every((w) => w.data <= 12), JSON.stringify(r.ways));
    // SYN and SYN-ACK made ECN-capable: the reflection of it tells.
    r = await connection({ v6, ecn: [3, 3], rules: ['ect', 'mark=5'] });
    assert.equal(r.ends.map((e) => e.fail_mode), [2, 2]);
    assert.equal(r.ways.map((w) => w.data), [0, 0]);
  });
  for (const kernel of [1, 0]) {
    test(`the kernel, with classic ECN and with none, ${kernel ? 'is asked' : 'asks'}, ${ip}`, async () => {
      for (const [ours, theirs, ecn] of [[3, 1, true], [5, 1, kernel === 0], [3, 2, kernel === 1], [3, 0, false]] as const) {
        const r = await connection({ v6, kernel, ecn: kernel ? [ours, theirs] : [theirs, ours], rules: ['mark=9'] }), what = `nuse ${ours}, kernel ${theirs}`;
        assert.equal(r.ends.map((e) => (e.options & TCPI_OPT_ECN) !== 0), [ecn, ecn], what);
        assert.equal(r.ways.map((w) => w.frames > 0), [ecn, ecn], what);
        // Classic: what echoed is counted by the acknowledgment, not by the mark; no option, no counter.
        assert.equal(r.ends.map((e) => e.delivered_ce > 0), [ecn, ecn], what);
        assert.equal(r.ways.map((w) => w.options), [0, 0], what);
      }
    });
  }
}

test('tshark reads the handshake, the counter and the option as they were meant', async () => {
  const r = await connection({ ecn: [3, 3], rules: ['mark=20'] });
  const out = execFileSync('tshark', ['-n', '-r', r.file, '-Y', `tcp && ip.src == ${NUSE4}`, '-T', 'fields', '-e', 'tcp.flags.syn', '-e', 'tcp.flags.ace', '-e', 'tcp.flags.ae',
    '-e', 'tcp.options.acc_ecn.eceb'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const rows = out.trim().split('\n').map((l) => l.split('\t')), on = (v: string): boolean => v === '1' || v === 'True';
  assert.ok(on(rows[0][0]) && on(rows[0][2]));
  assert.is(Number(rows[1][1]), 2); // the SYN-ACK was not ECN-capable
  let sum = 0, last = 5;
  for (const row of rows.slice(2)) {
    sum += (Number(row[1]) - last) & 7;
    last = Number(row[1]);
  }
  agree(r);
  assert.is(sum, r.ways[1].frames);
  const bytes = rows.map((x) => x[3]).filter(Boolean).map(Number);
  assert.is(bytes[bytes.length - 1], r.ways[1].bytes);
});

test.run();
