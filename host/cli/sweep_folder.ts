// The folder of a sweep: `sweep.json` says of what, `rows.jsonl` has a line for each run that is done, and the tables are made of them.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from './fail.js';
import { csv, makeFolder, replaceFile } from './sim_files.js';
import { comparePoints, pointKey, type Point } from './sweep_points.js';
import { columnsOf, parameterColumn, typed, type Row } from './sweep_rows.js';
import { summarise } from './sweep_summary.js';
import { writing } from './writing.js';

/** What all rows of a folder have in common. */
export interface SweepIdentity {
  /** SHA-256 of the scenario as read, without what the sweep sets; of the core and of what runs it. */
  scenario: string;
  build: string;
  /** Names of the axes. */
  parameters: string[];
}

const IDENTITY = 'sweep.json', ROWS = 'rows.jsonl';

export class SweepFolder {
  private readonly rows = new Map<string, Row>();

  /** Open a folder, or begin one. Throws CliError when it holds runs of something else. */
  constructor(private readonly path: string, private readonly identity: SweepIdentity) {
    makeFolder(path);
    if (existsSync(join(path, IDENTITY)) || existsSync(join(path, ROWS))) this.take(path);
    else replaceFile(join(path, IDENTITY), `${JSON.stringify(identity, null, 1)}\n`);
    this.save();
  }

  /** Take the rows of another folder of the same sweep. Throws CliError. */
  merge(path: string): void {
    if (!existsSync(join(path, IDENTITY))) throw new CliError(`${path} holds no sweep`, 'name a folder that `nuse sim --sweep` has written');
    this.take(path);
    this.save();
  }

  has(p: Point): boolean { return this.rows.get(pointKey(p))?.error === null; }
  /** Keep the row of a run; it is in the file when this returns. */
  add(p: Point, row: Row): void {
    this.rows.set(pointKey(p), row);
    writing(join(this.path, ROWS), '', () => appendFileSync(join(this.path, ROWS), `${JSON.stringify(row)}\n`));
  }

  /** Write the tables; the rows, in order. */
  finish(): Row[] {
    const { path, identity: { parameters } } = this, sorted = this.sorted(), columns = columnsOf(sorted, parameters), rows = typed(sorted, columns), summary = summarise(rows, parameters);
    replaceFile(join(path, ROWS), jsonLines(rows));
    replaceFile(join(path, 'rows.csv'), csv(columns.map((c) => c.name), rows));
    replaceFile(join(path, 'schema.json'), `${JSON.stringify(columns, null, 1)}\n`);
    replaceFile(join(path, 'summary.csv'), csv([...parameters.map(parameterColumn), 'metric', 'n', 'mean', 'sd', 'ci95_low', 'ci95_high'], summary));
    replaceFile(join(path, 'summary.json'), `${JSON.stringify(summary, null, 1)}\n`);
    return rows;
  }
  /** Keep a report beside the tables. */
  report(html: string): void { replaceFile(join(this.path, 'report.html'), html); }

  private sorted(): Row[] {
    const { parameters } = this.identity;
    return [...this.rows.values()].map((row) => ({ row, point: this.pointOf(row) })).sort((a, b) => comparePoints(parameters, a.point, b.point)).map(({ row }) => row);
  }
  private pointOf(row: Row): Point {
    return { seed: row.seed, parameters: Object.fromEntries(this.identity.parameters.map((p) => [p, row[parameterColumn(p)]!])) };
  }
  private save(): void { replaceFile(join(this.path, ROWS), jsonLines(this.sorted())); }

  private take(path: string): void {
    this.check(path);
    const file = join(path, ROWS), lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [''];
    // What follows the last end of line was being written when the run was killed.
    lines.slice(0, -1).forEach((line, i) => {
      const where = `${file}:${i + 1}`, row = parsed(line, where);
      if (typeof row.seed !== 'number' || row.error === undefined || this.identity.parameters.some((p) => row[parameterColumn(p)] === undefined)) throw damaged(where, 'this is no row of the sweep');
      const key = pointKey(this.pointOf(row)), known = this.rows.get(key);
      if (known?.error === null && row.error === null && known.hash !== row.hash)
        throw new CliError(`${where}: seed ${row.seed} has another hash than before`, 'the machines do not run the same: run it again with one build of nuse');
      if (known?.error !== null) this.rows.set(key, row);
    });
  }
  private check(path: string): void {
    const file = join(path, IDENTITY), remedy = 'give another folder, or remove this one to begin anew';
    if (!existsSync(file)) throw new CliError(`${path} has ${ROWS} but no ${IDENTITY}`, remedy);
    const theirs = parsed(readFileSync(file, 'utf8'), file) as unknown as SweepIdentity, { scenario, build, parameters } = this.identity;
    if (theirs.scenario !== scenario) throw new CliError(`${path} holds runs of another scenario: the file, or what --set changes, is not what it was`, remedy);
    if (theirs.build !== build) throw new CliError(`${path} holds runs of another build of nuse or its core`, remedy);
    const told = (names: string | readonly string[]): string => [names].flat().join(', ') || 'seeds alone';
    if (String(theirs.parameters) !== String(parameters)) throw new CliError(`${path} holds a sweep over ${told(theirs.parameters)}, not over ${told(parameters)}`, remedy);
  }
}

const jsonLines = (rows: readonly Row[]): string => rows.map((r) => `${JSON.stringify(r)}\n`).join('');

function parsed(text: string, where: string): Row {
  let row: unknown;
  try {
    row = JSON.parse(text);
  } catch (e) {
    throw damaged(where, (e as Error).message);
  }
  if (typeof row !== 'object' || row === null) throw damaged(where, 'this is no object');
  return row as Row;
}
const damaged = (where: string, what: string): CliError => new CliError(`${where}: ${what}`, 'remove the line, or the folder to begin anew');
