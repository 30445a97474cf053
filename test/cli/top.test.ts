// limit: 180 s
// `nuse top`: rates are those of the traffic; on a terminal it is a view that keeps to its size and gives the terminal back.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StackStats } from '../../host/cli/format.js';
import { between, topLines, type TopView } from '../../host/cli/top.js';
import { NUSE, ROOT } from '../interop/lab.js';

const test = suite('cli: top');
const dir = mkdtempSync(join(tmpdir(), 'nuse-top-'));
const ENV: NodeJS.ProcessEnv = { ...process.env, NUSECONF: '/dev/null', XDG_RUNTIME_DIR: dir, TERM: 'xterm' };
const nuse = (...args: string[]) => spawnSync(NUSE[0], [...NUSE.slice(1), ...args], { encoding: 'utf8', timeout: 20000, env: ENV });
function ok(...args: string[]): string {
  const r = nuse(...args);
  assert.is(r.status, 0, `nuse ${args.join(' ')}: ${r.stderr}`);
  return r.stdout;
}
interface Shown { status: number; restored: boolean; output: string }
function onTerminal(steps: unknown[][], ...args: string[]): Shown {
  const r = spawnSync('/usr/bin/python3', [join(ROOT, 'test/cli/terminal.py'), JSON.stringify(steps), ...NUSE, 'top', ...args], { encoding: 'utf8', timeout: 60000, env: ENV });
  assert.is(r.status, 0, r.stderr);
  return JSON.parse(r.stdout) as Shown;
}
test.before(() => {
  ok('up', 'quiet');
  ok('up', 'busy');
});
test.after(() => {
  for (const name of ['quiet', 'busy']) nuse('down', name);
  rmSync(dir, { recursive: true, force: true });
});

const stats = (o: Partial<StackStats>): StackStats => ({ drops: {}, mib: {}, processor: 0, usage: { sockets: 0 }, vifs: [], ...o });

test('rates, time for each packet and retransmits between two looks', () => {
  const a = { at: 1000, stats: stats({ mib: { IpInReceives: 100, TcpOutSegs: 50, TcpRetransSegs: 1 }, processor: 5e6, drops: { NO_SOCKET: 7 }, vifs: [{ name: 'eth0', rxBytes: 1000, txBytes: 0 }] }) };
  const b = { at: 3000, stats: stats({
    mib: { IpInReceives: 300, Ip6InReceives: 10, IpOutRequests: 150, IpForwDatagrams: 40, TcpOutSegs: 140, TcpRetransSegs: 11, TcpCurrEstab: 3 }, processor: 45e6, drops: { NO_SOCKET: 7, TCP_CSUM: 4 },
    vifs: [{ name: 'eth0', rxBytes: 3000, txBytes: 500 }], usage: { sockets: 5 },
  }) };
  assert.equal(between('s', 1, a, b), {
    name: 's', pid: 1, answers: true, rates: { packetsIn: 105, packetsOut: 95, bitsIn: 8000, bitsOut: 2000, retransmits: 5, drops: 2 },
    processor: 0.02, nsPerPacket: 1e5, retransmitted: 0.1, sockets: 5, connections: 3, drops: { NO_SOCKET: { total: 7, rate: 0 }, TCP_CSUM: { total: 4, rate: 2 } },
  });
  // A core that was started again counts from 0; nothing is divided by nothing.
  const fresh = between('s', 1, b, { at: 4000, stats: stats({ mib: { IpInReceives: 8 }, processor: 46e6 }) });
  assert.is(fresh.rates!.packetsIn, 8);
  assert.is(fresh.retransmitted, null);
  assert.is(between('s', 1, a, { at: 2000, stats: a.stats }).nsPerPacket, null);
});

test('what is shown: the busiest reason first, and stacks that do not answer', () => {
  const s = between('web', 42, { at: 0, stats: stats({ drops: { NO_SOCKET: 90000 } }) }, { at: 1000, stats: stats({ drops: { NO_SOCKET: 90000, TCP_CSUM: 12345 }, mib: { IpInReceives: 123456 }, processor: 5e8 }) });
  const lines = topLines({ time: '', interval: 1, stacks: [s, { name: 'hung', pid: 43, answers: false }] });
  assert.match(lines[1], /^web +42 +123k +0 +0 +0 +50% +4050 +0 +12\.3k +0 +0$/);
  assert.match(lines[2], /^hung +43 +does not answer/);
  assert.match(lines[5], /^web +TCP_CSUM +12345 +12\.3k$/);
  assert.match(lines[6], /^ +NO_SOCKET +90000 +0$/);
});

