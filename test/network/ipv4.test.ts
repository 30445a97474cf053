import * as assert from 'uvu/assert';
import { HDR, HDR_WALL_OFFSET } from '../../host/abi/constants.js';
import { NLM_F_CREATE, NetlinkClient, RequestBuilder } from '../../host/control/netlink.js';
import { PEER, TestHost, US, OUR_MAC, PEER_MAC, AF_INET, SOCK_DGRAM } from '../harness/host.js';
import { addr, cat, checksum, ethernet, hex, icmp, ipv4, readIpv4, u16, u32, udp } from '../harness/packet.js';
import { suite } from '../harness/suite.js';

const RTM_NEWROUTE = 24, RTM_DELROUTE = 25;
const test = suite('ipv4');
const ARP = 0x0806, IP = 0x0800;
const payload = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 7 + (i >> 8)) & 255);

test('answers an ARP request for its address and learns the asker', async () => {
  const h = await TestHost.create({ resolve: true });
  h.arp(1, PEER, US, 'ff:ff:ff:ff:ff:ff');
  const [r] = h.sent(ARP);
  assert.is(hex(r.bytes), '020000000002' + '020000000001' + '0806' + '0001080006040002' + '020000000001' + '0a000001' + '020000000002' + '0a000002');
  h.in4({ proto: 1 }, icmp(8, 0, 0x00010001, payload(8)));
  assert.is(h.sent(IP).length, 1, 'no second ARP needed');
});

test('asks for an unknown neighbour three times, keeps packets back, then says EHOSTUNREACH', async () => {
  const h = await TestHost.create({ resolve: true });
  const s = h.socket(AF_INET, SOCK_DGRAM);
  assert.is(h.connect(s, PEER, 9), 0);
  assert.is(h.setInt(s, 0, 11, 1), 0); // IP_RECVERR: host unreachable is not fatal, so only the error queue's owner hears of it
  assert.is(h.send(s, [1]), 1);
  let requests = h.sent(ARP).length;
  assert.is(requests, 1);
  for (let i = 0; i < 4; i++) {
    h.core.advance(1e9);
    requests += h.sent(ARP).length;
  }
  assert.is(requests, 3);
  assert.is(h.getInt(s, 1, 4), 113);
  h.close(s);
  assert.equal(h.leaks(), { sockets: 0, chunks: 0 });
});

test('sends what waited once the neighbour answers, in order', async () => {
  const h = await TestHost.create({ resolve: true });
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.connect(s, PEER, 9);
  for (let i = 0; i < 3; i++) h.send(s, [i]);
  h.sent();
  h.arp(2, PEER, US);
  const out = h.sent(IP).map((f) => readIpv4(f.bytes).payload[8]);
  assert.equal(out, [0, 1, 2]);
});

test('echo reply: everything swapped, checksums right, options and TTL its own', async () => {
  const h = await TestHost.create();
  h.in4({ proto: 1, ttl: 9, tos: 0x10, options: [1, 1, 1, 0] }, icmp(8, 0, 0x12340007, payload(56)));
  const [f] = h.sent(IP);
  const p = readIpv4(f.bytes);
  assert.is(p.src, US);
  assert.is(p.dst, PEER);
  assert.is(p.ttl, 64);
  assert.is(p.tos, 0x10);
  assert.is(p.options.length, 0);
  assert.is(checksum(p.payload), 0);
  assert.is(hex(p.payload), hex(icmp(0, 0, 0x12340007, payload(56))));
});

test('echo reply: record route and timestamp go on, with this host in them as it got and as it sends the packet', async () => {
  const h = await TestHost.create();
  const reply = (options: number[]): string => {
    h.in4({ proto: 1, options }, icmp(8, 0, 7, payload(8)));
    const [f] = h.sent(IP);
    return hex(readIpv4(f.bytes).options);
  };
  const us = hex(addr(US)), ms = (h.core.now / 1e6 % 86400000 + 0x80000000).toString(16);
  assert.is(reply([1, 7, 15, 4, ...new Array<number>(12).fill(0)]), `070f0c${us}${us}0000000000`);
  assert.is(reply([7, 7, 4, 0, 0, 0, 0, 0]), `070708${us}00`, 'room for one');
  assert.is(reply([7, 7, 8, 9, 9, 9, 9, 0]), '0707080909090900', 'full');
  assert.is(reply([68, 8, 5, 0, 0, 0, 0, 0]), `44080910${ms}`, 'time only, and once without room');
  assert.is(reply([68, 12, 5, 1, ...new Array<number>(8).fill(0)]), `440c0d11${us}${ms}`, 'address and time');
  assert.is(reply([68, 20, 5, 3, ...addr(US), 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]), `44140d03${us}${ms}0102030400000000`, 'hosts given');
  assert.is(reply([148, 4, 0, 0]), '', 'nothing else is taken over');
  // With a time of day: 2026-11-28 01:02:03.004 UT.
  const day = Date.UTC(2026, 10, 28);
  h.core.mem.view.setBigInt64(HDR + HDR_WALL_OFFSET, BigInt(day + 3723004) * 1000000n - BigInt(h.core.now), true);
  assert.is(reply([68, 8, 5, 0, 0, 0, 0, 0]), '440809100038cefc', 'since midnight');
});

