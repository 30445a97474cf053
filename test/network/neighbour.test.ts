// Address resolution rules of both families: who is learnt, what replaces what, what survives a flood, the optimistic
// first exchange, duplicate detection against echoes of one's own solicitation, redirects, routers that fail.
import * as assert from 'uvu/assert';
import { applyConfig } from '../../host/control/apply.js';
import { emptyConfig } from '../../host/config/config.js';
import { TestCore } from '../harness/core.js';
import { AF_INET, AF_INET6, OUR_MAC, PEER, PEER6, PEER_MAC, SOCK_DGRAM, TestHost, US, US6 } from '../harness/host.js';
import { addr, arp, be16, be32, cat, ethernet, hex, icmp, icmp6, ipv4, ipv6, mac, readIpv4, readIpv6, udp, type Bytes } from '../harness/packet.js';
import { suite } from '../harness/suite.js';

const test = suite('neighbour');
const ARP = 0x0806, IP = 0x0800, V6 = 0x86dd;
const BCAST = 'ff:ff:ff:ff:ff:ff', NONE = '00:00:00:00:00:00', ALL_NODES = 'ff02::1', ROUTER = 'fe80::ff', ROUTER2 = 'fe80::fe';
const destination = (f: { bytes: Bytes }): string => hex(f.bytes.subarray(0, 6));
const arpFrom = (h: TestHost, op: number, from: string, spa: string, tpa: string, dst = OUR_MAC): void => h.core.rx(0, [ethernet(dst, from, ARP, arp(op, from, spa, NONE, tpa))]);
const nd = (h: TestHost, src: string, dst: string, type: number, body: Bytes | number[], from = PEER_MAC): void =>
  h.core.rx(0, [ethernet(OUR_MAC, from, V6, ipv6({ src, dst, next: 58, hops: 255 }, icmp6(src, dst, type, 0, body)))]);
const ra = (from: string, life: number, preference = 0): Bytes => cat([64, preference << 3], be16(life), be32(0), be32(0), [1, 1], mac(from));

/** A core whose addresses have not finished duplicate detection. */
async function fresh(addresses = [{ address: US6, prefix: 64 }]): Promise<TestCore> {
  const core = await TestCore.create();
  core.addDevice(0, 'eth0', OUR_MAC);
  core.stamp();
  applyConfig(core.core, { ...emptyConfig(), interfaces: [{ name: 'eth0', type: 'TAP', dev: 'x', slaac: false, offload: false, addresses }] });
  return core;
}

test('ARP: the first of several answers counts; a request for us and an announcement replace at once', async () => {
  const h = await TestHost.create({ resolve: true });
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.connect(s, PEER, 9);
  const to = (): string => { h.sent(); h.send(s, [1]); return destination(h.sent(IP)[0]); };
  h.send(s, [1]);
  arpFrom(h, 2, PEER_MAC, PEER, US);
  arpFrom(h, 2, '02:00:00:00:00:66', PEER, US);
  assert.is(to(), '020000000002');
  h.core.advance(2e9);
  arpFrom(h, 2, '02:00:00:00:00:67', PEER, US);
  assert.is(to(), '020000000067');
  arpFrom(h, 1, '02:00:00:00:00:68', PEER, PEER, BCAST);
  assert.is(to(), '020000000068');
  arpFrom(h, 1, '02:00:00:00:00:69', PEER, US, BCAST);
  assert.is(to(), '020000000069');
});

test('ARP: nobody is learnt from a probe, from somebody else\'s request or from an unasked answer', async () => {
  const h = await TestHost.create({ resolve: true });
  arpFrom(h, 1, PEER_MAC, '0.0.0.0', US, BCAST);
  const [reply] = h.sent(ARP);
  assert.is(hex(reply.bytes.subarray(20, 22)), '0002', 'a probe for our address is answered');
  arpFrom(h, 1, PEER_MAC, PEER, '10.0.0.77', BCAST);
  arpFrom(h, 2, PEER_MAC, PEER, US);
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.send(s, [1], { address: PEER, port: 9 });
  assert.is(h.sent(IP).length, 0, 'unknown still');
});

test('ARP: a conflict is answered by an announcement, once in ten seconds, from the start (RFC 5227 2.4)', async () => {
  const h = await TestHost.create();
  for (const expected of [1, 0]) {
    arpFrom(h, 1, '02:00:00:00:00:66', US, PEER, BCAST);
    assert.is(h.sent(ARP).length, expected);
  }
  h.core.advance(11e9);
  arpFrom(h, 2, '02:00:00:00:00:66', US, US);
  const [f] = h.sent(ARP);
  assert.is(hex(f.bytes.subarray(28, 32)) + hex(f.bytes.subarray(38, 42)), hex(addr(US)) + hex(addr(US)));
});

