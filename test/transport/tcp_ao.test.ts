// TCP-AO (RFC 5925): two stacks against each other, keys that roll over, sequence numbers that come round, what is dropped and counted, the
// options of Linux. Keys and MACs have their vectors in test/transport/tcp_ao_vectors.test.ts.
import { createHmac } from 'node:crypto';
import * as assert from 'uvu/assert';
import { parseIp } from '../../host/config/address.js';
import * as A from '../../host/abi/constants.js';
import { AF_INET, AF_INET6, OUR_MAC, PEER, PEER6, PEER_MAC, SOCK_STREAM, TestHost, US, US6 } from '../harness/host.js';
import { be16, checksum, ethernet, ipv4, pseudo, readIpv4, readIpv6, type Bytes } from '../harness/packet.js';
import { random } from '../harness/random.js';
import { flagsOf, readTcp, tcpBytes, type Segment } from '../harness/tcp.js';
import { suite } from '../harness/suite.js';

const test = suite('tcp ao');
const SOL_TCP = 6, ADD_KEY = 38, DEL_KEY = 39, INFO = 40, GET_KEYS = 41, MD5SIG = 14;
const text = (s: string): Bytes => new TextEncoder().encode(s);

interface Key {
  address?: string; prefix?: number; port?: number; ifindex?: number;
  alg?: string; key?: string; sndid?: number; rcvid?: number; maclen?: number; exclude?: boolean;
  current?: boolean; rnext?: boolean; reserved?: number;
}
function address(b: Uint8Array, at: string, port = 0): void {
  const a = parseIp(at)!;
  b.set([a.length === 4 ? AF_INET : AF_INET6, 0, ...be16(port)]);
  b.set(a, a.length === 4 ? 4 : 8);
}
/** struct tcp_ao_add. */
function addKey(k: Key): Uint8Array {
  const b = new Uint8Array(288), key = text(k.key ?? 'a master key');
  address(b, k.address ?? PEER, k.port);
  b.set(text(k.alg ?? 'hmac(sha1)'), 128);
  b.set([k.ifindex ?? 0], 192);
  b.set([(k.current ? 1 : 0) | (k.rnext ? 2 : 0) | (k.reserved ?? 0)], 196);
  b.set([k.prefix ?? ((k.address ?? PEER).includes(':') ? 128 : 32), k.sndid ?? 100, k.rcvid ?? 100, k.maclen ?? 0, k.exclude ? 2 : 0, key.length], 202);
  b.set(key, 208);
  return b;
}
/** struct tcp_ao_del. */
function delKey(k: Key & { async?: boolean; newCurrent?: number; newRnext?: number }): Uint8Array {
  const b = new Uint8Array(144);
  address(b, k.address ?? PEER);
  b.set([(k.newCurrent === undefined ? 0 : 1) | (k.newRnext === undefined ? 0 : 2) | (k.async ? 4 : 0)], 132);
  b.set([k.prefix ?? ((k.address ?? PEER).includes(':') ? 128 : 32), k.sndid ?? 100, k.rcvid ?? 100, k.newCurrent ?? 0, k.newRnext ?? 0], 138);
  return b;
}
interface Info { current?: number; rnext?: number; required?: boolean; counters?: boolean; icmps?: boolean; reserved?: number }
function infoBytes(o: Info): Uint8Array {
  const b = new Uint8Array(48);
  b.set([(o.current === undefined ? 0 : 1) | (o.rnext === undefined ? 0 : 2) | (o.required ? 4 : 0) | (o.counters ? 8 : 0) | (o.icmps ? 16 : 0) | (o.reserved ?? 0)]);
  b.set([o.current ?? 0, o.rnext ?? 0], 6);
  return b;
}
function get(h: TestHost, s: number, name: number, value: Uint8Array): Uint8Array | number {
  h.core.mem.u8.set(value, A.ARG + 512);
  h.core.stamp();
  const n = h.core.x.sys_getsockopt(s, SOL_TCP, name, A.ARG + 512, value.length);
  return n < 0 ? n : h.core.mem.u8.slice(A.ARG + 512, A.ARG + 512 + n);
}
function info(h: TestHost, s: number): { bits: number; current: number; rnext: number; good: number; bad: number; notFound: number; required: number; icmps: number } {
  const b = get(h, s, INFO, new Uint8Array(48));
  if (typeof b === 'number') throw new Error(String(b));
  const v = new DataView(b.buffer), n = (at: number): number => Number(v.getBigUint64(at, true));
  return { bits: b[0], current: b[6], rnext: b[7], good: n(8), bad: n(16), notFound: n(24), required: n(32), icmps: n(40) };
}

