// Every socket option on every kind of socket, with good and bad values of every length: as the kernel answers, but for the list here.
// limit: 180 s
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, NUSE, ROOT } from '../interop/lab.js';

const test = suite('posix: socket options');
const SCRIPT = join(ROOT, 'test/posix/options.py');
const lab = new Lab();
test.after(() => lab.close());

/** Lines that differ on purpose, each with its reason. */
const DIFFERENCES = [
  /^tcp. SOCKET 18 /, // SO_RCVLOWAT is bounded by net.ipv4.tcp_rmem, which is the machine's
  /^(tcp.|udp.|raw.u?|ping.|packet) SOCKET (32|33) set(1073741824|2147483647)$/, // forced buffers end at 128 MiB
  /^tcp. IP 4 /, // streams send no IP options
  /^raw. IPV6 36 |^raw6u IPV6 36 /, // the stack writes IPv6 headers itself
  /^(tcp6|udp6|raw6u?|ping6) IPV6 (54|55|57|59) /, // nor does it send extension headers
  /^udp. UDP 100 set[23]$/, // no ESP or L2TP inside UDP
  /^packet PACKET ([6-9]|1\d|2[0-4]) /, // rings, fanout, statistics and the like
];

function lines(argv: string[]): Map<string, string> {
  const out = execFileSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 120000, maxBuffer: 1 << 26, env: { ...process.env, NUSECONF: '/dev/null' } });
  return new Map(out.trim().split('\n').map((l) => l.split(' = ') as [string, string]));
}

test('setsockopt and getsockopt', () => {
  const ns = lab.netns('opt');
  lab.sh(ns, 'sysctl -qw net.ipv4.ping_group_range="0 2147483647"');
  const script = ['/usr/bin/python3', SCRIPT];
  const kernel = lines(['ip', 'netns', 'exec', ns, ...script]);
  const nuse = lines([...NUSE, '--', ...script]);
  assert.ok(kernel.size > 50000, `only ${kernel.size} lines`);
  const wrong: string[] = [];
  for (const [label, k] of kernel) {
    if (nuse.get(label) !== k && !DIFFERENCES.some((d) => d.test(label))) wrong.push(`${label}: kernel ${k}, nuse ${nuse.get(label)}`);
  }
  assert.equal(wrong.slice(0, 50), []);
});

test.run();
