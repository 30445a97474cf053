// `npm run bench -- faithful`: our TCP in the simulator over the path of the kernel's table, 60 s of virtual time for each seed.
import { readFileSync } from 'node:fs';
import { CORE_WASM } from '../host/cli/install.js';
import { CONTROLS, LINUX, LOSSES, deviation, mean, pftk, simulated } from '../test/sim/faithful.js';

/** The table, line by line. */
export async function faithfulLines(seeds: number): Promise<string[]> {
  const module = new WebAssembly.Module(readFileSync(CORE_WASM));
  const lines = [
    `${seeds} seeds x 60 s of virtual time; Mbit/s, mean (sd)`,
    `| loss | ${CONTROLS.map((c) => `nuse ${c}`).join(' | ')} | ${CONTROLS.map((c) => `Linux ${c}`).join(' | ')} | PFTK b=1 |`,
    `|${'---|'.repeat(2 + 2 * CONTROLS.length)}`,
  ];
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