/** RFC 5925 5.1 and RFC 5926 3 for HMAC-SHA-1-96 with all options covered: does a segment bear the MAC that `sne` makes? */
function macIs(src: string, dst: string, segment: Bytes, key: string, sisn: number, disn: number, sne: number): boolean {
  const word = (n: number): Bytes => Uint8Array.from([n >>> 24, n >>> 16 & 255, n >>> 8 & 255, n & 255]), [a, b] = [parseIp(src)!, parseIp(dst)!];
  const context = [Uint8Array.from([1]), text('TCP-AO'), a, b, segment.subarray(0, 4), word(sisn), word(disn), Uint8Array.from([0, 160])];
  const traffic = createHmac('sha1', text(key)).update(Buffer.concat(context)).digest();
  const plain = segment.slice(), hlen = (segment[12] >> 4) * 4;
  let at = 20;
  while (segment[at] !== 29) at += segment[at] === 1 ? 1 : segment[at + 1];
  assert.ok(at < hlen);
  plain.fill(0, 16, 18);
  plain.fill(0, at + 4, at + 16);
  const mac = createHmac('sha1', traffic).update(word(sne)).update(pseudo(src, dst, 6, segment.length)).update(plain).digest();
  return mac.subarray(0, 12).equals(segment.subarray(at + 4, at + 16));
}

/** Two stacks and the wire between them: `us` listens at port 179, `peer` connects. */
class Pair {
  /** What becomes of a segment: itself, others, or none. */
  wire: (bytes: Bytes, s: Segment, from: 'us' | 'peer') => Bytes[] = (b) => [b];
  listener = -1;
  server = -1;
  client = -1;
  readonly seen: { from: string; s: Segment; option: Bytes; frame: Bytes }[] = [];
  private constructor(readonly us: TestHost, readonly peer: TestHost, readonly v6: boolean) {}
  static async create(v6 = false, sysctl: Record<string, string> = {}): Promise<Pair> {
    const us = await TestHost.create({ config: { sysctl } });
    const peer = await TestHost.create({
      seed: 2, mac: PEER_MAC, addresses: [{ address: PEER, prefix: 24 }, { address: PEER6, prefix: 64 }],
      config: { sysctl, neighbours: [{ dev: 'eth0', address: US, mac: OUR_MAC }, { dev: 'eth0', address: US6, mac: OUR_MAC }] },
    });
    return new Pair(us, peer, v6);
  }
  get ends(): { us: string; peer: string } { return this.v6 ? { us: US6, peer: PEER6 } : { us: US, peer: PEER }; }
  /** Carry frames until there are none; how many. */
  run(): number {
    let n = 0;
    for (let idle = false; !idle;) {
      idle = true;
      for (const [h, to, from] of [[this.peer, this.us, 'peer'], [this.us, this.peer, 'us']] as [TestHost, TestHost, 'us' | 'peer'][]) {
        h.core.poll();
        for (const f of h.sent(this.v6 ? 0x86dd : 0x0800)) {
          const ip = this.v6 ? readIpv6(f.bytes) : readIpv4(f.bytes);
          if (('proto' in ip ? ip.proto : ip.next) !== 6) continue;
          assert.is(f.gsoSize, 0);
          if (!this.v6) assert.is(((f.bytes[20] << 8) | f.bytes[21]) & 0x3fff, 0, 'a fragment');
          const s = readTcp(ip.payload), hlen = (ip.payload[12] >> 4) * 4;
          let at = 20;
          while (at < hlen && ip.payload[at] !== 29) at += ip.payload[at] === 1 ? 1 : ip.payload[at + 1];
          this.seen.push({ from, s, option: at < hlen ? ip.payload.slice(at, at + ip.payload[at + 1]) : new Uint8Array(0), frame: f.bytes });
          for (const b of this.wire(f.bytes, s, from)) to.core.rx(0, [b]);
          idle = false;
          n++;
        }
      }
    }
    return n;
  }
  advance(ns: number): void {
    for (let t = 0; t < ns; t += 20e6) {
      for (const h of [this.us, this.peer]) h.core.advance(20e6);
      this.run();
    }
  }
  family(): number { return this.v6 ? AF_INET6 : AF_INET; }
  listen(keys: Key[], o: Info = {}): number {
    const h = this.us, l = h.socket(this.family(), SOCK_STREAM);
    for (const k of keys) assert.is(h.set(l, SOL_TCP, ADD_KEY, [...addKey({ address: this.ends.peer, ...k })]), 0);
    if (Object.keys(o).length) assert.is(h.set(l, SOL_TCP, INFO, [...infoBytes(o)]), 0);
    assert.is(h.bind(l, this.v6 ? '::' : '0.0.0.0', 179), 0);
    h.core.stamp();
    assert.is(h.core.x.sys_listen(l, 64), 0);
    return (this.listener = l);
  }
  socket(keys: Key[]): number {
    const c = this.peer.socket(this.family(), SOCK_STREAM);
    for (const k of keys) assert.is(this.peer.set(c, SOL_TCP, ADD_KEY, [...addKey({ address: this.ends.us, ...k })]), 0);
    return (this.client = c);
  }
  /** connect and accept; false when nothing came of it. */
  open(keys: Key[]): boolean {
    this.socket(keys);
    assert.is(this.peer.connect(this.client, this.ends.us, 179), -115);
    this.run();
    this.us.core.stamp();
    this.server = this.us.core.x.sys_accept(this.listener);
    return this.server >= 0;
  }
  /** `n` bytes from one end to the other arrive. */
  move(from: 'us' | 'peer', n: number): void {
    const [a, sa, b, sb] = from === 'us' ? [this.us, this.server, this.peer, this.client] : [this.peer, this.client, this.us, this.server];
    let sent = 0, got = 0;
    for (let round = 0; got < n; round++) {
      if (round > 20000) throw new Error(`stuck at ${got} of ${n}`);
      if (sent < n) {
        const r = a.send(sa, Uint8Array.from({ length: Math.min(16000, n - sent) }, (_, i) => (sent + i) * 7 & 255));
        if (r > 0) sent += r;
      }
      if (!this.run()) this.advance(20e6);
      for (let r = b.recv(sb); typeof r !== 'number' && r.data.length; r = b.recv(sb)) {
        assert.is(r.data[0], got * 7 & 255);
        got += r.data.length;
      }
    }
    assert.is(got, n);
  }
  /** Both ends close, all records end. */
  close(): void {
    if (this.client >= 0) this.peer.close(this.client);
    if (this.server >= 0) this.us.close(this.server);
    this.run();
    this.client = this.server = -1;
  }
  end(): void {
    this.close();
    this.us.close(this.listener);
    this.run();
  }
}

