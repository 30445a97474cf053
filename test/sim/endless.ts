// A program whose run never ends: for the test of the watchdog. Its argument says where: in a callback of a node, in a module, or nowhere.
import { CoreFile } from '../../host/cli/cores.js';
import { Watchdog } from '../../host/cli/watchdog.js';
import { ScenarioRun } from '../../host/sim/run.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';

const run = await ScenarioRun.create(scenarioOf({ duration: '3s', links: [{ between: ['a', 'b'], rate: '10Mbit' }], apps: [{ type: 'bulk', from: 'a', to: 'b' }] }), { module: CoreFile.named(undefined).module });
function forEver(): void { for (let i = 0; ; i++) if (i < 0) return; }
/** (module (func (export "f") (loop br 0))) */
const LOOP = Uint8Array.from('0061736d01000000010401600000030201000705010166000 00a09010700 03400c000b0b'.replace(/ /g, '').match(/../g)!, (x) => parseInt(x, 16));
const forEverInWasm = (): void => (new WebAssembly.Instance(new WebAssembly.Module(LOOP)).exports.f as () => void)();
if (process.argv[2] === 'module') run.nodes.get('a')!.after(0.5e9, forEverInWasm);
if (process.argv[2] === 'callback') run.nodes.get('b')!.after(1.5e9, forEver);
// Where nothing hangs, a machine that is busy with other things must not look as if something did.
const dog = new Watchdog(run, process.argv[2] === 'nowhere' ? 60 : 1);
run.finish();
await dog.end();
console.log('over');
