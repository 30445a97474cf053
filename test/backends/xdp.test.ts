// What is particular to XDP: queues, sharing of a device, refusals, devices that come to an end or take no more. Inside a network
// namespace of its own, as backends.test.ts, which runs XDP through the conformance suite.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadNative } from '../../host/native.js';
import { Loop } from '../../host/threads/loop.js';
import { Lab, ROOT } from '../interop/lab.js';
import { attachedMode, openEnd, veth } from './cables.js';
import { SLOT, frame, same, type Rig } from './rig.js';

const native = loadNative();
const INSIDE = 'NUSE_TEST_XDP_INSIDE';
const ip = (args: string): string => execFileSync('ip', args.split(' '), { encoding: 'utf8' });
const xdp = (dev: string, queue?: number, rest: { mtu?: number } = {}): ReturnType<typeof openEnd> => openEnd({ name: 'eth0', type: 'XDP', dev, queue, ...rest });
const refused = (code: string, text: RegExp) => (e: NodeJS.ErrnoException): boolean => {
  assert.is(e.code, code, e.message);
  assert.match(e.message, text);
  return true;
};

/** Frame `id` goes from one to the other. */
function passes(from: Rig, to: Rig, id: number): void {
  const before = to.received.length;
  from.send(frame(200, id));
  assert.ok(from.until(() => to.received.length > before, 1000, [to]), `frame ${id}`);
  assert.is(to.received.length, before + 1);
  same(to.received[before].bytes, frame(200, id));
}

function inside(): void {
  const test = suite('XDP');
  test.before.each(() => veth('va', 'vb', 2));
  test.after.each(() => {
    const left = ['va', 'vb'].map(attachedMode);
    ip('link del va');
    assert.equal(left, [undefined, undefined], 'programs left');
  });

  test('two stacks on two queues of one device; either may leave first', () => {
    for (const first of [0, 1]) {
      const a = [xdp('va', 0), xdp('va', 1)], b = [xdp('vb', 0), xdp('vb', 1)];
      // Of a veth, what is sent from queue n arrives in queue n.
      for (let i = 0; i < 40; i++) passes(a[i & 1].rig, b[i & 1].rig, i);
      for (let i = 0; i < 40; i++) passes(b[i & 1].rig, a[i & 1].rig, i);
      assert.equal([...a, ...b].map((e) => e.rig.received.length), [20, 20, 20, 20]);
      a[first].vif.close();
      assert.is(attachedMode('va'), 'xdp');
      passes(b[1 - first].rig, a[1 - first].rig, 50);
      const again = xdp('va', first);
      passes(b[first].rig, again.rig, 51);
      for (const e of [a[1 - first], again, ...b]) e.vif.close();
      assert.is(attachedMode('va'), undefined);
    }
  });

  test('a queue without a socket is the host\'s', () => {
    const a = [xdp('va', 0), xdp('va', 1)], b = xdp('vb', 0), host = openEnd({ name: 'eth0', dev: 'vb', type: 'RAW' });
    passes(a[0].rig, b.rig, 1);
    passes(a[1].rig, host.rig, 2);
    assert.is(b.rig.received.length, 1);
    assert.is(host.rig.received.length, 1);
    for (const e of [...a, b, host]) e.vif.close();
  });

  test('a device of the same number in another namespace is not mistaken for it', () => {
    const here = [xdp('va'), xdp('vb')], [a, b] = ['va', 'vb'].map((dev) => readFileSync(`/sys/class/net/${dev}/ifindex`, 'utf8').trim());
    const queues = 'numtxqueues 2 numrxqueues 2';
    execFileSync('unshare', ['-n', 'sh', '-c', `sysctl -qw net.ipv6.conf.default.disable_ipv6=1 && ip link add va index ${a} ${queues} type veth peer vb index ${b} ${queues} && ip link set va up && ip link set vb up &&
exec ${process.execPath} ${fileURLToPath(import.meta.url)}`], { env: { ...process.env, [INSIDE]: 'nested' }, stdio: ['ignore', 'inherit', 'inherit'] });
    passes(here[0].rig, here[1].rig, 1);
    for (const e of here) e.vif.close();
  });

  test('opened again and again: a queue that the kernel frees late is waited for', () => {
    for (let i = 0; i < 20; i++) {
      const a = xdp('va'), b = xdp('vb');
      passes(a.rig, b.rig, i);
      a.vif.close();
      b.vif.close();
    }
  });

  test('refusals name the reason and the remedy', () => {
    assert.throws(() => xdp('nothere'), refused('ENODEV', /XDP nothere: no such interface/));
    assert.throws(() => xdp('va', 2), refused('EINVAL', /XDP va: there is no queue 2/));
    ip('link set vb mtu 9000');
    assert.throws(() => xdp('vb'), refused('EMSGSIZE', /MTU of 9000 is more than the 3818 of XDP: write `mtu 3818`/));
    assert.throws(() => xdp('vb', 0, { mtu: 3819 }), refused('EMSGSIZE', /3819/));
    const a = xdp('va');
    assert.throws(() => xdp('va'), refused('EBUSY', /queue 0 belongs to another program/));
    a.vif.close();
  });

  test('root of a user namespace, and an ordinary user, are told what is needed', () => {
    const child = (argv: string[], as: string): unknown =>
      execFileSync(argv[0], [...argv.slice(1), process.execPath, fileURLToPath(import.meta.url)], { env: { ...process.env, [INSIDE]: as }, stdio: ['ignore', 'inherit', 'inherit'] });
    child(['unshare', '--user', '--map-root-user', '--net'], 'user namespace');
    child(['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'], 'ordinary user');
  });

  test('a program of somebody else is left alone', async () => {
    const other = spawn('/usr/bin/python3', [join(ROOT, 'test/backends/foreign_xdp.py'), 'va'], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve) => other.stdout.once('data', resolve));
    assert.throws(() => xdp('va'), refused('EBUSY', /another XDP program is attached.*ip link set dev va xdp off/));
    assert.is(attachedMode('va'), 'xdp');
    other.stdin.end();
    await new Promise((resolve) => other.once('close', resolve));
  });

  test('frames up to 3818 bytes of MTU, in larger chunks', () => {
    // Native mode of veth wants less; this is generic mode.
    for (const dev of ['va', 'vb']) ip(`link set ${dev} mtu 3818`);
    const a = xdp('va'), b = xdp('vb');
    assert.is(a.vif.mtu, 3818);
    for (const n of [2000, 3000, 3818 + 14]) {
      a.rig.send(frame(n));
      assert.ok(a.rig.until(() => b.rig.received.length > 0, 1000, [b.rig]), String(n));
      same(b.rig.received.pop()!.bytes, frame(n));
    }
    a.vif.close();
    b.vif.close();
  });

  test('a frame longer than the stack\'s MTU allows is counted as lost', () => {
    // One queue: the kernel chooses where frames of a packet socket go by a hash that is another after each boot.
    ip('link del va');
    veth('va', 'vb', 1);
    const a = openEnd({ name: 'eth0', dev: 'va', type: 'RAW' }), b = xdp('vb', 0, { mtu: 1500 });
    for (const dev of ['va', 'vb']) ip(`link set ${dev} mtu 3000`);
    a.rig.send(frame(1793), frame(1792));
    assert.ok(a.rig.until(() => b.rig.received.length > 0, 1000, [b.rig]));
    same(b.rig.received[0].bytes, frame(1792));
    assert.is(b.vif.stats().rxDropped, 1);
    a.vif.close();
    b.vif.close();
  });

  test('the device vanishes; the vif says so and does not spin', () => {
    ip('link add vc type veth peer vd');
    ip('link set vc up');
    const c = xdp('vc'), loop = new Loop(c.rig.core, native);
    loop.attachVif(SLOT, c.vif);
    ip('link del vc');
    assert.ok(c.vif.rx(0, 1) < 0);
    c.rig.send(frame(60));
    c.rig.stack.turn();
    assert.is(c.rig.inRing, 0);
    assert.is(c.vif.stats().txDropped, 1);
    loop.turn(0);
    const t = performance.now();
    for (let i = 0; i < 10; i++) loop.turn(2e6);
    assert.ok(performance.now() - t > 15, 'spins');
    loop.close();
  });

  test('on a TAP that nobody reads, frames wait and leave by themselves later', () => {
    const a = openEnd({ name: 'eth0', type: 'TAP' }), b = xdp('nuse-eth0'), loop = new Loop(b.rig.core, native);
    loop.attachVif(SLOT, b.vif);
    // More than the TAP's queue takes: the kernel refuses, and nothing tells when it takes more.
    const n = 1400;
    for (let i = 0; i < n; i++) b.rig.send(frame(100, i));
    loop.requestPoll();
    for (let i = 0; i < 20; i++) loop.turn(1e6);
    const last = (): number => (a.rig.received.length ? new DataView(a.rig.received[a.rig.received.length - 1].bytes.buffer).getUint32(14) : -1);
    for (const end = performance.now() + 3000; last() !== n - 1 && performance.now() < end;) {
      a.rig.until(() => true);
      loop.turn(1e6);
    }
    assert.is(last(), n - 1);
    assert.is(b.rig.inRing, 0);
    const t = performance.now();
    for (let i = 0; i < 10; i++) loop.turn(2e6);
    assert.ok(performance.now() - t > 15, 'spins');
    loop.close();
    a.vif.close();
  });

  test.run();
}

