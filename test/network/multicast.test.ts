// What routers are told of group memberships: IGMPv3 (RFC 3376) and MLDv2 (RFC 3810) with sources, and the older versions.
import * as assert from 'uvu/assert';
import { AF_INET, AF_INET6, SOCK_DGRAM, TestHost, PEER, US } from '../harness/host.js';
import { addr, be16, cat, checksum, ethernet, icmp6, ipv4, ipv6, readIpv4, readIpv6, u16, type Bytes } from '../harness/packet.js';
import { suite } from '../harness/suite.js';

const test = suite('multicast');
const GROUP = '239.1.2.3', GROUP6 = 'ff15::77', A = '10.9.0.1', B = '10.9.0.2', C = '10.9.0.3', A6 = 'fd09::1', B6 = 'fd09::2';
const TYPES = ['', 'IS_IN', 'IS_EX', 'TO_IN', 'TO_EX', 'ALLOW', 'BLOCK'];
const ADD = 35, DROP = 36, ADD_SOURCE = 39, DROP_SOURCE = 40, UNBLOCK = 37, BLOCK = 38, JOIN_SOURCE = 46, LEAVE_SOURCE = 47;

const text4 = (b: Bytes, p: number): string => [...b.subarray(p, p + 4)].join('.');
function records(b: Bytes, size: number, name: (p: number) => string): string[] {
  const out: string[] = [];
  let at = 8;
  for (let i = 0; i < u16(b, 6); i++) {
    const n = u16(b, at + 2), sources = Array.from({ length: n }, (_, k) => name(at + 4 + size + k * size));
    out.push(`${TYPES[b[at]]} ${name(at + 4)}(${sources.sort().join(' ')})`);
    at += 4 + size * (n + 1);
  }
  assert.is(at, b.length);
  return out;
}
/** Records of the reports sent since the last look, each report a line; older messages by type and group. */
function igmp(h: TestHost): string[] {
  return h.sent(0x0800).map((f) => readIpv4(f.bytes)).filter((p) => p.proto === 2).map((p) => {
    assert.is(checksum(p.payload), 0);
    assert.is(p.ttl, 1);
    assert.equal([...p.options], [148, 4, 0, 0]);
    if (p.payload[0] !== 0x22) return `${p.payload[0].toString(16)} ${text4(p.payload, 4)} to ${p.dst}`;
    assert.is(p.dst, '224.0.0.22');
    return records(p.payload, 4, (at) => text4(p.payload, at)).join(', ');
  });
}
function mld(h: TestHost): string[] {
  return h.sent(0x86dd).map((f) => readIpv6(f.bytes)).filter((p) => p.next === 0 && p.payload[8] === 143).map((p) => {
    const b = p.payload.slice(8), short = (at: number): string => Array.from({ length: 8 }, (_, i) => u16(b, at + 2 * i).toString(16)).join(':').replace(/(:0)+:/, '::');
    return records(b, 16, short).join(', ');
  }).filter((line) => !line.includes('ff02::1:ff'));
}

const mreq = (group: string): Bytes => cat(addr(group), addr(US));
const source4 = (group: string, source: string): Bytes => cat(addr(group), addr(US), addr(source));
const storage = (a: string): Bytes => {
  const b = new Uint8Array(128);
  b[0] = AF_INET6;
  b.set(addr(a), 8);
  return b;
};
const source6 = (h: TestHost, group: string, source: string): Bytes => cat([h.ifindex, 0, 0, 0, 0, 0, 0, 0], storage(group), storage(source));

async function socket(family = AF_INET): Promise<{ h: TestHost; s: number }> {
  const h = await TestHost.create();
  return { h, s: h.socket(family, SOCK_DGRAM) };
}
function query4(h: TestHost, group: string, sources: string[] = [], version = 3, code = 10): void {
  const m = cat([0x11, code, 0, 0], addr(group), version === 3 ? cat([2, 125], be16(sources.length), ...sources.map(addr)) : []);
  m.set(be16(checksum(m)), 2);
  const dst = group === '0.0.0.0' ? '224.0.0.1' : group;
  h.core.rx(0, [ethernet('01:00:5e:00:00:01', '02:00:00:00:00:02', 0x0800, ipv4({ src: PEER, dst, proto: 2, ttl: 1, options: [148, 4, 0, 0] }, m))]);
}
function query6(h: TestHost, group: string, sources: string[] = []): void {
  const src = 'fe80::2', dst = group === '::' ? 'ff02::1' : group;
  const m = icmp6(src, dst, 130, 0, cat(be16(1000), [0, 0], addr(group), [2, 125], be16(sources.length), ...sources.map(addr)));
  h.core.rx(0, [ethernet('33:33:00:00:00:01', '02:00:00:00:00:02', 0x86dd, ipv6({ src, dst, next: 0, hops: 1 }, cat([58, 0, 5, 2, 0, 0, 1, 0], m)))]);
}

