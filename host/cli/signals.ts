// Signals of the command and of its program: 128+n, and passing on what only the command received.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

/** What is passed on to the program. SIGTSTP, SIGCONT and SIGWINCH reach the program's process group by themselves. */
const FORWARDED: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];
/** What a terminal sends to the whole foreground group: the program has it already. */
const FROM_TERMINAL = new Set<NodeJS.Signals>(['SIGINT', 'SIGQUIT']);

/** Exit code of what a signal ended, as a shell says it. */
export const signalCode = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

/** Is this process in its terminal's foreground group? */
function inForeground(): boolean {
  // pid (comm) state ppid pgrp session tty_nr tpgid; comm may hold spaces and brackets.
  const fields = readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /s, '').split(' ');
  return fields[2] === fields[5];
}

/**
 * Hold off the signals that would end this process, and give them to `send` unless the terminal has done so. The
 * returned function undoes it.
 */
export function forwardSignals(send: (signal: NodeJS.Signals) => void): () => void {
  const handlers = FORWARDED.map((signal) => {
    const handler = () => {
      if (!FROM_TERMINAL.has(signal) || !inForeground()) send(signal);
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => { for (const undo of handlers) undo(); };
}
