// `npm run nightly`: the whole of what the suite runs a part of. Each part alone by its option, `-j N` threads:
//   --faults [--seeds 1..10000]   fault schedules; --seed 7: one of them, with all that it does
//   --golden [--write]            the golden table of throughput
//   --fairness                    2 to 64 flows of each congestion control
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { CORE_WASM } from '../../../host/cli/install.js';
import { CONTESTS, index, unfair } from '../fairness/shares.js';
import { runSchedule, told } from '../faults/run.js';
import { scheduleOf } from '../faults/schedule.js';
import { CELLS, nameOf, readTable, writeTable } from '../golden/table.js';
import { computeAll } from './pool.js';

const flag = { type: 'boolean' } as const, text = { type: 'string' } as const;
const { values: o } = parseArgs({ options: { faults: flag, golden: flag, fairness: flag, write: flag, seeds: text, seed: text, jobs: { ...text, short: 'j' } } });
const module = new WebAssembly.Module(readFileSync(CORE_WASM)), threads = Number(o.jobs ?? availableParallelism());

/** Schedules that failed. */
async function faults(): Promise<number> {
  const [first, last] = /^(\d+)\.\.(\d+)$/.exec(o.seeds ?? '1..10000')!.slice(1).map(Number), sum = { failed: 0, seconds: 0, events: 0, retransmissions: 0 };
  let longest = { silence: 0, seed: 0 };
  await computeAll(module, Array.from({ length: last - first + 1 }, (_, i) => first + i), threads, (v) => {
    sum.seconds += v.seconds;
    sum.events += v.events;
    sum.retransmissions += v.retransmissions;
    if (v.silence > longest.silence) longest = v;
    if (v.failure === undefined) return;
    sum.failed++;
    console.log(`${v.failure}\n  npm run nightly -- --seed ${v.seed}`);
  });
  console.log(`fault schedules ${first}..${last}: ${sum.failed} failed; ${Math.round(sum.seconds)} s of virtual time, ${sum.events} events, ${sum.retransmissions} segments sent again, `
    + `longest silence ${longest.silence.toFixed(3)} RTO (seed ${longest.seed})`);
  return sum.failed;
}

/** One schedule, step by step. */
async function fault(seed: number): Promise<number> {
  console.log(told(scheduleOf(seed)));
  const v = await runSchedule(seed, { module, log: (line) => console.log(line) });
  console.log(v);
  return v.failure === undefined ? 0 : 1;
}

/** Cells that are not as kept. */
async function golden(): Promise<number> {
  const figures = new Array<number>(CELLS.length).fill(0);
  await computeAll(module, CELLS, threads, (bits, i) => { figures[i] = bits; });
  if (o.write) writeTable(figures);
  const kept = readTable(), wrong = CELLS.flatMap((c, i) => (figures[i] === kept[i] ? [] : [`${nameOf(c)}: ${figures[i]}, not ${kept[i]} bit/s`]));
  for (const w of wrong) console.log(w);
  console.log(`golden table: ${wrong.length} of ${CELLS.length} cells are not as kept`);
  return wrong.length;
}

const FAIRNESS_SEEDS = [1, 2, 3, 4];

/** Contests that were unfair, each over several seeds. */
async function fairness(): Promise<number> {
  let failed = 0;
  const runs = CONTESTS.map(() => [] as number[][]), tasks = CONTESTS.flatMap((c) => FAIRNESS_SEEDS.map((seed) => ({ ...c, seed })));
  await computeAll(module, tasks, threads, (x, i) => {
    const contest = Math.floor(i / FAIRNESS_SEEDS.length), c = CONTESTS[contest];
    if (runs[contest].push(x) < FAIRNESS_SEEDS.length) return;
    const wrong = unfair(c, runs[contest]);
    if (wrong) failed++;
    console.log(wrong ? `unfair: ${wrong}` : `fair: ${c.flows} of ${c.control}, Jain's index ${index(runs[contest]).toFixed(4)}`);
  });
  return failed;
}

const begin = Date.now(), all = !o.faults && !o.golden && !o.fairness;
let failed = 0;
if (o.seed !== undefined) failed += await fault(Number(o.seed));
else {
  if (o.fairness || all) failed += await fairness();
  if (o.golden || all) failed += await golden();
  if (o.faults || all) failed += await faults();
  console.log(`${((Date.now() - begin) / 1000).toFixed(1)} s on ${threads} threads`);
}
process.exitCode = failed ? 1 : 0;