for (const v6 of [false, true]) {
  for (const [alg, maclen, exclude] of [['hmac(sha1)', 0, false], ['cmac(aes128)', 0, true], ['cmac(aes)', 16, false], ['hmac(sha1)', 16, true]] as [string, number, boolean][]) {
    test(`${alg}, a MAC of ${maclen || 12} bytes, options ${exclude ? 'left out' : 'covered'}, IPv${v6 ? 6 : 4}: data both ways, loss, the end`, async () => {
      const p = await Pair.create(v6), key = { alg, maclen, exclude, key: alg === 'cmac(aes)' ? 'sixteen bytes 16' : 'a key of many bytes, more than AES takes' };
      p.listen([{ ...key, sndid: 5, rcvid: 6 }]);
      assert.ok(p.open([{ ...key, sndid: 6, rcvid: 5 }]));
      const syn = p.seen[0].s.opts;
      assert.equal([syn.ts !== undefined, syn.wscale, syn.sackOk, syn.mss], [maclen !== 16, 7, true, v6 ? 1440 : 1460]);
      let n = 0;
      p.wire = (b, s) => (s.data.length && ++n % 17 === 0 ? [] : [b]);
      p.move('us', 200_000);
      p.move('peer', 200_000);
      p.wire = (b) => [b];
      assert.ok(p.seen.every((x) => x.option.length === 4 + (maclen || 12)), 'a segment without option');
      assert.ok(p.seen.every((x) => x.option[2] === (x.from === 'us' ? 5 : 6) && x.option[3] === (x.from === 'us' ? 6 : 5)));
      // Selective acknowledgments had room for one block at least.
      assert.ok(p.seen.some((x) => x.s.opts.sack?.length === 1));
      assert.equal([p.us, p.peer].map((h) => h.core.mib('TcpExtTCPAOBad') + h.core.mib('TcpExtTCPAORequired') + h.core.mib('TcpExtTCPAOKeyNotFound')), [0, 0]);
      assert.ok(p.us.core.mib('TcpExtTCPAOGood') > 100);
      assert.is(info(p.us, p.server).good + info(p.us, p.listener).good, p.us.core.mib('TcpExtTCPAOGood'));
      p.close();
      // TIME_WAIT answers a repeated FIN with a signature, and nothing to one without.
      const fin = p.seen.filter((x) => x.from === 'us' && x.s.flags.includes('F')).length;
      assert.ok(fin > 0);
      p.end();
    });
  }
}

