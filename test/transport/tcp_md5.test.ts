// TCP MD5 signatures (RFC 2385): what every answer of the core carries, what it drops and counts, what has room beside a signature.
// Both roles against the kernel are in test/interop/signed.test.ts.
import { createHash } from 'node:crypto';
import * as assert from 'uvu/assert';
import { parseIp } from '../../host/config/address.js';
import * as A from '../../host/abi/constants.js';
import { PEER, PEER6, TestHost, US, US6, type HostOptions } from '../harness/host.js';
import { be16, checksum, pseudo, readIpv4, readIpv6, type Bytes } from '../harness/packet.js';
import { flagsOf, readTcp, tcpBytes, type Segment, type TcpOpts } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp md5');
const SOL_TCP = 6, MD5SIG = 14, MD5SIG_EXT = 32, AF_INET = 2, AF_INET6 = 10, SOCK_STREAM = 1, LINGER = 13;
const KEY = 'the key of both', OTHER = 'another key';
const text = (s: string): Bytes => new TextEncoder().encode(s);
const OFFSET = (b: Bytes): number => (b[12] >> 4) * 4;

/** RFC 2385 2.0 over a whole segment. */
function digest(src: string, dst: string, segment: Bytes, key: string): Bytes {
  const header = segment.slice(0, 20);
  header.set([0, 0], 16);
  return createHash('md5').update(pseudo(src, dst, 6, segment.length)).update(header).update(segment.subarray(OFFSET(segment))).update(text(key)).digest();
}
/** struct tcp_md5sig. */
function option(address: string, key: string, prefix?: number): number[] {
  const b = new Uint8Array(216), a = parseIp(address)!;
  b.set([a.length === 4 ? AF_INET : AF_INET6]);
  b.set(a, a.length === 4 ? 4 : 8);
  if (prefix !== undefined) b.set([1, prefix], 128);
  b.set([key.length], 130);
  b.set(text(key), 136);
  return [...b];
}

/** A peer that signs with `key` (empty: not at all) and wants signatures of the same key. */
class Peer {
  key = KEY;
  iss = 0;
  port = 179;
  peerPort = 40000;
  constructor(readonly h: TestHost, readonly v6 = false) {}
  private get ends(): [string, string] { return this.v6 ? [PEER6, US6] : [PEER, US]; }
  bytes(flags: string, seq: number, ack: number, data: Bytes | number[] = [], o: TcpOpts = {}): Bytes {
    const [src, dst] = this.ends;
    const raw = this.key ? [1, 1, 19, 18, ...new Array<number>(16).fill(0)] : [];
    const b = tcpBytes(src, this.peerPort, dst, this.port, flagsOf(flags), seq, ack, 30000, { ...o, raw: [...raw, ...(o.raw ?? [])] }, data);
    if (this.key) b.set(digest(src, dst, b, this.key), OFFSET(b) - (o.raw?.length ?? 0) - 16);
    b.set([0, 0], 16);
    b.set(be16(checksum(pseudo(src, dst, 6, b.length), b)), 16);
    return b;
  }
  tx(flags: string, seq: number, ack: number, data: Bytes | number[] = [], o: TcpOpts = {}): void {
    const b = this.bytes(flags, seq, ack, data, o);
    if (this.v6) this.h.in6({ next: 6 }, b);
    else this.h.in4({ proto: 6 }, b);
  }
  /** What the core has sent, each signature checked; `signed`: whether there must be one. */
  rx(signed = true): Segment[] {
    const [peer, us] = this.ends;
    return this.h.sent(this.v6 ? 0x86dd : 0x0800).map((f) => {
      const b = this.v6 ? readIpv6(f.bytes).payload : readIpv4(f.bytes).payload;
      assert.is(f.gsoSize, 0);
      const at = Buffer.from(b.subarray(20, OFFSET(b))).indexOf(Buffer.from([19, 18]));
      assert.is(at >= 0, signed, signed ? 'not signed' : 'signed');
      if (signed) assert.is(Buffer.from(b.subarray(22 + at, 38 + at)).toString('hex'), Buffer.from(digest(us, peer, b, this.key)).toString('hex'));
      const s = readTcp(b);
      if (s.flags.includes('S')) this.iss = s.seq;
      return s;
    });
  }
  text(signed = true): string[] { return this.rx(signed).map((s) => s.flags); }
}

