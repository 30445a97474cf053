// The core's surface: exactly the exports that host/abi/exports.ts declares, with as many parameters, and these imports.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** Every import of the core. A new one is a new authority of the sandbox: think twice. */
const IMPORTS = ['env.memory memory', 'host.panic function'];
/** What wasm itself adds for call_indirect. */
const INFRASTRUCTURE = new Set(['__indirect_function_table']);

/** Method name -> number of parameters of the interface CoreExports. */
export function declaredExports(source) {
  const file = ts.createSourceFile('exports.ts', source, ts.ScriptTarget.ES2022);
  const out = new Map();
  for (const s of file.statements)
    if (ts.isInterfaceDeclaration(s) && s.name.text === 'CoreExports')
      for (const m of s.members) if (ts.isMethodSignature(m)) out.set(m.name.text, m.parameters.length);
  return out;
}

/** Differences, as text lines. */
export function checkSurface(wasm, declarations) {
  const module = new WebAssembly.Module(wasm), problems = [];
  const imports = WebAssembly.Module.imports(module).map((i) => `${i.module}.${i.name} ${i.kind}`).sort();
  for (const i of imports) if (!IMPORTS.includes(i)) problems.push(`import ${i} is not in the list`);
  for (const i of IMPORTS) if (!imports.includes(i)) problems.push(`import ${i} is gone`);
  const declared = declaredExports(declarations);
  if (!declared.size) problems.push('no interface CoreExports found');
  if (problems.length) return problems;
  const memory = new WebAssembly.Memory({ initial: 256, maximum: 256 });
  const exports = new WebAssembly.Instance(module, { env: { memory }, host: { panic: () => undefined } }).exports;
  for (const [name, value] of Object.entries(exports)) {
    if (INFRASTRUCTURE.has(name)) continue;
    if (!declared.has(name)) problems.push(`export ${name} is not declared in host/abi/exports.ts`);
    else if (value.length !== declared.get(name)) problems.push(`export ${name} takes ${value.length} parameters, ${declared.get(name)} are declared`);
  }
  for (const name of declared.keys()) if (!(name in exports)) problems.push(`export ${name} is declared but missing`);
  return problems;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const declarations = readFileSync(process.argv[3] ?? 'host/abi/exports.ts', 'utf8');
  const problems = checkSurface(readFileSync(process.argv[2] ?? 'build/core.wasm'), declarations);
  for (const p of problems) console.error(p);
  process.exitCode = problems.length ? 1 : 0;
}
