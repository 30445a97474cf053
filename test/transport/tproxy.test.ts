// A gateway's core: local for whole prefixes, one socket for all ports, SYN-ACKs that wait for the host, refusals told later.
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import { formatIp } from '../../host/config/address.js';
import { AF_INET6, PEER, PEER6, SOCK_DGRAM, SOCK_STREAM, TestHost, US, US6 } from '../harness/host.js';
import { addr, be16, be32, cat, checksum, pseudo, readIpv4, readIpv6, u16, u32, udp, type Bytes } from '../harness/packet.js';
import { flagsOf, readTcp, tcpBytes, type Segment, type TcpOpts } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tproxy');
const SOL_SOCKET = 1, SO_BINDTODEVICE = 25, IPPROTO_IPV6 = 41, IPV6_TRANSPARENT = 75, IPV6_RECVORIGDSTADDR = 74, IP_RECVORIGDSTADDR = 20;
const ECONNREFUSED = 111, ENETUNREACH = 101, EHOSTUNREACH = 113, EACCES = 13, ETIMEDOUT = 110, EINPROGRESS = 115;
const FAR = '203.0.113.7', FAR6 = '2001:db8::7';
const REQ = A.ARG + 1024;
const LOCAL_ROUTES = [
  { network: '0.0.0.0', prefix: 0, dev: 'eth0', local: true },
  { network: '::', prefix: 0, dev: 'eth0', local: true },
];
const OPTS: TcpOpts = { mss: 1460, sackOk: true, wscale: 7 };

class Gateway {
  listener = -1;
  private constructor(readonly h: TestHost) {}

  static async create(o: { backlog?: number; sysctl?: Record<string, string> } = {}): Promise<Gateway> {
    const h = await TestHost.create({ config: { routes: LOCAL_ROUTES, sysctl: { 'net.ipv4.icmp_ratelimit': '0', 'net.ipv6.icmp.ratelimit': '0', ...o.sysctl } } });
    const g = new Gateway(h);
    g.listener = g.transparent(SOCK_STREAM);
    assert.is(h.core.x.ctl_tproxy(g.listener), -22, 'it does not listen yet');
    assert.is(h.core.x.sys_listen(g.listener, o.backlog ?? 128), 0);
    assert.is(h.core.x.ctl_tproxy(g.listener), 0);
    return g;
  }

  transparent(type: number): number {
    const { h } = this, s = h.socket(AF_INET6, type);
    assert.is(h.setInt(s, IPPROTO_IPV6, IPV6_TRANSPARENT, 1), 0);
    assert.is(h.set(s, SOL_SOCKET, SO_BINDTODEVICE, [...Buffer.from('eth0\0')]), 0);
    assert.is(h.bind(s, '::', 1), 0);
    return s;
  }

  tcp(flags: string, seq: number, ack = 0, o: { v6?: boolean; sport?: number; dport?: number; opts?: TcpOpts; data?: Bytes; dst?: string } = {}): void {
    const src = o.v6 ? PEER6 : PEER, dst = o.dst ?? (o.v6 ? FAR6 : FAR);
    const seg = tcpBytes(src, o.sport ?? 40000, dst, o.dport ?? 443, flagsOf(flags), seq, ack, 65535, flags.includes('S') ? o.opts ?? OPTS : {}, o.data ?? []);
    if (o.v6) this.h.in6({ next: 6, dst }, seg);
    else this.h.in4({ proto: 6, dst }, seg);
  }
  /** What the core has sent: transport payloads with their source. */
  out(v6 = false): { src: string; proto: number; bytes: Bytes }[] {
    return this.h.sent(v6 ? 0x86dd : 0x0800).map((f) => {
      if (v6) {
        const p = readIpv6(f.bytes);
        return { src: formatIp(addr(p.src)), proto: p.next, bytes: p.payload };
      }
      const p = readIpv4(f.bytes);
      return { src: p.src, proto: p.proto, bytes: p.payload };
    });
  }
  segments(v6 = false): Segment[] {
    return this.out(v6).map((p) => {
      assert.is(p.proto, 6);
      return readTcp(p.bytes);
    });
  }
  /** The next request the host is told of, as text; its record stays at REQ. */
  take(at = REQ): string | number {
    const r = this.h.core.x.sys_request_take(this.listener, at);
    if (r < 0) return r;
    const name = (p: number): string => `${formatIp(this.h.core.mem.u8.slice(p + 8, p + 24))} ${(this.h.core.mem.u8[p + 2] << 8) | this.h.core.mem.u8[p + 3]}`;
    return `${name(at + A.REQ_PEER)} > ${name(at + A.REQ_LOCAL)}`;
  }
  answer(errno: number, at = REQ): number {
    this.h.core.stamp();
    return this.h.core.x.sys_request_answer(this.listener, at, errno);
  }
  events(): Map<number, number> {
    const { mem, x } = this.h.core, n = x.events(64);
    return new Map(Array.from({ length: n }, (_, i) => [mem.u32[(A.EVENTS >>> 2) + 2 * i], mem.u32[(A.EVENTS >>> 2) + 2 * i + 1]]));
  }
  end(...sockets: number[]): void {
    for (const s of [this.listener, ...sockets]) this.h.close(s);
    this.h.core.advance(200e9);
    assert.equal(this.h.leaks(), { sockets: 0, chunks: 0 });
  }
}

