// What a transfer carries, by buffers, loss, congestion control and round trip: 576 cells, in bit/s, the same to the bit whenever they are
// computed from the same seed. `throughput.csv` has them, `npm run nightly -- --golden --write` makes it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../../host/cli/install.js';
import { ScenarioRun } from '../../../host/sim/run.js';
import { scenarioOf } from '../../../host/sim/scenario_file.js';

export const CONTROLS = ['reno', 'cubic', 'bbr'] as const;
export const ROUND_TRIPS_MS = [1, 10, 100];
/** Of the sender and of the receiver, fixed. */
export const BUFFERS_KIB = [8, 16, 32, 64, 128, 256, 1024, 4096];
/** Of the frames with data, each on its own. */
export const LOSSES = [0, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3];
const SEED = 1;
/** The path, and its drop-tail queue. */
const RATE = 100e6, QUEUE = 1000;
/** A transfer of so many bytes, and s until it is given up: what has come by then counts. */
const BYTES = 4e6, SECONDS = 30;

export interface Cell {
  control: typeof CONTROLS[number];
  roundTripMs: number;
  bufferKib: number;
  loss: number;
}

/** All of them, in the order of the file. */
export const CELLS: readonly Cell[] = CONTROLS.flatMap((control) => ROUND_TRIPS_MS.flatMap((roundTripMs) => BUFFERS_KIB.flatMap((bufferKib) => LOSSES.map((loss) => ({ control, roundTripMs, bufferKib, loss })))));
export const nameOf = (c: Cell): string => `${c.control}, ${c.roundTripMs} ms, ${c.bufferKib} KiB, loss ${c.loss}`;
/** Payload of a segment, which takes `FRAME` bytes of the link. */
const MSS = 1448, FRAME = 1514;
/** bit/s of payload that fit. */
export const CEILING = RATE * MSS / FRAME;
/** Bytes of the receiver's buffer that are window: a segment takes 2048 of it. */
const windowOf = (c: Cell): number => c.bufferKib * 1024 * MSS / 2048;
/** bit/s that the receiver's window allows: so much in every round trip. */
export const windowLimit = (c: Cell): number => windowOf(c) * 8 / (c.roundTripMs / 1e3);
/** bit/s in whole segments, with the time that the link takes for the two that an acknowledgment is of. */
export const expected = (c: Cell): number => Math.min(CEILING, Math.floor(windowOf(c) / MSS) * MSS * 8 / (c.roundTripMs / 1e3 + 2 * FRAME * 8 / RATE));

/** bit/s. */
export async function measure(module: WebAssembly.Module, c: Cell): Promise<number> {
  const bytes = c.bufferKib * 1024, buffers = { 'net.ipv4.tcp_rmem': `4096 ${bytes} ${bytes}`, 'net.ipv4.tcp_wmem': `4096 ${bytes} ${bytes}` };
  const run = await ScenarioRun.create(scenarioOf({
    seed: SEED, duration: `${SECONDS}s`, nodes: { sender: { sysctl: { ...buffers, 'net.ipv4.tcp_congestion_control': c.control } }, receiver: { sysctl: buffers } },
    links: [{ between: ['sender', 'receiver'], rate: `${RATE / 1e6}Mbit`, delay: `${c.roundTripMs * 500}us`, queue: { type: 'droptail', limit: QUEUE }, loss: c.loss, reverse: { loss: 0 } }],
    apps: [{ type: 'bulk', from: 'sender', to: 'receiver', bytes: `${BYTES}B` }],
  }), { module });
  // Nothing happens any more when the receiver has all.
  for (let at = 0; at < SECONDS && !run.metrics()['bulk.finished']; at += 0.25) run.advance((at + 0.25) * 1e9);
  return Math.round(run.metrics()['bulk.goodput']);
}

const FILE = join(PACKAGE_ROOT, 'test/sim/golden/throughput.csv');
const HEAD = ['control', 'round trip ms', 'buffer KiB', ...LOSSES.map((l) => `loss ${l}`)].join(',');

/** The table as kept, in the order of CELLS. */
export function readTable(): number[] {
  const [head, ...rows] = readFileSync(FILE, 'utf8').trim().split('\n');
  if (head !== HEAD) throw new Error(`${FILE} does not begin with: ${HEAD}`);
  return rows.flatMap((row, i) => {
    const [control, roundTrip, buffer, ...figures] = row.split(','), c = CELLS[i * LOSSES.length];
    if (!c || control !== c.control || Number(roundTrip) !== c.roundTripMs || Number(buffer) !== c.bufferKib || figures.length !== LOSSES.length)
      throw new Error(`${FILE}:${i + 2}: not the row of ${c ? nameOf(c) : 'any cell'}`);
    return figures.map(Number);
  });
}
export function writeTable(figures: readonly number[]): void {
  const rows = CELLS.flatMap((c, i) => (i % LOSSES.length ? [] : [[c.control, c.roundTripMs, c.bufferKib, ...figures.slice(i, i + LOSSES.length)].join(',')]));
  writeFileSync(FILE, `${[HEAD, ...rows].join('\n')}\n`);
}
