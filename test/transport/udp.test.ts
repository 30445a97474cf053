import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import { AF_INET, AF_INET6, PEER, PEER6, SOCK_DGRAM, SOCK_RAW, TestHost, US, US6 } from '../harness/host.js';
import { addr, cat, checksum, hex, icmp, ipv4, ipv6, pseudo, readIpv4, udp } from '../harness/packet.js';
import { suite } from '../harness/suite.js';

const test = suite('udp');
const IP = 0x0800, IP6 = 0x86dd;

test('send and receive, both ways, checksums right', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  assert.is(h.bind(s, US, 4000), 0);
  assert.is(h.send(s, [1, 2, 3], { address: PEER, port: 53 }), 3);
  const p = readIpv4(h.sent(IP)[0].bytes);
  assert.is(checksum(pseudo(US, PEER, 17, p.payload.length), p.payload), 0);
  assert.is(hex(p.payload.subarray(0, 6)), '0fa0' + '0035' + '000b');
  h.in4({ proto: 17 }, udp(PEER, 53, US, 4000, [9, 8]));
  const r = h.recv(s);
  assert.type(r, 'object');
  if (typeof r === 'object') {
    assert.equal([...r.data], [9, 8]);
    assert.is(r.from?.port, 53);
    assert.is(hex(r.from!.address), hex(addr(PEER)));
  }
  assert.is(h.recv(s), -11);
  h.close(s);
  h.core.poll();
  assert.equal(h.leaks(), { sockets: 0, chunks: 0 });
});

test('a bad checksum is dropped, a zero one passes on IPv4 and not on IPv6', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET6, SOCK_DGRAM);
  h.bind(s, '::', 4000);
  h.in4({ proto: 17 }, udp(PEER, 53, US, 4000, [1], { csum: 0x1111 }));
  assert.is(h.recv(s), -11);
  h.in4({ proto: 17 }, udp(PEER, 53, US, 4000, [1], { csum: 0 }));
  assert.type(h.recv(s), 'object');
  h.in6({ next: 17 }, udp(PEER6, 53, US6, 4000, [1], { csum: 0 }));
  assert.is(h.recv(s), -11);
  assert.is(h.core.drops('UDP_CSUM'), 2);
  h.in4({ proto: 17 }, udp(PEER, 53, US, 4000, [1, 2], { len: 40 }));
  assert.is(h.core.drops('UDP_MALFORMED'), 1);
});

test('bind conflicts as Linux: same address and port, wildcard, dual stack, REUSEADDR, REUSEPORT', async () => {
  const h = await TestHost.create();
  const b = (family: number, address: string, port: number, ...options: number[]): number => {
    const s = h.socket(family, SOCK_DGRAM);
    for (const o of options) h.setInt(s, o === 26 ? 41 : 1, o, 1);
    return h.bind(s, address, port);
  };
  assert.is(b(AF_INET, US, 1000), 0);
  assert.is(b(AF_INET, US, 1000), -98);
  assert.is(b(AF_INET, '0.0.0.0', 1000), -98);
  assert.is(b(AF_INET, '127.0.0.1', 1000), 0);
  assert.is(b(AF_INET6, '::', 1000), -98);
  assert.is(b(AF_INET6, '::', 1000, 26), 0);
  assert.is(b(AF_INET, US, 1001, 2), 0);
  assert.is(b(AF_INET, US, 1001, 2), 0);
  assert.is(b(AF_INET, US, 1001), -98);
  assert.is(b(AF_INET, US, 1002, 15), 0);
  assert.is(b(AF_INET, US, 1002, 15), 0);
  assert.is(b(AF_INET, '10.0.0.77', 1003), -99);
});

test('a connected socket hears only its peer, and refused comes back as ECONNREFUSED', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  assert.is(h.connect(s, PEER, 53), 0);
  const name = h.sockname(s);
  const port = typeof name === 'object' ? name.port : 0;
  assert.ok(port >= 32768 && port <= 60999);
  h.in4({ proto: 17, src: '10.0.0.9' }, udp('10.0.0.9', 53, US, port, [1]));
  h.in4({ proto: 17 }, udp(PEER, 54, US, port, [2]));
  assert.is(h.recv(s), -11);
  h.in4({ proto: 17 }, udp(PEER, 53, US, port, [3]));
  assert.type(h.recv(s), 'object');
  h.sent();
  h.send(s, [7]);
  const sent = h.sent(IP)[0].bytes.subarray(14);
  h.in4({ proto: 1 }, icmp(3, 3, 0, sent));
  assert.is(h.core.x.sys_poll(s) & 8, 8);
  assert.is(h.recv(s), -111);
  assert.is(h.recv(s), -11);
});