/** A second stack joins the program of this namespace's va, not that of the va with the same number in the parent's. */
function nested(): void {
  const a = [xdp('va', 0), xdp('va', 1)], b = [xdp('vb', 0), xdp('vb', 1)];
  for (const i of [0, 1]) passes(a[i].rig, b[i].rig, i);
  b[0].vif.close();
  passes(a[1].rig, b[1].rig, 2);
  for (const e of [...a, b[1]]) e.vif.close();
  for (const dev of ['va', 'vb']) assert.is(attachedMode(dev), undefined);
}

async function outside(): Promise<void> {
  const lab = new Lab();
  try {
    const ns = lab.netns('x');
    lab.sh(ns, 'sysctl -qw net.ipv6.conf.default.disable_ipv6=1');
    const p = lab.run(ns, [process.execPath, fileURLToPath(import.meta.url)], { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, [INSIDE]: 'suite' } });
    process.exitCode = (await p.finish(100000)).code ?? 1;
  } finally {
    await lab.close();
  }
}

switch (process.env[INSIDE]) {
  case undefined: await outside(); break;
  case 'suite': inside(); break;
  case 'nested': nested(); break;
  case 'user namespace':
    veth('va', 'vb');
    assert.throws(() => xdp('va'), refused('EPERM', /CAP_BPF and CAP_NET_ADMIN of the machine, not only of a user namespace: run nuse with sudo, or write `viftype RAW`/));
    break;
  default: assert.throws(() => xdp('va'), refused('EPERM', /needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF: run nuse with sudo/));
}
