// limit: 100 s
// Hostile input of every protocol of the network layer: floods stay inside bounds, every truncation and thousands of
// random mutations (fixed seed) are survived, and all buffers come home.
import * as assert from 'uvu/assert';
import { ALL_NODES, FRAMES, GROUP, GROUP6, fill, frame4, frame6, igmpQuery, lladdr, mldQuery, nd, quote4, quote6, ra } from '../fuzz/frames.js';
import { AF_INET, AF_INET6, OUR_MAC, PEER, PEER6, PEER_MAC, SOCK_DGRAM, TestHost, US, US6 } from '../harness/host.js';
import { addr, arp, be16, be32, cat, checksum, ethernet, icmp, icmp6, ipv4, readIpv4, readIpv6, type Bytes } from '../harness/packet.js';
import { random } from '../harness/random.js';
import { suite } from '../harness/suite.js';

const test = suite('flood');
async function host(): Promise<TestHost> {
  const h = await TestHost.create({ slaac: true, config: { sysctl: { 'net.ipv4.ip_forward': '0' } } });
  const s = h.socket(AF_INET, SOCK_DGRAM), s6 = h.socket(AF_INET6, SOCK_DGRAM);
  h.bind(s, '0.0.0.0', 5000);
  h.bind(s6, '::', 5000);
  h.set(s, 0, 35, cat(addr(GROUP), addr(US)));
  h.set(s6, 41, 20, cat(addr(GROUP6), [h.ifindex, 0, 0, 0]));
  drain(h, 4);
  return h;
}
/** Let `s` seconds pass with the wire taking everything. */
function drain(h: TestHost, s: number): void {
  h.core.poll();
  for (let t = 0; t < s; t += 0.25) {
    h.core.advance(0.25e9);
    h.core.tx();
  }
  h.core.poll();
}
/** Still in order: answers echo requests of both families, in and out of fragments, and holds no more buffers than at the start. */
function alive(h: TestHost, idle: number): void {
  drain(h, 90);
  h.core.rx(0, [FRAMES[0][1], FRAMES.find(([n]) => n === 'NS')![1]]);
  h.core.tx();
  const whole = icmp(8, 0, 9, fill(1600));
  h.core.rx(0, [frame4({ proto: 1, frag: 0x2000, id: 9 }, whole.subarray(0, 1480)), frame4({ proto: 1, frag: 185, id: 9 }, whole.subarray(1480))]);
  assert.is(h.sent(0x0800).map((f) => readIpv4(f.bytes)).filter((p) => p.proto === 1).length, 2);
  h.core.rx(0, [FRAMES.find(([n]) => n === 'echo6')![1]]);
  assert.ok(h.sent(0x86dd).some((f) => readIpv6(f.bytes).payload[0] === 129));
  drain(h, 90);
  assert.ok(h.core.x.usage(1) <= idle, `${h.core.x.usage(1)} buffers in use, ${idle} at the start`);
}

const FLOODS: [string, (i: number) => Bytes[]][] = [
  ['ARP', (i) => [ethernet('ff:ff:ff:ff:ff:ff', PEER_MAC, 0x0806, arp(1 + (i & 1), PEER_MAC, `10.0.0.${3 + i % 250}`, '00:00:00:00:00:00', US))]],
  ['neighbour discovery', (i) => [
    nd(`fd00::5:${(i & 0xffff).toString(16)}`, US6, 135, cat(be32(0), addr(US6), lladdr(1))),
    nd(`fd00::6:${(i & 0xffff).toString(16)}`, US6, 135, cat(be32(0), addr(US6))),
  ]],
  ['fragments', (i) => [frame4({ proto: 17, frag: 0x2000 | (i % 40), id: i & 0xffff }, fill(64 + 8 * (i % 100))), frame6(PEER6, US6, 44, 64, cat([17, 0], be16(((i % 90) << 3) | 1), be32(i), fill(800)))]],
  ['advertisements', (i) => [nd(`fe80::9:${(i & 0xffff).toString(16)}`, ALL_NODES, 134, cat(ra, [3, 4, 64, 0xc0], be32(900), be32(800), be32(0), addr(`2001:db9:${(i & 0xffff).toString(16)}::`)))]],
  ['queries', (i) => [igmpQuery(i % 2 === 0, i % 3), mldQuery(i % 2 === 0)]],
  ['ICMP', (i) => [
    frame4({ proto: 1 }, icmp(8, 0, i, fill(1000))),
    frame4({ proto: 1 }, icmp(3, 4, 600 + i % 800, quote4)),
    frame6(PEER6, US6, 58, 64, icmp6(PEER6, US6, 2, 0, cat(be32(1280 + i % 100), quote6))),
    frame4({ proto: 200 }, fill(40)),
  ]],
];
for (const [name, make] of FLOODS) {
  test(`flood: ${name}`, async () => {
    const h = await host();
    const idle = h.core.x.usage(1);
    for (let i = 0; i < 2000; i++) {
      h.core.rx(0, make(i));
      if (i % 20 === 0) {
        h.core.now += 5e6;
        h.core.tx();
        h.core.poll();
      }
    }
    alive(h, idle);
  });
}

