// The loop: sleep and wake, timers, sources, deadlines of the core, and what a trap does.
import * as assert from 'uvu/assert';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, openSync, rmSync, closeSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as A from '../../host/abi/constants.js';
import { CoreTrap } from '../../host/core.js';
import { EPOLLIN, EPOLLOUT, EPOLLET, loadNative } from '../../host/native.js';
import { Loop } from '../../host/threads/loop.js';
import { Timers } from '../../host/threads/timers.js';
import { TestCore } from '../harness/core.js';
import { suite } from '../harness/suite.js';

const native = loadNative();
const MS = 1e6;
const test = suite('loop');

async function withLoop(fn: (loop: Loop) => void | Promise<void>, options = {}): Promise<void> {
  const c = await TestCore.create();
  const loop = new Loop(c.core, native, options);
  try {
    await fn(loop);
  } finally {
    loop.close();
  }
}

function fifo(): { r: number; w: number; close(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'nuse-loop-'));
  const path = join(dir, 'f');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  return { r: fd, w: fd, close: () => { closeSync(fd); rmSync(dir, { recursive: true }); } };
}

test('timers come in order and never early', () => withLoop((loop) => {
  native.timerSlack(1);
  const start = loop.now(), ran: number[] = [];
  const delays = [5, 1, 3, 3.5, 0, 0.2, 12, 2].map((ms) => ms * MS);
  for (const d of delays) {
    loop.setTimer(start + d, () => {
      const now = loop.now();
      assert.ok(now >= start + d, `early by ${start + d - now} ns`);
      ran.push(d);
      if (ran.length === delays.length) loop.stop();
    });
  }
  loop.run();
  assert.equal(ran, [...delays].sort((a, b) => a - b));
}));

test('a cleared timer does not run; a thousand cleared ones cost nothing', () => withLoop((loop) => {
  const start = loop.now();
  let ran = 0;
  const ids = Array.from({ length: 1000 }, (_, i) => loop.setTimer(start + i * 1000, () => ran++));
  for (const id of ids.slice(0, 999)) loop.clearTimer(id);
  loop.setTimer(start + 2 * MS, () => loop.stop());
  loop.run();
  assert.is(ran, 1);
}));

test('a timer set by a timer waits for the next turn, one cleared by a timer does not run', () => withLoop((loop) => {
  let again = 0, other = 0;
  const at = loop.now();
  const id = { b: 0 };
  loop.setTimer(at, () => { loop.clearTimer(id.b); loop.setTimer(0, () => again++); });
  id.b = loop.setTimer(at, () => other++);
  loop.turn(0);
  assert.equal([again, other], [0, 0]);
  loop.turn(0);
  assert.equal([again, other], [1, 0]);
}));

test('the deadline in the header ends a sleep, and the time is written back', () => withLoop((loop) => {
  loop.turn(0);
  const t0 = loop.now();
  loop.core.mem.putNs(A.HDR + A.HDR_DEADLINE, t0 + 3 * MS);
  loop.stack.pollWanted = false;
  loop.turn(1e9);
  const t1 = loop.core.mem.getNs(A.HDR + A.HDR_NOW);
  assert.ok(t1 >= t0 + 3 * MS && t1 < t0 + 100 * MS, `${t1 - t0} ns`);
}));

test('an eventfd signalled by another thread wakes the loop', () => withLoop(async (loop) => {
  const fd = native.eventfdCreate();
  const sab = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(`
    const { workerData: d } = require('node:worker_threads');
    const native = require(d.addon);
    Atomics.wait(d.sab, 0, 0);
    for (let i = 0; i < 3; i++) native.eventfdSignal(d.fd);
    Atomics.store(d.sab, 1, 1);`, { eval: true, workerData: { fd, sab, addon: new URL('../../../../io-backends/native/build/Release/nuse.node', import.meta.url).pathname } });
  let drained = 0;
  loop.addSource(fd, EPOLLIN, () => {
    drained += native.eventfdDrain(fd);
    if (Atomics.load(sab, 1) && native.eventfdDrain(fd) === 0) loop.stop();
  });
  loop.setTimer(loop.now() + MS, () => { Atomics.store(sab, 0, 1); Atomics.notify(sab, 0); });
  const guard = loop.setTimer(loop.now() + 5e9, () => loop.stop());
  const again = (): void => { if (drained >= 3) loop.stop(); else loop.setTimer(loop.now() + MS, again); };
  again();
  loop.run();
  loop.clearTimer(guard);
  assert.is(drained, 3);
  assert.is(native.eventfdDrain(fd), 0);
  await worker.terminate();
  native.closeFd(fd);
}));

