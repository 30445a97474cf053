// Sweeps as jobs of Kubernetes and Slurm: what is printed fits the schemas, and its commands, run, give the rows of the whole sweep.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigMap, PersistentVolumeClaim } from 'kubernetes-models/v1';
import { Job } from 'kubernetes-models/batch/v1';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { PACKAGE_ROOT } from '../../host/cli/install.js';

const test = suite('sim: sweeps as jobs'), folder = mkdtempSync(join(tmpdir(), 'nuse-emit-')), NAME = "it's a.yaml";
test.after(() => { rmSync(folder, { recursive: true }); });
writeFileSync(join(folder, NAME), `duration: 1s
parameters: { loss: links.0.loss }
links: [{ between: [a, b], rate: 4Mbit, delay: 5ms }]
apps: [{ type: bulk, from: a, to: b }]
`);
// The command as a machine of the engine has it.
mkdirSync(join(folder, 'bin'));
writeFileSync(join(folder, 'bin/nuse'), `#!/bin/sh\nexec '${process.execPath}' '${join(PACKAGE_ROOT, 'bin/nuse.mjs')}' "$@"\n`);
chmodSync(join(folder, 'bin/nuse'), 0o755);

const run = (program: string, args: readonly string[], env: Record<string, string> = {}): string =>
  execFileSync(program, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}`, ...env } });
const SWEEP = ['--sweep', 'loss=0,0.02', '--seeds', '1..3', '--set', 'links.0.delay=7ms'];
const emitted = (...args: string[]): string => run('nuse', ['sim', NAME, ...SWEEP, '--emit', ...args]);
const rows = (out: string): string => readFileSync(join(folder, out, 'rows.jsonl'), 'utf8');
test.before(() => { run('nuse', ['sim', NAME, ...SWEEP, '--out', 'whole']); });

test('slurm: bash takes the script; its parts and its merge are the whole', () => {
  const script = emitted('slurm', '--shards', '2', '--out', 'by slurm');
  writeFileSync(join(folder, 'job.sh'), script);
  run('bash', ['-n', 'job.sh']);
  assert.match(script, /^#!\/bin\/bash\n/);
  const [, first, last] = /^#SBATCH --array=(\d+)-(\d+)$/m.exec(script)!;
  for (let i = Number(first); i <= Number(last); i++) run('bash', ['job.sh'], { SLURM_ARRAY_TASK_ID: String(i) });
  run('bash', ['-c', /^# {3}(nuse .*)$/m.exec(script)![1]]);
  assert.is(rows('by slurm'), rows('whole'));
  assert.is(rows('by slurm').trim().split('\n').length, 6);
});

test('kubernetes: the manifest fits the API\'s schemas; its commands give the whole', () => {
  const [map, claim, job, merge, ...more] = parseAllDocuments(emitted('kubernetes', '--shards', '2', '--image', 'example.org/nuse:1')).map((d) => d.toJS() as unknown);
  assert.is(more.length, 0);
  const config = new ConfigMap(map as ConfigMap), parts = new Job(job as Job), last = new Job(merge as Job);
  for (const o of [config, new PersistentVolumeClaim(claim as PersistentVolumeClaim), parts, last]) {
    o.validate();
    assert.match(o.metadata!.name!, /^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$/, 'a DNS label with room for the number of a part');
  }
  for (const bad of [{ completions: 'two' }, { parallelism: 1.5 }, { template: undefined }])
    assert.throws(() => new Job({ ...parts.toJSON(), spec: { ...parts.spec, ...bad } } as unknown as Job).validate(), undefined, JSON.stringify(bad));
  const { spec } = parts, pod = spec!.template.spec!;
  assert.equal([spec!.completionMode, spec!.completions, last.spec!.suspend], ['Indexed', 2, true]);
  assert.equal(pod.volumes!.map((v) => v.configMap?.name ?? v.persistentVolumeClaim?.claimName), [config.metadata!.name, (claim as PersistentVolumeClaim).metadata!.name]);
  // The file as the pod sees it, and the commands with the volumes in the test's folder.
  const [key] = Object.keys(config.data!), place = (j: Job): string[] => j.spec!.template.spec!.containers[0].command!.slice(1).map((c) => c.replaceAll('/results', join(folder, 'by-kubernetes')));
  assert.is(config.data![key], readFileSync(join(folder, NAME), 'utf8'));
  writeFileSync(join(folder, key), config.data![key]);
  for (let i = 0; i < 2; i++) run('/bin/sh', place(parts), { JOB_COMPLETION_INDEX: String(i) });
  run('/bin/sh', place(last));
  assert.is(rows('by-kubernetes').replaceAll(key, `'${NAME.replace("'", "'\\\\''")}'`), rows('whole'));
});

for (const [what, args, message] of [
  ['an unknown engine', ['nomad'], /--emit nomad.*there is no such engine\n +write kubernetes or slurm/],
  ['no image', ['kubernetes'], /give --image IMAGE/], ['too many parts', ['slurm', '--shards', '7'], /write 1 to 6/],
] as [string, string[], RegExp][]) {
  test(`a mistake: ${what}`, () => {
    assert.throws(() => run('sh', ['-c', 'nuse sim "$0" "$@" 2>&1', NAME, ...SWEEP, '--emit', ...args]), (e: Error & { stdout: string }) => message.test(e.stdout));
  });
}

test.run();
