// Dead exports: symbols that no other file imports and their own file doesn't use either.
import { fileURLToPath } from 'node:url';
import { readModule, sources } from './modules.mjs';

/** Files whose exports are used from outside of the sources: entries, the ABI and what is derived from it. */
const ENTRIES = [
  /^assembly\/(index|abi|sanitize|host|lib\/panic)\.ts$/, /^assembly\/core\/(drop|mib|sysctl)\.ts$/, /^host\/(index|browser)\.ts$/, /^host\/abi\//, /^host\/cli\/main\.ts$/,
  /\.config\.(ts|mjs)$/, /^test\/.*(\.test|_page)\.ts$/, /^test\/assembly\//, /^bench\//, /^examples\//,
];

/**
 * Constants of a protocol or of Linux, and AssemblyScript's names for the signatures of table entries: the file is
 * their reference, whether or not all of them are used.
 */
const isVocabulary = (path, e) => /^[A-Z][A-Z0-9_]*$/.test(e.name) || (e.alias && path.startsWith('assembly/'));

/** `path:line: name` of each dead export, and how many exports were looked at. */
export function checkDead(root) {
  const used = new Set();
  const modules = sources(root, ['assembly', 'host', 'io-backends', 'test', 'bench', 'examples']).map((p) => readModule(root, p));
  for (const m of modules) for (const i of m.imports) for (const n of i.names) used.add(`${i.target}#${n}`);
  const problems = [];
  let seen = 0;
  for (const m of modules) {
    if (ENTRIES.some((e) => e.test(m.path))) continue;
    for (const e of m.exports) {
      seen++;
      if (used.has(`${m.path}#${e.name}`) || used.has(`${m.path}#*`) || m.words.get(e.name) > 1 || isVocabulary(m.path, e)) continue;
      problems.push(`${m.path}:${e.line}: ${e.name} is exported but nothing uses it`);
    }
  }
  return { problems, exports: seen };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { problems, exports } = checkDead(process.argv[2] ?? '.');
  for (const p of problems) console.error(p);
  if (!exports) console.error('dead: no export found');
  process.exitCode = problems.length || !exports ? 1 : 0;
}
