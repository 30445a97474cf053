// The part of the hand-made corpus that ordinary exchanges do not reach: full tables, detection of duplicate addresses, routes that
// refuse, notifications, malformed lengths.
import { OUR_MAC, PEER, PEER6, PEER_MAC, US, US6 } from '../harness/host.js';
import { addr, arp, be16, be32, cat, ethernet, icmp, icmp6, ipv4, udp, type Bytes } from '../harness/packet.js';
import { Case, Op, le16, le32 } from './case.js';
import { ALL_NODES, GROUP, GROUP6, ROUTER, fill, frame4, frame6, lladdr, nd } from './frames.js';

const INET = 0, INET6 = 1, NETLINK = 2, PACKET = 3, STREAM = 1, DGRAM = 2, RAW = 3;
const SOCKET_LEVEL = 0, IP = 1, IPV6 = 2;
const S = 2, A = 16, TS = 8;

const attr = (type: number, data: readonly number[] | Bytes): number[] => {
  const n = 4 + data.length, a = [...le16(n), ...le16(type), ...data];
  while (a.length % 4) a.push(0);
  return a;
};
const address = (family: number, plen: number, index: number, a: string, rest: readonly number[] = []): number[] => [family, plen, 0, 0, ...le32(index), ...attr(2, addr(a)), ...attr(1, addr(a)), ...rest];
const route = (family: number, plen: number, type: number, rest: readonly number[]): number[] => [family, plen, 0, 0, 254, 4, 0, type, 0, 0, 0, 0, ...rest];
/** Raw name of a netlink socket: port, groups. */
const netlinkName = (pid: number, groups: number): number[] => [64, 0, 0, 16, 0, 0, 0, ...le32(pid), ...le32(groups)];
const flood = (c: Case, how: number, count: number, at: number, frame: Bytes): Case => c.add(Op.RAW, [how | 64, ...le16(count), ...le16(at), ...frame]);

