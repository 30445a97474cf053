// A core of another ABI version is refused by whoever loads one, in words that say what to do; so is a record of one, and what is no core.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ABI_VERSION } from '../../host/abi/constants.js';
import { CORE_WASM, PACKAGE_ROOT } from '../../host/cli/install.js';
import { createCore } from '../../host/core.js';
import { LaneSum } from '../../host/debug/lanesum.js';
import { MemoryRecord } from '../../host/debug/memory_record.js';
import { Recorder } from '../../host/debug/record.js';
import { headerLength } from '../../host/debug/record_format.js';
import { bytesSource } from '../../host/debug/record_reader.js';
import { Replayer } from '../../host/debug/replay.js';
import { restore, snapshot } from '../../host/debug/snapshot.js';
import { MemoryVif, Stack } from '../../host/index.js';
import { Chromium } from '../harness/chromium.js';
import { withAbi } from '../harness/old_core.js';

const test = suite('ABI version'), dir = mkdtempSync(join(tmpdir(), 'nuse-abi-'));
test.after(() => { rmSync(dir, { recursive: true }); });
const bytes = readFileSync(CORE_WASM), OLD = ABI_VERSION - 1, old = join(dir, 'old.wasm'), own = { seed: new Uint8Array(32), now: 1e9, memoryBytes: 16 << 20 };
writeFileSync(old, withAbi(bytes, OLD));
writeFileSync(join(dir, 's.yaml'), 'duration: 1s\nlinks:\n  - { between: [a, b], rate: 1Mbit, delay: 5ms }\n');
const oldModule = new WebAssembly.Module(withAbi(bytes, OLD)), SAID = new RegExp(`the core has ABI version ${OLD}, this host needs version ${ABI_VERSION}: .*npm run build`);

const refused = async (what: Promise<unknown>, code = 'ERR_NUSE_ABI', message = SAID): Promise<void> => {
  const e = await what.then(() => undefined, (x: Error & { code?: string }) => x);
  assert.match(e?.message ?? 'it was taken', message);
  if (code) assert.is(e!.code, code);
};
const nuse = (args: readonly string[], env: Record<string, string> = {}): Promise<{ code: number; err: string }> => new Promise((resolve) => {
  execFile(process.execPath, [join(PACKAGE_ROOT, 'bin/nuse.mjs'), ...args], { cwd: dir, env: { ...process.env, NUSECONF: '', ...env } }, (e, _, err) => resolve({ code: e ? Number(e.code) : 0, err }));
});

test('the test\'s old core is the new one but for its version', async () => {
  const { exports } = await createCore(new WebAssembly.Module(withAbi(bytes, ABI_VERSION)), own);
  exports.poll(0);
});

test('in a program: a core, a stack in its worker, a stack in this thread', async () => {
  await refused(createCore(oldModule, own));
  await refused(Stack.create({ text: 'interface eth0\n viftype USER\n address 10.0.2.15/24\n', wasm: old }), '');
  const [vif] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
  await refused(Stack.create({ text: 'interface eth0\n address 192.0.2.1/24\n', vifs: { eth0: vif }, wasm: old }), '');
});

test('by the command: run, sim, and sim in threads', async () => {
  const other = { NUSE_CORE: old };
  for (const [args, env] of [[['run', '--', 'true'], other], [['sim', 's.yaml'], other], [['sim', 's.yaml', '--core', old], {}], [['sim', 's.yaml', '--core', old, '--workers', '2'], {}]] as const) {
    const { code, err } = await nuse(args, { ...env });
    assert.is(code, 125, err);
    assert.match(err, SAID);
    assert.not.match(err, /\n +at /);
  }
});

test('a module that is no core', async () => {
  for (const other of ['inetsum.wasm', 'lib.test.wasm']) {
    const { code, err } = await nuse(['sim', 's.yaml', '--core', join(PACKAGE_ROOT, 'build', other)]);
    assert.is(code, 125);
    assert.match(err, /node a: this WebAssembly module is no core of this nuse/);
  }
  const { err } = await nuse(['sim', 's.yaml', '--set', 'nodes.a.memory=64KiB']);
  assert.match(err, /node a: the memory is too small for a core/);
});

test('replay: a record of another version, by name; a core of another version, and a snapshot of one', async () => {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)), sink = new MemoryRecord(), module = new WebAssembly.Module(bytes);
  const core = await createCore(module, own), recorder = new Recorder(core, sink, { core: own, identity: { hash, build: 'core' }, date: 0, id: 1, text: '' });
  recorder.core.exports.poll(0);
  recorder.close();
  const file = sink.file();
  assert.is((await Replayer.open(bytesSource('r.rec', file), { module, hash })).run().divergence, undefined);
  await refused(Replayer.open(bytesSource('r.rec', file), { module: oldModule, hash }));
  const image = snapshot(core);
  assert.is((await restore(module, image)).mem.u8.length, image.length);
  new DataView(image.buffer).setUint32(0x1004, OLD, true);
  await refused(restore(module, image));
  const of = file.slice(), view = new DataView(of.buffer), length = headerLength('', of);
  view.setUint32(16, OLD, true);
  view.setUint32(length - 4, new LaneSum().add(of, 0, length - 4).value, true);
  writeFileSync(join(dir, 'old.rec'), of);
  const { code, err } = await nuse(['replay', 'old.rec']);
  assert.is(code, 125);
  assert.match(err, new RegExp(`old\\.rec: at byte 16: recorded with ABI version ${OLD}, this is version ${ABI_VERSION}\\n.*the version of nuse that recorded it`));
});

test('a page is told the same', async () => {
  const chromium = await Chromium.launch();
  try {
    const seen = await chromium.run<{ name: string; code?: string; message: string }>({ module: new URL('../browser/pages/abi_page.js', import.meta.url), files: { '/old.wasm': pathToFileURL(old) } });
    assert.is(seen.code, 'ERR_NUSE_ABI', seen.message);
    assert.match(seen.message, SAID);
  } finally {
    await chromium.close();
  }
});

test.run();
