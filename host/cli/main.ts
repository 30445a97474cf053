// Entry of the `nuse` command. The thread of a stack boots while the rest of the command is being loaded: each takes as long as the other.
import { StackThread } from '../threads/stack_thread.js';
import { entry } from './install.js';

/** Will this command start a stack, as far as its first word tells? */
function startsStack(argv: readonly string[]): boolean {
  return argv.includes('--') ? ['--', 'run', 'record'].includes(argv[0]) || argv[0].startsWith('-') : argv[0] === 'daemon';
}

/** Run the command with these arguments; sets the exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  if (startsStack(argv)) StackThread.prepare(entry('stack_worker'));
  const { command } = await import('./command.js');
  await command(argv);
}