test('a flood of strangers leaves the entries in use', async () => {
  const h = await TestHost.create({ resolve: true, addresses: [{ address: US, prefix: 8 }, { address: US6, prefix: 64 }] });
  const s = h.socket(AF_INET, SOCK_DGRAM), s6 = h.socket(AF_INET6, SOCK_DGRAM);
  h.connect(s, PEER, 9);
  h.connect(s6, PEER6, 9);
  h.send(s, [1]);
  h.send(s6, [1]);
  arpFrom(h, 2, PEER_MAC, PEER, US);
  nd(h, PEER6, US6, 136, cat([0x60, 0, 0, 0], addr(PEER6), [2, 1], mac(PEER_MAC)));
  for (let i = 0; i < 3000; i++) {
    arpFrom(h, 1, '02:00:00:00:77:77', `10.9.${i >> 8}.${i & 255}`, US, BCAST);
    nd(h, `fd00::7:${i.toString(16)}`, US6, 135, cat(be32(0), addr(US6), [1, 1], mac(PEER_MAC)));
    if (i % 100 === 0) h.sent();
  }
  h.core.advance(3e9);
  h.sent();
  h.send(s, [2]);
  h.send(s6, [2]);
  assert.is(h.sent(IP).length, 1);
  h.send(s6, [2]);
  assert.is(h.sent(V6).length, 1);
});

test('packets that wait for many unresolved neighbours stay inside one bound', async () => {
  const h = await TestHost.create({ resolve: true, addresses: [{ address: US, prefix: 8 }] });
  const some = Array.from({ length: 40 }, () => h.socket(AF_INET, SOCK_DGRAM)), s = some[0];
  for (let i = 0; i < 2000; i++) {
    assert.is(h.send(some[i % 40], [1], { address: `10.8.${i >> 8}.${i & 255}`, port: 9 }), 1);
    h.sent();
    h.core.poll();
  }
  assert.ok(h.core.drops('NEIGH_QUEUEFULL') > 0);
  for (let i = 0; i < 60; i++) {
    h.core.advance(0.2e9);
    h.sent();
  }
  h.core.poll();
  h.send(s, [1], { address: PEER, port: 9 });
  arpFrom(h, 2, PEER_MAC, PEER, US);
  assert.is(h.sent(IP).length, 1, 'works as before');
});

test('an optimistic address asks at once without its MAC, also in the form Linux answers (RFC 4429 3.2)', async () => {
  const core = await fresh();
  const s = core.x.sys_socket(AF_INET6, SOCK_DGRAM, 0);
  assert.ok(s >= 0);
  // An echo request for the fresh address brings an answer, and with it the question for the peer.
  core.rx(0, [ethernet(OUR_MAC, PEER_MAC, V6, ipv6({ src: PEER6, dst: US6, next: 58 }, icmp6(PEER6, US6, 128, 0, be32(1))))]);
  const asked = core.tx().filter((f) => f.bytes[54] === 135).map((f) => f.bytes);
  assert.is(asked.length, 2);
  for (const f of asked) {
    assert.is(hex(f.subarray(0, 6)), '3333ff000002');
    assert.is(f.length, 14 + 40 + 24, 'no source link-layer option');
    assert.is(hex(f.subarray(22, 38)), hex(addr(US6)));
  }
  assert.is(hex(asked[1].subarray(38, 54)), hex(addr(PEER6)));
  // The peer asks back for us, and is answered without override; its question told its MAC.
  core.rx(0, [ethernet('33:33:ff:00:00:01', PEER_MAC, V6, ipv6({ src: PEER6, dst: 'ff02::1:ff00:1', next: 58, hops: 255 }, icmp6(PEER6, 'ff02::1:ff00:1', 135, 0, cat(be32(0), addr(US6), [1, 1], mac(PEER_MAC)))))]);
  const out = core.tx().map((f) => readIpv6(f.bytes)).filter((p) => p.next === 58).map((p) => p.payload);
  assert.equal(out.map((p) => p[0]).sort(), [129, 136], 'echo reply and advertisement');
  assert.is(out.find((p) => p[0] === 136)![4] & 0x20, 0);
});