test('IP_RECVERR queues the error with its origin and what was sent', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.setInt(s, 0, 11, 1);
  h.send(s, [1, 2, 3, 4, 5], { address: PEER, port: 999 });
  const sent = h.sent(IP)[0].bytes.subarray(14);
  h.in4({ proto: 1 }, icmp(3, 3, 0, sent));
  const r = h.recv(s, 100, 0x2000);
  assert.type(r, 'object');
  if (typeof r !== 'object') return;
  assert.equal([...r.data], [1, 2, 3, 4, 5]);
  assert.is(r.from?.port, 999);
  assert.is(r.flags & 0x2000, 0x2000);
  // cmsg: len 48, IPPROTO_IP, IP_RECVERR; errno 111, origin 2, type 3, code 3; offender
  assert.is(hex(r.control.subarray(8, 16)), '00000000' + '0b000000');
  assert.is(hex(r.control.subarray(16, 24)), '6f000000' + '02030300');
  assert.is(hex(r.control.subarray(32, 40)), '02000000' + '0a000002');
});

test('IP_PKTINFO, TTL and TOS are told; PKTINFO chooses the source', async () => {
  const h = await TestHost.create({ addresses: [{ address: US, prefix: 24 }, { address: '10.0.0.11', prefix: 24 }] });
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.bind(s, '0.0.0.0', 53);
  for (const o of [8, 12, 13]) h.setInt(s, 0, o, 1);
  h.in4({ proto: 17, dst: '10.0.0.11', ttl: 33, tos: 8 }, udp(PEER, 1234, '10.0.0.11', 53, [1]));
  const r = h.recv(s);
  assert.type(r, 'object');
  if (typeof r !== 'object') return;
  assert.is(hex(r.control.subarray(16, 28)), '02000000' + '0a00000b' + '0a00000b');
  const control = cat([28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0], [0, 0, 0, 0], addr('10.0.0.11'), [0, 0, 0, 0], [0, 0, 0, 0]);
  assert.is(h.send(s, [1], { address: PEER, port: 1234 }, 0, control), 1);
  assert.is(readIpv4(h.sent(IP)[0].bytes).src, '10.0.0.11');
});

test('MSG_PEEK, MSG_TRUNC, zero-length datagrams, shutdown', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.bind(s, US, 4000);
  h.in4({ proto: 17 }, udp(PEER, 1, US, 4000, [1, 2, 3, 4]));
  h.in4({ proto: 17 }, udp(PEER, 1, US, 4000, []));
  const peek = h.recv(s, 2, 2 | 0x20);
  assert.type(peek, 'object');
  if (typeof peek === 'object') assert.equal([peek.n, peek.flags & 0x20, ...peek.data], [4, 0x20, 1, 2]);
  const all = h.recv(s);
  if (typeof all === 'object') assert.is(all.n, 4);
  const empty = h.recv(s);
  assert.type(empty, 'object');
  if (typeof empty === 'object') assert.is(empty.n, 0);
  assert.is(h.core.x.sys_shutdown(s, 0), -107);
});

test('the receive buffer bounds what waits', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.bind(s, US, 4000);
  h.setInt(s, 1, 8, 1);
  for (let i = 0; i < 100; i++) h.in4({ proto: 17 }, udp(PEER, 1, US, 4000, new Uint8Array(100)));
  let n = 0;
  while (typeof h.recv(s) === 'object') n++;
  assert.ok(n >= 1 && n <= 8, `${n}`);
  assert.is(h.core.mib('UdpRcvbufErrors'), 100 - n);
});

