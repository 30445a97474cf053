// `--sanitizer`: every node on the sanitizer build, and closed at the end. On a test-only build with faults to plant (test/assembly/planted.ts).
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PACKAGE_ROOT } from '../../host/cli/install.js';
import { SimDebug } from '../../host/cli/sim_debug.js';
import { ScenarioRun, type RunOptions } from '../../host/sim/run.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';
import { nuse } from './command.js';

const test = suite('sim: sanitizer');
const NODES = ['a', 'r', 'b'];
const SCENARIO = scenarioOf({
  duration: '2s', links: [{ between: ['a', 'r'], rate: '10Mbit' }, { between: ['r', 'b'], rate: '10Mbit', loss: 0.01 }],
  apps: [{ type: 'bulk', from: 'a', to: 'b' }, { type: 'datagrams', from: 'b', to: 'a', rate: '200kbit', size: 3000 }],
});
/** The numbers of test/assembly/planted.ts. */
const FAULTS: [string, number, RegExp | null][] = [
  ['none', 0, null],
  ['use after free', 1, /^nuse: node r(, closed at the end:| has trapped at 1\.\d{9} s:) .*use after free/],
  ['leak', 2, /^nuse: node r, closed at the end: left in its pools: PACKETS: \d+, \d+ allowed; PACKETS_SMALL: 1, 0 allowed\n$/],
  ['double free', 3, /^nuse: node r(, closed at the end:| has trapped at 1\.\d{9} s:) .*(double free|use after free)/],
];

/** What end() says on stderr, and whether all is clean. */
async function planted(fault: number): Promise<{ clean: boolean; said: string }> {
  const debug = new SimDebug({ sanitizer: true, core: join(PACKAGE_ROOT, 'build/core.planted.wasm') }, 'test', NODES);
  const make = async (o: RunOptions): Promise<ScenarioRun> => {
    const run = await ScenarioRun.create(SCENARIO, o), r = run.nodes.get('r')!;
    r.after(1e9, () => (r.core.exports as unknown as { plant(fault: number): void }).plant(fault));
    return run;
  };
  const run = await make(debug.runOptions), { write } = process.stderr;
  let said = '';
  process.stderr.write = ((text: string) => {
    said += text;
    return true;
  }) as typeof write;
  try {
    await debug.finish(run);
    return { clean: await debug.end(run, make), said };
  } finally {
    process.stderr.write = write;
  }
}

for (const [name, fault, message] of FAULTS) {
  test(`in one of three nodes: ${name}`, async () => {
    const { clean, said } = await planted(fault);
    assert.is(clean, message === null, said);
    if (message) assert.match(said, message);
    else assert.is(said, '');
  });
}

test('the command: the same frames as on the shipped core, and nothing is found', async () => {
  const args = ['sim', 'examples/sim/partition.yaml'], [plain, checked] = [await nuse(args), await nuse([...args, '--sanitizer'])];
  assert.equal([checked.code, checked.stderr], [0, '']);
  assert.is(/hash .*/.exec(checked.stdout)![0], /hash .*/.exec(plain.stdout)![0]);
});

test.run();
