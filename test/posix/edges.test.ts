// Socket calls at their edges on the kernel and under nuse: every line equal, but for the differences listed here.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, NUSE, ROOT } from '../interop/lab.js';

const test = suite('posix: edges');
const SCRIPT = join(ROOT, 'test/posix/edges.py');
const lab = new Lab();
test.after(() => lab.close());

/** Lines that differ on purpose, with their reasons. */
const DIFFERENCES = [
  /^creation: (0|255|-1),/, // families that are none are refused before their type is looked at
  /^creation: (2|17),10,/, // SOCK_PACKET: with interfaces only
  /^creation: 10?,3,256$|^creation: 2,3,256$/, // protocols beyond 255
  /^creation: 16,\d+,6$/, // NETLINK_XFRM
  /^pointers: .* ioctl\[35327/, // SIOCDEVPRIVATE of no device
  /^pointers: udp.* setsockopt\[6, 1, 'bad'/, // a bad pointer is found before a bad level
  // What a stream that has no connection does natively, as the unix socket it is.
  /^(flags|states): (fresh|bound|listening|refused):? .*(recv|send|read|write)/,
  /^states: (fresh|bound|listening|refused): (poll|read|send) after$/,
  /^states: refused: poll$/,
  /^disconnecting: (stream|listener) poll$/,
  // A plain send of a datagram that goes nowhere, or is a little too long, is dropped.
  /^flags: udp( bound)? \w+ send$/,
  /^disconnecting: datagram$/,
  /^lengths: (send|write) 65(5|0)\d\d$/,
  /^flags: udp.* OOB (recv|send(to|msg)?)$|^received: datagram OOB$/, // refused, also where the kernel ignores it
  /^received: stream TRUNC$/,
  /^vectors: stream mmap$/,
  /^states: peer gone: /, // the reset comes back when the wire allows
  /^states: reads no more: read$/, // what comes after SHUT_RD is forgotten
  /^states: reset: write'$/, // EPIPE where the kernel tells ECONNRESET first
];

/** label -> value of every line; a label that comes again gets a ' more. */
function lines(argv: string[]): Map<string, string> {
  const out = new Map<string, string>();
  for (const l of execFileSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 90000, env: { ...process.env, NUSECONF: '/dev/null' } }).trim().split('\n')) {
    const at = l.indexOf(' = ');
    let label = at < 0 ? l : l.slice(0, at);
    while (out.has(label)) label += "'";
    out.set(label, at < 0 ? '' : l.slice(at + 3));
  }
  return out;
}

for (const [label, address] of [['IPv4', '127.0.0.1'], ['IPv6', '::1']]) test(`edges, ${label}`, () => {
  const script = ['/usr/bin/python3', SCRIPT, address, '21000'];
  const ns = lab.netns(label);
  lab.sh(ns, 'sysctl -qw net.ipv4.ping_group_range="0 2147483647"');
  const kernel = lines(['ip', 'netns', 'exec', ns, ...script]);
  const nuse = lines([...NUSE, '--', ...script]);
  assert.ok(kernel.size > 2000, `only ${kernel.size} lines`);
  const wrong: string[] = [];
  for (const label of new Set([...kernel.keys(), ...nuse.keys()])) {
    const [k, n] = [kernel.get(label), nuse.get(label)];
    if (k !== n && !DIFFERENCES.some((d) => d.test(label))) wrong.push(`${label}: kernel ${k}, nuse ${n}`);
  }
  assert.equal(wrong, []);
});

test.run();