function tables(): [string, Case][] {
  const out: [string, Case][] = [];
  out.push(['full-neighbours', flood(flood(new Case(0), 12, 1500, 52, nd('fd00::5:0', US6, 135, cat(be32(0), addr(US6), lladdr(1)))), 0, 300, 30, ethernet('ff:ff:ff:ff:ff:ff', PEER_MAC, 0x0806, arp(1, PEER_MAC, '10.0.0.0', '00:00:00:00:00:00', US)))
    .socket(INET6, DGRAM).send(0, 10, [7, 9]).send(0, 10, [2, 9]).time(60000)]);
  const fixed = flood(new Case(0), 12, 1500, 36, nd('fd00::5:0', US6, 135, cat(be32(0), addr(US6), lladdr(1))));
  out.push(['neighbour-sources', fixed.time(100)]);
  out.push(['full-fragments', flood(flood(new Case(0), 4, 400, 18, frame4({ proto: 17, frag: 0x2000 }, fill(64))), 0, 400, 60, frame6(PEER6, US6, 44, 64, cat([17, 0], be16(1), be32(0), fill(64)))).time(90000)]);
  out.push(['many-pieces', flood(new Case(0), 4, 1200, 20, frame4({ proto: 17, frag: 0x2000, id: 5 }, fill(8))).time(90000)]);
  out.push(['full-memory-of-fragments', flood(flood(new Case(0), 4, 500, 18, frame4({ proto: 17, frag: 0x2000 }, fill(1400))), 4, 200, 20, frame4({ proto: 17, frag: 0x2000, id: 9 }, fill(1400))).time(90000)]);
  out.push(['many-routers', flood(new Case(2), 12, 60, 36, nd('fe80::9:0', ALL_NODES, 134, cat([64, 0], be16(1800), be32(0), be32(0), lladdr(1), [3, 4, 64, 0xc0], be32(900), be32(800), be32(0), addr('2001:db9:1::')))).time(100)]);
  out.push(['many-prefixes', flood(new Case(2), 12, 60, 90, nd(ROUTER, ALL_NODES, 134, cat([64, 0], be16(1800), be32(0), be32(0), lladdr(1), [3, 4, 64, 0xc0], be32(900), be32(800), be32(0), addr('2001:db9:1::')))).time(2000000)]);
  out.push(['many-redirects', flood(new Case(0).socket(INET, DGRAM).send(0, 10, [10, 9]), 12, 400, 60, frame4({ proto: 1 }, icmp(5, 1, 0x0a000009, ipv4({ src: US, dst: '192.0.2.1', proto: 17 }, udp(US, 5000, '192.0.2.1', 9, fill(8)))))).time(100)]);
  out.push(['syn-flood', flood(new Case(0).socket(INET, STREAM).bind(0, 0, 8080).add(Op.LISTEN, [0, 100]), 12, 600, 34, frame4({ proto: 6 }, cat(be16(0), be16(8080), be32(1), be32(0), [0x50, 2], be16(1000), [0, 0, 0, 0]))).time(200000)]);
  out.push(['full-receive', flood(new Case(0).socket(INET, DGRAM).bind(0, 0, 5000).int(0, SOCKET_LEVEL, 8, 1).socket(PACKET, RAW, 8).int(1, SOCKET_LEVEL, 8, 1).socket(INET, RAW, 2).int(2, SOCKET_LEVEL, 8, 1), 12, 60, 34, frame4({ proto: 17 }, udp(PEER, 7, US, 5000, fill(400)))).add(Op.GET_OPTION, [1, 7, 6, 8, 0])
    .int(0, SOCKET_LEVEL, 40, 1).receive(0)]);
  out.push(['reassembled', new Case(0).socket(INET, DGRAM).bind(0, 0, 5000).raw(frame4({ proto: 17, frag: 0x2000, id: 4 }, udp(PEER, 7, US, 5000, fill(1592)).subarray(0, 800)), 4).raw(frame4({ proto: 17, frag: 0x2000 | 100, id: 4 }, fill(400)), 4).raw(frame4({ proto: 17, frag: 150, id: 4 }, fill(400)), 4).receive(0)
    .raw(frame4({ proto: 17, frag: 0x1fff, id: 8 }, fill(800)), 4)]);
  const ecn = (tos: number, frag: number, n: number, id: number): Bytes => ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto: 17, tos, frag, id }, fill(n)));
  out.push(['fragments-ecn', new Case(0).raw(ecn(1, 0x2000, 64, 1), 4).raw(ecn(3, 8, 64, 1), 4).raw(ecn(0, 0x2000, 64, 2), 4).raw(ecn(3, 8, 64, 2), 4).raw(ecn(2, 0x2000, 64, 3), 4).raw(ecn(1, 8, 64, 3), 4).raw(ecn(0, 0x2000, 64, 4), 4).raw(ecn(0, 8, 64, 4), 4)]);
  return out;
}

