// Bundle the `nuse` command and its workers, so that starting reads three files instead of a hundred; and the browser entry,
// which a page imports as it is.
import { build } from 'esbuild';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { browserBundle } from './check/browser.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, 'build/bundle');
const WORKERS = ['stack_worker', 'gateway_worker', 'part_worker', 'watchdog_worker', 'sim_worker', 'sim_report'];
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const options = {
  absWorkingDir: root,
  outdir: out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  legalComments: 'none',
  // binaryen is loaded when a scenario has a WASI program: 13 MB. The reporters of coverage read files of their own folder.
  external: ['binaryen', 'istanbul-*'],
  // commander is CommonJS and calls require() for builtins.
  banner: { js: "import { createRequire as nuseCreateRequire } from 'node:module'; const require = nuseCreateRequire(import.meta.url);" },
  logLevel: 'warning',
};
await build({ ...options, entryPoints: [...WORKERS.map((n) => ({ in: `host/cli/${n}.ts`, out: n })), { in: 'bench/command.ts', out: 'bench' }] });
// The command in pieces: what runs a program is a fifth of it.
await build({ ...options, entryPoints: [{ in: 'host/cli/main.ts', out: 'nuse' }], splitting: true, chunkNames: 'nuse-[name]-[hash]' });
await build({ ...browserBundle(root), outfile: join(root, 'build/browser/nuse.js'), sourcemap: true, logLevel: 'warning' });
