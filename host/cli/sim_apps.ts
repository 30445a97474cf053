// Programs that a scenario names by files beside it: found, checked, and prepared for virtual time.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ModuleApp, type AppMain } from '../node/simulated/module_app.js';
import { settle } from '../node/simulated/settle.js';
import type { AppLoader } from '../sim/make_app.js';
import { appFile, endsOf, tapDevice } from '../sim/names.js';
import type { Mistake, Scenario } from '../sim/scenario.js';
import type { ScenarioFiles } from '../sim/scenario_file.js';
import { prepareWasi } from '../sim/wasi/prepare.js';
import { CliError } from './fail.js';
import { writing } from './writing.js';

/** `file`: the scenario's; names are relative to it. `realtime`: the run goes by the clock, so links may lead out of it. */
export class AppFiles implements AppLoader, ScenarioFiles {
  private readonly programs = new Map<string, Promise<WebAssembly.Module>>();
  constructor(private readonly file: string, private readonly realtime = false) {}

  read(file: string): string { return readFileSync(this.path(file), 'utf8'); }
  /** Tell of files that are not there, or not what they should be. */
  readonly check = (scenario: Scenario, mistakes: Mistake[]): void => {
    if (!this.realtime) {
      scenario.links.forEach((l, i) => {
        const tap = endsOf(l).find((e) => tapDevice(e) !== undefined);
        if (tap !== undefined) mistakes.push({ path: ['links', i], message: `it leads to \`${tap}\`, where time is real: run it with --realtime` });
      });
    }
    scenario.apps.forEach((app, i) => {
      const { field, file } = appFile(app) ?? {};
      if (!field || !file) return;
      const why = this.unusable(file, app.type === 'wasi');
      if (why) mistakes.push({ path: ['apps', i, field], message: why });
    });
  };
  private unusable(file: string, wasm: boolean): string | undefined {
    if (!wasm && /\.[cm]?tsx?$/.test(file)) return `Node does not run TypeScript: compile ${file} first, as with \`npx esbuild ${file} --outfile=app.mjs\``;
    try {
      const bytes = readFileSync(this.path(file));
      return wasm && !WebAssembly.validate(bytes) ? `${this.path(file)} is no WebAssembly module: build one with clang --target=wasm32-wasi or asc` : undefined;
    } catch (e) {
      return `cannot read ${this.path(file)} (${(e as NodeJS.ErrnoException).code}): build it, those of the examples with \`npm run build:wasi\`; files are looked for beside the scenario`;
    }
  }

  /** Prepare all WASI programs of a scenario, which takes longer than many a run. */
  async prepare(scenario: Scenario): Promise<void> {
    for (const a of scenario.apps) if (a.type === 'wasi') await this.wasi(a.module);
  }
  wasi(file: string): Promise<WebAssembly.Module> {
    const path = this.path(file), known = this.programs.get(path) ?? prepareWasi(readFileSync(path)).then((b) => WebAssembly.compile(b as BufferSource));
    this.programs.set(path, known);
    return known;
  }

  async module(...[name, spec, node, lookup]: Parameters<NonNullable<AppLoader['module']>>): Promise<ModuleApp> {
    const { default: main } = await import(pathToFileURL(this.path(spec.file)).href).catch((e: Error) => {
      throw new CliError(`application ${name}: cannot load ${spec.file}: ${e.name}: ${e.message.split('\n')[0]}`, 'mend the module, or what it imports');
    }) as { default?: AppMain };
    if (typeof main !== 'function') throw new CliError(`application ${name}: ${spec.file} has no function as its default export: write \`export default async function (node) { ... }\``);
    return new ModuleApp(name, spec, node, lookup, main);
  }
  readonly settle = settle;

  private path(file: string): string { return resolve(dirname(this.file), file); }
}

/** `nuse sim-prepare`: one file to another. */
export async function prepareFile(module: string, output: string): Promise<number> {
  let prepared: Uint8Array;
  try {
    prepared = await prepareWasi(readFileSync(module));
  } catch (e) {
    throw new CliError(`cannot prepare ${module}: ${(e as Error).message}`, 'name a WebAssembly module, as clang --target=wasm32-wasi or asc make them');
  }
  writing(output, '', () => writeFileSync(output, prepared));
  return 0;
}
