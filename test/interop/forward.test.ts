// A stack as the router between two kernels, over RAW on veth: both families, super-segments, errors, path MTU.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, type Program } from './lab.js';

const test = suite('forwarding between two kernels');
const lab = new Lab();
let left: string, right: string, router: Program;

test.before(async () => {
  left = lab.netns('a');
  right = lab.netns('b');
  const middle = lab.netns('r');
  lab.sh(middle, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1');
  lab.veth(middle, 'a0', left, 'eth0');
  lab.veth(middle, 'b0', right, 'eth0');
  for (const [ns, n] of [[left, 1], [right, 2]] as const) {
    lab.addr(ns, 'eth0', `10.${n}.0.2/24`, `fd0${n}::2/64`);
    lab.ip(ns, `route add default via 10.${n}.0.1`);
    lab.ip(ns, `-6 route add default via fd0${n}::1`);
  }
  const conf = lab.file('router.conf', `sysctl net.ipv4.ip_forward=1
sysctl net.ipv6.conf.all.forwarding=1

interface a0
 address 10.1.0.1/24
 address6 fd01::1/64

interface b0
 mtu 1400
 address 10.2.0.1/24
 address6 fd02::1/64
`);
  router = lab.nuse(middle, ['-c', conf, '--', 'sh', '-c', 'echo ready; exec sleep 100']);
  await router.until(/ready/);
});
test.after(async () => {
  router.kill();
  await lab.close();
});

// First: later the kernels know the path's MTU.
test('the smaller MTU behind the router is told, to both families', () => {
  assert.throws(() => lab.sh(left, 'ping -c 1 -W 2 -M do -s 1450 10.2.0.2'), (e: { stdout: string }) => /Frag needed and DF set \(mtu = 1400\)/.test(e.stdout));
  assert.throws(() => lab.sh(left, 'ping -c 1 -W 2 -M do -s 1430 fd02::2'), (e: { stdout: string }) => /Packet too big: mtu=1400/.test(e.stdout));
});

for (const to of ['10.2.0.2', 'fd02::2']) {
  test(`echo, fragments and a bulk transfer to ${to}`, async () => {
    assert.match(lab.sh(left, `ping -c 3 -i 0.2 -w 5 ${to}`), / ttl=63 /);
    assert.match(lab.sh(left, `ping -c 2 -i 0.2 -w 5 -s 4000 ${to}`), /2 received/);
    const server = lab.run(right, [...lab.bulk, 'accept-recv', to, '5001']);
    await server.until(/listening/);
    const sent = await lab.run(left, [...lab.bulk, 'send', to, '5001', String(64 << 20), '1']).finish();
    const got = await server.finish();
    const hash = (s: string): string => (JSON.parse(s.trim().split('\n').pop()!) as { sha256: string }).sha256;
    assert.is(hash(got.stdout), hash(sent.stdout));
  });
}

test('an exceeded hop limit and an unknown network are told', () => {
  assert.throws(() => lab.sh(left, 'ping -c 1 -W 2 -t 1 10.2.0.2'), (e: { stdout: string }) => /From 10\.1\.0\.1 .*Time to live exceeded/.test(e.stdout));
  assert.throws(() => lab.sh(left, 'ping -c 1 -W 2 -t 1 fd02::2'), (e: { stdout: string }) => /From fd01::1.*[Hh]op limit/.test(e.stdout));
  assert.throws(() => lab.sh(left, 'ping -c 1 -W 2 10.77.0.1'), (e: { stdout: string }) => /From 10\.1\.0\.1 .*Net Unreachable/.test(e.stdout));
  assert.throws(() => lab.sh(left, 'ping -c 1 -W 2 fd77::1'), (e: { stdout: string }) => /From fd01::1.*No route/.test(e.stdout));
});

test.run();
