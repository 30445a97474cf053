// limit: 60 s
// The same frames to the Linux kernel and to this stack; the answers must agree in every field but identifications,
// flow labels and the checksums that depend on them. Where they are meant to differ, the case says how and why.
import * as assert from 'uvu/assert';
import { OUR_MAC, PEER, PEER6, PEER_MAC, TestHost, US, US6 } from '../harness/host.js';
import { addr, arp, be16, be32, cat, checksum, ethernet, hex, icmp, icmp6, ipv4, ipv6, mac, pseudo, u16, udp, type Bytes, type Ip4 } from '../harness/packet.js';
import { Lab, ROOT } from './lab.js';
import { suite } from '../harness/suite.js';

const test = suite('differential');
const NONE = '00:00:00:00:00:00', BCAST = 'ff:ff:ff:ff:ff:ff', SOLICITED = 'ff02::1:ff00:1', ALL_NODES = 'ff02::1';
const fill = (n: number): Bytes => Uint8Array.from({ length: n }, (_, i) => i & 255);
const f4 = (o: Partial<Ip4> & { proto: number }, p: Bytes | number[], dst = OUR_MAC): Bytes => ethernet(dst, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, ...o }, p));
const f6 = (next: number, p: Bytes | number[], o: { src?: string; dst?: string; hops?: number; dmac?: string } = {}): Bytes =>
  ethernet(o.dmac ?? OUR_MAC, PEER_MAC, 0x86dd, ipv6({ src: o.src ?? PEER6, dst: o.dst ?? US6, next, hops: o.hops ?? 64 }, p));
const nd = (type: number, code: number, body: Bytes | number[], o: { src?: string; dst?: string; hops?: number; dmac?: string } = {}): Bytes =>
  f6(58, icmp6(o.src ?? PEER6, o.dst ?? US6, type, code, body), { hops: 255, ...o });
const echo6 = (n: number): Bytes => icmp6(PEER6, US6, 128, 0, cat(be32(7), fill(n)));
const ns = (extra: number[] = [1, 1, ...mac(PEER_MAC)]): Bytes => cat(be32(0), addr(US6), extra);
const u4 = udp(PEER, 5, US, 9, fill(20)), u6 = udp(PEER6, 5, US6, 9, fill(20));
const whole4 = icmp(8, 0, 7, fill(2000));

