// The golden table of throughput: what it says is what TCP can do, and a part of its cells, spread over all of it, comes out to the bit.
// All of them: `npm run nightly -- --golden`.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../../host/cli/install.js';
import { BUFFERS_KIB, CEILING, CELLS, LOSSES, expected, measure, nameOf, readTable, windowLimit, type Cell } from './table.js';

const test = suite('sim: golden table');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));
const table = readTable();
const at = (c: Partial<Cell>): { c: Cell; bits: number }[] => CELLS.map((cell, i) => ({ c: cell, bits: table[i] })).filter(({ c: x }) => Object.entries(c).every(([k, v]) => x[k as keyof Cell] === v));
const mean = (v: readonly { bits: number }[]): number => v.reduce((n, x) => n + x.bits, 0) / v.length;

/** One in so many cells: without a common divisor with the table's sides, so that all values of each are there. */
const STRIDE = 11;

test('every cell has a figure, none beyond the link or the window', () => {
  assert.is(table.length, CELLS.length);
  assert.is(CELLS.length, 8 * 8 * 3 * 3);
  for (const { c, bits } of at({})) {
    assert.ok(Number.isInteger(bits) && bits > 0, `${nameOf(c)}: ${bits}`);
    assert.ok(bits <= CEILING && bits <= windowLimit(c) * 1.01, `${nameOf(c)}: ${bits}`);
  }
});

test('without loss the window or the link is used, but for the start of so short a transfer', () => {
  // A window of three to four segments: the last of them waits for the next two to be acknowledged.
  const share = (c: Cell): number => (c.bufferKib < 16 ? 0.5 : c.roundTripMs > 10 && c.bufferKib > 256 ? 0.25 : 0.7);
  for (const { c, bits } of at({ loss: 0 })) assert.ok(bits >= share(c) * expected(c), `${nameOf(c)}: ${bits} of ${expected(c)}`);
});

test('more loss carries less, a larger buffer and a shorter round trip more', () => {
  const falls = (values: number[], what: string): void => values.slice(1).forEach((v, i) => assert.ok(v <= values[i] * 1.05, `${what}: ${values.join(', ')}`));
  for (const control of ['reno', 'cubic', 'bbr'] as const) {
    falls(LOSSES.map((loss) => mean(at({ control, loss }))), `${control} by loss`);
    falls([...BUFFERS_KIB].reverse().map((bufferKib) => mean(at({ control, bufferKib }))), `${control} by buffer`);
    falls([1, 10, 100].map((roundTripMs) => mean(at({ control, roundTripMs }))), `${control} by round trip`);
  }
});

test('1 % of loss over 100 ms costs BBR little, and the others much', () => {
  const path = { roundTripMs: 100, bufferKib: 4096 }, [bbr] = at({ ...path, control: 'bbr', loss: 0.01 }), [clean] = at({ ...path, control: 'bbr', loss: 0 });
  assert.ok(bbr.bits > 0.5 * clean.bits, `${bbr.bits} of ${clean.bits}`);
  for (const control of ['reno', 'cubic'] as const) assert.ok(at({ ...path, control, loss: 0.01 })[0].bits < 0.75 * bbr.bits, control);
});

test(`every ${STRIDE}th cell is what it was`, async () => {
  const wrong: string[] = [], seen: Record<string, Set<unknown>> = {};
  for (let i = 0; i < CELLS.length; i += STRIDE) {
    for (const [k, v] of Object.entries(CELLS[i])) (seen[k] ??= new Set()).add(v);
    const bits = await measure(module, CELLS[i]);
    if (bits !== table[i]) wrong.push(`${nameOf(CELLS[i])}: ${bits}, not ${table[i]} bit/s`);
  }
  assert.equal(wrong, [], 'if TCP is meant to behave otherwise now: npm run nightly -- --golden --write');
  assert.equal(Object.values(seen).map((s) => s.size), [3, 3, 8, 8]);
});

test.run();