test('--once --json: the packets of a ping, the drops of datagrams that nobody takes', async () => {
  const script = 'ping -q -i 0.02 127.0.0.1 & while :; do echo x > /dev/udp/127.0.0.1/9; sleep 0.02; done';
  const traffic = spawn(NUSE[0], [...NUSE.slice(1), 'exec', 'busy', '--', 'bash', '-c', script], { env: ENV, stdio: 'ignore' });
  const looks = (): TopView => JSON.parse(ok('top', '--once', '--json', '--interval', '1')) as TopView;
  let view = looks();
  for (let i = 0; i < 10 && !view.stacks[0].rates!.drops; i++) view = looks();
  assert.equal(view.stacks.map((s) => s.name), ['busy', 'quiet']);
  const [busy, quiet] = view.stacks;
  assert.ok(busy.rates!.packetsIn > 20 && busy.rates!.packetsIn < 250, JSON.stringify(busy));
  assert.ok(Math.abs(busy.rates!.packetsIn - busy.rates!.packetsOut) < 20, 'over the loopback interface all that is sent is received');
  assert.ok(busy.drops!.NO_SOCKET.rate > 2 && busy.drops!.NO_SOCKET.total > 2, JSON.stringify(busy.drops));
  assert.ok(busy.processor! > 0 && busy.processor! < 1.1 && busy.nsPerPacket! > 1000, JSON.stringify(busy));
  assert.is(quiet.rates!.packetsIn, 0);
  assert.is(quiet.nsPerPacket, null);
  // One named, as text.
  assert.match(ok('top', 'busy', '--once', '--interval', '0.2'), /^STACK +PID[^\n]*\nbusy +\d+ [^\n]*\n\nSTACK +DROPPED BECAUSE +ALL +PER SECOND\nbusy +NO_SOCKET/);
  traffic.kill();
  await new Promise((r) => traffic.once('close', r));
});

test('--json goes on line by line until nobody reads', () => {
  const r = spawnSync('sh', ['-c', `${NUSE.join(' ')} top --json --interval 0.1 | head -n 2`], { encoding: 'utf8', timeout: 10000, env: ENV });
  assert.is(r.status, 0);
  assert.equal(r.stdout.trim().split('\n').map((l) => (JSON.parse(l) as TopView).stacks.length), [2, 2]);
});

test('on a terminal: seen, resized, stopped and continued, ended by q, and the terminal is as before', () => {
  const steps = [
    ['see', 'busy +\\d+ +\\d'], ['resize', 6, 30], ['see', 'nuse top'], ['see', 'busy +\\d+'],
    ['key', '\x1a'], ['stopped'], ['signal', 'SIGCONT'], ['see', 'busy +\\d+'], ['key', 'q'],
  ];
  const r = onTerminal(steps, '--interval', '0.3');
  assert.is(r.status, 0);
  assert.ok(r.restored);
  assert.ok(r.output.startsWith('\x1b[?1049h\x1b[?25l') && r.output.endsWith('\x1b[?25h\x1b[?1049l'), JSON.stringify(r.output.slice(-40)));
  // After the resize no frame is larger than the terminal.
  for (const frame of r.output.split('\x1b[H').slice(-2)) {
    const lines = frame.split('\x1b[J')[0].split('\n').map((l) => l.replaceAll(/\x1b\[K|\r/g, ''));
    assert.ok(lines.length <= 6 && lines.every((l) => l.length <= 30), JSON.stringify(lines));
  }
});

test('on a terminal: Ctrl-C and SIGTERM end it, and the terminal is as before', () => {
  for (const [step, status] of [[['key', '\x03'], 130], [['signal', 'SIGTERM'], 143]] as const) {
    const r = onTerminal([['see', 'quiet'], [...step]], '--interval', '0.2');
    assert.is(r.status, status);
    assert.ok(r.restored && r.output.endsWith('\x1b[?25h\x1b[?1049l'));
  }
});

test('names and intervals that are none are told', () => {
  for (const [args, message] of [[['nobody', '--once'], /no stack `nobody` is up/], [['--interval', 'x'], /--interval x: between 0\.1 and 3600 s/]] as const) {
    const r = nuse('top', ...args);
    assert.is(r.status, 125);
    assert.match(r.stderr, message);
  }
});

test.run();
