// One of several workers, its frames chosen here: which flows are its own (by an independent computation of the rule), and that what
// every worker is given is answered by worker 0 only.
import * as assert from 'uvu/assert';
import { RX_SHARED, WORKER_KEY_SIZE } from '../../host/abi/constants.js';
import { AF_INET, AF_INET6, OUR_MAC, PEER, PEER6, PEER_MAC, SOCK_DGRAM, SOCK_STREAM, TestHost, US, US6 } from '../harness/host.js';
import { addr, arp, be16, be32, cat, checksum, ethernet, icmp, icmp6, ipv4, ipv6, pseudo, udp, type Bytes } from '../harness/packet.js';
import { suite } from '../harness/suite.js';

const test = suite('workers');
const WORKERS = 3, TCP = 6, UDP = 17, EADDRNOTAVAIL = 99, EINPROGRESS = 115;
const KEY = Buffer.from(Uint8Array.from({ length: WORKER_KEY_SIZE }, (_, i) => (i * 151 + 43) & 255));
const worker = (n: number, workers = WORKERS): Promise<TestHost> => TestHost.create({ config: { worker: { worker: n, workers, key: KEY.toString('hex') } } });

/** The worker of a TCP flow, in 64-bit arithmetic. */
function home(src: string, dst: string, sport: number, dport: number): number {
  const words = cat(addr(src), addr(dst), be16(sport), be16(dport));
  let h = KEY.readBigUInt64LE(0);
  for (let i = 0; i < words.length / 4; i++) h += KEY.readBigUInt64LE(8 * (i + 1)) * BigInt(Buffer.from(words).readUInt32BE(4 * i));
  return Number(((BigInt.asUintN(64, h) >> 32n) * BigInt(WORKERS)) >> 32n);
}
function syn(src: string, sport: number, dst: string, dport: number): Bytes {
  const b = cat(be16(sport), be16(dport), be32(1000), be32(0), [0x50, 2], be16(4096), [0, 0, 0, 0]);
  b.set(be16(checksum(pseudo(src, dst, TCP, b.length), b)), 16);
  return b;
}
const frame4 = (proto: number, payload: Bytes | number[], o = {}): Bytes => ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto, ...o }, payload));
const frame6 = (next: number, payload: Bytes | number[]): Bytes => ethernet(OUR_MAC, PEER_MAC, 0x86dd, ipv6({ src: PEER6, dst: US6, next }, payload));
const answers = (h: TestHost, frame: Bytes, shared: boolean): number => {
  h.core.tx();
  h.core.rx(0, [frame], { flags: shared ? RX_SHARED : 0 });
  return h.core.tx().length;
};

test('of flows that are led to every worker, each is answered by the one whose it is; the others count it', async () => {
  const hosts = await Promise.all(Array.from({ length: WORKERS }, (_, i) => worker(i)));
  const homes = new Set<number>();
  for (let i = 0; i < 30; i++) {
    const sport = 1024 + 977 * i, dport = 80 + i, v4 = home(PEER, US, sport, dport), v6 = home(PEER6, US6, sport, dport);
    homes.add(v4);
    hosts.forEach((h, k) => {
      assert.is(answers(h, frame4(TCP, syn(PEER, sport, US, dport)), false), k === v4 ? 1 : 0, `IPv4 ${i} at ${k}`);
      assert.is(answers(h, frame6(TCP, syn(PEER6, sport, US6, dport)), false), k === v6 ? 1 : 0, `IPv6 ${i} at ${k}`);
    });
  }
  assert.is(homes.size, WORKERS);
  assert.equal(hosts.reduce((n, h) => n + h.core.drops('WORKER_MISROUTED'), 0), 30 * 2 * (WORKERS - 1));
});

test('datagrams go by their local port; in fragments, to all, of whom the others are silent', async () => {
  const h = await worker(1);
  const s = h.socket(AF_INET, SOCK_DGRAM);
  assert.is(h.bind(s, US, 3001), 0); // 3001 % 3 === 1
  const d = udp(PEER, 9, US, 3001, new Uint8Array(24));
  h.core.rx(0, [frame4(UDP, d.subarray(0, 16), { id: 7, frag: 0x2000 }), frame4(UDP, d.subarray(16), { id: 7, frag: 2 })], { flags: RX_SHARED });
  assert.is((h.recv(s) as { n: number }).n, 24);
  assert.is(answers(h, frame4(UDP, udp(PEER, 9, US, 3004, [1])), false), 1, 'closed, and ours: refused');
  assert.is(answers(h, frame4(UDP, udp(PEER, 9, US, 3004, [1])), true), 1, 'also when others have it');
  assert.is(answers(h, frame4(UDP, udp(PEER, 9, US, 3005, [1])), true), 0, 'another one refuses');
  assert.is(h.core.drops('WORKER_OTHERS'), 1);
  assert.is(h.core.drops('WORKER_MISROUTED'), 0);
});

