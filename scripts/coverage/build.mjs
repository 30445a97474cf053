// `npm run build:coverage`: the core with branch and statement counters, build/fuzz/core.coverage.wasm, and build/fuzz/arms.json and
// statements.json, which say where each counter stands.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sources } from '../check/modules.mjs';
import { root, run } from '../setup.mjs';
import { counters, instrument } from './instrument.mjs';

const OUT = join(root, 'build/fuzz'), COPY = join(OUT, 'coverage');

rmSync(COPY, { recursive: true, force: true });
const arms = [], statements = [];
for (const path of sources(root, ['assembly'])) {
  const text = instrument(root, path, arms, statements);
  mkdirSync(dirname(join(COPY, path)), { recursive: true });
  writeFileSync(join(COPY, path), text);
}
writeFileSync(join(COPY, 'assembly/coverage.ts'), counters(arms.length, statements.length));
cpSync(join(root, 'asconfig.json'), join(COPY, 'asconfig.json'));
run(process.execPath, [join(root, 'node_modules/assemblyscript/bin/asc.js'), 'assembly/coverage.ts', '--config', 'asconfig.json', '--target', 'coverage', '--outFile', join(OUT, 'core.coverage.wasm')], { cwd: COPY });
writeFileSync(join(OUT, 'arms.json'), JSON.stringify(arms));
writeFileSync(join(OUT, 'statements.json'), JSON.stringify(statements));
