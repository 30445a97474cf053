// `nuse sim FILE --compare OTHER`: the first event in which two runs differ. Each side is a scenario, or what `--frame-log` has written of
// a run. 0: the same; 1: they differ.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import type { Scenario } from '../sim/scenario.js';
import { LiveRun, describeHappening, firstDivergence, type Happening, type Happenings } from '../sim/divergence.js';
import { ScenarioRun } from '../sim/run.js';
import { CoreFile } from './cores.js';
import { CliError } from './fail.js';
import type { AppFiles } from './sim_apps.js';
import { writing } from './writing.js';

export interface CompareOptions {
  json?: boolean;
  core?: string;
  compare?: string;
}

/** First line of a log. */
const HEAD = '{"nuse":"frame-log","version":1}';
const CHUNK = 1 << 20;
/** Longest line, characters: a frame is told in a few hundred. */
const LINE_MAX = 1 << 20;

/** Keeps what happens in a run in a file, one JSON object a line. */
export class FrameLog {
  private readonly fd: number;
  private text = `${HEAD}\n`;

  constructor(private readonly path: string, private readonly live: LiveRun) { this.fd = writing(path, '', () => openSync(path, 'w')); }
  /** Run to the end. */
  async finish(): Promise<void> {
    for (let h = await this.live.next(); h; h = await this.live.next()) {
      this.text += `${JSON.stringify(h)}\n`;
      if (this.text.length > CHUNK) this.flush();
    }
    this.flush();
    closeSync(this.fd);
  }
  private flush(): void {
    const bytes = Buffer.from(this.text);
    this.text = '';
    writing(this.path, '', () => { for (let at = 0; at < bytes.length;) at += writeSync(this.fd, bytes, at); });
  }
}

class FrameLogReader implements Happenings {
  private readonly decoder = new TextDecoder();
  private lines: string[] = [];
  private rest = '';
  private line = 0;
  private constructor(private readonly path: string, private readonly fd: number) {}

  /** Undefined when the file is no such log. */
  static open(path: string): FrameLogReader | undefined {
    let fd: number;
    try {
      fd = openSync(path, 'r');
    } catch (e) {
      throw new CliError(`cannot read ${path}: ${(e as Error).message}`);
    }
    try {
      const start = Buffer.alloc(HEAD.length), n = readSync(fd, start, 0, start.length, 0);
      if (start.toString('latin1', 0, n) === HEAD) {
        const reader = new FrameLogReader(path, fd);
        reader.read();
        return reader;
      }
    } catch (e) {
      closeSync(fd);
      throw new CliError(`cannot read ${path}: ${(e as Error).message}`);
    }
    closeSync(fd);
    return undefined;
  }

  next(): Promise<Happening | undefined> {
    const text = this.read();
    return Promise.resolve(text === undefined ? undefined : this.parse(text));
  }
  private parse(text: string): Happening {
    let h: unknown;
    try {
      h = JSON.parse(text);
    } catch (e) {
      throw this.damaged((e as Error).message);
    }
    if (!isHappening(h)) throw this.damaged('this is no event of a run');
    return h;
  }
  private damaged(what: string): CliError { return new CliError(`${this.path}:${this.line}: ${what}`, 'the file is damaged: write it again with --frame-log'); }
  private read(): string | undefined {
    while (!this.lines.length) {
      const bytes = Buffer.alloc(CHUNK), n = readSync(this.fd, bytes);
      if (!n) {
        const last = this.rest;
        this.rest = '';
        this.line++;
        return last || undefined;
      }
      this.lines = (this.rest + this.decoder.decode(bytes.subarray(0, n), { stream: true })).split('\n');
      this.rest = this.lines.pop()!;
      if (this.rest.length > LINE_MAX) throw this.damaged('a line without end');
      this.lines.reverse();
    }
    this.line++;
    return this.lines.pop();
  }
}

function isHappening(h: unknown): h is Happening {
  const is = (k: keyof Happening, type: string): boolean => typeof (h as Partial<Happening>)[k] === type;
  return typeof h === 'object' && h !== null && is('time', 'number') && (['node', 'link', 'what', 'text', 'sum'] as const).every((k) => is(k, 'string'));
}

/** A scenario of a file, and what loads its applications; `set`: fields that are changed in it. */
export type ScenarioLoader = (file: string, set: readonly string[]) => Promise<{ scenario: Scenario; loader: AppFiles }>;

async function live(file: string, set: readonly string[], core: CoreFile, load: ScenarioLoader): Promise<Happenings> {
  const log = FrameLogReader.open(file);
  if (log) return log;
  const { scenario, loader } = await load(file, set);
  return new LiveRun(await ScenarioRun.create(scenario, { module: core.module, loader }));
}

/** The other side: a file, `core=FILE`, or a field of the same scenario as in --set. */
async function otherSide(file: string, other: string, core: CoreFile, load: ScenarioLoader): Promise<Happenings> {
  const [, field, value] = /^([A-Za-z][\w.-]*)=(.+)$/.exec(other) ?? [];
  if (field === 'core') return live(file, [], CoreFile.named(value), load);
  return field === undefined ? live(other, [], core, load) : live(file, [other], core, load);
}

export async function compareRuns(file: string, other: string, options: CompareOptions, load: ScenarioLoader): Promise<number> {
  const core = CoreFile.named(options.core);
  const d = await firstDivergence(await live(file, [], core, load), await otherSide(file, other, core, load));
  if (options.json) process.stdout.write(`${JSON.stringify(d ?? null)}\n`);
  else if (!d) process.stdout.write(`${file} and ${other} are the same\n`);
  else {
    const before = d.before ? `the last thing they share, ${d.same} in all:\n  ${describeHappening(d.before)}` : 'they share nothing';
    process.stdout.write(`${file} and ${other} differ; ${before}\nthen ${file}:\n  ${describeHappening(d.first)}\nbut ${other}:\n  ${describeHappening(d.second)}\n${hint(d.first, d.second)}`);
  }
  return d ? 1 : 0;
}
/** Lines that look alike need a word. */
function hint(a: Happening | undefined, b: Happening | undefined): string {
  return a && b && describeHappening(a) === describeHappening(b) ? 'the frames differ in bytes that the line does not show\n' : '';
}
