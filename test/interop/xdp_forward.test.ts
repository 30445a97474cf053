// A stack as the router between a kernel whose RAW interface brings super-segments and partial checksums, and one behind XDP, which
// takes neither: the stack cuts and sums what it passes on.
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, faults, type Program } from './lab.js';

const test = suite('forwarding from RAW to XDP and back');
const lab = new Lab();
let left: string, right: string, middle: string, router: Program;

test.before(async () => {
  left = lab.netns('a');
  right = lab.netns('b');
  middle = lab.netns('r');
  lab.sh(middle, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1');
  lab.veth(middle, 'a0', left, 'eth0');
  lab.veth(middle, 'b0', right, 'eth0');
  lab.sh(right, 'ethtool -K eth0 tx off');
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
 viftype XDP
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

for (const [family, a, b] of [['IPv4', '10.1.0.2', '10.2.0.2'], ['IPv6', 'fd01::2', 'fd02::2']] as const) {
  test(`bulk transfers ${family}, both ways; frames behind XDP are whole, small and right`, async () => {
    assert.match(lab.sh(left, `ping -c 2 -i 0.2 -w 5 -s 4000 ${b}`), /2 received/);
    const cap = await lab.capture(right, 'eth0', `${family}.pcap`);
    for (const [from, to, address] of [[left, right, b], [right, left, a]] as const) {
      const server = lab.run(to, [...lab.bulk, 'accept-recv', address, '5001']);
      await server.until(/listening/);
      const sent = await lab.run(from, [...lab.bulk, 'send', address, '5001', String(16 << 20), '1']).finish();
      const got = await server.finish();
      const hash = (s: string): string => (JSON.parse(s.trim().split('\n').pop()!) as { sha256: string }).sha256;
      assert.is(hash(got.stdout), hash(sent.stdout));
    }
    await cap.stop();
    const ours = join(lab.dir, `${family}-in.pcap`);
    lab.sh(right, `tcpdump -r ${cap.file} -w ${ours} src ${a}`);
    const lengths = lab.sh(right, `tshark -n -r ${ours} -T fields -e frame.len`).trim().split('\n').map(Number);
    assert.ok(lengths.length > 10000 && Math.max(...lengths) === 1514, `${lengths.length} frames, up to ${Math.max(...lengths)}`);
    assert.equal(faults(ours), []);
  });
}

test.run();