async function listening(v6 = false, o: HostOptions = {}, prepare: (h: TestHost, l: number) => void = () => {}): Promise<{ h: TestHost; l: number; p: Peer }> {
  const h = await TestHost.create(o), l = h.socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM);
  assert.is(h.set(l, SOL_TCP, MD5SIG, option(v6 ? PEER6 : PEER, KEY)), 0);
  prepare(h, l);
  assert.is(h.bind(l, v6 ? '::' : '0.0.0.0', 179), 0);
  h.core.stamp();
  assert.is(h.core.x.sys_listen(l, 16), 0);
  return { h, l, p: new Peer(h, v6) };
}
const accept = (h: TestHost, l: number): number => {
  h.core.stamp();
  return h.core.x.sys_accept(l);
};
const SYN_OPTS: TcpOpts = { mss: 1460, sackOk: true, wscale: 7 };

for (const v6 of [false, true]) {
  const what = v6 ? 'IPv6' : 'IPv4';
  test(`${what}: from SYN to TIME_WAIT every segment of ours is signed, and none that is not counts`, async () => {
    const { h, l, p } = await listening(v6);
    const dropped = (counter: keyof typeof A.Mib, reason: keyof typeof A.Drop, act: () => void): void => {
      const [c, d] = [h.core.mib(counter), h.core.drops(reason)];
      act();
      assert.equal(p.text(), [], 'an answer');
      assert.equal([h.core.mib(counter) - c, h.core.drops(reason) - d], [1, 1]);
    };
    const unsigned = (flags: string, seq: number, ack: number, data: number[] = []) => dropped('TcpExtTCPMD5NotFound', 'TCP_MD5NOTFOUND', () => {
      p.key = '';
      p.tx(flags, seq, ack, data);
      p.key = KEY;
    });
    const forged = (flags: string, seq: number, ack: number, data: number[] = []) => dropped('TcpExtTCPMD5Failure', 'TCP_MD5FAILURE', () => {
      p.key = OTHER;
      p.tx(flags, seq, ack, data);
      p.key = KEY;
    });
    unsigned('S', 1000, 0);
    forged('S', 1000, 0);
    p.tx('S', 1000, 0, [], SYN_OPTS);
    assert.equal(p.text(), ['S.']);
    // SYN-RECEIVED: repeated by the timer, and the answer to what is not acceptable.
    h.core.poll();
    h.core.advance(1.1e9);
    assert.equal(p.text(), ['S.']);
    unsigned('R', 1001, 0);
    forged('R', 1001, 0);
    p.tx('.', 0x70000000, p.iss + 1);
    assert.equal(p.text(), ['.']);
    p.tx('.', 1001, p.iss + 7);
    assert.equal(p.text(), ['R']);
    unsigned('.', 1001, p.iss + 1);
    p.tx('.', 1001, p.iss + 1);
    const s = accept(h, l);
    assert.ok(s >= 0);
    // ESTABLISHED
    unsigned('P.', 1001, p.iss + 1, [1, 2, 3]);
    forged('P.', 1001, p.iss + 1, [1, 2, 3]);
    forged('R', 1001, 0);
    unsigned('R', 1001, 0);
    assert.is(h.recv(s), -11);
    p.tx('P.', 1001, p.iss + 1, [1, 2, 3]);
    assert.equal([...(h.recv(s) as { data: Bytes }).data], [1, 2, 3]);
    p.rx();
    assert.is(h.send(s, new Uint8Array(4000)), 4000);
    const sent = p.rx();
    assert.ok(sent.length >= 3 && sent.every((x) => x.data.length <= 1460 - 20), String(sent.map((x) => x.data.length)));
    // lost, and sent again
    h.core.poll();
    h.core.advance(3.5e9);
    assert.ok(p.rx().length > 0);
    p.tx('.', 1004, p.iss + 4001);
    p.rx();
    h.close(s);
    assert.equal(p.text(), ['F.']);
    p.tx('F.', 1004, p.iss + 4002);
    assert.equal(p.text(), ['.']);
    // TIME_WAIT
    unsigned('R', 1005, 0);
    forged('F.', 1004, p.iss + 4002);
    p.tx('F.', 1004, p.iss + 4002);
    assert.equal(p.text(), ['.']);
    // A signed SYN may take its place, one without signature not.
    unsigned('S', 900000, 0);
    p.tx('S', 900000, 0, [], SYN_OPTS);
    assert.equal(p.text(), ['S.']);
    p.tx('R', 900001, 0);
    assert.equal(p.text(), []);
    // A signed SYN for a TIME_WAIT record whose listener has gone.
    p.peerPort++;
    p.tx('S', 1000, 0, [], SYN_OPTS);
    p.rx();
    p.tx('.', 1001, p.iss + 1);
    const t = accept(h, l);
    h.close(t);
    h.close(l);
    p.rx();
    p.tx('F.', 1001, p.iss + 2);
    assert.equal(p.text(), ['.']);
    p.tx('S', 900000, 0, [], SYN_OPTS);
    assert.equal(p.text(), []);
  });

  test(`${what}: an unexpected signature is dropped, whether there is a listener without key or nobody`, async () => {
    const h = await TestHost.create(), l = h.socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM), p = new Peer(h, v6);
    assert.is(h.bind(l, v6 ? '::' : '0.0.0.0', 179), 0);
    h.core.stamp();
    h.core.x.sys_listen(l, 16);
    p.tx('S', 1000, 0, [], SYN_OPTS);
    assert.equal(p.text(), []);
    assert.is(h.core.mib('TcpExtTCPMD5Unexpected'), 1);
    p.port = 180;
    p.tx('S', 1000, 0, [], SYN_OPTS);
    assert.equal(p.text(), []);
    p.key = '';
    p.tx('S', 1000, 0, [], SYN_OPTS);
    assert.equal(p.text(false), ['R.']);
    h.close(l);
  });

  test(`${what}: nobody's segment from a port where we listen with the key is answered by a signed reset`, async () => {
    const { h, l, p } = await listening(v6);
    p.peerPort = 179;
    p.port = 40000;
    p.tx('.', 1000, 2000);
    assert.equal(p.text(), ['R']);
    p.key = OTHER;
    p.tx('.', 1000, 2000);
    assert.equal(p.text(), []);
    h.close(l);
  });
}