function detection(): [string, Case][] {
  const out: [string, Case][] = [];
  const add4 = address(2, 24, 2, '10.0.0.50', attr(8, le32(0x40))), add6 = [10, 64, 0, 0, ...le32(2), ...attr(1, addr('fd00::50'))];
  const probe = ethernet('ff:ff:ff:ff:ff:ff', PEER_MAC, 0x0806, arp(1, PEER_MAC, '0.0.0.0', '00:00:00:00:00:00', '10.0.0.50')), claim = ethernet('ff:ff:ff:ff:ff:ff', PEER_MAC, 0x0806, arp(2, PEER_MAC, '10.0.0.50', '00:00:00:00:00:00', '10.0.0.50'));
  const ns = nd('::', 'ff02::1:ff00:50', 135, cat(be32(0), addr('fd00::50'))), na = nd(PEER6, ALL_NODES, 136, cat([0x20, 0, 0, 0], addr('fd00::50'), lladdr(2)));
  for (const [name, frame] of [['none', null], ['probe', probe], ['claim', claim]] as const) {
    const c = new Case(0).netlink(20, 0x605, add4).time(20);
    if (frame) c.raw(frame, 0);
    out.push([`dad4-${name}`, c.time(1000).time(3000).time(5000).raw(claim, 0).time(300).raw(claim, 0).time(20000).raw(ethernet('ff:ff:ff:ff:ff:ff', OUR_MAC, 0x0806, arp(1, OUR_MAC, US, '00:00:00:00:00:00', US)), 0)]);
  }
  for (const [name, frame] of [['none', null], ['ns', ns], ['na', na], ['own', ethernet('33:33:ff:00:00:50', OUR_MAC, 0x86dd, ns.subarray(14))]] as const) {
    const c = new Case(0).netlink(20, 0x605, add6).time(1);
    if (frame) c.raw(frame, 0);
    out.push([`dad6-${name}`, c.time(300).add(Op.ANSWER, [0, 28]).time(1000).raw(nd('::', 'ff02::1:ff00:50', 135, cat(be32(0), addr('fd00::50'))), 0).time(5000).raw(nd('::', 'ff02::1:ff00:50', 135, cat(be32(0), addr('fd00::50'), lladdr(1))), 0).raw(nd('::', US6, 135, cat(be32(0), addr(US6))), 0)]);
  }
  const mess = new Case(0);
  for (const f of [
    nd(PEER6, US6, 135, cat(be32(0), addr('ff02::1'))), nd(PEER6, US6, 135, addr(US6)), nd(PEER6, US6, 136, addr(US6)), nd(PEER6, US6, 135, cat(be32(0), addr(US6), [1])), nd(PEER6, US6, 135, cat(be32(0), addr(US6), [1, 0, 0, 0, 0, 0, 0, 0])), nd(PEER6, US6, 135, cat(be32(0), addr(US6), [1, 1, 3, 0, 0, 0, 0, 9])),
    nd(PEER6, US6, 135, cat(be32(0), addr(US6))), nd('fe80::9', 'ff02::2', 133, cat(be32(0), lladdr(1))), nd(PEER6, US6, 143, be32(0)), nd(PEER6, US6, 136, cat([0x60, 0, 0, 0], addr('fd00::99'), lladdr(2))), nd(PEER6, ALL_NODES, 136, cat([0x60, 0, 0, 0], addr(PEER6), lladdr(2))), nd(PEER6, US6, 136, cat([0, 0, 0, 0], addr(PEER6), [2, 1, 2, 0, 0, 0, 0, 0x77])),
    frame6(PEER6, US6, 58, 254, icmp6(PEER6, US6, 135, 0, cat(be32(0), addr(US6)))), frame6(PEER6, US6, 58, 255, icmp6(PEER6, US6, 135, 1, cat(be32(0), addr(US6)))), frame6(PEER6, US6, 44, 255, cat([58, 0, 0, 0, 0, 0, 0, 9], icmp6(PEER6, US6, 135, 0, cat(be32(0), addr(US6))))),
    nd('fe80::9', US6, 137, cat(be32(0), addr('fe80::77'), addr('ff02::1'))), nd(ROUTER, US6, 137, be32(0)), nd(ROUTER, ALL_NODES, 134, be32(0)), nd(PEER6, ALL_NODES, 134, cat(be32(0), be32(0), be32(0))),
  ]) mess.raw(f, 8);
  out.push(['nd-malformed', mess.netlink(16, 5, [0, 0, 0, 0, ...le32(2), 0, 0, 0, 0, 0, 0, 0, 0])]);
  // Neighbours that are known, confirmed, asked again, and change.
  const c = new Case(2).socket(INET6, DGRAM).socket(INET, DGRAM);
  for (let i = 0; i < 4; i++) c.send(0, 10, [2, 9]).add(Op.ANSWER, [0, 28]).send(1, 10, [2, 9]).add(Op.ANSWER, [0, 28]).time(20000).send(0, 10, [2, 9]).send(1, 10, [2, 9]).time(3000).raw(nd(PEER6, US6, 136, cat([0x40, 0, 0, 0], addr(PEER6), [2, 1, 2, 0, 0, 0, 0, 0x70 + i])), 0).time(20000)
    .raw(ethernet(OUR_MAC, PEER_MAC, 0x0806, arp(2, PEER_MAC, PEER, OUR_MAC, US)), 0).raw(ethernet(OUR_MAC, PEER_MAC, 0x0806, arp(2, '02:00:00:00:00:70', PEER, OUR_MAC, US)), 0).raw(nd(PEER6, US6, 136, cat([0x40, 0, 0, 0], addr(PEER6), [2, 1, 2, 0, 0, 0, 0, 0x71])), 0);
  out.push(['neighbours', c.send(0, 10, [11, 9]).send(0, 10, [11, 9]).send(0, 10, [11, 9]).time(4000)]);
  return out;
}

