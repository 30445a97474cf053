// DHCP: messages as bytes, and the client's states with a clock that moves only when told.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DhcpClient, type Lease } from '../../host/dhcp/client.js';
import { Op, Type, decode, encode, type DhcpMessage } from '../../host/dhcp/message.js';
import type { Datagram, DatagramSocket } from '../../host/sockets/endpoints.js';
import { hex } from '../harness/packet.js';

const test = suite('dhcp');
const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1), SERVER = '192.0.2.1', ADDRESS = '192.0.2.50';
const SEC = 1e9;

/** A client with its clock, what it has sent, and what it told. */
class Rig {
  now = 100 * SEC;
  readonly sent: { m: DhcpMessage; to: string }[] = [];
  readonly told: string[] = [];
  lease?: Lease;
  private timers = new Map<number, { at: number; fn: () => void }>();
  private id = 0;
  private seed = 7;
  private readonly queue: Uint8Array[] = [];
  private readonly socket = {
    onreadable: undefined as (() => void) | undefined,
    send: (data: Uint8Array, to: string, port: number): boolean => {
      assert.is(port, 67);
      this.sent.push({ m: decode(data)!, to });
      return true;
    },
    receive: (): Datagram | undefined => {
      const data = this.queue.shift();
      return data && { data, from: undefined, control: new Uint8Array(0), flags: 0 };
    },
    close: (): void => { this.told.push('closed'); },
  };
  readonly client = new DhcpClient({
    now: () => this.now,
    setTimer: (at, fn) => {
      this.timers.set(++this.id, { at, fn });
      return this.id;
    },
    clearTimer: (id) => { this.timers.delete(id); },
    random: () => (this.seed = (this.seed * 1103515245 + 12345) >>> 0),
    bound: (lease) => {
      this.lease = lease;
      this.told.push(`bound ${lease.address}/${lease.prefix}`);
    },
    lost: () => { this.told.push('lost'); },
  }, this.socket as unknown as DatagramSocket, MAC);

  reply(type: Type, fields: Partial<DhcpMessage> = {}): void {
    const { xid } = this.sent[this.sent.length - 1].m;
    this.bytes(encode({ op: Op.REPLY, type, xid, mac: MAC, server: SERVER, yiaddr: ADDRESS, prefix: 24, routers: [SERVER], dns: [SERVER], domain: 'example.org', lease: 1000, ...fields }));
  }
  bytes(b: Uint8Array): void {
    this.queue.push(b);
    this.socket.onreadable!();
  }
  advance(seconds: number): void {
    for (const end = this.now + seconds * SEC; ;) {
      const next = [...this.timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!next) {
        this.now = end;
        return;
      }
      this.timers.delete(next[0]);
      this.now = Math.max(this.now, next[1].at);
      next[1].fn();
    }
  }
  /** What was sent since the last look: type and destination. */
  out(): string[] {
    const names = ['', 'DISCOVER', 'OFFER', 'REQUEST', 'DECLINE', 'ACK', 'NAK', 'RELEASE', 'INFORM'];
    const seen = this.sent.slice(this.looked).map(({ m, to }) => `${names[m.type]} ${to}`);
    this.looked = this.sent.length;
    return seen;
  }
  private looked = 0;
  bind(fields: Partial<DhcpMessage> = {}): this {
    this.reply(Type.OFFER, fields);
    this.reply(Type.ACK, fields);
    this.out();
    return this;
  }
}

test('a DISCOVER is what RFC 2131 draws, byte for byte', () => {
  const b = encode({ op: Op.REQUEST, type: Type.DISCOVER, xid: 0x01020304, secs: 5, broadcast: true, mac: MAC });
  assert.is(b.length, 300);
  assert.is(hex(b.subarray(0, 44)), '01010600' + '01020304' + '00058000' + '00'.repeat(16) + '020000000001' + '00'.repeat(10));
  assert.is(hex(b.subarray(236, 270)), '63825363' + '350101' + '3d0701020000000001' + '390205dc' + '37090103060f3336' + '3a3b79' + 'ff' + '00'.repeat(2));
});

test('options are read as their RFCs say: classless routes, parts of one option, holes in masks', () => {
  const b = encode({ op: Op.REPLY, type: Type.ACK, xid: 1, mac: MAC, yiaddr: ADDRESS, server: SERVER, prefix: 22, lease: 77 });
  const with_ = (...options: number[]): DhcpMessage | null => {
    const end = b.lastIndexOf(255);
    return decode(Uint8Array.from([...b.subarray(0, end), ...options, 255]));
  };
  const cut = with_(121, 14, 24, 198, 51, 100, 192, 0, 2, 9, 0, 192, 0, 2, 1, 0, 121, 8, 10, 203, 127, 0, 0, 0, 0, 0);
  assert.is(cut!.routes, undefined, 'routes that do not add up are none');
  assert.equal(with_(121, 13, 24, 198, 51, 100, 192, 0, 2, 9, 0, 192, 0, 2, 1)!.routes, [
    { network: '198.51.100.0', prefix: 24, via: '192.0.2.9' }, { network: '0.0.0.0', prefix: 0, via: '192.0.2.1' },
  ]);
  assert.equal(with_(6, 4, 192, 0, 2, 3, 6, 4, 192, 0, 2, 4)!.dns, ['192.0.2.3', '192.0.2.4']);
  assert.is(with_()!.prefix, 22);
  assert.is(with_(6, 200, 1), null);
  assert.is(decode(b.subarray(0, 239)), null);
});

