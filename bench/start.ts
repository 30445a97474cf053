// Start-up: from the command to the end of a program that does nothing, and what the runtime holds while one runs.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { NUSE, type Lab } from '../test/interop/lab.js';
import { median } from './measures.js';

/** ms from start to end of `nuse -- true`. */
export function startTime(rounds: number): number {
  return median(Array.from({ length: rounds }, () => {
    const start = process.hrtime.bigint();
    execFileSync(NUSE[0], [...NUSE.slice(1), '--', 'true']);
    return Number(process.hrtime.bigint() - start) / 1e6;
  }));
}

/** Resident memory of the runtime when its program begins, MiB. */
export async function startMemory(lab: Lab): Promise<number> {
  const p = lab.run(lab.netns('start'), [...NUSE, '--', 'sh', '-c', 'echo up; exec sleep 100']);
  await p.until(/up/);
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${p.child.pid}/status`, 'utf8'))!;
  p.kill();
  await p.done;
  return Number(kib) / 1024;
}