test('wrong key, unknown KeyID, another algorithm, another length, no option, an option unasked for: silence, and the counter', async () => {
  const cases: [Key[], Key[], keyof typeof A.Mib, keyof typeof A.Drop][] = [
    [[{}], [{ key: 'another' }], 'TcpExtTCPAOBad', 'TCP_AOFAILURE'],
    [[{}], [{ sndid: 7 }], 'TcpExtTCPAOKeyNotFound', 'TCP_AOKEYNOTFOUND'],
    [[{}], [{ alg: 'cmac(aes128)' }], 'TcpExtTCPAOBad', 'TCP_AOFAILURE'],
    [[{}], [{ maclen: 10 }], 'TcpExtTCPAOBad', 'TCP_AOFAILURE'],
    [[{}], [{ exclude: true }], 'TcpExtTCPAOBad', 'TCP_AOFAILURE'],
    [[{}], [], 'TcpExtTCPAORequired', 'TCP_AONOTFOUND'],
    [[], [{}], 'TcpExtTCPAOKeyNotFound', 'TCP_AOUNEXPECTED'],
  ];
  for (const [server, client, counter, drop] of cases) {
    const p = await Pair.create();
    p.listen(server);
    assert.not.ok(p.open(client));
    assert.equal([p.us.core.mib(counter), p.us.core.drops(drop)], [1, 1], JSON.stringify([server, client]));
    assert.equal(p.seen.map((x) => x.from), ['peer'], 'an answer');
    p.end();
  }
  const other = await Pair.create();
  // A key for others leaves the peer alone, unless the listener says otherwise.
  other.listen([{ address: '10.0.0.77' }]);
  assert.ok(other.open([]));
  other.end();
  const required = await Pair.create();
  required.listen([{ address: '10.0.0.77' }], { required: true });
  assert.not.ok(required.open([]));
  assert.is(info(required.us, required.listener).required, 1);
  required.end();
});

test('a key asked for is taken into use (RFC 5925 3.3), once the peer has it; one that is in use stays', async () => {
  const p = await Pair.create();
  const one = { sndid: 1, rcvid: 1, key: 'one' }, two = { sndid: 2, rcvid: 2, key: 'two', maclen: 16, alg: 'cmac(aes128)' };
  p.listen([one]);
  assert.ok(p.open([one]));
  p.move('peer', 5000);
  // The client has the second key and asks for it; the server does not know it yet.
  const { us, peer } = p.ends;
  assert.is(p.peer.set(p.client, SOL_TCP, ADD_KEY, [...addKey({ ...two, address: us, rnext: true })]), 0);
  p.move('peer', 5000);
  p.move('us', 5000);
  assert.equal([info(p.us, p.server).current, info(p.peer, p.client).rnext], [1, 2]);
  assert.is(p.us.set(p.server, SOL_TCP, ADD_KEY, [...addKey({ ...two, address: peer })]), 0);
  p.seen.length = 0;
  p.move('peer', 5000);
  p.move('us', 50_000);
  assert.equal([info(p.us, p.server).current, info(p.us, p.server).rnext, info(p.peer, p.client).current], [2, 1, 1]);
  assert.is(p.seen.filter((x) => x.from === 'us').at(-1)!.option.length, 20);
  // A longer MAC: segments stay within the MTU, none had to be sent twice.
  assert.is(p.us.core.mib('TcpRetransSegs'), 0);
  assert.ok(p.seen.every((x) => 40 + 12 + x.option.length + x.s.data.length <= 1500));
  // The server's current key and what it asks for cannot be taken away; others can, and with a substitute these, too.
  const del = (o: Parameters<typeof delKey>[0]) => p.us.set(p.server, SOL_TCP, DEL_KEY, [...delKey({ address: peer, ...o })]);
  assert.is(del({ sndid: 2, rcvid: 2 }), -A.Errno.EBUSY);
  assert.is(del({ sndid: 1, rcvid: 1 }), -A.Errno.EBUSY);
  assert.is(del({ sndid: 3, rcvid: 1 }), -A.Errno.ENOENT);
  assert.is(del({ sndid: 1, rcvid: 1, newRnext: 9 }), -A.Errno.ENOENT);
  assert.is(del({ sndid: 1, rcvid: 1, newRnext: 2 }), 0);
  p.move('us', 5000);
  p.move('peer', 5000);
  assert.equal([info(p.peer, p.client).current, info(p.us, p.server).rnext], [2, 2]);
  assert.is(p.us.core.mib('TcpExtTCPAOBad') + p.peer.core.mib('TcpExtTCPAOBad'), 0);
  p.end();
});

