import * as assert from 'uvu/assert';
import { AF_INET6, OUR_MAC, PEER6, PEER_MAC, SOCK_DGRAM, SOCK_RAW, TestHost, US6 } from '../harness/host.js';
import { TestCore } from '../harness/core.js';
import { applyConfig } from '../../host/control/apply.js';
import { emptyConfig } from '../../host/config/config.js';
import { addr, be16, be32, cat, checksum, ethernet, hex, icmp6, ipv6, mac, pseudo, readIpv6, u16, u32, udp, type Bytes } from '../harness/packet.js';
import { suite } from '../harness/suite.js';

const test = suite('ipv6');
const V6 = 0x86dd;
const ALL_NODES = 'ff02::1', SOLICITED = 'ff02::1:ff00:1';
const payload = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 11 + (i >> 8)) & 255);
const types = (h: TestHost): number[] => h.sent(V6).map((f) => readIpv6(f.bytes)).filter((p) => p.next === 58).map((p) => p.payload[0]);
const sane = (f: Bytes): ReturnType<typeof readIpv6> => {
  const p = readIpv6(f);
  if (p.next === 58) assert.is(checksum(pseudo(p.src.replace(/(^|:)0(:0)+(:|$)/, '::'), p.dst, 58, p.payload.length), p.payload), 0, 'ICMPv6 checksum');
  return p;
};

test('echo reply with a right checksum', async () => {
  const h = await TestHost.create();
  h.in6({ next: 58 }, icmp6(PEER6, US6, 128, 0, cat(be32(0x00050006), payload(40))));
  const [f] = h.sent(V6);
  const p = sane(f.bytes);
  assert.is(p.payload[0], 129);
  assert.is(hex(p.payload.subarray(4)), hex(cat(be32(0x00050006), payload(40))));
});

test('answers a neighbour solicitation to the solicited-node group and learns the asker', async () => {
  const h = await TestHost.create({ resolve: true });
  const ns = icmp6(PEER6, SOLICITED, 135, 0, cat(be32(0), addr(US6), [1, 1], mac(PEER_MAC)));
  h.core.rx(0, [ethernet('33:33:ff:00:00:01', PEER_MAC, V6, ipv6({ src: PEER6, dst: SOLICITED, next: 58, hops: 255 }, ns))]);
  const [f] = h.sent(V6);
  const p = sane(f.bytes);
  assert.is(p.payload[0], 136);
  assert.is(p.payload[4] & 0x60, 0x60, 'solicited and override');
  assert.is(p.hops, 255);
  assert.is(hex(p.payload.subarray(8, 24)), hex(addr(US6)));
  assert.is(hex(p.payload.subarray(24)), '0201' + '020000000001');
  h.in6({ next: 58 }, icmp6(PEER6, US6, 128, 0, cat(be32(1), payload(8))));
  assert.equal(types(h), [129], 'the neighbour is known');
});

test('neighbour discovery messages with another hop limit, code or broken options are refused', async () => {
  const h = await TestHost.create();
  const ns = (extra: number[]): Bytes => icmp6(PEER6, US6, 135, 0, cat(be32(0), addr(US6), extra));
  h.in6({ next: 58, hops: 64 }, ns([1, 1, ...mac(PEER_MAC)]));
  h.in6({ next: 58, hops: 255 }, icmp6(PEER6, US6, 135, 1, cat(be32(0), addr(US6))));
  h.in6({ next: 58, hops: 255 }, ns([1, 0, ...mac(PEER_MAC)]));
  h.in6({ next: 58, hops: 255 }, ns([1, 4, ...mac(PEER_MAC)]));
  h.in6({ next: 58, hops: 255 }, icmp6(PEER6, US6, 135, 0, cat(be32(0), addr('ff02::5'))));
  assert.is(h.core.drops('IPV6_NDISC_BAD_HOPLIMIT'), 1);
  assert.is(h.core.drops('IPV6_NDISC_BAD_CODE'), 1);
  assert.is(h.core.drops('IPV6_NDISC_BAD_OPTIONS'), 2);
  assert.is(h.core.drops('IPV6_NDISC_MALFORMED'), 1);
  assert.is(h.sent(V6).length, 0);
});

