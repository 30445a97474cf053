// `ss` and `ip rule` under nuse: the stack's own sockets, line by line as the kernel tells them.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, NUSE, ROOT } from '../interop/lab.js';

const test = suite('posix: socket diagnosis');
const lab = new Lab();
test.after(() => lab.close());

test('ss and ip rule', () => {
  const script = ['/usr/bin/python3', join(ROOT, 'test/posix/diag.py')];
  const run = (argv: string[]): string[] =>
    execFileSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 60000, env: { ...process.env, NUSECONF: '/dev/null' } }).trim().split('\n').map((l) => l.trim());
  const kernel = run(['ip', 'netns', 'exec', lab.netns('diag'), ...script]);
  assert.ok(kernel.length > 15, kernel.join('\n'));
  assert.equal(run([...NUSE, '--', ...script]), kernel);
});

test.run();
