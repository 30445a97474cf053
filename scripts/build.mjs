// `npm run build`: the ABI first, then every other part, as many at a time as there are processors.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { root, run } from './setup.mjs';

/** The longest first, so that no processor is idle while another has them before it. */
const PARTS = ['core', 'test-core', 'js', 'coverage', 'native', 'wasi', 'fuzz', 'bundle'];

/** Run a part to its end: its exit code. */
function build(part) {
  return new Promise((resolve, reject) => {
    const p = spawn('npm', ['run', '--silent', `build:${part}`], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    p.on('error', reject);
    p.on('close', (code) => resolve(code ?? 1));
  });
}

run('npm', ['run', '--silent', 'build:abi']);
const parts = [...PARTS];
let failed = 0;
await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, async () => {
  for (let part; !failed && (part = parts.shift());) {
    const code = await build(part);
    if (code) console.error(`nuse: \`npm run build:${part}\` failed`);
    failed = failed || code;
  }
}));
process.exitCode = failed;
