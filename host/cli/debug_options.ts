// The options of `--break`, and of debugging a simulation. What they do is loaded when one of them is used.
import { Option, type Command } from 'commander';

export interface BreakOptions {
  core?: string;
  break?: string[];
  inspect?: string | true;
  stops?: string;
}

export interface SimDebugOptions extends BreakOptions {
  breakNode?: string[];
  record?: string[];
  stopOnTrap?: boolean;
  coverage?: string;
  compare?: string;
  frameLog?: string;
  sanitizer?: boolean;
}

export const DEFAULT_PORT = 9229, DEFAULT_STOPS = 3;

const list = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** Add the options of breakpoints to a command. */
export function breakOptions(command: Command): Command {
  return command
    .option('--break <place>', 'stop there: a function of the core, or FILE.ts:LINE; repeatable', list)
    .option('--inspect [port]', `wait for a debugger on 127.0.0.1 (default port ${DEFAULT_PORT})`)
    .option('--stops <n>', `without a debugger, tell so many stops (default ${DEFAULT_STOPS})`);
}

/** Add them and those of a simulation to a command. */
export function simDebugOptions(command: Command): Command {
  return breakOptions(command)
    .addOption(new Option('--break-node <node>', 'the node that --break and --inspect are about, by name or number from 1; repeatable').argParser(list))
    .option('--core <wasm>', 'the core of every node, instead of the installed one')
    .addOption(new Option('--record <node=file>', 'record what enters a node, for nuse replay; repeatable').argParser(list))
    .option('--stop-on-trap', 'the first node whose core traps ends the run')
    .option('--compare <other>', 'the first event that differs in another run: a scenario, a log, core=FILE, or a field such as seed=2')
    .option('--frame-log <file>', 'every frame and log line of the run, for --compare')
    .option('--sanitizer', 'every node on the sanitizer build; at the end each is closed, and nothing may be left in it')
    .option('--coverage <folder>', 'what the run reaches of the core\'s sources, as lcov and pages; on the coverage build');
}
