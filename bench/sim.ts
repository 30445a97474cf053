// The simulator against ns-3: the same dumbbell on both in turn, a process for each run; and what nodes cost that do nothing.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url)), RUN = fileURLToPath(new URL('./sim_run.js', import.meta.url));
const HEADERS = '/usr/include/ns3/core-module.h';
const median = (v: number[]): number => [...v].sort((a, b) => a - b)[v.length >> 1];

/** Hosts on either side, connections, virtual seconds. */
const DUMBBELLS = [[1, 1, 120], [50, 100, 3]] as const;
const IDLE = [500, 1000, 10_000];

interface Speed {
  packets: number;
  wall: number;
  events: number;
}
interface Idle {
  made: number;
  wall: number;
  rss: number;
  each: number;
}

/** Delivered data packets per second of wall time by number of connections. `ns3`: undefined where ns-3 is not installed. */
export interface SimFigures {
  speed: Record<string, { nuse: number; twoThreads: number; ns3?: number }>;
  idle: Record<string, Idle>;
}

const json = <T>(command: string, args: readonly string[]): T => JSON.parse(execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 20 })) as T;

/** The C++ program, linked by hand: the pkg-config files of Debian's package are broken. */
function buildNs3(dir: string): string | undefined {
  if (!existsSync(HEADERS)) return undefined;
  const out = join(dir, 'ns3_dumbbell'), libraries = ['core', 'network', 'internet', 'point-to-point', 'applications', 'traffic-control'];
  execFileSync('g++', ['-O2', '-o', out, join(ROOT, 'bench/ns3_dumbbell.cc'), ...libraries.map((l) => `-lns3-${l}`)]);
  return out;
}

export function simFigures(rounds: number): SimFigures {
  const dir = mkdtempSync(join(tmpdir(), 'nuse-bench-'));
  try {
    const peer = buildNs3(dir), speed: SimFigures['speed'] = {};
    for (const [pairs, flows, seconds] of DUMBBELLS) {
      const nuse: number[] = [], twoThreads: number[] = [], ns3: number[] = [], figures = [pairs, flows, seconds].map(String);
      for (let i = 0; i < rounds; i++) {
        const ours = json<Speed>(process.execPath, [RUN, 'dumbbell', ...figures]), theirs = peer && json<Speed>(peer, figures);
        nuse.push(ours.packets / ours.wall);
        const split = json<Speed>(process.execPath, [RUN, 'dumbbell', ...figures, '2']);
        twoThreads.push(split.packets / split.wall);
        if (theirs) ns3.push(theirs.packets / theirs.wall);
      }
      speed[flows] = { nuse: median(nuse), twoThreads: median(twoThreads), ns3: ns3.length ? median(ns3) : undefined };
    }
    return { speed, idle: Object.fromEntries(IDLE.map((n) => [n, json<Idle>(process.execPath, [RUN, 'idle', String(n)])])) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** One line for each figure. */
export function simLines({ speed, idle }: SimFigures): string[] {
  const MIB = 2 ** 20;
  return [
    ...Object.entries(speed).map(([flows, { nuse, twoThreads, ns3 }]) => `sim dumbbell ${`${flows} flows`.padEnd(11)} nuse ${nuse.toFixed(0)}   two threads ${twoThreads.toFixed(0)}   ${
      ns3 === undefined ? 'ns-3 is not installed (libns3-dev): not compared' : `ns-3 ${ns3.toFixed(0)} packets/s   nuse/ns-3 ${(nuse / ns3).toFixed(2)}, ${(twoThreads / ns3).toFixed(2)}`}`),
    ...Object.entries(idle).map(([n, i]) => `sim idle ${`${n} nodes`.padEnd(15)} made in ${i.made.toFixed(1)} s, 3 s of virtual time after ${i.wall.toFixed(1)} s, RSS ${
      (i.rss / MIB).toFixed(0)} MiB, ${(i.each / MIB).toFixed(2)} MiB a node`),
  ];
}
