// `nuse bench`: what the command line says of it. The measuring is in bench/, in a bundle of its own that is read only now.
import type { Command } from 'commander';
import { CliError } from './fail.js';
import { entry, findProgram } from './install.js';

export interface BenchOptions {
  rounds: number;
  /** Of each figure. */
  seconds: number;
  /** Where results are written. */
  out: string;
  json?: boolean;
  /** `slides`: only these. */
  backends?: string;
  /** `peers`: only measures and peers whose name has one of these in it. */
  only?: string[];
}

/** What bench/command.ts exports. */
export interface BenchModule {
  benchSlides(o: BenchOptions): Promise<number>;
  benchPeers(o: BenchOptions): Promise<number>;
}

/** Program -> the Debian package that brings it. */
const NEEDED = { ip: 'iproute2', ping: 'iputils-ping', gcc: 'gcc libc6-dev', ethtool: 'ethtool', taskset: 'util-linux', iperf3: 'iperf3' };

/** Throws when something is missing that the measuring cannot do without. */
function requirePrograms(wanted: readonly (keyof typeof NEEDED)[]): void {
  if (process.getuid!() !== 0) throw new CliError('bench makes network namespaces and devices: it needs root', 'run it with sudo');
  const missing = wanted.filter((p) => !findProgram(p));
  if (missing.length) throw new CliError(`${missing.join(', ')} not found`, `apt-get install ${missing.map((p) => NEEDED[p]).join(' ')}`);
}

const positive = (name: string) => (text: string): number => {
  const n = Number(text);
  if (!(n > 0)) throw new CliError(`--${name} ${text}: no positive number`, `write --${name} 2`);
  return n;
};

function options(command: Command): Command {
  return command.option('--rounds <n>', 'of each figure the median of so many is told', positive('rounds'), 5).option('--seconds <n>', 'how long each figure is measured', positive('seconds'), 2)
    .option('--out <folder>', 'where the results go', 'nuse-bench').option('--json', 'print the results as JSON');
}

/** The commands `bench slides` and `bench peers`. `run`: an action's exit code, for the name of its command. */
export function benchCommands(bench: Command, run: (name: string, code: () => Promise<number>) => void): void {
  const load = async (): Promise<BenchModule> => await import(entry('bench').href) as BenchModule;
  options(bench.command('slides')).description('the experiments of NUSE\'s slides of 2014, with each back end and with the kernel: table, slides.json, slides.svg')
    .option('--backends <list>', 'only these: tap,raw,xdp')
    .action((o: BenchOptions) => run('bench slides', async () => {
      requirePrograms(['ip', 'ping', 'gcc', 'ethtool', 'taskset']);
      return (await load()).benchSlides(o);
    }));
  options(bench.command('peers')).description('the marks against the kernel and the stacks of others that are installed: table, peers.json')
    .option('--only <words...>', 'only measures that have one of these in their name')
    .action((o: BenchOptions) => run('bench peers', async () => {
      requirePrograms(['ip', 'ping', 'gcc', 'ethtool', 'taskset', 'iperf3']);
      return (await load()).benchPeers(o);
    }));
}
