// Traces and sweeps of scenarios with applications of files: the same run, no state from run to run, and a changed program is another sweep.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_WASM, PACKAGE_ROOT } from '../../host/cli/install.js';
import { AppFiles } from '../../host/cli/sim_apps.js';
import type { Row } from '../../host/cli/sweep_rows.js';
import { ScenarioRun, type RunResult } from '../../host/sim/run.js';
import { parseScenario } from '../../host/sim/scenario_file.js';
import type { TcpSample } from '../../host/sim/trace/series.js';
import { Trace } from '../../host/sim/trace/trace.js';

const test = suite('sim: traces and sweeps of applications'), folder = mkdtempSync(join(tmpdir(), 'nuse-sweep-apps-'));
test.after(() => { rmSync(folder, { recursive: true }); });
const PROGRAM = 'let runs = 0;\nexport default async function (node) {\n  await node.sleep(10);\n  node.report(\'runs\', ++runs);\n}\n';
writeFileSync(join(folder, 'app.mjs'), PROGRAM);
writeFileSync(join(folder, 's.yaml'), 'duration: 1s\nlinks: [{ between: [a, b] }]\napps: [{ type: module, name: app, node: a, file: app.mjs }]\n');
const nuse = (...args: string[]): string => execFileSync(process.execPath, [join(PACKAGE_ROOT, 'bin/nuse.mjs'), 'sim', 's.yaml', ...args], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });

test('a run with promises is the same with traces, which see its connections', async () => {
  const file = join(PACKAGE_ROOT, 'examples/sim/node/http.yaml'), module = new WebAssembly.Module(readFileSync(CORE_WASM)), tcp: TcpSample[] = [], results: RunResult[] = [];
  for (const traced of [false, true]) {
    const loader = new AppFiles(file), run = await ScenarioRun.create(parseScenario(readFileSync(file, 'utf8'), file, { sample: '5ms' }, loader), { module, loader });
    if (traced) new Trace(run, { tcp: (s) => tcp.push(s) });
    await run.finishAsync();
    results.push(run.result());
  }
  assert.is(results[1].hash, results[0].hash);
  assert.ok(new Set(tcp.map((s) => `${s.node} ${s.local}`)).size >= 2, 'both ends of a connection');
});

test('no run sees what another has left in a module', () => {
  nuse('--seeds', '1..3', '-j', '1', '--out', 'out');
  const rows = readFileSync(join(folder, 'out/rows.jsonl'), 'utf8').trim().split('\n').map((l) => JSON.parse(l) as Row);
  assert.equal(rows.map((r) => r.metric_app_runs), [1, 1, 1]);
});

test('another program is another sweep; Kubernetes would not have it', () => {
  writeFileSync(join(folder, 'app.mjs'), PROGRAM.replace('10', '11'));
  assert.throws(() => nuse('--seeds', '1..3', '--out', 'out'), (e: Error & { stderr: string }) => /out holds runs of another scenario/.test(e.stderr));
  assert.throws(() => nuse('--seeds', '1..3', '--emit', 'kubernetes', '--image', 'x'), (e: Error & { stderr: string }) => /runs programs \(app\.mjs\).*\n.*slurm/.test(e.stderr));
});

test.run();