test('a client: no timestamps, a signed SYN again and again, the wrong answer ignored; then the abort signed', async () => {
  const h = await TestHost.create(), s = h.socket(AF_INET, SOCK_STREAM), p = new Peer(h);
  assert.is(h.set(s, SOL_TCP, MD5SIG_EXT, option('10.0.0.0', KEY, 24)), 0);
  assert.is(h.connect(s, PEER, 179), -115);
  const [syn] = p.rx();
  assert.equal(syn.opts, { mss: 1460, wscale: 7, sackOk: true });
  p.port = syn.sport;
  p.peerPort = 179;
  for (const key of [OTHER, '']) {
    p.key = key;
    p.tx('S.', 5000, syn.seq + 1, [], SYN_OPTS);
    p.tx('R.', 0, syn.seq + 1);
    p.key = KEY;
    assert.equal(p.text(), []);
  }
  h.core.poll();
  h.core.advance(1.1e9);
  assert.equal(p.text(), ['S']);
  p.tx('S.', 5000, syn.seq + 1, [], SYN_OPTS);
  assert.equal(p.text(), ['.']);
  assert.is(h.set(s, 1, LINGER, [1, 0, 0, 0, 0, 0, 0, 0]), 0);
  h.close(s);
  assert.equal(p.text(), ['R.']);
});

