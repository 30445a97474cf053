// UDP-Lite (RFC 3828): coverage and checksum of what is sent, what of the received counts, ports of its own.
import * as assert from 'uvu/assert';
import { AF_INET, AF_INET6, PEER, PEER6, SOCK_DGRAM, TestHost, US, US6 } from '../harness/host.js';
import { be16, cat, checksum, icmp, ipv4, pseudo, readIpv4, udp, type Bytes } from '../harness/packet.js';
import { suite } from '../harness/suite.js';

const test = suite('udplite');
const IP = 0x0800, UDP = 17, UDPLITE = 136, SEND_CSCOV = 10, RECV_CSCOV = 11;
const DATA = Array.from({ length: 20 }, (_, i) => i);

/** A datagram to port 4000 of ours whose length field says `coverage`, and whose checksum covers `covered` bytes. */
function lite(coverage: number, covered = coverage || 28, data = DATA, src = PEER, dst = US): Bytes {
  const d = cat(be16(53), be16(4000), be16(coverage), [0, 0], data);
  d.set(be16(checksum(pseudo(src, dst, UDPLITE, d.length), d.subarray(0, covered)) || 0xffff), 6);
  return d;
}
/** As it was, but for one bit of one byte. */
function broken(d: Bytes, at: number): Bytes {
  d[at] ^= 4;
  return d;
}
async function opened(family = AF_INET): Promise<[TestHost, number]> {
  const h = await TestHost.create(), s = h.socket(family, SOCK_DGRAM, UDPLITE);
  assert.is(h.bind(s, family === AF_INET ? US : US6, 4000), 0);
  return [h, s];
}
function data(h: TestHost, s: number): number[] | number {
  const r = h.recv(s);
  return typeof r === 'number' ? r : [...r.data];
}

test('sent: all of it is covered unless UDPLITE_SEND_CSCOV says less', async () => {
  const [h, s] = await opened();
  const sent = (): Bytes => {
    assert.is(h.send(s, DATA, { address: PEER, port: 53 }), 20);
    const p = readIpv4(h.sent(IP)[0].bytes);
    assert.is(p.proto, UDPLITE);
    return p.payload;
  };
  for (const [option, field, covered, read] of [[undefined, 28, 28, 0], [12, 12, 12, 12], [3, 8, 8, 8], [0, 0, 28, 0], [28, 28, 28, 28], [500, 28, 28, 500], [70000, 28, 28, 65535]] as const) {
    if (option !== undefined) assert.is(h.setInt(s, UDPLITE, SEND_CSCOV, option), 0);
    assert.is(h.getInt(s, UDPLITE, SEND_CSCOV), read);
    const p = sent();
    assert.is((p[4] << 8) | p[5], field, `coverage of ${option}`);
    assert.is(checksum(pseudo(US, PEER, UDPLITE, 28), p.subarray(0, covered)), 0, `checksum of ${option}`);
  }
  assert.is(h.core.mib('UdpLiteOutDatagrams'), 7);
  assert.is(h.core.mib('UdpOutDatagrams'), 0);
});

test('received: damage counts where the checksum covers; what the length field may say', async () => {
  const [h, s] = await opened();
  const got = (d: Bytes): number[] | number => {
    h.in4({ proto: UDPLITE }, d);
    return data(h, s);
  };
  assert.equal(got(lite(28)), DATA);
  assert.equal(got(lite(0)), DATA);
  assert.equal(got(lite(8)), DATA);
  const damaged = [...DATA];
  damaged[4] ^= 4;
  assert.equal(got(broken(lite(12), 12)), damaged, 'behind the coverage');
  assert.is(got(broken(lite(12), 11)), -11, 'within it');
  assert.is(got(broken(lite(28), 27)), -11);
  assert.is(got(broken(lite(0), 27)), -11);
  for (const coverage of [1, 7, 29, 65535]) assert.is(got(lite(coverage, 28)), -11, `coverage ${coverage}`);
  const none = lite(28);
  none.set([0, 0], 6);
  assert.is(got(none), -11, 'without a checksum');
  assert.is(h.core.drops('UDP_CSUM'), 8);
  h.in4({ proto: UDPLITE }, lite(28).subarray(0, 7));
  assert.is(h.core.drops('UDP_MALFORMED'), 1);
  assert.is(h.core.mib('UdpLiteInErrors'), 9);
  assert.is(h.core.mib('UdpLiteInDatagrams'), 4);
});

test('UDPLITE_RECV_CSCOV: less coverage is not taken; over IPv6, too', async () => {
  const [h, s] = await opened(AF_INET6);
  const got = (coverage: number): boolean => {
    h.in6({ next: UDPLITE }, lite(coverage, coverage || 28, DATA, PEER6, US6));
    return typeof data(h, s) === 'object';
  };
  const takes = (): boolean[] => [8, 19, 20, 28, 0].map(got);
  assert.equal(takes(), [true, true, true, true, true]);
  assert.is(h.setInt(s, UDPLITE, RECV_CSCOV, 20), 0);
  assert.equal(takes(), [false, false, true, true, true]);
  assert.is(h.setInt(s, UDP, RECV_CSCOV, 0), 0);
  assert.equal(takes(), [false, false, false, true, true]);
  assert.is(h.core.drops('UDP_COVERAGE'), 5);
});

test('its ports are not those of UDP', async () => {
  const [h, s] = await opened(), u = h.socket(AF_INET, SOCK_DGRAM, UDP);
  assert.is(h.bind(u, US, 4000), 0);
  assert.is(h.bind(h.socket(AF_INET, SOCK_DGRAM, UDPLITE), US, 4000), -98);
  h.in4({ proto: UDP }, udp(PEER, 53, US, 4000, [1]));
  h.in4({ proto: UDPLITE }, lite(28));
  assert.equal([data(h, u), data(h, u), data(h, s), data(h, s)], [[1], -11, DATA, -11]);
  h.close(s);
  h.in4({ proto: UDPLITE }, lite(28));
  assert.is(data(h, u), -11);
  const refusal = readIpv4(h.sent(IP)[0].bytes).payload;
  assert.equal([...refusal.subarray(0, 2)], [3, 3], 'port unreachable');
  assert.is(h.core.mib('UdpLiteNoPorts'), 1);
});

test('errors find the socket by its protocol; options of the other', async () => {
  const [h, s] = await opened(), u = h.socket(AF_INET, SOCK_DGRAM);
  for (const x of [s, u]) assert.is(h.connect(x, PEER, 53), 0);
  assert.is(h.send(s, DATA), 20);
  const datagram = h.sent(IP)[0].bytes;
  h.in4({ proto: 1 }, icmp(3, 3, 0, ipv4({ src: US, dst: PEER, proto: UDPLITE }, readIpv4(datagram).payload)));
  assert.is(h.getInt(u, 1, 4), 0);
  assert.is(h.getInt(s, 1, 4), 111);
  assert.is(h.setInt(u, UDP, SEND_CSCOV, 8), -92);
  assert.is(h.getInt(u, UDPLITE, SEND_CSCOV), -95);
  assert.is(h.getInt(s, 1, 38), UDPLITE, 'SO_PROTOCOL');
  assert.is(h.setInt(s, UDP, 103, 10), 0);
  assert.is(h.send(s, DATA), -5, 'cannot be segmented');
});

test.run();
