// What the host's network says of a destination is what the program hears; in a namespace whose routes say all of it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, NUSE } from '../interop/lab.js';
import { CONNECT, UserLab, privileged, python } from './lab.js';

const test = suite('gateway: unreachable');
const net = new Lab(), lab = new UserLab();
test.after(async () => {
  await lab.close();
  await net.close();
});

/** A host with a link on which nobody answers, and routes that refuse. */
function host(label: string): string {
  const ns = net.netns(label);
  net.ip(ns, 'link add e0 type veth peer name e1');
  net.addr(ns, 'e0', '192.0.2.1/24', '2001:db8:1::1/64');
  for (const dev of ['e0', 'e1']) net.ip(ns, `link set ${dev} up`);
  net.ip(ns, 'neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev e0');
  net.ip(ns, 'route add unreachable 198.51.100.0/24');
  net.ip(ns, 'route add prohibit 203.0.113.0/24');
  net.ip(ns, '-6 route add unreachable 2001:db8:2::/48');
  net.ip(ns, '-6 route add prohibit 2001:db8:3::/48');
  return ns;
}

/** A program gives up, and lives on: the host's attempt ends once the program's SYNs have stopped coming. */
async function givenUp(): Promise<void> {
  const ns = net.netns('g');
  net.ip(ns, 'link add e0 type veth peer name e1');
  net.addr(ns, 'e0', '192.0.2.1/24');
  for (const dev of ['e0', 'e1']) net.ip(ns, `link set ${dev} up`);
  net.ip(ns, 'neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev e0');
  const p = lab.start(python(`${CONNECT}
print(connect('192.0.2.9', 80, 2), flush=True)
time.sleep(120)`), { netns: ns });
  const attempts = (): number => net.sh(ns, 'ss -Htn state syn-sent').split('\n').filter(Boolean).length;
  for (let i = 0; !attempts(); i++) {
    assert.ok(i < 100, 'the host tries');
    await new Promise((done) => setTimeout(done, 100));
  }
  await p.until(/timeout/);
  for (let i = 0; attempts(); i++) {
    assert.ok(i < 700, 'the host still tries');
    assert.is(p.child.exitCode, null, 'the program must outlive the attempt');
    await new Promise((done) => setTimeout(done, 100));
  }
  p.kill();
  await p.done;
}
// Some ten seconds, during which the other tests run.
let abandoned: Promise<PromiseSettledResult<void>[]> | undefined;
test.before(() => { if (privileged) abandoned = Promise.allSettled([givenUp()]); });

if (privileged) {
  test('TCP: unreachable host and network, prohibited, silence; both families', async () => {
    const ns = host('t');
    const r = await lab.run(python(`${CONNECT}
for h in ('198.51.100.7', '203.0.113.7', '100.64.0.7', '192.0.2.77', '2001:db8:2::7', '2001:db8:3::7', '2001:db8:4::7'): print(h, connect(h, 80))
print(connect('192.0.2.9', 80, 4))`), { netns: ns });
    assert.equal(r.stdout.split('\n').filter(Boolean), [
      '198.51.100.7 EHOSTUNREACH', '203.0.113.7 EHOSTUNREACH', '100.64.0.7 ENETUNREACH', '192.0.2.77 EHOSTUNREACH',
      '2001:db8:2::7 EHOSTUNREACH', '2001:db8:3::7 EACCES', '2001:db8:4::7 ENETUNREACH', 'timeout',
    ], r.stderr);
    const curl = await lab.run(['curl', '-sS', '-m', '4', 'http://192.0.2.9/'], { netns: ns });
    assert.is(curl.code, 28, curl.stderr);
  });

  test('UDP: what the host\'s routes refuse', async () => {
    const ns = host('u');
    const r = await lab.run(python(`
for h in ('198.51.100.7', '203.0.113.7', '100.64.0.7'):
  u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  u.settimeout(20)
  u.setsockopt(socket.IPPROTO_IP, 11, 1) # IP_RECVERR: not fatal otherwise
  u.connect((h, 9))
  u.send(b'x')
  try: u.recvfrom(10)
  except OSError as e: print(errno.errorcode[e.errno])`), { netns: ns });
    assert.is(r.stdout, 'EHOSTUNREACH\nEHOSTUNREACH\nENETUNREACH\n', r.stderr);
  });

  test('clients of a published port are seen by their own address', async () => {
    const ns = net.netns('p'), peer = net.netns('q');
    net.veth(ns, 'e0', peer, 'e0');
    net.addr(ns, 'e0', '192.0.2.1/24');
    net.addr(peer, 'e0', '192.0.2.8/24');
    const p = lab.start(python(`
s = socket.create_server(('', 80))
print('ready', flush=True)
while True:
  c, a = s.accept()
  c.sendall(a[0].encode())
  c.close()`), { netns: ns, options: ['-p', '192.0.2.1:8080:80'] });
    await p.until(/ready/);
    const get = (from: string): string => net.sh(from, `/usr/bin/python3 -c "import socket; print(socket.create_connection(('192.0.2.1', 8080)).recv(99).decode(), end='')"`);
    assert.is(get(peer), '192.0.2.8');
    assert.is(get(ns), '192.0.2.1', 'the host itself, by that address');
  });

  test('a named stack has a gateway, too; its options reach it', async () => {
    const env = { ...process.env, NUSECONF: '', XDG_RUNTIME_DIR: lab.dir }, ns = net.netns('n');
    const nuse = async (...args: string[]): Promise<string> => {
      const end = await net.run(ns, [...NUSE, ...args], { env }).finish();
      assert.is(end.code, 0, end.stderr);
      return end.stdout;
    };
    await nuse('up', 'gw', '-p', '8081:80', '--host-loopback');
    const server = net.run(ns, [...NUSE, 'exec', 'gw', '--', '/usr/bin/python3', '-u', '-m', 'http.server', '80', '--directory', lab.dir], { env });
    lab.file('named', 'here\n');
    await server.until(/Serving/);
    assert.is(net.sh(ns, 'curl -s http://127.0.0.1:8081/named'), 'here\n');
    const outside = net.run(ns, ['/usr/bin/python3', '-u', '-m', 'http.server', '8082', '--directory', lab.dir]);
    await outside.until(/Serving/);
    assert.is(await nuse('exec', 'gw', '--', 'curl', '-s', 'http://10.0.2.2:8082/named'), 'here\n');
    assert.match(await nuse('ps'), /gw .*eth0 10\.0\.2\.15\/24 fd00::15\/64/);
    await nuse('down', 'gw');
    await server.done;
  });

  test('a program that gives up ends the host\'s attempt, too', async () => {
    for (const end of await abandoned!) if (end.status === 'rejected') throw end.reason;
  });
}

test.run();
