// `--coverage DIR`: what runs have reached of the core's sources, as DIR/lcov.info and as pages, DIR/index.html. By the reporters of
// Istanbul, which are there when the sources are: the coverage build is made of them.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { FileCoverageData, Range } from 'istanbul-lib-coverage';
import type { Core } from '../core.js';
import { Coverage, type CoverageMap } from '../debug/coverage.js';
import { CoreFile } from './cores.js';
import { CliError } from './fail.js';
import { PACKAGE_ROOT } from './install.js';
import { makeFolder } from './sim_files.js';

/** Where the counters of the coverage build stand. Throws CliError when it was not made. */
function mapOfBuild(): CoverageMap {
  const load = <T>(file: string): T => {
    try {
      return JSON.parse(readFileSync(join(PACKAGE_ROOT, 'build/fuzz', file), 'utf8')) as T;
    } catch (e) {
      throw new CliError(`cannot read the map of the coverage build: ${(e as Error).message}`, 'run `npm run build:coverage` in the source folder');
    }
  };
  return { arms: load('arms.json'), statements: load('statements.json') };
}

export class CoverageReport {
  private readonly coverage = new Coverage(mapOfBuild());
  /** The core whose runs are counted. */
  readonly core = CoreFile.build('coverage');

  /** Throws CliError when the folder cannot be had: before the run, not after it. */
  constructor(private readonly folder: string) { makeFolder(folder); }

  add(core: Core): void { this.coverage.addCore(core); }

  /** As writeCoverage. */
  write(): Promise<string> { return writeCoverage(this.coverage, this.folder); }
}

/** Write the reports into a folder; one line that says what they show. Throws CliError. */
export async function writeCoverage(coverage: Coverage, folder: string): Promise<string> {
  const [libCoverage, libReport, reports] = await Promise.all([import('istanbul-lib-coverage'), import('istanbul-lib-report'), import('istanbul-reports')])
    .catch((e: Error) => { throw new CliError(`cannot load the reporters: ${e.message.split('\n')[0]}`, 'run `npm ci` in the source folder'); });
  const map = libCoverage.default.createCoverageMap(filesOf(coverage)), dir = resolve(folder);
  const context = libReport.default.createContext({ dir, coverageMap: map, sourceFinder: (path) => readFileSync(join(PACKAGE_ROOT, path), 'utf8') });
  reports.default.create('lcovonly').execute(context);
  reports.default.create('html').execute(context);
  const { lines, branches } = map.getCoverageSummary();
  return `coverage: ${lines.covered} of ${lines.total} lines (${lines.pct} %), ${branches.covered} of ${branches.total} branches (${branches.pct} %): ${join(folder, 'index.html')}, lcov.info`;
}

const range = (line: number, column: number, endLine: number, endColumn: number): Range => ({ start: { line, column: column - 1 }, end: { line: endLine, column: endColumn - 1 } });

/** Istanbul's form of it: arms of one branch are together. */
function filesOf(coverage: Coverage): Record<string, FileCoverageData> {
  const files: Record<string, FileCoverageData> = {};
  const fileOf = (path: string): FileCoverageData => files[path] ??= { path, statementMap: {}, fnMap: {}, branchMap: {}, s: {}, f: {}, b: {} };
  coverage.map.statements.forEach((s, i) => {
    const f = fileOf(s.file);
    f.statementMap[i] = range(s.line, s.column, s.endLine, s.endColumn);
    f.s[i] = coverage.reachedStatement(i) ? 1 : 0;
  });
  // lcov wants numbers.
  const ids = new Map<string, number>();
  coverage.map.arms.forEach((a, i) => {
    const f = fileOf(a.file), key = `${a.file}:${a.line}:${a.column} ${a.kind}`, loc = range(a.line, a.column, a.line, a.column + 1);
    const id = ids.get(key) ?? ids.size;
    ids.set(key, id);
    const branch = f.branchMap[id] ??= { loc, type: a.kind, locations: [], line: a.line };
    branch.locations.push(loc);
    (f.b[id] ??= []).push(coverage.reachedArm(i) ? 1 : 0);
  });
  return files;
}
