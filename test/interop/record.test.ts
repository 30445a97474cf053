// limit: 240 s
// A live run, recorded: curl and iperf3 over a TAP. Its inputs, fed into fresh cores in Node and in headless Chromium, give
// one hash over every frame, return value and event; one bit of them gives another, and the place is named.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReplayResult } from '../../host/debug/replay.js';
import { BLOCK_HEADER } from '../../host/debug/record_format.js';
import { blocks, reseal } from '../debug/blocks.js';
import { Chromium } from '../harness/chromium.js';
import { Lab, NUSE } from './lab.js';

const test = suite('interop: record');
const lab = new Lab();
let file = '', ns = '', conf = '';
test.before(async () => {
  ns = lab.netns('r');
  lab.tap(ns, 'tap0');
  lab.offloadOff(ns, 'tap0');
  lab.addr(ns, 'tap0', '192.0.2.1/24');
  conf = lab.file('record.conf', 'interface eth0\n viftype TAP\n dev tap0\n offload off\n address 192.0.2.10/24\n');
  file = join(lab.dir, 'run.bin');
  writeFileSync(join(lab.dir, 'page'), Buffer.alloc(300000, 'nuse '));
  const web = lab.run(ns, ['/usr/bin/python3', '-u', '-m', 'http.server', '8000', '--directory', lab.dir]), iperf = lab.run(ns, ['iperf3', '-s', '--forceflush']);
  await Promise.all([web.until(/Serving/), iperf.until(/listening/)]);
});
test.after(() => lab.close());

function replay(path: string, ...more: string[]): { status: number; result: ReplayResult } {
  try {
    return { status: 0, result: JSON.parse(execFileSync(NUSE[0], [...NUSE.slice(1), 'replay', path, '--json', ...more], { encoding: 'utf8' })) as ReplayResult };
  } catch (e) {
    const { status, stdout } = e as { status: number; stdout: string };
    return { status, result: JSON.parse(stdout) as ReplayResult };
  }
}

test('curl and iperf3 run recorded', async () => {
  const script = 'curl -s http://192.0.2.1:8000/page | md5sum && iperf3 -c 192.0.2.1 -n 100M >/dev/null && iperf3 -c 192.0.2.1 -n 60M -R >/dev/null && sleep 0.5 && echo done';
  const run = await lab.nuse(ns, ['record', file, '-c', conf, '--', 'sh', '-c', script]).finish(100000);
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stdout, /^[0-9a-f]{32} .*\ndone$/m);
  assert.is(statSync(file).mode & 0o777, 0o600);
});

let once: ReplayResult;
test('two replays in Node and one in Chromium give one hash', async () => {
  const first = replay(file);
  once = first.result;
  assert.is(first.status, 0, JSON.stringify(once));
  assert.is(once.divergence, undefined);
  assert.is(once.truncated, undefined);
  assert.ok(once.framesIn + once.framesOut >= 1e5, `${once.framesIn} + ${once.framesOut} frames`);
  assert.ok(once.timers > 5 && once.events > 50 && once.calls > 2000, JSON.stringify(once));
  assert.equal(replay(file).result, once);
  const chromium = await Chromium.launch();
  try {
    const there = await chromium.run<ReplayResult>({ module: new URL('../browser/pages/replay_page.js', import.meta.url), files: { '/run.bin': pathToFileURL(file) }, timeoutMs: 90000 });
    assert.equal(there, once);
  } finally {
    await chromium.close();
  }
});

