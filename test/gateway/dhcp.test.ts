// Addresses from the link: DHCP and router advertisements of the gateway, and DHCP of dnsmasq over a TAP.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, type Program } from '../interop/lab.js';
import { UserLab, privileged } from './lab.js';

const test = suite('gateway: dhcp and router advertisements');
const net = new Lab(), lab = new UserLab();
test.after(async () => {
  await lab.close();
  await net.close();
});
const ADDRESSES = ['sh', '-c', `for i in $(seq 100); do
  /usr/bin/python3 -c "import socket
own = []
for a in ('192.0.2.200', '2001:db8::1'):
  s = socket.socket(socket.AF_INET6 if ':' in a else socket.AF_INET, socket.SOCK_DGRAM)
  s.connect((a, 9))
  own.append(s.getsockname()[0])
print(*own, sep=chr(10))" 2>/dev/null && break; sleep 0.1; done; cat /etc/resolv.conf`];

// It waits for a while; the other tests run meanwhile.
let serverless: Program | undefined;
test.before(() => {
  if (!privileged) return;
  const ns = net.netns('e');
  net.tap(ns, 'tap0');
  const conf = net.file('none.conf', 'interface eth0\n viftype TAP\n dev tap0\n dhcp on\n');
  serverless = net.nuse(ns, ['-c', conf, '--', 'true']);
});

test('a stack of USER configures itself from its gateway', async () => {
  const conf = lab.file('auto.conf', 'interface eth0\n viftype USER\n macaddr 02:00:00:00:00:05\n dhcp on\n slaac on\n');
  const r = await lab.run(ADDRESSES, { options: ['-c', conf] });
  assert.is(r.stdout, '10.0.2.15\nfd00::ff:fe00:5\nnameserver 10.0.2.3\n', r.stderr);
  const echo = await lab.serve((s) => s.pipe(s));
  const program = `import socket
for a in ('10.0.2.2', 'fd00::2'):
  try:
    s = socket.create_connection((a, ${echo}), 20)
    s.sendall(b'over'); print(a, s.recv(10).decode())
  except OSError as e: print(a, e.strerror)`;
  const used = await lab.run(['/usr/bin/python3', '-c', program], { options: ['-c', conf, '--host-loopback'] });
  assert.is(used.stdout, '10.0.2.2 over\nfd00::2 Connection refused\n', used.stderr);
});

test('another network, by its addresses', async () => {
  const conf = lab.file('other.conf', 'interface eth0\n viftype USER\n address 172.20.0.100/16\n address6 fd12:3456::100/48\n');
  const r = await lab.run(['sh', '-c', 'cat /etc/resolv.conf; ping -n -c 1 -W 10 172.20.0.2; ping -n -c 1 -W 10 fd12:3456::2'], { options: ['-c', conf] });
  assert.match(r.stdout, /^nameserver 172\.20\.0\.3\n[^]*1 received[^]*1 received/, r.stderr);
});

if (privileged) {
  test('over a TAP, dnsmasq gives address, route, name server and domain; the lease is given back', async () => {
    const ns = net.netns('d');
    net.tap(ns, 'tap0');
    net.addr(ns, 'tap0', '192.0.2.1/24');
    const server = net.run(ns, ['dnsmasq', '-k', '-p0', '-i', 'tap0', '--bind-interfaces', '--user=root', '--log-facility=-', '--log-dhcp', '-F', '192.0.2.100,192.0.2.100,255.255.255.0,1h',
      '--dhcp-option=option:dns-server,192.0.2.53', '--domain=nuse.test', `--dhcp-leasefile=${net.dir}/leases`, '--pid-file=']);
    await server.until(/DHCP, IP range/);
    const conf = net.file('tap.conf', 'interface eth0\n viftype TAP\n dev tap0\n dhcp on\n');
    const script = `ping -n -c 1 -W 10 192.0.2.1; cat /etc/resolv.conf
/usr/bin/python3 -c "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('198.51.100.1', 9)); print(s.getsockname()[0])"`;
    const r = await net.nuse(ns, ['-c', conf, '--', 'sh', '-c', script]).finish();
    assert.match(r.stdout, /1 received[^]*nameserver 192\.0\.2\.53\nsearch nuse\.test\n192\.0\.2\.100\n$/, r.stdout + r.stderr);
    await server.until(/DHCPACK\(tap0\) 192\.0\.2\.100/);
    await server.until(/DHCPRELEASE\(tap0\) 192\.0\.2\.100/);
  });

  test('without a server the program runs all the same, and hears why it has no address', async () => {
    const r = await serverless!.finish(60000);
    assert.is(r.code, 0);
    assert.match(r.stderr, /eth0: no DHCP server has answered/);
  });
}

test.run();
