import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatIp, maskBits, networkOf, parseIp, parseIpv4, parseMac, samePrefix } from '../../host/config/address.js';

const test = suite('config: addresses');

test('canonical text of IPv6 (RFC 5952 4 and appendix A)', () => {
  const pairs: [string, string][] = [
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'], ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:0:0:0:0:0:0', '::'], ['::1', '::1'], ['fe80::', 'fe80::'], ['::ffff:192.0.2.1', '::ffff:192.0.2.1'], ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'], ['1::8', '1::8'], ['0:0:3:4:5:6:0:0', '::3:4:5:6:0:0'],
  ];
  for (const [text, want] of pairs) assert.is(formatIp(parseIp(text)!), want, text);
});

test('what is no address', () => {
  const bad = ['', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', 'g::', '1:2:3:4:5:6:7:8::', '::1.2.3', '1.2.3.4::', 'fe80::1%eth0',
    '1.2.3', '1.2.3.4.5', '256.0.0.1', '01.2.3.4', '1.2.3.-4', '1.2.3.4 ', '0x1.2.3.4'];
  for (const text of bad) assert.is(parseIp(text), null, text);
});

test('every netmask has its length, all others have holes', () => {
  for (let n = 0; n <= 32; n++) assert.is(maskBits(networkOf(new Uint8Array(4).fill(255), n)), n);
  for (const m of ['255.0.255.0', '0.0.0.255', '255.255.255.253', '127.0.0.0']) assert.is(maskBits(parseIpv4(m)!), null, m);
});

test('prefixes', () => {
  assert.ok(samePrefix(parseIp('192.0.2.130')!, parseIp('192.0.2.129')!, 25));
  assert.not.ok(samePrefix(parseIp('192.0.2.130')!, parseIp('192.0.2.2')!, 25));
  assert.not.ok(samePrefix(parseIp('192.0.2.130')!, parseIp('2001:db8::1')!, 0));
  assert.is(formatIp(networkOf(parseIp('2001:db8:ffff::1')!, 33)), '2001:db8:8000::');
  assert.is(formatIp(networkOf(parseIp('192.0.2.130')!, 25)), '192.0.2.128');
});

test('MAC addresses are hexadecimal', () => {
  assert.equal([...parseMac('00:1f:aA:0:10:99')!], [0, 31, 170, 0, 16, 153]);
  for (const m of ['00:01:02:03:04', '00:01:02:03:04:05:06', '00:01:02:03:04:0g', '00:01:02:03:04:100', '000102030405']) assert.is(parseMac(m), null, m);
});

test.run();
