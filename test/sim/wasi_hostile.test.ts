// limit: 240 s
// WASI programs that mean no good: whatever they pass, the call fails as on Linux, the node's core and the run stay whole, and what is
// wrong is put down to the program. On the sanitizer build of the core, which is closed and looked through at the end.
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import binaryen from 'binaryen';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LeakCheck } from '../../host/debug/leak_check.js';
import { ScenarioRun, type RunResult } from '../../host/sim/run.js';
import type { ScenarioInput } from '../../host/sim/scenario.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';
import { OutputStream } from '../../host/sim/wasi/descriptor.js';
import { prepareWasi } from '../../host/sim/wasi/prepare.js';
import { loader } from './wasi_programs.js';

const test = suite('sim: hostile WASI programs');
const module = new WebAssembly.Module(readFileSync(new URL('../../../core.sanitizer.wasm', import.meta.url)));
const hostile = (name: string, ...args: (string | number)[]) => ({ type: 'wasi' as const, name, node: 'a', module: 'hostile.wasm', args });

/** Run them, and see that no node has come to harm. */
async function harmless(apps: ScenarioInput['apps'], more: Partial<ScenarioInput> = {}): Promise<RunResult> {
  const checks: LeakCheck[] = [];
  const run = await ScenarioRun.create(scenarioOf({ duration: '60s', links: [{ between: ['a', 'b'], rate: '10Mbit', delay: '1ms' }], ...more, apps }), {
    module, loader, layer: (core) => {
      const check = new LeakCheck(core);
      checks.push(check);
      return check.core;
    },
  });
  run.finish();
  const result = run.result();
  assert.is(result.metrics['nodes.trapped'], 0, JSON.stringify(result.log));
  for (const node of run.nodes.values()) node.stamp();
  for (const c of checks) assert.equal(c.retire(), []);
  return result;
}

test('pointers, lengths and counts that lie: the call fails, and says how', async () => {
  const { output, metrics } = await harmless([hostile('bad', 'bounds')]);
  const [EFAULT, EINVAL, EBADF, ENOTSOCK] = [-14, -22, -9, -88], WASI_EFAULT = 21, WASI_EINVAL = 28;
  assert.is(output.bad.stderr, '');
  assert.equal(output.bad.stdout.trim().split('\n'), [
    `bind beyond ${EFAULT} ${EFAULT}`, `bind long ${EINVAL} ${EFAULT}`, `connect ${EFAULT} ${EINVAL}`, `sendto address ${EINVAL} ${EINVAL} ${EFAULT}`, `sendto data ${EFAULT} ${EFAULT}`,
    `recvfrom ${EFAULT} -11`, `getsockopt ${EFAULT} ${EFAULT}`, `setsockopt ${EFAULT} ${EINVAL}`, `getsockname ${EFAULT} ${EFAULT}`, `poll ${EINVAL} ${EINVAL} ${EFAULT}`,
    `resolve ${EFAULT} ${EINVAL} ${EFAULT}`, `format ${EFAULT} ${EFAULT}`, `descriptors ${EBADF} ${EBADF} ${ENOTSOCK}`, `fd_write ${WASI_EFAULT} ${WASI_EFAULT}`, `random_get ${WASI_EFAULT}`,
    `poll_oneoff ${WASI_EINVAL} ${WASI_EINVAL} ${WASI_EINVAL} ${WASI_EFAULT}`,
  ]);
  assert.is(metrics['bad.exit'], 0);
});

test('calls with arbitrary arguments, thousands of them: nothing but errors comes of it', async () => {
  const { output } = await harmless([1, 2, 3].map((seed) => hostile(`bad${seed}`, 'fuzz', seed, 3000)));
  for (const seed of [1, 2, 3]) assert.equal(output[`bad${seed}`], { stdout: 'through\n', stderr: '' });
});

for (const [how, call] of ['getsockname', 'poll', 'sendto', 'write'].entries()) {
  test(`a stack that ends within a call of the host is the program's, not the core's: ${call}`, async () => {
    const { output, metrics } = await harmless([hostile('deep', 'recurse', how), { ...hostile('good', 'bounds'), start: '1s' }]);
    assert.match(output.deep.stderr, /^trapped: Maximum call stack size exceeded\n$/);
    assert.is(metrics['deep.failed'], 1);
    assert.is(metrics['good.exit'], 0);
  });
}

test('a sleep of 2^64 - 1 ns does not end', async () => {
  const { output, metrics } = await harmless([hostile('long', 'forever')]);
  assert.equal([output.long.stdout, metrics['long.running']], ['', 1]);
});

test('random bytes by the quarter of a GiB are found as work without end', async () => {
  const error = await harmless([hostile('chance', 'chance')]).catch((e: Error & { code?: string }) => e) as Error & { code?: string };
  assert.is(error.code, 'ERR_NUSE_SIM_SPIN');
  assert.match(error.message, /^application chance on node a spins: /);
});

test('what is written byte by byte takes no more memory than its bytes', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void, out = new OutputStream(), byte = [Uint8Array.of(0x78)];
  collect();
  const before = process.memoryUsage();
  for (let i = 0; i < 1_000_000; i++) out.write(byte)();
  collect();
  const after = process.memoryUsage(), grown = after.heapUsed + after.external - before.heapUsed - before.external;
  assert.is(out.text, 'x'.repeat(1_000_000));
  assert.ok(grown < 16 << 20, `${grown} bytes for a million`);
});

/** A prepared module of this text, as an application. */
async function program(text: string): Promise<RunResult> {
  const m = binaryen.parseText(text), compiled = await WebAssembly.compile(await prepareWasi(m.emitBinary()) as BufferSource);
  m.dispose();
  const run = await ScenarioRun.create(scenarioOf({ duration: '1s', links: [{ between: ['a', 'b'] }], apps: [{ type: 'wasi', name: 'odd', node: 'a', module: 'odd.wasm' }] }), {
    module, loader: { wasi: () => Promise.resolve(compiled) },
  });
  run.finish();
  return run.result();
}
const WRITE = '(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))';
const START = '(func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))))';
const ODD: [string, string, RegExp][] = [
  ['no memory', `(module ${WRITE} ${START})`, /^application odd: its module cannot be started: it exports no `memory` of 64 KiB or more/],
  ['no page of memory', `(module ${WRITE} (memory (export "memory") 0) ${START})`, /^application odd: .*no `memory` of 64 KiB or more/],
  ['code that runs before _start', `(module ${WRITE} (memory (export "memory") 1) (func $early (loop $l (br $l))) (start $early) ${START})`, /^application odd: its module cannot be started: unreachable/],
  ['no _start', `(module ${WRITE} (memory (export "memory") 1))`, /^application odd: its module exports no _start/],
  ['an import that is every object\'s', `(module (import "wasi_snapshot_preview1" "constructor" (global i32)) ${WRITE} (memory (export "memory") 1) ${START})`, /^application odd: /],
];
for (const [what, text, message] of ODD) {
  test(`a module with ${what} is refused by the name of its application`, async () => {
    const error = await program(text).catch((e: Error) => e);
    assert.instance(error, Error);
    assert.match((error as Error).message, message);
  });
}
test('an odd module that is none', async () => {
  assert.is((await program(`(module ${WRITE} (memory (export "memory") 1) ${START})`)).metrics['odd.exit'], 0);
});

test.run();