test('bad packets are counted by reason and dropped', async () => {
  const h = await TestHost.create();
  const ping = icmp(8, 0, 1, payload(16));
  h.in4({ proto: 1, csum: 0x1234 }, ping);
  h.in4({ proto: 1, ihl: 4 }, ping);
  h.in4({ proto: 1, totalLen: 2000 }, ping);
  h.in4({ proto: 1, totalLen: 10 }, ping);
  h.in4({ proto: 1, src: '224.0.0.1' }, ping);
  h.in4({ proto: 1, src: '127.0.0.1' }, ping);
  h.in4({ proto: 1, dst: '10.9.9.9' }, ping);
  h.in4({ proto: 1 }, icmp(8, 0, 1, payload(16), 0x1234));
  assert.is(h.core.drops('IP_CSUM'), 1);
  assert.is(h.core.drops('IP_INHDR'), 2);
  assert.is(h.core.drops('HDR_TRUNC'), 1);
  assert.is(h.core.drops('IP_INADDRERRORS'), 2);
  assert.is(h.core.drops('IP_NOT_FORWARDING'), 1);
  assert.is(h.core.drops('ICMP_CSUM'), 1);
  assert.is(h.sent(IP).length, 0);
});

test('every truncation of a frame is survived', async () => {
  const h = await TestHost.create();
  const frame = ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto: 17, options: [7, 7, 4, 0, 0, 0, 0, 0] }, udp(PEER, 5, US, 6, payload(20))));
  for (let n = 0; n < frame.length; n++) h.core.rx(0, [frame.subarray(0, n)]);
  h.core.rx(0, [frame]);
  assert.is(h.core.mib('UdpNoPorts'), 1);
});

test('a 3000-byte echo is reassembled from any order of fragments and answered in fragments', async () => {
  const whole = icmp(8, 0, 0x00010001, payload(3000));
  const cuts = [[0, 1480], [1480, 2960], [2960, whole.length]];
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]]) {
    const h = await TestHost.create();
    for (const i of order) h.in4({ proto: 1, id: 77, frag: (cuts[i][0] >> 3) | (i < 2 ? 0x2000 : 0) }, whole.subarray(cuts[i][0], cuts[i][1]));
    const out = h.sent(IP).map((f) => readIpv4(f.bytes));
    assert.is(out.length, 3);
    const ids = new Set(out.map((p) => p.id));
    assert.is(ids.size, 1);
    const bytes = new Uint8Array(whole.length);
    for (const p of out) bytes.set(p.payload, (p.frag & 0x1fff) * 8);
    assert.equal(out.map((p) => (p.frag & 0x2000) !== 0), [true, true, false]);
    assert.is(hex(bytes), hex(icmp(0, 0, 0x00010001, payload(3000))));
    assert.is(h.core.mib('IpReasmOKs'), 1);
  }
});

test('overlapping fragments lose the datagram, duplicates do not', async () => {
  const whole = icmp(8, 0, 1, payload(56));
  const h = await TestHost.create();
  h.in4({ proto: 1, id: 5, frag: 0x2000 }, whole.subarray(0, 32));
  h.in4({ proto: 1, id: 5, frag: 0x2000 }, whole.subarray(0, 32));
  h.in4({ proto: 1, id: 5, frag: 4 }, whole.subarray(32));
  assert.is(h.sent(IP).length, 1, 'an exact duplicate is harmless');
  h.in4({ proto: 1, id: 6, frag: 0x2000 }, whole.subarray(0, 32));
  h.in4({ proto: 1, id: 6, frag: 2 }, whole.subarray(16));
  h.in4({ proto: 1, id: 6, frag: 4 }, whole.subarray(32));
  assert.is(h.sent(IP).length, 0);
  assert.ok(h.core.drops('FRAG_OVERLAP') >= 2);
});