for (const [what, make, silent] of [
  ['an ARP request', () => ethernet(OUR_MAC, PEER_MAC, 0x0806, arp(1, PEER_MAC, PEER, '00:00:00:00:00:00', US)), true],
  ['an echo request', () => frame4(1, icmp(8, 0, 1, [1, 2])), true],
  ['an ICMPv6 echo request', () => frame6(58, icmp6(PEER6, US6, 128, 0, [0, 0, 0, 1])), true],
  ['a neighbour solicitation', () => ethernet(OUR_MAC, PEER_MAC, 0x86dd, ipv6({ src: PEER6, dst: US6, next: 58, hops: 255 }, icmp6(PEER6, US6, 135, 0, cat([0, 0, 0, 0], addr(US6), [1, 1, 2, 0, 0, 0, 0, 2])))), true],
  ['an unknown protocol', () => frame4(200, [1, 2, 3, 4]), true],
  ['an unknown protocol of IPv6', () => frame6(200, [1, 2, 3, 4]), true],
] as const) {
  test(`${what} that all have is answered by worker 0`, async () => {
    const [first, second, alone] = [await worker(0), await worker(1), await TestHost.create()];
    assert.is(answers(first, make(), true), 1);
    assert.is(answers(second, make(), true), silent ? 0 : 1);
    assert.is(answers(second, make(), false), 1, 'led to this one only');
    assert.is(answers(alone, make(), true), 1, 'there are no others');
  });
}

test('what worker 0 answers, the others learn from', async () => {
  const h = await worker(2), far = '10.0.0.77';
  const s = h.socket(AF_INET, SOCK_DGRAM);
  assert.is(h.send(s, [1], { address: far, port: 9 }), 1);
  h.core.tx();
  assert.is(answers(h, ethernet(OUR_MAC, PEER_MAC, 0x0806, arp(2, PEER_MAC, far, OUR_MAC, US)), true), 1, 'the datagram that waited for the address');
});

test('connections leave from ports whose answers come home, datagrams from ports of the worker; another port is refused', async () => {
  for (const [family, us, peer] of [[AF_INET, US, PEER], [AF_INET6, US6, PEER6]] as const) {
    const h = await worker(1), chosen = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const s = h.socket(family, SOCK_STREAM), d = h.socket(family, SOCK_DGRAM);
      assert.is(h.connect(s, peer, 80), -EINPROGRESS);
      const { port } = h.sockname(s) as { port: number };
      assert.is(home(peer, us, 80, port), 1);
      chosen.add(port);
      assert.is(h.bind(d, us, 0), 0);
      assert.is((h.sockname(d) as { port: number }).port % WORKERS, 1);
    }
    assert.is(chosen.size, 40);
    for (let port = 50000; port < 50012; port++) {
      const s = h.socket(family, SOCK_STREAM);
      assert.is(h.bind(s, us, port), 0);
      assert.is(h.connect(s, peer, 80), home(peer, us, 80, port) === 1 ? -EINPROGRESS : -EADDRNOTAVAIL);
    }
  }
});

test('forwarding: what all have goes on once, a flow goes on where it was led', async () => {
  const sysctl = { 'net.ipv4.ip_forward': '1' };
  const router = (n: number): Promise<TestHost> => TestHost.create({ config: {
    worker: { worker: n, workers: 2, key: KEY.toString('hex') }, sysctl, routes: [{ network: '198.51.100.0', prefix: 24, via: PEER, dev: 'eth0' }],
  } });
  const [first, second] = [await router(0), await router(1)];
  const through = (proto: number): Bytes => frame4(proto, udp('203.0.113.1', 1, '198.51.100.1', 2, [0]), { src: '203.0.113.1', dst: '198.51.100.1' });
  assert.equal([answers(first, through(1), true), answers(second, through(1), true)], [1, 0]);
  assert.is(answers(second, through(UDP), false), 1);
});

test('a worker out of range is refused', async () => {
  const h = await TestHost.create();
  for (const [index, count] of [[0, 0], [2, 2], [0, 17]]) assert.is(h.core.x.ctl_worker(index, count, 0), -22);
  assert.is(answers(h, frame4(TCP, syn(PEER, 1, US, 1)), false), 1);
});

test.run();
