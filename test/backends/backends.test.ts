// limit: 240 s
// Every back end through the conformance suite, and what is particular to each. The whole file runs in a network
// namespace of its own, made by the laboratory; this process only starts it there.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as A from '../../host/abi/constants.js';
import { loadNative } from '../../host/native.js';
import { Loop } from '../../host/threads/loop.js';
import { localMac } from '../../host/vif.js';
import { Lab, ROOT } from '../interop/lab.js';
import { fifo, memory, openEnd, pipe, port, raw, tap, xdp, xdpGeneric } from './cables.js';
import { conformance } from './conformance.js';
import { SLOT, frame, same, type Rig } from './rig.js';

const native = loadNative();
const INSIDE = 'NUSE_TEST_BACKENDS_INSIDE';

function inside(): void {
  const test = suite('back ends');
  for (const type of [memory, port(true), port(false), pipe, fifo, tap(true), tap(false), raw, xdp, xdpGeneric]) conformance(test, type);

  test('abi.h says what assembly/abi.ts says', () => {
    const text = readFileSync(join(ROOT, 'io-backends/native/abi.h'), 'utf8');
    const names: Record<string, number> = { ...A } as never;
    const other: Record<string, number> = {};
    for (const [k, v] of Object.entries(A.VifFeature)) other[`FEATURE_${k}`] = v;
    let seen = 0;
    for (const [, name, value] of text.matchAll(/^#define (\w+) (0x[0-9a-f]+|\d+)u$/gm)) {
      assert.is(Number(value), names[name] ?? other[name], name);
      seen++;
    }
    assert.ok(seen > 30);
  });

  test('TAP: attaches to a device that exists, leaves it and its MTU', () => {
    execFileSync('ip', 'tuntap add dev keep mode tap'.split(' '));
    execFileSync('ip', 'link set keep mtu 1400'.split(' '));
    const a = openEnd({ name: 'eth0', type: 'TAP', dev: 'keep' });
    assert.is(a.vif.mtu, 1400);
    assert.is(a.vif.dev, 'keep');
    assert.is(a.vif.mac, '02:00:00:00:00:00');
    assert.throws(() => openEnd({ name: 'eth1', type: 'TAP', dev: 'keep' }), (e: NodeJS.ErrnoException) => e.code === 'EBUSY' && /keep/.test(e.message));
    a.vif.close();
    execFileSync('ip', 'link del keep'.split(' '));
  });

  test('TAP and RAW: refusals name the device and the reason', () => {
    assert.throws(() => openEnd({ name: 'eth0', type: 'TAP', dev: 'lo' }), (e: NodeJS.ErrnoException) => e.code === 'EINVAL' && /lo/.test(e.message));
    assert.throws(() => openEnd({ name: 'nothere', type: 'RAW' }), (e: NodeJS.ErrnoException) => e.code === 'ENODEV' && /nothere/.test(e.message));
    assert.throws(() => openEnd({ name: 'eth0', type: 'TAP', dev: 'a-name-that-is-too-long' }), (e: NodeJS.ErrnoException) => e.code === 'EINVAL');
    assert.throws(() => openEnd({ name: 'eth0', type: 'TAP', mac: '02:00:00:00:00:0g' }), (e: NodeJS.ErrnoException) => e.code === 'EINVAL');
    assert.throws(() => openEnd({ name: 'eth0', type: 'TUN' as never }), (e: NodeJS.ErrnoException) => e.code === 'EOPNOTSUPP');
  });

  test('TAP: the device vanishes; the vif says so and does not spin', () => {
    const a = openEnd({ name: 'eth0', type: 'TAP' });
    execFileSync('ip', 'link del nuse-eth0'.split(' '));
    assert.ok(a.vif.rx(0, 1) < 0);
    a.rig.send(frame(60));
    a.rig.stack.turn();
    assert.is(a.rig.inRing, 0);
    assert.is(a.vif.stats().txDropped, 1);
    a.vif.close();
  });

  test('RAW: a device that is slow holds frames back, and tells when there is room', () => {
    const c = raw.make(), la = new Loop(c.ra.core, native);
    execFileSync('tc', 'qdisc add dev va root tbf rate 50mbit burst 64k latency 100s'.split(' '));
    try {
      la.attachVif(SLOT, c.a);
      const n = 12000;
      for (let i = 0; i < n; i++) c.ra.send(frame(1400, i));
      let blocked = 0;
      for (const end = performance.now() + 20000; c.rb.received.length < n && performance.now() < end;) {
        la.turn(5e6);
        if (c.ra.inRing && !la.stack.busy) blocked++;
        c.rb.until(() => true, 1);
      }
      assert.ok(blocked > 0, 'was held back');
      assert.is(c.rb.received.length, n);
      assert.is(c.a.stats().txDropped, 0);
    } finally {
      la.close();
      c.b.close();
      c.gone();
    }
  });

  test('RAW: a VLAN tag that the host took off is put back', () => {
    const c = tap(true).make();
    const tagged = new Uint8Array([...frame(14).subarray(0, 12), 0x81, 0, 0x20, 0x2a, 0x88, 0xb5, ...frame(100).subarray(14)]);
    c.ra.send(tagged);
    c.rb.send(tagged);
    assert.ok(c.ra.until(() => c.rb.received.length === 1 && c.ra.received.length === 1, 2000, [c.rb]));
    same(c.rb.received[0].bytes, tagged);
    same(c.ra.received[0].bytes, tagged);
    c.a.close();
    c.b.close();
  });

  test('PIPE: either end first, a stale socket, a third end waits its turn, other files are refused', () => {
    const dir = mkdtempSync(join(tmpdir(), 'nuse-pipe-')), pipepath = join(dir, 'p');
    const end = () => openEnd({ name: 'eth0', type: 'PIPE', pipepath });
    const meet = (x: Rig, y: Rig, id: number): void => {
      x.until(() => false, 150, [y]);
      x.received.length = y.received.length = 0;
      x.send(frame(80, id));
      y.send(frame(80, id + 1));
      assert.ok(x.until(() => x.received.length === 1 && y.received.length === 1, 1000, [y]), `meeting ${id}`);
    };
    const x = end(), y = end(), z = end();
    meet(x.rig, y.rig, 1);
    z.rig.send(frame(70));
    z.rig.until(() => z.rig.inRing === 0, 100);
    y.vif.close();
    meet(x.rig, z.rig, 3);
    // The one that listened goes: the other takes its place, and a newcomer finds it.
    x.vif.close();
    z.rig.until(() => false, 250);
    const w = end();
    meet(w.rig, z.rig, 5);
    w.vif.close();
    z.vif.close();
    assert.equal(readdirSync(dir), []);
    writeFileSync(pipepath, '');
    assert.throws(end, /another kind/);
    rmSync(pipepath);
    // A socket file that nobody listens on any more.
    execFileSync('python3', ['-c', `import socket; s=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(${JSON.stringify(pipepath)})`]);
    const p = end(), q = end();
    meet(p.rig, q.rig, 7);
    q.vif.close();
    p.vif.close();
    rmSync(dir, { recursive: true });
  });

  test('PIPE: loops are woken by a peer that comes, goes, and comes back; many ends may wait', () => {
    const dir = mkdtempSync(join(tmpdir(), 'nuse-pipe-')), pipepath = join(dir, 'p');
    const end = (): { rig: Rig; loop: Loop } => {
      const e = openEnd({ name: 'eth0', type: 'PIPE', pipepath }), loop = new Loop(e.rig.core, native);
      loop.attachVif(SLOT, e.vif);
      return { rig: e.rig, loop };
    };
    const arrive = (from: { rig: Rig; loop: Loop }, to: { rig: Rig; loop: Loop }, id: number): void => {
      const stop = performance.now() + 2000;
      for (let i = 0; !to.rig.received.some((f) => Buffer.compare(f.bytes, frame(80, id)) === 0); i++) {
        assert.ok(performance.now() < stop, `frame ${id}`);
        // What is sent before they have met is lost, as on a cable.
        if (i % 20 === 0) from.rig.send(frame(80, id));
        from.loop.requestPoll();
        from.loop.turn(2e6);
        to.loop.turn(2e6);
      }
    };
    const x = end(), y = end();
    arrive(y, x, 1);
    arrive(x, y, 2);
    x.loop.close(); // it listened
    const z = end();
    arrive(z, y, 3);
    arrive(y, z, 4);
    const more = Array.from({ length: 5 }, end);
    for (const e of [...more, y, z]) e.loop.close();
    assert.equal(readdirSync(dir), []);
    rmSync(dir, { recursive: true });
  });

  test('PIPE over FIFOs: garbage and a record cut short are skipped', () => {
    const dir = mkdtempSync(join(tmpdir(), 'nuse-fifo-')), pipepath = join(dir, 'p');
    execFileSync('mkfifo', [pipepath]);
    const end = () => openEnd({ name: 'eth0', type: 'PIPE', pipepath });
    const x = end(), y = end();
    assert.throws(end, (e: NodeJS.ErrnoException) => e.code === 'EBUSY');
    writeFileSync(pipepath, Buffer.concat([Buffer.from('NUF1'), Buffer.from([255, 255, 255, 127]), Buffer.alloc(100, 3), Buffer.from('NUF1'), Buffer.from([60, 0, 0, 0]), Buffer.alloc(20, 4)]));
    // The second record lacks 40 bytes: it swallows the start of the next frames, then the stream is found again.
    for (let i = 0; i < 4; i++) y.rig.send(frame(90, i));
    y.rig.until(() => false, 30, [x.rig]);
    const good = x.rig.received.filter((f) => f.bytes.length === 90);
    assert.ok(good.length >= 3, `${good.length} frames`);
    same(good[good.length - 1].bytes, frame(90, 3));
    assert.ok(x.vif.stats().rxDropped > 0);
    x.vif.close();
    y.vif.close();
    assert.equal(readdirSync(dir), ['p']);
    rmSync(dir, { recursive: true });
  });

  test('random addresses are unicast and local', () => {
    assert.is(localMac(new Uint8Array(6).fill(255)), 'fe:ff:ff:ff:ff:ff');
    assert.is(localMac(new Uint8Array(6)), '02:00:00:00:00:00');
  });

  test.run();
}

async function outside(): Promise<void> {
  const lab = new Lab();
  try {
    const ns = lab.netns('b');
    // Quiet: the host's own neighbour discovery would mix with the frames of the tests.
    lab.sh(ns, 'sysctl -qw net.ipv6.conf.default.disable_ipv6=1');
    const p = lab.run(ns, [process.execPath, fileURLToPath(import.meta.url)], { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, [INSIDE]: '1' } });
    const end = await p.finish(230000);
    process.exitCode = end.code ?? 1;
  } finally {
    await lab.close();
  }
}

if (process.env[INSIDE]) inside();
else await outside();
