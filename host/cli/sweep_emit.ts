// A sweep for many machines: the jobs of an engine that is there, Kubernetes or Slurm, each of which computes a part with `--shard`.
import { basename } from 'node:path';
import type { IJob, IJobSpec } from 'kubernetes-models/batch/v1';
import type { IConfigMap, IPersistentVolumeClaim } from 'kubernetes-models/v1';
import { stringify } from 'yaml';
import { CliError } from './fail.js';
import type { Sweep } from './sim_sweep.js';
import { quoted } from './shell_words.js';

export interface EmitOptions {
  emit?: string;
  shards?: string;
  image?: string;
  out?: string;
  set?: string[];
  sweep?: string[];
  seeds?: string;
  seed?: string;
}

/** Parts when nothing is said, and the most that Kubernetes and Slurm take in one job. */
const SHARDS = 10, MANY = 100_000;
/** Bytes of a ConfigMap, less what is around the file. */
const CONFIG_MAP = 1_000_000;
const ENGINES = { kubernetes, slurm };

/** The text to submit. Throws CliError. */
export function emit(s: Sweep, o: EmitOptions): string {
  if (!Object.hasOwn(ENGINES, o.emit!)) throw new CliError(`\`--emit ${o.emit}\`: there is no such engine`, 'write kubernetes or slurm');
  const shards = o.shards === undefined ? Math.min(SHARDS, s.points.length) : Number(o.shards);
  const most = Math.min(MANY, s.points.length);
  if (!Number.isInteger(shards) || shards < 1 || shards > most) throw new CliError(`\`--shards ${o.shards}\` is no number of parts of ${s.points.length} runs`, `write 1 to ${most}`);
  return ENGINES[o.emit as keyof typeof ENGINES](s, o, shards);
}

/** `nuse sim FILE` with the options that say what the sweep is. */
function command(file: string, o: EmitOptions): string {
  const all = [...(o.set ?? []).flatMap((v) => ['--set', v]), ...(o.sweep ?? []).flatMap((v) => ['--sweep', v])];
  for (const k of ['seeds', 'seed'] as const) if (o[k] !== undefined) all.push(`--${k}`, o[k]);
  return ['nuse', 'sim', file, ...all].map(quoted).join(' ');
}

function slurm(s: Sweep, o: EmitOptions, shards: number): string {
  const run = command(s.file, o), out = quoted(o.out ?? 'results');
  return `#!/bin/bash
# ${s.points.length} runs in ${shards} parts. Submit this with sbatch, in the folder from which the scenario's path leads to it.
# When all parts have ended:
#   ${run} --out ${out} --merge ${out}/shard-*
#SBATCH --job-name=nuse-sweep
#SBATCH --array=1-${shards}
set -euo pipefail
${run} --shard "$SLURM_ARRAY_TASK_ID/${shards}" --jobs "\${SLURM_CPUS_PER_TASK:-1}" --out ${out}/shard-"$SLURM_ARRAY_TASK_ID"
`;
}

function kubernetes(s: Sweep, o: EmitOptions, shards: number): string {
  const file = basename(s.file), key = file.replace(/[^\w.-]/g, '_'), name = `nuse-${key.toLowerCase().replace(/\.[^.]*$/, '').replace(/[^a-z0-9]+/g, '-').slice(0, 30)}-${s.hash.slice(0, 8)}`.replace(/-+/g, '-');
  if (!o.image) throw new CliError('--emit kubernetes needs to know where `nuse` is', 'give --image IMAGE: a container image that has the command');
  if (s.files.length) throw new CliError(`${s.file} runs programs (${s.files.join(', ')}), which a ConfigMap does not carry`, 'use --emit slurm, whose nodes share the folder');
  if (Buffer.byteLength(s.text) > CONFIG_MAP) throw new CliError(`${s.file} is too large for a ConfigMap`, 'let `generate` describe the network');
  const metadata = (suffix: string) => ({ name: `${name}${suffix}`, labels: { 'app.kubernetes.io/name': 'nuse', 'app.kubernetes.io/instance': name } });
  const pod = (script: string): Pick<IJobSpec, 'template'> => ({
    template: {
      metadata: { labels: metadata('').labels },
      spec: {
        restartPolicy: 'Never', automountServiceAccountToken: false,
        containers: [{
          name: 'nuse', image: o.image, workingDir: '/scenario', command: ['/bin/sh', '-c', script], resources: { requests: { cpu: '1', memory: '1Gi' } },
          volumeMounts: [{ name: 'scenario', mountPath: '/scenario', readOnly: true }, { name: 'results', mountPath: '/results' }],
        }],
        volumes: [{ name: 'scenario', configMap: { name: `${name}-scenario` } }, { name: 'results', persistentVolumeClaim: { claimName: `${name}-results` } }],
      },
    },
  });
  const run = command(key, o), shard = `$((JOB_COMPLETION_INDEX + 1))`;
  const items: [IConfigMap, IPersistentVolumeClaim, IJob, IJob] = [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata('-scenario'), data: { [key]: s.text } },
    { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: metadata('-results'), spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } } } },
    {
      apiVersion: 'batch/v1', kind: 'Job', metadata: metadata(''),
      spec: { completionMode: 'Indexed', completions: shards, parallelism: shards, ...pod(`exec ${run} --shard ${shard}/${shards} --jobs 1 --out /results/shard-${shard}`) },
    },
    { apiVersion: 'batch/v1', kind: 'Job', metadata: metadata('-merge'), spec: { suspend: true, backoffLimit: 0, ...pod(`exec ${run} --out /results --merge /results/shard-*`) } },
  ];
  return `# ${s.points.length} runs in ${shards} parts. When all have ended, let the merge go:
#   kubectl wait --for=condition=complete --timeout=-1s job/${name} && kubectl patch job/${name}-merge -p '{"spec":{"suspend":false}}'
${items.map((i) => stringify(i, { lineWidth: 0 })).join('---\n')}`;
}