test('incomplete datagrams time out with time exceeded and give their memory back', async () => {
  const h = await TestHost.create();
  h.core.poll();
  const before = h.core.x.usage(1);
  h.in4({ proto: 17, id: 9, frag: 0x2000 }, payload(64));
  h.core.advance(31e9);
  const [f] = h.sent(IP);
  const p = readIpv4(f.bytes);
  assert.equal([...p.payload.subarray(0, 2)], [11, 1]);
  h.core.poll();
  assert.is(h.core.x.usage(1), before);
});

test('a flood of fragments stays inside its bound', async () => {
  const h = await TestHost.create();
  for (let i = 0; i < 2000; i++) h.in4({ proto: 17, id: i, frag: 0x2000 | ((i % 7) * 2) }, payload(16));
  assert.ok(h.core.x.usage(1) < 64 + 300);
  h.in4({ proto: 1 }, icmp(8, 0, 1, payload(8)));
  assert.is(h.sent(IP).filter((f) => readIpv4(f.bytes).payload[0] === 0).length, 1);
});

test('closed UDP port: unreachable quoting the packet; errors are rate-limited', async () => {
  const h = await TestHost.create();
  const u = udp(PEER, 4000, US, 9, payload(40));
  h.in4({ proto: 17 }, u);
  const p = readIpv4(h.sent(IP)[0].bytes);
  assert.equal([...p.payload.subarray(0, 2)], [3, 3]);
  assert.is(u16(p.payload, 8 + 20), 4000);
  for (let i = 0; i < 20; i++) h.in4({ proto: 17 }, u);
  assert.ok(h.sent(IP).length <= 6);
  assert.ok(h.core.drops('ICMP_RATELIMIT') > 10);
});

test('no ICMP error about broadcasts, errors or fragments', async () => {
  const h = await TestHost.create();
  const u = udp(PEER, 1, US, 9, [1]);
  h.in4({ proto: 17, dst: '10.0.0.255' }, udp(PEER, 1, '10.0.0.255', 9, [1]));
  h.in4({ proto: 1 }, icmp(3, 3, 0, cat(ipv4({ src: US, dst: PEER, proto: 200 }, u))));
  h.in4({ proto: 200, frag: 8 }, u);
  assert.is(h.sent(IP).length, 0);
});

test('fragmentation needed lowers the path MTU, and is forgotten after ten minutes', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.connect(s, PEER, 9);
  assert.is(h.setInt(s, 0, 10, 2), 0); // IP_PMTUDISC_DO
  assert.is(h.send(s, payload(1400)), 1400);
  const big = h.sent(IP)[0].bytes.subarray(14);
  h.in4({ proto: 1, src: PEER }, icmp(3, 4, 1000, big.subarray(0, 28)));
  assert.is(h.getInt(s, 1, 4), 90);
  assert.is(h.send(s, payload(1400)), -90);
  assert.is(h.getInt(s, 0, 14), 1000);
  assert.is(h.send(s, payload(972)), 972);
  h.core.advance(601e9);
  assert.is(h.send(s, payload(1400)), 1400);
});

test('a path MTU report is believed only about a packet of a socket that exists', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.connect(s, PEER, 9);
  h.in4({ proto: 1 }, icmp(3, 4, 1000, ipv4({ src: US, dst: PEER, proto: 17, totalLen: 1400 }, udp(US, 7, PEER, 9, []))));
  h.in4({ proto: 1 }, icmp(3, 4, 1000, ipv4({ src: US, dst: PEER, proto: 6, totalLen: 1400 }, payload(20))));
  assert.is(h.getInt(s, 0, 14), 1500);
});

test('the header of a reassembled datagram is the first fragment\'s, whatever came last', async () => {
  const h = await TestHost.create();
  const whole = icmp(8, 0, 1, payload(64));
  h.in4({ proto: 1, frag: 4, id: 5 }, whole.subarray(32));
  h.in4({ proto: 1, frag: 0x2000, id: 5, options: [1, 1, 1, 1] }, whole.subarray(0, 32));
  h.in4({ proto: 1, frag: 0x2000, id: 6, options: [1, 1, 1, 1] }, whole.subarray(0, 32));
  h.in4({ proto: 1, frag: 4, id: 6 }, whole.subarray(32));
  const out = h.sent(IP).map((f) => hex(readIpv4(f.bytes).payload.subarray(4)));
  assert.equal(out, [hex(whole.subarray(4)), hex(whole.subarray(4))]);
});