test('a verified address asks afresh with its MAC: a neighbour that knew the address elsewhere answers now, and earlier tries do not count', async () => {
  const core = await fresh();
  core.rx(0, [ethernet(OUR_MAC, PEER_MAC, V6, ipv6({ src: PEER6, dst: US6, next: 58 }, icmp6(PEER6, US6, 128, 0, be32(1))))]);
  const questions: { at: number; told: boolean }[] = [], start = core.now;
  while (core.now < start + 5.5e9) {
    core.advance(1e6);
    for (const f of core.tx()) {
      const p = readIpv6(f.bytes);
      if (p.next === 58 && p.payload[0] === 135 && hex(p.payload.subarray(8, 24)) === hex(addr(PEER6))) questions.push({ at: (core.now - start) / 1e9, told: p.payload.length === 32 });
    }
  }
  const untold = questions.filter((q) => !q.told), told = questions.filter((q) => q.told);
  assert.ok(untold.every((q) => q.at < told[0].at));
  assert.ok(told[0].at > 1 && told[0].at < 1.11, `at the end of detection: ${told[0].at} s`);
  assert.is(told.length, 3, JSON.stringify(questions));
});

test('our own solicitation sent back is no duplicate; another node\'s is (RFC 7527)', async () => {
  for (const own of [true, false]) {
    const core = await fresh();
    core.advance(150e6);
    const mine = core.tx().map((f) => f.bytes).find((f) => f[54] === 135 && f[14 + 40 + 8] === 0xfd)!;
    const copy = Uint8Array.from(mine);
    copy.set(mac(PEER_MAC), 6);
    if (!own) {
      copy[14 + 40 + 30] ^= 1;
      copy.set([0, 0], 56);
      copy.set(icmp6('::', 'ff02::1:ff00:1', 135, 0, copy.subarray(58)).subarray(2, 4), 56);
    }
    core.rx(0, [copy]);
    core.advance(5e9);
    core.tx();
    core.rx(0, [ethernet(OUR_MAC, PEER_MAC, V6, ipv6({ src: PEER6, dst: US6, next: 17 }, udp(PEER6, 1, US6, 9, [1])))]);
    assert.is(core.mib('Udp6NoPorts'), own ? 1 : 0);
  }
});

test('an advertisement without override changes nothing but reachability; one that nobody waits for adds nobody', async () => {
  const h = await TestHost.create({ resolve: true });
  const na = (flags: number, from: string): void => nd(h, PEER6, US6, 136, cat([flags, 0, 0, 0], addr(PEER6), [2, 1], mac(from)), from);
  na(0x60, PEER_MAC);
  const s = h.socket(AF_INET6, SOCK_DGRAM);
  h.connect(s, PEER6, 9);
  h.send(s, [1]);
  assert.is(h.sent(V6).filter((f) => f.bytes[20] === 17).length, 0, 'not learnt from an unasked advertisement');
  na(0x40, PEER_MAC);
  assert.is(destination(h.sent(V6)[0]), '020000000002');
  na(0x40, '02:00:00:00:00:66');
  h.send(s, [1]);
  assert.is(destination(h.sent(V6)[0]), '020000000002');
  na(0x20, '02:00:00:00:00:66');
  h.send(s, [1]);
  assert.is(destination(h.sent(V6)[0]), '020000000066');
});

test('unreachability: delay, three unicast probes, then the entry is asked for anew', async () => {
  const h = await TestHost.create({ resolve: true });
  const s = h.socket(AF_INET6, SOCK_DGRAM);
  h.connect(s, PEER6, 9);
  nd(h, PEER6, US6, 135, cat(be32(0), addr(US6), [1, 1], mac(PEER_MAC)));
  h.sent();
  h.send(s, [1]);
  assert.is(h.sent(V6).length, 1, 'stale: sent at once');
  h.core.advance(4.9e9);
  assert.is(h.sent(V6).length, 0);
  h.core.advance(3.2e9);
  const probes = h.sent(V6).map((f) => readIpv6(f.bytes)).filter((p) => p.payload[0] === 135);
  assert.is(probes.length, 3);
  for (const p of probes) assert.is(p.dst, 'fd00:0:0:0:0:0:0:2');
  h.core.advance(1e9);
  h.sent();
  h.send(s, [1]);
  assert.is(readIpv6(h.sent(V6)[0].bytes).dst, 'ff02:0:0:0:0:1:ff00:2');
});

