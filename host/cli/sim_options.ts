// Options of `nuse sim` that have no meaning together: told, instead of one of them being passed over.
import { CliError } from './fail.js';
import type { SweepOptions } from './sim_sweep.js';

type Name = keyof SweepOptions;
const option = (name: Name): string => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** How many runs there are, and which. */
const SWEEPS: readonly Name[] = ['sweep', 'seeds'];
/** Of a sweep alone. */
const OF_SWEEPS: readonly Name[] = ['jobs', 'shard', 'merge', 'emit', 'shards', 'image'];
/** Look into one run, in one thread. */
const DEBUGGING: readonly Name[] = ['break', 'inspect', 'breakNode', 'record', 'stopOnTrap', 'frameLog', 'sanitizer', 'coverage'];

/** What each of the first excludes. */
const EXCLUDES: readonly (readonly [readonly Name[], readonly Name[], string])[] = [
  [SWEEPS, [...DEBUGGING, 'core', 'compare', 'realtime', 'workers'], 'a sweep has many runs: debug one of them by the command in its row; another core is named by the variable NUSE_CORE'],
  [['compare'], [...DEBUGGING, 'realtime', 'workers', 'out'], 'it makes two runs of its own: leave the others out'],
  [['realtime'], ['frameLog', 'workers'], 'leave one of them out'],
  [['workers'], [...DEBUGGING, 'out'], 'leave --workers out: they need the whole run in one thread'],
  [['coverage'], ['core', 'sanitizer', 'break', 'inspect'], 'each asks for a core of its own: leave one of them out'],
];

/** Throws CliError. */
export function refuseContradictions(o: SweepOptions): void {
  const given = (names: readonly Name[]): Name | undefined => names.find((n) => o[n] !== undefined && o[n] !== false && !(n === 'workers' && o.workers === '1'));
  const stray = given(OF_SWEEPS);
  if (stray && !given(SWEEPS)) throw new CliError(`${option(stray)} is of sweeps`, 'add --sweep PARAMETER=VALUES or --seeds LIST');
  for (const [some, others, remedy] of EXCLUDES) {
    const a = given(some), b = given(others);
    if (a && b) throw new CliError(`${option(a)} does not go with ${option(b)}`, remedy);
  }
  if (o.breakNode && !given(['break', 'inspect'])) throw new CliError('--break-node says where, but not what', 'add --break PLACE, or --inspect to set breakpoints in a debugger');
}