interface Case {
  name: string;
  frames: Bytes[];
  /** What is different on purpose. */
  differs?: string;
}
/** RFC 4861 4.4: the target's address SHOULD be in the answer to a unicast solicitation; Linux leaves it out. */
const OPTION = 'target link-layer option';
const CASES: Case[] = [
  { name: 'ARP request', frames: [ethernet(BCAST, PEER_MAC, 0x0806, arp(1, PEER_MAC, PEER, NONE, US))] },
  { name: 'ARP request, unicast', frames: [ethernet(OUR_MAC, PEER_MAC, 0x0806, arp(1, PEER_MAC, PEER, OUR_MAC, US))] },
  { name: 'ARP probe for our address', frames: [ethernet(BCAST, PEER_MAC, 0x0806, arp(1, PEER_MAC, '0.0.0.0', NONE, US))] },
  { name: 'ARP for another', frames: [ethernet(BCAST, PEER_MAC, 0x0806, arp(1, PEER_MAC, PEER, NONE, '10.0.0.77'))] },
  { name: 'ARP for loopback', frames: [ethernet(BCAST, PEER_MAC, 0x0806, arp(1, PEER_MAC, PEER, NONE, '127.0.0.1'))] },
  { name: 'ARP of a wrong hardware type', frames: [ethernet(BCAST, PEER_MAC, 0x0806, cat([0, 9], arp(1, PEER_MAC, PEER, NONE, US).subarray(2)))] },
  { name: 'echo', frames: [f4({ proto: 1, ttl: 1, tos: 0x28 }, icmp(8, 0, 7, fill(40)))] },
  { name: 'echo with a code', frames: [f4({ proto: 1 }, icmp(8, 3, 7, fill(9)))] },
  { name: 'echo without data', frames: [f4({ proto: 1 }, icmp(8, 0, 7))] },
  { name: 'echo with a bad checksum', frames: [f4({ proto: 1 }, icmp(8, 0, 7, [], 1))] },
  { name: 'echo to broadcast', frames: [f4({ proto: 1, dst: '10.0.0.255' }, icmp(8, 0, 7), BCAST)] },
  { name: 'echo to a group', frames: [f4({ proto: 1, dst: '224.0.0.1' }, icmp(8, 0, 7), '01:00:5e:00:00:01')] },
  { name: 'echo in fragments, backwards', frames: [f4({ proto: 1, frag: 125, id: 3 }, whole4.subarray(1000)), f4({ proto: 1, frag: 0x2000, id: 3 }, whole4.subarray(0, 1000))] },
  {
    name: 'a fragment twice',
    frames: [
      f4({ proto: 1, frag: 0x2000, id: 4 }, whole4.subarray(0, 1000)),
      f4({ proto: 1, frag: 0x2000, id: 4 }, whole4.subarray(0, 1000)),
      f4({ proto: 1, frag: 125, id: 4 }, whole4.subarray(1000)),
    ],
  },
  {
    name: 'a fragment inside another',
    frames: [
      f4({ proto: 1, frag: 0x2000, id: 5 }, whole4.subarray(0, 1000)),
      f4({ proto: 1, frag: 0x2002, id: 5 }, whole4.subarray(16, 800)),
      f4({ proto: 1, frag: 125, id: 5 }, whole4.subarray(1000)),
    ],
  },
  {
    name: 'overlapping fragments',
    frames: [
      f4({ proto: 1, frag: 0x2000, id: 6 }, whole4.subarray(0, 1000)),
      f4({ proto: 1, frag: 120, id: 6 }, whole4.subarray(960)),
      f4({ proto: 1, frag: 125, id: 6 }, whole4.subarray(1000)),
    ],
  },
  { name: 'fragments: CE and ECT', frames: [f4({ proto: 1, frag: 0x2000, id: 7, tos: 2 }, whole4.subarray(0, 1000)), f4({ proto: 1, frag: 125, id: 7, tos: 3 }, whole4.subarray(1000))] },
  { name: 'fragments: CE and not ECT', frames: [f4({ proto: 1, frag: 0x2000, id: 8, tos: 0 }, whole4.subarray(0, 1000)), f4({ proto: 1, frag: 125, id: 8, tos: 3 }, whole4.subarray(1000))] },
  { name: 'UDP to a closed port', frames: [f4({ proto: 17, tos: 0x10 }, u4)] },
  { name: 'UDP to a closed port, broadcast', frames: [f4({ proto: 17, dst: '10.0.0.255' }, udp(PEER, 5, '10.0.0.255', 9, fill(4)), BCAST)] },
  { name: 'UDP with a bad checksum', frames: [f4({ proto: 17 }, udp(PEER, 5, US, 9, fill(4), { csum: 1 }))] },
  { name: 'large UDP to a closed port', frames: [f4({ proto: 17 }, udp(PEER, 5, US, 9, fill(1200)))] },
  { name: 'unknown protocol', frames: [f4({ proto: 200 }, fill(40))] },
  { name: 'bad header checksum', frames: [f4({ proto: 1, csum: 1 }, icmp(8, 0, 7))] },
  { name: 'loopback source', frames: [f4({ proto: 1, src: '127.0.0.1' }, icmp(8, 0, 7))] },
  { name: 'loopback destination', frames: [f4({ proto: 1, dst: '127.0.0.1' }, icmp(8, 0, 7))] },
  { name: 'our own source', frames: [f4({ proto: 1, src: US }, icmp(8, 0, 7))] },
  { name: 'source of this network', frames: [f4({ proto: 17, src: '0.1.2.3' }, u4)] },
  { name: 'broken option', frames: [f4({ proto: 1, options: [7, 9, 4, 0, 0, 0, 0, 0] }, icmp(8, 0, 7))] },
  { name: 'source route', frames: [f4({ proto: 1, options: [131, 7, 4, 10, 0, 0, 9, 0] }, icmp(8, 0, 7))] },
  { name: 'packet for another host', frames: [f4({ proto: 1, dst: '10.0.0.99' }, icmp(8, 0, 7))] },
  { name: 'unknown ICMP type', frames: [f4({ proto: 1 }, icmp(77, 0, 7))] },
  { name: 'an error about an error', frames: [f4({ proto: 200, tos: 0 }, fill(8)), f4({ proto: 1 }, icmp(3, 2, 0, ipv4({ src: US, dst: PEER, proto: 200 }, fill(8))))] },
  { name: 'echo6', frames: [f6(58, echo6(40))] },
  { name: 'echo6 to all nodes', frames: [f6(58, icmp6(PEER6, ALL_NODES, 128, 0, be32(7)), { dst: ALL_NODES, dmac: '33:33:00:00:00:01' })] },
  { name: 'echo6 from nobody', frames: [f6(58, icmp6('::', US6, 128, 0, be32(7)), { src: '::' })] },
  { name: 'UDP6 to a closed port', frames: [f6(17, u6)] },
  { name: 'UDP6 without checksum', frames: [f6(17, udp(PEER6, 5, US6, 9, fill(4), { csum: 0 }))] },
  { name: 'unknown next header', frames: [f6(200, fill(20))] },
  { name: 'no next header', frames: [f6(59, fill(20))] },
  { name: 'hop-by-hop after another header', frames: [f6(60, cat([0, 0, 1, 4, 0, 0, 0, 0], [17, 0, 1, 4, 0, 0, 0, 0], u6))] },
  ...[0x1e, 0x5e, 0x9e, 0xde].map((t): Case => ({ name: `unknown option ${t}`, frames: [f6(60, cat([17, 0, t, 4, 0, 0, 0, 0], u6))] })),
  { name: 'routing header used up', frames: [f6(43, cat([17, 0, 253, 0, 0, 0, 0, 0], u6))] },
  { name: 'routing header of an unknown type', frames: [f6(43, cat([17, 0, 253, 1, 0, 0, 0, 0], u6))] },
  { name: 'atomic fragment', frames: [f6(44, cat([58, 0, 0, 0, 0, 0, 0, 9], echo6(10)))] },
  { name: 'echo6 in fragments', frames: [f6(44, cat([58, 0], be16(1000), be32(5), echo6(1500).subarray(1000))), f6(44, cat([58, 0], be16(1), be32(5), echo6(1500).subarray(0, 1000)))] },
  { name: 'first fragment without its upper header', frames: [f6(44, cat([60, 0], be16(1), be32(6), [58, 0, 1, 4, 0, 0, 0, 0]))] },
  { name: 'fragment of an odd length', frames: [f6(44, cat([58, 0], be16(1), be32(7), echo6(10).subarray(0, 13)))] },
  { name: 'fragment beyond the end', frames: [f6(44, cat([58, 0], be16(0xfff8), be32(8), fill(16)))] },
  {
    name: 'overlapping fragments of IPv6',
    frames: [
      f6(44, cat([58, 0], be16(1), be32(9), echo6(100).subarray(0, 64))),
      f6(44, cat([58, 0], be16(56), be32(9), echo6(100).subarray(56))),
      f6(44, cat([58, 0], be16(64), be32(9), echo6(100).subarray(64))),
    ],
  },
  { name: 'NS to the group', frames: [nd(135, 0, ns(), { dst: SOLICITED, dmac: '33:33:ff:00:00:01' })] },
  { name: 'NS, unicast', frames: [nd(135, 0, ns())], differs: OPTION },
  { name: 'NS without source option', frames: [nd(135, 0, ns([]))], differs: OPTION },
  { name: 'NS of duplicate detection', frames: [nd(135, 0, ns([]), { src: '::', dst: SOLICITED, dmac: '33:33:ff:00:00:01' })] },
  { name: 'NS of duplicate detection with an option', frames: [nd(135, 0, ns(), { src: '::', dst: SOLICITED, dmac: '33:33:ff:00:00:01' })] },
  { name: 'NS with hop limit 64', frames: [nd(135, 0, ns(), { hops: 64 })] },
  { name: 'NS with a code', frames: [nd(135, 1, ns())] },
  { name: 'NS with an empty option', frames: [nd(135, 0, ns([1, 0, 0, 0, 0, 0, 0, 0]))] },
  { name: 'NS in a fragment', frames: [f6(44, cat([58, 0, 0, 0, 0, 0, 0, 3], icmp6(PEER6, US6, 135, 0, ns())), { hops: 255 })] },
  { name: 'unknown ICMPv6 type', frames: [f6(58, icmp6(PEER6, US6, 200, 0, be32(0)))] },
];

