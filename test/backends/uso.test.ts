// Runs of datagrams go to TAP and RAW as super-segments: what the host makes of them again must be the very frames that the core sent. Inside a
// network namespace of its own, as backends.test.ts.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSocket } from 'node:dgram';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as A from '../../host/abi/constants.js';
import { random } from '../harness/random.js';
import { Lab } from '../interop/lab.js';
import { openEnd, raw, tap } from './cables.js';
import type { Cable } from './conformance.js';
import type { Frame } from './rig.js';
import { inspect, superFrame } from './segments.js';

const INSIDE = 'NUSE_TEST_USO_INSIDE';
/** As io-backends/native/uso.c: a shorter run stays as it is. */
const RUN_MIN = 8;
const ETH = 14, UDP = 8;

const be = (b: Uint8Array, at: number): number => (b[at] << 8) | b[at + 1];
const put = (b: Uint8Array, at: number, v: number): void => { b[at] = v >> 8 & 255; b[at + 1] = v & 255; };
const folded = (sum: number): number => {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
};
function sealIpv4(f: Uint8Array): void {
  put(f, ETH + 10, 0);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += be(f, ETH + i);
  put(f, ETH + 10, ~folded(sum));
}

interface Kind {
  v: 4 | 6;
  payload: number;
  tos?: number;
  ttl?: number;
  port?: number;
  /** The payload's first byte. */
  mark?: number;
  /** IPv4 identification; with `df` it means nothing. */
  id?: number;
  df?: boolean;
  /** Its checksum is complete, or absent. */
  whole?: boolean;
}
/** A datagram as the core puts it into the ring. */
function datagram(k: Kind): Frame {
  const f = superFrame(k.v, 'udp', k.payload, 0), b = f.bytes, udp = f.csumStart!;
  if (k.v === 4) {
    b[ETH + 1] = k.tos ?? 0;
    b[ETH + 8] = k.ttl ?? 64;
    put(b, ETH + 4, k.id ?? 0);
    put(b, ETH + 6, k.df ? 0x4000 : 0);
    sealIpv4(b);
  } else {
    b[ETH + 1] = (k.tos ?? 0) << 4;
    b[ETH + 7] = k.ttl ?? 64;
  }
  put(b, udp + 2, k.port ?? 9);
  if (k.payload) b[udp + UDP] = k.mark ?? 0;
  if (k.whole) {
    put(b, udp + 6, 0);
    return { bytes: b };
  }
  return f;
}

/** What a device that segments makes of a frame (Linux: __udp_gso_segment, inet_gso_segment). */
function cut(f: Frame): Frame[] {
  if (f.gsoType !== A.Vnet.GSO_UDP_L4) return [f];
  const out: Frame[] = [], head = f.csumStart! + UDP, v4 = f.bytes[ETH] >> 4 === 4;
  assert.ok(inspect(f).good, 'checksum of the super-segment');
  const total = be(f.bytes, f.csumStart! + 4);
  for (let at = head, i = 0; at < f.bytes.length; at += f.gsoSize!, i++) {
    const payload = f.bytes.subarray(at, at + f.gsoSize!), b = Uint8Array.of(...f.bytes.subarray(0, head), ...payload), length = UDP + payload.length;
    put(b, f.csumStart! + 4, length);
    put(b, f.csumStart! + 6, folded(be(b, f.csumStart! + 6) + length + (~total & 0xffff)));
    if (v4) {
      put(b, ETH + 2, 20 + length);
      put(b, ETH + 4, be(b, ETH + 4) + i);
      sealIpv4(b);
    } else put(b, ETH + 4, length);
    out.push({ ...f, bytes: b, gsoType: 0, gsoSize: 0 });
  }
  return out;
}
/** With DF, the identification means nothing (RFC 6864 4.1). */
function comparable(f: Frame): string {
  const b = f.bytes.slice();
  if (b[ETH] >> 4 === 4 && b[ETH + 6] & 0x40) {
    put(b, ETH + 4, 0);
    sealIpv4(b);
  }
  return Buffer.from(b).toString('hex');
}

/** Send frames over a cable; what the other end sees. */
function through(c: Cable, frames: readonly Frame[]): Frame[] {
  c.rb.received.length = 0;
  c.ra.send(...frames);
  const arrived = (): number => c.rb.received.reduce((n, f) => n + (f.gsoSize ? Math.ceil((f.bytes.length - f.csumStart! - UDP) / f.gsoSize) : 1), 0);
  assert.ok(c.ra.until(() => arrived() >= frames.length, 2000, [c.rb]), `${arrived()} of ${frames.length}`);
  const seen = [...c.rb.received];
  assert.equal(seen.flatMap(cut).map(comparable), frames.map(comparable));
  return seen;
}
const run = (n: number, k: Partial<Kind> = {}): Frame[] => Array.from({ length: n }, (_, i) => datagram({ v: 4, payload: 1000, id: 100 + i, mark: i, ...k }));