test('IGMPv3: joining and leaving are told twice', async () => {
  const { h, s } = await socket();
  assert.is(h.set(s, 0, ADD, mreq(GROUP)), 0);
  h.core.advance(2e9);
  assert.equal(igmp(h), [`TO_EX ${GROUP}()`, `TO_EX ${GROUP}()`]);
  assert.is(h.set(s, 0, DROP, mreq(GROUP)), 0);
  h.core.advance(2e9);
  assert.equal(igmp(h), [`TO_IN ${GROUP}()`, `TO_IN ${GROUP}()`]);
  h.close(s);
});

test('IGMPv3: joining again while the end is being told', async () => {
  const { h, s } = await socket();
  h.set(s, 0, ADD, mreq(GROUP));
  h.core.advance(2e9);
  igmp(h);
  h.set(s, 0, DROP, mreq(GROUP));
  h.set(s, 0, ADD, mreq(GROUP));
  h.core.advance(5e9);
  assert.equal(igmp(h), [`TO_IN ${GROUP}()`, `TO_EX ${GROUP}()`, `TO_EX ${GROUP}()`]);
  query4(h, '0.0.0.0');
  h.core.advance(2e9);
  assert.equal(igmp(h), [`IS_EX ${GROUP}()`]);
  h.close(s);
});

test('IGMPv3: sources are told as they come and go', async () => {
  const { h, s } = await socket();
  const step = (name: number, source: string, ...want: string[]): void => {
    assert.is(h.set(s, 0, name, source4(GROUP, source)), 0);
    h.core.advance(2e9);
    assert.equal(igmp(h), want);
  };
  step(ADD_SOURCE, A, `ALLOW ${GROUP}(${A})`, `ALLOW ${GROUP}(${A})`);
  step(ADD_SOURCE, B, `ALLOW ${GROUP}(${B})`, `ALLOW ${GROUP}(${B})`);
  query4(h, GROUP);
  h.core.advance(2e9);
  assert.equal(igmp(h), [`IS_IN ${GROUP}(${A} ${B})`]);
  query4(h, GROUP, [B, C]);
  h.core.advance(2e9);
  assert.equal(igmp(h), [`IS_IN ${GROUP}(${B})`]);
  query4(h, GROUP, [C]);
  h.core.advance(2e9);
  assert.equal(igmp(h), []);
  step(DROP_SOURCE, A, `BLOCK ${GROUP}(${A})`, `BLOCK ${GROUP}(${A})`);
  step(DROP_SOURCE, B, `BLOCK ${GROUP}(${B})`, `BLOCK ${GROUP}(${B})`);
  h.close(s);
});

test('IGMPv3: blocked sources', async () => {
  const { h, s } = await socket();
  h.set(s, 0, ADD, mreq(GROUP));
  h.core.advance(2e9);
  igmp(h);
  assert.is(h.set(s, 0, BLOCK, source4(GROUP, A)), 0);
  h.core.advance(2e9);
  assert.equal(igmp(h), [`BLOCK ${GROUP}(${A})`, `BLOCK ${GROUP}(${A})`]);
  query4(h, GROUP, [A, C]);
  h.core.advance(2e9);
  assert.equal(igmp(h), [`IS_IN ${GROUP}(${C})`]);
  query4(h, '0.0.0.0');
  h.core.advance(2e9);
  assert.equal(igmp(h), [`IS_EX ${GROUP}(${A})`]);
  assert.is(h.set(s, 0, UNBLOCK, source4(GROUP, A)), 0);
  h.core.advance(2e9);
  assert.equal(igmp(h), [`ALLOW ${GROUP}(${A})`, `ALLOW ${GROUP}(${A})`]);
  h.close(s);
});

