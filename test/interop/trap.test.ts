// A core that traps under programs: their sockets are reset, they go on, the settings are kept, and what happened is kept
// in a file and told in one line. On a test-only build that traps at packets of IP protocol 253 (test/assembly/trapping.ts).
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReplayResult } from '../../host/debug/replay.js';
import { Lab, NUSE, ROOT, type Finished } from './lab.js';

const test = suite('interop: trap');
const lab = new Lab();
const CORE = join(ROOT, 'build/core.trapping.wasm');
let ns = '', conf = '';
test.before(async () => {
  ns = lab.netns('t');
  lab.tap(ns, 'tap0');
  lab.addr(ns, 'tap0', '192.0.2.1/24');
  conf = lab.file('trap.conf', 'interface eth0\n viftype TAP\n dev tap0\n address 192.0.2.10/24\n address 192.0.2.77/24\n\nroute\n network 0.0.0.0\n netmask 0.0.0.0\n gateway 192.0.2.1\n');
  writeFileSync(join(lab.dir, 'page'), 'hello');
  await lab.run(ns, ['/usr/bin/python3', '-u', '-m', 'http.server', '8000', '--directory', lab.dir]).until(/Serving/);
});
test.after(() => lab.close());

const run = (traps: number, ...options: string[]): Promise<Finished> =>
  lab.nuse(ns, [...options, '-c', conf, '--', '/usr/bin/python3', join(ROOT, 'test/interop/trap.py'), '192.0.2.1', '8000', String(traps)], { env: { ...process.env, NUSE_CORE: CORE } }).finish(60000);

const replay = (file: string): ReplayResult => {
  try {
    return JSON.parse(execFileSync(NUSE[0], [...NUSE.slice(1), 'replay', file, '--json', '--core', CORE], { encoding: 'utf8' })) as ReplayResult;
  } catch (e) {
    return JSON.parse((e as { stdout: string }).stdout) as ReplayResult;
  }
};

const ECONNRESET = 104;
const PLACE = /unreachable at test\/assembly\/trapping\.ts:6 < assembly\/core\/proto\.ts:\d+ < assembly\/network\/ipv4\/input\.ts:\d+/;

test('programs see resets and go on; addresses and routes are as they were made; one line says so', async () => {
  const { code, stdout, stderr } = await run(1, 'run');
  assert.is(code, 0, stderr);
  const lines = stdout.trim().split('\n');
  assert.equal(lines.slice(0, 1), ['before True']);
  for (const call of ['accept', 'trap', 'recv']) assert.ok(lines.includes(`${call} ${ECONNRESET}`), stdout);
  assert.ok(lines.includes('after True'));
  assert.equal(lines.filter((l) => l.startsWith('address')), ['address 192.0.2.10/24', 'address 198.51.100.7/24']);
  assert.ok(lines.includes('route 203.0.113.0/24 via 192.0.2.1 dev eth0') && lines.some((l) => l.startsWith('route default via 192.0.2.1')), stdout);
  assert.match(stderr, /^nuse: the core trapped: [^\n]*its sockets are reset, it has started again \(1\); kept: \S+\n$/);
  assert.match(stderr, PLACE);
  const dump = /kept: (\S+)/.exec(stderr)![1];
  assert.match(replay(dump).trap!.recorded, PLACE);
  rmSync(dirname(dump), { recursive: true });
});

test('recorded: each core has its file; a replay traps at the same place', async () => {
  const file = join(lab.dir, 'trap.rec');
  const { code, stderr } = await run(2, 'record', file, '--json');
  assert.is(code, 0, stderr);
  const told = stderr.trim().split('\n').map((l) => (JSON.parse(l) as { restarted: { message: string; file: string; times: number } }).restarted);
  assert.equal(told.map((t) => [t.file, t.times]), [[file, 1], [`${file}-2`, 2]]);
  for (const t of told) {
    const r = replay(t.file);
    assert.is(r.divergence, undefined);
    assert.is(r.trap!.recorded, t.message);
    assert.is(r.trap!.replayed, 'unreachable');
  }
  const last = replay(`${file}-3`);
  assert.is(last.trap, undefined);
  assert.is(last.divergence, undefined);
  assert.is(last.truncated, undefined);
});

test('a core that traps again and again is given up', async () => {
  const { code, stdout, stderr } = await run(9, 'run');
  assert.ok(code !== 0);
  assert.is(stdout.split('\n').filter((l) => l === 'after True').length, 5);
  assert.match(stderr, /OSError: \[Errno 100\] Network is down/, 'what the program gets then');
  assert.match(stderr, /nuse: the stack failed: unreachable at [^\n]*; see (\S+)/);
  const dumps = new Set(Array.from(stderr.matchAll(/(?:kept: |see )(\S+)/g), (m) => m[1]));
  assert.is(dumps.size, 3, 'the last ones');
  assert.ok([...dumps].every((d) => existsSync(d)));
  rmSync(dirname([...dumps][0]), { recursive: true });
});

test.run();
