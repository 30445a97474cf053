// `npm run bench -- faithful`: our TCP in the simulator over the path of the kernel's table, 60 s of virtual time for each seed.
import { readFileSync } from 'node:fs';
import { CORE_WASM } from '../host/cli/install.js';
import { CONTROLS, LINUX, LOSSES, deviation, mean, pftk, simulated } from '../test/sim/faithful.js';

/** The table, line by line. */
export async function faithfulLines(seeds: number): Promise<string[]> {
  const module = new WebAssembly.Module(readFileSync(CORE_WASM));
  const lines = [`${seeds} seeds x 60 s of virtual time; Mbit/s, mean (sd)`, '| loss | nuse reno | nuse cubic | Linux reno | Linux cubic | PFTK b=1 |', '|---|---|---|---|---|---|'];
  for (const [i, loss] of LOSSES.entries()) {
    const cells: string[] = [];
    for (const control of CONTROLS) {
      const values: number[] = [];
      for (let seed = 1; seed <= seeds; seed++) values.push(await simulated(module, control, loss, seed, 60));
      cells.push(`${mean(values).toFixed(3)} (${deviation(values).toFixed(3)})`);
    }
    lines.push(`| ${loss} | ${[...cells, ...CONTROLS.map((c) => LINUX[c][i].toFixed(3)), pftk(loss).toFixed(2)].join(' | ')} |`);
  }
  return lines;
}
