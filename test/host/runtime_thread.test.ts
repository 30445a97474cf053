// A stack in its worker: start, requests, captures, extensions, failures, and an end that leaves nothing behind.
// Runs in a network namespace of the laboratory.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { emptyConfig, type StackConfig } from '../../host/config/config.js';
import { StackThread, type StackThreadOptions } from '../../host/threads/stack_thread.js';
import { Lab, ROOT, faults } from '../interop/lab.js';
import type { SendOrder, SendResult } from './runtime_udp.js';

const INSIDE = 'NUSE_TEST_THREAD_INSIDE';
const run = promisify(execFile);

const entry = new URL('./runtime_worker.js', import.meta.url);
const wasm = join(ROOT, 'build', process.env.NUSE_TEST_CORE ?? 'core.debug.wasm');

function tapConfig(extra: Partial<StackConfig> = {}): StackConfig {
  return {
    ...emptyConfig(),
    interfaces: [{ name: 'eth0', type: 'TAP', dev: '', mac: '02:00:00:00:00:01', addresses: [], slaac: false, offload: true }],
    ...extra,
  };
}
const start = (config: StackConfig, extra: Partial<StackThreadOptions> = {}): Promise<StackThread> =>
  StackThread.start({ entry, wasm, config, ...extra });

const fds = (): string[] => readdirSync('/proc/self/fd').map((f) => {
  try {
    return execFileSync('readlink', [`/proc/${process.pid}/fd/${f}`], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}).filter((t) => /tun|eventpoll|eventfd|timerfd|packet/.test(t)).sort();

interface Statistics {
  usage: { sockets: number; packetBuffers: number };
  vifs: { name: string; rxFrames: number; txFrames: number }[];
}

function inside(): void {
  const test = suite('stack thread');
  const dir = mkdtempSync(join(tmpdir(), 'nuse-thread-'));
  test.after(() => rmSync(dir, { recursive: true }));

  test('starts, tells its interfaces, receives, stops, and is gone', async () => {
    const before = fds();
    const s = await start(tapConfig());
    assert.equal(s.interfaces.map(({ name, mac, mtu, dev, type }) => ({ name, mac, mtu, dev, type })), [{ name: 'eth0', mac: '02:00:00:00:00:01', mtu: 1500, dev: 'nuse-eth0', type: 'TAP' }]);
    assert.ok(s.interfaces[0].ifindex > 0);
    execFileSync('ip', 'addr add 10.9.0.1/24 dev nuse-eth0'.split(' '));
    await run('ping', ['-c', '1', '-W', '1', '10.9.0.2']).catch(() => undefined); // nobody answers, but it is asked for
    const st = await s.request('statistics') as Statistics;
    assert.is(st.vifs[0].name, 'eth0');
    assert.ok(st.vifs[0].rxFrames > 0, 'frames came in');
    assert.is(st.usage.sockets, 0);
    await s.close();
    assert.is(await s.ended, undefined);
    assert.not(existsSync('/sys/class/net/nuse-eth0'));
    assert.equal(fds(), before);
    await s.close();
    await s.request('statistics').then(() => assert.unreachable(), (e: NodeJS.ErrnoException) => assert.is(e.code, 'ERR_NUSE_STACK_ENDED'));
  });

  test('extensions: options, replies now and later, errors with their code, logs, notices, an orderly end', async () => {
    const seen: unknown[] = [];
    const s = await start(tapConfig(), { extensions: { probe: { depth: 3 } } });
    s.on('log', (level, text) => seen.push(['log', level, text]));
    s.on('notice', (kind, body) => seen.push([kind, body]));
    assert.equal(await s.request('options'), { depth: 3 });
    assert.is(await s.request('later', 'x'), 'x');
    await s.request('fail').then(() => assert.unreachable(), (e: NodeJS.ErrnoException) => { assert.is(e.code, 'EACCES'); assert.is(e.message, 'refused'); });
    await s.request('nonsense').then(() => assert.unreachable(), (e: Error) => assert.match(e.message, /no handler of nonsense/));
    assert.equal(await Promise.all(Array.from({ length: 500 }, (_, i) => s.request('later', i))), Array.from({ length: 500 }, (_, i) => i));
    await s.close();
    assert.equal(seen[seen.length - 1], ['closing', false]);
  });

  test('what cannot start says why and leaves nothing', async () => {
    const before = fds();
    const refused = async (config: StackConfig, pattern: RegExp, code: string | undefined, extra: Partial<StackThreadOptions> = {}): Promise<void> => {
      const e = await start(config, extra).then(() => undefined, (x: NodeJS.ErrnoException) => x);
      assert.match(e?.message ?? 'no error', pattern);
      assert.is(e?.code, code);
    };
    await refused(tapConfig({ routes: [{ network: '192.0.2.0', prefix: 24, via: '203.0.113.1' }] }), /192\.0\.2\.0/, 'ENETUNREACH');
    await refused(tapConfig({ interfaces: [{ ...tapConfig().interfaces[0], type: 'RAW', dev: 'nowhere' }] }), /nowhere/, 'ENODEV');
    await refused(tapConfig({ pcap: '/nonexistent/x.pcapng' }), /nonexistent/, 'ENOENT');
    await refused(tapConfig(), /no extension other/, undefined, { extensions: { other: 1 } });
    await refused(tapConfig(), /ENOENT/, 'ENOENT', { wasm: '/nonexistent.wasm' });
    await refused(tapConfig({ memory: 1 << 20 }), /memory|arena|unreachable/i, 'ERR_NUSE_CORE_TRAP');
    assert.not(existsSync('/sys/class/net/nuse-eth0'));
    assert.equal(fds(), before);
  });

  test('a trap ends the stack, is reported, and leaves nothing', async () => {
    for (const way of ['trap', 'trap-in-poll']) {
      const before = fds(), s = await start(tapConfig(), { extensions: { probe: {} } });
      const notices: unknown[] = [];
      s.on('notice', (kind, body) => notices.push([kind, body]));
      const ended = new Promise((resolve) => s.once('end', resolve));
      const pending = s.request('later', 1).catch((e: NodeJS.ErrnoException) => e.code);
      await s.request(way).catch(() => undefined);
      const why = await s.ended as NodeJS.ErrnoException;
      assert.is(why?.code, 'ERR_NUSE_CORE_TRAP', `${way}: ${why?.stack}`);
      const dump = /; see (\S+)$/.exec(why.message)![1];
      assert.ok(existsSync(dump));
      rmSync(dirname(dump), { recursive: true });
      assert.is(await ended, why);
      assert.is.not(await pending, undefined);
      assert.equal(notices[notices.length - 1], ['closing', true]);
      assert.not(existsSync('/sys/class/net/nuse-eth0'));
      assert.equal(fds(), before);
    }
  });

  test('an error of the host code ends it too; a worker that hangs is terminated', async () => {
    const s = await start(tapConfig(), { extensions: { probe: {} } });
    await s.request('throw');
    assert.match((await s.ended)?.message ?? '', /in a timer/);
    const h = await start(tapConfig(), { extensions: { probe: {} } });
    h.request('hang').catch(() => undefined);
    const t = performance.now();
    await h.close();
    assert.ok(performance.now() - t < 8000);
    assert.not(existsSync('/sys/class/net/nuse-eth0'), 'the environment closed the device');
  });

  test('captures: configured and on request; tshark reads them', async () => {
    const a = join(dir, 'a.pcapng'), b = join(dir, 'b.pcapng');
    const s = await start(tapConfig({ pcap: a }));
    execFileSync('ip', 'addr add 10.9.0.1/24 dev nuse-eth0'.split(' '));
    await run('ping', ['-c', '1', '-W', '1', '10.9.0.2']).catch(() => undefined);
    await s.request('capture', b);
    const t0 = Date.now() / 1000;
    await run('ping', ['-c', '1', '-W', '1', '10.9.0.3']).catch(() => undefined);
    await s.close();
    const fields = (file: string): string[][] => {
      const wanted = ['arp.dst.proto_ipv4', 'frame.time_epoch', 'frame.interface_name', 'frame.packet_flags_direction'];
      const args = ['-n', '-r', file, '-Y', 'arp', '-T', 'fields', ...wanted.flatMap((f) => ['-e', f])];
      return execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim().split('\n').map((l) => l.split('\t'));
    };
    const first = fields(a), second = fields(b);
    assert.ok(first.every((f) => f[0] === '10.9.0.2') && first.length > 0);
    const asked = second.find((f) => f[0] === '10.9.0.3'); // the kernel may still ask for the first one as well
    assert.ok(asked);
    assert.is(asked[2], 'eth0');
    assert.is(Number(asked[3]), 1);
    assert.ok(Math.abs(Number(asked[1]) - t0) < 5, `${asked[1]} against ${t0}`);
    assert.match(readFileSync(b).toString('latin1'), /interfaces: eth0 TAP nuse-eth0/);
  });

  test('the kernel pings a stack over TAP and over RAW, whole and in fragments', async () => {
    const sh = (command: string): string => execFileSync('sh', ['-c', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    sh('ip link add va type veth peer vb; ip link set va up; ip link set vb up; ip addr add 10.8.0.1/24 dev vb; ip addr add fd08::1/64 dev vb nodad');
    const pcap = join(dir, 'ping.pcapng');
    const s = await start(tapConfig({
      pcap,
      interfaces: [
        { ...tapConfig().interfaces[0], addresses: [{ address: '10.9.0.2', prefix: 24 }, { address: 'fd09::2', prefix: 64 }] },
        { name: 'eth1', type: 'RAW', dev: 'va', addresses: [{ address: '10.8.0.2', prefix: 24 }, { address: 'fd08::2', prefix: 64 }], slaac: false, offload: true },
      ],
    }));
    sh('ip addr add 10.9.0.1/24 dev nuse-eth0; ip addr add fd09::1/64 dev nuse-eth0 nodad');
    await new Promise((r) => setTimeout(r, 2500)); // duplicate address detection of the stack's own addresses
    try {
      for (const to of ['10.9.0.2', '10.8.0.2', 'fd09::2', 'fd08::2']) {
        for (const args of [['-c', '3', '-i', '0.01'], ['-c', '2', '-i', '0.01', '-s', '9000'], ['-c', '500', '-f']]) {
          const { stdout } = await run('ping', ['-W', '2', ...args, to]);
          assert.match(stdout, / 0% packet loss/, `${to} ${args.join(' ')}`);
        }
      }
    } finally {
      await s.close();
      sh('ip link del va');
    }
    assert.equal(faults(pcap), []);
  });

  test('two stacks over PIPE: datagrams, fragments, and a neighbour that restarts', async () => {
    const pipepath = join(dir, 'link');
    const one = (n: number): Promise<StackThread> => start({
      ...emptyConfig(),
      interfaces: [{ name: 'eth0', type: 'PIPE', dev: '', pipepath, addresses: [{ address: `10.7.0.${n}`, prefix: 24 }], slaac: false, offload: true }],
    }, { extensions: { udp: {} } });
    const a = await one(1);
    let b = await one(2);
    const exchange = async (size: number, count: number): Promise<void> => {
      const r = await a.request('exchange', { to: '10.7.0.2', port: 7, size, count, window: 20 } satisfies SendOrder) as SendResult;
      assert.equal({ good: r.good, bad: r.bad }, { good: count, bad: 0 }, `${size} bytes`);
    };
    await b.request('echo', 7);
    await exchange(100, 2000);
    await exchange(1472, 500);
    await exchange(20000, 100);
    await b.close();
    b = await one(2);
    await b.request('echo', 7);
    await new Promise((r) => setTimeout(r, 300));
    await exchange(100, 100);
    await Promise.all([a.close(), b.close()]);
    assert.not(existsSync(pipepath));
  });

  test('a process may exit with a stack running', () => {
    const script = join(dir, 'exit.mjs');
    writeFileSync(script, `import { StackThread } from ${JSON.stringify(new URL('../../host/threads/stack_thread.js', import.meta.url).href)};
      const c = ${JSON.stringify(tapConfig())};
      await StackThread.start({ entry: new URL(${JSON.stringify(entry.href)}), wasm: ${JSON.stringify(wasm)}, config: c });
      console.log('up'); process.exit(7);`);
    const t = performance.now();
    try {
      execFileSync(process.execPath, [script], { encoding: 'utf8', timeout: 10000 });
      assert.unreachable();
    } catch (e) {
      assert.is((e as { status: number }).status, 7);
    }
    assert.ok(performance.now() - t < 5000);
    assert.not(existsSync('/sys/class/net/nuse-eth0'));
  });

  test.run();
}

async function outside(): Promise<void> {
  const lab = new Lab();
  try {
    const ns = lab.netns('t');
    const p = lab.run(ns, [process.execPath, fileURLToPath(import.meta.url)], { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, [INSIDE]: '1' } });
    process.exitCode = (await p.finish(90000)).code ?? 1;
  } finally {
    await lab.close();
  }
}

if (process.env[INSIDE]) inside();
else await outside();
