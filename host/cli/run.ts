// `nuse run`: a stack and a program on it, for as long as the program and what it started live.
import { loadConfig } from '../config/load.js';
import type { StackConfig } from '../config/config.js';
import { CliError, EXIT_NUSE, tell } from './fail.js';
import { userOptions } from './user_options.js';
import { formatStats } from './format.js';
import { recordOf, type RecordOptions } from './replay.js';
import { Session } from './session.js';
import { signalCode, forwardSignals } from './signals.js';

export interface RunOptions extends RecordOptions {
  config?: string;
  /** For the USER interface, beside what its block says. */
  publish?: string[];
  egress?: string[];
  hostLoopback?: boolean;
  pcap?: string;
  json?: boolean;
  verbose?: boolean;
}

/** The configuration that the options and the environment name. */
export function configOf(options: RunOptions): StackConfig {
  const config = loadConfig(options.config, process.env, true);
  userOptions(config, options);
  if (options.pcap !== undefined) config.pcap = options.pcap;
  return config;
}

/** What -v says goes to stderr. */
export const logger = (on: boolean | undefined) => (on ? (text: string) => void process.stderr.write(`nuse: ${text}\n`) : undefined);

/** Run a program on a stack of its own; its exit code. */
export async function runProgram(argv: readonly string[], options: RunOptions): Promise<number> {
  const session = await Session.start(configOf(options), { log: logger(options.verbose), record: recordOf(options, argv.join(' ')), json: options.json });
  let pid = 0;
  const stopForwarding = forwardSignals((signal) => {
    // After the program's own end there is only the runtime left to ask: it goes, and what still runs is reset.
    if (pid) process.kill(pid, signal);
    else void session.close().then(() => process.exit(signalCode(signal)));
  });
  try {
    const program = await session.launch(argv);
    pid = program.pid;
    const crash = session.crashed.then((e) => new CliError(`the stack failed: ${e.message}`, 'its programs lost their connections'));
    const end = await Promise.race([program.exit, crash]);
    if (typeof end !== 'number') {
      // The program sees the end of its connections, and is waited for.
      tell(end, !!options.json);
      return await program.exit || EXIT_NUSE;
    }
    pid = 0;
    const late = await Promise.race([program.gone, crash]);
    if (late) {
      tell(late, !!options.json);
      return end || EXIT_NUSE;
    }
    if (options.verbose) process.stderr.write(formatStats(await session.stats()));
    return end;
  } finally {
    stopForwarding();
    await session.close();
  }
}
