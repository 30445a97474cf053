// Two cores back to back, or one with itself: every byte arrives whatever the link does, and nothing leaks.
import { createHash } from 'node:crypto';
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import { emptyConfig } from '../../host/config/config.js';
import { applyConfig } from '../../host/control/apply.js';
import { TestCore, type TxFrame } from '../harness/core.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp bulk');
const MACS = ['02:00:00:00:00:0a', '02:00:00:00:00:0b'];
const MS = 1e6;

/** A small generator of decisions (never used by the product). */
function lcg(seed: number): () => number {
  let s = seed >>> 0;
  return () => (s = (Math.imul(s, 1664525) + 1013904223) >>> 0) / 4294967296;
}

interface Link {
  loss?: number;
  reorder?: number;
  duplicate?: number;
  /** One way, ms. */
  delay?: number;
  features?: number;
  mtu?: number;
  seed?: number;
  v6?: boolean;
  /** Frames the link holds before it drops. */
  queue?: number;
  /** Bytes per ms, 0 = infinite. */
  rate?: number;
  /** Fast Open, without cookies. */
  fast?: boolean;
}

class Node {
  handle = -1;
  constructor(readonly c: TestCore) {}
  sockaddr(v6: boolean, last: number, port: number): number {
    const u = this.c.mem.u8, p = A.ARG + 256;
    u.fill(0, p, p + 32);
    u.set([v6 ? 10 : 2, 0, port >> 8, port & 255], p);
    if (v6) u.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last], p + 8);
    else u.set([10, 0, 0, last], p + 4);
    return v6 ? 28 : 16;
  }
  /** An int option of TCP. */
  set(handle: number, name: number, value: number): void {
    this.c.mem.view.setInt32(A.ARG + 512, value, true);
    assert.is(this.c.x.sys_setsockopt(handle, 6, name, A.ARG + 512, 4), 0);
  }
  /** Write up to `n` bytes of `data` at `from`; bytes taken. */
  write(data: Uint8Array, from: number, n: number): number {
    this.c.stamp();
    const pairs = this.c.x.sys_tx_reserve(this.handle, n);
    assert.ok(pairs >= 0, `reserve ${pairs}`);
    let at = 0;
    for (let i = 0; i < pairs; i++) {
      const p = this.c.mem.u32[(A.IOV >>> 2) + 2 * i], len = this.c.mem.u32[(A.IOV >>> 2) + 2 * i + 1];
      this.c.mem.u8.set(data.subarray(from + at, from + at + len), p);
      at += len;
    }
    return at ? this.c.x.sys_tx_commit(this.handle, at, 0) : 0;
  }
  /** Read everything that is there into `hash`; bytes. */
  read(hash: (b: Uint8Array) => void, most = 1 << 30): number {
    let total = 0;
    while (total < most) {
      this.c.stamp();
      const pairs = this.c.x.sys_rx_peek(this.handle, Math.min(most - total, 1 << 20));
      assert.ok(pairs >= 0, `peek ${pairs}`);
      let at = 0;
      for (let i = 0; i < pairs; i++) {
        const p = this.c.mem.u32[(A.IOV >>> 2) + 2 * i], len = this.c.mem.u32[(A.IOV >>> 2) + 2 * i + 1];
        hash(this.c.mem.bytes(p, len));
        at += len;
      }
      if (!at) break;
      assert.is(this.c.x.sys_rx_consume(this.handle, at), at);
      total += at;
    }
    return total;
  }
}

async function node(i: number, o: Link): Promise<Node> {
  const c = await TestCore.create({ seed: (o.seed ?? 1) + i });
  c.addDevice(0, 'eth0', MACS[i], o.mtu ?? 1500, o.features ?? 0);
  c.stamp();
  applyConfig(c.core, {
    ...emptyConfig(),
    neighbours: o.fast ? [`10.0.0.${2 - i}`, `fd00::${2 - i}`].map((address) => ({ dev: 'eth0', address, mac: MACS[1 - i] })) : [],
    sysctl: o.fast ? { 'net.ipv4.tcp_fastopen': String(1 + 2 + 4 + 0x200) } : {},
    interfaces: [{
      name: 'eth0', type: 'TAP', dev: 'x', slaac: false, offload: false,
      addresses: [{ address: `10.0.0.${i + 1}`, prefix: 24 }, { address: `fd00::${i + 1}`, prefix: 64 }],
    }],
  });
  return new Node(c);
}

