// TCP Fast Open (RFC 7413): cookies byte for byte as Linux's, keys, the option's lengths, the bound of the client's cache.
// The exchanges are in test/drill/tcp_fastopen.drill, both roles against the kernel in test/interop/fastopen.test.ts.
import * as assert from 'uvu/assert';
import * as A from '../../host/abi/constants.js';
import { AF_INET, AF_INET6, OUR_MAC, PEER, PEER_MAC, SOCK_STREAM, TestHost, US, type HostOptions } from '../harness/host.js';
import { ethernet, ipv4, ipv6, readIpv4, readIpv6, type Bytes } from '../harness/packet.js';
import { readTcp, SYN, ACK, tcpBytes, TcpPeer, type Segment, type TcpOpts } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp fast open');
const SOL_TCP = 6, FASTOPEN = 23, FASTOPEN_KEY = 33, MSG_FASTOPEN = 0x20000000;
const KEY = 'a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4', OTHER = '00000001-00000002-00000003-00000004';
const hex = (b: ArrayLike<number>): string => Buffer.from(Array.from(b)).toString('hex');
const bytes = (key: string): number[] => key.split('-').flatMap((w) => [...Buffer.from(w, 'hex').reverse()]);
const OPTS = { mss: 1460, sackOk: true };

async function listening(sysctl: Record<string, string>, o: HostOptions = {}): Promise<{ h: TestHost; l: number }> {
  const h = await TestHost.create({ ...o, config: { sysctl: { 'net.ipv4.tcp_fastopen': '2', ...sysctl }, ...o.config } });
  const l = h.socket(AF_INET6, SOCK_STREAM);
  assert.is(h.setInt(l, SOL_TCP, FASTOPEN, 5), 0);
  assert.is(h.bind(l, '::', 8080), 0);
  h.core.stamp();
  assert.is(h.core.x.sys_listen(l, 16), 0);
  return { h, l };
}
/** Send a SYN and read the answer. */
function syn(h: TestHost, src: string, dst: string, opts: TcpOpts, data: number[] = [], port = 40000): Segment {
  const v6 = src.includes(':'), seg = tcpBytes(src, port, dst, 8080, SYN, 1000, 0, 30000, opts, data);
  h.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, v6 ? 0x86dd : 0x0800, v6 ? ipv6({ src, dst, next: 6 }, seg) : ipv4({ src, dst, proto: 6 }, seg))]);
  const [f] = h.sent(v6 ? 0x86dd : 0x0800);
  assert.ok(f, 'no answer');
  return readTcp(v6 ? readIpv6(f.bytes).payload : readIpv4(f.bytes).payload);
}

test("the cookie under a known key is the one that Linux's own tests of packetdrill expect, over IPv4 and IPv6", async () => {
  for (const [src, dst, prefix, cookie] of [
    ['192.0.2.1', '192.168.0.1', 4, '3021b9d889017eeb'],
    ['fd3d:fa7b:d17d::1', 'fd3d:a0b:17d6::1', 16, 'c1d1e9742a47a9bc'],
  ] as [string, string, number, string][]) {
    const { h, l } = await listening({ 'net.ipv4.tcp_fastopen_key': KEY }, {
      addresses: [{ address: dst, prefix }], config: { neighbours: [{ dev: 'eth0', address: src, mac: PEER_MAC }] },
    });
    assert.is(hex(syn(h, src, dst, { ...OPTS, fo: [] }).opts.fo!), cookie);
    h.close(l);
  }
});