test('sequence numbers that come round: our extension and the peer’s, with what was lost before and comes after', async () => {
  for (const who of ['peer', 'us'] as const) {
    const p = await Pair.create();
    p.listen([{}]);
    // Initial sequence numbers are drawn: connections are tried until one begins close below 2^32.
    let isn = 0;
    for (let i = 0; isn < 0xfff00000; i++) {
      if (i > 60_000) throw new Error('no such initial sequence number');
      p.seen.length = 0;
      p.wire = (b, s, from) => {
        if (s.flags.includes('S') && from === who) isn = s.seq;
        return isn < 0xfff00000 && from === who ? [] : [b];
      };
      const ok = p.open([{}]);
      if (isn >= 0xfff00000 && (ok || who === 'peer')) break;
      // Nothing of the attempt is left: the client gives up, the request ends with a signed reset.
      p.peer.close(p.client);
      p.client = -1;
      p.us.core.now += 1e6;
      p.peer.core.now += 1e6;
      if (who === 'us') {
        p.us.close(p.listener);
        p.listen([{}]);
      }
    }
    assert.ok(p.server >= 0);
    let lost = 0;
    p.wire = (b, s, from) => (from === who && s.data.length && s.seq >= 0xffff0000 && lost < 10 && ++lost % 2 ? [] : [b]);
    p.move(who, 3_000_000);
    assert.ok(lost >= 10, 'nothing was lost around the end of the sequence space');
    p.move(who === 'us' ? 'peer' : 'us', 10_000);
    // Both ends would agree on a mistake: each segment is also looked at by itself.
    const isns = { us: p.seen.find((x) => x.s.flags === 'S.')!.s.seq, peer: p.seen.find((x) => x.s.flags === 'S')!.s.seq };
    const counts = [0, 0];
    for (const x of p.seen) {
      if (x.s.flags === 'S') continue;
      const from = x.from as 'us' | 'peer', to = from === 'us' ? 'peer' : 'us', sne = Number(x.s.seq < isns[from]);
      assert.ok(macIs(p.ends[from], p.ends[to], readIpv4(x.frame).payload, 'a master key', isns[from], isns[to], sne), `${from} ${x.s.flags} ${x.s.seq}`);
      if (from === who) counts[sne]++;
    }
    assert.ok(counts[0] > 100 && counts[1] > 100, String(counts));
    assert.is(p.us.core.mib('TcpExtTCPAOBad') + p.peer.core.mib('TcpExtTCPAOBad'), 0);
    p.end();
  }
});

test('resets: forged ones do nothing, ours are signed', async () => {
  const p = await Pair.create();
  p.listen([{}]);
  assert.ok(p.open([{}]));
  p.move('peer', 100);
  const last = p.seen.filter((x) => x.from === 'peer').at(-1)!.s, nxt = (last.seq + last.data.length) >>> 0;
  const rst = tcpBytes(PEER, last.sport, US, 179, flagsOf('R'), nxt, 0, 0);
  const forged = tcpBytes(PEER, last.sport, US, 179, flagsOf('R'), nxt, 0, 0, { raw: [29, 16, 100, 100, ...new Array<number>(12).fill(1)] });
  for (const b of [rst, forged]) p.us.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto: 6 }, b))]);
  assert.equal([p.us.core.mib('TcpExtTCPAORequired'), p.us.core.mib('TcpExtTCPAOBad')], [1, 1]);
  p.move('us', 100);
  // SO_LINGER 0
  assert.is(p.us.set(p.server, 1, 13, [1, 0, 0, 0, 0, 0, 0, 0]), 0);
  p.us.close(p.server);
  p.server = -1;
  p.run();
  const reset = p.seen.at(-1)!;
  assert.equal([reset.s.flags, reset.option.length], ['R.', 16]);
  assert.is(p.peer.recv(p.client), -A.Errno.ECONNRESET);
  // To data for a connection that is gone there is no answer: nobody knows its sequence numbers.
  p.client = -1;
  const stray = tcpBytes(PEER, 55555, US, 4444, flagsOf('.'), 1, 2, 100, { raw: [29, 16, 100, 100, ...new Array<number>(12).fill(1)] });
  p.us.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto: 6 }, stray))]);
  assert.is(p.run(), 0);
  p.end();
});

