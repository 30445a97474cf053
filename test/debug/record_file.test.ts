// Record files as the addon writes them: replayed like those of JavaScript, bounded, and no danger to the stack or to other files.
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import type { Core } from '../../host/core.js';
import { bytesSource } from '../../host/debug/record_reader.js';
import { Replayer, type ReplayResult } from '../../host/debug/replay.js';
import { loadNative } from '../../host/native.js';
import { RecordFile } from '../../host/threads/record_file.js';
import { AF_INET, SOCK_DGRAM, type TestHost } from '../harness/host.js';
import { suite } from '../harness/suite.js';
import { exchange, recorded, replayCore, type Recorded } from './exchange.js';

const test = suite('record files');
const native = loadNative(), folder = mkdtempSync(join(tmpdir(), 'nuse-record-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const SEGMENT = 500000, SANITIZED = (process.env.NUSE_TEST_CORE ?? '').includes('sanitizer');
const said: string[] = [];
let memories: number[] = [];
const sinkAt = (path: string) => (core: Core): RecordFile => {
  memories.push(native.attachMemory(core.mem.u8));
  return new RecordFile(native, memories[memories.length - 1], path, (why) => said.push(why));
};
function close(r: Recorded): void {
  r.recorder.close();
  for (const m of memories) native.detachMemory(m);
  memories = [];
}
async function replayed(path: string): Promise<{ result: ReplayResult; mem: Uint8Array }> {
  const r = await Replayer.open(bytesSource(path, readFileSync(path)), replayCore);
  return { result: r.run(), mem: r.core.mem.u8 };
}
/** Datagrams until so many segments have been begun. */
function until(r: Recorded, socket: number, segments: number): void {
  while (r.recorder.written.segments < segments) send(r.host, socket);
}
function send(h: TestHost, socket: number): void {
  assert.is(h.send(socket, new Uint8Array(8000).fill(h.core.now), { address: '10.0.0.2', port: 9 }), 8000);
  h.core.advance(1e6);
  h.core.tx();
}

test('both files are replayed alone, and the last one ends with the memory of the core', async () => {
  const path = join(folder, 'exchange.rec');
  // The second time over longer ones.
  for (const [turns, segments] of [[300, 4], [150, 2]]) {
    const r = await exchange(turns, SEGMENT, sinkAt(path));
    assert.ok(r.recorder.written.segments >= segments, `${r.recorder.written.segments}`);
    close(r);
    for (const file of [`${path}.1`, path]) {
      const { result, mem } = await replayed(file);
      assert.is(result.divergence, undefined);
      assert.is(result.truncated, undefined);
      assert.ok(result.calls > 50 && result.framesIn > 10, JSON.stringify(result));
      if (file === path) assert.is(Buffer.compare(mem.subarray(A.STATIC_BASE), r.host.core.mem.u8.subarray(A.STATIC_BASE)), 0);
      assert.is(statSync(file).mode & 0o777, 0o600);
    }
    // A segment begins with the memory, of which the sanitizer writes every byte.
    assert.ok(statSync(`${path}.1`).size < SEGMENT + (SANITIZED ? r.host.core.mem.u8.length : 4 << 20));
    assert.not.ok(existsSync(`${path}.old`));
  }
  assert.equal(said, []);
});

test('what has been written can be replayed while the file is still open', async () => {
  const path = join(folder, 'open.rec'), r = await exchange(100, undefined, sinkAt(path));
  r.recorder.flush();
  const { result } = await replayed(path);
  assert.is(result.calls, r.recorder.written.calls);
  assert.is(result.divergence, undefined);
  assert.match(result.truncated!, /no block begins here/);
  close(r);
});

test('a FILE.1 that is taken away or linked to is not written over', async () => {
  const path = join(folder, 'kept.rec'), r = await recorded({}, SEGMENT, sinkAt(path)), s = r.host.socket(AF_INET, SOCK_DGRAM);
  until(r, s, 2);
  renameSync(`${path}.1`, join(folder, 'first'));
  const first = readFileSync(join(folder, 'first'));
  until(r, s, 4);
  linkSync(`${path}.1`, join(folder, 'third'));
  const third = readFileSync(join(folder, 'third'));
  until(r, s, 7);
  close(r);
  // What has been cut off lay behind the last block.
  for (const [name, was] of [['first', first], ['third', third]] as const) {
    const is = readFileSync(join(folder, name));
    assert.ok(is.length > SEGMENT && is.equals(was.subarray(0, is.length)), name);
  }
  for (const file of [join(folder, 'first'), join(folder, 'third'), `${path}.1`, path]) assert.is((await replayed(file)).result.divergence, undefined);
  assert.equal(said, []);
});

test('a file that somebody cuts ends the recording with an error, and the stack goes on', async () => {
  const path = join(folder, 'cut.rec'), r = await recorded({}, undefined, sinkAt(path)), s = r.host.socket(AF_INET, SOCK_DGRAM);
  for (let i = 0; i < 50; i++) send(r.host, s);
  truncateSync(path, 0);
  for (let i = 0; i < 50; i++) send(r.host, s);
  close(r);
  assert.equal(said.splice(0), [`${path}: EIO`]);
});

test('a full disk ends the recording; what there was room for is replayed', async () => {
  const disk = join(folder, 'disk'), path = join(disk, 'full.rec');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=5m', 'tmpfs', disk]);
  try {
    const r = await recorded({}, undefined, sinkAt(path)), s = r.host.socket(AF_INET, SOCK_DGRAM);
    for (let i = 0; i < 1000; i++) send(r.host, s);
    close(r);
    assert.equal(said.splice(0), [`${path}: ENOSPC`]);
    const { result } = await replayed(path);
    assert.ok(result.calls > 500, `${result.calls}`);
    assert.is(result.divergence, undefined);
    assert.match(result.truncated!, /the file ends inside a block header/);
  } finally {
    execFileSync('umount', [disk]);
  }
});

test.run();