test('comes up: duplicate address detection, multicast reports, router solicitation', async () => {
  const core = await TestCore.create();
  core.addDevice(0, 'eth0', OUR_MAC);
  core.stamp();
  applyConfig(core.core, { ...emptyConfig(), interfaces: [{ name: 'eth0', type: 'TAP', dev: 'x', slaac: true, offload: false, addresses: [{ address: US6, prefix: 64 }] }] });
  core.advance(12e9);
  const out = core.tx().map((f) => sane(f.bytes));
  const dad = out.filter((p) => p.payload[0] === 135);
  assert.is(dad.length, 2, 'one for each address');
  for (const p of dad) {
    assert.is(p.src, '0:0:0:0:0:0:0:0');
    assert.is(hex(p.payload.subarray(24, 26)), '0e01', 'a nonce and no link-layer option');
    assert.is(p.payload.length, 32);
  }
  const announced = out.filter((p) => p.payload[0] === 136);
  assert.is(announced.length, 6, 'three of each address');
  for (const p of announced) assert.is(p.payload[4], 0x20, 'unsolicited, override');
  const reports = out.filter((p) => p.next === 0);
  assert.ok(reports.length >= 2);
  for (const p of reports) assert.is(hex(p.payload.subarray(0, 8)), '3a00050200000100', 'router alert');
  assert.is(out.filter((p) => p.payload[0] === 133).length, 3);
});

const ra = (o: { life?: number; prefix?: string; flags?: number; valid?: number; preferred?: number; mtu?: number }): Bytes => cat(
  [64, 0], be16(o.life ?? 1800), be32(0), be32(0), [1, 1], mac(PEER_MAC),
  o.prefix ? cat([3, 4, 64, o.flags ?? 0xc0], be32(o.valid ?? 86400), be32(o.preferred ?? 14400), be32(0), addr(o.prefix)) : [],
  o.mtu ? cat([5, 1, 0, 0], be32(o.mtu)) : [],
);
const ROUTER = 'fe80::ff';

test('a router advertisement gives an address, an on-link prefix, a default route and an MTU', async () => {
  const h = await TestHost.create({ slaac: true, addresses: [] });
  h.in6({ src: ROUTER, dst: ALL_NODES, next: 58, hops: 255 }, icmp6(ROUTER, ALL_NODES, 134, 0, ra({ prefix: '2001:db8:1::', mtu: 1400 })));
  h.core.advance(3e9);
  h.sent();
  const s = h.socket(AF_INET6, SOCK_DGRAM);
  assert.is(h.connect(s, '2001:db8:ffff::1', 9), 0);
  const name = h.sockname(s);
  assert.type(name, 'object');
  if (typeof name === 'object') assert.is(hex(name.address), hex(addr('2001:db8:1:0:0:ff:fe00:1')));
  assert.is(h.getInt(s, 41, 24), 1400);
  h.send(s, [1]);
  assert.is(hex(h.sent(V6)[0].bytes.subarray(0, 6)), '020000000002', 'through the router');
  h.core.advance(1801e9);
  assert.is(h.connect(s, '2001:db8:ffff::1', 9), -101, 'the router has gone');
});

test('the valid lifetime cannot be cut below two hours by an advertisement', async () => {
  const h = await TestHost.create({ slaac: true, addresses: [] });
  const advertise = (o: Parameters<typeof ra>[0]): void => h.in6({ src: ROUTER, dst: ALL_NODES, next: 58, hops: 255 }, icmp6(ROUTER, ALL_NODES, 134, 0, ra(o)));
  advertise({ prefix: '2001:db8:1::' });
  h.core.advance(3e9);
  advertise({ prefix: '2001:db8:1::', valid: 10, preferred: 5 });
  h.core.advance(3600e9);
  const s = h.socket(AF_INET6, SOCK_DGRAM);
  assert.is(h.bind(s, '2001:db8:1:0:0:ff:fe00:1', 1), 0);
  h.close(s);
  h.core.advance(3700e9);
  const t = h.socket(AF_INET6, SOCK_DGRAM);
  assert.is(h.bind(t, '2001:db8:1:0:0:ff:fe00:1', 1), -99);
});

test('a duplicate address is given up', async () => {
  const core = await TestCore.create();
  core.addDevice(0, 'eth0', OUR_MAC);
  core.stamp();
  applyConfig(core.core, { ...emptyConfig(), interfaces: [{ name: 'eth0', type: 'TAP', dev: 'x', slaac: false, offload: false, addresses: [{ address: US6, prefix: 64 }] }] });
  const na = icmp6(US6, ALL_NODES, 136, 0, cat([0x20, 0, 0, 0], addr(US6), [2, 1], mac(PEER_MAC)));
  core.rx(0, [ethernet('33:33:00:00:00:01', PEER_MAC, V6, ipv6({ src: US6, dst: ALL_NODES, next: 58, hops: 255 }, na))]);
  assert.is(core.drops('IPV6_NDISC_DAD'), 1);
  core.advance(5e9);
  core.tx();
  core.rx(0, [ethernet(OUR_MAC, PEER_MAC, V6, ipv6({ src: PEER6, dst: US6, next: 17 }, udp(PEER6, 1, US6, 9, [1])))]);
  assert.is(core.mib('Udp6NoPorts'), 0);
});

