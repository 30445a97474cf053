import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../host/config/errors.js';
import { GLOBAL_KEYS, INTERFACE_KEYS, ROUTE_KEYS, parseConfig } from '../../host/config/parse.js';
import { SYSCTLS } from '../../host/config/sysctl.js';
import { ROOT } from '../interop/lab.js';

const test = suite('config: nuse.conf');

/** The only problem of a file, as `line key: message; remedy`. */
function problem(text: string): string {
  try {
    parseConfig(text, 'f');
  } catch (e) {
    assert.instance(e, ConfigError);
    const list = (e as ConfigError).problems;
    assert.is(list.length, 1, (e as Error).message);
    assert.ok(list[0].remedy.length > 0);
    return `${list[0].line} ${list[0].key}: ${list[0].message}; ${list[0].remedy}`;
  }
  throw new Error(`accepted:\n${text}`);
}

test('the sample file of NUSE', () => {
  const c = parseConfig(readFileSync(join(ROOT, 'examples/nuse.conf'), 'utf8'), 'nuse.conf');
  assert.equal(c.interfaces, [
    { name: 'eth0', type: 'TAP', dev: 'nuse-eth0', addresses: [{ address: '192.168.0.10', prefix: 24 }], slaac: false, offload: true, mac: '00:01:01:01:01:01' },
    { name: 'p1p1', type: 'RAW', dev: 'p1p1', addresses: [{ address: '172.16.0.1', prefix: 24 }], slaac: false, offload: true, mac: '00:01:01:01:01:02' },
  ]);
  assert.equal(c.routes, [{ network: '0.0.0.0', prefix: 0, via: '192.168.0.1' }]);
});

test('the extended keys', () => {
  const c = parseConfig(`dns 192.0.2.1 2001:db8::53
search example.org
pcap a b.pcapng
memory 64M
sockets 100
seed ${'0f'.repeat(32)}
sysctl net.ipv4.tcp_rmem = 4096 100000 200000
sysctl net.ipv4.ip_forward 1

interface a
\taddress 192.0.2.10/25
\taddress 10.0.0.1
\tnetmask 255.0.0.0
\taddress6 2001:db8::a/64
\tviftype tap
\tdev mytap
\tmtu 9000
\tslaac on
\toffload off
\tgateway 192.0.2.1
\tgateway6 fe80::1
\tneigh 192.0.2.7 2:0:0:0:0:7
\tmacaddr 00:00:00:00:00:00
interface b
viftype PIPE   # no indentation
# a comment is no blank line
pipepath /run/x

route
network 2001:db8:1::/48
gateway 2001:db8::1
dev a
metric 5
`, 'f');
  assert.equal(c, {
    interfaces: [
      { name: 'a', type: 'TAP', dev: 'mytap', mtu: 9000, addresses: [{ address: '192.0.2.10', prefix: 25 }, { address: '10.0.0.1', prefix: 8 }, { address: '2001:db8::a', prefix: 64 }], slaac: true, offload: false },
      { name: 'b', type: 'PIPE', dev: '', addresses: [], slaac: false, offload: true, pipepath: '/run/x' },
    ],
    routes: [
      { network: '0.0.0.0', prefix: 0, via: '192.0.2.1', dev: 'a' },
      { network: '::', prefix: 0, via: 'fe80::1', dev: 'a' },
      { network: '2001:db8:1::', prefix: 48, via: '2001:db8::1', dev: 'a', metric: 5 },
    ],
    neighbours: [{ dev: 'a', address: '192.0.2.7', mac: '02:00:00:00:00:07' }],
    sysctl: { 'net.ipv4.tcp_rmem': '4096 100000 200000', 'net.ipv4.ip_forward': '1' },
    dns: { servers: ['192.0.2.1', '2001:db8::53'], search: ['example.org'] },
    memory: 64 << 20, sockets: 100, seed: '0f'.repeat(32), pcap: 'a b.pcapng',
  });
});

