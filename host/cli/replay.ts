// `nuse record` and `nuse replay`: where a record goes, and a record fed into a fresh core.
import { resolve } from 'node:path';
import { RecordError } from '../debug/record_format.js';
import { RecordReader, type RecordSource } from '../debug/record_reader.js';
import { Replayer, type ReplayResult } from '../debug/replay.js';
import { FileCapture } from '../threads/capture.js';
import type { RecordStart } from '../threads/recording.js';
import { Breakpoints } from './breakpoints.js';
import { BUILD_NAMES, CoreFile, type BuildName } from './cores.js';
import { CoverageReport } from './coverage.js';
import type { BreakOptions } from './debug_options.js';
import { CliError } from './fail.js';
import { FileSource } from './file_source.js';
import { writing } from './writing.js';

/** Size of a record file when nothing is said, bytes. */
const DEFAULT_LIMIT = '256M';
const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

export interface RecordOptions {
  record?: string;
  recordLimit?: string;
}

/** What the options say about recording. */
export function recordOf(options: RecordOptions, text: string): RecordStart | undefined {
  if (options.record === undefined) return undefined;
  const size = /^(\d+)([KMG]?)$/.exec(options.recordLimit ?? DEFAULT_LIMIT);
  if (!size || Number(size[1]) < 1) throw new CliError(`\`${options.recordLimit}\` is no size of a record file`, 'write for example --record-limit 512M');
  return { path: resolve(options.record), limit: Number(size[1]) * UNITS[size[2]], text };
}

/** The core that recorded is found by its hash among the builds there are. */
async function open(source: RecordSource, { core: named, build }: ReplayOptions, coverage: CoverageReport | undefined, breakpoints: Breakpoints | undefined): Promise<Replayer> {
  if (breakpoints) return Replayer.open(source, { module: breakpoints.module('replay', 'replay'), hash: breakpoints.core.hash }, { otherBuild: true });
  if (coverage) return Replayer.open(source, coverage.core, { otherBuild: true });
  if (build !== undefined) {
    if (!(BUILD_NAMES as readonly string[]).includes(build)) throw new CliError(`there is no build \`${build}\``, `use one of ${BUILD_NAMES.join(', ')}`);
    return Replayer.open(source, CoreFile.build(build as BuildName), { otherBuild: true });
  }
  return Replayer.open(source, CoreFile.recorded(new RecordReader(source).header.coreHash, named));
}

/** A replay has one core. Throws CliError when the options ask for two. */
function refuseTwoCores({ break: places, inspect, coverage, build, core }: ReplayOptions): void {
  const asked = Object.entries({ '--break': places ?? inspect, '--coverage': coverage, '--build': build }).filter(([, v]) => v !== undefined).map(([k]) => k);
  if (core !== undefined && asked[0] !== '--break') asked.push('--core');
  if (asked.length > 1) throw new CliError(`${asked.join(' and ')} each ask for a core of their own`, 'give one of them');
}

export interface ReplayOptions extends BreakOptions {
  json?: boolean;
  pcap?: string;
  until?: string;
  build?: string;
  coverage?: string;
}

/** Replay a file and tell what came of it: 0 when it went as recorded, 1 when something differs. */
export async function replayFile(path: string, options: ReplayOptions): Promise<number> {
  const until = options.until === undefined ? Infinity : Number(options.until);
  if (options.until !== undefined && !/^\d+$/.test(options.until)) throw new CliError(`\`--until ${options.until}\` is no number of calls`, 'write for example --until 1000');
  refuseTwoCores(options);
  const source = FileSource.open(path);
  try {
    const coverage = options.coverage === undefined ? undefined : new CoverageReport(options.coverage);
    const breakpoints = Breakpoints.of(options), replayer = await open(source, options, coverage, breakpoints), start = replayer.now;
    if (breakpoints) breakpoints.now = () => replayer.now - start;
    const result = captured(replayer, options.pcap, path, () => replayer.run(until));
    breakpoints?.end();
    process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : text(path, result));
    if (coverage) {
      coverage.add(replayer.core);
      process.stderr.write(`${await coverage.write()}\n`);
    }
    return result.divergence ? 1 : 0;
  } catch (e) {
    throw e instanceof RecordError ? new CliError(e.message, e.remedy) : e;
  } finally {
    source.close();
  }
}

/** What `run` gives; the frames of the replay go to a file, also when it ends with an error. */
function captured<T>(replayer: Replayer, file: string | undefined, record: string, run: () => T): T {
  if (file === undefined) return run();
  const capture = replayer.tap = writing(file, 'name another file with --pcap FILE', () => new FileCapture(replayer.core.mem, file, [`replay of ${record}`], true));
  try {
    return run();
  } finally {
    capture.close();
  }
}

function text(path: string, r: ReplayResult): string {
  const lines = [
    `${path}: ${r.calls} calls, ${r.framesIn} frames received, ${r.framesOut} sent, ${r.events} events, ${r.timers} polls with timers due, ${(r.duration / 1e9).toFixed(3)} s (${r.build} build)`,
    `hash ${r.hash}`,
  ];
  if (r.truncated !== undefined) lines.push(`the record was not closed: it ends ${r.truncated}`);
  if (r.trap) lines.push(`the recorded core trapped: ${r.trap.recorded}`, `this one ${r.trap.replayed === undefined ? 'did not' : `says: ${r.trap.replayed}`}`);
  const d = r.divergence;
  lines.push(d ? `DIFFERS at call ${d.call}, ${d.name} (before byte ${d.offset}): ${d.what}` : 'as recorded');
  return `${lines.join('\n')}\n`;
}