test('a SYN to any address and port is told to the host and answered only when the host says so', async () => {
  const g = await Gateway.create();
  g.tcp('S', 1000);
  g.tcp('S', 5000, 0, { v6: true, dport: 80 });
  assert.is(g.segments().length, 0, 'nothing is answered yet');
  assert.is(g.events().get(g.listener), A.Poll.PRI);
  assert.is(g.h.core.x.sys_poll(g.listener), A.Poll.PRI);
  assert.is(g.take(REQ + 64), `${PEER6} 40000 > ${FAR6} 80`);
  assert.is(g.take(), `::ffff:${PEER} 40000 > ::ffff:${FAR} 443`);
  assert.is(g.take(REQ + 128), -11);
  assert.is(g.h.core.x.sys_poll(g.listener), 0);
  assert.is(g.answer(EINPROGRESS), 0);
  assert.is(g.answer(0), 0);
  assert.is(g.answer(0), -114, 'only once');
  const [s] = g.segments();
  assert.is(s.flags, 'S.');
  assert.is(s.ack, 1001);
  assert.is(s.sport, 443);
  assert.equal(s.opts, OPTS);
  g.tcp('.', 1001, s.seq + 1);
  const c = g.h.core.x.sys_accept(g.listener);
  assert.ok(c > 0);
  assert.equal(g.h.sockname(c), { address: cat(new Array<number>(10).fill(0), [255, 255, 203, 0, 113, 7]), port: 443 });
  assert.is(g.answer(EINPROGRESS), -2, 'no request any more');
  // Data flows both ways, from the address that was asked for.
  g.tcp('P.', 1001, s.seq + 1, { data: Buffer.from('ping') });
  const r = g.h.recv(c);
  assert.ok(typeof r !== 'number' && Buffer.from(r.data).toString() === 'ping');
  g.h.core.advance(1e9);
  g.out();
  assert.is(g.h.send(c, Buffer.from('pong')), 4);
  g.h.core.poll();
  const [p] = g.out();
  assert.is(p.src, FAR);
  assert.is(Buffer.from(readTcp(p.bytes).data).toString(), 'pong');
  g.answer(ECONNREFUSED, REQ + 64);
  g.tcp('R', 1005);
  g.end(c);
});

test('repeated SYNs make no second request; one whose peer falls silent ends', async () => {
  const g = await Gateway.create();
  g.tcp('S', 1000);
  g.take();
  for (const wait of [1, 2, 4, 8]) {
    g.h.core.advance(wait * 1e9);
    g.tcp('S', 1000);
    assert.is(g.take(REQ + 64), -11);
    assert.is(g.answer(EINPROGRESS), 0, `still there after another ${wait} s`);
  }
  // The next would have come 16 s after the last.
  g.h.core.advance(18.9e9);
  assert.is(g.answer(EINPROGRESS), 0);
  g.h.core.advance(0.2e9);
  assert.is(g.answer(EINPROGRESS), -2);
  assert.is(g.answer(0), -2);
  assert.is(g.segments().length, 0);
  g.end();
});