test('TIME_WAIT: a repeated FIN is answered with a signature, resets and segments without one do nothing', async () => {
  const p = await Pair.create();
  p.listen([{}]);
  assert.ok(p.open([{}]));
  p.us.close(p.server);
  p.server = -1;
  p.run();
  p.peer.close(p.client);
  p.client = -1;
  p.run();
  assert.is(p.us.core.x.usage(A.Usage.TIME_WAIT), 1);
  const fin = p.seen.filter((x) => x.from === 'peer' && x.s.flags.includes('F')).at(-1)!, s = fin.s;
  const put = (flags: string, seq: number, raw: number[] = []): void => {
    const b = tcpBytes(PEER, s.sport, US, 179, flagsOf(flags), seq, s.ack, 100, { raw });
    p.us.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto: 6 }, b))]);
  };
  p.seen.length = 0;
  put('R', s.seq + 1);
  put('R', s.seq + 1, [29, 16, 100, 100, ...new Array<number>(12).fill(1)]);
  put('F.', s.seq);
  assert.is(p.run(), 0);
  assert.equal([p.us.core.mib('TcpExtTCPAORequired'), p.us.core.mib('TcpExtTCPAOBad'), p.us.core.x.usage(A.Usage.TIME_WAIT)], [2, 1, 1]);
  p.us.core.rx(0, [fin.frame]);
  p.us.core.poll();
  const [answer] = p.us.sent(0x0800);
  const b = readIpv4(answer.bytes).payload;
  assert.equal([readTcp(b).flags, readTcp(b).ack, b[32], b[33]], ['.', s.seq + 1, 29, 16]);
  assert.ok(macIs(US, PEER, b, 'a master key', (s.ack - 2) >>> 0, (s.seq - 1) >>> 0, 0), 'the MAC of the connection');
  p.end();
});

test('a handshake that is lost, repeated and done with SYN cookies', async () => {
  const p = await Pair.create();
  p.listen([{}]);
  let drop = 3;
  p.wire = (b) => (drop-- > 0 ? [] : [b]);
  p.open([{}]);
  p.advance(8e9);
  p.us.core.stamp();
  p.server = p.us.core.x.sys_accept(p.listener);
  assert.ok(p.server >= 0);
  p.move('us', 10_000);
  p.end();
  const c = await Pair.create(false, { 'net.ipv4.tcp_syncookies': '2' });
  c.listen([{ sndid: 3, rcvid: 4 }, { sndid: 5, rcvid: 6 }]);
  assert.ok(c.open([{ sndid: 6, rcvid: 5 }, { sndid: 4, rcvid: 3 }]));
  c.move('us', 10_000);
  c.move('peer', 10_000);
  assert.is(c.us.core.mib('TcpExtSyncookiesRecv'), 1);
  assert.equal([info(c.us, c.server).current, info(c.us, c.server).rnext], [5, 6]);
  c.end();
});

test('keys taken away between SYN and ACK: nothing unsigned leaves, no connection opens', async () => {
  const p = await Pair.create();
  p.listen([{}]);
  p.wire = (b, _, from) => (from === 'us' ? [] : [b]);
  assert.not.ok(p.open([{}]));
  assert.is(p.us.set(p.listener, SOL_TCP, DEL_KEY, [...delKey({})]), 0);
  p.wire = (b) => [b];
  p.seen.length = 0;
  p.advance(5e9);
  assert.equal(p.seen.filter((x) => x.from === 'us'), []);
  assert.ok(p.seen.length > 0);
  p.us.core.stamp();
  assert.is(p.us.core.x.sys_accept(p.listener), -11);
  p.end();
});

test('ICMP errors (RFC 5925 7.8): hard ones are ignored and counted unless asked for, in synchronised states alone', async () => {
  for (const icmps of [false, true]) {
    const p = await Pair.create();
    p.listen([{}], icmps ? { icmps } : {});
    assert.ok(p.open([{}]));
    assert.is(p.us.setInt(p.server, 0, 11, 1), 0); // IP_RECVERR: errors of a connection become errors of the socket
    p.us.send(p.server, [1, 2, 3]);
    p.wire = (b, s, from) => (from === 'us' && s.data.length ? [] : [b]);
    let quoted: Bytes = new Uint8Array(0);
    p.us.core.poll();
    for (const f of p.us.sent(0x0800)) quoted = f.bytes.slice(14, 14 + 28);
    const icmp = (code: number): void => {
      const m = new Uint8Array(8 + quoted.length);
      m.set([3, code]);
      m.set(quoted, 8);
      m.set(be16(checksum(m)), 2);
      p.us.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto: 1 }, m))]);
    };
    const error = (): number => p.us.getInt(p.server, 1, 4);
    icmp(3);
    assert.is(error(), icmps ? A.Errno.ECONNREFUSED : 0);
    assert.is(p.us.core.mib('TcpExtTCPAODroppedIcmps'), icmps ? 0 : 1);
    assert.is(info(p.us, p.server).icmps, icmps ? 0 : 1);
    icmp(1); // host unreachable is not a hard error
    assert.is(error(), A.Errno.EHOSTUNREACH);
    p.wire = (b) => [b];
    p.advance(1e9);
    p.end();
  }
});

