// Named stacks: up, exec, ps, stats, down; programs that share one; what happens when the runtime is killed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NUSE } from '../interop/lab.js';

const test = suite('cli: named stacks');
const dir = mkdtempSync(join(tmpdir(), 'nuse-named-'));
const ENV: NodeJS.ProcessEnv = { ...process.env, NUSECONF: '/dev/null', XDG_RUNTIME_DIR: dir };
const SOCKETS = join(dir, 'nuse');
const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));

function nuse(args: string[], env = ENV) {
  return spawnSync(NUSE[0], [...NUSE.slice(1), ...args], { encoding: 'utf8', timeout: 20000, env });
}
function ok(args: string[]): string {
  const r = nuse(args);
  assert.is(r.status, 0, `nuse ${args.join(' ')}: ${r.stderr}`);
  return r.stdout;
}
interface Listed { name: string; pid: number; holder: number; programs: { pid: number; command: string }[] }
const ps = () => JSON.parse(ok(['ps', '--json'])) as Listed[];
const alive = (pid: number) => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(spawnSync('cat', [`/proc/${pid}/status`], { encoding: 'utf8' }).stdout);

test.after(() => {
  for (const s of ps()) nuse(['down', s.name]);
  rmSync(dir, { recursive: true, force: true });
});

test('a stack comes up, is listed, runs programs with their own exit codes, and goes down', () => {
  ok(['up', 'one']);
  assert.is(statSync(SOCKETS).mode & 0o777, 0o700);
  const [s] = ps();
  assert.is(s.name, 'one');
  assert.equal(s.programs, []);
  const r = nuse(['exec', 'one', '--', 'sh', '-c', 'pwd; echo $0 $MARK; exit 5', 'arg'], { ...ENV, MARK: 'm' });
  assert.is(r.status, 5);
  assert.is(r.stdout, `${process.cwd()}\narg m\n`);
  assert.is(nuse(['exec', 'one', '--', 'no-such-program']).status, 127);
  assert.is(nuse(['exec', 'one', '--', 'sh', '-c', 'kill -9 $$']).status, 137);
  assert.match(ok(['ps']), /^STACK +PID .*\none +\d+ +loopback only/);
  assert.ok('usage' in (JSON.parse(ok(['stats', 'one', '--json'])) as object));
  assert.match(ok(['stats', 'one']), /in use/);
  ok(['down', 'one']);
  assert.equal(ps(), []);
  assert.equal(readdirSync(SOCKETS), []);
  assert.not.ok(alive(s.pid) || alive(s.holder));
});

test('names that are up, down or bad are told', () => {
  ok(['up', 'two']);
  assert.match(nuse(['up', 'two']).stderr, /`two` is up already\n +nuse down two/);
  ok(['down', 'two']);
  for (const args of [['down', 'two'], ['stats', 'two'], ['exec', 'two', '--', 'true']]) {
    const r = nuse(args);
    assert.is(r.status, 125, args.join(' '));
    assert.match(r.stderr, /no stack `two` is up/);
  }
  for (const name of ['../x', 'a/b', '', '.x', 'x'.repeat(33)]) assert.match(nuse(['up', name]).stderr, /is no name of a stack/);
});

test('a stack that cannot start says why, and leaves nothing', () => {
  const conf = join(dir, 'bad.conf');
  writeFileSync(conf, 'interface none0\n address 192.0.2.1/24\n');
  const r = nuse(['up', 'bad', '-c', conf]);
  assert.is(r.status, 125);
  assert.match(r.stderr, /none0/);
  assert.match(r.stderr, /did not start/);
  assert.equal(ps(), []);
});

test('programs share one network namespace, apart from other stacks', () => {
  ok(['up', 'a']);
  ok(['up', 'b']);
  const netns = (name: string) => ok(['exec', name, '--', 'readlink', '/proc/self/ns/net']);
  assert.is(netns('a'), netns('a'));
  assert.is.not(netns('a'), netns('b'));
  ok(['down', 'a']);
  ok(['down', 'b']);
});

