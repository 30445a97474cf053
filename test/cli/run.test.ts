// The command around a program: input and output, environment, folder, signals, exit codes, and what is left behind.
import { spawn, spawnSync, type SpawnSyncOptionsWithStringEncoding } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NUSE, ROOT, processes } from '../interop/lab.js';

const test = suite('cli: run');
const dir = mkdtempSync(join(tmpdir(), 'nuse-cli-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));
const ENV: NodeJS.ProcessEnv = { ...process.env, NUSECONF: '' };

function nuse(args: string[], options: Partial<SpawnSyncOptionsWithStringEncoding> = {}) {
  return spawnSync(NUSE[0], [...NUSE.slice(1), ...args], { encoding: 'utf8', timeout: 20000, env: ENV, ...options });
}
const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));

test('exit codes: the program\'s own, 128+n, 127, 126, 125', () => {
  assert.is(nuse(['--', 'true']).status, 0);
  assert.is(nuse(['run', '--', 'sh', '-c', 'exit 7']).status, 7);
  assert.is(nuse(['--', 'sh', '-c', 'kill -9 $$']).status, 137);
  assert.is(nuse(['--', 'sh', '-c', 'kill -TERM $$']).status, 143);
  const missing = nuse(['--', 'no-such-program']);
  assert.is(missing.status, 127);
  assert.match(missing.stderr, /no-such-program: No such file/);
  assert.is(nuse(['--', dir]).status, 126);
  for (const args of [[], ['--'], ['run'], ['--nonsense', '--', 'true'], ['-c', join(dir, 'none.conf'), '--', 'true'], ['check', 'x', '--', 'true']]) {
    const r = nuse(args);
    assert.is(r.status, 125, args.join(' '));
    assert.ok(r.stderr.length > 0);
  }
});

test('what follows -- is the program, even when it has the name of a command', () => {
  assert.is(nuse(['--', 'sh', '-c', 'echo "$@"', 'sh', '--', '-c', '--json']).stdout, '-- -c --json\n');
  assert.match(nuse(['--', 'ps', '-o', 'comm=']).stdout, /^ps$/m);
});

test('help and version', () => {
  assert.match(nuse(['--help']).stdout, /Usage: nuse/);
  assert.is(nuse(['--help']).status, 0);
  const version = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
  assert.is(nuse(['--version']).stdout, `${version}\n`);
});

test('input, output, error output, environment and folder are the program\'s', () => {
  const r = nuse(['--', 'sh', '-c', 'cat; pwd; echo "$MARK"; echo to stderr >&2'], { input: 'from stdin\n', cwd: dir, env: { ...ENV, MARK: 'a b' } });
  assert.is(r.stdout, `from stdin\n${dir}\na b\n`);
  assert.is(r.stderr, 'to stderr\n');
});

test('a configuration is named by -c or NUSECONF, and its mistakes are told with line and remedy', () => {
  const conf = join(dir, 'bad.conf');
  writeFileSync(conf, 'interface eth0\n mtu much\n');
  const want = `${conf}:2: mtu: \`much\` is no number from 68 to 65535; write \`mtu 1500\`\n`;
  assert.is(nuse(['-c', conf, '--', 'true']).stderr, want);
  assert.is(nuse(['--', 'true'], { env: { ...ENV, NUSECONF: conf } }).stderr, want);
  assert.is(nuse(['check', conf]).stderr, want);
  const json = nuse(['--json', '-c', conf, '--', 'true']);
  assert.is(json.status, 125);
  assert.equal((JSON.parse(json.stderr) as { error: { problems: unknown[] } }).error.problems, [
    { file: conf, line: 2, key: 'mtu', message: '`much` is no number from 68 to 65535', remedy: 'write `mtu 1500`' },
  ]);
});

test('check prints what a file means', () => {
  const r = nuse(['check', '--json', join(ROOT, 'examples/nuse.conf')]);
  assert.is(r.status, 0);
  const c = JSON.parse(r.stdout) as { interfaces: { name: string }[] };
  assert.equal(c.interfaces.map((i) => i.name), ['eth0', 'p1p1']);
  assert.match(nuse(['check', join(ROOT, 'examples/nuse.conf')]).stdout, /ok, 2 interface\(s\), 1 route\(s\)/);
});

test('doctor finds this machine able, and each finding says for what', () => {
  const r = nuse(['doctor', '--json']);
  assert.is(r.status, 0, r.stdout + r.stderr);
  const { ok, findings } = JSON.parse(r.stdout) as { ok: boolean; findings: { name: string; ok: boolean; need: string; fix?: string }[] };
  assert.ok(ok);
  for (const name of ['kernel', 'node', 'build', 'seccomp notification', 'user namespaces', 'TAP device', 'raw packets', 'XDP sockets', 'node headers', 'a program on a stack'])
    assert.ok(findings.some((f) => f.name === name), name);
  for (const f of findings) assert.is(f.ok, f.fix === undefined, f.name);
});