/** A frame with what may differ set to zero, checksums verified first. */
function normal(frame: Bytes): string {
  const type = u16(frame, 12);
  if (type === 0x0806) return hex(frame.subarray(0, 42));
  const f = Uint8Array.from(frame), b = f.subarray(14);
  if (type === 0x0800) {
    const n = u16(b, 2), hlen = (b[0] & 15) * 4;
    assert.is(checksum(b.subarray(0, hlen)), 0, 'header checksum');
    if (b[9] === 1 && !(u16(b, 6) & 0x3fff)) assert.is(checksum(b.subarray(hlen, n)), 0, 'ICMP checksum');
    b.set([0, 0], 4);
    b.set([0, 0], 10);
    return hex(f.subarray(0, 14 + n));
  }
  const n = 40 + u16(b, 4);
  if (b[6] === 58) {
    const body = b.slice(40, n), text = (p: number): string => Array.from({ length: 8 }, (_, i) => u16(b, p + 2 * i).toString(16)).join(':');
    assert.is(checksum(pseudo(text(8), text(24), 58, body.length), body), 0, 'ICMPv6 checksum');
  }
  b.set([b[0], b[1] & 0xf0, 0, 0], 0);
  if (b[6] === 44) b.set([0, 0, 0, 0], 44);
  return hex(f.subarray(0, 14 + n));
}
/** What either says by itself, not in answer. */
const spontaneous = (f: Bytes): boolean => {
  if (u16(f, 12) !== 0x86dd) return false;
  return f[20] === 0 || (f[20] === 58 && f[54] === 133);
};