test('sources: level and edge, change of events, removal in the middle of a batch', () => withLoop((loop) => {
  const a = fifo(), b = fifo();
  const seen: string[] = [];
  native.eventfdSignal(a.w);
  native.eventfdSignal(b.w);
  const ids: Record<string, number> = {};
  // Whichever of the two comes first removes the other, which must then not be told, though it was ready.
  ids.a = loop.addSource(a.r, EPOLLIN, (ev) => { seen.push(`a${ev}`); loop.removeSource(ids.b); });
  ids.b = loop.addSource(b.r, EPOLLIN, (ev) => { seen.push(`b${ev}`); loop.removeSource(ids.a); });
  loop.turn(0);
  assert.is(seen.length, 1);
  const first = seen[0][0], fd = first === 'a' ? a.r : b.r;
  loop.turn(0);
  assert.is(seen.length, 2, 'level-triggered: told again');
  loop.modSource(ids[first], EPOLLOUT);
  loop.turn(0);
  assert.is(seen[2], `${first}${EPOLLOUT}`);
  loop.modSource(ids[first], EPOLLIN | EPOLLET);
  loop.turn(0);
  loop.turn(0);
  assert.is(seen.length, 4, 'edge-triggered: told once');
  native.eventfdSignal(fd);
  loop.turn(0);
  assert.is(seen.length, 5, 'and once more');
  loop.removeSource(ids[first]);
  loop.removeSource(12345);
  assert.throws(() => loop.addSource(99999, EPOLLIN, () => undefined), /EBADF/);
  a.close();
  b.close();
}));

test('a busy source does not starve timers, nor the other way round', () => withLoop((loop) => {
  const a = fifo();
  let calls = 0, ticks = 0;
  native.eventfdSignal(a.w);
  const id = loop.addSource(a.r, EPOLLIN, () => { calls++; });
  const tick = (): void => { if (++ticks === 50) loop.stop(); else loop.setTimer(loop.now() + 0.1 * MS, tick); };
  tick();
  loop.run();
  assert.ok(calls >= 10, `${calls} calls`);
  loop.removeSource(id);
  a.close();
}));

test('spinning sees an event too', () => withLoop((loop) => {
  let ran = false;
  loop.setTimer(loop.now() + 0.3 * MS, () => { ran = true; loop.stop(); });
  loop.run();
  assert.ok(ran);
}, { spinUs: 50 }));

test('a trap of the core ends run() as a CoreTrap; an error of a source ends it as itself', async () => {
  await withLoop((loop) => {
    const poll = loop.core.exports.poll;
    let died = false;
    const core = { mem: loop.core.mem, exports: { ...loop.core.exports, poll: (n: number) => { if (died) throw new WebAssembly.RuntimeError('unreachable'); poll(n); } } };
    const other = new Loop(core, native);
    other.setTimer(other.now() + MS, () => { died = true; });
    assert.throws(() => other.run(), (e: unknown) => e instanceof CoreTrap && e.message === 'unreachable');
    died = false;
    other.setTimer(other.now() + MS, () => { throw new Error('of the source'); });
    assert.throws(() => other.run(), /of the source/);
    other.close();
  });
});

test('bad arguments come back as numbers, not as faults', () => withLoop(() => {
  assert.is(native.clock(1234), -1);
  assert.is(native.rxBurst(99, 0, 0, 1), -A.Errno.EBADF);
  assert.is(native.txBurst(-1, 0, 1), -A.Errno.EBADF);
  assert.is(native.epollCtl(63, 1, 0, 1, 1), -A.Errno.EBADF);
  assert.is(native.detachMemory(63), -A.Errno.EBADF);
  assert.is(native.eventfdSignal(-1), -A.Errno.EBADF);
  assert.is(native.wait(63, Infinity, 1, 0), -A.Errno.EBADF);
  assert.is(native.wait(0, Infinity, -1, 0), -A.Errno.EINVAL);
  assert.is(native.clock('x' as never), -1);
  assert.throws(() => native.attachMemory(new Uint8Array(16)), (e: NodeJS.ErrnoException) => e.code === 'ERANGE');
}));

test('timers against a plain list, with a thousand random steps', () => {
  let seed = 7;
  const random = (n: number): number => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) % n; };
  const timers = new Timers(), model: { id: number; at: number }[] = [], ran: number[] = [];
  let now = 0;
  for (let step = 0; step < 1000; step++) {
    for (let i = random(4); i > 0; i--) {
      const at = now + random(50), id: number = timers.set(at, () => ran.push(id));
      model.push({ id, at });
    }
    if (model.length && random(3) === 0) {
      const [gone] = model.splice(random(model.length), 1);
      timers.clear(gone.id);
    }
    now += random(10);
    const due = model.filter((e) => e.at <= now).sort((a, b) => a.at - b.at || a.id - b.id).slice(0, 3);
    ran.length = 0;
    assert.is(timers.run(now, 3), due.length);
    assert.equal(ran, due.map((e) => e.id));
    for (const e of due) model.splice(model.indexOf(e), 1);
    assert.is(timers.size, model.length);
    assert.is(timers.next, Math.min(Infinity, ...model.map((e) => e.at)));
  }
});

test.run();
