// `npm run fuzz:replay -- FILE [CORE]`: run one test case, write its capture and its record beside it, and say how it ended. CORE: a file in build/,
// by default core.sanitizer.wasm. For a test case of the coverage-guided fuzzer, too.
import { readFileSync, writeFileSync } from 'node:fs';
import { Op, records } from './case.js';
import { capture } from './capture.js';
import { recordCase } from './case_record.js';
import { FuzzFailure, Target } from './target.js';

const [file, build = 'core.sanitizer.wasm'] = process.argv.slice(2);
if (!file) throw new Error('usage: fuzz:replay FILE [CORE]');
const names = Object.keys(Op);
const testCase = new Uint8Array(readFileSync(file));
const target = new Target(build);
console.log(`state ${testCase[0] ?? 0}`);
for (const part of records(testCase)) {
  const head = part[0] & 0x80 ? 3 : 2;
  console.log(`  ${names[(part[0] & 0x7f) % names.length]} ${Buffer.from(part.subarray(head)).toString('hex')}`);
}
try {
  const o = target.run(testCase);
  console.log(`${o.framesIn} frames in, ${o.framesOut} out, ${o.calls} calls, hash ${BigInt.asUintN(64, o.hash).toString(16)}`);
} catch (e) {
  if (!(e instanceof FuzzFailure)) throw e;
  console.log(e.message);
  if (e.cause) console.log((e.cause as Error).stack);
  process.exitCode = 1;
}
writeFileSync(`${file}.pcapng`, capture(target, testCase, file));
writeFileSync(`${file}.rec`, recordCase(build, testCase));
console.log(`capture: ${file}.pcapng, record (nuse replay): ${file}.rec`);