test('hostile bytes never throw', () => {
  const good = encode({ op: Op.REPLY, type: Type.ACK, xid: 1, mac: MAC, yiaddr: ADDRESS, server: SERVER, prefix: 24, routers: [SERVER], dns: [SERVER], domain: 'a.b', lease: 9 });
  let seed = 1, read = 0;
  const random = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (let i = 0; i < 20000; i++) {
    const b = good.slice(0, random(4) ? good.length : random(good.length));
    for (let k = random(6); k >= 0; k--) b[random(2) ? random(b.length) : 240 + random(60)] = random(256);
    if (decode(b)) read++;
  }
  assert.ok(read > 1000 && read < 20000);
});

test('discover, request, bound; the lease is as the server says', () => {
  const r = new Rig();
  assert.equal(r.out(), ['DISCOVER 255.255.255.255']);
  r.reply(Type.OFFER);
  assert.equal(r.out(), ['REQUEST 255.255.255.255']);
  const { m } = r.sent[1];
  assert.equal([m.requested, m.server, m.ciaddr], [ADDRESS, SERVER, undefined]);
  r.reply(Type.ACK);
  assert.equal(r.told, ['bound 192.0.2.50/24']);
  assert.equal(r.lease, {
    address: ADDRESS, prefix: 24, routes: [{ network: '0.0.0.0', prefix: 0, via: SERVER }], dns: [SERVER], search: ['example.org'], server: SERVER, seconds: 1000,
  });
  assert.equal(r.out(), []);
  r.client.close();
  assert.equal(r.out(), [`RELEASE ${SERVER}`]);
});

test('silence: 4, 8, 16, 32, 64 s; what is not for us is not heard', () => {
  const r = new Rig();
  const at: number[] = [];
  r.out();
  for (let i = 0; i < 320; i++) {
    r.advance(1);
    if (r.out().includes('DISCOVER 255.255.255.255')) at.push(i + 1);
  }
  const gaps = at.map((t, i) => t - (at[i - 1] ?? 0));
  [4, 8, 16, 32, 64, 64].forEach((want, i) => assert.ok(Math.abs(gaps[i] - want) <= 2, `${gaps}`));
  r.reply(Type.OFFER, { xid: 1 });
  r.reply(Type.OFFER, { mac: Uint8Array.of(2, 0, 0, 0, 0, 2) });
  r.reply(Type.OFFER, { yiaddr: '224.0.0.1' });
  r.reply(Type.OFFER, { server: undefined });
  r.reply(Type.ACK);
  assert.equal(r.told, []);
  assert.equal(r.out().filter((s) => s.startsWith('REQUEST')), []);
});

test('T1 asks the server itself, T2 everybody, and the end gives the address up', () => {
  const r = new Rig().bind();
  r.advance(499);
  assert.equal(r.out(), []);
  r.advance(2);
  assert.equal(r.out(), [`REQUEST ${SERVER}`]);
  assert.equal([r.sent[2].m.ciaddr, r.sent[2].m.requested, r.sent[2].m.server], [ADDRESS, undefined, undefined]);
  r.reply(Type.ACK, { lease: 2000 });
  assert.is(r.lease!.seconds, 2000);
  r.advance(1001);
  assert.equal(r.out(), [`REQUEST ${SERVER}`], 'T1 of the new lease');
  r.advance(745);
  assert.ok(r.out().every((s) => s === `REQUEST ${SERVER}`));
  r.advance(8);
  assert.equal(r.out().slice(-1), ['REQUEST 255.255.255.255'], 'T2');
  assert.equal(r.told.slice(-1), ['bound 192.0.2.50/24']);
  r.advance(250);
  assert.equal(r.told.slice(-1), ['lost']);
  assert.equal(r.out().slice(-1), ['DISCOVER 255.255.255.255']);
});

test('a NAK to a renewal, and an offer that is not kept', () => {
  const r = new Rig().bind();
  r.advance(501);
  r.out();
  r.reply(Type.NAK);
  assert.equal(r.told.slice(-1), ['lost']);
  assert.equal(r.out(), ['DISCOVER 255.255.255.255']);
  r.reply(Type.OFFER);
  r.advance(80);
  const tries = r.out();
  assert.is(tries.filter((s) => s.startsWith('REQUEST')).length, 4);
  assert.match(tries.slice(-1)[0], /^DISCOVER/);
});

test('a lease for ever is never renewed; one of no time is not believed', () => {
  const ever = new Rig().bind({ lease: 0xffffffff });
  ever.advance(1e6);
  assert.equal(ever.out(), []);
  const short = new Rig().bind({ lease: 0 });
  assert.is(short.lease!.seconds, 30);
});

test.run();
