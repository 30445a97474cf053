// The hand-made part of the corpus: one test case for each exchange and group of calls. `node build/js/test/fuzz/seeds.js` writes
// them to test/fuzz/corpus/seed-*.bin; the other files there were found by the coverage-guided fuzzer.
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { PEER, PEER6, PEER_MAC, OUR_MAC, US, US6 } from '../harness/host.js';
import { addr, arp, be16, be32, cat, checksum, ethernet, icmp, icmp6, ipv4, pseudo, udp, type Bytes } from '../harness/packet.js';
import { Case, Op, le16, le32 } from './case.js';
import { rare } from './seeds_rare.js';
import { ALL_NODES, FRAMES, GROUP, GROUP6, ROUTER, fill, frame4, frame6, lladdr, nd, ra } from './frames.js';

// Flags of segments, families by their index in the driver's table, addresses by theirs.
const F = 1, S = 2, R = 4, P = 8, A = 16, U = 32, E = 64, W = 128;
const INET = 0, INET6 = 1, NETLINK = 2, PACKET = 3, STREAM = 1, DGRAM = 2, RAW = 3;
const ANY = 0, OWN = 1, PEER_ADDRESS = 2, LOOPBACK = 3, BROADCAST = 6, GROUP_ADDRESS = 9, NOBODY = 11;
/** Levels by index: SOL_SOCKET, IP, IPv6, TCP, UDP, raw, ICMPv6, packet, netlink. */
const SOCKET_LEVEL = 0, IP = 1, IPV6 = 2, TCP = 3, UDP = 4, LITE = 9, LITE_PROTOCOL = 11;
const HOLD = 1, BAD_CHECKSUM = 2, PARTIAL = 4, SUPER = 8, URGENT = 16;
const TS = 8, SACK = 16, RAW_OPTIONS = 32, DSACK = 128;

/** A listener on 8080 with a connection: socket 0 listens, socket 1 is accepted, flow 0. */
function accepted(world = 0, v6 = 0, syn: readonly number[] = [...le16(1460), 7, 1], options = 15): Case {
  return new Case(world).socket(v6 ? INET6 : INET, STREAM).bind(0, ANY, 8080).add(Op.LISTEN, [0, 10]).syn(8080, 40000, { options, extra: syn }, v6)
    .seg({ flags: A, options: TS, extra: [1] }).add(Op.ACCEPT, [0]);
}
/** Socket 0 connected to port 80 of the peer, flow 0. */
function connected(world = 0, v6 = 0): Case {
  return new Case(world).socket(v6 ? INET6 : INET, STREAM).connect(0, PEER_ADDRESS, 80).seg({ flags: S | A, options: 15, extra: [...le16(1460), 7, 1] });
}
const ack = (o: Partial<Parameters<Case['seg']>[0]> = {}) => ({ flags: A, options: TS, extra: [1], ...o });
const sackBlocks = (...blocks: [number, number][]): number[] => [1, blocks.length - 1, ...blocks.flatMap(([back, n]) => [...le16(back), 0, ...le16(n)])];