function control(): [string, Case][] {
  const out: [string, Case][] = [];
  const changes = new Case(0).socket(NETLINK, RAW).add(Op.BIND, [0, ...netlinkName(99, ~0 >>> 0)]).socket(NETLINK, RAW).add(Op.BIND, [1, ...netlinkName(99, 0)]).add(Op.BIND, [0, ...netlinkName(77, 1)]).int(0, 8, 1, 1).int(0, 8, 2, 1);
  changes.netlink(20, 0x605, address(2, 24, 2, '10.0.5.1')).netlink(21, 5, address(2, 24, 2, '10.0.5.1')).netlink(20, 0x605, [10, 64, 0, 0, ...le32(2), ...attr(1, addr('fd05::1'))]).netlink(21, 5, [10, 64, 0, 0, ...le32(2), ...attr(1, addr('fd05::1'))]).netlink(16, 5, [0, 0, 0, 0, ...le32(2), ...le32(0), ...le32(1)])
    .netlink(16, 5, [0, 0, 0, 0, ...le32(2), ...le32(1), ...le32(1)]).netlink(28, 0x605, [2, 0, 0, 0, ...le32(2), ...le16(0x80), 0, 1, ...attr(1, addr('10.0.0.9')), ...attr(2, [2, 0, 0, 0, 0, 9])]).netlink(29, 5, [2, 0, 0, 0, ...le32(2), 0, 0, 0, 0, ...attr(1, addr('10.0.0.9'))]);
  for (let i = 0; i < 12; i++) changes.receive(0);
  out.push(['notifications', changes.add(Op.NAMES, [0]).add(Op.NAMES, [1])]);
  const refuse = new Case(1);
  for (const [type, net4, net6] of [[6, '10.60.0.0', 'fd60::'], [7, '10.70.0.0', 'fd70::'], [8, '10.80.0.0', 'fd80::'], [2, '10.20.0.0', 'fd20::'], [5, '10.50.0.0', 'fd50::'], [12, '10.12.0.0', 'fd12::']] as const) {
    refuse.netlink(24, 0x605, route(2, 16, type, [...attr(1, addr(net4)), ...(type === 2 ? attr(4, le32(1)) : [])])).netlink(24, 0x605, route(10, 64, type, [...attr(1, addr(net6)), ...(type === 2 ? attr(4, le32(1)) : [])]));
    const to4 = net4.replace(/0$/, '9'), to6 = `${net6}9`;
    refuse.raw(frame4({ proto: 17, dst: to4 }, udp(PEER, 7, to4, 9, fill(20)))).raw(frame6(PEER6, to6, 17, 64, udp(PEER6, 7, to6, 9, fill(20)))).raw(frame4({ proto: 17, dst: US }, udp(PEER, 7, US, 9, fill(20)))).netlink(26, 4, route(2, 32, 0, attr(1, addr(to4)))).netlink(26, 4, route(10, 128, 0, attr(1, addr(to6))));
    refuse.netlink(24, 0x905, route(2, 16, type, attr(1, addr(net4)))).netlink(24, 0x105, route(2, 16, type, attr(1, addr(net4)))).netlink(24, 5, route(2, 16, type, attr(1, addr(net4)))).netlink(24, 0xc05, route(2, 16, type, attr(1, addr(net4))));
  }
  const mtu = (n: number): number[] => attr(8, attr(2, le32(n)));
  refuse.netlink(24, 0x605, route(2, 16, 1, [...attr(1, addr('10.90.0.0')), ...attr(5, addr('10.1.0.2')), ...mtu(1000)])).netlink(24, 0x605, route(10, 64, 1, [...attr(1, addr('fd90::')), ...attr(5, addr('fd01::2')), ...mtu(1300)])).raw(frame4({ proto: 17, dst: '10.90.0.1', frag: 0x4000 }, udp(PEER, 7, '10.90.0.1', 9, fill(1200))))
    .raw(frame6(PEER6, 'fd90::1', 17, 64, udp(PEER6, 7, 'fd90::1', 9, fill(1400)))).netlink(24, 0x605, route(2, 24, 1, [...attr(1, addr('10.91.0.7')), ...attr(4, le32(2))])).netlink(24, 0x605, route(2, 24, 2, [...attr(1, addr('10.92.0.0')), ...attr(5, addr(PEER))])).netlink(24, 0x605, route(2, 24, 1, attr(1, addr('10.93.0.0'))));
  refuse.netlink(16, 5, [0, 0, 0, 0, ...le32(3), ...le32(0), ...le32(1)]).netlink(24, 0x605, route(2, 24, 1, [...attr(1, addr('10.94.0.0')), ...attr(4, le32(3))])).netlink(26, 4, route(2, 32, 0, attr(1, addr(US)))).netlink(26, 4, route(10, 128, 0, attr(1, addr(US6))));
  out.push(['routes-that-refuse', refuse.netlink(20, 0x705, address(2, 24, 2, US)).netlink(20, 0x505, address(2, 24, 2, US, attr(6, [...le32(50), ...le32(100), ...le32(0), ...le32(0)]))).netlink(20, 0x105, address(2, 24, 2, US)).netlink(16, 5, [0, 0, 0, 0, ...le32(2), 0, 0, 0, 0, 0, 0, 0, 0, ...attr(1, [3, 0, 0, 0, 0, 1])])
    .netlink(28, 0x605, [2, 0, 0, 0, ...le32(77), ...le16(0x80), 0, 1, ...attr(1, addr('10.0.0.9')), ...attr(2, [2, 0, 0, 0, 0, 9])]).netlink(99, 0x301, []).netlink(20, 4, [1, 2], 2)]);
  const diag = (family: number, protocol: number, ext: number): number[] => [family, protocol, ext, 0, ...le32(~0 >>> 0), ...new Array<number>(48).fill(0)];
  const sockets = new Case(0).socket(INET, STREAM).bind(0, 0, 8080).add(Op.LISTEN, [0, 10]).socket(INET6, STREAM).bind(1, 0, 8081).add(Op.LISTEN, [1, 10]).socket(INET, DGRAM).bind(2, 0, 99).socket(INET6, DGRAM).bind(3, 0, 98).syn(8080, 50000).seg({ flags: A, options: TS, extra: [1] }).add(Op.ACCEPT, [0]).syn(8080, 50001);
  for (const [family, protocol] of [[2, 6], [10, 6], [2, 17], [10, 17]]) for (const ext of [0, 1, 2, 4, 8, 16, 32, 255]) sockets.netlink(20, 0x300, diag(family, protocol, ext), 2);
  out.push(['diag-extensions', sockets.netlink(20, 4, [...diag(2, 6, 0)].map((v, i) => (i === 8 ? 0x1f : i === 9 ? 0x90 : v)), 2)]);
  return out;
}

