// A core with a bug in it (test/fuzz/planted.mjs), built for a test: the debug build, with its source map.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PACKAGE_ROOT } from '../../host/cli/install.js';

/** Build it below `dir`; path of the module. */
export async function plantedCore(dir: string, bug: string): Promise<string> {
  const { plant } = await import(pathToFileURL(join(PACKAGE_ROOT, 'test/fuzz/planted.mjs')).href) as { plant: (folder: string, bug: string) => string };
  const out = join(dir, `${bug}.wasm`);
  execFileSync(process.execPath, [join(PACKAGE_ROOT, 'node_modules/assemblyscript/bin/asc.js'), '--config', 'asconfig.json', '--target', 'debug', '--outFile', out], { cwd: plant(join(dir, 'sources'), bug) });
  return out;
}
