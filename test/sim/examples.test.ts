// The experiments of examples/sim give the figures that they state.
import { readFileSync, readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM } from '../../host/cli/install.js';
import { ScenarioRun } from '../../host/sim/run.js';
import { parseScenario } from '../../host/sim/scenario_file.js';

const test = suite('sim: examples');
const module = new WebAssembly.Module(readFileSync(CORE_WASM));
const folder = new URL('../../../../examples/sim/', import.meta.url);

for (const file of readdirSync(folder).filter((f) => f.endsWith('.yaml'))) {
  test(file, async () => {
    const run = await ScenarioRun.create(parseScenario(readFileSync(new URL(file, folder), 'utf8'), file), { module });
    run.finish();
    const { expectations } = run.result();
    assert.ok(expectations.length, 'it expects nothing');
    assert.equal(expectations.filter((e) => !e.met), []);
  });
}

test.run();