function tcp(): [string, Case][] {
  const out: [string, Case][] = [];
  for (const v6 of [0, 1]) {
    out.push([`tcp-server-${v6}`, accepted(0, v6).seg(ack({ flags: P | A, len: 500 })).read(1, 200).receive(1).send(1, 3000).seg(ack()).write(1, 20000).seg(ack()).time(50).seg(ack({ steps: 0x50 }))
      .add(Op.INFO, [1]).add(Op.NAMES, [1]).seg(ack({ flags: F | A })).add(Op.SHUTDOWN, [1, 1]).seg(ack()).time(1000).add(Op.CLOSE, [1]).time(70000)]);
    out.push([`tcp-client-${v6}`, connected(0, v6).send(0, 1000).seg(ack()).seg(ack({ flags: P | A, len: 1400 })).seg(ack({ flags: P | A, len: 1400 })).read(0, 3000).add(Op.CLOSE, [0]).seg(ack())
      .seg(ack({ flags: F | A })).time(100).syn(80, 80, {}, v6).time(61000)]);
  }
  const big = accepted().write(1, 60000);
  for (let i = 0; i < 3; i++) big.seg(ack({ options: TS | SACK, extra: sackBlocks([400 - 100 * i, 1460]) })).time(5);
  out.push(['tcp-sack', big.add(Op.INFO, [1]).seg(ack({ options: TS | SACK, extra: sackBlocks([300, 1460], [900, 1460], [50, 300]) })).time(30).seg(ack({ options: SACK | DSACK | TS, extra: sackBlocks([2000, 1460]) }))
    .time(300).seg(ack()).write(1, 30000).seg(ack()).time(200).seg(ack({ steps: 0xd0 })).add(Op.INFO, [1])]);
  out.push(['tcp-dupacks-no-sack', accepted(0, 0, [...le16(536)], 1).write(1, 20000).seg({ flags: A, steps: 0x60 }).seg({ flags: A, steps: 0x60 }).seg({ flags: A, steps: 0x60 }).seg({ flags: A, steps: 0x60 })
    .time(10).seg({ flags: A }).write(1, 9000).time(3000).seg({ flags: A, steps: 0x50 }).seg({ flags: A }).add(Op.INFO, [1])]);
  out.push(['tcp-rto', accepted().write(1, 9000).time(200).time(400).time(800).seg(ack({ steps: 0x70 })).time(1600).seg(ack()).write(1, 5000).time(200000).time(900000).add(Op.INFO, [1])]);
  out.push(['tcp-out-of-order', accepted().seg(ack({ steps: 7, len: 1400 })).seg(ack({ steps: 12, len: 700 })).seg(ack({ steps: 5, len: 600 })).seg(ack({ steps: 12, len: 1460, flags: F | A })).seg(ack({ steps: 15, len: 300 }))
    .seg(ack({ len: 536 })).seg(ack({ len: 1460 })).seg(ack({ steps: 6, len: 1400 })).read(1, 9000).seg(ack({ len: 1460 })).seg(ack({ len: 1460 })).time(50).read(1, 9000)]);
  out.push(['tcp-urgent', accepted().seg(ack({ flags: P | A | U, len: 10, how: URGENT, extra: [1, 5, 0] })).int(1, SOCKET_LEVEL, 10, 1).receive(1, 4).read(1, 100).seg(ack({ flags: A | U, len: 10, how: URGENT, extra: [1, 10, 0] }))
    .add(Op.IOCTL, [1, ...le16(0x8905)]).receive(1, 4).send(1, 3, undefined, 3).seg(ack()).write(1, 100, 3).seg(ack())]);
  out.push(['tcp-zero-window', accepted().write(1, 3000).seg(ack({ window: 0 })).write(1, 9000).time(300).time(700).time(1500).seg(ack({ window: 0 })).time(3000).seg(ack({ window: 50 })).time(200).seg(ack({ window: 60000 })).seg(ack())]);
  out.push(['tcp-our-zero-window', accepted().int(1, SOCKET_LEVEL, 8, 9).seg(ack({ len: 1460 })).seg(ack({ len: 1460 })).seg(ack({ len: 1460 })).seg(ack({ len: 1460 })).seg(ack({ len: 1 })).read(1, 60000).time(50).seg(ack({ len: 1460 }))
    .int(1, SOCKET_LEVEL, 18, 11).add(Op.NAMES, [1]).read(1, 65000)]);
  out.push(['tcp-keepalive', accepted().int(1, SOCKET_LEVEL, 9, 1).int(1, TCP, 4, 1).int(1, TCP, 5, 1).int(1, TCP, 6, 3).time(1500).time(1500).seg(ack()).time(9000)]);
  out.push(['tcp-simultaneous', new Case(0).socket(INET, STREAM).bind(0, ANY, 5000).connect(0, PEER_ADDRESS, 6000).seg({ flags: S, options: 15, extra: [...le16(1460), 7, 1] }).seg({ flags: S | A, steps: 4, options: 15, extra: [...le16(1460), 7, 1] })
    .seg(ack()).add(Op.SHUTDOWN, [0, 1]).seg(ack({ flags: F | A, steps: 0x30 })).seg(ack()).time(100).seg(ack({ flags: F | A, steps: 4 })).time(61000)]);
  out.push(['tcp-resets', accepted().seg(ack({ flags: R, steps: 3 })).seg(ack({ flags: R | A, steps: 10 })).seg(ack({ flags: S, steps: 3 })).seg(ack({ flags: S | A })).seg({ flags: R }).read(1, 10).send(1, 5).add(Op.CLOSE, [1])
    .syn(9999, 40001).syn(8080, 40002).seg({ flow: 2, flags: R | A }).syn(8080, 40003).seg({ flow: 3, flags: A, steps: 0x90 }).connect(0, PEER_ADDRESS, 1)]);
  out.push(['tcp-refused', new Case(0).socket(INET, STREAM).connect(0, PEER_ADDRESS, 81).seg({ flags: R | A }).add(Op.NAMES, [0]).add(Op.GET_OPTION, [0, 0, 4, 4, 0]).socket(INET6, STREAM).connect(1, PEER_ADDRESS, 82)
    .add(Op.ICMP_ERROR, [0, 28, 1, 4, ...le32(0), ...le16(200)]).add(Op.CLOSE, [1]).socket(INET, STREAM).connect(1, PEER_ADDRESS, 83).add(Op.ICMP_ERROR, [0, 28, 3, 1, ...le32(0), ...le16(60)]).time(200000).time(900000)]);
  const backlog = new Case(0).socket(INET, STREAM).bind(0, ANY, 8080).add(Op.LISTEN, [0, 3]);
  for (let i = 0; i < 6; i++) backlog.syn(8080, 41000 + i).seg(ack({ flow: i }));
  out.push(['tcp-backlog', backlog.time(1000).time(3000).time(9000).add(Op.ACCEPT, [0]).add(Op.ACCEPT, [0]).add(Op.ACCEPT, [0]).seg(ack({ flow: 5, len: 10 })).time(90000)]);
  const cookies = new Case(0).add(Op.SYSCTL, [39, 3]).add(Op.SYSCTL, [38, 3]).socket(INET6, STREAM).bind(0, ANY, 8080).add(Op.LISTEN, [0, 3]);
  for (let i = 0; i < 4; i++) cookies.syn(8080, 42000 + i, {}, i & 1).seg(ack({ flow: i, len: i * 10 })).seg({ flow: i, flags: A, steps: 0x30 });
  out.push(['tcp-cookies', cookies.add(Op.ACCEPT, [0]).add(Op.ACCEPT, [0]).time(130000)]);
  out.push(['tcp-ecn', accepted(0, 0, [...le16(1400), 3, 1]).add(Op.SYSCTL, [37, 1]).syn(8080, 40100, { flags: S | E | W }).seg({ flow: 1, flags: A | E }).add(Op.ACCEPT, [0]).write(2, 9000).seg({ flow: 1, flags: A | E }).write(2, 9000)
    .seg({ flow: 1, flags: A | W, len: 100 })]);
  out.push(['tcp-options', accepted().seg({ flags: A, options: RAW_OPTIONS, extra: [12, 1, 1, 3, 3, 99, 4, 2, 254, 2, 8, 3, 0] }).seg({ flags: A, options: RAW_OPTIONS, how: 64, extra: [4, 5, 9, 1, 1] }).seg({ flags: A, options: RAW_OPTIONS, extra: [3, 2, 0, 0] })
    .seg(ack({ options: TS | 64, extra: [1, ...le32(99)] })).syn(8080, 40200, { options: RAW_OPTIONS, extra: [20, 34, 2, 1, 2, 4, 0, 0, 3, 2, 3, 3, 20, 4, 3, 8, 10, 0, 0, 0, 0] }).seg({ flow: 1, flags: A })]);
  out.push(['tcp-bad', accepted().seg(ack({ how: BAD_CHECKSUM, len: 10 })).seg(ack({ steps: 9, len: 100 })).seg(ack({ steps: 0x80, len: 100 })).seg(ack({ steps: 0xb0 })).seg(ack({ flags: 0, len: 5 })).seg(ack({ flags: 63, len: 5 }))
    .seg(ack({ options: TS | 64, extra: [250, ...le32(0)] })).seg(ack({ options: TS, extra: [0], len: 20 }))]);
  for (const v6 of [0, 1]) out.push([`tcp-offload-${v6}`, accepted(1, v6).seg(ack({ how: SUPER, len: 14000, extra: [1, ...le16(1447)] })).seg(ack({ how: PARTIAL, len: 1400 })).seg(ack({ how: HOLD | SUPER, len: 9000, extra: [1, ...le16(1447)] }))
    .seg(ack({ how: SUPER, len: 16000, extra: [1, ...le16(535)] })).read(1, 60000).write(1, 65000).seg(ack()).write(1, 65000).seg(ack({ steps: 0x70 })).time(5).seg(ack({ options: TS | SACK, extra: sackBlocks([3000, 20000]) })).time(400).seg(ack())]);
  out.push(['tcp-pmtu', connected().write(0, 9000).add(Op.ICMP_ERROR, [0, 28, 3, 4, 0, 0, 4, 176, ...le16(60)]).time(10).seg(ack()).write(0, 9000).add(Op.ICMP_ERROR, [0, 28, 3, 4, 0, 0, 0, 0, ...le16(60)])
    .add(Op.SYSCTL, [52, 1]).time(300).time(600).time(1200).seg(ack()).add(Op.GET_OPTION, [0, IP, 14, 4, 0])]);
  out.push(['tcp-pmtu6', connected(0, 1).write(0, 9000).add(Op.ICMP_ERROR, [0, 28, 2, 0, 0, 0, 5, 20, ...le16(400)]).time(10).seg(ack()).write(0, 5000).add(Op.ICMP_ERROR, [0, 28, 1, 3, 0, 0, 0, 0, ...le16(400)]).time(900)]);
  out.push(['tcp-linger', accepted().option(1, SOCKET_LEVEL, 13, [1, 0, 0, 0, 0, 0, 0, 0]).send(1, 100).add(Op.CLOSE, [1]).syn(8080, 40300).seg(ack({ flow: 1 })).add(Op.ACCEPT, [0]).seg(ack({ flow: 1, len: 100 })).add(Op.CLOSE, [1])
    .syn(8080, 40301).seg(ack({ flow: 2 })).add(Op.ACCEPT, [0]).int(1, TCP, 8, 2).add(Op.CLOSE, [1]).seg(ack({ flow: 2 })).time(4000).time(70000)]);
  out.push(['tcp-nagle', accepted().int(1, TCP, 3, 1).send(1, 10).send(1, 2000).int(1, TCP, 3, 0).int(1, TCP, 1, 1).send(1, 1, undefined, 1).send(1, 1).seg(ack()).int(1, TCP, 12, 0).seg(ack({ len: 5 })).int(1, TCP, 12, 1).time(300)
    .option(1, TCP, 13, [...Buffer.from('reno')]).option(1, TCP, 13, [...Buffer.from('cubic')]).write(1, 30000).seg(ack()).seg(ack()).time(100)]);
  out.push(['tcp-loopback', new Case(0).socket(INET, STREAM).bind(0, LOOPBACK, 8080).add(Op.LISTEN, [0, 10]).socket(INET, STREAM).connect(1, LOOPBACK, 8080).add(Op.ACCEPT, [0]).write(1, 60000).read(2, 60000).write(2, 60000).read(1, 30000)
    .time(50).add(Op.SHUTDOWN, [1, 1]).read(2, 100).add(Op.CLOSE, [2]).time(100).add(Op.INFO, [1]).connect(1, ANY | 64, 0)]);
  out.push(['tcp-time-wait', connected().add(Op.CLOSE, [0]).seg(ack()).seg(ack({ flags: F | A })).time(5).seg(ack({ flags: F | A, steps: 4 })).seg(ack({ flags: S, steps: 5 })).seg(ack({ flags: R })).time(5).seg(ack({ len: 20 })).time(90000)]);
  out.push(['tcp-fin-wait-2', connected().add(Op.CLOSE, [0]).seg(ack()).seg(ack({ len: 50 })).time(61000) ]);
  out.push(['tcp-migrate', accepted().syn(8080, 40400).add(Op.SHUTDOWN, [0, 2]).seg(ack({ flow: 1 })).add(Op.LISTEN, [0, 4]).add(Op.CLOSE, [0]).time(1000)]);
  return out;
}

