// Fault schedules, the first of the 10 000 that `npm run nightly` runs: every transfer ends with all bytes as they were sent, and no end is
// silent for longer than two of its RTOs. One fails: `npm run nightly -- --seed N` tells all of it.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HDR, HDR_DEADLINE, HDR_NOW, IOV } from '../../../host/abi/constants.js';
import { CORE_WASM } from '../../../host/cli/install.js';
import type { Core } from '../../../host/core.js';
import { runSchedule, type Verdict } from './run.js';
import { scheduleOf } from './schedule.js';

const SEEDS = Number(process.env.NUSE_FAULT_SEEDS ?? 120);
const test = suite('sim: fault schedules');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));
const verdicts: Verdict[] = [];

test(`${SEEDS} schedules`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) verdicts.push(await runSchedule(seed, { module }));
  assert.equal(verdicts.flatMap((v) => v.failure ?? []), []);
});

test('they are worth it: every kind of fault and retransmissions are among them', () => {
  const schedules = verdicts.map((v) => scheduleOf(v.seed)), kinds = new Set(schedules.flatMap((s) => s.faults.map((f) => f.kind)));
  assert.equal([...kinds].sort(), ['deaf', 'down', 'link', 'mtu', 'rcvbuf']);
  const rules = new Set(schedules.flatMap((s) => s.faults.flatMap((f) => (f.kind === 'link' ? Object.keys({ ...f.set, ...f.reverse }) : []))));
  for (const rule of ['loss', 'bursts', 'reorder', 'duplicate', 'corrupt', 'jitter', 'delay', 'rate']) assert.ok(rules.has(rule), rule);
  assert.ok(schedules.some((s) => s.faults.some((f) => f.kind === 'down' && f.ms > 10_000)), 'a blackout of more than 10 s');
  assert.ok(verdicts.filter((v) => v.retransmissions > 0).length > 0.8 * verdicts.length);
  assert.ok(verdicts.some((v) => v.silence > 0.9), 'somebody waited for a timer');
});

test('a schedule repeats to the event', async () => {
  for (const v of verdicts.slice(0, 5)) assert.equal(await runSchedule(v.seed, { module }), v);
});

/** A core whose timers fire no more once its clock has come so far, ns. */
function timeless(core: Core, from: number): Core {
  const { exports: x, mem } = core;
  const poll = (n: number): void => {
    x.poll(n);
    if (mem.getNs(HDR + HDR_NOW) > from) mem.u32.fill(0xffffffff, (HDR + HDR_DEADLINE) >>> 2, ((HDR + HDR_DEADLINE) >>> 2) + 2);
  };
  return { exports: { ...x, poll }, mem };
}
/** A core that loses the sense of one bit of what an application writes, once. */
function forgetful(core: Core): Core {
  const { exports: x, mem } = core;
  let calls = 0;
  const sys_tx_commit = (handle: number, n: number, flags: number): number => {
    if (++calls === 2) mem.u8[mem.u32[IOV >>> 2]] ^= 4;
    return x.sys_tx_commit(handle, n, flags);
  };
  return { exports: { ...x, sys_tx_commit }, mem };
}

test('timers that do not fire are found, as stalls', async () => {
  let found = 0;
  for (let seed = 1; seed <= 20; seed++) if (/stall: a is silent since/.test((await runSchedule(seed, { module, layer: (core, node) => (node === 'a' ? timeless(core, 3.5e9) : core) })).failure ?? '')) found++;
  assert.ok(found >= 5, `${found} of 20`);
});
test('a bit that is turned over is found', async () => {
  const failures: string[] = [];
  for (let seed = 1; seed <= 10; seed++) failures.push((await runSchedule(seed, { module, layer: (core, node) => (node === 'a' ? forgetful(core) : core) })).failure ?? '');
  assert.ok(failures.some((f) => /corruption: byte \d+ of \d+ that b receives is not as it was sent/.test(f)), failures.join('\n'));
});

test.run();
