// limit: 400 s
// Every gate of `npm run check` must be able to fail: each is given a sound tree, then one with its fault planted.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import compiler from 'assemblyscript/asc';
import { ESLint } from 'eslint';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../interop/lab.js';

const test = suite('checks can fail');
const dir = mkdtempSync(join(tmpdir(), 'nuse-check-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

let serial = 0;
/** A folder with these files; its path. */
function tree(files: Record<string, string>): string {
  const root = join(dir, String(serial++));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

function node(args: string[], cwd = ROOT): { status: number | null; stderr: string } {
  const r = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  return { status: r.status, stderr: r.stderr + r.stdout };
}
const passes = (args: string[]) => {
  const r = node(args);
  assert.is(r.status, 0, r.stderr);
};
const fails = (args: string[], why: RegExp) => {
  const r = node(args);
  assert.is(r.status, 1, r.stderr);
  assert.match(r.stderr, why);
};

const SOUND = {
  'assembly/lib/a.ts': 'export function a(): void {}\n',
  'assembly/core/b.ts': 'import { a } from "../lib/a";\nexport function b(): void { a(); }\n',
  'assembly/index.ts': 'import { b } from "./core/b";\nexport function poll(): void { b(); }\n',
  'host/memory.ts': 'export const m = 1;\n',
  'host/core.ts': "import { m } from './memory.js';\nexport const c = m;\n",
  'host/threads/t.ts': "import { c } from '../core.js';\nimport { readFileSync } from 'node:fs';\nexport const t = () => [c, readFileSync];\n",
  'host/cli/main.ts': "import { t } from '../threads/t.js';\nimport { tap } from '../../io-backends/tap/tap.js';\nexport const main = [t, tap];\n",
  'host/vif.ts': 'export interface Vif { n: number }\n',
  'io-backends/tap/tap.ts': "import type { Vif } from '../../host/vif.js';\nexport const tap: Vif = { n: 1 };\n",
};
const layers = (files: Record<string, string>) => ['scripts/check/layers.mjs', tree({ ...SOUND, ...files })];

test('layers: the sound tree passes, an empty one does not', () => {
  passes(layers({}));
  fails(['scripts/check/layers.mjs', tree({ 'x.txt': '' })], /no module found/);
});
const WRONG: [string, Record<string, string>, RegExp][] = [
  ['lib imports core', { 'assembly/lib/x.ts': 'import { b } from "../core/b";\nexport const x = b;\n' }, /assembly\/lib\/x\.ts:1: .*lower layer/],
  ['re-export upward', { 'assembly/lib/x.ts': '\nexport {\n  b,\n} from "../core/b";\n' }, /assembly\/lib\/x\.ts:2: .*lower layer/],
  ['core imports the index', { 'assembly/core/x.ts': 'import { poll } from "../index";\nexport const x = poll;\n' }, /lower layer/],
  ['unknown assembly folder', { 'assembly/misc/x.ts': 'import { a } from "../lib/a";\nexport const x = a;\n' }, /in no known layer/],
  ['assembly imports a package', { 'assembly/lib/x.ts': 'import { y } from "as-bignum";\n' }, /nothing from outside/],
  ['stack imports threads', { 'host/core.ts': "import { t } from './threads/t.js';\nexport const c = t;\n" }, /host\/core\.ts:1:/],
  ['dynamic import upward', { 'host/threads/u.ts': "export const u = () => import('../cli/main.js');\n" }, /lower layer/],
  ['node:* in the browser-safe part', { 'host/core.ts': "import { hrtime } from 'node:process';\nexport const c = hrtime;\n" }, /no node:\* here/],
  ['browser entry reaches threads', { 'host/browser.ts': "export * from './threads/t.js';\n" }, /runs in browsers/],
  ['posix imports a back end', { 'host/posix/p.ts': "import { tap } from '../../io-backends/tap/tap.js';\nexport const p = tap;\n" }, /composition root/],
  ['a back end imports the stack', { 'io-backends/tap/x.ts': "import { c } from '../../host/core.js';\nexport const x = c;\n" }, /back ends see only/],
];
const { checkLayers } = await import(pathToFileURL(join(ROOT, 'scripts/check/layers.mjs')).href) as { checkLayers(root: string): { problems: string[] } };
test('layers: a violation fails the command', () => fails(layers(WRONG[0][1]), WRONG[0][2]));
for (const [name, files, why] of WRONG) test(`layers: ${name}`, () => assert.match(checkLayers(tree({ ...SOUND, ...files })).problems.join('\n'), why));

const PAGE = {
  'host/browser.ts': "export { c } from './core.js';\n",
  'host/core.ts': "import { p } from 'package';\nexport const c = p;\n",
  'node_modules/package/package.json': '{ "name": "package", "type": "module", "exports": "./index.js" }',
  'node_modules/package/index.js': 'export const p = 1;\n',
  'build/browser/nuse.js': '', 'build/js/host/browser.d.ts': '',
};
const LEADS = { types: './build/js/host/browser.d.ts', default: './build/browser/nuse.js' };
const browserEntry = (files: Record<string, string>, entry: unknown = LEADS) => [
  'scripts/check/browser.mjs', tree({ ...PAGE, 'package.json': JSON.stringify({ exports: { '.': { browser: LEADS }, './browser': entry } }), ...files }),
];
test('browser entry: builtins of Node are found wherever they hide, and a manifest that leads elsewhere', () => {
  passes(browserEntry({}));
  fails(browserEntry({ 'host/core.ts': "import { readFileSync } from 'node:fs';\nexport const c = readFileSync;\n" }), /host\/core\.ts: imports node:fs/);
  fails(browserEntry({ 'host/core.ts': "export const c = () => import('node:net');\n" }), /imports node:net/);
  fails(browserEntry({ 'node_modules/package/index.js': "import * as p from 'fs';\nexport { p };\n" }), /package\/index\.js: imports fs/);
  fails(browserEntry({}, './build/js/host/browser.js'), /"\.\/browser".* does not lead to/);
  fails(browserEntry({}, { default: LEADS.default }), /has not the types/);
  fails(browserEntry({}, { default: LEADS.default, types: LEADS.types }), /types belong first/);
});
test('browser entry: what a bundler makes of the package is what is published', async () => {
  const { build } = await import('esbuild');
  for (const name of ['nuse', 'nuse/browser']) {
    const { metafile } = await build({ stdin: { contents: `import { createCore } from '${name}'; createCore();`, resolveDir: ROOT }, bundle: true, write: false, platform: 'browser', format: 'esm', metafile: true });
    assert.equal(Object.keys(metafile.inputs), ['build/browser/nuse.js', '<stdin>'], name);
  }
});

test('dead exports', () => {
  passes(['scripts/check/dead.mjs', tree(SOUND)]);
  fails(['scripts/check/dead.mjs', tree({ ...SOUND, 'assembly/lib/a.ts': `${SOUND['assembly/lib/a.ts']}export function unused(): void {}\n` })], /lib\/a\.ts:2: unused/);
  fails(['scripts/check/dead.mjs', tree({ ...SOUND, 'host/memory.ts': 'export const m = 1;\nexport class Unused {}\n' })], /memory\.ts:2: Unused/);
});

/** Compile an AssemblyScript module as the core is compiled; the path of the wasm. The compiler runs in this process: it is started 18 times. */
async function asc(source: string, debug: boolean): Promise<string> {
  const root = tree({ 'm.ts': source });
  const level = debug ? ['--debug', '--optimizeLevel', '1'] : ['--optimizeLevel', '3', '--noAssert'];
  const flags = ['--runtime', 'stub', '--importMemory', '--noExportMemory', '--zeroFilledMemory', '--enable', 'simd', '--use', 'abort='];
  const { error, stderr } = await compiler.main(['m.ts', '--baseDir', root, '-o', 'm.wasm', ...flags, ...level]);
  assert.is(error, null, stderr.toString());
  return join(root, 'm.wasm');
}
const CORE = `
class Box { v: u32 = 0; }
let fn: u32 = 0;
function quiet(x: u32): u32 { return x + 1; }
function loud(x: u32): u32 { const b = new Box(); b.v = x; return changetype<u32>(b); }
export function init(): void { FN }
export function poll(n: u32): u32 { return call_indirect<u32>(fn, n); }
`;
test('no allocation: allowed in init, found behind poll, directly and through the table', async () => {
  for (const debug of [false, true]) {
    passes(['scripts/check/noalloc.mjs', await asc(CORE.replace('FN', 'fn = quiet.index + loud(1) * 0;'), debug)]);
    fails(['scripts/check/noalloc.mjs', await asc(CORE.replace('FN', 'fn = loud.index;'), debug)], /allocation reachable from poll/);
    fails(['scripts/check/noalloc.mjs', await asc(CORE.replace('FN', 'fn = quiet.index;').replace('return call_indirect', 'if (n == 7) return loud(n); return call_indirect'), debug)], /from poll/);
  }
});
test('no allocation: a module without exports is no pass', async () => {
  fails(['scripts/check/noalloc.mjs', await asc('const x: u32 = 1;\n', false)], /no exports found/);
});

/** Assemble a module in text form; its path. */
async function wat(text: string): Promise<string> {
  const { default: binaryen } = await import('binaryen') as { default: { parseText(t: string): { emitBinary(): Uint8Array; setFeatures(f: number): void }; Features: { All: number } } };
  const module = binaryen.parseText(text);
  module.setFeatures(binaryen.Features.All);
  const file = join(tree({ 'm.wat': text }), 'm.wasm');
  writeFileSync(file, module.emitBinary());
  return file;
}
test('state: a mutable global, a table written, a segment dropped, relaxed SIMD', async () => {
  const state = (path: string) => ['scripts/check/state.mjs', path];
  for (const debug of [false, true]) {
    passes(state(await asc('export function init(): void { store<u32>(8, 1); }\nexport function poll(): u32 { return load<u32>(8); }\n', debug)));
    fails(state(await asc('let n: u32 = 0;\nexport function init(): void { n++; }\nexport function poll(): u32 { return n; }\n', debug)), /a mutable global/);
  }
  const module = (body: string) => wat(`(module (memory 1 1) (table $t 2 2 funcref) (data $d "x") (elem declare func $f)
    (func $f (param v128 v128) (result v128) (local.get 0)) (func (export "poll") ${body}))`);
  passes(state(await module('(nop)')));
  fails(state(await module('(table.set $t (i32.const 0) (ref.func $f))')), /table\.set.*state outside of memory/);
  fails(state(await module('(data.drop $d)')), /data\.drop.*state outside of memory/);
  fails(state(await module('(drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0)))')), /relaxed_trunc.*relaxed SIMD/);
  fails(state(await asc('const x: u32 = 1;\n', false)), /no functions found/);
});

const SURFACE = `
@external("host", "panic") declare function panic(a: usize, b: usize, c: u32): void;
export function init(): void { panic(0, 0, load<u8>(0)); }
export function poll(n: u32): void { store<u32>(0, n); }
`;
test('surface: one export more or less, another parameter, another import', async () => {
  const declared = tree({ 'e.ts': 'export interface CoreExports { init(): void; poll(nrx: number): void }\n' });
  const run = async (source: string) => ['scripts/check/surface.mjs', await asc(source, false), join(declared, 'e.ts')];
  passes(await run(SURFACE));
  fails(await run(`${SURFACE}export function extra(): void {}\n`), /export extra is not declared/);
  fails(await run(SURFACE.replace('export function poll', 'function poll')), /export poll is declared but missing/);
  fails(await run(SURFACE.replace('poll(n: u32)', 'poll(n: u32, m: u32)')), /takes 2 parameters, 1 are declared/);
  fails(await run(`${SURFACE}@external("host", "now") declare function now(): u32;\nexport function extra(): u32 { return now(); }\n`), /import host\.now function is not in the list/);
  fails(await run(SURFACE.replace(' panic(0, 0, load<u8>(0));', ' store<u8>(0, 0);')), /import host\.panic function is gone/);
});

test('lint: TypeScript and AssemblyScript faults are found', async () => {
  const eslint = new ESLint({ cwd: ROOT });
  const lint = async (path: string, text: string) => (await eslint.lintText(text, { filePath: join(ROOT, path) }))[0].messages.map((m) => `${m.ruleId} ${m.message}`).join(' ');
  const faults: [string, string, RegExp][] = [
    ['host/x.ts', "const a = 'x'\nexport { a };\n", /stylistic\/semi/],
    ['host/x.ts', 'export const a = "x";\n', /stylistic\/quotes/],
    ['host/x.ts', 'export function f(a: any): void { if (a == 1) { } }\n', /no-explicit-any[^]*eqeqeq|eqeqeq[^]*no-explicit-any/],
    ['assembly/x.ts', '@inline export function f(): u32 {\n   return 1;\n}\n', /stylistic\/indent/],
    ['assembly/x.ts', 'export function f(): void { throw new Error("x"); }\n', /a throw allocates/],
    ['assembly/x.ts', 'export function f(): u32 { const a = 1; return 2; }\n', /no-unused-vars/],
  ];
  for (const [path, text, why] of faults) assert.match(await lint(path, text), why, text);
  assert.is(await lint('assembly/x.ts', '@inline export function f(a: u32): u32 { return a === 1 ? 2 : 3; }\n'), '');
  const program = join(dirname(createRequire(import.meta.url).resolve('eslint/package.json')), 'bin/eslint.js');
  assert.is(spawnSync(process.execPath, [program, '--stdin', '--stdin-filename', faults[0][0]], { cwd: ROOT, input: faults[0][1] }).status, 1);
});

test('ABI constants: a stale file is found', () => {
  const root = tree({ 'host/abi/constants.ts': '// old\n' });
  cpSync(join(ROOT, 'assembly'), join(root, 'assembly'), { recursive: true });
  const r = node([join(ROOT, 'scripts/abi.mjs'), '--check'], root);
  assert.is(r.status, 1);
  assert.match(r.stderr, /stale/);
});

test.run();