test('the local address and 127.0.0.1 answer through loopback', async () => {
  const h = await TestHost.create();
  for (const to of [US, '127.0.0.1', '127.1.2.3']) {
    const a = h.socket(AF_INET, SOCK_DGRAM), b = h.socket(AF_INET, SOCK_DGRAM);
    assert.is(h.bind(a, to, 5000), 0);
    assert.is(h.send(b, [42], { address: to, port: 5000 }), 1);
    const r = h.recv(a);
    assert.type(r, 'object');
    if (typeof r === 'object') assert.is(r.data[0], 42);
    h.close(a);
    h.close(b);
  }
  assert.is(h.sent().length, 0, 'nothing on the wire');
});

test('forwards: TTL down, checksum right; TTL 1 is time exceeded; too big with DF says the MTU', async () => {
  const h = await TestHost.create({ config: {
    sysctl: { 'net.ipv4.ip_forward': '1' },
    neighbours: [{ dev: 'eth0', address: PEER, mac: PEER_MAC }, { dev: 'eth0', address: '10.0.0.9', mac: '02:00:00:00:00:09' }],
    routes: [{ network: '10.5.0.0', prefix: 16, via: '10.0.0.9' }],
  } });
  h.in4({ proto: 17, dst: '10.5.1.1', ttl: 7 }, udp(PEER, 1, '10.5.1.1', 2, payload(30)));
  const [f] = h.sent(IP);
  assert.is(hex(f.bytes.subarray(0, 6)), '020000000009');
  assert.is(readIpv4(f.bytes).ttl, 6);
  h.in4({ proto: 17, dst: '10.5.1.1', ttl: 1 }, udp(PEER, 1, '10.5.1.1', 2, payload(30)));
  assert.equal([...readIpv4(h.sent(IP)[0].bytes).payload.subarray(0, 2)], [11, 0]);
  h.in4({ proto: 17, dst: '10.6.1.1' }, udp(PEER, 1, '10.6.1.1', 2, payload(30)));
  assert.equal([...readIpv4(h.sent(IP)[0].bytes).payload.subarray(0, 2)], [3, 0]);
  h.core.advance(10e9);
  h.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: '10.5.1.1', proto: 17, frag: 0x4000 }, payload(1600)))]);
  const e = readIpv4(h.sent(IP)[0].bytes).payload;
  assert.equal([e[0], e[1], u32(e, 4)], [3, 4, 1500]);
  h.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: '10.5.1.1', proto: 17 }, payload(1600)))]);
  assert.is(h.sent(IP).length, 2, 'without DF it is fragmented');
});

test('forwards by the table of now: a longer prefix takes over and leaves again, though packets went the other way before', async () => {
  const neighbours = ['10.0.0.8', '10.0.0.9'].map((address) => ({ dev: 'eth0', address, mac: `02:00:00:00:00:0${address.slice(-1)}` }));
  const h = await TestHost.create({ config: { sysctl: { 'net.ipv4.ip_forward': '1' }, neighbours, routes: [{ network: '10.5.0.0', prefix: 16, via: '10.0.0.9' }] } });
  const netlink = new NetlinkClient(h.core.core);
  const request = (type: number, prefix: number, via: number): void => {
    h.core.stamp();
    netlink.request(type, type === RTM_NEWROUTE ? NLM_F_CREATE : 0, new RequestBuilder().header([2, prefix, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0]).attr(1, [10, 5, 1, 0]).attr(5, [10, 0, 0, via]).bytes, 'route');
  };
  /** Where a packet goes that comes in now: the last byte of the MAC. */
  const next = (): number => {
    h.in4({ proto: 17, dst: '10.5.1.1', ttl: 7 }, udp(PEER, 1, '10.5.1.1', 2, payload(30)));
    return h.sent(IP)[0].bytes[5];
  };
  assert.equal([next(), next()], [9, 9]);
  request(RTM_NEWROUTE, 24, 8);
  assert.equal([next(), next()], [8, 8]);
  request(RTM_DELROUTE, 24, 8);
  assert.equal([next(), next()], [9, 9]);
  netlink.close();
});

test.run();
