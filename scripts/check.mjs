// `npm run check`: everything about the sources that needs no run. Prints a line for each check, exit code 1 if one fails.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
/** The program of a package, as its package.json says. */
function tool(pkg, bin) {
  const manifest = require.resolve(`${pkg}/package.json`);
  return join(dirname(manifest), require(manifest).bin[bin]);
}
const CORES = ['build/core.wasm', 'build/core.debug.wasm', 'build/core.sanitizer.wasm'];

const CHECKS = [
  ['types', [tool('typescript', 'tsc'), '-p', 'tsconfig.json', '--noEmit']],
  ['lint and format', [tool('eslint', 'eslint'), '.', '--max-warnings=0']],
  ['ABI constants', ['scripts/abi.mjs', '--check']],
  ['layers', ['scripts/check/layers.mjs']],
  ['browser entry', ['scripts/check/browser.mjs']],
  ['dead exports', ['scripts/check/dead.mjs']],
  ['no allocation after init', ['scripts/check/noalloc.mjs', ...CORES]],
  ['no state outside of memory, no relaxed SIMD', ['scripts/check/state.mjs', ...CORES]],
  ['imports and exports of the core', ['scripts/check/surface.mjs']],
];

function run([name, args]) {
  return new Promise((resolve) => {
    const start = Date.now();
    let out = '';
    const p = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const s of [p.stdout, p.stderr]) s.on('data', (d) => { out += d; });
    p.on('close', (code) => {
      console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
      if (code !== 0) console.log(out.trimEnd().replace(/^/gm, '     '));
      resolve(code === 0);
    });
  });
}

const missing = CORES.filter((f) => !existsSync(join(root, f)));
if (missing.length) {
  console.error(`check: ${missing.join(', ')} missing: run \`npm run build\` first`);
  process.exit(1);
}
let failed = 0;
for (const c of CHECKS) if (!await run(c)) failed++;
process.exitCode = failed ? 1 : 0;