/** Move `size` bytes from node 0 to node 1 (and back the other way when `both`). */
async function transfer(size: number, o: Link = {}, both = false): Promise<{ ms: number; nodes: Node[]; sent: number }> {
  const nodes = [await node(0, o), await node(1, o)];
  const rnd = lcg(o.seed ?? 1);
  const data = new Uint8Array(size);
  for (let i = 0; i < size; i++) data[i] = (i * 2654435761) >>> 13;
  const want = createHash('sha256').update(data).digest('hex');
  let now = 10e9, sent = 0;
  const inFlight: { at: number; to: number; f: TxFrame }[][] = [[], []];
  const busyUntil = [0, 0];
  const step = (): void => {
    for (const n of nodes) n.c.now = now;
    for (const i of [0, 1]) {
      const due = inFlight[i].filter((x) => x.at <= now);
      if (due.length) {
        inFlight[i] = inFlight[i].filter((x) => x.at > now);
        for (const { f } of due) nodes[i].c.rx(0, [f.bytes], { ...f });
      }
      if (nodes[i].c.deadline <= now) nodes[i].c.poll();
    }
    for (const i of [0, 1]) {
      nodes[i].c.poll();
      for (const f of nodes[i].c.tx()) {
        sent++;
        if (rnd() < (o.loss ?? 0)) continue;
        if (o.queue && inFlight[1 - i].length >= o.queue) continue;
        let at = now + (o.delay ?? 1) * MS;
        if (o.rate) {
          busyUntil[i] = Math.max(busyUntil[i], now) + (f.bytes.length / o.rate) * MS;
          at = busyUntil[i] + (o.delay ?? 1) * MS;
        }
        if (rnd() < (o.reorder ?? 0)) at += (1 + rnd() * 5) * MS;
        inFlight[1 - i].push({ at, to: 1 - i, f });
        if (rnd() < (o.duplicate ?? 0)) inFlight[1 - i].push({ at: at + rnd() * 3 * MS, to: 1 - i, f });
      }
      inFlight[1 - i].sort((a, b) => a.at - b.at);
    }
  };
  const jump = (): void => {
    now = Math.max(now + 1000, Math.min(...nodes.map((n) => n.c.deadline), ...inFlight.flatMap((q) => q.slice(0, 1).map((x) => x.at)), now + 1000 * MS));
  };
  for (const n of nodes) n.c.now = now;
  // Duplicate address detection first.
  for (let i = 0; i < 50; i++) {
    step();
    now += 100 * MS;
  }
  const v6 = o.v6 ?? false, family = v6 ? 10 : 2;
  const [a, b] = nodes;
  for (const n of nodes) n.c.stamp();
  const l = b.c.x.sys_socket(family, 1, 0);
  assert.is(b.c.x.sys_bind(l, A.ARG + 256, b.sockaddr(v6, 2, 5000)), 0);
  if (o.fast) b.set(l, 23, 10);
  assert.is(b.c.x.sys_listen(l, 10), 0);
  a.handle = a.c.x.sys_socket(family, 1, 0);
  if (o.fast) a.set(a.handle, 30, 1);
  assert.is(a.c.x.sys_connect(a.handle, A.ARG + 256, a.sockaddr(v6, 2, 5000)), o.fast ? 0 : -115);
  const start = now, hashes = [createHash('sha256'), createHash('sha256')];
  const out = [0, 0], got = [0, 0];
  const closed = [false, false];
  for (let turns = 0; turns < 3_000_000; turns++) {
    step();
    if (b.handle < 0) {
      const r = b.c.x.sys_accept(l);
      if (r >= 0) b.handle = r;
    }
    for (const i of [0, 1]) {
      const n = nodes[i];
      if (n.handle < 0 || closed[i]) continue;
      if ((i === 0 || both) && n.c.x.sys_poll(n.handle) & 4) {
        let k = 1;
        while (k && out[i] < size) {
          k = n.write(data, out[i], Math.min(65536, size - out[i]));
          out[i] += k;
        }
        if (out[i] === size) n.c.x.sys_shutdown(n.handle, 1);
      }
      got[i] += n.read((bytes) => hashes[i].update(bytes));
      assert.not(n.c.x.sys_poll(n.handle) & 8, `node ${i} failed`);
    }
    if (got[1] === size && (!both || got[0] === size) && b.c.x.sys_poll(b.handle) & 0x2000) break;
    if (o.fast) step(); // what was written leaves now: before a SYN there is no other event
    jump();
    assert.ok(now - start < 3600e9, `an hour has passed: ${got}`);
  }
  assert.is(hashes[1].digest('hex'), want);
  if (both) assert.is(hashes[0].digest('hex'), want);
  const ms = (now - start) / MS;
  for (const n of nodes) n.c.x.sys_close(n.handle);
  b.c.x.sys_close(l);
  for (let i = 0; i < 2000 && (a.c.x.usage(0) || b.c.x.usage(0) || a.c.x.usage(2) || b.c.x.usage(2)); i++) {
    step();
    jump();
  }
  for (const n of nodes) {
    n.c.poll();
    assert.is(n.c.x.usage(0), 0, 'sockets left');
    assert.is(n.c.x.usage(2), 0, 'chunks left');
  }
  return { ms, nodes, sent };
}