test('broadcast needs SO_BROADCAST; multicast is joined, looped and limited by TTL', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  assert.is(h.send(s, [1], { address: '10.0.0.255', port: 9 }), -13);
  h.setInt(s, 1, 6, 1);
  assert.is(h.send(s, [1], { address: '10.0.0.255', port: 9 }), 1);
  assert.is(hex(h.sent(IP)[0].bytes.subarray(0, 6)), 'ffffffffffff');
  const r = h.socket(AF_INET, SOCK_DGRAM);
  h.bind(r, '0.0.0.0', 5000);
  assert.is(h.set(r, 0, 35, cat(addr('239.1.2.3'), addr(US))), 0);
  const igmp = readIpv4(h.sent(IP)[0].bytes);
  assert.is(igmp.dst, '224.0.0.22');
  assert.is(hex(igmp.options), '94040000');
  assert.is(checksum(igmp.payload), 0);
  assert.is(hex(igmp.payload.subarray(8)), '04000000' + 'ef010203');
  assert.is(h.set(s, 0, 32, addr(US)), 0);
  assert.is(h.send(s, [5], { address: '239.1.2.3', port: 5000 }), 1);
  const out = h.sent(IP)[0].bytes;
  assert.is(hex(out.subarray(0, 6)), '01005e010203');
  assert.is(readIpv4(out).ttl, 1);
  h.core.poll();
  assert.type(h.recv(r), 'object', 'looped');
});

test('UDP_SEGMENT cuts one send into datagrams', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  assert.is(h.setInt(s, 17, 103, 100), 0);
  assert.is(h.send(s, Uint8Array.from({ length: 250 }, (_, i) => i), { address: PEER, port: 7 }), 250);
  const out = h.sent(IP).map((f) => readIpv4(f.bytes));
  assert.equal(out.map((p) => p.payload.length - 8), [100, 100, 50]);
  for (const p of out) assert.is(checksum(pseudo(US, PEER, 17, p.payload.length), p.payload), 0);
});

test('MSG_MORE joins pieces into one datagram', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.connect(s, PEER, 7);
  assert.is(h.send(s, [1, 2], undefined, 0x8000), 2);
  assert.is(h.sent(IP).length, 0);
  assert.is(h.send(s, [3]), 1);
  assert.is(hex(readIpv4(h.sent(IP)[0].bytes).payload.subarray(8)), '010203');
});

test('raw sockets: a copy of every packet of the protocol, header included; HDRINCL', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_RAW, 17);
  h.in4({ proto: 17 }, udp(PEER, 1, US, 4000, [1]));
  const r = h.recv(s);
  assert.type(r, 'object');
  if (typeof r === 'object') assert.is(r.data[0], 0x45);
  const own = h.socket(AF_INET, SOCK_RAW, 255);
  const packet = ipv4({ src: '0.0.0.0', dst: PEER, proto: 99, ttl: 5, csum: 0 }, [1, 2, 3]);
  assert.is(h.send(own, packet, { address: PEER, port: 0 }), packet.length);
  const p = readIpv4(h.sent(IP).map((f) => f.bytes).filter((f) => f[23] === 99)[0]);
  assert.is(p.src, US);
  assert.is(p.ttl, 5);
});

test('raw sockets: a packet of IPv6 that brings its header leaves as it is', async () => {
  const h = await TestHost.create();
  const own = h.socket(AF_INET6, SOCK_RAW, 255);
  const packet = ipv6({ src: '2001:db8::77', dst: PEER6, next: 59, hops: 3 }, [1, 2, 3]);
  assert.is(h.send(own, packet, { address: PEER6, port: 0 }), packet.length);
  const sent = h.sent(IP6).map((f) => f.bytes.slice(14)).filter((b) => b[6] === 59);
  assert.equal(sent, [packet]);
  assert.is(h.send(own, packet.slice(0, 39), { address: PEER6, port: 0 }), -22);
  const udp6 = h.socket(AF_INET6, SOCK_RAW, 17);
  assert.is(h.set(udp6, 41, 36, [1, 0, 0, 0]), 0);
  assert.is(h.send(udp6, packet, { address: PEER6, port: 0 }), packet.length);
  assert.equal(h.sent(IP6).map((f) => f.bytes.slice(14)), [packet]);
});

test('echo sockets: identifier is the port, only echo requests leave', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM, 1);
  assert.is(h.send(s, icmp(0, 0, 0), { address: PEER, port: 0 }), -22);
  assert.is(h.send(s, icmp(8, 0, 0x00000005, [1, 2, 3]), { address: PEER, port: 0 }), 11);
  const p = readIpv4(h.sent(IP)[0].bytes).payload;
  assert.is(checksum(p), 0);
  const name = h.sockname(s);
  const id = (p[4] << 8) | p[5];
  assert.is(typeof name === 'object' ? name.port : 0, id);
  h.in4({ proto: 1 }, icmp(0, 0, ((id << 16) | 5) >>> 0, [1, 2, 3]));
  const r = h.recv(s);
  assert.type(r, 'object');
  h.in4({ proto: 1 }, icmp(0, 0, (((id ^ 1) << 16) | 5) >>> 0, [1, 2, 3]));
  assert.is(h.recv(s), -11);
});

