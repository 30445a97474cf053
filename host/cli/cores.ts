// The builds of the core, by name and by file, with what is known about them.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describeTrap } from '../debug/trap.js';
import type { CoreIdentity } from '../debug/record.js';
import type { Build } from '../debug/record_format.js';
import { identityOf } from '../threads/recording.js';
import { CliError } from './fail.js';
import { CORE_WASM, PACKAGE_ROOT } from './install.js';

/** Builds beside the one that runs, and how each is made. */
const BUILDS = {
  core: { file: 'core.wasm', made: 'npm run build:core' },
  debug: { file: 'core.debug.wasm', made: 'npm run build:core' },
  sanitizer: { file: 'core.sanitizer.wasm', made: 'npm run build:core' },
  coverage: { file: 'fuzz/core.coverage.wasm', made: 'npm run build:coverage' },
} as const;
export type BuildName = keyof typeof BUILDS;
export const BUILD_NAMES = Object.keys(BUILDS) as BuildName[];

export class CoreFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly module: WebAssembly.Module;
  readonly identity: CoreIdentity;

  private constructor(readonly path: string) {
    try {
      this.bytes = new Uint8Array(readFileSync(path));
      this.module = new WebAssembly.Module(this.bytes);
    } catch (e) {
      throw new CliError(`cannot use ${path} as a core: ${(e as Error).message}`, 'name a build of the core, such as build/core.wasm');
    }
    this.identity = identityOf(this);
  }

  /** The core that runs when nothing else is said, or the file named. Throws CliError. */
  static named(path: string | undefined): CoreFile { return new CoreFile(path === undefined ? CORE_WASM : resolve(path)); }
  /** Another build beside it. Throws CliError when it was not made. */
  static build(name: BuildName): CoreFile {
    const path = pathOf(name);
    if (!existsSync(path)) throw new CliError(`${path} is missing`, `run \`${BUILDS[name].made}\` in the source folder`);
    return new CoreFile(path);
  }
  /** The core that recorded: the file named, else the one of these builds that has the hash; the default, to be refused, when none has. */
  static recorded(hash: Uint8Array, named: string | undefined): CoreFile {
    if (named !== undefined) return CoreFile.named(named);
    const all = known().filter((p) => existsSync(p)).map((p) => new CoreFile(p));
    return all.find((c) => Buffer.compare(c.hash, hash) === 0) ?? CoreFile.named(undefined);
  }

  /** Whether it is among these. */
  get found(): boolean { return known().includes(this.path); }
  get build(): Build { return this.identity.build; }
  /** Text of the source map beside it. */
  get sourceMap(): string | undefined { return existsSync(`${this.path}.map`) ? readFileSync(`${this.path}.map`, 'utf8') : undefined; }
  /** SHA-256. */
  get hash(): Uint8Array { return createHash('sha256').update(this.bytes).digest(); }
  /** Where it has trapped, in its sources. */
  explain(trap: Error): string { return describeTrap(trap, this.sourceMap); }
}

const known = (): string[] => [...new Set([CORE_WASM, ...(['core', 'debug', 'sanitizer'] as const).map(pathOf)])];
function pathOf(name: BuildName): string { return join(PACKAGE_ROOT, 'build', BUILDS[name].file); }