test('the far end\'s refusals arrive as such: RST, ICMP of both families, silence', async () => {
  const g = await Gateway.create();
  const cases: [number, number, number][] = [[ENETUNREACH, 0, 0], [EHOSTUNREACH, 1, 3], [EACCES, 13, 1]];
  for (const v6 of [false, true]) {
    g.tcp('S', 1000, 0, { v6 });
    g.take();
    assert.is(g.answer(ECONNREFUSED), 0);
    const [rst] = g.segments(v6);
    assert.is(rst.flags, 'R.');
    assert.is(rst.ack, 1001);
    for (const [errno, code4, code6] of cases) {
      g.tcp('S', 2000, 0, { v6 });
      g.take();
      assert.is(g.answer(errno), 0);
      const [e] = g.out(v6);
      assert.is(e.src, v6 ? US6 : US, 'a router says it');
      assert.equal([...e.bytes.subarray(0, 2)], v6 ? [1, code6] : [3, code4]);
      if (!v6) assert.is(checksum(e.bytes), 0);
      else assert.is(checksum(pseudo(US6, PEER6, 58, e.bytes.length), e.bytes), 0);
      const tcp = e.bytes.subarray(8 + (v6 ? 40 : 20));
      assert.equal([u16(tcp, 0), u16(tcp, 2), u32(tcp, 4)], [40000, 443, 2000]);
    }
    g.tcp('S', 3000, 0, { v6 });
    g.take();
    assert.is(g.answer(7), -22, 'E2BIG has no packet');
    assert.is(g.answer(ETIMEDOUT), 0);
    assert.is(g.answer(ETIMEDOUT), -2);
    assert.is(g.out(v6).length, 0);
  }
  g.end();
});

test('a peer that resets, answers nothing or begins anew while the host decides', async () => {
  const g = await Gateway.create();
  g.tcp('S', 1000);
  g.take();
  g.tcp('.', 1001, 4711);
  const [r] = g.segments();
  assert.is(r.flags, 'R');
  assert.is(r.seq, 4711);
  g.tcp('R', 1000);
  assert.is(g.answer(EINPROGRESS), 0, 'a reset outside of the window');
  g.tcp('R', 1001);
  assert.is(g.answer(EINPROGRESS), -2);
  g.tcp('S', 9000);
  g.take(REQ + 64);
  g.tcp('S', 77777);
  assert.is(g.answer(0, REQ + 64), -2, 'that attempt is over');
  assert.is(g.take(), `::ffff:${PEER} 40000 > ::ffff:${FAR} 443`);
  assert.is(g.answer(0), 0);
  assert.is(g.segments()[0].ack, 77778);
  g.end();
});

test('the backlog bounds what waits, without cookies', async () => {
  const g = await Gateway.create({ backlog: 4, sysctl: { 'net.ipv4.tcp_syncookies': '2' } });
  for (let i = 0; i < 10; i++) g.tcp('S', 1000, 0, { sport: 30000 + i });
  const told: number[] = [];
  while (g.take() !== -11) told.push(g.h.core.mem.u8[REQ + A.REQ_PEER + 3]);
  assert.is(told.length, 4);
  assert.equal(told.sort((a, b) => a - b), [0, 1, 2, 3].map((i) => (30000 + i) & 255));
  assert.is(g.out().length, 0);
  assert.is(g.h.core.drops('TCP_SYN_QUEUE_FULL'), 6);
  g.h.close(g.listener);
  g.tcp('S', 1000, 0, { sport: 30001 });
  assert.is(g.segments()[0].flags, 'R.', 'nobody listens any more');
  g.end();
});

test('datagrams to any address and port: the first to the socket for all, the rest to one of the flow', async () => {
  const g = await Gateway.create(), { h } = g;
  const all = g.transparent(SOCK_DGRAM);
  assert.is(h.setInt(all, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1), 0);
  assert.is(h.setInt(all, 0, IP_RECVORIGDSTADDR, 1), 0);
  assert.is(h.core.x.ctl_tproxy(all), 0);
  h.in6({ next: 17, dst: FAR6 }, udp(PEER6, 1234, FAR6, 53, [1, 2, 3]));
  const m = h.recv(all);
  assert.ok(typeof m !== 'number');
  assert.equal([...m.data], [1, 2, 3]);
  assert.is(m.from!.port, 1234);
  assert.equal([...m.control.subarray(18, 20)], be16(53));
  const flow = h.socket(AF_INET6, SOCK_DGRAM);
  assert.is(h.setInt(flow, IPPROTO_IPV6, IPV6_TRANSPARENT, 1), 0);
  assert.is(h.bind(flow, FAR6, 53), 0);
  assert.is(h.connect(flow, PEER6, 1234), 0);
  assert.is(h.send(flow, [9]), 1);
  h.core.poll();
  const [d] = g.out(true);
  assert.is(d.src, FAR6);
  assert.equal([u16(d.bytes, 0), u16(d.bytes, 2), d.bytes[8]], [53, 1234, 9]);
  h.in6({ next: 17, dst: FAR6 }, udp(PEER6, 1234, FAR6, 53, [4]));
  assert.is(h.recv(all), -11);
  const own = h.recv(flow);
  assert.ok(typeof own !== 'number' && own.data[0] === 4);
  g.end(all, flow);
});

