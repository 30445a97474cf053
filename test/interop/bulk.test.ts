// limit: 600 s
// A quarter of a GiB (NUSE_BULK_BYTES: another amount) through TCP over a wire that loses, reorders, duplicates and corrupts,
// between nuse and the kernel, both directions and families: the hashes agree, and tshark finds no fault in what nuse sent.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, faults, plantBadFrame, type Finished, type Program } from './lab.js';
import { NUSE4, NUSE6, PEER4, PEER6 } from './wire.js';
import { join } from 'node:path';

const BYTES = Number(process.env.NUSE_BULK_BYTES ?? 256 << 20);
/** Seconds one run may take. */
const LIMIT = 120 * Math.max(1, BYTES / (1 << 30));
const FAULTS = { seed: 7, loss: 0.02, reorder: 0.02, duplicate: 0.005 };

interface Report { bytes: number; sha256: string; retrans: number; seconds: number }
const report = (text: string): Report => JSON.parse(text.trim().split('\n').pop()!) as Report;

const test = suite('bulk transfer over a faulty wire');
const lab = new Lab();
test.after(() => lab.close());

// nuse's TAP and the peer's veth end are joined by the wire; the capture is on nuse's side, behind its offloads (there are none).
let ns: string, peer: string, conf: string;
test.before(async () => {
  ns = lab.netns('b');
  peer = lab.netns('p');
  lab.tap(ns, 'tap0');
  lab.sh(ns, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1');
  lab.veth(ns, 'veth0', peer, 'eth0', false);
  lab.addr(peer, 'eth0', `${PEER4}/24`, `${PEER6}/64`);
  await lab.lossy(ns, 'tap0', 'veth0', FAULTS);
  conf = lab.file('bulk.conf', `interface eth0\n viftype TAP\n dev tap0\n offload off\n address ${NUSE4}/24\n address6 ${NUSE6}/64\n`);
});

async function exchange(receiver: Program, sender: Program): Promise<{ got: Report; sent: Report }> {
  // Whoever fails first says why: the other one would only wait for it.
  const well = async (p: Program): Promise<Finished> => {
    const end = await p.finish(LIMIT * 1500);
    assert.is(end.code, 0, `${p.label}: ${end.stderr}`);
    return end;
  };
  const [r, s] = await Promise.all([well(receiver), well(sender)]);
  return { got: report(r.stdout), sent: report(s.stdout) };
}

for (const [family, us, them] of [['IPv4', NUSE4, PEER4], ['IPv6', NUSE6, PEER6]] as const) {
  test(`nuse sends, ${family}`, async () => {
    const server = lab.run(peer, [...lab.bulk, 'accept-recv', them, '5001']);
    await server.until(/listening/);
    const { got, sent } = await exchange(server, lab.nuse(ns, ['-c', conf, '--', ...lab.bulk, 'send', them, '5001', String(BYTES), '1']));
    console.log(`  ${family} out: ${(got.bytes * 8 / 1e6 / sent.seconds).toFixed(0)} Mbit/s, ${sent.retrans} retransmits, ${sent.seconds.toFixed(1)} s`);
    assert.is(got.bytes, BYTES);
    assert.is(got.sha256, sent.sha256);
    assert.ok(sent.retrans > 1000 * Math.min(1, BYTES / (256 << 20)), `${sent.retrans} retransmits`);
    assert.ok(sent.seconds < LIMIT, `${sent.seconds} s`);
  });
  test(`nuse receives, ${family}`, async () => {
    const server = lab.nuse(ns, ['-c', conf, '--', ...lab.bulk, 'accept-recv', us, '5002']);
    await server.until(/listening/);
    const { got, sent } = await exchange(server, lab.run(peer, [...lab.bulk, 'send', us, '5002', String(BYTES), '2']));
    console.log(`  ${family} in: ${(got.bytes * 8 / 1e6 / got.seconds).toFixed(0)} Mbit/s, ${sent.retrans} retransmits, ${got.seconds.toFixed(1)} s`);
    assert.is(got.bytes, BYTES);
    assert.is(got.sha256, sent.sha256);
    assert.ok(got.seconds < LIMIT, `${got.seconds} s`);
  });
}

test('a capture of both directions holds no malformed packet and no bad checksum, and the check can fail', async () => {
  const some = String(Math.min(BYTES, 24 << 20));
  const capture = await lab.capture(ns, 'tap0', 'bulk.pcap');
  for (const [i, them] of [PEER4, PEER6].entries()) {
    const out = lab.run(peer, [...lab.bulk, 'accept-recv', them, `510${i}`]);
    await out.until(/listening/);
    await exchange(out, lab.nuse(ns, ['-c', conf, '--', ...lab.bulk, 'send', them, `510${i}`, some, '3']));
  }
  for (const [i, us] of [NUSE4, NUSE6].entries()) {
    const back = lab.nuse(ns, ['-c', conf, '--', ...lab.bulk, 'accept-recv', us, `511${i}`]);
    await back.until(/listening/);
    await exchange(back, lab.run(peer, [...lab.bulk, 'send', us, `511${i}`, some, '4']));
  }
  await capture.stop();
  assert.equal(faults(capture.file, [PEER4, PEER6]), []);
  const spoilt = join(lab.dir, 'spoilt.pcap');
  plantBadFrame(capture.file, spoilt);
  assert.is(faults(spoilt, [PEER4, PEER6]).length, 1);
});

test.run();
