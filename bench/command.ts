// What `nuse bench` runs (host/cli/bench.ts).
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchModule, BenchOptions } from '../host/cli/bench.js';
import { diagnose } from '../host/cli/doctor.js';
import { CliError } from '../host/cli/fail.js';
import { formatTable } from '../host/cli/format.js';
import { barPlot, stacked, type Bar } from '../host/cli/report_plot.js';
import { signalCode } from '../host/cli/signals.js';
import { writing } from '../host/cli/writing.js';
import { Lab } from '../test/interop/lab.js';
import { peers, peersTables } from './peers.js';
import type { BackEnd } from './scenarios.js';
import { EXPERIMENTS, NUSE_2014, slides, slidesTable, type Experiment, type SlidesResult } from './slides.js';
import { userLines } from './user.js';

const BACK_ENDS: readonly BackEnd[] = ['tap', 'raw', 'xdp'];
/** Of DESIGN's list, those that no build has. */
const NOT_BUILT = ['netmap', 'dpdk'];

/** One line on a terminal that changes; elsewhere nothing is told of the progress. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Knuse bench: ${text}`);
}
/** Run fn with a laboratory that is taken down afterwards, also by a signal. */
async function inLab<T>(fn: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = new Lab();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => closing ??= lab.close();
  const handlers = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => [signal, () => { void close().finally(() => process.exit(signalCode(signal))); }] as const);
  for (const [signal, handler] of handlers) process.once(signal, handler);
  try {
    return await fn(lab);
  } finally {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    await close();
    for (const [signal, handler] of handlers) process.removeListener(signal, handler);
  }
}

function write(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writing(path, 'name another folder with --out', () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, text);
  });
  return path;
}

/** The plots of `bench slides`, one below the other. */
function slidesSvg(r: SlidesResult): string {
  const bars = (unit: string): Bar[] => {
    const of = (Object.keys(EXPERIMENTS) as Experiment[]).filter((e) => EXPERIMENTS[e].unit === unit);
    const ours = r.rows.filter((x) => x.unit === unit).map((x): Bar => ({ group: EXPERIMENTS[x.experiment].title, name: x.backEnd, value: x.value, low: x.min, high: x.max }));
    const theirs = of.flatMap((e): Bar[] => {
      const figures: Record<string, number> = e === 'ping' ? NUSE_2014.ping : e === 'routing-ping' ? NUSE_2014.routing : {};
      return Object.entries(figures).map(([backEnd, value]) => ({ group: EXPERIMENTS[e].title, name: `${backEnd} 2014`, value }));
    });
    return [...ours, ...theirs];
  };
  return stacked([
    barPlot('Round trip times: averages, with least and longest; beside them NUSE\'s of 2014', 'ms', bars('ms')),
    barPlot(`Datagrams of 1024 bytes; dashed: NUSE's of 2014 were all below ${NUSE_2014.udpBelow}`, 'Mbit/s (NUSE 2014: all below the dashed line)', bars('Mbit/s'), NUSE_2014.udpBelow),
  ]);
}

export const benchSlides: BenchModule['benchSlides'] = async (o: BenchOptions) => {
  const wanted: readonly string[] = o.backends?.split(',') ?? BACK_ENDS;
  for (const b of wanted) if (!(BACK_ENDS as readonly string[]).includes(b)) throw new CliError(`--backends: ${b} is none`, `write of ${BACK_ENDS.join(',')}`);
  const missing: SlidesResult['missing'] = NOT_BUILT.map((backEnd) => ({ backEnd, why: 'not part of this build' }));
  const unavailable = diagnose(undefined, () => null).filter((f) => !f.ok && wanted.includes(f.need.toLowerCase()));
  for (const f of unavailable) missing.push({ backEnd: f.need.toLowerCase(), why: `${f.detail}: ${f.fix}` });
  const backEnds = BACK_ENDS.filter((b) => wanted.includes(b) && !missing.some((m) => m.backEnd === b));
  const result = await inLab((lab) => slides(lab, { rounds: o.rounds, seconds: o.seconds, backEnds, missing, progress }));
  const json = `${JSON.stringify(result, null, 2)}\n`;
  const files = [write(o.out, 'slides.json', json), write(o.out, 'slides.svg', slidesSvg(result))];
  const { head, rows } = slidesTable(result);
  const notes = [...result.missing.map((m) => `${m.backEnd}: ${m.why}`), `${result.machine}, Linux ${result.kernel}, medians of ${o.rounds} x ${o.seconds} s`, `written: ${files.join(', ')}`];
  process.stdout.write(o.json ? json : `${formatTable(head, rows)}${notes.join('\n')}\n`);
  return 0;
};

export const benchPeers: BenchModule['benchPeers'] = async (o: BenchOptions) => {
  const result = await inLab((lab) => peers(lab, { rounds: o.rounds, seconds: o.seconds, only: o.only ?? [], progress }));
  const json = `${JSON.stringify(result, null, 2)}\n`, file = write(o.out, 'peers.json', json);
  const failed = Object.entries(result.stacks).flatMap(([measure, f]) => Object.entries(f).filter(([, x]) => x.failed !== undefined).map(([name, x]) => `${measure} of ${name} failed: ${x.failed}`));
  const notes = [
    ...failed, ...(result.user ? userLines(result.user) : []), ...(result.userFailed ? [`user failed: ${result.userFailed}`] : []),
    ...result.missing.map((m) => `${m.peer} is not installed: apt-get install ${m.package}`),
    `${result.machine}, Linux ${result.kernel}, medians of ${o.rounds} x ${o.seconds} s`, `written: ${file}`,
  ];
  process.stdout.write(o.json ? json : `${peersTables(result).map((t) => formatTable(t.head, t.rows)).join('\n')}\n${notes.join('\n')}\n`);
  return 0;
};
