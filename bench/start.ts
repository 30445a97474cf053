// Start-up: from the command to the end of a program that does nothing, and what the runtime holds while one runs.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { NUSE, type Lab } from '../test/interop/lab.js';
import { median } from './measures.js';

/** ms from start to end of a command. */
function timeOf(rounds: number, command: string, args: readonly string[]): number {
  return median(Array.from({ length: rounds }, () => {
    const start = process.hrtime.bigint();
    execFileSync(command, args);
    return Number(process.hrtime.bigint() - start) / 1e6;
  }));
}
/** Of `nuse -- true`; and of Node with a worker that does nothing: what no stack on it can do without. */
export const startTime = (rounds: number): number => timeOf(rounds, NUSE[0], [...NUSE.slice(1), '--', 'true']);
export const nodeTime = (rounds: number): number => timeOf(rounds, process.execPath, ['-e', 'new (require("node:worker_threads").Worker)("0", { eval: true })']);

/** Resident memory of the runtime when its program begins, MiB. */
export async function startMemory(lab: Lab): Promise<number> {
  const p = lab.run(lab.netns('start'), [...NUSE, '--', 'sh', '-c', 'echo up; exec sleep 100']);
  await p.until(/up/);
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${p.child.pid}/status`, 'utf8'))!;
  p.kill();
  await p.done;
  return Number(kib) / 1024;
}
