// What `nuse` understands. What stands after the first `--` is the program and its arguments; commander sees only the rest.
// What running a program does not need is loaded by the command that does.
import { spawnSync } from 'node:child_process';
import { Command, CommanderError } from 'commander';
import { formatFindings, diagnose, usable } from './doctor.js';
import { benchCommands } from './bench.js';
import { CliError, EXIT_NUSE, tell } from './fail.js';
import { findNodeHeaders, packageVersion } from './install.js';
import { loadConfigFile } from '../config/load.js';
import { downStack, execIn, listStacks, showStats, upStack } from './named.js';
import { daemon } from './daemon.js';
import { breakOptions, simDebugOptions } from './debug_options.js';
import type { ReplayOptions } from './replay.js';
import type { ShrinkOptions } from './shrink.js';
import { refuseContradictions } from './sim_options.js';
import type { SweepOptions } from './sim_sweep.js';
import type { TopOptions } from './top.js';
import { runProgram, type RunOptions } from './run.js';

const list = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** Options of commands that start a stack. */
function stackOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'nuse.conf (default: $NUSECONF, else a USER interface: the host\'s network by its sockets)')
    .option('-p, --publish <[address:]hostport:port[/tcp|/udp]>', 'USER: a port of the host leads in; repeatable', list)
    .option('--egress <rule>', 'USER: `allow|deny any|NETWORK [PORTS][/tcp|/udp]`, first match first; repeatable', list)
    .option('--host-loopback', 'USER: the gateway\'s address leads to the host\'s loopback interface')
    .option('--pcap <file>', 'write a pcapng of all interfaces')
    .option('--record <file>', 'record everything that enters the stack, for nuse replay')
    .option('--record-limit <size>', 'size of a record file (default 256M): a full one becomes FILE.1')
    .option('--json', 'tell errors as JSON')
    .option('-v, --verbose', 'tell what happens, on stderr');
}

