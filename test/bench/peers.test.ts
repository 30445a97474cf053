// limit: 240 s
// `nuse bench peers`, a part of it as short as it can be: figures of the kernel and of nuse, the relay's share, and every peer either measured or named.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { peersTables, type PeersResult } from '../../bench/peers.js';
import { NUSE } from '../interop/lab.js';

const test = suite('bench: peers');
const dir = mkdtempSync(join(tmpdir(), 'nuse-peers-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

test('bulk, exchanges on one processor, and connections', () => {
  const [command, ...rest] = [...NUSE, 'bench', 'peers', '--only', 'tcp-out', 'tcp-rr', 'connect', '--rounds', '1', '--seconds', '0.1', '--out', 'results'];
  const r = spawnSync(command, rest, { encoding: 'utf8', timeout: 200_000, cwd: dir });
  assert.is(r.status, 0, r.stderr);
  const result = JSON.parse(readFileSync(join(dir, 'results/peers.json'), 'utf8')) as PeersResult;
  assert.equal(Object.keys(result.stacks), ['tcp-out', 'tcp-rr', 'connect']);
  for (const [measure, figures] of Object.entries(result.stacks)) {
    for (const name of ['kernel-tap-relay-vnet', 'nuse-tap']) assert.ok(figures[name].value! > 0, `${measure} of ${name}: ${figures[name].failed}`);
    assert.ok(figures['kernel-tap-relay-vnet'].carrier! >= 0 && figures['kernel-tap-relay-vnet'].carrier! <= 1.1);
    assert.is('nuse-tap-1500' in figures, measure === 'tcp-out');
    // What is installed has a figure or says why not; what is not is named.
    for (const name of ['lwip', 'gvisor', 'uml']) assert.ok(name in figures || result.missing.some((m) => m.peer === name && m.package), name);
  }
  assert.equal(result.marks.map((m) => m.measure), ['tcp-out, nuse-tap', 'tcp-out, nuse-tap-1500', 'tcp-rr, nuse-tap', 'connect, nuse-tap']);
  assert.match(r.stdout, /^tcp-out, nuse-tap +Mbit\/s +[\d.]+ +kernel-tap-relay-vnet +[\d.]+ +\d+\.\d\d +0\.4 +1 +(aim|mark|no) +the relay had \d+ % of a processor$/m);
  for (const m of result.missing) assert.match(r.stdout, new RegExp(`^${m.peer} is not installed: apt-get install ${m.package}$`, 'm'));
});

test('a ratio must reach its mark, a figure alone must not exceed it; what was not measured is neither', () => {
  const mark = { measure: '', unit: '', peer: '', mark: 0.5, aim: 1 };
  const met = (m: object): string => peersTables({ marks: [{ ...mark, ...m }], stacks: {}, units: {} } as unknown as PeersResult)[0].rows[0][8];
  assert.equal([0.4, 0.6, 1].map((ours) => met({ ours, theirs: 1, ratio: true })), ['no', 'mark', 'aim']);
  assert.equal([90, 70, 40].map((ours) => met({ ours, ratio: false, mark: 80, aim: 50 })), ['no', 'mark', 'aim']);
  assert.is(met({ ours: 1, ratio: true }), '-');
});

test.run();