test('IGMPv3: what several sockets want together', async () => {
  const { h, s } = await socket();
  const t = h.socket(AF_INET, SOCK_DGRAM), u = h.socket(AF_INET, SOCK_DGRAM);
  const told = (): string[] => {
    h.core.advance(2e9);
    return [...new Set(igmp(h))];
  };
  h.set(s, 0, ADD_SOURCE, source4(GROUP, A));
  h.set(t, 0, ADD_SOURCE, source4(GROUP, B));
  told();
  h.set(u, 0, ADD, mreq(GROUP)); // one wants all
  assert.equal(told(), [`TO_EX ${GROUP}()`]);
  h.set(u, 0, BLOCK, source4(GROUP, A)); // but A, which another one wants
  assert.equal(told(), []);
  h.set(u, 0, BLOCK, source4(GROUP, C));
  assert.equal(told(), [`BLOCK ${GROUP}(${C})`]);
  h.close(s); // nobody wants A any more
  assert.equal(told(), [`BLOCK ${GROUP}(${A})`]);
  h.close(u);
  assert.equal(told(), [`TO_IN ${GROUP}(${B})`]);
  h.close(t);
  assert.equal(told(), [`BLOCK ${GROUP}(${B})`]);
});

test('IGMPv2 router: one report, one leave, no sources', async () => {
  const { h, s } = await socket();
  query4(h, '0.0.0.0', [], 2, 100);
  h.set(s, 0, ADD_SOURCE, source4(GROUP, A));
  h.core.advance(2e9);
  assert.equal([...new Set(igmp(h))], [`16 ${GROUP} to ${GROUP}`]);
  h.close(s);
  h.core.advance(2e9);
  assert.equal(igmp(h), [`17 ${GROUP} to 224.0.0.2`]);
});

test('MLDv2: the same', async () => {
  const { h, s } = await socket(AF_INET6);
  const told = (): string[] => {
    h.core.advance(2e9);
    return mld(h);
  };
  assert.is(h.set(s, 41, 20, cat(addr(GROUP6), [h.ifindex, 0, 0, 0])), 0);
  assert.equal(told(), [`TO_EX ${GROUP6}()`, `TO_EX ${GROUP6}()`]);
  assert.is(h.set(s, 41, 21, cat(addr(GROUP6), [h.ifindex, 0, 0, 0])), 0);
  assert.equal(told(), [`TO_IN ${GROUP6}()`, `TO_IN ${GROUP6}()`]);
  assert.is(h.set(s, 41, JOIN_SOURCE, source6(h, GROUP6, A6)), 0);
  assert.equal(told(), [`ALLOW ${GROUP6}(${A6})`, `ALLOW ${GROUP6}(${A6})`]);
  assert.is(h.set(s, 41, JOIN_SOURCE, source6(h, GROUP6, B6)), 0);
  told();
  query6(h, GROUP6, [A6]);
  assert.equal(told(), [`IS_IN ${GROUP6}(${A6})`]);
  query6(h, GROUP6);
  assert.equal(told(), [`IS_IN ${GROUP6}(${A6} ${B6})`]);
  assert.is(h.set(s, 41, LEAVE_SOURCE, source6(h, GROUP6, A6)), 0);
  assert.equal(told(), [`BLOCK ${GROUP6}(${A6})`, `BLOCK ${GROUP6}(${A6})`]);
  h.close(s);
  assert.equal(told(), [`BLOCK ${GROUP6}(${B6})`, `BLOCK ${GROUP6}(${B6})`]);
});

test('more sources than can be told are all', async () => {
  const { h, s } = await socket();
  const others = [s, h.socket(AF_INET, SOCK_DGRAM), h.socket(AF_INET, SOCK_DGRAM)];
  others.forEach((o, k) => {
    for (let i = 0; i < 12; i++) assert.is(h.set(o, 0, ADD_SOURCE, source4(GROUP, `10.9.${k}.${i + 1}`)), 0);
  });
  h.core.advance(2e9);
  assert.is(igmp(h).at(-1), `TO_EX ${GROUP}()`);
  for (const o of others) h.close(o);
});

test.run();