test('mistakes get Linux’ errors', async () => {
  const h = await TestHost.create(), s = h.socket(AF_INET, SOCK_STREAM);
  const add = (k: Key, more: number[] = []): number => h.set(s, SOL_TCP, ADD_KEY, [...addKey(k), ...more]);
  const E = A.Errno;
  assert.is(get(h, s, INFO, new Uint8Array(48)), -E.ENOENT);
  assert.is(get(h, s, GET_KEYS, new Uint8Array(304)), -E.ENOENT);
  assert.is(h.set(s, SOL_TCP, DEL_KEY, [...delKey({})]), -E.ENOENT);
  assert.is(h.set(s, SOL_TCP, ADD_KEY, [...addKey({})].slice(0, 287)), -E.EINVAL);
  assert.is(add({}, [1]), -E.E2BIG);
  for (const [k, e] of [
    [{ alg: 'hmac(sha256)' }, E.ENOENT], [{ alg: '' }, E.ENOENT], [{ maclen: 17 }, E.EMSGSIZE], [{ alg: 'cmac(aes)', key: 'short' }, E.EINVAL], [{ prefix: 33 }, E.EINVAL],
    [{ address: '10.0.0.1', prefix: 24 }, E.EINVAL], [{ prefix: 0 }, E.EINVAL], [{ address: '0.0.0.0', prefix: 1 }, E.EINVAL], [{ port: 179 }, E.EINVAL], [{ ifindex: 1 }, E.EINVAL],
    [{ reserved: 4 }, E.EINVAL], [{ address: PEER6 }, E.EINVAL],
  ] as [Key, number][]) assert.is(add(k), -e, JSON.stringify(k));
  const long = addKey({});
  long[207] = 81;
  assert.is(h.set(s, SOL_TCP, ADD_KEY, [...long]), -E.EINVAL);
  assert.is(add({}, [0, 0]), 0);
  assert.is(add({ sndid: 100, rcvid: 1 }), -E.EEXIST);
  assert.is(add({ sndid: 1, rcvid: 100 }), -E.EEXIST);
  assert.is(add({ address: '10.0.0.0', prefix: 24, sndid: 100, rcvid: 1 }), -E.EEXIST);
  assert.is(add({ address: '10.0.0.0', prefix: 24, sndid: 1, rcvid: 1, alg: 'cmac(aes128)', exclude: true, rnext: true }), 0);
  // One kind for one peer.
  const md5 = new Uint8Array(216);
  address(md5, PEER);
  md5.set([3], 130);
  assert.is(h.set(s, SOL_TCP, MD5SIG, [...md5]), -E.EKEYREJECTED);
  address(md5, '10.0.9.9');
  assert.is(h.set(s, SOL_TCP, MD5SIG, [...md5]), 0);
  assert.is(add({ address: '10.0.9.9', sndid: 9, rcvid: 9 }), -E.EKEYREJECTED);
  assert.is(h.set(s, SOL_TCP, INFO, [...infoBytes({ required: true })]), -E.EKEYREJECTED);
  assert.is(h.set(s, SOL_TCP, INFO, [...infoBytes({ current: 55 })]), -E.ENOENT);
  assert.is(h.set(s, SOL_TCP, INFO, [...infoBytes({ reserved: 32 })]), -E.EINVAL);
  // No key for this peer: no connection.
  assert.is(h.connect(s, '10.0.0.200', 179), -115);
  h.close(s);
  const t = h.socket(AF_INET, SOCK_STREAM);
  assert.is(h.set(t, SOL_TCP, ADD_KEY, [...addKey({ address: '10.0.0.77' })]), 0);
  assert.is(h.connect(t, PEER, 179), -E.EKEYREJECTED);
  h.close(t);
  // A connection that began without it stays without.
  const l = h.socket(AF_INET, SOCK_STREAM), c = h.socket(AF_INET, SOCK_STREAM);
  h.bind(l, '127.0.0.1', 80);
  h.core.stamp();
  h.core.x.sys_listen(l, 4);
  h.connect(c, '127.0.0.1', 80);
  h.core.poll();
  assert.is(h.set(c, SOL_TCP, ADD_KEY, [...addKey({ address: '127.0.0.1' })]), -E.EISCONN);
  assert.is(h.set(l, SOL_TCP, ADD_KEY, [...addKey({ address: '127.0.0.2', current: true })]), -E.EINVAL);
  assert.is(h.setInt(l, SOL_TCP, 42, 0), -E.ENOPROTOOPT);
  h.close(c);
  h.close(l);
});