test('a refusal of a datagram quotes it; port unreachable comes from the host that was asked', async () => {
  const g = await Gateway.create(), { h } = g, { mem, x } = h.core;
  const name = (p: number, address: number[], port: number): void => mem.u8.set(cat([AF_INET6, 0], be16(port), be32(0), address, be32(0)), p);
  const v4 = (a: number[]): number[] => [...new Array<number>(10).fill(0), 255, 255, ...a];
  name(REQ, v4([10, 0, 0, 2]), 1234);
  name(REQ + 28, v4([203, 0, 113, 7]), 53);
  mem.u8.set(udp(PEER, 1234, FAR, 53, [1, 2, 3, 4]), A.DATA);
  assert.is(x.sys_reject(h.ifindex, 17, REQ, A.DATA, 12, ECONNREFUSED), 0);
  assert.is(x.sys_reject(h.ifindex, 17, REQ, A.DATA, 12, EHOSTUNREACH), 0);
  assert.is(x.sys_reject(h.ifindex, 17, REQ, A.DATA, 7, EHOSTUNREACH), -22);
  assert.is(x.sys_reject(h.ifindex, 17, REQ, A.DATA, 513, EHOSTUNREACH), -22);
  assert.is(x.sys_reject(99, 17, REQ, A.DATA, 12, EHOSTUNREACH), -19);
  h.core.poll();
  const [port, host] = g.out();
  assert.is(port.src, FAR);
  assert.equal([...port.bytes.subarray(0, 2)], [3, 3]);
  assert.equal([...port.bytes.subarray(28)], [...udp(PEER, 1234, FAR, 53, [1, 2, 3, 4])]);
  assert.is(host.src, US);
  g.end();
});

test('what is not of the link does not come in: spoofed sources, other interfaces, mapped addresses', async () => {
  const g = await Gateway.create(), { h } = g;
  h.in4({ proto: 6, src: '198.51.100.1', dst: FAR }, tcpBytes('198.51.100.1', 1, FAR, 443, flagsOf('S'), 1, 0, 1000));
  h.in6({ next: 6, src: '2001:db8::1', dst: FAR6 }, tcpBytes('2001:db8::1', 1, FAR6, 443, flagsOf('S'), 1, 0, 1000));
  h.in6({ next: 6, dst: '::ffff:7f00:1' }, tcpBytes(PEER6, 1, '::ffff:7f00:1', 443, flagsOf('S'), 1, 0, 1000));
  h.in4({ proto: 6, dst: '127.0.0.1' }, tcpBytes(PEER, 1, '127.0.0.1', 443, flagsOf('S'), 1, 0, 1000));
  h.in4({ proto: 6, dst: '0.0.0.0' }, tcpBytes(PEER, 1, '0.0.0.0', 443, flagsOf('S'), 1, 0, 1000));
  h.in6({ next: 6, dst: '::' }, tcpBytes(PEER6, 1, '::', 443, flagsOf('S'), 1, 0, 1000));
  assert.is(g.take(), -11);
  assert.is(h.core.drops('IP_INADDRERRORS'), 6);
  assert.is(g.out().length + g.out(true).length, 0);
  // A connection of our own to nobody's port is refused, not offered to ourselves.
  const s = h.socket(AF_INET6, SOCK_STREAM);
  assert.is(h.connect(s, FAR6, 4242), -115);
  h.core.poll();
  assert.is(h.getInt(s, SOL_SOCKET, 4), ECONNREFUSED);
  assert.is(g.take(), -11);
  g.end(s);
});

test.run();
