// recvmmsg and sendmmsg on the kernel and under nuse: every line equal.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, NUSE, ROOT } from '../interop/lab.js';

const test = suite('posix: many messages');
const lab = new Lab();
const folder = mkdtempSync(join(tmpdir(), 'nuse-many-'));
const MANY = join(folder, 'many');
test.before(() => { execFileSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', MANY, join(ROOT, 'test/posix/many.c')]); });
test.after(() => {
  rmSync(folder, { recursive: true });
  return lab.close();
});

const run = (argv: readonly string[]): string[] => execFileSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 60000, env: { ...process.env, NUSECONF: '/dev/null' } }).trim().split('\n');

for (const [label, address] of [['IPv4', '127.0.0.1'], ['IPv6', '::1']]) test(`recvmmsg and sendmmsg, ${label}`, () => {
  const kernel = run(['ip', 'netns', 'exec', lab.netns(label), MANY, address, '21500']);
  const nuse = run([...NUSE, '--', MANY, address, '21500']);
  assert.ok(kernel.length > 1000, `only ${kernel.length} lines`);
  assert.equal(nuse, kernel);
});

test.run();