test('room: timestamps give way to SACK, and stay without it', async () => {
  const { h, l, p } = await listening();
  p.tx('S', 1000, 0, [], { mss: 1460, sackOk: true, ts: [77, 0] });
  let [s] = p.rx();
  assert.equal([s.opts.ts, s.opts.sackOk, s.opts.wscale], [undefined, true, undefined]);
  p.tx('.', 1001, p.iss + 1);
  const first = accept(h, l);
  // Two holes: two blocks fit beside the signature (20 + 4 + 16), a third does not.
  for (const at of [1101, 1301, 1501]) p.tx('.', at, p.iss + 1, new Uint8Array(100));
  const acks = p.rx();
  assert.equal(acks.map((a) => a.opts.sack?.length), [1, 2, 2]);
  h.close(first);
  p.rx();
  p.peerPort++;
  p.tx('S', 1000, 0, [], { mss: 1460, wscale: 7, ts: [77, 0] });
  [s] = p.rx();
  assert.is(s.opts.ts?.[1], 77);
  p.tx('.', 1001, p.iss + 1, [], { ts: [78, s.opts.ts![0]] });
  const second = accept(h, l);
  assert.is(h.send(second, new Uint8Array(3000)), 3000);
  assert.equal(p.rx().map((x) => x.data.length), [1428, 1428, 144]);
  h.close(second);
  h.close(l);
});

test('a key given, changed and taken away in the middle of a connection', async () => {
  const { h, l, p } = await listening();
  p.tx('S', 1000, 0, [], SYN_OPTS);
  p.rx();
  p.tx('.', 1001, p.iss + 1);
  const s = accept(h, l);
  assert.is(h.set(s, SOL_TCP, MD5SIG, option(PEER, OTHER)), 0);
  h.send(s, [1]);
  p.key = OTHER;
  assert.equal(p.text(), ['P.']);
  p.tx('.', 1001, p.iss + 2);
  assert.is(h.set(s, SOL_TCP, MD5SIG, option(PEER, '')), 0);
  h.send(s, [2]);
  p.key = '';
  const [x] = p.rx(false);
  assert.equal([x.flags, [...x.data]], ['P.', [2]]);
  p.tx('R', 1001, 0);
  h.close(s);
  // The listener's key is as it was.
  p.key = KEY;
  p.peerPort++;
  p.tx('S', 1000, 0, [], SYN_OPTS);
  assert.equal(p.text(), ['S.']);
  h.close(l);
});

test('keys are bounded: the table ends with ENOMEM, and a child that gets none is not opened', async () => {
  const h = await TestHost.create({ maxSockets: 16 }), l = h.socket(AF_INET, SOCK_STREAM), p = new Peer(h);
  let n = 0;
  while (h.set(l, SOL_TCP, MD5SIG, option(`10.0.1.${n + 1}`, KEY)) === 0) n++;
  assert.is(n, 16);
  assert.is(h.set(l, SOL_TCP, MD5SIG, option('10.0.1.99', KEY)), -A.Errno.ENOMEM);
  assert.is(h.set(l, SOL_TCP, MD5SIG, option('10.0.1.1', '')), 0);
  assert.is(h.set(l, SOL_TCP, MD5SIG, option(PEER, KEY)), 0);
  assert.is(h.bind(l, '0.0.0.0', 179), 0);
  h.core.stamp();
  h.core.x.sys_listen(l, 16);
  p.tx('S', 1000, 0, [], SYN_OPTS);
  assert.equal(p.text(), ['S.']);
  p.tx('.', 1001, p.iss + 1);
  assert.is(accept(h, l), -11);
  assert.is(h.set(l, SOL_TCP, MD5SIG, option('10.0.1.2', '')), 0);
  p.tx('.', 1001, p.iss + 1);
  assert.ok(accept(h, l) >= 0);
  h.close(l);
});

test('hostile options: lengths, two signatures, none at the end of the list', async () => {
  const { h, l, p } = await listening();
  p.key = '';
  const sig = [19, 18, ...new Array<number>(16).fill(7)];
  for (const raw of [[19, 17, ...new Array<number>(15).fill(7)], [19, 2], [19, 4, 1, 2], [...sig, ...sig]]) {
    const before = h.core.drops('TCP_AUTH_HDR');
    p.tx('S', 1000, 0, [], { raw });
    assert.is(h.core.drops('TCP_AUTH_HDR'), before + 1, String(raw));
  }
  for (const raw of [[19], [19, 18, 1, 2], [19, 0], [0, ...sig]]) {
    const before = h.core.mib('TcpExtTCPMD5NotFound');
    p.tx('S', 1000, 0, [], { raw });
    assert.is(h.core.mib('TcpExtTCPMD5NotFound'), before + 1, String(raw));
  }
  assert.equal(p.text(), []);
  h.close(l);
});

test.run();