test('extension headers in order are walked; an unknown option says what its bits ask for', async () => {
  const h = await TestHost.create();
  const u = udp(PEER6, 1, US6, 9, [1]);
  h.in6({ next: 0 }, cat([60, 0, 1, 4, 0, 0, 0, 0], [17, 0, 1, 4, 0, 0, 0, 0], u));
  assert.is(h.core.mib('Udp6NoPorts'), 1);
  h.sent();
  h.in6({ next: 60 }, cat([17, 0, 0x9e, 2, 0, 0, 1, 0], u));
  const p = sane(h.sent(V6)[0].bytes);
  assert.equal([p.payload[0], p.payload[1], u32(p.payload, 4)], [4, 2, 42]);
  h.in6({ next: 60 }, cat([17, 0, 0x5e, 2, 0, 0, 1, 0], u));
  assert.is(h.sent(V6).length, 0, '01: silently');
  h.core.advance(10e9);
  h.in6({ next: 253 }, u);
  const q = sane(h.sent(V6)[0].bytes);
  assert.equal([q.payload[0], q.payload[1], u32(q.payload, 4)], [4, 1, 6]);
  h.in6({ next: 43 }, cat([17, 2, 0, 1, 0, 0, 0, 0], addr(PEER6), u));
  const r = sane(h.sent(V6)[0].bytes);
  assert.equal([r.payload[0], r.payload[1], u32(r.payload, 4)], [4, 0, 42], 'type 0 routing header');
});

test('every truncation of a packet with extension headers is survived', async () => {
  const h = await TestHost.create();
  const frame = ethernet(OUR_MAC, PEER_MAC, V6, ipv6({ src: PEER6, dst: US6, next: 0 }, cat([60, 0, 1, 4, 0, 0, 0, 0], [44, 0, 1, 4, 0, 0, 0, 0], [17, 0, 0, 0, 0, 0, 0, 9], udp(PEER6, 1, US6, 9, payload(20)))));
  for (let n = 0; n < frame.length; n++) {
    h.core.rx(0, [frame.subarray(0, n)]);
    if (n >= 54) {
      const f = frame.slice(0, n);
      f.set(be16(n - 54), 18);
      h.core.rx(0, [f]);
    }
  }
  h.core.rx(0, [frame]);
  assert.is(h.core.mib('Udp6NoPorts'), 1);
});

test('fragments: reassembled, answered in fragments of the path MTU', async () => {
  const h = await TestHost.create();
  const whole = icmp6(PEER6, US6, 128, 0, cat(be32(7), payload(3000)));
  const frag = (at: number, to: number, more: boolean): Bytes => cat([58, 0], be16(at | (more ? 1 : 0)), be32(0xabcd), whole.subarray(at, to));
  h.in6({ next: 44 }, frag(1448, 2896, true));
  h.in6({ next: 44 }, frag(2896, whole.length, false));
  h.in6({ next: 44 }, frag(0, 1448, true));
  const out = h.sent(V6).map((f) => readIpv6(f.bytes));
  assert.is(out.length, 3);
  const bytes = new Uint8Array(whole.length);
  for (const p of out) {
    assert.is(p.next, 44);
    bytes.set(p.payload.subarray(8), u16(p.payload, 2) & ~7);
  }
  assert.is(hex(bytes), hex(icmp6(US6, PEER6, 129, 0, cat(be32(7), payload(3000)))));
});

/** Destination options of 256 bytes that say nothing: more than the headroom of a packet buffer. */
const padding = (next: number): Bytes => cat([next, 31, 1, 252], payload(252));

test('long extension headers before a datagram do not hide who sent it, from sockets that queue it or share it', async () => {
  const h = await TestHost.create();
  const ours = h.socket(AF_INET6, SOCK_DGRAM);
  assert.is(h.bind(ours, US6, 9), 0);
  const groups = [1, 2].map(() => h.socket(AF_INET6, SOCK_DGRAM));
  for (const s of groups) {
    h.setInt(s, 1, 2, 1);
    assert.is(h.bind(s, '::', 10), 0);
    assert.is(h.set(s, 41, 20, cat(addr('ff02::77'), [h.ifindex, 0, 0, 0])), 0);
  }
  h.in6({ next: 60 }, cat(padding(17), udp(PEER6, 7, US6, 9, payload(20))));
  h.in6({ next: 60, dst: 'ff02::77' }, cat(padding(60), padding(17), udp(PEER6, 7, 'ff02::77', 10, payload(20))));
  for (const s of [ours, ...groups]) {
    const r = h.recv(s);
    if (typeof r === 'number') throw new Error(String(r));
    assert.is(hex(r.data), hex(payload(20)));
    assert.equal([r.from?.port, hex(r.from!.address)], [7, hex(addr(PEER6))]);
  }
});