test('answers agree with the kernel, frame by frame', async () => {
  const lab = new Lab();
  try {
    const a = lab.netns('a'), b = lab.netns('b');
    lab.veth(a, 'us', b, 'wire', false);
    lab.sh(a, 'sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000 net.ipv4.icmp_msgs_burst=10000 net.ipv6.icmp.ratelimit=0 net.ipv6.conf.us.router_solicitations=0');
    lab.ip(a, `link set us down`);
    lab.ip(a, `link set us address ${OUR_MAC}`);
    lab.ip(a, 'link set us up');
    lab.sh(b, 'sysctl -qw net.ipv6.conf.wire.disable_ipv6=1; ip link set wire arp off');
    lab.addr(a, 'us', `${US}/24`, `${US6}/64`);
    lab.ip(a, `neigh replace ${PEER} lladdr ${PEER_MAC} dev us nud permanent`);
    lab.ip(a, `neigh replace ${PEER6} lladdr ${PEER_MAC} dev us nud permanent`);
    await new Promise((r) => setTimeout(r, 2500)); // its multicast reports
    const p = lab.run(b, ['/usr/bin/python3', `${ROOT}/test/interop/exchange.py`, 'wire', '40'], { stdio: ['pipe', 'pipe', 'pipe'] });
    await p.until(/ready/);
    const h = await TestHost.create({ config: { sysctl: { 'net.ipv4.icmp_ratelimit': '0', 'net.ipv4.icmp_msgs_per_sec': '0', 'net.ipv6.icmp.ratelimit': '0' } } });
    const all = CASES.flatMap((c) => c.frames);
    for (const f of all) p.child.stdin!.write(`${hex(f)}\n`);
    p.child.stdin!.end();
    const lines = (await p.finish()).stdout.split('\n').slice(1);
    const wrong: string[] = [];
    let at = 0;
    for (const c of CASES) {
      const theirs: string[] = [], ours: string[] = [];
      for (const f of c.frames) {
        theirs.push(...lines[at++].split(',').filter(Boolean).map((x) => Uint8Array.from(Buffer.from(x, 'hex'))).filter((x) => !spontaneous(x)).map(normal));
        h.core.rx(0, [f]);
        ours.push(...h.sent().map((x) => x.bytes).filter((x) => !spontaneous(x)).map(normal));
      }
      const same = theirs.join() === ours.join();
      if (same === (c.differs !== undefined)) wrong.push(`${c.name}${c.differs ? ' (expected to differ)' : ''}\n  Linux ${theirs.join('\n        ')}\n  ours  ${ours.join('\n        ')}`);
    }
    assert.is(wrong.join('\n'), '');
  } finally {
    await lab.close();
  }
});

test.run();