test('an empty file is a stack with loopback only', () => {
  for (const text of ['', '\n\n# nothing\n', '\ufeff\r\n']) {
    const c = parseConfig(text, 'f');
    assert.equal([c.interfaces, c.routes], [[], []]);
  }
});

const IF = 'interface eth0\n address 192.0.2.10/24\n';
const MISTAKES: [string, string, RegExp][] = [
  ['bad MAC', `${IF} macaddr 00:01:01:01:01:0x\n`, /^3 macaddr: .*no MAC address; write six hexadecimal/],
  ['group MAC', `${IF} macaddr 01:00:5e:00:00:01\n`, /^3 macaddr: .*group address; make the first byte even/],
  ['mask with holes', 'interface e\n address 192.0.2.1\n netmask 255.0.255.0\n', /^3 netmask: .*holes/],
  ['no mask', 'interface e\n address 192.0.2.1\n', /^2 address: has no netmask; add `netmask/],
  ['mask without address', 'interface e\n netmask 255.255.255.0\n', /^2 netmask: there is no address/],
  ['mask and prefix', `${IF} netmask 255.255.255.0\n`, /^3 netmask: the address has a prefix length/],
  ['no such address', 'interface e\n address 192.0.2.300/24\n', /^2 address: `192.0.2.300` is no IPv4 address; write it like/],
  ['IPv6 under address', 'interface e\n address 2001:db8::1/64\n', /^2 address: .*is IPv6, IPv4 is needed/],
  ['prefix too long', 'interface e\n address 192.0.2.1/33\n', /^2 address: prefix length `33`/],
  ['network address', 'interface e\n address 192.0.2.0/24\n', /^2 address: .*address of the network/],
  ['broadcast address', 'interface e\n address 192.0.2.255/24\n', /^2 address: .*broadcast/],
  ['multicast address', 'interface e\n address6 ff02::1/64\n', /^2 address6: .*no address of a host/],
  ['address6 without prefix', 'interface e\n address6 2001:db8::1\n', /^2 address6: has no prefix length; write 2001:db8::1\/64/],
  ['unknown key', `${IF} adress 192.0.2.1\n`, /^3 adress: unknown interface key; interface keys are/],
  ['global key in a block', `${IF} dns 192.0.2.1\n`, /^3 dns: .*put a blank line before/],
  ['interface key outside', 'address 192.0.2.1/24\n', /^1 address: unknown global key; it belongs in an `interface NAME`/],
  ['key after a blank line', `${IF}\n mtu 1500\n`, /^4 mtu: .*it belongs in an/],
  ['key twice', `${IF} mtu 1500\n mtu 1400\n`, /^4 mtu: given twice \(first at line 3\)/],
  ['no value', `${IF} mtu\n`, /^3 mtu: has no value; write `mtu 1500`/],
  ['too many words', `${IF} mtu 1500 bytes\n`, /^3 mtu: takes 1 word, not 2/],
  ['mtu', `${IF} mtu 10\n`, /^3 mtu: `10` is no number from 68/],
  ['mtu and IPv6', 'interface e\n mtu 1000\n slaac on\n', /^1 interface: mtu 1000 is too small for IPv6/],
  ['viftype', `${IF} viftype ATM\n`, /^3 viftype: `ATM` is not available; use one of TAP, RAW, PIPE/],
  ['flag', `${IF} slaac perhaps\n`, /^3 slaac: .*neither on nor off/],
  ['pipe without path', 'interface e\n viftype PIPE\n', /^1 interface: e is a PIPE without pipepath/],
  ['path without pipe', 'interface e\n pipepath /x\n', /^1 interface: .*is RAW; add `viftype PIPE`/],
  ['queue without XDP', `${IF} queue 1\n`, /^3 queue: eth0 is RAW, which has no queues; write `viftype XDP` or remove it/],
  ['queue', 'interface e\n viftype XDP\n queue 256\n', /^3 queue: `256` is no number from 0 to 255/],
  ['queue twice', 'interface e\n viftype XDP\n\ninterface f\n viftype XDP\n dev e\n queue 0\n', /^4 interface: host device e queue 0 is used twice .*`queue N`/],
  ['path without pipe but XDP', 'interface e\n viftype XDP\n pipepath /x\n', /^1 interface: .*is XDP; add `viftype PIPE`/],
  ['nameless interface', 'interface\n', /^1 interface: has no name/],
  ['long name', 'interface abcdefghijklmnop\n', /^1 interface: .*no interface name; use at most 15/],
  ['long TAP name', 'interface abcdefghijkl\n viftype TAP\n', /^1 interface: the TAP's name .*longer than 15 bytes; add `dev/],
  ['lo', 'interface lo\n', /^1 interface: `lo` is the loopback/],
  ['duplicate interface', `${IF}\ninterface eth0\n dev x\n`, /^4 interface: interface eth0 is used twice \(first at line 1\)/],
  ['duplicate device', `${IF}\ninterface eth1\n dev eth0\n`, /^4 interface: host device eth0 is used twice/],
  ['duplicate address', `${IF}\ninterface eth1\n address 192.0.2.10/25\n`, /^5 address: address 192.0.2.10 is used twice/],
  ['duplicate MAC', 'interface a\n macaddr 2:0:0:0:0:1\n\ninterface b\n macaddr 02:00:00:00:00:01\n', /^4 interface: MAC address .*twice/],
  ['gateway not on-link', `${IF}\nroute\n network 0.0.0.0\n netmask 0.0.0.0\n gateway 198.51.100.1\n`, /^7 gateway: .*not on-link.*; use an address of 192.0.2.0\/24 \(eth0\)/],
  ['gateway6 not on-link', 'interface e\n address6 2001:db8::2/64\n gateway6 2001:db8:1::1\n', /^3 gateway6: .*not on-link/],
  ['own gateway', `${IF} gateway 192.0.2.10\n`, /^3 gateway: .*address of eth0 itself/],
  ['mixed route', `${IF}\nroute\n network 2001:db8::/32\n gateway 192.0.2.1\n`, /^6 gateway: .*other family/],
  ['host bits', `${IF}\nroute\n network 198.51.100.1\n netmask 255.255.255.0\n gateway 192.0.2.1\n`, /^5 network: 198.51.100.1\/24 has bits of a host set; write 198.51.100.0\/24/],
  ['host bits of IPv6', `${IF}\nroute\n network 2001:db8::1/64\n dev eth0\n`, /^5 network: .*write 2001:db8::\/64/],
  ['route without network', `${IF}\nroute\n gateway 192.0.2.1\n`, /^4 route: has no network/],
  ['route to nowhere', `${IF}\nroute\n network 198.51.100.0/24\n`, /^4 route: has neither gateway nor dev/],
  ['route without mask', `${IF}\nroute\n network 198.51.100.0\n gateway 192.0.2.1\n`, /^5 network: has no netmask/],
  ['unknown dev', `${IF}\nroute\n network 198.51.100.0/24\n dev eth9\n`, /^5 network: there is no interface `eth9`; use one of eth0/],
  ['route twice', `${IF} gateway 192.0.2.1\n\nroute\n network 0.0.0.0/0\n gateway 192.0.2.2\n`, /^7 gateway: a second route to 0.0.0.0\/0 \(first at line 3\)/],
  ['link-local gateway of several', 'interface a\n address6 2001:db8::1/64\n\ninterface b\n\nroute\n network ::/0\n gateway fe80::1\n', /^8 gateway: .*link-local.*add `dev NAME`/],
  ['neighbour elsewhere', `${IF} neigh 198.51.100.7 2:0:0:0:0:7\n`, /^3 neigh: .*not on a network of eth0/],
  ['unknown sysctl', 'sysctl net.ipv4.conf.default.forwarding=1\n', /^1 sysctl net.ipv4.conf.default.forwarding: .*no such setting, did you mean net.ipv6.conf.all.forwarding/],
  ['inherited name as sysctl', 'sysctl constructor=1\n', /^1 sysctl constructor: .*no such setting/],
  ['sysctl value', 'sysctl net.ipv4.ip_forward=2\n', /^1 sysctl net.ipv4.ip_forward: `2` is refused; write a number from 0 to 1/],
  ['sysctl words', 'sysctl net.ipv4.tcp_rmem=4096\n', /takes 3 values, not 1/],
  ['sysctl order', 'sysctl net.ipv4.ip_local_port_range=2000 1000\n', /must not decrease/],
  ['sysctl word', 'sysctl net.ipv4.tcp_congestion_control=vegas\n', /write one of cubic, reno/],
  ['dns', 'dns ns.example.org\n', /^1 dns: .*no IPv4 or IPv6 address/],
  ['many name servers', 'dns 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4\n', /^1 dns: more than 3/],
  ['seed', 'seed 12\n', /^1 seed: is not 32 bytes/],
  ['no workers', 'workers 0\n', /^1 workers: .*from 1 to 16/],
  ['many workers', 'workers 17\n', /^1 workers: .*from 1 to 16/],
  ['workers of a PIPE', 'workers 2\n\ninterface a\n viftype PIPE\n pipepath /x\n', /^3 interface: a is PIPE, which has no queues for several workers; use viftype TAP or RAW/],
  ['workers of XDP', 'workers 2\n\ninterface a\n viftype XDP\n', /^3 interface: a is XDP, which has no queues/],
  ['workers and DHCP', 'workers 2\n\ninterface a\n viftype TAP\n dhcp on\n', /^3 interface: a takes its address by DHCP, .*give it an address/],
  ['workers and a second mistake', 'workers 2\n\ninterface a\n viftype TAP\n mtu x\n', /^5 mtu/],
  ['memory', 'memory 1M\n', /^1 memory: `1M` is not from 16M/],
  ['many interfaces', Array.from({ length: 9 }, (_, i) => `interface e${i}\n\n`).join(''), /^17 interface: more than 8 interfaces/],
];
for (const [name, text, want] of MISTAKES) test(`mistake: ${name}`, () => assert.match(problem(text), want));

