// The snapshot of a core is its memory and nothing else. So an emitted core may have no other state that changes (mutable
// globals, a table that is written, segments that are dropped), and none of the relaxed SIMD instructions, whose results
// depend on the processor.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import binaryen from 'binaryen';

const FORBIDDEN = [
  [/\((?:global|import "[^"]*" "[^"]*" \(global) \S+ (?:\(export "[^"]*"\) )?\(mut /, 'a mutable global'],
  [/\((table\.(?:set|grow|fill|copy|init)|elem\.drop|data\.drop)\b/, 'an instruction that changes state outside of memory'],
  [/\((\w+\.relaxed_\w+)/, 'an instruction of relaxed SIMD'],
];

/** What is wrong, as text lines, and how many functions were seen. */
export function checkState(wasm) {
  const module = binaryen.readBinary(wasm);
  module.setFeatures(binaryen.Features.All);
  const lines = module.emitText().split('\n');
  module.dispose();
  const problems = [];
  let where = 'the module', functions = 0;
  for (const line of lines) {
    const f = /^ \(func \$(\S+)/.exec(line);
    if (f) {
      where = f[1];
      functions++;
    }
    for (const [pattern, why] of FORBIDDEN) if (pattern.test(line)) problems.push(`${where}: ${line.trim().slice(0, 100)}: ${why}`);
  }
  return { problems, functions };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const file of process.argv.slice(2)) {
    const { problems, functions } = checkState(readFileSync(file));
    for (const p of problems) console.error(`${file}: ${p}`);
    if (functions < 2) console.error(`${file}: no functions found`);
    if (problems.length || functions < 2) process.exitCode = 1;
  }
}