test('signals sent to the client reach the program', async () => {
  ok(['up', 's']);
  const p = spawn(NUSE[0], [...NUSE.slice(1), 'exec', 's', '--', 'sh', '-c', 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done'], { env: ENV, stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((r) => p.stdout.once('data', r));
  p.kill('SIGUSR1');
  assert.is(await new Promise((r) => p.on('close', r)), 9);
  ok(['down', 's']);
});

test('down ends the programs: those that listen to SIGTERM at once, the others too', async () => {
  ok(['up', 'd']);
  const polite = spawn(NUSE[0], [...NUSE.slice(1), 'exec', 'd', '--', 'sleep', '60'], { env: ENV, stdio: 'ignore' });
  const deaf = spawn(NUSE[0], [...NUSE.slice(1), 'exec', 'd', '--', 'sh', '-c', 'trap "" TERM; while :; do sleep 1; done'], { env: ENV, stdio: 'ignore' });
  const codes = Promise.all([polite, deaf].map((p) => new Promise((r) => p.on('close', r))));
  for (let i = 0; i < 100 && ps()[0].programs.length < 2; i++) await sleep(50);
  const [s] = ps();
  assert.ok(s.programs.some((p) => p.command === 'sleep 60'), JSON.stringify(s));
  const start = Date.now();
  ok(['down', 'd']);
  assert.ok(Date.now() - start < 6000);
  assert.equal(await codes, [143, 137]);
  assert.equal(s.programs.filter((p) => alive(p.pid)), []);
});

test('a program that outlives its client stays on the stack', async () => {
  ok(['up', 'o']);
  assert.is(nuse(['exec', 'o', '--', 'sh', '-c', 'sleep 60 >/dev/null 2>&1 & exit 6']).status, 6);
  assert.equal(ps()[0].programs.map((p) => p.command), ['sleep 60']);
  ok(['down', 'o']);
});

test('after kill -9 of the runtime the name is free again and nothing of the stack is left', async () => {
  ok(['up', 'k']);
  const [s] = ps();
  process.kill(s.pid, 'SIGKILL');
  for (let i = 0; i < 100 && alive(s.holder); i++) await sleep(20);
  assert.not.ok(alive(s.holder));
  assert.equal(ps(), []);
  ok(['up', 'k']);
  assert.is(nuse(['exec', 'k', '--', 'sh', '-c', 'exit 8']).status, 8);
  ok(['down', 'k']);
});

test('a stack whose folder is removed goes down', async () => {
  ok(['up', 'r']);
  const [s] = ps();
  rmSync(join(SOCKETS, 'r.ctl'));
  for (let i = 0; i < 250 && alive(s.pid); i++) await sleep(20);
  assert.not.ok(alive(s.pid) || alive(s.holder));
});

test('a runtime folder that others can write is refused', () => {
  const shared = join(dir, 'shared');
  mkdirSync(join(shared, 'nuse'), { recursive: true });
  spawnSync('chmod', ['777', join(shared, 'nuse')]);
  const r = nuse(['up', 'x'], { ...ENV, XDG_RUNTIME_DIR: shared });
  assert.is(r.status, 125);
  assert.match(r.stderr, /only you can use\n +remove it, or: chmod 700/);
});

test('an ordinary user has named stacks of their own', () => {
  if (process.getuid!() !== 0) return;
  const home = join(dir, 'user');
  mkdirSync(home, { mode: 0o700 });
  spawnSync('chown', ['65534:65534', home]);
  spawnSync('chmod', ['711', dir]);
  const user = (args: string[]) => spawnSync('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', ...NUSE, ...args], { encoding: 'utf8', env: { ...ENV, XDG_RUNTIME_DIR: home, HOME: home } });
  assert.is(user(['up', 'mine']).status, 0);
  assert.is(user(['exec', 'mine', '--', 'sh', '-c', 'exit $(id -u | cut -c 1)']).status, 6);
  assert.is(user(['down', 'mine']).status, 0);
});

test.run();