test('1 MiB over a clean link', async () => {
  const { ms } = await transfer(1 << 20);
  assert.ok(ms < 1000, `${ms} ms`);
});
test('1 MiB with super-segments', async () => {
  const { sent } = await transfer(1 << 20, { features: 7 });
  assert.ok(sent < 300, `${sent} frames`);
});
for (const mtu of [20000, 33000, 40000, 50000, 65535]) {
  test(`no super-segment is longer than a packet can be: MTU ${mtu}`, async () => {
    for (const v6 of [false, true]) {
      const { nodes } = await transfer(2 << 20, { features: 7, mtu, v6 }, true);
      for (const n of nodes) assert.is(n.c.drops('PKT_TOO_BIG') + n.c.mib('TcpRetransSegs'), 0);
    }
  });
}
test('1 % loss', async () => { await transfer(1 << 20, { loss: 0.01, seed: 2 }); });
test('1 % loss of super-segments', async () => { await transfer(1 << 20, { loss: 0.01, seed: 3, features: 7 }); });
test('10 % loss, both ways', async () => { await transfer(1 << 18, { loss: 0.1, seed: 4 }, true); });
test('reordering and duplication', async () => { await transfer(1 << 20, { reorder: 0.1, duplicate: 0.05, seed: 5 }); });
test('loss, reordering and duplication over IPv6, both ways', async () => {
  await transfer(1 << 19, { loss: 0.03, reorder: 0.05, duplicate: 0.03, seed: 6, v6: true }, true);
});
test('data in the SYN, both ways: a round trip less, and every byte arrives over bad links', async () => {
  const plain = await transfer(4000, { delay: 50 }, true), fast = await transfer(4000, { delay: 50, fast: true }, true);
  assert.is(fast.nodes[0].c.mib('TcpExtTCPFastOpenActive'), 1);
  assert.ok(fast.ms < plain.ms - 40, `${fast.ms} ms, ${plain.ms} ms without`);
  for (let seed = 1; seed <= 60; seed++) {
    await transfer(20_000, { fast: true, loss: 0.25, reorder: 0.2, duplicate: 0.1, delay: 20, seed, v6: seed % 2 === 1, features: seed % 3 === 0 ? 7 : 0 }, true);
  }
});
test('a slow link with a short queue', async () => {
  const { ms } = await transfer(1 << 20, { rate: 1000, delay: 20, queue: 40, seed: 7 });
  assert.ok(ms < 4000, `${ms} ms`); // 1049 ms of wire time
});
test('the same seed gives the same run', async () => {
  const o = { loss: 0.02, reorder: 0.05, seed: 8 };
  const x = await transfer(1 << 18, o), y = await transfer(1 << 18, o);
  assert.is(x.sent, y.sent);
  assert.is(x.ms, y.ms);
});

test.run();
