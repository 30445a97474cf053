// `npm run bench [-- PATTERN...]`: build, then measure. Needs root (namespaces, TAPs).
import { spawnSync } from 'node:child_process';

for (const [command, args] of [['npm', ['run', '-s', 'build']], [process.execPath, ['build/js/bench/bench.js', ...process.argv.slice(2)]]]) {
  const r = spawnSync(command, args, { stdio: command === 'npm' ? ['ignore', 'ignore', 'inherit'] : 'inherit', env: { ...process.env, NUSE_TEST_CORE: 'core.wasm' } });
  if (r.status) process.exit(r.status);
}