test('all mistakes of a file are told, in order, with file and line', () => {
  try {
    parseConfig('interface e\n mtu x\n address y\n\nroute\n netmask 1.2.3.4\n', 'my.conf');
    assert.unreachable();
  } catch (e) {
    assert.equal((e as ConfigError).problems.map((p) => [p.line, p.key]), [[2, 'mtu'], [3, 'address'], [5, 'route'], [6, 'netmask']]);
    assert.match((e as Error).message, /^my\.conf:2: mtu: .*\nmy\.conf:3: address: /);
  }
});

test('any bytes end in a configuration or a ConfigError, soon', () => {
  const words = ['interface', 'route', 'a', '\n', '\n', '\n\n', '192.0.2.1/24', '::/0', 'address', 'address6', 'network', 'netmask', 'gateway', 'neigh', '\0', '#', '=', 'sysctl', 'mtu', '-1', '99999999999999999999'];
  let x = 1;
  const random = (n: number) => (x = (x * 1103515245 + 12345) >>> 0) % n;
  for (let i = 0; i < 2000; i++) {
    let text = '';
    for (let k = random(40); k > 0; k--) text += `${words[random(words.length)]} `;
    try {
      parseConfig(text, 'f');
    } catch (e) {
      assert.instance(e, ConfigError);
    }
  }
  assert.throws(() => parseConfig('x\n'.repeat(600000), 'f'), /larger than/);
});

test('the documentation names every key and every setting, and the examples parse', () => {
  const doc = readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8');
  for (const k of [...INTERFACE_KEYS, ...ROUTE_KEYS, ...GLOBAL_KEYS, ...Object.keys(SYSCTLS)]) assert.match(doc, new RegExp(`^\\| \`${k.replaceAll('.', '\\.')}\` \\|`, 'm'), k);
  const c = parseConfig(readFileSync(join(ROOT, 'examples/dual-stack.conf'), 'utf8'), 'dual-stack.conf');
  assert.equal(c.routes.map((r) => r.via), ['192.0.2.1', '2001:db8::1', '192.0.2.254']);
});

test.run();