function calls(): [string, Case][] {
  const out: [string, Case][] = [];
  const insn = (code: number, jt: number, jf: number, k: number): number[] => [...le16(code), jt, jf, ...le32(k)];
  const attach = (c: Case, s: number, ...program: number[][]): Case => c.option(s, SOCKET_LEVEL, 26, [...le16(program.length), ...new Array<number>(14).fill(0), ...program.flat()]);
  const filters = new Case(0).socket(INET, DGRAM).bind(0, 0, 5000).socket(INET, RAW, 2).socket(PACKET, RAW, 8);
  for (const bad of [[insn(0x60, 0, 0, 16), insn(6, 0, 0, 1)], [insn(2, 0, 0, 16), insn(6, 0, 0, 1)], [insn(0x34, 0, 0, 0), insn(6, 0, 0, 1)], [insn(5, 0, 0, 9), insn(6, 0, 0, 1)], [insn(0x15, 9, 0, 1), insn(6, 0, 0, 1)], [insn(0, 0, 0, 1)], []]) attach(filters, 0, ...bad);
  for (const s of [0, 1, 2]) {
    for (const program of [[insn(6, 0, 0, 0)], [insn(0x16, 0, 0, 0)], [insn(0x80, 0, 0, 0), insn(0x16, 0, 0, 0)], [insn(0x20, 0, 0, 5000), insn(6, 0, 0, 1)], [insn(0x28, 0, 0, 0xfffff000), insn(6, 0, 0, 1)], [insn(1, 0, 0, 2), insn(0x50, 0, 0, 0), insn(0xb1, 0, 0, 9000), insn(6, 0, 0, 1)], [insn(0xb1, 0, 0, 0), insn(0x87, 0, 0, 0), insn(7, 0, 0, 0), insn(0x25, 0, 0, 1), insn(0x35, 0, 0, 1), insn(0x45, 0, 0, 1), insn(6, 0, 0, 9)],
      [insn(0, 0, 0, 9), insn(1, 0, 0, 0), insn(0x3c, 0, 0, 0), insn(6, 0, 0, 1)], [insn(0, 0, 0, 9), insn(1, 0, 0, 40), insn(0x6c, 0, 0, 0), insn(0x7c, 0, 0, 0), insn(0x84, 0, 0, 0), insn(0xa4, 0, 0, 5), insn(0x94, 0, 0, 5), insn(0x34, 0, 0, 5), insn(0x1c, 0, 0, 0), insn(0x2c, 0, 0, 0), insn(0x4c, 0, 0, 0), insn(0x5c, 0, 0, 0), insn(2, 0, 0, 3), insn(3, 0, 0, 4), insn(0x60, 0, 0, 3), insn(0x61, 0, 0, 4), insn(6, 0, 0, 1)]]) {
      attach(filters, s, ...program).raw(frame4({ proto: 17 }, udp(PEER, 7, US, 5000, fill(30)))).receive(s);
    }
  }
  out.push(['filters', filters.int(0, SOCKET_LEVEL, 44, 1).int(0, SOCKET_LEVEL, 27, 0).int(1, SOCKET_LEVEL, 27, 0).int(1, SOCKET_LEVEL, 27, 0)]);
  // Names that are too short, of the wrong family, and of everything else.
  const names = new Case(0).socket(INET, DGRAM).socket(INET6, DGRAM).socket(PACKET, RAW, 8).socket(INET6, STREAM).socket(INET, RAW, 5);
  for (const s of [0, 1, 2, 3, 4]) for (const bytes of [[], [2], [0, 0], [0, 0, 0, 0, 0, 0, 0, 0], [2, 0, 0, 9], [10, 0, 0, 9, 0, 0, 0, 0], [10, 0, 0, 9, 0, 0, 0, 0, ...addr(US6)], [10, 0, 0, 9, 0, 0, 0, 0, ...addr('fe80::1'), ...le32(2)], [17, 0, 0, 8, ...le32(99), 0, 0, 0, 0], [17, 0, 0, 8, ...le32(2), 0, 0, 0, 0], [99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]])
    names.add(Op.BIND, [s, 64, 0, 0, ...bytes]).add(Op.CONNECT, [s, 64, 0, 0, ...bytes]).add(Op.SEND, [s, 8, 20, 0, 64, 0, 0, ...bytes]);
  out.push(['names', names.bind(3, 17, 8081).bind(1, 17, 99).add(Op.NAMES, [1])]);
  const ping = new Case(0).add(Op.SYSCTL, [8, 0]).add(Op.SYSCTL, [9, 14]).socket(INET, DGRAM, 3).socket(INET, DGRAM, 3).socket(INET6, DGRAM, 4).bind(0, 1, 77).bind(1, 1, 77).bind(2, 7, 78).bind(2, 10, 0).connect(0, 2, 0).connect(1, 8, 0);
  for (const s of [0, 1, 2]) ping.int(s, IP, 10, 2).int(s, IPV6, 23, 2).add(Op.SEND, [s, 0, ...le16(4), 8, 0, 0, 0]).add(Op.SEND, [s, 0, ...le16(3000), 8, 0, 0, 0, 0, 0, 0, 0]).add(Op.SEND, [s, 8, ...le16(20), 2 | 32, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0]).send(s, 65535, [2, 0]).add(Op.SEND, [s, 8, ...le16(20), 10, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
  out.push(['pings', ping.int(0, SOCKET_LEVEL, 7, 1).add(Op.STALL, [3]).add(Op.SEND, [0, 0, ...le16(900), 8, 0, 0, 0, 0, 0, 0, 0]).add(Op.SEND, [0, 0, ...le16(900), 8, 0, 0, 0, 0, 0, 0, 0]).add(Op.SEND, [0, 0, ...le16(900), 8, 0, 0, 0, 0, 0, 0, 0]).add(Op.STALL, [0])]);
  const m = new Case(0).socket(INET, DGRAM).socket(INET6, DGRAM).socket(INET, STREAM);
  for (const s of [0, 2]) for (const name of [32, 35, 36, 37, 38, 39, 40]) for (const value of [[0, 0, 0, 0], [...addr(GROUP), 0, 0, 0, 0], [...addr(US), ...addr(US)], [...addr(GROUP), ...addr(PEER)], [...addr(GROUP), ...addr(US), ...le32(2)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [...addr(GROUP), ...addr(US), ...addr(GROUP)], [...addr(GROUP), ...addr(US), ...le32(99)], [...addr('224.0.0.1'), ...addr(US), ...le32(0)]])
    m.option(s, IP, name, value);
  m.option(0, IP, 41, [...addr(GROUP), ...addr(US), ...le32(0), ...le32(9)]).option(0, IP, 41, [...addr(US), ...addr(US), ...le32(0), ...le32(0)]).add(Op.GET_OPTION, [0, IP, 41, 16, 0, ...addr(GROUP), ...addr(PEER), ...le32(0), ...le32(0)]).option(0, IP, 48, [...le32(2), 0, 0, 0, 0, ...new Array<number>(140).fill(0)]);
  for (const value of [[...addr(GROUP6)], [...addr(GROUP6), ...le32(99)], [...addr(US6), ...le32(2)], [...addr('::ffff:239.1.2.3'), ...le32(2)], [...addr(GROUP6), ...le32(0)]]) m.option(1, IPV6, 20, value).option(1, IPV6, 21, value);
  out.push(['memberships', m.time(2000)]);
  const igmp = new Case(0).socket(INET, DGRAM).option(0, IP, 35, [...addr(GROUP), ...addr(US)]);
  const query = (dst: string, body: Bytes): Bytes => frame4({ proto: 2, dst, dmac: '01:00:5e:00:00:01', options: [148, 4, 0, 0] }, body);
  for (const body of [icmp(0x11, 0, 0, []), icmp(0x11, 10, 0, []), icmp(0x11, 200, 0, [2, 125, 0, 0]), icmp(0x11, 10, 0xef010203, [2, 125, 0, 0]), icmp(0x11, 10, 0xef010203, [2, 125, 0, 2, ...addr(PEER), ...addr(US)]), icmp(0x11, 10, 0xef010203, [2, 125, 0, 200]), icmp(0x11, 10, 0x0a000001, []), icmp(0x16, 0, 0xef010203, []), icmp(0x12, 0, 0xef010203, []), icmp(0x17, 0, 0xef010203, []), icmp(0x99, 0, 0, []), new Uint8Array(4), icmp(0x11, 10, 0xef010203, [])])
    igmp.raw(query('224.0.0.1', body), 12).raw(query(GROUP, body), 12).time(500).raw(query(GROUP, icmp(0x16, 0, 0xef010203, [])), 12).time(30000);
  out.push(['igmp', igmp.option(0, IP, 36, [...addr(GROUP), ...addr(US)]).time(3000)]);
  const mld = new Case(0).socket(INET6, DGRAM).option(0, IPV6, 20, [...addr(GROUP6), ...le32(2)]);
  const report = (src: string, dst: string, type: number, body: Bytes): Bytes => frame6(src, dst, 0, 1, cat([58, 0, 5, 2, 0, 0, 1, 0], icmp6(src, dst, type, 0, body)));
  const ask = (code: number, group: string, rest: number[] = []): Bytes => cat(be16(code), [0, 0], addr(group), rest);
  for (const body of [ask(100, '::'), ask(100, GROUP6), ask(100, '::', [2, 125, 0, 0]), ask(0x9000, GROUP6, [2, 125, 0, 0]), ask(10, GROUP6, [2, 125, 0, 1, ...addr(PEER6)]), ask(10, GROUP6, [2, 125, 0, 9]), ask(10, US6)])
    mld.raw(report(ROUTER, ALL_NODES, 130, body), 8).raw(report(ROUTER, ALL_NODES, 131, ask(0, GROUP6)), 8).time(300).raw(report('fe80::77', GROUP6, 131, ask(0, GROUP6)), 8).time(400000);
  mld.raw(report(PEER6, ALL_NODES, 130, ask(1, '::')), 8).raw(report(PEER6, ALL_NODES, 143, cat(be32(0))), 8).raw(report('::', ALL_NODES, 143, cat(be32(0), fill(20))), 8).raw(report(ROUTER, ALL_NODES, 132, ask(0, GROUP6)), 8).raw(frame6(ROUTER, ALL_NODES, 58, 1, icmp6(ROUTER, ALL_NODES, 130, 0, ask(1, '::', [2, 125, 0, 0]))), 8).raw(frame6(ROUTER, ALL_NODES, 58, 9, icmp6(ROUTER, ALL_NODES, 130, 0, ask(1, '::'))), 8);
  out.push(['mld', mld.option(0, IPV6, 21, [...addr(GROUP6), ...le32(2)]).time(3000)]);
  const errors = new Case(0).socket(INET, DGRAM).int(0, IP, 11, 1).connect(0, 2, 9).socket(INET6, DGRAM).int(1, IPV6, 25, 1).connect(1, 2, 9);
  for (let code = 0; code < 17; code++) errors.send(0, 30).add(Op.ICMP_ERROR, [0, 28, 3, code, 0, 0, 0, 0, ...le16(40)]).receive(0, 27).receive(0).send(1, 30).add(Op.ICMP_ERROR, [0, 28, 1 + code % 5, code % 8, 0, 0, 5, 20, ...le16(80)]).receive(1, 27).receive(1);
  for (const old of [40000, 20000, 9000, 5000, 3000, 1500, 700, 400, 200]) errors.send(0, 1400).add(Op.ICMP_ERROR, [0, 12, 3, 4, 0, 0, 0, 0, ...le16(40), ...le16(44), old >> 8, ...le16(45), old & 255]);
  out.push(['errors', errors.add(Op.SYSCTL, [4, 1]).send(0, 1400).add(Op.ICMP_ERROR, [0, 28, 3, 4, 0, 0, 2, 0, ...le16(40)])]);
  const stamps = new Case(0).socket(INET, DGRAM).bind(0, 0, 5000).socket(INET, STREAM);
  for (const s of [0, 1]) for (const v of [1 << 7, 1 << 15, 1 << 16, (1 << 16) | (1 << 7), 1 << 12, (1 << 12) | (1 << 11), 0xffff, 24]) stamps.option(s, SOCKET_LEVEL, 37, le32(v)).option(s, SOCKET_LEVEL, 65, [...le32(v), ...le32(1)]).add(Op.DATAGRAM, [28, 0, 7, 0, ...le16(5000), 9, 0]).receive(0).add(Op.GET_OPTION, [s, SOCKET_LEVEL, 37, 8, 0]);
  stamps.option(0, SOCKET_LEVEL, 47, [1, 0, 0, 0, 0, 0, 0, 0]).option(0, SOCKET_LEVEL, 13, [0, 0, 0, 0, 9, 0, 0, 0]).add(Op.GET_OPTION, [0, SOCKET_LEVEL, 13, 8, 0]).option(0, SOCKET_LEVEL, 13, [1, 0, 0, 0, 9, 0, 0, 0]).add(Op.GET_OPTION, [0, SOCKET_LEVEL, 13, 8, 0]);
  out.push(['stamps', stamps]);
  const tw = new Case(0).socket(INET, STREAM).int(0, SOCKET_LEVEL, 2, 1).bind(0, 0, 8080).connect(0, 2, 80).seg({ flags: S | A, options: 15, extra: [...le16(1460), 7, 1] }).add(Op.CLOSE, [0]).seg({ flags: A, options: TS, extra: [1] }).seg({ flags: 1 | A, options: TS, extra: [1] });
  tw.socket(INET, STREAM).bind(0, 0, 8080).int(0, SOCKET_LEVEL, 2, 1).bind(0, 0, 8080).connect(0, 2, 80).connect(0, 2, 81).socket(INET, STREAM).int(1, SOCKET_LEVEL, 15, 1).bind(1, 1, 8080).socket(INET, STREAM).option(2, SOCKET_LEVEL, 25, [...Buffer.from('eth1'), 0]).bind(2, 0, 8080);
  out.push(['time-wait-ports', tw.seg({ flags: S, options: 15, steps: 5, extra: [...le16(1460), 7, 1] }).seg({ flags: A, options: TS, steps: 10, extra: [1] }).seg({ flags: 4, steps: 3 }).add(Op.SYSCTL, [60, 1]).seg({ flags: 4 }).time(90000)]);
  return out;
}

/** Name and test case of each. */
export function rare(): [string, Case][] { return [...tables(), ...detection(), ...control(), ...calls()]; }
