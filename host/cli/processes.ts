// The programs of a stack, found by the network namespace they are in.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

export interface ProcessInfo {
  pid: number;
  /** Command line, or the name in brackets. */
  command: string;
}

const GONE = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EINVAL']);

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch (e) {
    if (GONE.has((e as NodeJS.ErrnoException).code ?? '')) return null;
    throw e;
  }
}

/** Inode of a process's network namespace; 0 when the process has gone or is not ours. */
export function netnsOf(pid: number): number {
  const link = attempt(() => readlinkSync(`/proc/${pid}/ns/net`));
  return Number(/^net:\[(\d+)\]$/.exec(link ?? '')?.[1] ?? 0);
}

/** Processes in the namespace, except those named, by pid. */
export function processesIn(netns: number, except: readonly number[] = []): ProcessInfo[] {
  return readdirSync('/proc').filter((d) => /^\d+$/.test(d)).map(Number).filter((pid) => !except.includes(pid) && netnsOf(pid) === netns).map((pid) => {
    const command = (attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '').replaceAll('\0', ' ').trim();
    return { pid, command: command || `[${(attempt(() => readFileSync(`/proc/${pid}/comm`, 'utf8')) ?? '?').trim()}]` };
  }).sort((a, b) => a.pid - b.pid);
}

/** SIGTERM, and after `graceMs` SIGKILL, to every process of the namespace except those named; resolves when none is left. */
export async function endAll(netns: number, graceMs: number, except: readonly number[]): Promise<void> {
  const deadline = Date.now() + graceMs, giveUp = deadline + 2000;
  let asked = false;
  for (;;) {
    const left = processesIn(netns, except);
    if (!left.length || Date.now() > giveUp) return;
    const late = Date.now() > deadline;
    if (!asked || late) for (const p of left) attempt(() => process.kill(p.pid, late ? 'SIGKILL' : 'SIGTERM'));
    asked = true;
    await new Promise((r) => setTimeout(r, 20));
  }
}
