// The simulator's TCP against Linux and a formula: five seeds of 60 s for each loss and congestion control.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../host/cli/install.js';
import { CEILING, CONTROLS, LINUX, LOSSES, longPath, mean, pftk, simulated, type Control } from './faithful.js';

const SEEDS = [1, 2, 3, 4, 5], SECONDS = 60;
const test = suite('sim: faithful');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));
const goodputs = new Map<string, number>();

for (const control of CONTROLS) {
  for (const [i, loss] of LOSSES.entries()) {
    test(`${control}, loss ${loss}`, async () => {
      const values: number[] = [];
      for (const seed of SEEDS) values.push(await simulated(module, control, loss, seed, SECONDS));
      const goodput = mean(values), told = `${goodput.toFixed(3)} Mbit/s of ${values.map((v) => v.toFixed(2)).join(', ')}`;
      goodputs.set(`${control} ${loss}`, goodput);
      // A model of the path, not loss, governs BBR.
      if (control === 'bbr') return assert.ok(goodput >= 0.9 * CEILING, told);
      if (loss === 0) return assert.ok(goodput >= 0.99 * CEILING, told);
      assert.ok(Math.abs(goodput / LINUX[control][i] - 1) <= 0.2, `${told}; Linux: ${LINUX[control][i]}`);
      assert.ok(goodput / pftk(loss) >= 0.75 && goodput / pftk(loss) <= 1.3, `${told}; PFTK: ${pftk(loss)}`);
    });
  }
}

test('CUBIC carries 0.85 of what Reno does, or more', () => {
  const at = (control: Control, loss: number): number => goodputs.get(`${control} ${loss}`)!;
  for (const loss of LOSSES) assert.ok(at('cubic', loss) >= 0.85 * at('reno', loss), `loss ${loss}: ${at('cubic', loss)} and ${at('reno', loss)}`);
});

// What it takes: a window of three bandwidth-delay products while holes are filled, no loss taken for reordering, nothing sacked dropped again.
for (const seed of [1, 2]) {
  test(`BBR on a long path with 1 % of loss, seed ${seed}`, async () => {
    const part = await longPath(module, 0.01, seed);
    assert.ok(part >= 0.85, `${part.toFixed(3)} of the ceiling`);
  });
}

test.run();
