// WASI programs of the examples and of tests, into build/wasi: AssemblyScript by asc, C by clang and wasi-libc where they are installed
// (Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { root, run } from './setup.mjs';

const out = 'build/wasi', sdk = 'sdk/wasi';
/** Where sources are; the module takes the name of its source. */
const FOLDERS = ['examples/sim/wasi', 'test/sim/wasi'];
const SYSROOT = '/usr';

function sources(extension) {
  return FOLDERS.filter((f) => existsSync(join(root, f)))
    .flatMap((f) => readdirSync(join(root, f)).filter((n) => n.endsWith(extension)).map((n) => join(f, n)));
}

/** Compile one C program against sdk/wasi/nuse_socket.h. */
function compile(source) {
  run('clang', ['--target=wasm32-wasi', `--sysroot=${SYSROOT}`, '-O2', '-Wall', '-Wextra', '-Werror', '-I', sdk, '-o', join(out, `${basename(source, '.c')}.wasm`), source]);
}

mkdirSync(join(root, out), { recursive: true });
for (const source of sources('.as.ts')) {
  run('node_modules/.bin/asc', [source, '--config', 'asconfig.wasi.json', '--target', 'program', '--outFile', join(out, `${basename(source, '.as.ts')}.as.wasm`)]);
}
const clang = spawnSync('clang', ['--version']).status === 0 && existsSync(join(SYSROOT, 'include/wasm32-wasi'));
if (clang) sources('.c').forEach(compile);
else console.log('clang or wasi-libc is missing: the C programs of examples/sim/wasi are not built');