/** The commands; each action answers the exit code. */
function build(program: readonly string[] | undefined, done: (code: number | Promise<number>) => void): Command {
  const root = new Command('nuse').description('Run unmodified programs on a TCP/IP stack of their own, in WebAssembly.').exitOverride()
    .version(packageVersion(), '-V, --version')
    .usage('[run] [-c FILE] [--pcap FILE] [--json] [-v] -- PROGRAM [ARGUMENT]...');
  const noProgram = (name: string) => {
    if (program) throw new CliError(`${name} runs no program`, `remove \`-- ${program.join(' ')}\``);
  };
  const needProgram = (how: string): readonly string[] => {
    if (!program?.length) throw new CliError('no program given', `write: ${how} -- PROGRAM [ARGUMENT]...`);
    return program;
  };
  stackOptions(root.command('run', { isDefault: true }).description('run a program on a new stack; the exit code is the program\'s'))
    .action((o: RunOptions) => done(runProgram(needProgram('nuse'), o)));
  stackOptions(root.command('record <file>').description('run a program and record everything that enters its stack: run --record FILE'))
    .action((record: string, o: RunOptions) => done(runProgram(needProgram(`nuse record ${record}`), { ...o, record })));
  breakOptions(root.command('replay <file>')).description('feed a record into a fresh core: the hash of all it gives, and the first difference to the recorded run')
    .option('--until <calls>', 'stop after so many calls')
    .option('--pcap <file>', 'write a pcapng of the frames').option('--core <wasm>', 'the core it was recorded with').option('--build <name>', 'another build of the same sources: debug, sanitizer, coverage')
    .option('--coverage <folder>', 'what the replay reaches of the core\'s sources, as lcov and pages; on the coverage build')
    .option('--json', 'as JSON')
    .action((file: string, o: ReplayOptions) => {
      noProgram('replay');
      done(import('./replay.js').then((m) => m.replayFile(file, o)));
    });
  root.command('shrink <file>').description('of a record whose replay fails, the few calls and frames that make it fail, as FILE.min')
    .option('-o, --output <file>', 'where it goes').option('--core <wasm>', 'the core it was recorded with')
    .option('--against <wasm>', 'the failure is that this core does something else, not a trap').option('--json', 'as JSON')
    .action((file: string, o: ShrinkOptions) => {
      noProgram('shrink');
      done(import('./shrink.js').then((m) => m.shrinkFile(file, o)));
    });
  simDebugOptions(root.command('sim <scenario>')).description('simulate a network of stacks in virtual time: figures, expectations, and a hash that the same seed repeats')
    .option('--seed <n>', 'instead of the scenario\'s').option('--set <field=value>', 'change the scenario, as in links.0.loss=0.01; repeatable', list)
    .option('--out <folder>', 'write what the run leaves: pcapng of every device, flows, time series, events, the result').option('--no-pcap', 'without the captures')
    .option('--sweep <parameter=values>', 'run with each of the values, as in loss=0,0.01,0.05; repeatable: every combination', list)
    .option('--seeds <list>', 'run with each of the seeds, as in 1..20').option('-j, --jobs <threads>', 'runs at a time (default: one for each processor)')
    .option('--shard <i/n>', 'compute the i-th of n parts of a sweep').option('--merge <folders...>', 'take the runs of shards into --out')
    .option('--emit <engine>', 'print the sweep as a job of kubernetes or slurm, in parts').option('--shards <n>', 'how many parts (default: 10)').option('--image <image>', 'kubernetes: where `nuse` is')
    .option('--realtime', 'by the wall clock; links to tap:DEVICE lead to devices of the host')
    .option('--workers <n>', 'split the run over so many threads, with the same result')
    .option('--json', 'as JSON')
    .action((file: string, o: SweepOptions) => {
      noProgram('sim');
      refuseContradictions(o);
      done(simulation(file, o));
    });
  root.command('sim-prepare <module> <output>').description('make a WASI program ready for virtual time, as `sim` does at each start: for pages, and for many runs')
    .action((module: string, output: string) => {
      noProgram('sim-prepare');
      done(import('./sim_apps.js').then((m) => m.prepareFile(module, output)));
    });
  root.command('check <file>').description('validate a nuse.conf').option('--json', 'print what it means')
    .action((file: string, o: { json?: boolean }) => {
      noProgram('check');
      const config = loadConfigFile(file);
      process.stdout.write(o.json ? `${JSON.stringify(config, null, 2)}\n` : `${file}: ok, ${config.interfaces.length} interface(s), ${config.routes.length} route(s)\n`);
      done(0);
    });
  root.command('doctor').description('what this machine allows, and the commands that fix what is missing').option('--json', 'as JSON')
    .action((o: { json?: boolean }) => {
      noProgram('doctor');
      const findings = diagnose(findNodeHeaders(), probe);
      process.stdout.write(o.json ? `${JSON.stringify({ ok: usable(findings), findings }, null, 2)}\n` : formatFindings(findings));
      done(usable(findings) ? 0 : 1);
    });
  stackOptions(root.command('up <name>').description('start a stack that programs share'))
    .action((name: string, o: RunOptions) => {
      noProgram('up');
      done(upStack(name, o));
    });
  root.command('exec <name>').description('run a program on a stack that is up').option('--json', 'tell errors as JSON')
    .action((name: string) => done(execIn(name, needProgram(`nuse exec ${name}`))));
  root.command('ps').description('stacks that are up, and their programs').option('--json', 'as JSON')
    .action((o: { json?: boolean }) => {
      noProgram('ps');
      done(listStacks(!!o.json));
    });
  root.command('stats <name>').description('counters of a stack: drops by reason, SNMP, interfaces').option('--json', 'as JSON')
    .action((name: string, o: { json?: boolean }) => {
      noProgram('stats');
      done(showStats(name, !!o.json));
    });
  root.command('top [names...]').description('a live view of the stacks that are up: packets, processor time of each, retransmits, drops by reason; q ends it')
    .option('--interval <s>', 'time between two looks', '1').option('--once', 'one interval, then end').option('--json', 'as JSON, one line for each interval')
    .action((names: string[], o: TopOptions) => {
      noProgram('top');
      done(import('./top.js').then((m) => m.top(names, o)));
    });
  benchCommands(root.command('bench').description('measure this machine, as root: `slides`, `peers`'), (name, code) => {
    noProgram(name);
    done(code());
  });
  root.command('down <name>').description('end the programs of a stack, then the stack').option('--json', 'tell errors as JSON')
    .action((name: string) => {
      noProgram('down');
      done(downStack(name));
    });
  // The process behind `up`; not for people.
  root.command('daemon <name>', { hidden: true }).option('-c, --config <file>').option('--pcap <file>').option('--record <file>').option('--record-limit <size>').option('-v, --verbose')
    .option('-p, --publish <port>', '', list).option('--egress <rule>', '', list).option('--host-loopback')
    .action((name: string, o: RunOptions) => done(daemon(name, o)));
  return root;
}

async function simulation(file: string, o: SweepOptions): Promise<number> {
  const { isSweep, sweep } = await import('./sim_sweep.js');
  if (isSweep(o)) return sweep(file, o);
  const { simulate } = await import('./sim.js');
  return ended(simulate(file, o));
}

/** What the applications of a simulation have left open, timers and servers of the process, does not keep it from ending. */
async function ended(code: Promise<number>): Promise<number> {
  const n = await code;
  // An error of the output is told first.
  return new Promise(() => { process.stdout.write('', () => { setImmediate(() => process.exit(n)); }); });
}

/** Does a program run on a stack here? null, or what went wrong. */
function probe(): string | null {
  const r = spawnSync(process.execPath, [process.argv[1], 'run', '--', 'true'], { encoding: 'utf8', timeout: 15000, env: { ...process.env, NUSECONF: '' } });
  return r.status === 0 ? null : (r.error?.message ?? (r.stderr.trim() || `exit code ${r.status}`));
}

/** Run the command with these arguments; sets the exit code. */
export async function command(argv: readonly string[]): Promise<void> {
  const split = argv.indexOf('--');
  const own = split < 0 ? argv : argv.slice(0, split);
  const program = split < 0 ? undefined : argv.slice(split + 1);
  let code: number | Promise<number> = EXIT_NUSE;
  // A reader that wants no more (`| head`) is no failure; a full disk is.
  process.stdout.on('error', (e: NodeJS.ErrnoException) => { if (e.code !== 'EPIPE') process.exit(tell(new CliError(`cannot write the output: ${e.message}`), own.includes('--json'))); });
  try {
    await build(program, (c) => { code = c; }).parseAsync(own.slice(), { from: 'user' });
    process.exitCode = await code;
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_NUSE;
    else process.exitCode = tell(error, own.includes('--json'));
  }
}
