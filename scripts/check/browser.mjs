// The browser entry: its whole module graph, packages included, imports no builtin of Node, and package.json leads pages
// and bundlers to its bundle and its types.
import { build } from 'esbuild';
import { existsSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ENTRY = 'host/browser.ts';
const BUNDLE = './build/browser/nuse.js', TYPES = './build/js/host/browser.d.ts';

/** Options of esbuild for the bundle of the browser entry; the caller adds where it goes. */
export function browserBundle(root) {
  return { absWorkingDir: root, entryPoints: [ENTRY], bundle: true, platform: 'browser', format: 'esm', target: 'es2022', legalComments: 'none' };
}

const isBuiltin = (path) => path.startsWith('node:') || builtinModules.includes(path);

/** `path: imports node:x` for each builtin in the graph of the entry, and how many modules it has. */
export async function checkGraph(root) {
  const external = ['node:*', ...builtinModules];
  const { metafile } = await build({ ...browserBundle(root), external, metafile: true, write: false, logLevel: 'silent' });
  const problems = [];
  for (const [path, input] of Object.entries(metafile.inputs)) for (const i of input.imports) if (isBuiltin(i.path)) problems.push(`${path}: imports ${i.path}: a page has no such module`);
  return { problems, modules: Object.keys(metafile.inputs).length };
}

/** What a package.json says about the browser entry that it should not. */
export function checkManifest({ exports }) {
  const entries = { 'exports["."].browser': exports['.']?.browser, 'exports["./browser"]': exports['./browser'] };
  const problems = [];
  for (const [name, entry] of Object.entries(entries)) {
    if (entry?.default !== BUNDLE) problems.push(`package.json: ${name} does not lead to ${BUNDLE}`);
    if (entry?.types !== TYPES) problems.push(`package.json: ${name} has not the types of ${TYPES}`);
    if (entry && Object.keys(entry).indexOf('types') !== 0) problems.push(`package.json: ${name}: TypeScript takes the first condition that fits: types belong first`);
  }
  return problems;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = resolve(process.argv[2] ?? '.');
  const { problems, modules } = await checkGraph(root);
  problems.push(...checkManifest(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))));
  for (const path of [BUNDLE, TYPES]) if (!existsSync(join(root, path))) problems.push(`${path} is missing: was it built?`);
  if (modules < 2) problems.push('browser: no graph found');
  for (const p of problems) console.error(p);
  process.exitCode = problems.length ? 1 : 0;
}