test('a BPF program that reads scratch it has not written on every way there is refused', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  type Insn = [code: number, jt: number, jf: number, k: number];
  const attach = (...program: Insn[]): number => h.set(s, 1, 26, cat([program.length, 0], new Uint8Array(14), program.flatMap(([code, jt, jf, k]) => [code, 0, jt, jf, k, 0, 0, 0])));
  const LD_MEM = 0x60, LDX_MEM = 0x61, ST = 0x02, STX = 0x03, JEQ = 0x15, JA = 0x05, RET_A = 0x16, LEN = 0x80;
  assert.is(attach([LD_MEM, 0, 0, 3], [RET_A, 0, 0, 0]), -22);
  assert.is(attach([LDX_MEM, 0, 0, 0], [RET_A, 0, 0, 0]), -22);
  assert.is(attach([LEN, 0, 0, 0], [JEQ, 0, 1, 5], [ST, 0, 0, 2], [LD_MEM, 0, 0, 2], [RET_A, 0, 0, 0]), -22, 'one way only');
  assert.is(attach([JA, 0, 0, 1], [ST, 0, 0, 1], [LD_MEM, 0, 0, 1], [RET_A, 0, 0, 0]), -22, 'jumped over');
  assert.is(attach([LEN, 0, 0, 0], [ST, 0, 0, 15], [JEQ, 0, 1, 5], [STX, 0, 0, 1], [LD_MEM, 0, 0, 15], [RET_A, 0, 0, 0]), 0);
});

test('a classic BPF filter decides what a socket gets', async () => {
  const h = await TestHost.create();
  const s = h.socket(AF_INET, SOCK_DGRAM);
  h.bind(s, US, 4000);
  // ldb [8]; jeq #7, accept; ret 0; ret 65535   (data starts at the UDP header)
  const insn = (code: number, jt: number, jf: number, k: number): number[] => [code & 255, code >> 8, jt, jf, k & 255, (k >> 8) & 255, (k >> 16) & 255, k >>> 24];
  const prog = [...insn(0x30, 0, 0, 8), ...insn(0x15, 1, 0, 7), ...insn(6, 0, 0, 0), ...insn(6, 0, 0, 65535)];
  assert.is(h.set(s, 1, 26, cat([4, 0], new Uint8Array(14), prog)), 0);
  h.in4({ proto: 17 }, udp(PEER, 1, US, 4000, [6]));
  assert.is(h.recv(s), -11);
  h.in4({ proto: 17 }, udp(PEER, 1, US, 4000, [7]));
  assert.type(h.recv(s), 'object');
  assert.is(h.set(s, 1, 26, cat([1, 0], new Uint8Array(14), insn(0x15, 9, 0, 7))), -22, 'a jump out of the program');
});

test('a socket that sends to itself and closes without reading leaves nothing', async () => {
  const h = await TestHost.create();
  for (const [family, address] of [[AF_INET, '127.0.0.1'], [AF_INET, US], [AF_INET6, '::1'], [AF_INET6, US6]] as const) {
    const s = h.socket(family, SOCK_DGRAM);
    h.bind(s, address, 5000);
    assert.is(h.send(s, new Uint8Array(100), { address, port: 5000 }), 100);
    h.core.poll();
    h.close(s);
    h.core.poll();
    assert.is(h.core.x.usage(A.Usage.SOCKETS), 0, address);
  }
});

test('automatic ports are 1 to 65535 whatever the range was set to', async () => {
  for (const [min, max] of [[0, 0], [65536, 65536], [70000, 0xffffffff], [0, 0xffffffff]]) {
    const h = await TestHost.create();
    h.core.x.ctl_sysctl_set(A.Sysctl.IP_LOCAL_PORT_MIN, min);
    h.core.x.ctl_sysctl_set(A.Sysctl.IP_LOCAL_PORT_MAX, max);
    const s = h.socket(AF_INET, SOCK_DGRAM);
    assert.is(h.send(s, [1], { address: PEER, port: 9 }), 1);
    const name = h.sockname(s);
    assert.ok(typeof name !== 'number' && name.port > 0, `${min} to ${max}`);
  }
});

test.run();