test('doctor as an ordinary user names the command for what is missing', () => {
  if (process.getuid!() !== 0) return;
  const r = spawnSync('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', ...NUSE, 'doctor', '--json'], { encoding: 'utf8', env: { ...ENV, HOME: dir } });
  const { findings } = JSON.parse(r.stdout) as { findings: { name: string; ok: boolean; fix?: string }[] };
  const writable = spawnSync('stat', ['-c', '%a', '/dev/net/tun'], { encoding: 'utf8' }).stdout.trim().endsWith('6');
  assert.match(findings.find((f) => f.name === 'TAP device')!.fix!, writable ? /^sudo ip tuntap add dev nuse-eth0 mode tap vnet_hdr user 65534/ : /^sudo chmod 666 \/dev\/net\/tun$/);
  assert.match(findings.find((f) => f.name === 'raw packets')!.fix!, /sudo|unshare/);
  assert.match(findings.find((f) => f.name === 'XDP sockets')!.fix!, /^run nuse with sudo, or write `viftype RAW`/);
});

/** Start nuse and wait for its program's first line. */
async function started(args: string[]) {
  const child = spawn(NUSE[0], [...NUSE.slice(1), ...args], { stdio: ['ignore', 'pipe', 'inherit'], env: ENV });
  const done = new Promise<number | null>((resolve) => child.on('close', resolve));
  let out = '';
  child.stdout.on('data', (d) => { out += String(d); });
  for (let i = 0; i < 400 && !out.includes('\n'); i++) await sleep(25);
  assert.ok(out.includes('\n'), 'the program did not start');
  return { child, done, out: () => out };
}

test('signals sent to nuse reach the program, which may handle them', async () => {
  for (const signal of ['TERM', 'INT', 'HUP', 'USR1', 'USR2']) {
    const p = await started(['--', 'sh', '-c', `trap 'echo got ${signal}; exit 9' ${signal}; echo ready; while :; do sleep 0.05; done`]);
    p.child.kill(`SIG${signal}` as NodeJS.Signals);
    assert.is(await p.done, 9, signal);
    assert.match(p.out(), new RegExp(`got ${signal}`));
  }
  const p = await started(['--', 'sh', '-c', 'echo ready; exec sleep 30']);
  p.child.kill('SIGINT');
  assert.is(await p.done, 130);
});

test('Ctrl-C on a terminal reaches the program once, and nuse outlives it to give its exit code', () => {
  const script = `
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
out = b''
sent = False
while True:
    try:
        d = os.read(fd, 1000)
    except OSError:
        break
    if not d: break
    out += d
    if b'ready' in out and not sent:
        sent = True
        time.sleep(0.2)
        os.write(fd, b'\\x03')
_, status = os.waitpid(pid, 0)
print(out.count(b'got it'), os.waitstatus_to_exitcode(status))
`;
  const program = 'trap "echo got it" INT; echo ready; i=0; while [ $i -lt 20 ]; do sleep 0.05; i=$((i+1)); done; exit 4';
  const r = spawnSync('/usr/bin/python3', ['-c', script, ...NUSE, '--', 'sh', '-c', program], { encoding: 'utf8', timeout: 20000, env: ENV });
  assert.is(r.stdout.trim(), '1 4', r.stderr);
});

test('a program that outlives its parent keeps its stack; the exit code is the parent\'s', () => {
  const file = join(dir, 'late');
  const start = Date.now();
  const r = nuse(['--', 'sh', '-c', `(sleep 0.7; echo late > ${file}) & exit 3`], { stdio: 'ignore' });
  assert.is(r.status, 3);
  assert.ok(Date.now() - start > 600);
  assert.ok(existsSync(file));
});

test('programs cannot see the machine\'s network', () => {
  const r = nuse(['--', 'sh', '-c', 'readlink /proc/self/ns/net']);
  assert.match(r.stdout, /^net:\[\d+\]$/m);
  assert.is.not(r.stdout.trim(), spawnSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }).stdout.trim());
});

test('a nuse inside a nuse is refused with the reason', () => {
  const r = nuse(['--', ...NUSE, '--', 'true']);
  assert.is(r.status, 125);
  assert.match(r.stderr, /already supervised/);
});

test('nothing is left behind: processes, files, network namespaces', async () => {
  const mark = `nuse-left-${process.pid}`;
  const temp = () => readdirSync(tmpdir()).filter((f) => /^nuse-\w{6}$/.test(f)).length;
  const before = temp();
  for (let i = 0; i < 3; i++) nuse(['--', 'sh', '-c', `: ${mark}`]);
  const killed = await started(['--', 'sh', '-c', `: ${mark}; echo ready; exec sleep 30`]);
  killed.child.kill('SIGTERM');
  await killed.done;
  await sleep(300);
  assert.equal(processes(mark), []);
  assert.equal(processes(join(ROOT, 'bin/nuse.mjs')).filter((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark)), []);
  assert.is(temp(), before);
});

test.run();
