// USER interfaces in a configuration: rules, published ports, the addresses of the link.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseIp } from '../../host/config/address.js';
import { egressAllows, parseEgress, type EgressRule } from '../../host/config/egress.js';
import { parseConfig } from '../../host/config/parse.js';
import { parsePublish } from '../../host/config/publish.js';
import { defaultConfig } from '../../host/config/user_network.js';

const test = suite('config: USER');
const allows = (rules: string[], address: string, port = 80, protocol: 'tcp' | 'udp' | 'icmp' = 'tcp'): boolean =>
  egressAllows(rules.map((r) => parseEgress(r) as EgressRule), parseIp(address)!, port, protocol);

test('the default: everything but the machine itself, its link, and groups', () => {
  for (const a of ['192.0.2.1', '10.1.2.3', '2001:db8::1', 'fd00::2']) assert.ok(allows([], a), a);
  for (const a of ['169.254.169.254', '224.0.0.1', '255.255.255.255', 'fe80::1', 'ff02::1', '127.0.0.1', '127.9.9.9', '0.0.0.0', '0.1.2.3', '::', '::1', '::ffff:127.0.0.1', '::ffff:192.0.2.1'])
    assert.not.ok(allows([], a), a);
});

test('the first rule that matches decides; no rule opens the machine itself', () => {
  assert.ok(allows(['allow 169.254.169.254 80/tcp'], '169.254.169.254'));
  assert.not.ok(allows(['allow 169.254.169.254 80/tcp'], '169.254.169.254', 81));
  for (const a of ['127.0.0.1', '::1', '0.0.0.0', '::ffff:127.0.0.1']) assert.not.ok(allows(['allow any'], a), a);
  const rules = ['allow 10.1.0.0/16 8000-8010/tcp', 'deny 10.0.0.0/8', 'allow any /udp', 'deny any 25'];
  assert.ok(allows(rules, '10.1.2.3', 8000));
  assert.ok(allows(rules, '10.1.2.3', 8010));
  assert.not.ok(allows(rules, '10.1.2.3', 8011));
  assert.not.ok(allows(rules, '10.1.2.3', 8000, 'udp'));
  assert.not.ok(allows(rules, '10.1.2.3', 0, 'icmp'));
  assert.ok(allows(rules, '192.0.2.1', 25, 'udp'));
  assert.not.ok(allows(rules, '192.0.2.1', 25));
  assert.not.ok(allows(rules, '2001:db8::1', 25), 'any is both families');
  assert.ok(allows(rules, '192.0.2.1', 0, 'icmp'), 'a rule with ports is not about ping');
  assert.not.ok(allows(['deny 10.0.0.0/8'], '10.255.255.255'));
  assert.ok(allows(['deny 10.0.0.0/8'], '11.0.0.0'));
});

test('rules and ports that mean nothing are refused with the reason', () => {
  const bad: [string, RegExp][] = [
    ['permit any', /neither allow nor deny/], ['allow', /is not `allow/], ['allow 10.0.0.1/8', /10\.0\.0\.0\/8/], ['allow 10.0.0.0/33', /no network/],
    ['allow any 0', /no port/], ['allow any 90-80', /no port/], ['allow any 80/sctp', /\/tcp or \/udp/], ['allow any 80 81', /is not `allow/], ['deny any 65536', /no port/],
  ];
  for (const [text, why] of bad) assert.match(parseEgress(text) as string, why, text);
  assert.equal(parsePublish('8080:80'), { address: '127.0.0.1', hostPort: 8080, port: 80, protocol: 'tcp' });
  assert.equal(parsePublish('0.0.0.0:53:5353/udp'), { address: '0.0.0.0', hostPort: 53, port: 5353, protocol: 'udp' });
  assert.equal(parsePublish('[::1]:1:2/tcp'), { address: '::1', hostPort: 1, port: 2, protocol: 'tcp' });
  for (const text of ['80', '80:', ':80', '0:80', '80:65536', '::1:80:80', '[1.2.3.4]:80:80', 'host:80:80', '80:80/sctp', '1:2:3:4', '80:80/tcp/udp', '-1:80', '0x50:80'])
    assert.type(parsePublish(text), 'string', text);
});

test('without a file: one interface, its gateway and name server; with addresses, those of their network', () => {
  const c = defaultConfig();
  assert.equal(c.interfaces.map((i) => [i.name, i.type, i.addresses]), [['eth0', 'USER', [{ address: '10.0.2.15', prefix: 24 }, { address: 'fd00::15', prefix: 64 }]]]);
  assert.equal(c.routes, [{ network: '0.0.0.0', prefix: 0, via: '10.0.2.2', dev: 'eth0' }, { network: '::', prefix: 0, via: 'fd00::2', dev: 'eth0' }]);
  assert.equal(c.dns.servers, ['10.0.2.3']);
  const own = parseConfig('dns 192.0.2.53\n\ninterface u\n viftype USER\n address 172.16.5.9/20\n slaac on\n egress deny any 25/tcp\n publish 8080:80\n host-loopback on\n', 'f');
  assert.equal(own.routes, [{ network: '0.0.0.0', prefix: 0, via: '172.16.0.2', dev: 'u' }]);
  assert.equal(own.dns.servers, ['192.0.2.53']);
  assert.equal(own.interfaces[0].egress, [{ allow: false, ports: [25, 25], protocol: 'tcp' }]);
  assert.ok(own.interfaces[0].hostLoopback);
  const leased = parseConfig('interface u\n viftype USER\n dhcp on\n slaac on\n', 'f');
  assert.equal([leased.interfaces[0].addresses, leased.routes], [[], []]);
});

test('what does not belong together is told with its line', () => {
  const fails = (text: string, why: RegExp): void => {
    assert.throws(() => parseConfig(text, 'f'), (e: Error) => why.test(e.message), text);
  };
  fails('interface t\n viftype TAP\n publish 1:2\n', /f:3: publish: t is TAP and has no gateway/);
  fails('interface u\n viftype USER\n dev tap0\n', /f:3: dev: a USER interface has no device/);
  fails('interface u\n viftype USER\n address 10.0.2.2/24\n', /10\.0\.2\.2 is the gateway's/);
  fails('interface u\n viftype USER\n address 10.0.2.2/31\n', /no room for the gateway/);
  fails('interface u\n viftype USER\n egress maybe\n', /f:3: egress: `maybe` is neither allow nor deny/);
});

test.run();