test('fragments behind long extension headers are reassembled; the first one is quoted when the others do not come', async () => {
  const h = await TestHost.create();
  const whole = icmp6(PEER6, US6, 128, 0, cat(be32(7), payload(92)));
  const frag = (id: number, at: number, to: number, more: boolean): Bytes => cat(padding(44), [58, 0], be16(at | (more ? 1 : 0)), be32(id), whole.subarray(at, to));
  h.in6({ next: 60 }, frag(1, 0, 48, true));
  h.in6({ next: 60 }, frag(1, 48, whole.length, false));
  const [reply] = h.sent(V6);
  assert.ok(reply, 'answered');
  assert.equal([readIpv6(reply.bytes).dst, hex(sane(reply.bytes).payload)], [readIpv6(ipv6Frame()).dst, hex(icmp6(US6, PEER6, 129, 0, cat(be32(7), payload(92))))]);
  h.in6({ next: 60 }, frag(2, 0, 48, true));
  h.core.advance(61e9);
  const [late] = h.sent(V6);
  assert.ok(late, 'told');
  const e = sane(late.bytes);
  assert.equal([e.payload[0], e.payload[1]], [3, 1], 'time exceeded in reassembly');
  assert.is(hex(e.payload.subarray(8)), hex(ipv6({ src: PEER6, dst: US6, next: 60 }, frag(2, 0, 48, true))));
});
/** A frame to the peer, to read how its address is written. */
const ipv6Frame = (): Bytes => ethernet(PEER_MAC, OUR_MAC, V6, ipv6({ src: US6, dst: PEER6, next: 59 }, payload(0)));

test('packet too big lowers the path MTU; one that says less than 1280 is not believed (RFC 8201 4)', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET6, SOCK_DGRAM);
  h.connect(s, PEER6, 9);
  h.send(s, payload(1440));
  const big = h.sent(V6)[0].bytes.subarray(14);
  for (const mtu of [0, 600, 1279]) h.in6({ next: 58 }, icmp6(PEER6, US6, 2, 0, cat(be32(mtu), big.subarray(0, 100))));
  assert.is(h.getInt(s, 1, 4), 0);
  assert.is(h.getInt(s, 41, 24), 1500);
  h.in6({ next: 58 }, icmp6(PEER6, US6, 2, 0, cat(be32(1280), big.subarray(0, 100))));
  assert.is(h.getInt(s, 1, 4), 90);
  assert.is(h.getInt(s, 41, 24), 1280);
  h.send(s, payload(1440));
  assert.is(h.sent(V6).length, 2);
});

test('closed port says port unreachable; multicast is not answered', async () => {
  const h = await TestHost.create();
  h.in6({ next: 17 }, udp(PEER6, 5, US6, 9, [1]));
  const p = sane(h.sent(V6)[0].bytes);
  assert.equal([p.payload[0], p.payload[1]], [1, 4]);
  h.core.rx(0, [ethernet('33:33:00:00:00:01', PEER_MAC, V6, ipv6({ src: PEER6, dst: ALL_NODES, next: 17 }, udp(PEER6, 5, ALL_NODES, 9, [1])))]);
  assert.is(h.sent(V6).length, 0);
});

test('a raw ICMPv6 socket fills the checksum and hears answers', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET6, SOCK_RAW, 58);
  assert.is(h.send(s, cat([128, 0, 0, 0], be32(0x00010002), [9]), { address: PEER6, port: 0 }), 9);
  sane(h.sent(V6)[0].bytes);
  h.in6({ next: 58 }, icmp6(PEER6, US6, 129, 0, cat(be32(0x00010002), [9])));
  const r = h.recv(s);
  assert.type(r, 'object');
  if (typeof r === 'object') assert.is(r.data[0], 129);
});

test('joins report the group and its packets arrive; leaving stops both', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET6, SOCK_DGRAM);
  h.bind(s, '::', 7000);
  const group = 'ff05::1234', group_mac = '33:33:00:00:12:34';
  const inGroup = (): void => h.core.rx(0, [ethernet(group_mac, PEER_MAC, V6, ipv6({ src: PEER6, dst: group, next: 17 }, udp(PEER6, 5, group, 7000, [1])))]);
  inGroup();
  assert.is(h.recv(s), -11);
  assert.is(h.set(s, 41, 20, cat(addr(group), [h.ifindex, 0, 0, 0])), 0);
  const report = readIpv6(h.sent(V6)[0].bytes);
  assert.is(hex(report.payload.subarray(16)), '04000000' + hex(addr(group)));
  inGroup();
  assert.type(h.recv(s), 'object');
  assert.is(h.set(s, 41, 21, cat(addr(group), [h.ifindex, 0, 0, 0])), 0);
  assert.is(hex(readIpv6(h.sent(V6)[0].bytes).payload.subarray(16, 20)), '03000000');
  inGroup();
  assert.is(h.recv(s), -11);
});

test.run();
