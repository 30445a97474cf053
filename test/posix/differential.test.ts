// The same script of socket calls on the kernel and under nuse: every line equal, but for the differences listed here.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, NUSE, ROOT } from '../interop/lab.js';

const test = suite('posix: differential');
const SCRIPT = join(ROOT, 'test/posix/sockets.py');
const lab = new Lab();
test.after(() => lab.close());

/**
 * Line -> [kernel, nuse], each with its reason.
 * A fresh stream is a unix socket without a peer, whose errors have other names.
 */
const DIFFERENCES: Record<string, [string, string]> = {
  'fresh: recv': ['ENOTCONN', 'EINVAL'],
  'fresh: send': ['EPIPE', 'ENOTCONN'],
};

/** label -> value of every line. */
function lines(output: string): Map<string, string> {
  return new Map(output.trim().split('\n').map((l) => {
    const at = l.indexOf(' = ');
    return at < 0 ? [l, ''] : [l.slice(0, at), l.slice(at + 3)];
  }));
}

function run(argv: string[]): Map<string, string> {
  return lines(execFileSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 60000, env: { ...process.env, NUSECONF: '/dev/null' } }));
}

for (const [label, address] of [['IPv4', '127.0.0.1'], ['IPv6', '::1']]) test(`sockets over loopback, ${label}`, () => {
  const script = ['/usr/bin/python3', SCRIPT, address, '20000'];
  const kernel = run(['ip', 'netns', 'exec', lab.netns(label), ...script]);
  const nuse = run([...NUSE, '--', ...script]);
  assert.ok(kernel.size > 200, `only ${kernel.size} lines`);
  const wrong: string[] = [];
  for (const label of new Set([...kernel.keys(), ...nuse.keys()])) {
    const [k, n] = [kernel.get(label), nuse.get(label)];
    const [wantK, wantN] = DIFFERENCES[label] ?? [k, k];
    if (k !== wantK || n !== wantN) wrong.push(`${label}: kernel ${k}, nuse ${n}`);
  }
  assert.equal(wrong, []);
});

test.run();