test('one bit in the middle of it: another hash, and the call is named', () => {
  // In the payload of a full TCP segment that came in, while iperf3 receives: a lost acknowledgement, say, need not be missed.
  const bytes = readFileSync(file), all = blocks(bytes).filter((b) => b.bulk > 1000), b = all[all.length * 5 / 6 | 0];
  const bulk = bytes.subarray(b.at + BLOCK_HEADER + b.records, b.at + BLOCK_HEADER + b.records + b.bulk);
  const segment = bulk.indexOf(Buffer.from('0800450005dc', 'hex'), b.bulk >> 1);
  assert.ok(segment > 0 && bulk[segment + 11] === 6, `a full segment at ${segment} of ${b.bulk}`);
  bulk[segment + 800] ^= 1;
  const spoiled = join(lab.dir, 'spoiled.bin');
  writeFileSync(spoiled, bytes);
  // The check of the block finds it first.
  assert.throws(() => execFileSync(NUSE[0], [...NUSE.slice(1), 'replay', spoiled], { stdio: 'pipe' }), new RegExp(`at byte ${b.at + BLOCK_HEADER + b.records}: the check of the bytes of block`));
  reseal(bytes, b);
  writeFileSync(spoiled, bytes);
  const { status, result } = replay(spoiled);
  assert.is(status, 1);
  assert.is.not(result.hash, once.hash);
  assert.ok(result.divergence!.offset > b.at && result.divergence!.call < once.calls, JSON.stringify(result.divergence));
});

test('the frames of a replay are those that a capture shows', () => {
  const pcap = join(lab.dir, 'replay.pcapng');
  const { result } = replay(file, '--pcap', pcap, '--until', '3000');
  // Payload is only bytes: taken for some application's protocol, it can keep tshark for minutes.
  const args = ['-n', '-r', pcap, '-o', 'tcp.desegment_tcp_streams:FALSE', '-d', 'tcp.port==1-65535,data', '-T', 'fields', '-e', 'frame.number'];
  const packets = execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 26 });
  assert.is(packets.trim().split('\n').length, result.framesIn + result.framesOut);
});

/** The frames of a capture, by direction (1 in, 2 out), in their order. */
function framesOf(path: string): Record<number, string[]> {
  const b = readFileSync(path), out: Record<number, string[]> = { 1: [], 2: [] };
  for (let at = 0; at < b.length; at += b.readUInt32LE(at + 4)) {
    if (b.readUInt32LE(at) !== 6) continue;
    // An enhanced packet; its first option holds the flags (draft-ietf-opsawg-pcapng 4.3).
    const n = b.readUInt32LE(at + 20), options = at + 28 + ((n + 3) & ~3);
    assert.is(b.readUInt16LE(options), 2);
    out[b[options + 4] & 3].push(b.toString('hex', at + 28, at + 28 + n));
  }
  return out;
}

test('a live curl run and its replay: the same frames, byte for byte', async () => {
  const record = join(lab.dir, 'curl.rec'), live = join(lab.dir, 'live.pcapng'), again = join(lab.dir, 'again.pcapng');
  const run = await lab.nuse(ns, ['record', record, '--pcap', live, '-c', conf, '--', 'curl', '-s', '-o', join(lab.dir, 'got'), 'http://192.0.2.1:8000/page']).finish();
  assert.is(run.code, 0, run.stderr);
  assert.ok(readFileSync(join(lab.dir, 'got')).equals(readFileSync(join(lab.dir, 'page'))));
  assert.is(replay(record, '--pcap', again).status, 0);
  const [was, is] = [framesOf(live), framesOf(again)];
  assert.ok(was[1].length > 100 && was[2].length > 50, `${was[1].length} in, ${was[2].length} out`);
  assert.equal(is, was);
  // The debug build, with names and assertions, does the same with it.
  assert.is(replay(record, '--build', 'debug', '--pcap', again).status, 0);
  assert.equal(framesOf(again), was);
});

test('a record written over a longer one ends where it ends', async () => {
  const before = statSync(file).size;
  assert.is((await lab.nuse(ns, ['record', file, '-c', conf, '--', 'true']).finish()).code, 0);
  assert.ok(statSync(file).size < before / 1000);
  const { status, result } = replay(file);
  assert.is(status, 0);
  assert.is(result.truncated, undefined);
});

test.run();