test('every truncation of every kind of frame', async () => {
  const h = await host();
  const idle = h.core.x.usage(1);
  for (const [, f] of FRAMES) {
    for (let n = 0; n <= f.length; n++) {
      const cut = f.slice(0, n);
      h.core.rx(0, [f.subarray(0, n)]);
      // Once more with the lengths and checksums of the outer headers made to fit, so that the inner parsers see the end.
      const v4 = f[12] === 8 && f[13] === 0, hlen = 14 + (v4 ? (f[14] & 15) * 4 : 40);
      if ((v4 || f[12] === 0x86) && n >= hlen) {
        if (v4) {
          const head = ipv4({ src: PEER, dst: US, proto: f[23], frag: (f[20] << 8) | f[21], options: [...f.slice(34, hlen)] }, f.slice(hlen, n));
          const p = f[23] === 1 || f[23] === 2 ? refit(head, hlen - 14) : head;
          h.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, p)]);
        } else {
          cut.set(be16(n - 54), 18);
          if (f[20] === 58 && n >= 58) {
            cut.set([0, 0], 56);
            const src = [...f.slice(22, 38)], dst = [...f.slice(38, 54)];
            const text = (b: number[]): string => Array.from({ length: 8 }, (_, i) => ((b[2 * i] << 8) | b[2 * i + 1]).toString(16)).join(':');
            cut.set(icmp6(text(src), text(dst), cut[54], cut[55], cut.slice(58)).subarray(2, 4), 56);
          }
          h.core.rx(0, [cut]);
        }
      }
      h.core.tx();
    }
  }
  alive(h, idle);
});
/** The ICMP or IGMP checksum of an IPv4 packet made right. */
function refit(p: Bytes, hlen: number): Bytes {
  if (p.length < hlen + 4) return p;
  const out = Uint8Array.from(p), m = out.subarray(hlen);
  m.set([0, 0], 2);
  m.set(be16(checksum(m)), 2);
  return out;
}

test('thousands of mutated frames from a fixed seed', async () => {
  const h = await host();
  const idle = h.core.x.usage(1);
  const rnd = random(0x6e757365);
  for (let i = 0; i < 8000; i++) {
    const f = Uint8Array.from(FRAMES[rnd(FRAMES.length)][1]);
    const v4 = f[12] === 8 && f[13] === 0;
    for (let k = 1 + rnd(4); k > 0; k--) f[14 + rnd(f.length - 14)] = rnd(4) ? rnd(256) : [0, 1, 255, 128][rnd(4)];
    let frame: Bytes = f;
    if (v4 && rnd(4)) { // most with right checksums, or nothing gets past them
      const hlen = 4 * (f[14] & 15), b = f.subarray(14);
      if (hlen >= 20 && hlen <= b.length) {
        b.set([0, 0], 10);
        b.set(be16(checksum(b.subarray(0, hlen))), 10);
        frame = cat(f.subarray(0, 14), refit(b, hlen));
      }
    } else if (f[12] === 0x86 && f[20] === 58 && rnd(4)) {
      const text = (at: number): string => Array.from({ length: 8 }, (_, j) => ((f[at + 2 * j] << 8) | f[at + 2 * j + 1]).toString(16)).join(':');
      f.set(icmp6(text(22), text(38), f[54], f[55], f.slice(58)).subarray(2, 4), 56);
    }
    if (!rnd(10)) frame = frame.subarray(0, rnd(frame.length));
    h.core.rx(0, [frame]);
    h.core.tx();
    if (!rnd(50)) h.core.advance(rnd(2e9));
  }
  drain(h, 10);
  const t = await host();
  alive(t, t.core.x.usage(1));
  drain(h, 100);
  assert.ok(h.core.x.usage(1) <= idle + 4, `${h.core.x.usage(1)} buffers in use, ${idle} at the start`);
});

test.run();
