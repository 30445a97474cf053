// Where the parts of this installation are.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CliError } from './fail.js';

/** The package's folder: the nearest one above this file with a package.json. */
export const PACKAGE_ROOT = (() => {
  let d = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(d, 'package.json')) && d !== dirname(d)) d = dirname(d);
  return d;
})();

const NATIVE_BUILD = join(PACKAGE_ROOT, 'io-backends/native/build/Release');
/** NUSE_CORE names another build of the core, such as build/core.sanitizer.wasm. */
export const CORE_WASM = resolve(PACKAGE_ROOT, process.env.NUSE_CORE ?? 'build/core.wasm');
export const ADDON = join(NATIVE_BUILD, 'nuse.node');
export const NUSE_EXEC = join(NATIVE_BUILD, 'nuse-exec');

/** The entry of a worker, or of a part that is loaded when it is needed: beside this file, the bundle's .mjs or tsc's .js. */
export function entry(name: string): URL {
  const bundled = new URL(`./${name}.mjs`, import.meta.url);
  return existsSync(fileURLToPath(bundled)) ? bundled : new URL(`./${name}.js`, import.meta.url);
}

/** What a part exports that is loaded when it is needed: most commands do without. */
export const load = async <T>(name: string): Promise<T> => await import(entry(name).href) as T;

export const packageVersion = (): string => (JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }).version;

/** The path of `program` in PATH or sbin, or null. */
export function findProgram(program: string): string | null {
  for (const dir of [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']) {
    const p = join(dir || '.', program);
    try {
      accessSync(p, constants.X_OK);
      return p;
    } catch (e) {
      if (!['ENOENT', 'EACCES', 'ENOTDIR'].includes((e as NodeJS.ErrnoException).code ?? '')) throw e;
    }
  }
  return null;
}

/** The prefix whose include/node holds node_api.h: beside the running node, or Debian's libnode-dev. */
export function findNodeHeaders(): string | undefined {
  return [dirname(dirname(process.execPath)), '/usr', '/usr/local'].find((d) => existsSync(join(d, 'include/node/node_api.h')));
}

/** Throws when a part that running needs was not built. */
export function requireBuild(): void {
  for (const f of [CORE_WASM, ADDON, NUSE_EXEC])
    if (!existsSync(f)) throw new CliError(`${f} is missing`, 'run `npm run build` in the source folder');
}