test('two routers: the preferred one, then the other when it is unreachable', async () => {
  const h = await TestHost.create({ slaac: true });
  const second = '02:00:00:00:00:05';
  nd(h, ROUTER, ALL_NODES, 134, ra(PEER_MAC, 1800));
  nd(h, ROUTER2, ALL_NODES, 134, ra(second, 1800, 1), second);
  const s = h.socket(AF_INET6, SOCK_DGRAM);
  h.connect(s, '2001:db8::9', 9);
  const hop = (): string => { h.send(s, [1]); const f = h.sent(V6).find((x) => x.bytes[20] === 17); return f ? destination(f) : ''; };
  h.sent();
  assert.is(hop(), '020000000005', 'high preference');
  h.core.poll();
  h.core.advance(12e9);
  h.sent();
  assert.is(hop(), '020000000002', 'the other one');
});

test('advertisements cannot fill the tables nor end what was configured', async () => {
  const h = await TestHost.create({ slaac: true });
  for (let i = 0; i < 600; i++) {
    const src = `fe80::1:${i.toString(16)}`;
    const prefix = (p: string, valid: number): Bytes => cat([3, 4, 64, 0xc0], be32(valid), be32(valid), be32(0), addr(p));
    nd(h, src, ALL_NODES, 134, cat(ra(PEER_MAC, 1800), prefix(`2001:db8:${i.toString(16)}::`, 1000), prefix('fd00::', i === 599 ? 0 : 1)));
    h.sent();
  }
  h.core.advance(20e9);
  h.sent();
  const s = h.socket(AF_INET6, SOCK_DGRAM);
  h.connect(s, 'fd00::2', 9);
  h.send(s, [1]);
  assert.is(destination(h.sent(V6).filter((f) => f.bytes[20] === 17)[0]), '020000000002', 'still on the link');
});

test('redirects are followed from the first hop only, both families, and end', async () => {
  const h = await TestHost.create({ slaac: true, config: { routes: [{ network: '0.0.0.0', prefix: 0, via: PEER }] } });
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.connect(s, '192.0.2.1', 9);
  arpFrom(h, 1, '02:00:00:00:00:09', '10.0.0.9', US, BCAST);
  const quote = ipv4({ src: US, dst: '192.0.2.1', proto: 17 }, udp(US, 1, '192.0.2.1', 9, [1]));
  const word = 0x0a000009;
  const hop = (type: number): string => { h.sent(); h.send(type === IP ? s : s6, [1]); return destination(h.sent(type).find((f) => f.bytes[type === IP ? 23 : 20] === 17)!); };
  h.in4({ proto: 1, src: '10.0.0.3' }, icmp(5, 1, word, quote));
  assert.is(hop(IP), '020000000002');
  h.in4({ proto: 1 }, icmp(5, 1, 0xc0000209, quote));
  assert.is(hop(IP), '020000000002', 'not on the link');
  h.in4({ proto: 1 }, icmp(5, 1, word, quote));
  assert.is(hop(IP), '020000000009');
  const s6 = h.socket(AF_INET6, SOCK_DGRAM);
  nd(h, ROUTER, ALL_NODES, 134, ra(PEER_MAC, 1800));
  h.connect(s6, '2001:db8::9', 9);
  const redirect = cat(be32(0), addr(ROUTER2), addr('2001:db8::9'), [2, 1], mac('02:00:00:00:00:05'));
  nd(h, 'fe80::aa', US6, 137, redirect);
  assert.is(hop(V6), '020000000002');
  nd(h, ROUTER, US6, 137, redirect);
  assert.is(hop(V6), '020000000005');
  h.core.advance(301e9);
  h.sent();
  h.send(s, [1]);
  const last = h.sent(IP)[0];
  assert.is(readIpv4(last.bytes).dst, '192.0.2.1');
  assert.is(destination(last), '020000000002');
});

test('packets that wait for an address leave room for the answer, in a small memory too', async () => {
  const config = { sysctl: { 'net.ipv4.ip_forward': '1' }, routes: [{ network: '10.5.0.0', prefix: 16, via: '10.0.0.9' }] };
  for (const [size, some] of [[1400, 60], [9000, 8]]) {
    const h = await TestHost.create({ memoryBytes: 18 << 20, mtu: 9100, config });
    for (let i = 0; i < 200; i++) h.in4({ proto: 17, dst: '10.5.1.1' }, udp(PEER, 1, '10.5.1.1', 2, new Uint8Array(size)));
    assert.is(h.sent(IP).length, 0);
    arpFrom(h, 2, '02:00:00:00:00:09', '10.0.0.9', US);
    assert.ok(h.sent(IP).length >= some);
  }
});

test.run();
