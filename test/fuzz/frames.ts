// One good frame of everything that the network layer reads: what floods, truncations and mutations start from.
import { OUR_MAC, PEER, PEER6, PEER_MAC, US, US6 } from '../harness/host.js';
import { addr, arp, be16, be32, cat, ethernet, icmp, icmp6, ipv4, ipv6, mac, udp, type Bytes } from '../harness/packet.js';

export const ALL_NODES = 'ff02::1', ROUTER = 'fe80::ff', GROUP = '239.1.2.3', GROUP6 = 'ff05::1234';
export const fill = (n: number): Bytes => Uint8Array.from({ length: n }, (_, i) => (i * 7) & 255);
export const frame4 = (o: { dst?: string; dmac?: string; proto: number; frag?: number; id?: number; options?: number[] }, p: Bytes | number[]): Bytes =>
  ethernet(o.dmac ?? OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, ...o }, p));
export const frame6 = (src: string, dst: string, next: number, hops: number, p: Bytes | number[]): Bytes => ethernet(OUR_MAC, PEER_MAC, 0x86dd, ipv6({ src, dst, next, hops }, p));
export const nd = (src: string, dst: string, type: number, rest: Bytes | number[]): Bytes => frame6(src, dst, 58, 255, icmp6(src, dst, type, 0, rest));
export const lladdr = (type: number): number[] => [type, 1, ...mac(PEER_MAC)];
export const mldQuery = (v2: boolean, code = 0): Bytes => frame6(ROUTER, ALL_NODES, 0, 1, cat([58, 0, 5, 2, 0, 0, 1, 0], icmp6(ROUTER, ALL_NODES, 130, 0, cat(be16(code), [0, 0], addr('::'), v2 ? [2, 125, 0, 0] : []))));
export const igmpQuery = (v3: boolean, code: number): Bytes => frame4({ proto: 2, dst: '224.0.0.1', dmac: '01:00:5e:00:00:01', options: [148, 4, 0, 0] }, icmp(0x11, code, 0, v3 ? [2, 125, 0, 0] : []));
export const quote4 = ipv4({ src: US, dst: PEER, proto: 17 }, udp(US, 5000, PEER, 9, fill(20)));
export const quote6 = ipv6({ src: US6, dst: PEER6, next: 17 }, udp(US6, 5000, PEER6, 9, fill(20)));
export const ra = cat([64, 0], be16(1800), be32(0), be32(0), lladdr(1), [5, 1, 0, 0], be32(1400), [3, 4, 64, 0xc0], be32(900), be32(800), be32(0), addr('2001:db8:1::'), [25, 3, 0, 0], be32(60), addr('2001:db8::53'));

/** One good frame of everything that the network layer reads. */
export const FRAMES: [string, Bytes][] = [
  ['ARP request', ethernet('ff:ff:ff:ff:ff:ff', PEER_MAC, 0x0806, arp(1, PEER_MAC, PEER, '00:00:00:00:00:00', US))],
  ['ARP reply', ethernet(OUR_MAC, PEER_MAC, 0x0806, arp(2, PEER_MAC, PEER, OUR_MAC, US))],
  ['echo', frame4({ proto: 1 }, icmp(8, 0, 1, fill(30)))],
  ['echo with options', frame4({ proto: 1, options: [7, 7, 4, 0, 0, 0, 0, 68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, icmp(8, 0, 1, fill(30)))],
  ['timestamp', frame4({ proto: 1 }, icmp(13, 0, 1, fill(12)))],
  ...[[3, 3], [3, 4], [11, 0], [12, 0], [5, 1]].map(([t, c]): [string, Bytes] => [`ICMP ${t}/${c}`, frame4({ proto: 1 }, icmp(t, c, 1000, quote4))]),
  ['fragment', frame4({ proto: 17, frag: 0x2000, id: 7 }, fill(64))],
  ['last fragment', frame4({ proto: 17, frag: 8, id: 7 }, fill(33))],
  ['IGMP 2 query', igmpQuery(false, 100)],
  ['IGMP 3 query', igmpQuery(true, 10)],
  ['echo6', frame6(PEER6, US6, 58, 64, icmp6(PEER6, US6, 128, 0, cat(be32(1), fill(30))))],
  ['headers', frame6(PEER6, US6, 0, 64, cat([60, 0, 1, 4, 0, 0, 0, 0], [43, 0, 1, 4, 0, 0, 0, 0], [44, 0, 0, 0, 0, 0, 0, 0], [17, 0, 0, 0, 0, 0, 0, 9], udp(PEER6, 1, US6, 9, fill(20))))],
  ['fragment6', frame6(PEER6, US6, 44, 64, cat([17, 0, 0, 1, 0, 0, 0, 5], udp(PEER6, 1, US6, 9, fill(56))))],
  ['last fragment6', frame6(PEER6, US6, 44, 64, cat([17, 0, 0, 64, 0, 0, 0, 5], fill(9)))],
  ...[[1, 4], [2, 0], [3, 0], [4, 1]].map(([t, c]): [string, Bytes] => [`ICMPv6 ${t}/${c}`, frame6(PEER6, US6, 58, 64, icmp6(PEER6, US6, t, c, cat(be32(1300), quote6)))]),
  ['NS', nd(PEER6, US6, 135, cat(be32(0), addr(US6), lladdr(1)))],
  ['NA', nd(PEER6, US6, 136, cat([0x60, 0, 0, 0], addr(PEER6), lladdr(2)))],
  ['RA', nd(ROUTER, ALL_NODES, 134, ra)],
  ['redirect', nd(ROUTER, US6, 137, cat(be32(0), addr('fe80::fe'), addr('2001:db8::9'), lladdr(2)))],
  ['MLD 1 query', mldQuery(false, 10)],
  ['MLD 2 query', mldQuery(true, 10)],
];