test('arbitrary values of the options and arbitrary options in segments: no trap, no answer to what is not signed, nothing left', async () => {
  const p = await Pair.create();
  const draw = random(12345);
  p.listen([{}]);
  assert.ok(p.open([{}]));
  const structs = [addKey({ sndid: 7, rcvid: 7 }), delKey({ sndid: 7, rcvid: 7 }), infoBytes({ icmps: true })];
  for (let i = 0; i < 20_000; i++) {
    const which = draw(3), b = structs[which].slice(0, draw(4) ? undefined : draw(300)), s = draw(2) ? p.server : p.listener;
    for (let k = draw(3); k > 0; k--) b[draw(b.length)] = draw(256);
    p.us.set(s, SOL_TCP, [ADD_KEY, DEL_KEY, INFO][which], [...b]);
    const g = new Uint8Array(draw(700));
    if (g.length > 277) g[276] = draw(8);
    for (let k = draw(4); k > 0; k--) g[draw(g.length)] = draw(256);
    get(p.us, s, draw(2) ? GET_KEYS : INFO, g);
  }
  p.run();
  const { s } = p.seen.filter((x) => x.from === 'peer').at(-1)!;
  for (let i = 0; i < 5000; i++) {
    const raw = Array.from({ length: draw(40) }, () => (draw(3) ? draw(256) : [29, 19, 16, 18, 100][draw(5)]));
    const seg = tcpBytes(PEER, draw(4) ? s.sport : draw(65536), US, 179, draw(256), (s.seq + draw(3)) >>> 0, s.ack, 1000, { raw }, new Uint8Array(draw(30)));
    p.us.core.rx(0, [ethernet(OUR_MAC, PEER_MAC, 0x0800, ipv4({ src: PEER, dst: US, proto: 6 }, seg))]);
  }
  p.us.core.poll();
  assert.equal(p.us.sent(0x0800).length, 0);
  p.end();
});

test('TCP_AO_GET_KEYS: one by ids, all, the current one; more than there is room for', async () => {
  const p = await Pair.create();
  p.listen([{ sndid: 1, rcvid: 2, key: 'first' }, { sndid: 3, rcvid: 4, alg: 'cmac(aes128)', key: 'second', maclen: 8, exclude: true }]);
  const ask = (o: { all?: boolean; current?: boolean; rnext?: boolean; sndid?: number; rcvid?: number; nkeys?: number; room?: number }, s = p.listener): { n: number; keys: Uint8Array[] } => {
    const b = new Uint8Array(304 * (o.room ?? 1)), by = !o.all && !o.current && !o.rnext;
    if (by) address(b, PEER);
    new DataView(b.buffer).setUint32(272, o.nkeys ?? 8, true);
    b.set([(o.current ? 1 : 0) | (o.rnext ? 2 : 0) | (o.all ? 4 : 0), 0, o.sndid ?? 0, o.rcvid ?? 0, by ? 32 : 0], 276);
    const r = get(p.us, s, GET_KEYS, b);
    if (typeof r === 'number') throw new Error(String(r));
    const n = new DataView(r.buffer).getUint32(272, true);
    return { n, keys: Array.from({ length: r.length / 304 }, (_, i) => r.slice(304 * i, 304 * i + 304)) };
  };
  const all = ask({ all: true, room: 3 });
  assert.equal([all.n, all.keys.length], [2, 2]);
  assert.equal(all.keys.map((k) => Buffer.from(k.slice(128, 140)).toString().replace(/\0/g, '')), ['hmac(sha1)', 'cmac(aes)']);
  assert.equal(all.keys.map((k) => [...k.slice(278, 284)]), [[1, 2, 32, 12, 0, 5], [3, 4, 32, 8, 2, 16]]);
  assert.is(Buffer.from(all.keys[0].slice(192, 197)).toString(), 'first');
  assert.equal([ask({ all: true }).n, ask({ all: true }).keys.length], [2, 1]);
  assert.equal(ask({ sndid: 3, rcvid: 4 }).keys.map((k) => k[278]), [3]);
  assert.is(ask({ sndid: 3, rcvid: 2 }).n, 0);
  assert.ok(p.open([{ sndid: 4, rcvid: 3, alg: 'cmac(aes128)', key: 'second', maclen: 8, exclude: true }]));
  assert.equal(ask({ current: true }, p.server).keys.map((k) => [k[276], k[278]]), [[3, 3]]);
  p.end();
});

test.run();
