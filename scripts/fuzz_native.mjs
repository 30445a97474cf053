// `npm run fuzz:native -- [libFuzzer's options]`: the coverage-guided fuzzer. Builds a core without SIMD (wasm2c of Debian's wabt
// has none) with the sanitizer's checks, turns it and the driver into C, compiles with clang's libFuzzer, and runs it on the
// corpus of the repository; what it finds goes to build/fuzz/corpus, failing test cases to build/fuzz/crash-*.
// `--planted` before the options: a core with a bug planted in it (test/fuzz/planted.mjs); `--build`: build only.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { plant } from '../test/fuzz/planted.mjs';
import { root, run } from './setup.mjs';

const WABT = '/usr/share/wabt/wasm2c';
const OUT = join(root, 'build/fuzz');

const asc = (cwd, ...args) => run(process.execPath, [join(root, 'node_modules/assemblyscript/bin/asc.js'), ...args], { cwd });
/** Compile to `out`, which keeps its date when nothing changed. */
function compile(cwd, out, ...args) {
  const fresh = `${out}.new`;
  asc(cwd, ...args, '--outFile', fresh);
  if (existsSync(out) && readFileSync(out).equals(readFileSync(fresh))) rmSync(fresh);
  else renameSync(fresh, out);
}
const newer = (a, b) => !existsSync(b) || statSync(a).mtimeMs > statSync(b).mtimeMs;

/** Module `name` as C, then as an object; `flags` of clang. */
function native(wasm, name, dir, flags) {
  const c = join(dir, `${name}.c`), o = join(dir, `${name}.o`);
  if (newer(wasm, c)) run('wasm2c', [wasm, '-n', name, '-o', c]);
  if (newer(c, o)) run('clang', ['-c', '-O2', '-w', ...flags, '-I', dir, '-o', o, c]);
  return o;
}

async function build(planted) {
  const dir = join(OUT, planted ? 'planted' : 'native');
  mkdirSync(dir, { recursive: true });
  mkdirSync(join(OUT, 'corpus'), { recursive: true });
  if (!existsSync(join(root, 'build/js/test/fuzz/target.js'))) run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json']);
  compile(root, join(OUT, 'driver.wasm'), '--config', 'asconfig.fuzz.json', '--target', 'driver');
  const wasm = join(dir, 'core.wasm');
  const sources = planted ? plant(join(dir, 'sources'), 'length') : root;
  compile(sources, wasm, 'assembly/sanitize.ts', '--config', 'asconfig.json', '--target', 'native');
  const { Target } = await import(pathToFileURL(join(root, 'build/js/test/fuzz/target.js')).href);
  new Target(`fuzz/${planted ? 'planted' : 'native'}/core.wasm`).images.forEach((image, i) => writeFileSync(join(dir, `image-${i}.bin`), image));
  const flags = ['-DWASM_RT_SKIP_SIGNAL_RECOVERY=1', '-DWASM_RT_TRAP_HANDLER=wasm_trapped'];
  const objects = [
    native(wasm, 'core', dir, [...flags, '-fsanitize=fuzzer-no-link', `-fsanitize-coverage-ignorelist=${join(root, 'test/fuzz/native/ignorelist.txt')}`]),
    native(join(OUT, 'driver.wasm'), 'driver', dir, flags),
  ];
  const binary = join(dir, 'fuzz');
  const runtime = ['-include', join(root, 'test/fuzz/native/trap.h'), join(WABT, 'wasm-rt-impl.c')];
  run('clang', ['-O2', '-w', '-fsanitize=fuzzer', ...flags, '-I', dir, '-I', WABT, join(root, 'test/fuzz/native/target.c'), ...runtime, ...objects, '-o', binary]);
  return { dir, binary };
}

const args = process.argv.slice(2);
const planted = args[0] === '--planted', only = args.includes('--build');
const { dir, binary } = await build(planted);
if (!only) {
  const options = args.filter((a) => !a.startsWith('--'));
  const kept = join(planted ? dir : OUT, 'corpus'), seeds = planted ? join(dir, 'seeds') : join(root, 'test/fuzz/corpus');
  mkdirSync(kept, { recursive: true });
  // The whole corpus, and nothing of what the fuzzer found before.
  if (planted) cpSync(join(root, 'test/fuzz/corpus'), seeds, { recursive: true });
  const r = spawnSync(binary, ['-max_len=4096', '-timeout=10', '-rss_limit_mb=2048', `-artifact_prefix=${dir}/`, ...options, kept, seeds], {
    cwd: root, stdio: 'inherit', env: { ...process.env, NUSE_FUZZ_IMAGES: dir },
  });
  process.exitCode = r.status ?? 1;
}
