// Build the N-API addon (io-backends/native) with node-gyp, without a download: the headers are those beside the
// running node, or Debian's libnode-dev.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeDir } from './node_headers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dir = join(root, 'io-backends', 'native');

function fail(message) {
  console.error(`nuse: ${message}`);
  process.exit(1);
}

if (!existsSync(join(dir, 'binding.gyp'))) process.exit(0);
const nodedir = nodeDir();
if (!nodedir) fail('node_api.h not found: install the headers of node, e.g. apt-get install libnode-dev');
let gyp;
try {
  gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
} catch {
  fail('node-gyp is not installed: run npm install');
}
const steps = existsSync(join(dir, 'build/config.gypi')) && !process.argv.includes('--clean') ? ['configure', 'build'] : ['rebuild'];
const result = spawnSync(process.execPath, [gyp, ...steps, `--nodedir=${nodedir}`, '--loglevel=error'], { cwd: dir, stdio: 'inherit' });
if (result.error) fail(result.error.message);
if (result.status !== 0) fail('the native addon did not build: it needs g++, make and python3 (apt-get install build-essential python3)');