const cmsg = (level: number, type: number, data: readonly number[]): number[] => {
  const n = 16 + data.length;
  const c = [...le32(n), 0, 0, 0, 0, ...le32(level), ...le32(type), ...data];
  while (c.length % 8) c.push(0);
  return c;
};

function datagrams(): [string, Case][] {
  const out: [string, Case][] = [];
  const datagram = (kind: number, dport: number, len: number): number[] => [28, kind, ...le16(7), ...le16(dport), ...le16(len), 1, 2, 3];
  for (const v6 of [0, 1]) {
    const level = v6 ? IPV6 : IP, family = v6 ? INET6 : INET;
    out.push([`udp-${v6}`, new Case(0).socket(family, DGRAM).bind(0, ANY, 5000).add(Op.DATAGRAM, datagram(v6, 5000, 300)).receive(0, 26).receive(0).send(0, 500, [PEER_ADDRESS, 9]).connect(0, PEER_ADDRESS, 9)
      .int(0, level, v6 ? 25 : 11, 1).send(0, 20).add(Op.ICMP_ERROR, [0, 28, v6 ? 1 : 3, v6 ? 4 : 3, ...le32(0), ...le16(100)]).send(0, 20).receive(0, 27).receive(0).add(Op.NAMES, [0]).send(0, 5000).send(0, 65000).send(0, 0)
      .int(0, level, v6 ? 23 : 10, 2).send(0, 3000).connect(0, ANY | 64, 0).add(Op.DATAGRAM, datagram(v6, 9999, 30)).add(Op.SHUTDOWN, [0, 2])]);
    const names = v6 ? [49, 51, 66, 74, 2, 8, 11, 6, 54] : [8, 12, 13, 20, 6, 7];
    const all = new Case(0).socket(family, DGRAM).bind(0, ANY, 5000).int(0, SOCKET_LEVEL, 29, 1).int(0, SOCKET_LEVEL, 40, 1).int(0, UDP, 104, 1);
    for (const n of names) all.int(0, level, n, 1);
    all.add(Op.DATAGRAM, datagram(v6, 5000, 30)).receive(0).int(0, SOCKET_LEVEL, 35, 1).option(0, SOCKET_LEVEL, 37, le32(24)).add(Op.DATAGRAM, datagram(v6, 5000, 30)).receive(0).receive(0);
    const control = v6 ? cmsg(41, 50, [...addr(US6), ...le32(2)]).concat(cmsg(41, 52, le32(9)), cmsg(41, 67, le32(16))) : cmsg(0, 8, [...le32(2), ...addr(US), 0, 0, 0, 0]).concat(cmsg(0, 2, le32(9)), cmsg(0, 1, le32(16)));
    out.push([`udp-control-${v6}`, all.send(0, 30, [PEER_ADDRESS, 9], 0, control).send(0, 3000, [PEER_ADDRESS, 9], 0, cmsg(17, 103, le16(500))).send(0, 30, [PEER_ADDRESS, 9], 0, cmsg(99, 1, [1])).send(0, 30, [PEER_ADDRESS, 9], 0, [5, 0, 0, 0])]);
    const group = v6 ? addr(GROUP6) : addr(GROUP);
    const storage = (a: Bytes): number[] => [...(v6 ? cat([10, 0, 0, 0, 0, 0, 0, 0], a, new Uint8Array(104)) : cat([2, 0, 0, 0], a, new Uint8Array(120)))];
    const peer = v6 ? addr(PEER6) : addr(PEER), index = le32(2);
    const join = [...index, 0, 0, 0, 0, ...storage(group)], joinSource = [...join, ...storage(peer)];
    const m = new Case(0).socket(family, DGRAM).bind(0, ANY, 5000).option(0, level, v6 ? 20 : 35, v6 ? [...group, ...index] : [...group, ...addr(US)]).time(300).time(2000).add(Op.DATAGRAM, datagram(v6 | 4, 5000, 20)).receive(0);
    for (const f of FRAMES.filter(([n]) => n.startsWith(v6 ? 'MLD' : 'IGMP'))) m.raw(f[1], 0).time(3000);
    m.option(0, level, 43, joinSource).option(0, level, 44, joinSource).option(0, level, 42, join).option(0, level, 45, join).option(0, level, 46, joinSource).option(0, level, 47, joinSource)
      .option(0, level, 48, [...join, ...le32(1), ...le32(1), ...storage(peer)]).add(Op.GET_OPTION, [0, level, 48, ...le16(600), ...join, ...le32(0), ...le32(4)]).int(0, level, v6 ? 18 : 33, 3).int(0, level, v6 ? 19 : 34, 0)
      .option(0, level, v6 ? 17 : 32, v6 ? index : [...group, ...addr(US), ...index]).send(0, 20, [GROUP_ADDRESS, 5000]).send(0, 20, [8, 5353]);
    if (!v6) for (const n of [38, 37, 39, 40]) m.option(0, IP, n, [...group, ...addr(US), ...addr(PEER)]).option(0, IP, n, [...addr('239.9.9.9'), ...addr(US), ...addr(PEER)]);
    if (!v6) m.option(0, IP, 39, [...addr('232.1.1.1'), ...addr(US), ...addr(PEER)]).option(0, IP, 41, [...addr('232.1.1.1'), ...addr(US), ...le32(1), ...le32(2), ...addr(PEER), ...addr(US)]).add(Op.GET_OPTION, [0, IP, 41, ...le16(64), ...addr('232.1.1.1'), ...addr(US), ...le32(0), ...le32(4)]);
    out.push([`multicast-${v6}`, m.option(0, level, v6 ? 21 : 36, v6 ? [...group, ...index] : [...group, ...addr(US)]).time(4000)]);
    out.push([`raw-${v6}`, new Case(0).socket(family, RAW, v6 ? 4 : 3).bind(0, ANY, 0).raw(FRAMES.find(([n]) => n === (v6 ? 'echo6' : 'echo'))![1]).receive(0).send(0, 64, [PEER_ADDRESS, 0]).option(0, v6 ? 6 : 5, 1, [...le32(~0), ...new Array<number>(28).fill(255)])
      .connect(0, PEER_ADDRESS, 0).send(0, 2000).socket(family, RAW, 5).int(1, level, v6 ? 36 : 3, 1).add(Op.SEND, [1, 8, ...le16(60), PEER_ADDRESS, 0, 0, ...ipv4({ src: US, dst: PEER, proto: 200 }, fill(40))]).int(0, v6 ? 5 : IP, 7, 3)
      .add(Op.GET_OPTION, [0, v6 ? 6 : 5, 1, 32, 0]).socket(family, RAW, 2).add(Op.DATAGRAM, datagram(v6, 5000, 300)).receive(2).receive(2, 0, 10)]);
    out.push([`ping-${v6}`, new Case(0).add(Op.SYSCTL, [8, 0]).add(Op.SYSCTL, [9, 14]).socket(family, DGRAM, v6 ? 4 : 3).add(Op.SEND, [0, 8, ...le16(20), PEER_ADDRESS, 0, 0, v6 ? 128 : 8, 0, 0, 0, 0, 0, 0, 1]).add(Op.ANSWER, [0, 28]).receive(0).connect(0, PEER_ADDRESS, 0)
      .add(Op.SEND, [0, 0, ...le16(20), v6 ? 128 : 8, 0, 0, 0, 0, 0, 0, 1]).add(Op.ICMP_ERROR, [0, 28, 3, 1, ...le32(0), ...le16(100)]).receive(0).receive(0, 27).bind(0, OWN, 77)]);
  }
  out.push(['udp-broadcast', new Case(0).socket(INET, DGRAM).bind(0, ANY, 67).send(0, 20, [BROADCAST, 68]).int(0, SOCKET_LEVEL, 6, 1).send(0, 20, [BROADCAST, 68]).add(Op.DATAGRAM, [28, 8, ...le16(68), ...le16(67), ...le16(30)]).receive(0)
    .socket(INET, DGRAM).int(0, SOCKET_LEVEL, 2, 1).int(1, SOCKET_LEVEL, 2, 1).int(1, SOCKET_LEVEL, 15, 1).bind(1, ANY, 67).add(Op.DATAGRAM, [28, 8, ...le16(68), ...le16(67), ...le16(30)]).receive(1).add(Op.IOCTL, [1, ...le16(0x8906)])]);
  // RFC 768: no checksum is a checksum of 0 (IPv4 only); padding behind the datagram.
  out.push(['udp-no-checksum', new Case(0).socket(INET, DGRAM).bind(0, ANY, 5000).raw(frame4({ proto: 17 }, udp(PEER, 7, US, 5000, fill(20), { csum: 0 })), 4).receive(0).raw(frame4({ proto: 17 }, cat(udp(PEER, 7, US, 5000, fill(9), { csum: 0 }), fill(9))), 4).receive(0)]);
  // RFC 3828: a coverage of its own, whole or less, and one that cannot be.
  const lite = (coverage: number): Bytes => {
    const d = cat(be16(7), be16(5000), be16(coverage), [0, 0], fill(20));
    d.set(be16(checksum(pseudo(PEER, US, 136, d.length), d.subarray(0, coverage || d.length))), 6);
    return frame4({ proto: 136 }, d);
  };
  out.push(['udplite', [0, 28, 12, 8, 3, 99].reduce((c, n, i) => c.raw(lite(n), 4).receive(0).option(0, LITE, 11, le32([20, 0][i & 1])).option(0, LITE, 10, le32(n)).send(0, 20), new Case(0).socket(INET, DGRAM, LITE_PROTOCOL).bind(0, ANY, 5000).connect(0, PEER_ADDRESS, 7))
    .raw(frame4({ proto: 1 }, icmp(3, 3, 0, ipv4({ src: US, dst: PEER, proto: 136 }, udp(US, 5000, PEER, 7, fill(20)))))).receive(0).int(0, UDP, 103, 8).send(0, 30).raw(frame4({ proto: 136 }, fill(5)))]);
  out.push(['udp-cork', new Case(0).socket(INET, DGRAM).connect(0, PEER_ADDRESS, 9).send(0, 100, undefined, 1).send(0, 100, undefined, 1).send(0, 50).int(0, UDP, 1, 1).send(0, 1000).send(0, 1000).int(0, UDP, 1, 0).int(0, UDP, 103, 8).send(0, 3000)]);
  out.push(['udp-gso', new Case(1).socket(INET, DGRAM).bind(0, ANY, 5000).add(Op.RAW, [29 | 32, 1, 5, ...le16(100), ...le16(34), ...le16(6), ...ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto: 17 }, udp(PEER, 7, US, 5000, fill(450), { csum: 0x1234 })))])
    .raw(FRAMES[0][1]).receive(0).int(0, UDP, 104, 1).add(Op.RAW, [28 | 32, 1, 5, ...le16(100), ...le16(34), ...le16(6), ...ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto: 17 }, udp(PEER, 7, US, 5000, fill(450))))]).receive(0)]);
  out.push(['packet', new Case(0).socket(PACKET, RAW, 8).raw(FRAMES[0][1]).receive(0).bind(0, 2, 8).send(0, 60).add(Op.SEND, [0, 8, ...le16(60), 2, 8, 0, ...FRAMES[2][1]]).option(0, 7, 1, [...le32(2), 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0]).add(Op.GET_OPTION, [0, 7, 6, 8, 0])
    .socket(PACKET, DGRAM, 9).raw(FRAMES[2][1]).receive(1).send(1, 60, [2, 8]).int(0, 7, 23, 1).send(1, 60, [18, 8]).add(Op.NAMES, [1]).option(0, 7, 2, [...le32(2), 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0]).int(0, 7, 8, 1)]);
  const insn = (code: number, jt: number, jf: number, k: number): number[] => [...le16(code), jt, jf, ...le32(k)];
  const program = [insn(0x28, 0, 0, 12), insn(0x15, 0, 8, 0x800), insn(0x30, 0, 0, 23), insn(0x15, 1, 0, 17), insn(0x25, 0, 1, 1), insn(0xb1, 0, 0, 14), insn(0x48, 0, 0, 16), insn(0x07, 0, 0, 0), insn(0x80, 0, 0, 0), insn(0x06, 0, 0, 65535), insn(0x06, 0, 0, 0)];
  const arithmetic = [insn(0, 0, 0, 7), insn(1, 0, 0, 3), insn(2, 0, 0, 1), insn(3, 0, 0, 2), insn(0x60, 0, 0, 1), insn(0x61, 0, 0, 2), ...[0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xa0].flatMap((o) => [insn(4 | o, 0, 0, 3), insn(12 | o, 0, 0, 0)]), insn(0x87, 0, 0, 0), insn(5, 0, 0, 0), insn(0x45, 0, 0, 1), insn(0x35, 0, 0, 1), insn(0x1d, 0, 0, 0), insn(0x16, 0, 0, 0)];
  out.push(['filter', new Case(0).socket(PACKET, RAW, 8).option(0, SOCKET_LEVEL, 26, [...le16(program.length), ...new Array<number>(14).fill(0), ...program.flat()]).option(0, SOCKET_LEVEL, 26, program.flat()).raw(FRAMES[0][1]).raw(FRAMES[2][1]).receive(0).socket(INET, DGRAM).bind(1, ANY, 5000)
    .option(1, SOCKET_LEVEL, 26, [...le16(arithmetic.length), ...new Array<number>(14).fill(0), ...arithmetic.flat()]).add(Op.DATAGRAM, datagram(0, 5000, 30)).receive(1).int(1, SOCKET_LEVEL, 27, 0).option(1, SOCKET_LEVEL, 26, insn(6, 0, 0, 0)).add(Op.DATAGRAM, datagram(0, 5000, 30))]);
  return out;
}

