// No allocation after init: read an emitted core and follow its calls from every export but `init`. The allocator
// must not be reachable: no function of ~lib/rt (names are in the debug and sanitizer builds), no memory.grow (all builds).
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import binaryen from 'binaryen';

/** Only what sets the core up may use what the runtime offers. */
const SETUP = new Set(['init']);
const RUNTIME = /^~lib\/rt\/|^~lib\/(array|staticarray|string|typedarray|map|set|arraybuffer)\/.*#(constructor|concat|resize)/;

/**
 * The call graph of a module, from its text form.
 * @returns {{ functions: Map<string, { calls: string[], indirect: string[], grows: boolean, type: string }>, roots: Map<string, string>, table: string[] }}
 */
function callGraph(text) {
  const functions = new Map(), roots = new Map(), table = [];
  for (const m of text.matchAll(/^ \(export "([^"]+)" \(func \$(\S+?)\)\)/gm)) roots.set(m[1], m[2]);
  for (const m of text.matchAll(/^ \(elem .*$/gm)) for (const f of m[0].matchAll(/ \$([^\s()]+)/g)) table.push(f[1]);
  for (const part of text.split(/\n (?=\(func |\(import )/).slice(1)) {
    const head = /^\((?:func|import "[^"]*" "[^"]*" \(func) \$(\S+?)(?: \(type \$(\S+?)\))?[\s)]/.exec(part);
    if (!head) continue;
    functions.set(head[1], {
      type: head[2] ?? '',
      calls: [...part.matchAll(/\((?:return_)?call \$([^\s()]+)/g)].map((c) => c[1]),
      indirect: [...part.matchAll(/\((?:return_)?call_indirect (?:\$\S+ )?\(type \$([^\s()]+)\)/g)].map((c) => c[1]),
      grows: /\(memory\.grow/.test(part),
    });
  }
  return { functions, roots, table };
}

/** Ways from an export to the allocator, as text lines; how many functions and exports were seen. */
export function checkNoAlloc(wasm) {
  const module = binaryen.readBinary(wasm);
  module.setFeatures(binaryen.Features.All);
  const { functions, roots, table } = callGraph(module.emitText());
  module.dispose();
  const problems = [];
  for (const [name, start] of roots) {
    if (SETUP.has(name)) continue;
    const from = new Map([[start, null]]), queue = [start];
    for (let f; (f = queue.pop()) !== undefined;) {
      const info = functions.get(f);
      if (!info) throw new Error(`noalloc: no function ${f}`);
      if (RUNTIME.test(f) || info.grows) {
        const path = [];
        for (let p = f; p !== null; p = from.get(p)) path.unshift(p);
        problems.push(`${name}: ${path.join(' -> ')}${info.grows ? ' (memory.grow)' : ''}`);
        break;
      }
      const next = [...info.calls, ...(info.indirect.length ? table.filter((t) => info.indirect.includes(functions.get(t)?.type)) : [])];
      for (const n of next) if (!from.has(n)) { from.set(n, f); queue.push(n); }
    }
  }
  return { problems, functions: functions.size, exports: roots.size };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const file of process.argv.slice(2)) {
    const { problems, functions, exports } = checkNoAlloc(readFileSync(file));
    for (const p of problems) console.error(`${file}: allocation reachable from ${p}`);
    if (functions < 2 || exports < 2) console.error(`${file}: no exports found`);
    if (problems.length || functions < 2 || exports < 2) process.exitCode = 1;
  }
}