function inside(): void {
  const test = suite('datagrams joined');
  const on = (type: typeof raw, fn: (c: Cable) => void): void => {
    const c = type.make();
    try {
      fn(c);
    } finally {
      c.a.close();
      c.b.close();
      c.gone();
    }
  };
  for (const type of [tap(true), raw]) {
    test(`${type.name}: a run is one super-segment, a shorter last one with it, and a short run stays as it is`, () => on(type, (c) => {
      for (const k of [{}, { df: true, id: 0 }, { v: 6 as const }]) {
        assert.is(through(c, run(40, k)).length, 1);
        assert.is(through(c, [...run(20, k), datagram({ v: 4, payload: 300, id: 120, ...k })]).length, 1);
        assert.is(through(c, run(RUN_MIN - 1, k)).length, RUN_MIN - 1);
      }
      assert.is(through(c, run(60, { payload: 1 })).length, 1);
      // 64 KiB is the limit of a packet: 44 datagrams of 1472 bytes.
      assert.equal(through(c, run(60, { payload: 1472 })).map((f) => f.bytes.length - 42), [44 * 1472, 16 * 1472]);
    }));

    test(`${type.name}: whatever differs ends a run`, () => on(type, (c) => {
      const odd: Record<string, Partial<Kind>> = {
        tos: { tos: 4 }, ttl: { ttl: 63 }, port: { port: 10 }, longer: { payload: 1001 }, identification: { id: 7 }, df: { df: true }, version: { v: 6 }, checksum: { whole: true }, empty: { payload: 0 },
      };
      for (const [what, k] of Object.entries(odd)) {
        const frames = run(24);
        frames[12] = datagram({ v: 4, payload: 1000, id: 112, mark: 12, ...k });
        assert.is(through(c, frames).length, 3, what);
      }
    }));

    test(`${type.name}: any mixture arrives as it was sent`, () => on(type, (c) => {
      const pick = random(20261128);
      for (let round = 0; round < 40; round++) {
        const frames: Frame[] = [];
        let id = pick(65536);
        while (frames.length < 200) {
          const k: Kind = { v: pick(3) ? 4 : 6, payload: 1 + pick(1400), tos: 4 * pick(2), port: 9 + pick(2), df: pick(2) === 0, whole: pick(8) === 0 };
          for (let n = 1 + pick(30); n > 0; n--) frames.push(datagram({ ...k, id: id++ & 0xffff, mark: frames.length, payload: pick(12) ? k.payload : 1 + pick(1400) }));
        }
        through(c, frames);
      }
    }));
  }

  test('the host\'s kernel hands every datagram to its socket', async () => {
    const a = openEnd({ name: 'eth0', type: 'TAP' });
    execFileSync('ip', 'addr add 198.51.100.2/24 dev nuse-eth0'.split(' '));
    const socket = createSocket('udp4'), got: Buffer[] = [];
    socket.on('message', (m) => got.push(m));
    await new Promise<void>((resolve) => { socket.bind(9, '198.51.100.2', resolve); });
    const address = Buffer.from(readFileSync('/sys/class/net/nuse-eth0/address', 'utf8').trim().replace(/:/g, ''), 'hex'), sent: string[] = [];
    for (let i = 0; i < 20; i++) {
      const frames = run(50, { payload: 100 + 60 * i }).map((f) => ({ ...f, bytes: Uint8Array.of(...address, ...f.bytes.subarray(6)) }));
      sent.push(...frames.map((f) => Buffer.from(f.bytes.subarray(42)).toString('hex')));
      a.rig.send(...frames);
      a.rig.until(() => a.rig.inRing === 0 && !a.rig.queued.length);
      for (const end = performance.now() + 2000; got.length < sent.length && performance.now() < end;) await new Promise((resolve) => { setTimeout(resolve, 1); });
    }
    assert.equal(got.map((m) => m.toString('hex')), sent);
    assert.is(a.vif.stats().txFrames, sent.length);
    socket.close();
    a.vif.close();
  });

  test.run();
}

async function outside(): Promise<void> {
  const lab = new Lab();
  try {
    const ns = lab.netns('b');
    lab.sh(ns, 'sysctl -qw net.ipv6.conf.default.disable_ipv6=1');
    const p = lab.run(ns, [process.execPath, fileURLToPath(import.meta.url)], { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, [INSIDE]: '1' } });
    process.exitCode = (await p.finish(60000)).code ?? 1;
  } finally {
    await lab.close();
  }
}

if (process.env[INSIDE]) inside();
else await outside();
