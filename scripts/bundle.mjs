// Bundle the `nuse` command and its worker, so that starting reads two files instead of a hundred.
import { build } from 'esbuild';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, 'build/bundle');
mkdirSync(out, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: { nuse: 'host/cli/main.ts', stack_worker: 'host/cli/stack_worker.ts' },
  outdir: out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  legalComments: 'none',
  // commander is CommonJS and calls require() for builtins.
  banner: { js: "import { createRequire as nuseCreateRequire } from 'node:module'; const require = nuseCreateRequire(import.meta.url);" },
  logLevel: 'warning',
});