test('a cookie is good for one client address and one key; the key before is good, too, and gets a new cookie', async () => {
  const { h, l } = await listening({ 'net.ipv4.tcp_fastopen_key': `${KEY},${OTHER}` });
  const first = syn(h, PEER, US, { ...OPTS, fo: [] }).opts.fo!;
  assert.is(first.length, 8);
  // With it the data is acknowledged.
  assert.is(syn(h, PEER, US, { ...OPTS, fo: first }, [1, 2, 3], 40001).ack, 1004);
  // A bit of it wrong, and nothing is.
  const bent = syn(h, PEER, US, { ...OPTS, fo: [first[0] ^ 1, ...first.slice(1)] }, [1, 2, 3], 40002);
  assert.is(bent.ack, 1001);
  assert.equal(bent.opts.fo, first);
  // Another client's.
  const other = await listening({ 'net.ipv4.tcp_fastopen_key': KEY });
  const foreign = tcpBytes('10.0.0.3', 40000, US, 8080, SYN, 1000, 0, 30000, { ...OPTS, fo: first }, [1, 2, 3]);
  other.h.arp(2, '10.0.0.3', US);
  other.h.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: '10.0.0.3', dst: US, proto: 6 }, foreign))]);
  assert.is(other.h.core.mib('TcpExtTCPFastOpenPassiveFail'), 1);
  assert.is(other.h.core.mib('TcpExtTCPFastOpenPassive'), 0);
  // The old key's.
  const old = await listening({ 'net.ipv4.tcp_fastopen_key': OTHER });
  const cookie = syn(old.h, PEER, US, { ...OPTS, fo: [] }).opts.fo!;
  assert.is.not(hex(cookie), hex(first));
  const renewed = syn(h, PEER, US, { ...OPTS, fo: cookie }, [1, 2, 3], 40003);
  assert.is(renewed.ack, 1004);
  assert.equal(renewed.opts.fo, first);
  assert.is(h.core.mib('TcpExtTCPFastOpenPassiveAltKey'), 1);
  // A listener with a key of its own.
  const own = h.socket(AF_INET, SOCK_STREAM);
  assert.is(h.set(own, SOL_TCP, FASTOPEN_KEY, bytes(OTHER)), 0);
  assert.is(h.set(own, SOL_TCP, FASTOPEN_KEY, [1, 2, 3]), -22);
  const m = h.core.mem;
  h.core.stamp();
  assert.is(h.core.x.sys_getsockopt(own, SOL_TCP, FASTOPEN_KEY, A.ARG + 512, 64), 16);
  assert.is(hex(m.u8.slice(A.ARG + 512, A.ARG + 528)), hex(bytes(OTHER)));
  assert.is(h.core.x.sys_getsockopt(l, SOL_TCP, FASTOPEN_KEY, A.ARG + 512, 64), 32);
  assert.is(hex(m.u8.slice(A.ARG + 512, A.ARG + 544)), hex([...bytes(KEY), ...bytes(OTHER)]));
  h.close(l);
  h.close(own);
  other.h.close(other.l);
  old.h.close(old.l);
});

test('without a key from outside every stack has its own', async () => {
  const cookies = new Set<string>();
  for (const seed of [1, 2]) {
    const h = await TestHost.create({ seed, config: { sysctl: { 'net.ipv4.tcp_fastopen': '1026' } } });
    const p = new TcpPeer(h);
    const l = p.listen();
    cookies.add(hex(syn(h, PEER, US, { ...OPTS, fo: [] }).opts.fo!));
    h.close(l);
  }
  assert.is(cookies.size, 2);
});

test('an option of a forbidden length, and one on anything but a SYN, is none', async () => {
  const { h, l } = await listening({});
  let port = 40000;
  for (const raw of [[34, 3, 0, 1], [34, 4, 1, 2], [34, 5, 1, 2, 3, 0], [34, 19, ...new Array<number>(17).fill(7)], [34, 20, ...new Array<number>(18).fill(7)], [34, 1], [34]]) {
    const s = syn(h, PEER, US, { mss: 1460, raw }, [1, 2, 3], ++port);
    assert.is(s.ack, 1001, String(raw));
    assert.is(s.opts.fo, undefined, String(raw));
  }
  assert.is(h.core.mib('TcpExtTCPFastOpenCookieReqd'), 0);
  assert.is(h.core.mib('TcpExtTCPFastOpenPassiveFail'), 0);
  // 16 bytes are the most a cookie has: not ours, but a cookie.
  assert.is(syn(h, PEER, US, { fo: new Array<number>(16).fill(7) }, [1], ++port).opts.fo!.length, 8);
  h.close(l);
});

test('the client remembers 256 servers; the one not used for the longest time is forgotten', async () => {
  const h = await TestHost.create({ config: { routes: [{ network: '10.7.0.0', prefix: 16, via: PEER }] } });
  const open = (i: number, reply?: number[]): Segment => {
    const dst = `10.7.${i >> 8}.${i & 255}`, s = h.socket(AF_INET, SOCK_STREAM);
    const r = h.send(s, [1, 2, 3], { address: dst, port: 80 }, MSG_FASTOPEN);
    const [f] = h.sent(0x0800);
    const out = readTcp(readIpv4(f.bytes).payload);
    assert.is(r, out.data.length || -115);
    if (reply) {
      const answer: Bytes = tcpBytes(dst, 80, US, out.sport, SYN | ACK, 500, out.seq + 1, 30000, { mss: 1460, fo: reply });
      h.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: dst, dst: US, proto: 6 }, answer))]);
    }
    h.close(s);
    h.sent();
    return out;
  };
  for (let i = 1; i <= 256; i++) assert.equal(open(i, [i & 255, i >> 8, 1, 2]).opts.fo, []);
  assert.equal(open(1).opts.fo, [1, 0, 1, 2]); // used: now 2 is the oldest
  assert.equal(open(300, [9, 9, 9, 9]).opts.fo, []);
  assert.equal(open(1).opts.fo, [1, 0, 1, 2]);
  assert.equal(open(256).opts.fo, [0, 1, 1, 2]);
  assert.equal(open(300).opts.fo, [9, 9, 9, 9]);
  assert.equal(open(2).opts.fo, []);
  for (let t = 0; t < 30; t++) { // the peers never acknowledge a FIN
    h.core.advance(20e9);
    h.sent();
  }
});

test.run();
