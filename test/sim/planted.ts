// A core with a bug in it (test/fuzz/planted.mjs), built for a test: the debug build, with its source map.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../host/cli/install.js';

/** Build it in `dir`; path of the module. */
export function plantedCore(dir: string, bug: string): string {
  const out = join(dir, `${bug}.wasm`);
  execFileSync(process.execPath, [join(PACKAGE_ROOT, 'test/fuzz/planted.mjs'), bug, out], { stdio: 'pipe' });
  return out;
}