function network(): [string, Case][] {
  const out: [string, Case][] = [];
  for (const world of [0, 1, 2]) {
    for (let i = 0; i < FRAMES.length; i += 8) {
      const c = new Case(world).socket(INET, DGRAM).connect(0, PEER_ADDRESS, 9).send(0, 28).add(Op.ANSWER, [0, 28]);
      for (const [, f] of FRAMES.slice(i, i + 8)) c.raw(f, 0).time(100).raw(cat(new Uint8Array(12), f.subarray(12)), 30);
      out.push([`frames-${world}-${i / 8}`, c.time(40000)]);
    }
  }
  const part4 = (frag: number, n: number, id = 9): Bytes => frame4({ proto: 17, frag, id }, fill(n));
  const part6 = (offset: number, more: number, n: number): Bytes => frame6(PEER6, US6, 44, 64, cat([17, 0], be16((offset << 3) | more), be32(7), fill(n)));
  const whole = udp(PEER, 7, US, 5000, fill(1592)), whole6 = udp(PEER6, 7, US6, 5000, fill(1592));
  out.push(['fragments', new Case(0).socket(INET6, DGRAM).bind(0, ANY, 5000).raw(frame4({ proto: 17, frag: 185, id: 3 }, whole.subarray(1480)), 4).raw(frame4({ proto: 17, frag: 0x2000, id: 3 }, whole.subarray(0, 1480)), 4).receive(0)
    .raw(frame6(PEER6, US6, 44, 64, cat([17, 0], be16(1), be32(3), whole6.subarray(0, 800))), 0).raw(frame6(PEER6, US6, 44, 64, cat([17, 0], be16(800), be32(3), whole6.subarray(800))), 0).receive(0)
    .raw(part4(0x2000, 64), 4).raw(part4(0x2000, 64), 4).raw(part4(0x2004, 64), 4).raw(part4(0x2008, 63), 4).raw(part4(20, 30), 4).raw(part4(10, 30), 4).raw(part4(0x3fff, 64), 4).raw(part4(0x2001, 8), 4).time(31000)
    .raw(part6(0, 1, 64), 0).raw(part6(8, 1, 64), 0).raw(part6(4, 1, 64), 0).raw(part6(0, 1, 63), 0).raw(part6(0, 0, 20), 0).raw(part6(8190, 0, 80), 0).raw(part6(2, 1, 8), 0).raw(part6(0, 1, 800), 0).time(61000)]);
  const forward: [string, Bytes][] = [];
  const toFar = (o: { ttl?: number; options?: number[]; frag?: number; dst?: string }, n = 40): Bytes => ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: '10.1.0.2', proto: 17, ...o }, udp(PEER, 7, '10.1.0.2', 9, fill(n))));
  for (const o of [{}, { ttl: 1 }, { ttl: 2 }, { options: [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, { options: [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0] }, { options: [131, 7, 4, 10, 1, 0, 2, 0] }, { options: [137, 7, 4, 10, 1, 0, 2, 0] }, { options: [7, 3, 1, 0] }, { options: [68, 2, 0, 0] }, { frag: 0x4000 }, { dst: '10.0.0.9' }, { dst: '192.0.2.7' }, { dst: '10.9.1.1' }, { dst: '127.0.0.1' }, { dst: '10.1.0.255' }])
    forward.push(['f4', toFar(o)]);
  forward.push(['big', toFar({ frag: 0x4000 }, 1400)]);
  for (const hops of [64, 1, 2]) forward.push(['f6', frame6(PEER6, 'fd01::2', 17, hops, udp(PEER6, 7, 'fd01::2', 9, fill(40)))]);
  for (const dst of ['fd00::9', '2001:db8::7', 'fe80::77', 'ff05::9', '::1']) forward.push(['f6', frame6(PEER6, dst, 17, 64, udp(PEER6, 7, dst, 9, fill(40)))]);
  for (const world of [0, 1]) {
    const c = new Case(world);
    for (const [, f] of forward) c.raw(f, 28);
    out.push([`forward-${world}`, c.netlink(16, 0, [0, 0, 0, 0, ...le32(3), 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 4, 0, ...le32(1280)]).raw(toFar({ frag: 0x4000 }, 1400)).raw(toFar({}, 1400)).raw(frame6(PEER6, 'fd01::2', 17, 64, udp(PEER6, 7, 'fd01::2', 9, fill(1400)))).time(4000)]);
  }
  const headers6 = new Case(0);
  const ext = (chain: number[][], first: number): Bytes => frame6(PEER6, US6, first, 64, cat(...chain, udp(PEER6, 1, US6, 9, fill(20))));
  for (const [first, chain] of [[0, [[17, 0, 5, 2, 0, 0, 1, 0]]], [0, [[17, 0, 194, 4, 0, 1, 0, 0]]], [0, [[17, 0, 0x1e, 4, 0, 0, 0, 0]]], [0, [[17, 0, 0x5e, 4, 0, 0, 0, 0]]], [0, [[17, 0, 0x9e, 4, 0, 0, 0, 0]]], [0, [[17, 0, 0xde, 4, 0, 0, 0, 0]]], [0, [[17, 0, 1, 9, 0, 0, 0, 0]]],
    [60, [[17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]], [43, [[17, 2, 0, 1, 0, 0, 0, 0, ...addr(PEER6)]]], [43, [[17, 0, 2, 0, 0, 0, 0, 0]]], [43, [[17, 0, 99, 1, 0, 0, 0, 0]]], [60, [[0, 0, 1, 4, 0, 0, 0, 0], [17, 0, 1, 4, 0, 0, 0, 0]]], [59, []], [99, []], [51, [[17, 4, 0, 0, 0, 0, 0, 1]]], [60, [[17, 9, 0, 0, 0, 0, 0, 0]]], [44, [[0, 0, 0, 1, 0, 0, 0, 1]]]] as [number, number[][]][])
    headers6.raw(ext(chain, first), 28);
  out.push(['headers6', headers6]);
  const nds = new Case(2);
  for (const f of [nd('::', 'ff02::1:ff00:1', 135, cat(be32(0), addr(US6))), nd('fe80::9', US6, 135, cat(be32(0), addr(US6), lladdr(1))), nd('fe80::9', ALL_NODES, 136, cat([0x20, 0, 0, 0], addr(US6), lladdr(2))), nd('fe80::9', ALL_NODES, 136, cat([0xa0, 0, 0, 0], addr('fe80::9'), lladdr(2))),
    nd(ROUTER, ALL_NODES, 134, ra), nd(ROUTER, ALL_NODES, 134, cat([0, 0x40], be16(0), be32(30000), be32(2000), [5, 1, 0, 0], be32(500), [3, 4, 64, 0xc0], be32(0), be32(0), be32(0), addr('2001:db8:1::'))), nd(ROUTER, ALL_NODES, 134, cat([64, 8], be16(9000), be32(0), be32(0), [24, 2, 32, 8], be32(600), addr('2001:db8::').subarray(0, 8), [3, 4, 96, 0xc0], be32(~0 >>> 0), be32(~0 >>> 0), be32(0), addr('2001:db8:5::'), [31, 2, 0, 0], be32(9), [0, 0, 0, 0, 0, 0, 0, 0], [25, 5, 0, 0], be32(900), addr('2001:db8::53'), addr('2001:db8::54'))),
    nd(ROUTER, ALL_NODES, 134, cat([64, 0], be16(10), be32(0), be32(0), [1, 0])), nd(ROUTER, US6, 137, cat(be32(0), addr(ROUTER), addr('2001:db8::9'))), nd('fe80::9', 'ff02::2', 133, cat(be32(0), lladdr(1)))])
    nds.raw(f, 0).time(1500);
  out.push(['nd', nds.socket(INET6, DGRAM).send(0, 20, [NOBODY, 9]).send(0, 20, [10, 9]).send(0, 20, [7, 9]).add(Op.ANSWER, [0, 28]).time(1000).add(Op.ANSWER, [0, 28]).time(9000).add(Op.ANSWER, [1, 28]).time(4000)]);
  out.push(['arp', new Case(2).socket(INET, DGRAM).send(0, 20, [PEER_ADDRESS, 9]).send(0, 30, [PEER_ADDRESS, 9]).add(Op.ANSWER, [0, 28]).send(0, 20, [NOBODY, 9]).time(900).time(900).time(1500).send(0, 20, [NOBODY, 9]).receive(0).raw(ethernet('ff:ff:ff:ff:ff:ff', PEER_MAC, 0x0806, arp(1, PEER_MAC, US, '00:00:00:00:00:00', US)), 0)
    .raw(ethernet('ff:ff:ff:ff:ff:ff', PEER_MAC, 0x0806, arp(1, PEER_MAC, '0.0.0.0', '00:00:00:00:00:00', US)), 0).raw(ethernet(OUR_MAC, PEER_MAC, 0x0806, arp(2, PEER_MAC, '10.0.0.77', OUR_MAC, US)), 0).time(40000).send(0, 20, [PEER_ADDRESS, 9]).time(6000).time(4000).raw(ethernet(OUR_MAC, PEER_MAC, 0x0806, arp(2, '02:00:00:00:00:99', PEER, OUR_MAC, US)), 0).time(60000)]);
  out.push(['icmp', new Case(0).socket(INET, DGRAM).bind(0, ANY, 5000).connect(0, PEER_ADDRESS, 9).send(0, 100).add(Op.ICMP_ERROR, [0, 28, 3, 4, 0, 0, 2, 88, ...le16(60)]).send(0, 1400).add(Op.ICMP_ERROR, [0, 28, 11, 0, ...le32(0), ...le16(60)]).add(Op.ICMP_ERROR, [1, 28, 12, 0, 8, 0, 0, 0, ...le16(60)])
    .add(Op.ICMP_ERROR, [1, 28, 5, 1, 10, 0, 0, 9, ...le16(60)]).add(Op.ICMP_ERROR, [1, 28, 5, 0, 10, 0, 0, 2, ...le16(8)]).add(Op.ICMP_ERROR, [1, 28, 4, 0, ...le32(0), ...le16(60)]).raw(frame4({ proto: 1 }, icmp(8, 0, 1, fill(1400))), 28).raw(frame4({ proto: 1, dst: '10.0.0.255' }, icmp(8, 0, 1, fill(20))), 12).raw(frame4({ proto: 1 }, icmp(17, 0, 1, [])), 12)
    .raw(frame4({ proto: 1 }, icmp(13, 0, 1, fill(12))), 12).raw(frame4({ proto: 1 }, icmp(0, 0, 1, [])), 12).raw(frame4({ proto: 99 }, fill(20)), 12).raw(frame6(PEER6, US6, 58, 64, icmp6(PEER6, US6, 200, 0, fill(20))), 8).raw(frame6(PEER6, US6, 58, 64, icmp6(PEER6, US6, 129, 0, fill(20))), 8)]);
  out.push(['stall', accepted().add(Op.STALL, [3]).write(1, 60000).send(1, 9000).time(1000).raw(FRAMES[2][1]).raw(FRAMES[2][1]).add(Op.STALL, [0]).time(50).seg(ack())]);
  const link = (index: number, up: number): number[] => [0, 0, 0, 0, ...le32(index), ...le32(up), ...le32(1)];
  out.push(['links', accepted().write(1, 3000).netlink(16, 4, link(2, 0)).write(1, 3000).time(3000).netlink(16, 4, link(2, 1)).time(3000).netlink(16, 4, link(1, 0)).netlink(16, 4, link(1, 1)).netlink(16, 4, link(3, 0)).time(100)]);
  return out;
}

const attr = (type: number, data: readonly number[] | Bytes): number[] => {
  const n = 4 + data.length, a = [...le16(n), ...le16(type), ...data];
  while (a.length % 4) a.push(0);
  return a;
};

function control(): [string, Case][] {
  const out: [string, Case][] = [];
  const dumps = accepted(2).socket(INET, DGRAM).bind(2, ANY, 9).socket(NETLINK, RAW).send(0, 20, [NOBODY, 9]);
  for (const type of [18, 22, 26, 30, 34, 66, 78]) for (const family of [0, 2, 10]) dumps.netlink(type, 0x300, [family, ...new Array<number>(15).fill(0)]);
  out.push(['dumps', dumps.netlink(18, 4, [0, 0, 0, 0, ...le32(2), 0, 0, 0, 0, 0, 0, 0, 0]).netlink(18, 4, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...attr(3, [...Buffer.from('eth1'), 0])]).netlink(26, 4, [2, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...attr(1, addr('10.1.0.9'))])
    .netlink(26, 4, [10, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...attr(1, addr('fd01::9')), ...attr(4, le32(3))]).netlink(30, 4, [2, 0, 0, 0, ...le32(2), 0, 0, 0, 0, ...attr(1, addr(PEER))]).netlink(22, 0x300, [2, 0, 0, 0, 0, 0, 0, 0])]);
  const route = (family: number, plen: number, rest: number[]): number[] => [family, plen, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0, ...rest];
  const c = new Case(0);
  for (const [type, flags, body] of [
    [20, 0x605, [2, 24, 0, 0, ...le32(2), ...attr(2, addr('10.0.5.1')), ...attr(1, addr('10.0.5.1')), ...attr(4, addr('10.0.5.255'))]], [20, 0x605, [10, 64, 0, 0, ...le32(2), ...attr(1, addr('fd05::1')), ...attr(6, [...le32(100), ...le32(200), ...le32(0), ...le32(0)]), ...attr(8, le32(0x02))]],
    [20, 0x605, [2, 24, 0, 0, ...le32(2), ...attr(2, addr('10.0.5.1'))]], [21, 5, [2, 24, 0, 0, ...le32(2), ...attr(2, addr('10.0.5.1'))]], [21, 5, [10, 64, 0, 0, ...le32(2), ...attr(1, addr('fd05::1'))]], [20, 0x405, [2, 33, 0, 0, ...le32(2), ...attr(2, addr('10.0.5.1'))]], [20, 0x405, [2, 8, 0, 0, ...le32(9), ...attr(2, addr('10.0.5.1'))]],
    [24, 0x605, route(2, 24, [...attr(1, addr('10.7.0.0')), ...attr(5, addr(PEER)), ...attr(4, le32(2)), ...attr(6, le32(5))])], [24, 0x505, route(2, 24, [...attr(1, addr('10.7.0.0')), ...attr(5, addr(PEER)), ...attr(8, attr(2, le32(1300)))])], [25, 5, route(2, 24, attr(1, addr('10.7.0.0')))], [24, 0x605, route(10, 64, [...attr(1, addr('fd07::')), ...attr(5, addr(PEER6)), ...attr(4, le32(2))])],
    [25, 5, route(10, 64, attr(1, addr('fd07::')))], [24, 0x605, route(2, 32, [...attr(1, addr('10.8.0.1')), ...attr(4, le32(3))]).map((v, i) => (i === 7 ? 6 : v))], [24, 0x605, route(2, 99, attr(1, addr('10.8.0.1')))], [24, 0x605, route(2, 32, [...attr(1, addr('10.8.0.2')), ...attr(5, addr('192.0.2.1'))])],
    [28, 0x605, [2, 0, 0, 0, ...le32(2), ...le16(0x80), 0, 1, ...attr(1, addr('10.0.0.9')), ...attr(2, [2, 0, 0, 0, 0, 9])]], [29, 5, [2, 0, 0, 0, ...le32(2), 0, 0, 0, 0, ...attr(1, addr('10.0.0.9'))]], [28, 0x605, [10, 0, 0, 0, ...le32(2), ...le16(0x80), 0, 1, ...attr(1, addr('fd00::9')), ...attr(2, [2, 0, 0, 0, 0, 9])]], [28, 0x605, [2, 0, 0, 0, ...le32(99), ...le16(2), 0, 1, ...attr(1, addr('10.0.0.9'))]],
    [16, 5, [0, 0, 0, 0, ...le32(2), 0, 0, 0, 0, 0, 0, 0, 0, ...attr(4, le32(1400)), ...attr(13, le32(5)), ...attr(1, [2, 0, 0, 0, 0, 0x21])]], [16, 5, [0, 0, 0, 0, ...le32(2), 0, 0, 0, 0, 0, 0, 0, 0, ...attr(4, le32(20))]], [16, 5, [0, 0, 0, 0, ...le32(9), 0, 0, 0, 0, 0, 0, 0, 0]], [32, 5, [2, 0, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0]], [19, 5, []], [99, 5, [1, 2, 3]],
  ] as [number, number, number[]][]) c.netlink(type, flags, body);
  out.push(['netlink', c.netlink(26, 0x300, route(0, 0, []), 1).netlink(24, 5, [...route(2, 24, []), 3, 0, 1, 0]).netlink(18, 0x301, [0])]);
  const diag = accepted().socket(INET6, DGRAM).bind(2, ANY, 77).socket(PACKET, RAW, 8).netlink(0, 0, []);
  for (const family of [2, 10, 17, 16, 1]) for (const protocol of [6, 17, 255, 1]) diag.netlink(20, 0x300, [family, protocol, 255, 0, ...le32(0xfff), ...new Array<number>(48).fill(0)], 2);
  out.push(['sock-diag', diag.netlink(20, 4, [2, 6, 15, 0, ...le32(0xfff), ...be16(8080), ...be16(40000), ...addr(US), ...new Array<number>(12).fill(0), ...addr(PEER), ...new Array<number>(12).fill(0), 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255], 2).netlink(18, 0x300, [], 2)]);
  const name = (text: string): number[] => [...Buffer.from(text.padEnd(16, '\0'))];
  const io = new Case(0).socket(INET, DGRAM).bind(0, ANY, 5000).add(Op.DATAGRAM, [28, 0, 7, 0, ...le16(5000), 9, 0]);
  for (const cmd of [0x541b, 0x5411, 0x8905, 0x8906, 0x8907, 0x8910, 0x8912, 0x8913, 0x8914, 0x8915, 0x8917, 0x8919, 0x891b, 0x891d, 0x8921, 0x8927, 0x8933, 0x8942, 0x8970, 0x8946, 0x1234]) io.add(Op.IOCTL, [0, ...le16(cmd), ...name('eth0'), ...le32(2)]);
  io.add(Op.IOCTL, [0, ...le16(0x8912), ...le32(80), 0, 0, 0, 0, 1]).add(Op.IOCTL, [0, ...le16(0x8913), ...name('nothing')]).add(Op.IOCTL, [0, ...le16(0x8910), ...name(''), ...le32(9)]).add(Op.IOCTL, [0, ...le16(0x8915), ...name('lo')]).receive(0);
  out.push(['ioctls', io.add(Op.IOCTL, [0, ...le16(0x8906)]).add(Op.IOCTL, [0, ...le16(0x8907)])]);
  // Every option of every level, set to ints and to odd lengths, then read.
  const kinds: [string, number, number, number][] = [['tcp', INET, STREAM, 0], ['tcp6', INET6, STREAM, 0], ['udp', INET, DGRAM, 0], ['udp6', INET6, DGRAM, 0], ['raw', INET, RAW, 5], ['raw6', INET6, RAW, 4], ['packet', PACKET, RAW, 8], ['netlink', NETLINK, RAW, 0]];
  for (const [kind, family, type, protocol] of kinds) {
    const levels = kind === 'packet' ? [0, 7] : kind === 'netlink' ? [0, 8] : [0, IP, IPV6, TCP, UDP, 5, 6];
    for (const level of levels) {
      const sweep = new Case(0).socket(family, type, protocol);
      for (let n = 0; n < (level < 3 ? 85 : level === UDP ? 120 : 45); n++) sweep.int(0, level, n, n % 5 === 4 ? 8 : 1).int(0, level, n, 2).add(Op.GET_OPTION, [0, level, n, 64, 0]);
      for (let n = 0; n < 70; n += 1) sweep.option(0, level, n, [1]).option(0, level, n, []).add(Op.GET_OPTION, [0, level, n, 1, 0]).add(Op.GET_OPTION, [0, level, n, 0, 0]);
      out.push([`options-${kind}-${level}`, sweep]);
    }
  }
  const settings = new Case(0);
  for (let k = 0; k < 75; k++) settings.add(Op.SYSCTL, [k, k % 16]);
  for (let k = 0; k < 6; k++) for (let i = 0; i < 4; i++) settings.add(Op.DEVICE_CONF, [i, k, k + i]);
  out.push(['settings', settings.socket(INET, STREAM).connect(0, PEER_ADDRESS, 80).seg({ flags: S | A, options: 15, extra: [...le16(1460), 7, 1] }).write(0, 9000).time(1000).seg(ack())]);
  for (const v6 of [0, 1]) {
    const any = new Case(0).netlink(24, 0x605, [v6 ? 10 : 2, 0, 0, 0, 254, 4, 254, 2, 0, 0, 0, 0, ...attr(4, le32(1))]).socket(v6 ? INET6 : INET, STREAM).int(0, v6 ? IPV6 : IP, v6 ? 75 : 19, 1).option(0, SOCKET_LEVEL, 25, [...Buffer.from('eth0'), 0]).bind(0, ANY, 0)
      .add(Op.LISTEN, [0, 10]).add(Op.GATEWAY, [0, 0]).syn(443, 43000, {}, v6).add(Op.GATEWAY, [1, 0]).add(Op.GATEWAY, [2, 0, 115]).add(Op.GATEWAY, [2, 0, 0]).seg(ack()).add(Op.ACCEPT, [0]).seg(ack({ len: 10 })).read(1, 10);
    for (const errno of [111, 101, 113, 13, 110, 5]) any.syn(443, 43001 + errno, {}, v6).add(Op.GATEWAY, [1, 0]).add(Op.GATEWAY, [2, 0, errno]);
    any.socket(v6 ? INET6 : INET, DGRAM).int(2, v6 ? IPV6 : IP, v6 ? 75 : 19, 1).option(2, SOCKET_LEVEL, 25, [...Buffer.from('eth0'), 0]).bind(2, ANY, 0).add(Op.GATEWAY, [0, 2]).add(Op.DATAGRAM, [28, v6, 7, 0, 99, 0, 9, 0]).receive(2);
    for (const errno of [111, 101, 113, 13, 1]) any.add(Op.GATEWAY, [0x83, 2, errno, 2, 7, 0, 10, 9, 0, ...fill(40)]).add(Op.GATEWAY, [0x87, 2, errno, 2, 7, 0, 10, 9, 0, ...fill(40)]);
    out.push([`gateway-${v6}`, any.time(9000)]);
  }
  return out;
}

/** Name -> test case. */
export function seeds(): Map<string, Uint8Array> {
  return new Map([...tcp(), ...datagrams(), ...network(), ...control(), ...rare()].map(([name, c]) => [name, c.bytes]));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
  for (const [name, bytes] of seeds()) writeFileSync(new URL(`../../../../test/fuzz/corpus/seed-${name}.bin`, import.meta.url), bytes);
