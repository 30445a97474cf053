// Who may import whom. assembly/: lib < wire < core < link < network < transport < socket < control < plugin < index.
// host/: abi, memory, clock < stack < threads, posix, ... < cli; browser-safe parts know no node:*.
import { fileURLToPath } from 'node:url';
import { readModule, sources } from './modules.mjs';

const ASSEMBLY = ['lib', 'wire', 'core', 'link', 'network', 'transport', 'socket', 'control', 'plugin'];
/** Files at assembly/'s root: contracts that everyone may read, and the entries on top of everything. */
const ASSEMBLY_ROOT = { 'abi.ts': -1, 'memmap.ts': -1, 'host.ts': -1, 'index.ts': ASSEMBLY.length, 'sanitize.ts': ASSEMBLY.length };

/** Layers of host/, low to high; an entry is a folder or a file. */
const HOST = [
  ['abi', 'memory.ts', 'clock.ts', 'entropy.ts', 'vif.ts', 'native.ts', 'config'],
  ['core.ts', 'stack.ts', 'stack', 'control'],
  ['threads', 'posix', 'sockets', 'sim', 'plugins', 'debug', 'gateway', 'dhcp'],
  ['node'],
  ['cli', 'index.ts', 'browser.ts'],
];
/** What puts stacks and back ends together. */
const ROOTS = /^host\/(cli\/|index\.ts$|browser\.ts$)/;
/** Parts that run in a browser too. config/load.ts reads files and is not among them. */
const BROWSER = /^host\/(abi\/|memory\.ts|clock\.ts|entropy\.ts|vif\.ts|config\/(?!load\.ts)|core\.ts|stack|control\/|sockets\/|sim\/|debug\/|browser\.ts)/;

/** Violations as text lines, and how many modules were seen. */
export function checkLayers(root) {
  const problems = [];
  const paths = sources(root, ['assembly', 'host', 'io-backends']);
  for (const path of paths) {
    const m = readModule(root, path);
    for (const i of m.imports) {
      const why = path.startsWith('assembly/') ? assembly(path, i) : path.startsWith('host/') ? host(path, i) : backend(path, i);
      if (why) problems.push(`${path}:${i.line}: imports ${i.from}: ${why}`);
    }
  }
  return { problems, modules: paths.length };
}

function assemblyLayer(path) {
  const [, first, second] = path.split('/');
  const n = second === undefined ? ASSEMBLY_ROOT[first] : ASSEMBLY.indexOf(first);
  return n === undefined || (second !== undefined && n < 0) ? null : n;
}

function assembly(path, { target }) {
  if (target === null) return 'assembly/ imports nothing from outside';
  if (!target.startsWith('assembly/')) return 'assembly/ imports only from assembly/';
  const from = assemblyLayer(path), to = assemblyLayer(target);
  if (from === null) return `${path} is in no known layer`;
  if (to === null) return `${target} is in no known layer`;
  if (path === 'assembly/host.ts') return 'the import list depends on nothing';
  return to > from ? 'a lower layer must not import an upper one: use the tables of core/proto' : '';
}

function hostLayer(path) {
  const first = path.split('/')[1];
  const n = HOST.findIndex((l) => l.includes(first));
  return n < 0 ? null : n;
}

function host(path, { target, from: specifier }) {
  if (target === null) return specifier.startsWith('node:') && BROWSER.test(path) ? 'this part runs in browsers: no node:* here' : '';
  if (target.startsWith('io-backends/')) return ROOTS.test(path) ? '' : 'only a composition root imports back ends: host/cli, and the entries of the package';
  if (!target.startsWith('host/')) return target.startsWith('build/') ? '' : 'host/ imports only from host/';
  const from = hostLayer(path), to = hostLayer(target);
  if (from === null) return `${path} is in no known layer: add it to scripts/check/layers.mjs`;
  if (to === null) return `${target} is in no known layer: add it to scripts/check/layers.mjs`;
  if (BROWSER.test(path) && !BROWSER.test(target)) return `this part runs in browsers and ${target} does not`;
  return to > from ? 'a lower layer must not import an upper one' : '';
}

function backend(path, { target }) {
  if (target === null || target.startsWith('host/abi/') || target === 'host/vif.ts' || target === 'host/native.ts') return '';
  return target.startsWith('io-backends/') ? '' : 'back ends see only host/vif, host/abi and host/native';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { problems, modules } = checkLayers(process.argv[2] ?? '.');
  for (const p of problems) console.error(p);
  if (!modules) console.error('layers: no module found');
  process.exitCode = problems.length || !modules ? 1 : 0;
}
