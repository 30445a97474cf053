// limit: 400 s
// Every congestion control, with offload and without, both families and directions, against the kernel: the bytes arrive, and tshark finds no fault
// in what nuse has captured; without offload the wire loses frames, and what was on it is looked at, too. Fast Open, signed segments, Accurate ECN and
// the other back ends have captures in tests of their own.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lab, faults, type Program } from './lab.js';
import { NUSE4, NUSE6, PEER4, PEER6, wire } from './wire.js';

const BYTES = 2 << 20;
const CONTROLS = ['reno', 'cubic', 'bbr', 'dctcp'];
/** The longest frame without offload. */
const FRAME = 1514;

const test = suite('captures of every mode');
const lab = new Lab();
test.after(() => lab.close());

interface Report { bytes: number; sha256: string; retrans: number }
const reports = (text: string): Report[] => text.split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l) as Report);
async function well(p: Program): Promise<Report[]> {
  const end = await p.finish(90e3);
  assert.is(end.code, 0, `${p.label}: ${end.stderr}`);
  return reports(end.stdout);
}

interface Path {
  ns: string;
  peer: string;
  conf(control: string): string;
}

/** Both families out of nuse, then both in, one connection after the other, by one program: the reports of both ends. */
async function transfers(path: Path, control: string, pcap: string): Promise<{ ours: Report[]; theirs: Report[] }> {
  const sinks = [lab.run(path.peer, [...lab.bulk, 'accept-recv', PEER4, '5001']), lab.run(path.peer, [...lab.bulk, 'accept-recv', PEER6, '5002'])];
  for (const s of sinks) await s.until(/listening/);
  const bulk = lab.bulk.join(' '), script = [
    `${bulk} send ${PEER4} 5001 ${BYTES} 1`, `${bulk} send ${PEER6} 5002 ${BYTES} 2`, `${bulk} accept-recv ${NUSE4} 5003`, `${bulk} accept-recv ${NUSE6} 5004`,
  ].join(' && ');
  const nuse = lab.nuse(path.ns, ['-c', path.conf(control), '--pcap', pcap, '--', 'sh', '-c', script]);
  const theirs = (await Promise.all(sinks.map(well))).flat();
  for (const [i, us] of [NUSE4, NUSE6].entries()) {
    await nuse.until(i ? /listening[^]*listening/ : /listening/);
    theirs.push(...await well(lab.run(path.peer, [...lab.bulk, 'send', us, `500${3 + i}`, String(BYTES), String(3 + i)])));
  }
  return { ours: await well(nuse), theirs };
}

/** Lengths of the TCP frames of a capture that nuse sent. */
const sentLengths = (file: string): number[] =>
  execFileSync('tshark', ['-n', '-r', file, '-Y', `tcp && (ip.src == ${NUSE4} || ipv6.src == ${NUSE6})`, '-T', 'fields', '-e', 'frame.len'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 26 })
    .split('\n').filter(Boolean).map(Number);

function judge(ours: Report[], theirs: Report[], file: string): number[] {
  assert.equal(ours.map((r) => r.bytes), [BYTES, BYTES, BYTES, BYTES]);
  assert.equal(ours.map((r) => r.sha256), theirs.map((r) => r.sha256));
  assert.equal(faults(file, [PEER4, PEER6]), []);
  const lengths = sentLengths(file);
  assert.ok(lengths.length > 100, `${lengths.length} frames`);
  return lengths;
}

const on: Partial<Path> = {}, off: Partial<Path> = {};
test.before(async () => {
  const w = wire(lab, 'TAP');
  Object.assign(on, { ns: w.ns, peer: w.peer, conf: (control: string) => lab.file(`on.${control}.conf`, `${readFileSync(w.conf, 'utf8')}sysctl net.ipv4.tcp_congestion_control=${control}\n`) });
  const ns = lab.netns('b'), peer = lab.netns('p');
  lab.tap(ns, 'tap0');
  lab.sh(ns, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1');
  lab.veth(ns, 'veth0', peer, 'eth0', false);
  lab.addr(peer, 'eth0', `${PEER4}/24`, `${PEER6}/64`);
  await lab.lossy(ns, 'tap0', 'veth0', { seed: 11, loss: 0.01, reorder: 0.01, duplicate: 0.002 });
  Object.assign(off, {
    ns, peer,
    conf: (control: string) => lab.file(`off.${control}.conf`,
      `interface eth0\n viftype TAP\n dev tap0\n offload off\n address ${NUSE4}/24\n address6 ${NUSE6}/64\n\nsysctl net.ipv4.tcp_congestion_control=${control}\n`),
  });
});

for (const control of CONTROLS) {
  test(`${control}, offload on`, async () => {
    const pcap = join(lab.dir, `on.${control}.pcapng`), { ours, theirs } = await transfers(on as Path, control, pcap);
    assert.ok(judge(ours, theirs, pcap).some((n) => n > 2 * FRAME), 'super-segments');
  });
  test(`${control}, offload off, on a wire that loses`, async () => {
    const pcap = join(lab.dir, `off.${control}.pcapng`), seen = await lab.capture(off.ns!, 'tap0', `off.${control}.pcap`);
    const { ours, theirs } = await transfers(off as Path, control, pcap);
    await seen.stop();
    assert.ok(judge(ours, theirs, pcap).every((n) => n <= FRAME), 'no longer than the MTU');
    assert.ok(ours[0].retrans + ours[1].retrans > 5, `${ours[0].retrans} and ${ours[1].retrans} segments sent again`);
    assert.equal(faults(seen.file, [PEER4, PEER6]), []);
    assert.ok(sentLengths(seen.file).length > 100);
  });
}

test.run();
