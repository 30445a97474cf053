import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checksum } from '../harness/packet.js';

const test = suite('examples: a WASI command');
const WASM = fileURLToPath(new URL('../../../inetsum.wasm', import.meta.url));
const RUN = `import { WASI } from 'node:wasi'; import { readFileSync } from 'node:fs';
const wasi = new WASI({ version: 'preview1' });
wasi.start((await WebAssembly.instantiate(readFileSync(process.argv[1]), wasi.getImportObject())).instance);`;

test('inetsum agrees with a plain RFC 1071 loop, whatever the length', () => {
  for (const n of [0, 1, 2, 63, 1500, 65537, 100001]) {
    const data = randomBytes(n);
    const r = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', RUN, WASM], { input: data, encoding: 'utf8' });
    assert.is(r.status, 0, r.stderr);
    assert.match(r.stdout, new RegExp(`^${checksum(data).toString(16).padStart(4, '0')} ${n} bytes`));
  }
});

test.run();
